//! The shapes of answers (design/api.md 4).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::json_profile::Profiled;
use crate::merger::{Covered, Snapshot, Table, windows};
use crate::tally::profile;
use crate::tally::rejected::Amount;
use crate::tally::windowed::Loss;
use crate::tally::{Counts, Dimension, Entries, Measure, Period, Rejected};
use crate::view::matrix::{self, Tables};
use crate::view::{Key, rank};

/// Milliseconds since the epoch as Unix seconds.
pub fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

/// What every answer begins with.
#[derive(Debug, Serialize)]
pub struct Moment {
    as_of: f64,
    window: &'static str,
    from: f64,
    seconds: f64,
    tick: u64,
}

impl Moment {
    pub(super) fn new(as_of: u64, covered: &Covered, tick: u64) -> Self {
        Self {
            as_of: seconds(as_of),
            window: covered.period.name(),
            from: seconds(covered.from),
            seconds: covered.seconds,
            tick,
        }
    }

    pub(super) fn of(table: &Table) -> Self {
        Self::new(table.as_of, &table.covered, table.tick)
    }
}

/// The numbers of a row.
#[derive(Debug, Serialize)]
pub struct Numbers {
    requests: u64,
    bytes: u64,
    hits: u64,
    hit_bytes: u64,
    refresh_hits: u64,
    misses: u64,
    miss_bytes: u64,
    errors: u64,
    error_bytes: u64,
    unknown: u64,
    unknown_bytes: u64,
    origin_bytes: u64,
    timed: u64,
    time_ms: u64,
    error_bound: u64,
    bytes_error_bound: u64,
}

impl From<&Counts> for Numbers {
    fn from(counts: &Counts) -> Self {
        let of = |measure| counts.measure(measure);
        Self {
            requests: of(Measure::Requests),
            bytes: of(Measure::Bytes),
            hits: of(Measure::Hits),
            hit_bytes: of(Measure::HitBytes),
            refresh_hits: of(Measure::RefreshHits),
            misses: of(Measure::Misses),
            miss_bytes: of(Measure::MissBytes),
            errors: of(Measure::Errors),
            error_bytes: of(Measure::ErrorBytes),
            unknown: of(Measure::Unknown),
            unknown_bytes: of(Measure::UnknownBytes),
            origin_bytes: of(Measure::OriginBytes),
            timed: of(Measure::Timed),
            time_ms: of(Measure::TimeMs),
            error_bound: 0,
            bytes_error_bound: 0,
        }
    }
}

impl Numbers {
    /// Those of which that may have been missed.
    pub(super) fn with_error(counts: &Counts, error: &Loss) -> Self {
        Self {
            error_bound: error.measure(Measure::Requests),
            bytes_error_bound: error.measure(Measure::Bytes),
            ..Self::from(counts)
        }
    }

    pub(super) fn of(table: &Table, row: u32) -> Self {
        Self {
            error_bound: table.error_bound(row, Measure::Requests),
            bytes_error_bound: table.error_bound(row, Measure::Bytes),
            ..Self::from(&table.rows[row as usize])
        }
    }
}

/// A row; without a key, that of all or of the others.
#[derive(Debug, Serialize)]
struct Row {
    key: Option<Key>,
    #[serde(flatten)]
    numbers: Numbers,
    /// Absent where it isn't known, null where the key had nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    rank_before: Option<Option<u64>>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    profiled: Option<Profiled>,
}

impl Row {
    fn of(table: &Table, row: u32, rank_before: Option<Option<u64>>, profiles: Option<&profile::Kept>) -> Self {
        let (raw, covered) = (table.raw_key(row), &table.covered);
        let of = (table.rows[row as usize].all_requests(), covered.seconds);
        let profiled = Profiled::of_row(profiles, table.dimension, raw, covered.period, of);
        Self { key: Some(Key::new(table.dimension, raw)), numbers: Numbers::of(table, row), rank_before, profiled }
    }

    fn nameless(counts: &Counts) -> Self {
        Self { key: None, numbers: counts.into(), rank_before: None, profiled: None }
    }
}

/// How many different keys there are.
#[derive(Debug, Serialize)]
struct KeyCount {
    count: u64,
    exact: bool,
}

impl KeyCount {
    fn of(table: &Table) -> Self {
        Self { count: table.len() as u64, exact: table.is_exact() }
    }

    fn in_all(snapshot: &Snapshot, dimension: Dimension) -> Self {
        let (count, exact) = snapshot.keys[dimension as usize];
        Self { count, exact }
    }
}

/// Amounts by name of the cause.
pub(super) type ByCause = BTreeMap<&'static str, Amount>;

pub(super) fn by_cause(rejected: &Rejected) -> ByCause {
    rejected.iter().map(|(cause, amount)| (cause.name(), *amount)).collect()
}

pub(super) fn bytes(answer: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(answer).expect("answers hold nothing that JSON lacks")
}

