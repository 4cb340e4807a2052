//! The answers of report and API over a list of all entries: base statistics, rows, rank curves, distributions, series, single URLs
//! (spec/statistics.md 4 to 7). Where a figure is an estimate, that which was found stands in the answer once it is near enough.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::{Value as Json, json};

use super::calamaris::quotient;
use super::printed::Entry;
use super::recount::{by, row, sums};

/// When entries were, as every answer says it.
pub fn moment(entries: &[&Entry]) -> Json {
    let last = entries.iter().map(|entry| entry.end).max().unwrap();
    let first = entries.iter().map(|entry| entry.end).min().unwrap();
    json!({
        "as_of": last as f64 / 1000.0,
        "from": first as f64 / 1000.0,
        "seconds": (last - first).max(1) as f64 / 1000.0,
        "window": "total",
    })
}

/// All of several objects.
pub fn all_of(parts: impl IntoIterator<Item = Json>) -> Json {
    let mut all = serde_json::Map::new();
    for part in parts {
        let Json::Object(part) = part else { panic!("{part}") };
        all.extend(part);
    }
    all.into()
}

fn ratio(part: u64, whole: u64) -> Json {
    quotient(part as f64, whole as f64)
}

/// Figures that need a field leave out entries without it, and are none at all where no entry has it (spec/statistics.md 1, 5).
pub fn base(entries: &[&Entry]) -> Json {
    let of = |is_so: &dyn Fn(&Entry) -> bool| entries.iter().copied().filter(|entry| is_so(entry)).collect::<Vec<_>>();
    let count = |is_so: &dyn Fn(&Entry) -> bool| of(is_so).len() as u64;
    let bytes = |is_so: &dyn Fn(&Entry) -> bool| of(is_so).iter().map(|entry| entry.bytes).sum::<u64>();
    let known = |entry: &Entry| entry.result.is_some();
    let with_status = |entry: &Entry| entry.status.is_some();
    let all = |_: &Entry| true;
    let timed = |entry: &Entry| entry.time.is_some();
    let time: u64 = entries.iter().filter_map(|entry| entry.time).sum();
    let origin: u64 = of(&known).iter().map(|entry| entry.origin_bytes()).sum();
    let moment = moment(entries);
    let seconds = moment["seconds"].as_f64().unwrap();
    let is_4 = |entry: &Entry| matches!(entry.address(), Some(IpAddr::V4(_)));
    let is_6 = |entry: &Entry| matches!(entry.address(), Some(IpAddr::V6(_)));
    json!({
        "hit_ratio": ratio(count(&Entry::is_hit), count(&known)),
        "byte_hit_ratio": ratio(bytes(&Entry::is_hit), bytes(&known)),
        "fresh_hits": count(&Entry::is_fresh),
        "fresh_hit_bytes": bytes(&Entry::is_fresh),
        "fresh_hit_ratio": ratio(count(&Entry::is_fresh), count(&known)),
        "upstream_contacts": count(&Entry::is_upstream),
        "origin_offload": quotient(bytes(&known) as f64 - origin as f64, bytes(&known) as f64),
        "error_ratio": ratio(count(&|entry| entry.band() == Some("error")), count(&known)),
        "status_4xx_ratio": ratio(count(&|entry| entry.is_status(4)), count(&with_status)),
        "status_5xx_ratio": ratio(count(&|entry| entry.is_status(5)), count(&with_status)),
        "mean_bytes": ratio(bytes(&all), count(&all)),
        "mean_time_ms": ratio(time, count(&timed)),
        "requests_per_second": count(&all) as f64 / seconds,
        "bits_per_second": 8.0 * bytes(&all) as f64 / seconds,
        "transaction_bytes_per_second": quotient(1000.0 * bytes(&all) as f64, time as f64),
        "concurrency": if count(&timed) == 0 { Json::Null } else { json!(time as f64 / 1000.0 / seconds) },
        "first": moment["from"],
        "last": moment["as_of"],
        "filtered": 0,
        "families": {"ipv4": count(&is_4), "ipv6": count(&is_6)},
    })
}

