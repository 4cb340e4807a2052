//! The shapes of answers about how origins, nodes and the cache do (spec/statistics.md N1 to N4, N12, N13), from what tables keep.

use serde::Serialize;

use super::json::{Moment, Numbers, bytes};
use super::json_changes::Before;
use super::json_profile::{self, Extent, Revalidation, Stale};
use crate::merger::{Snapshot, Table};
use crate::tally::profile::sums::percentiles;
use crate::tally::profile::{Kept, Outcome, Profile};
use crate::tally::{Counts, Measure};
use crate::view::asked::Asked;
use crate::view::{Key, rank};

/// An origin fails once this much more of its requests do than in its last hour, and that is at least a tenth of them.
const FAILING_SHARE: f64 = 0.05;
const FAILING_LEAST: f64 = 0.1;

/// It is slow once it takes so many times as long as in its last hour, and at least so many ms.
const SLOW_FACTOR: f64 = 2.0;
const SLOW_LEAST_MS: f64 = 100.0;

/// Requests without which its state is not judged.
const JUDGED_LEAST: u64 = 20;

fn share(part: u64, all: u64) -> Option<f64> {
    (all > 0).then(|| part as f64 / all as f64)
}

fn mean_ms(counts: &Counts) -> Option<f64> {
    share(counts.time_ms, counts.timed)
}

/// What its profile tells of an origin (spec/statistics.md N12).
#[derive(Debug, Serialize)]
struct Health {
    contacts: u64,
    contacts_per_second: f64,
    miss_p50_ms: Option<u64>,
    miss_p95_ms: Option<u64>,
    connect_failures: u64,
    dns_failures: u64,
    timeouts: u64,
    server_errors: u64,
    status_5xx: u64,
    stale_served: u64,
    trouble_share: Option<f64>,
    usual_trouble_share: Option<f64>,
    usual_miss_p50_ms: Option<u64>,
    profile: Extent,
}

/// Requests that needed the origin, the part of them that it failed at, and percentiles of the time of those that were no errors.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Contacts {
    count: u64,
    trouble_share: Option<f64>,
    miss_ms: Option<[u64; 2]>,
}

impl Contacts {
    fn of(profile: &Profile) -> Self {
        use Outcome::{Connect, Dns, Server, Stale, Timeout};
        let count = profile.count(|outcome, _| outcome.is_upstream());
        let failed = profile.count(|outcome, is_5xx| {
            matches!(outcome, Connect | Dns | Timeout | Server | Stale) || (outcome.is_upstream() && is_5xx)
        });
        let miss_ms = percentiles(&profile.times(Outcome::is_miss_time), [5_000, 9_500]);
        Self { count, trouble_share: share(failed, count), miss_ms }
    }

    fn state(&self, usual: Option<&Self>) -> &'static str {
        let p50 = |of: &Self| of.miss_ms.map(|[p50, _]| p50 as f64);
        let usual_trouble = usual.and_then(|usual| usual.trouble_share);
        state(self.count, (self.trouble_share, usual_trouble), (p50(self), usual.and_then(p50)))
    }
}

impl Health {
    fn of(profile: &Profile, now: &Contacts, usual: Option<&Contacts>, (requests, of_seconds): (u64, f64)) -> Self {
        Self {
            contacts: now.count,
            contacts_per_second: json_profile::per_second(now.count, profile, requests, of_seconds),
            miss_p50_ms: now.miss_ms.map(|[p50, _]| p50),
            miss_p95_ms: now.miss_ms.map(|[_, p95]| p95),
            connect_failures: profile.of(Outcome::Connect),
            dns_failures: profile.of(Outcome::Dns),
            timeouts: profile.of(Outcome::Timeout),
            server_errors: profile.of(Outcome::Server),
            status_5xx: profile.count(|outcome, is_5xx| outcome.is_upstream() && is_5xx),
            stale_served: profile.of(Outcome::Stale),
            trouble_share: now.trouble_share,
            usual_trouble_share: usual.and_then(|usual| usual.trouble_share),
            usual_miss_p50_ms: usual.and_then(|usual| usual.miss_ms).map(|[p50, _]| p50),
            profile: Extent::of(profile),
        }
    }
}