/// What a summary tells beside all requests.
#[derive(Debug)]
struct Feed<'a> {
    /// How the engine is fed.
    snapshot: &'a Snapshot,
    nodes_expected: u32,
    entries: Entries,
    rejected: ByCause,
    ahead: u64,
    late: u64,
    uniques: BTreeMap<&'static str, KeyCount>,
}

fn shown_summary(moment: Moment, total: &Counts, feed: Feed<'_>) -> Vec<u8> {
    #[derive(Serialize)]
    struct EntryCounts {
        received: u64,
        #[serde(flatten)]
        parts: Entries,
    }
    #[derive(Serialize)]
    struct Summary {
        #[serde(flatten)]
        moment: Moment,
        #[serde(flatten)]
        numbers: Numbers,
        nodes_connected: usize,
        nodes_expected: u32,
        entries: EntryCounts,
        rejected: ByCause,
        ahead: u64,
        late: u64,
        uniques: BTreeMap<&'static str, KeyCount>,
    }
    bytes(&Summary {
        moment,
        numbers: total.into(),
        nodes_connected: feed.snapshot.nodes.iter().filter(|node| node.connections > 0).count(),
        nodes_expected: feed.nodes_expected,
        entries: EntryCounts { received: feed.entries.received(), parts: feed.entries },
        rejected: feed.rejected,
        ahead: feed.ahead,
        late: feed.late,
        uniques: feed.uniques,
    })
}

/// `/api/v1/summary`, where the operator expects so many nodes.
pub fn summary(snapshot: &Snapshot, period: Period, nodes_expected: u32) -> Option<Vec<u8>> {
    let (total, covered) = windows::total(snapshot, period)?;
    let mut uniques: BTreeMap<_, _> =
        UNIQUES.iter().map(|&dimension| (dimension.name(), KeyCount::in_all(snapshot, dimension))).collect();
    if let (Some(Some(span)), Some(history)) = (windows::span(snapshot, period), &snapshot.history) {
        let clients = history.clients(Some(span)).map(|(count, exact)| KeyCount { count, exact });
        uniques = clients.into_iter().map(|count| (Dimension::Client.name(), count)).collect();
    }
    let feed = Feed {
        snapshot,
        nodes_expected,
        entries: snapshot.entries,
        rejected: by_cause(&snapshot.rejected),
        ahead: snapshot.ahead,
        late: snapshot.late,
        uniques,
    };
    Some(shown_summary(Moment::new(snapshot.as_of, &covered, snapshot.tick), &total, feed))
}

/// The same of kept rows: `table` has the total, `since_start` that of all time, `others` the keys that are counted.
pub fn summary_of(
    snapshot: &Snapshot,
    table: &Table,
    since_start: &Table,
    others: &[Arc<Table>],
    nodes_expected: u32,
) -> Vec<u8> {
    let feed = Feed {
        snapshot,
        nodes_expected,
        entries: Entries { requests: since_start.total.all_requests(), ..Entries::default() },
        rejected: by_cause(&Rejected::default()),
        ahead: 0,
        late: 0,
        uniques: others.iter().map(|table| (table.dimension.name(), KeyCount::of(table))).collect(),
    };
    shown_summary(Moment::of(table), &table.total, feed)
}

/// `/api/v1/top`: rows and others add up to the total. With the table of the time before, rows have the rank that they had then; with
/// profiles, what those tell of them.
pub fn top(
    table: &Table,
    before: Option<&Table>,
    profiles: Option<&profile::Kept>,
    measure: Measure,
    (offset, limit): (usize, usize),
) -> Vec<u8> {
    #[derive(Serialize)]
    struct Top {
        #[serde(flatten)]
        moment: Moment,
        dimension: &'static str,
        measure: &'static str,
        rows: Vec<Row>,
        other: Row,
        total: Row,
        keys: KeyCount,
    }
    let shown = rank::page(table, measure, offset, limit);
    let ranks: Vec<Option<Option<u64>>> = match before {
        Some(before) => rank::before(table, &shown, before, measure),
        None => vec![None; shown.len()],
    };
    let sum = shown.iter().fold(Counts::default(), |mut sum, &row| {
        sum.merge(&table.rows[row as usize]);
        sum
    });
    bytes(&Top {
        moment: Moment::of(table),
        dimension: table.dimension.name(),
        measure: measure.name(),
        rows: shown.iter().zip(ranks).map(|(&row, rank_before)| Row::of(table, row, rank_before, profiles)).collect(),
        other: Row::nameless(&table.total.without(&sum)),
        total: Row::nameless(&table.total),
        keys: KeyCount::of(table),
    })
}