/// How many different keys there are.
pub fn uniques(entries: &[&Entry]) -> Json {
    ["client", "user", "site", "host", "url", "server"]
        .into_iter()
        .map(|dimension| {
            let keys: BTreeSet<_> = entries.iter().filter_map(|entry| entry.key(dimension)).collect();
            (dimension.to_owned(), json!({"count": keys.len(), "exact": true}))
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// A key as answers show it.
fn shown(key: &[String]) -> Json {
    match key {
        [one] => json!(one),
        pair => json!(pair),
    }
}

/// The rows of a table, all of them, and what it says beside them; `found` has its rows in some order of the keys that have the same
/// number of requests.
pub fn top(entries: &[&Entry], dimension: &str, found: &Json) -> Json {
    let groups = by(entries, |entry| entry.key(dimension));
    let rows: BTreeMap<String, Json> =
        groups.iter().map(|(key, of)| (shown(key).to_string(), row(shown(key), of.iter().copied()))).collect();
    let found: Vec<&Json> = found["rows"].as_array().unwrap().iter().collect();
    let is_ranked = found.is_sorted_by_key(|row| Reverse(row["requests"].as_u64()));
    assert!(is_ranked, "{dimension} is out of order");
    // In the order of what was found; a row that is missing there is behind all others.
    let place: BTreeMap<String, usize> = found.iter().zip(0..).map(|(row, at)| (row["key"].to_string(), at)).collect();
    let mut in_order: Vec<(&String, &Json)> = rows.iter().collect();
    in_order.sort_by_key(|(key, _)| place.get(*key).copied().unwrap_or(usize::MAX));
    json!({
        "dimension": dimension,
        "measure": "requests",
        "rows": in_order.into_iter().map(|(_, row)| row).collect::<Vec<_>>(),
        "other": row(Json::Null, []),
        "total": row(Json::Null, groups.values().flatten().copied()),
        "keys": {"count": rows.len(), "exact": true},
    })
}

/// The dimensions whose rows of a running engine say how their requests went.
pub const PROFILED: [&str; 8] = ["site", "server", "result", "status", "method", "type", "route", "node"];

/// Adds to each row of a top how its requests went: percentiles of times to 1/32, validations, stale copies (N1, N2).
pub fn add_profiles(top: &mut Json, entries: &[&Entry], dimension: &str, found: &Json) {
    let groups = by(entries, |entry| entry.key(dimension));
    let groups: BTreeMap<String, Vec<&Entry>> =
        groups.into_iter().map(|(key, of)| (shown(&key).to_string(), of)).collect();
    let seconds = found["seconds"].as_f64().unwrap();
    for (row, found) in top["rows"].as_array_mut().unwrap().iter_mut().zip(found["rows"].as_array().unwrap()) {
        let of = &groups[&row["key"].to_string()];
        let times = sorted(of.iter().filter_map(|entry| entry.time));
        for (name, part) in [("p50", 5000), ("p95", 9500), ("p99", 9900)] {
            row[name] = percentile_within(&times, part, &found[name], 1.0 / 32.0);
        }
        let count = |codes: &[&str]| {
            of.iter().filter(|entry| entry.result.as_deref().is_some_and(|result| codes.contains(&result))).count()
        };
        let (unchanged, changed) = (count(&["TCP_REFRESH_HIT"]), count(&["TCP_REFRESH_MISS"]));
        let stale = count(&["TCP_REF_FAIL_HIT", "TCP_REFRESH_FAIL_HIT"]);
        let all = unchanged + changed + stale;
        row["revalidation"] = json!({
            "unchanged": unchanged,
            "changed": changed,
            "failed": stale,
            "yield": if all > 0 { json!(unchanged as f64 / all as f64) } else { Json::Null },
        });
        row["stale_on_error"] = json!({"requests": stale, "per_second": stale as f64 / seconds});
        // Since when is the engine's to say.
        row["profile"] = json!({"requests": of.len(), "since": found["profile"]["since"].as_f64().unwrap()});
    }
}

/// A rank curve: some ranks, the first and the last among them.
pub fn rank(entries: &[&Entry], dimension: &str, found: &Json) -> Json {
    let groups = by(entries, |entry| entry.key(dimension));
    let mut values: Vec<u64> = groups.values().map(|of| of.len() as u64).collect();
    values.sort_by_key(|value| Reverse(*value));
    let total: u64 = values.iter().sum();
    let ranks: Vec<usize> =
        found["points"].as_array().unwrap().iter().map(|point| point["rank"].as_u64().unwrap() as usize).collect();
    assert!(ranks.is_sorted_by(|a, b| a < b), "{ranks:?}");
    if !values.is_empty() {
        assert_eq!((ranks.first(), ranks.last()), (Some(&1), Some(&values.len())), "{dimension}");
    }
    let point = |rank: &usize| {
        let upto: u64 = values[..*rank].iter().sum();
        json!({"rank": rank, "value": values[rank - 1], "share": upto as f64 / total as f64})
    };
    json!({
        "dimension": dimension,
        "measure": "requests",
        "points": ranks.iter().map(point).collect::<Vec<_>>(),
        "total": total,
        "keys": {"count": values.len(), "exact": true},
    })
}

/// The value at or below which so many of ten thousand are: that which was found, if it is within 1 % of it.
fn percentile(values: &[u64], part: u64, found: &Json) -> Json {
    percentile_within(values, part, found, 0.01)
}

/// The same, of which that part may be wrong.
fn percentile_within(values: &[u64], part: u64, found: &Json, error: f64) -> Json {
    if values.is_empty() {
        return Json::Null;
    }
    let exact = values[(values.len() as u64 * part).div_ceil(10_000).max(1) as usize - 1];
    near(found, exact, exact as f64 * error)
}

/// What was found, if it is so near.
fn near(found: &Json, exact: u64, error: f64) -> Json {
    let is_near = found.as_f64().is_some_and(|found| (found - exact as f64).abs() <= error);
    if is_near { found.clone() } else { json!(exact) }
}

fn sorted(values: impl Iterator<Item = u64>) -> Vec<u64> {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values
}

/// A distribution: buckets that are narrow enough, each with what is in it.
pub fn distribution(entries: &[&Entry], value: impl Fn(&Entry) -> Option<u64>, found: &Json) -> Json {
    let values = sorted(entries.iter().filter_map(|entry| value(entry)));
    let mut end = 0;
    let buckets: Vec<Json> = found["buckets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bucket| {
            let (from, to) = (bucket["from"].as_u64().unwrap(), bucket["to"].as_u64().unwrap());
            assert!(end <= from && from < to && (to - from == 1 || (to - from) * 64 <= from), "{from} to {to}");
            end = to;
            let within: Vec<_> =
                entries.iter().filter(|entry| value(entry).is_some_and(|value| (from..to).contains(&value))).collect();
            assert!(!within.is_empty(), "nothing from {from} to {to}");
            json!({
                "from": from,
                "to": to,
                "requests": within.len(),
                "bytes": within.iter().map(|entry| entry.bytes).sum::<u64>(),
                "hits": within.iter().filter(|entry| entry.is_hit()).count(),
            })
        })
        .collect();
    let all: u64 = buckets.iter().map(|bucket| bucket["requests"].as_u64().unwrap()).sum();
    assert_eq!(all, values.len() as u64, "buckets have all");
    let parts = [("p50", 5000), ("p75", 7500), ("p90", 9000), ("p95", 9500), ("p99", 9900), ("p999", 9990)];
    let parts = parts.map(|(name, part)| (name.to_owned(), percentile(&values, part, &found[name])));
    all_of([
        json!({"buckets": buckets, "min": values.first(), "max": values.last()}),
        Json::Object(parts.into_iter().collect()),
    ])
}

/// The mean of a distribution, where it is said.
pub fn mean(entries: &[&Entry], value: impl Fn(&Entry) -> Option<u64>) -> Json {
    let values: Vec<u64> = entries.iter().filter_map(|entry| value(entry)).collect();
    ratio(values.iter().sum(), values.len() as u64)
}

/// Requests by class of status, all classes.
fn statuses(entries: &[&Entry]) -> Json {
    let of = |class: &str| entries.iter().filter(|entry| entry.status_class().as_deref() == Some(class)).count();
    ["0xx", "1xx", "2xx", "3xx", "4xx", "5xx", "other"]
        .into_iter()
        .map(|class| (class.to_owned(), json!(of(class))))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// A point a step, from the first entry to the last; of those without an entry no more than that.
pub fn series(entries: &[&Entry], found: &Json) -> Json {
    let step = found["step"].as_u64().unwrap();
    let buckets = by(entries, |entry| Some(entry.end / 1000 / step * step));
    let (first, last) = (*buckets.keys().next().unwrap(), *buckets.keys().last().unwrap());
    let points: Vec<Json> = (first..=last)
        .step_by(step as usize)
        .zip(found["points"].as_array().unwrap())
        .map(|(t, found)| match buckets.get(&t) {
            None => json!({"t": t, "gap": true}),
            Some(of) => point(t, step, of, found),
        })
        .collect();
    json!({"step": step, "complete_to": moment(entries)["as_of"], "points": points})
}

fn point(t: u64, step: u64, of: &[&Entry], found: &Json) -> Json {
    let times = sorted(of.iter().filter_map(|entry| entry.time));
    // No address is a client, too, as in the table of clients.
    let clients: BTreeSet<_> = of.iter().filter_map(|entry| entry.key("client")).collect();
    let mut point = all_of([
        sums(of.iter().copied()),
        json!({"t": t, "clients": near(&found["clients"], clients.len() as u64, clients.len() as f64 / 20.0), "statuses": statuses(of)}),
        ["p50", "p95", "p99"]
            .into_iter()
            .zip([5000, 9500, 9900])
            .map(|(name, part)| (name.to_owned(), percentile(&times, part, &found[name])))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    ]);
    if found.get("requests_most_1s").is_none() {
        assert!(step > 1, "a second has its extremes");
        return point;
    }
    let seconds = by(of, |entry| Some(entry.end / 1000));
    let mut extremes = |name: &str, values: Vec<u64>| {
        let (most, least) = (*values.iter().max().unwrap(), *values.iter().min().unwrap());
        let of = |which: &str| found[format!("{name}_{which}_1s")].as_u64().unwrap();
        // Of wider points, seconds that were read long after later ones may not be among those that are looked at.
        let is_part = step > 1 && of("most") <= most && of("least") >= least;
        point[format!("{name}_most_1s")] = json!(if is_part { of("most") } else { most });
        point[format!("{name}_least_1s")] = json!(if is_part { of("least") } else { least });
    };
    extremes("requests", seconds.values().map(|of| of.len() as u64).collect());
    extremes("bytes", seconds.values().map(|of| of.iter().map(|entry| entry.bytes).sum()).collect());
    point
}

/// What is known of each URL by itself (spec/statistics.md 7), in the order of what was found.
pub fn urls(entries: &[&Entry], found: &Json) -> Json {
    let groups = by(entries, Entry::url_key);
    let found = found.as_array().unwrap();
    assert!(found.is_sorted_by_key(|url| Reverse(url["accesses"].as_u64())));
    assert_eq!(found.len(), groups.len());
    found
        .iter()
        .map(|found| url(found["key"].as_str().unwrap(), &groups[found["key"].as_str().unwrap()], found))
        .collect()
}

fn url(key: &str, of: &[&Entry], found: &Json) -> Json {
    let count = |is_so: &dyn Fn(&Entry) -> bool| of.iter().filter(|entry| is_so(entry)).count() as u64;
    let known = count(&|entry| entry.result.is_some());
    let variants = by(of, |entry| entry.url.clone());
    let mut counts: Vec<usize> = variants.values().map(Vec::len).collect();
    counts.sort_by_key(|count| Reverse(*count));
    let is_missed = |entry: &Entry| entry.is_refresh() || entry.is_miss();
    let result = |name: &'static str| move |entry: &Entry| is_missed(entry) && entry.class() == Some(name);
    let no_validation = |entry: &Entry| {
        is_missed(entry)
            && !["hit.revalidated", "hit.stale_on_error", "miss.changed", "miss.client_nocache"]
                .contains(&entry.class().unwrap())
    };
    let memory = count(&|entry| entry.class() == Some("hit.memory"));
    let times = sorted(of.iter().filter(|entry| is_missed(entry)).filter_map(|entry| entry.time));
    let sizes = sorted(of.iter().filter(|entry| entry.is_status(2)).map(|entry| entry.bytes));
    json!({
        "key": key,
        "accesses": of.len(),
        "seen": of.len(),
        "query_diversity": variants.len(),
        "query_diversity_exact": true,
        "most_popular_variant_share": counts[0] as f64 / of.len() as f64,
        "variants": counts[..counts.len().min(100)],
        "hit_share": ratio(count(&Entry::is_fresh), known),
        "hits": {"memory": memory, "disk": count(&Entry::is_fresh) - memory},
        "miss_share": ratio(count(&is_missed), known),
        "misses": {
            "client_forbade": count(&result("miss.client_nocache")),
            "unchanged": count(&result("hit.revalidated")),
            "changed": count(&result("miss.changed")),
            "failed": count(&result("hit.stale_on_error")),
            "no_validation": count(&no_validation),
        },
        "miss_time_ms": bars(&times, 50, 20, &found["miss_time_ms"]),
        "size_bytes": bars(&sizes, 16 * 1024, 16, &found["size_bytes"]),
        "statuses": statuses(of),
    })
}

/// A small histogram: bars of equal width and one for all above, whose edges are as exact as the median.
fn bars(values: &[u64], width: u64, count: usize, found: &Json) -> Json {
    let bars: Vec<u64> = found["bars"].as_array().unwrap().iter().map(|bar| bar.as_u64().unwrap()).collect();
    assert_eq!((bars.len(), bars.iter().sum::<u64>()), (count + 1, values.len() as u64));
    let below = |end: f64| values.iter().filter(|value| (**value as f64) < end).count() as u64;
    for (at, end) in (1..=count).map(|at| (at, at as f64 * width as f64)) {
        let upto: u64 = bars[..at].iter().sum();
        assert!((below(end * 0.984)..=below(end * 1.016)).contains(&upto), "{upto} below {end}: {values:?}");
    }
    json!({
        "count": values.len(),
        "median": percentile(values, 5000, &found["median"]),
        "min": values.first(),
        "max": values.last(),
        "bar_width": width,
        "bars": bars,
    })
}