/// `/api/v1/origins`: servers and parents that were asked, in a time, each judged against its last `hour`: by its profile, or without one by
/// all of its requests.
pub fn origins(table: &Table, hour: &Table, profiles: Option<&Kept>, limit: usize) -> Vec<u8> {
    #[derive(Serialize)]
    struct Row {
        key: Key,
        state: &'static str,
        requests_per_second: f64,
        error_share: Option<f64>,
        mean_ms: Option<f64>,
        usual_error_share: Option<f64>,
        usual_mean_ms: Option<f64>,
        #[serde(flatten, skip_serializing_if = "Option::is_none")]
        health: Option<Health>,
        #[serde(flatten)]
        numbers: Numbers,
    }
    #[derive(Serialize)]
    struct Origins {
        #[serde(flatten)]
        moment: Moment,
        usual: Before,
        rows: Vec<Row>,
    }
    let usual: std::collections::HashMap<_, u32> = (0..hour.len() as u32).map(|row| (hour.raw_key(row), row)).collect();
    let asked = |row: &u32| !Key::new(table.dimension, table.raw_key(*row)).is_nothing();
    let rows = rank::page(table, Measure::Requests, 0, table.len()).into_iter().filter(asked).take(limit).map(|row| {
        let (counts, raw) = (&table.rows[row as usize], table.raw_key(row));
        let past = usual.get(&raw).map(|row| hour.rows[*row as usize].without(counts));
        let of = |counts: &Counts| (share(counts.measure(Measure::Errors), counts.all_requests()), mean_ms(counts));
        let ((error_share, mean), (usual_share, usual_mean)) = (of(counts), past.as_ref().map_or((None, None), of));
        let profile = |of: &Table| json_profile::profile(profiles, of.dimension, raw, of.covered.period);
        let told = profile(table).map(|now| {
            let past = profile(hour).map(|hour| Contacts::of(&hour.without(&now)));
            (Contacts::of(&now), past, now)
        });
        Row {
            key: Key::new(table.dimension, raw),
            state: match &told {
                Some((contacts, past, _)) => contacts.state(past.as_ref()),
                None => state(counts.all_requests(), (error_share, usual_share), (mean, usual_mean)),
            },
            requests_per_second: counts.all_requests() as f64 / table.covered.seconds,
            error_share,
            mean_ms: mean,
            usual_error_share: usual_share,
            usual_mean_ms: usual_mean,
            health: told.map(|(now, past, profile)| {
                Health::of(&profile, &now, past.as_ref(), (counts.all_requests(), table.covered.seconds))
            }),
            numbers: Numbers::of(table, row),
        }
    });
    bytes(&Origins { moment: Moment::of(table), usual: (&hour.covered).into(), rows: rows.collect() })
}

/// How an origin does that was asked so often: by errors and by time (ms), each now and usually.
fn state(
    asked: u64,
    (errors, usual_errors): (Option<f64>, Option<f64>),
    (ms, usual_ms): (Option<f64>, Option<f64>),
) -> &'static str {
    if asked < JUDGED_LEAST {
        return "unknown";
    }
    let errors = errors.unwrap_or(0.0);
    let is_slow = ms.zip(usual_ms).is_some_and(|(ms, usual)| ms >= SLOW_LEAST_MS && ms >= SLOW_FACTOR * usual);
    if errors >= FAILING_LEAST && errors >= usual_errors.unwrap_or(0.0) + FAILING_SHARE {
        "failing"
    } else if is_slow {
        "slow"
    } else {
        "good"
    }
}

/// A figure of a node or of all.
type Figure = fn(&Counts, f64) -> Option<f64>;

/// The figures that nodes are compared by, with their names.
const FIGURES: [(&str, Figure); 6] = [
    ("requests_per_second", |counts, seconds| Some(counts.all_requests() as f64 / seconds)),
    ("bytes_per_second", |counts, seconds| Some(counts.all_bytes() as f64 / seconds)),
    ("hit_ratio", |counts, _| {
        share(counts.measure(Measure::Hits), counts.all_requests() - counts.measure(Measure::Unknown))
    }),
    ("byte_hit_ratio", |counts, _| {
        share(counts.measure(Measure::HitBytes), counts.all_bytes() - counts.measure(Measure::UnknownBytes))
    }),
    ("error_share", |counts, _| share(counts.measure(Measure::Errors), counts.all_requests())),
    ("mean_ms", |counts, _| mean_ms(counts)),
];