/// `/api/v1/rank`: the rank curve, with cumulative shares.
pub fn ranks(table: &Table, measure: Measure) -> Vec<u8> {
    #[derive(Serialize)]
    struct Point {
        rank: u64,
        value: u64,
        share: f64,
    }
    #[derive(Serialize)]
    struct Ranks {
        #[serde(flatten)]
        moment: Moment,
        dimension: &'static str,
        measure: &'static str,
        points: Vec<Point>,
        total: u64,
        keys: KeyCount,
    }
    let total = table.total.measure(measure);
    let points = rank::curve(table, measure)
        .into_iter()
        .map(|point| Point {
            rank: point.rank,
            value: point.value,
            share: if total == 0 { 0.0 } else { point.cumulative as f64 / total as f64 },
        })
        .collect();
    bytes(&Ranks {
        moment: Moment::of(table),
        dimension: table.dimension.name(),
        measure: measure.name(),
        points,
        total,
        keys: KeyCount::of(table),
    })
}

/// `/api/v1/matrix`: the largest sites by the largest clients.
pub fn matrix(tables: &Tables<'_>, measure: Measure, size: usize) -> Vec<u8> {
    #[derive(Serialize)]
    struct Cell {
        row: usize,
        column: usize,
        #[serde(flatten)]
        numbers: Numbers,
    }
    #[derive(Serialize)]
    struct Matrix {
        #[serde(flatten)]
        moment: Moment,
        measure: &'static str,
        rows: Vec<Key>,
        columns: Vec<Key>,
        cells: Vec<Cell>,
    }
    let found = matrix::find(tables, measure, size);
    let keys = |table: &Table, ranked: &[u32]| -> Vec<Key> {
        ranked.iter().map(|&row| Key::new(table.dimension, table.raw_key(row))).collect()
    };
    bytes(&Matrix {
        moment: Moment::of(tables.pairs),
        measure: measure.name(),
        rows: keys(tables.sites, &found.rows),
        columns: keys(tables.clients, &found.columns),
        cells: found
            .cells
            .iter()
            .map(|cell| Cell { row: cell.row, column: cell.column, numbers: Numbers::of(tables.pairs, cell.pair) })
            .collect(),
    })
}

/// The dimensions whose keys the summary counts.
pub const UNIQUES: [Dimension; 3] = [Dimension::Client, Dimension::Site, Dimension::Host];

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::view::sample;

    fn parsed(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn a_row_has_its_names_in_order() {
        let table = sample::table(Dimension::Site, &[("a", 7)]);
        let text = String::from_utf8(top(&table, None, None, Measure::Requests, (0, 1))).unwrap();
        let row = r#""rows":[{"key":"a","requests":7,"bytes":70,"hits":2,"hit_bytes":20,"refresh_hits":1,"misses":3,"miss_bytes":30,"errors":1,"error_bytes":10,"unknown":1,"unknown_bytes":10,"origin_bytes":30,"timed":7,"time_ms":21,"error_bound":0,"bytes_error_bound":0}],"other":{"key":null,"requests":0,"#;
        assert!(text.contains(row), "{text}");
        assert!(
            text.starts_with(r#"{"as_of":1795460000.0,"window":"total","from":1795460000.0,"seconds":0.001,"tick":0,"#),
            "{text}"
        );
    }

    #[test]
    fn rows_and_others_are_the_total_in_every_number() {
        let mut table = sample::table(Dimension::Site, &[("a", 7), ("b", 100), ("c", 11), ("d", 0), ("e", 50)]);
        sample::refuse(&mut table, 25, &[1]);
        for (offset, limit) in [(0, 2), (1, 2), (2, 100), (9, 9)] {
            let answer = parsed(&top(&table, None, None, Measure::Bytes, (offset, limit)));
            for measure in Measure::ALL.map(Measure::name) {
                let of = |row: &Value| row[measure].as_u64().unwrap();
                let shown: u64 = answer["rows"].as_array().unwrap().iter().map(of).sum();
                assert_eq!(shown + of(&answer["other"]), of(&answer["total"]), "{measure}");
            }
            assert_eq!(answer["keys"]["count"], 5);
            assert_eq!(answer["keys"]["exact"], false);
        }
        let answer = parsed(&top(&table, None, None, Measure::Bytes, (0, 2)));
        assert_eq!(answer["rows"][0]["error_bound"], 0, "b was known");
        assert_eq!(answer["rows"][1]["error_bound"], 25);
        assert_eq!(answer["rows"][1]["bytes_error_bound"], 250);
    }

    #[test]
    fn shares_of_a_rank_curve_end_at_one() {
        let table = sample::table(Dimension::Site, &[("a", 10), ("b", 30)]);
        let answer = parsed(&ranks(&table, Measure::Requests));
        assert_eq!(
            answer["points"],
            serde_json::json!([
                {"rank": 1, "value": 30, "share": 0.75}, {"rank": 2, "value": 10, "share": 1.0}
            ])
        );
        let nothing = sample::table(Dimension::Site, &[("a", 0)]);
        assert_eq!(parsed(&ranks(&nothing, Measure::Requests))["points"][0]["share"], 0.0);
    }
}