/// `/api/v1/skew`: each figure of each node against that of the median node, the largest deviations first.
pub fn skew(nodes: &Table) -> Vec<u8> {
    #[derive(Serialize)]
    struct Row {
        key: Key,
        figure: &'static str,
        value: f64,
        median: f64,
        factor: Option<f64>,
    }
    #[derive(Serialize)]
    struct Skew {
        #[serde(flatten)]
        moment: Moment,
        rows: Vec<Row>,
    }
    let mut rows = Vec::new();
    for (figure, of) in FIGURES {
        let values: Vec<(u32, f64)> = (0..nodes.len() as u32)
            .filter_map(|row| Some((row, of(&nodes.rows[row as usize], nodes.covered.seconds)?)))
            .collect();
        let Some(median) = median(values.iter().map(|(_, value)| *value).collect()) else { continue };
        rows.extend(values.into_iter().map(|(row, value)| Row {
            key: Key::new(nodes.dimension, nodes.raw_key(row)),
            figure,
            value,
            median,
            factor: (median > 0.0).then(|| value / median),
        }));
    }
    // As far from the median downwards as upwards; what has no factor is none of another's, unless it is nothing too.
    let deviation = |row: &Row| match row.factor {
        Some(factor) if factor > 0.0 => factor.ln().abs(),
        _ if row.value == row.median => 0.0,
        _ => f64::MAX,
    };
    rows.sort_by(|a, b| deviation(b).total_cmp(&deviation(a)));
    bytes(&Skew { moment: Moment::of(nodes), rows })
}

/// The middle of some values, the mean of two; `None` of none.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { upper } else { f64::midpoint(values[middle - 1], upper) })
}

/// `/api/v1/cache`: what the cache's dealings with origins come to.
pub fn cache(snapshot: &Snapshot, results: &Table) -> Vec<u8> {
    #[derive(Serialize)]
    struct Collapsed {
        requests: u64,
        share: Option<f64>,
    }
    #[derive(Serialize)]
    struct Offload {
        bytes: u64,
        origin_bytes: u64,
        share: Option<f64>,
    }
    #[derive(Serialize)]
    struct Cache {
        #[serde(flatten)]
        moment: Moment,
        revalidation: Revalidation,
        stale_on_error: Stale,
        collapsed: Collapsed,
        offload: Offload,
    }
    let Asked { unchanged, changed, failed, collapsed, missed } = Asked::of(results);
    let total = &results.total;
    bytes(&Cache {
        moment: Moment::new(snapshot.as_of, &results.covered, snapshot.tick),
        revalidation: Revalidation::of(unchanged, changed, failed),
        stale_on_error: Stale { requests: failed, per_second: failed as f64 / results.covered.seconds },
        collapsed: Collapsed { requests: collapsed, share: share(collapsed, collapsed + missed) },
        offload: Offload {
            bytes: total.all_bytes(),
            origin_bytes: total.origin_bytes,
            // More may come from origins than goes to clients.
            share: (total.all_bytes() > 0).then(|| 1.0 - total.origin_bytes as f64 / total.all_bytes() as f64),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::profile::bucket::Sum;
    use crate::tally::profile::cells::what;
    use crate::tally::profile::coarse;
    use crate::tally::{Band, Dimension};
    use crate::view::sample;
    use serde_json::Value;

    fn counts(requests: u64, errors: u64, ms: u64) -> Counts {
        let mut counts = Counts { timed: requests, time_ms: requests * ms, ..Counts::default() };
        counts.requests[Band::Fresh as usize] = requests - errors;
        counts.requests[Band::Error as usize] = errors;
        counts
    }

    fn table(dimension: Dimension, rows: &[(&str, Counts)]) -> Table {
        let named: Vec<(&str, u64)> = rows.iter().map(|(name, _)| (*name, 0)).collect();
        let mut table = sample::table(dimension, &named);
        table.rows = rows.iter().map(|(_, counts)| *counts).collect();
        table.rows.iter().for_each(|counts| table.total.merge(counts));
        table.covered.seconds = 10.0;
        table
    }

    #[test]
    fn origins_are_judged_against_their_own_hour() {
        let rows = [
            ("good", counts(100, 2, 50), counts(1000, 20, 50)),
            ("bad as ever", counts(100, 40, 50), counts(1000, 400, 50)),
            ("failing", counts(100, 40, 900), counts(1000, 50, 50)),
            ("slow", counts(100, 2, 300), counts(1000, 20, 100)),
            ("quick, twice as long", counts(100, 0, 20), counts(1000, 0, 5)),
            ("seldom", counts(9, 9, 900), counts(9, 9, 900)),
            ("", counts(500, 0, 1), counts(5000, 0, 1)),
        ];
        let now = table(Dimension::Server, &rows.map(|(name, now, _)| (name, now)));
        let hour = table(Dimension::Server, &rows.map(|(name, _, hour)| (name, hour)));
        let answer: Value = serde_json::from_slice(&origins(&now, &hour, None, 100)).unwrap();
        let states: std::collections::BTreeMap<&str, &str> = answer["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| (row["key"].as_str().unwrap(), row["state"].as_str().unwrap()))
            .collect();
        let expected = [
            ("good", "good"),
            ("bad as ever", "good"),
            ("failing", "failing"),
            ("slow", "slow"),
            ("quick, twice as long", "good"),
            ("seldom", "unknown"),
        ];
        assert_eq!(states, expected.into(), "who is nobody is no origin");
    }

    #[test]
    fn an_origin_with_a_profile_is_judged_by_what_it_was_asked() {
        let cell = |outcome, is_5xx, ms, requests| {
            (what(outcome, is_5xx, coarse::cell(ms)), Sum { requests, bytes: requests })
        };
        let of = |cells: &[(u16, Sum)]| Contacts::of(&Profile::new(0, cells.iter().copied()));
        // Nine of ten are answered from the cache: they say nothing of the origin.
        let usual = of(&[cell(Outcome::Fresh, false, 1, 900), cell(Outcome::Missed, false, 80, 100)]);
        assert_eq!(usual, Contacts { count: 100, trouble_share: Some(0.0), miss_ms: Some([82, 82]) });
        for (name, cells, expected) in [
            ("as ever", vec![cell(Outcome::Fresh, false, 1, 900), cell(Outcome::Missed, false, 90, 100)], "good"),
            ("slow", vec![cell(Outcome::Fresh, false, 1, 900), cell(Outcome::Missed, false, 170, 100)], "slow"),
            (
                "unreachable",
                vec![cell(Outcome::Missed, false, 80, 80), cell(Outcome::Connect, true, 9000, 20)],
                "failing",
            ),
            ("answers 503", vec![cell(Outcome::Missed, false, 80, 80), cell(Outcome::Missed, true, 80, 20)], "failing"),
            (
                "stale copies hide it",
                vec![cell(Outcome::Unchanged, false, 80, 80), cell(Outcome::Stale, false, 80, 20)],
                "failing",
            ),
            ("clients leave", vec![cell(Outcome::Missed, false, 80, 50), cell(Outcome::Other, false, 80, 900)], "good"),
            ("hardly asked", vec![cell(Outcome::Fresh, false, 1, 900), cell(Outcome::Dns, true, 80, 19)], "unknown"),
        ] {
            assert_eq!(of(&cells).state(Some(&usual)), expected, "{name}");
        }
        let always = of(&[cell(Outcome::Missed, true, 300, 100)]);
        assert_eq!((always.state(Some(&always)), always.state(None)), ("good", "failing"));
    }

    #[test]
    fn rates_of_a_profile_are_those_of_all_requests() {
        let cells = [(Outcome::Fresh, 900), (Outcome::Missed, 100)];
        let cells =
            cells.map(|(outcome, requests)| (what(outcome, false, coarse::UNTIMED), Sum { requests, bytes: 0 }));
        let profile = Profile::new(0, cells);
        let rate = |of_row| Health::of(&profile, &Contacts::of(&profile), None, (of_row, 10.0)).contacts_per_second;
        // All of them; four times as many; fewer, of a row that lost some.
        assert_eq!([1000, 4000, 800].map(rate), [10.0, 40.0, 10.0]);
        let nothing = Profile::new(0, []);
        assert_eq!(Health::of(&nothing, &Contacts::of(&nothing), None, (50, 10.0)).contacts_per_second, 0.0);
    }

    #[test]
    fn nodes_are_held_against_the_median() {
        let rows =
            [("a", counts(100, 1, 10)), ("b", counts(110, 1, 10)), ("c", counts(400, 1, 10)), ("d", counts(90, 0, 10))];
        let answer: Value = serde_json::from_slice(&skew(&table(Dimension::Node, &rows))).unwrap();
        let found = answer["rows"].as_array().unwrap();
        let of =
            |key: &str, figure: &str| found.iter().find(|row| row["key"] == key && row["figure"] == figure).unwrap();
        assert_eq!(of("c", "requests_per_second")["median"], 10.5);
        assert!((of("c", "requests_per_second")["factor"].as_f64().unwrap() - 40.0 / 10.5).abs() < 1e-9);
        assert_eq!((&found[0]["key"], &found[0]["figure"]), (&"d".into(), &"error_share".into()), "none at all");
        assert_eq!(median(vec![]), None);
        let empty: Value = serde_json::from_slice(&skew(&table(Dimension::Node, &[]))).unwrap();
        assert_eq!(empty["rows"], serde_json::json!([]));
    }
}
