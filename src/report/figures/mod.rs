//! The report: all figures of log files, from the tables of the live engine (spec/statistics.md 5 to 9).
//!
//! [`input`] makes jobs of files, [`count`] counts them as workers and merger do, with [`more`] and [`urls`] beside them for what only
//! reports show. [`figures`] says all of it as one JSON value; the text ([`text`]) and the page ([`html`]) are made of that value, so that the
//! three can't differ; [`words`] puts both into their places on a terminal. [`calamaris`] has the tables of that name.

pub mod calamaris;
pub mod count;
pub mod filter;
pub mod html;
pub mod input;
pub mod more;
pub mod sheet;
pub mod text;
pub mod urls;
pub mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use crate::merger::snapshot::RawKey;
use crate::page::{json as rows, json_reuse, json_time};
use crate::tally::groups::{self, Codes};
use crate::tally::histogram::{self, Packed};
use crate::tally::{Counts, Dimension, Measure, Window};
use crate::view::{key, rank};
use calamaris::sum;
use count::Counted;
use sheet::quotient;

/// What a report shows.
#[derive(Clone, Debug)]
pub struct Show {
    /// Rows of each table.
    pub rows: usize,
    /// By what tables are ranked.
    pub measure: Measure,
    /// The conditions and the interval, as they were asked for.
    pub filter: Vec<String>,
}

/// Version of the shape of [`figures`]: it changes when a name goes or means something else.
const SHAPE: u32 = 1;

/// Dimensions of which all rows are shown, up to [`CODES_SHOWN`].
const EVERY: [Dimension; 4] = [Dimension::Result, Dimension::Status, Dimension::Route, Dimension::Scheme];
const CODES_SHOWN: usize = 1000;

/// All figures. Rows, distributions, series and the miss-ratio curve have the shapes of the API's answers (design/api.md 4).
pub fn figures(counted: &Counted, files: &[PathBuf], show: &Show) -> Value {
    let snapshot = &counted.snapshot;
    let parsed =
        |bytes: Option<Vec<u8>>| bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or(Value::Null);
    let tops: Map<String, Value> = Dimension::ALL
        .into_iter()
        .map(|dimension| {
            let table = counted.table(dimension);
            // Every code is shown, however few rows are wanted.
            let limit = if EVERY.contains(&dimension) { show.rows.max(CODES_SHOWN) } else { show.rows };
            (dimension.name().to_owned(), parsed(Some(rows::top(table, None, None, show.measure, (0, limit)))))
        })
        .collect();
    let ranks: Map<String, Value> = [Dimension::Client, Dimension::Site, Dimension::Url]
        .into_iter()
        .map(|dimension| {
            let ranks = rows::ranks(counted.table(dimension), show.measure);
            (dimension.name().to_owned(), parsed(Some(ranks)))
        })
        .collect();
    let tcp = &counted.more.kinds[0];
    let classes = tcp.by(|codes| codes.class().map(groups::class_name));
    let status_classes = tcp.by(|codes| codes.status_class().map(|at| STATUS_CLASSES[at]));
    json!({
        "report": SHAPE,
        "version": env!("CARGO_PKG_VERSION"),
        "files": files.iter().map(|file| file.to_string_lossy()).collect::<Vec<_>>(),
        "bytes_read": counted.bytes,
        "filter": show.filter,
        "measure": show.measure.name(),
        "summary": summary(counted, parsed(rows::summary(snapshot, Window::Total.into(), 0))),
        "classes": keyed(classes),
        "status_classes": keyed(status_classes),
        "groups": groups_of(counted),
        "top": tops,
        "rank": ranks,
        "histogram": {
            "time_ms": parsed(json_time::histogram(snapshot, Window::Total.into(), json_time::Of::TimeMs)),
            "bytes": parsed(json_time::histogram(snapshot, Window::Total.into(), json_time::Of::Bytes)),
            "hits_time_ms": distribution(&counted.more.times[0].packed()),
            "others_time_ms": distribution(&counted.more.times[1].packed()),
        },
        "sizes_by_2": powers(&counted.more.sizes),
        "series": parsed(json_time::series(snapshot, Window::Total.into())),
        "miss_ratio": parsed(json_reuse::curve(snapshot)),
        "revalidation": revalidation(counted),
        "popularity": popularity(counted),
        "urls": urls(counted, show.rows),
        "urls_given_up": counted.more.urls.given_up,
        "main_types": keyed(main_types(counted)),
        "tables": calamaris::sheets(counted, show.rows).iter().map(|sheet| (sheet.id.to_owned(), sheet.json())).collect::<Map<_, _>>(),
    })
}

const STATUS_CLASSES: [&str; 7] = ["0xx", "1xx", "2xx", "3xx", "4xx", "5xx", "other"];

fn numbers(counts: &Counts) -> Value {
    serde_json::to_value(rows::Numbers::from(counts)).unwrap_or(Value::Null)
}

fn keyed<K: Into<String>>(sums: BTreeMap<K, Counts>) -> Value {
    sums.into_iter()
        .map(|(key, counts)| {
            let mut row = numbers(&counts);
            row["key"] = key.into().into();
            row
        })
        .collect()
}

/// The API's summary, and what follows from it (spec/statistics.md 5).
fn summary(counted: &Counted, mut summary: Value) -> Value {
    let (total, tcp) = (&counted.snapshot.total, &counted.more.kinds[0]);
    let of = |measure| total.measure(measure);
    let (requests, bytes) = (of(Measure::Requests), of(Measure::Bytes));
    // What a format lacks is unknown: the figures that need it leave its entries out.
    let known = tcp.sum(|codes| codes.result.is_some());
    let (known_requests, known_bytes) = (known.all_requests(), known.all_bytes());
    let with_status = tcp.sum(|codes| codes.status.is_some()).all_requests();
    let ratio = |part: u64, whole: u64| quotient(part as f64, whole as f64);
    let fresh = tcp.sum(Codes::is_fresh_hit);
    let upstream = tcp.sum(Codes::is_upstream);
    let span_ms = counted.more.span.map_or(0, |(first, last)| last - first).max(1) as f64;
    let by_status =
        |least: i64| tcp.sum(|codes| codes.status.is_some_and(|status| (least..least + 100).contains(&status)));
    let more = json!({
        "hit_ratio": ratio(of(Measure::Hits), known_requests),
        "byte_hit_ratio": ratio(of(Measure::HitBytes), known_bytes),
        "fresh_hits": fresh.all_requests(),
        "fresh_hit_bytes": fresh.all_bytes(),
        "fresh_hit_ratio": ratio(fresh.all_requests(), known_requests),
        "upstream_contacts": upstream.all_requests(),
        "origin_offload": quotient(known_bytes as f64 - known.origin_bytes as f64, known_bytes as f64),
        "error_ratio": ratio(of(Measure::Errors), known_requests),
        "status_4xx_ratio": ratio(by_status(400).all_requests(), with_status),
        "status_5xx_ratio": ratio(by_status(500).all_requests(), with_status),
        "mean_bytes": ratio(bytes, requests),
        "mean_time_ms": ratio(of(Measure::TimeMs), of(Measure::Timed)),
        "requests_per_second": requests as f64 * 1000.0 / span_ms,
        "bits_per_second": bytes as f64 * 8000.0 / span_ms,
        "transaction_bytes_per_second": quotient(bytes as f64 * 1000.0, of(Measure::TimeMs) as f64),
        "concurrency": (of(Measure::Timed) > 0).then(|| of(Measure::TimeMs) as f64 / span_ms),
        "first": counted.more.span.map(|(first, _)| first as f64 / 1000.0),
        "last": counted.more.span.map(|(_, last)| last as f64 / 1000.0),
        "filtered": counted.filtered,
        "families": {"ipv4": counted.more.families[0], "ipv6": counted.more.families[1]},
    });
    if let (Some(summary), Value::Object(more)) = (summary.as_object_mut(), more) {
        summary.extend(more);
        // They are about connections, times of arrival and windows: a report has none.
        for name in ["nodes_connected", "nodes_expected", "rejected", "ahead", "late", "tick"] {
            summary.remove(name);
        }
        let uniques =
            [Dimension::Client, Dimension::User, Dimension::Site, Dimension::Host, Dimension::Url, Dimension::Server];
        let count = |dimension: Dimension| {
            let table = counted.table(dimension);
            (dimension.name().to_owned(), json!({"count": table.len(), "exact": table.is_exact()}))
        };
        summary.insert("uniques".to_owned(), uniques.into_iter().map(count).collect::<Map<_, _>>().into());
    }
    summary
}

/// Families, troubles and Calamaris' groups.
fn groups_of(counted: &Counted) -> Value {
    let tcp = &counted.more.kinds[0];
    let by_group = tcp.by(|codes| {
        codes.group().map(|group| match group {
            groups::Group::Hit => "calamaris_hit",
            groups::Group::Miss => "calamaris_miss",
            groups::Group::Error => "calamaris_error",
        })
    });
    let by_route = tcp.by(|codes| {
        codes.route.map(|route| match groups::route_class(route).0 {
            groups::RouteClass::None => "route_none",
            groups::RouteClass::Direct => "route_direct",
            groups::RouteClass::PeerHit => "route_peer_hit",
            groups::RouteClass::Parent => "route_parent",
            groups::RouteClass::Failed => "route_failed",
            groups::RouteClass::Other => "route_other",
        })
    });
    let others = [
        ("server_trouble", tcp.sum(Codes::is_server_trouble)),
        ("client_trouble", tcp.sum(Codes::is_client_trouble)),
        ("proxy_trouble", tcp.sum(Codes::is_proxy_trouble)),
        ("peer_timeout", tcp.sum(|codes| codes.route.is_some_and(|route| groups::route_class(route).1))),
        ("icp", counted.more.kinds[1].total),
    ];
    by_group
        .into_iter()
        .chain(by_route)
        .chain(others)
        .map(|(name, sums)| (name.to_owned(), numbers(&sums)))
        .collect::<Map<_, _>>()
        .into()
}

/// How often a validation was worth nothing but a round trip (spec/statistics.md N1).
fn revalidation(counted: &Counted) -> Value {
    use groups::Freshness::{Failed, Modified, Unmodified};
    let [unmodified, modified, failed] =
        [Unmodified, Modified, Failed].map(|freshness| counted.more.freshness(freshness));
    json!({
        "unmodified": unmodified, "modified": modified, "failed": failed,
        "yield": quotient(unmodified as f64, (unmodified + modified + failed) as f64),
    })
}

/// Shares of the most popular URLs (spec/statistics.md N9).
fn popularity(counted: &Counted) -> Value {
    let table = counted.table(Dimension::Url);
    let total = table.total.all_requests();
    [10, 100, 1000]
        .into_iter()
        .map(|top| {
            let ranked = rank::page(table, Measure::Requests, 0, top);
            let requests = sum(ranked.iter().map(|row| &table.rows[*row as usize])).all_requests();
            json!({"top": top, "requests": requests, "share": quotient(requests as f64, total as f64)})
        })
        .collect()
}

/// Sums by main type: what is before the slash.
fn main_types(counted: &Counted) -> BTreeMap<String, Counts> {
    let table = counted.table(Dimension::Type);
    let mut sums: BTreeMap<String, Counts> = BTreeMap::new();
    for row in 0..table.len() as u32 {
        let name = calamaris::text(table, row);
        let main = name.split_once('/').map_or(name.as_str(), |(main, _)| main).to_owned();
        sums.entry(main).or_default().merge(&table.rows[row as usize]);
    }
    sums
}

fn urls(counted: &Counted, rows: usize) -> Value {
    let table = counted.table(Dimension::Url);
    rank::page(table, Measure::Requests, 0, rows)
        .into_iter()
        .filter_map(|row| {
            let RawKey::One(raw) = table.raw_key(row) else { return None };
            let accesses = table.rows[row as usize].all_requests();
            let unknown = urls::Url::default();
            let url = counted.more.urls.get(raw).unwrap_or(&unknown);
            Some(url.json(&key::text(Dimension::Url, raw), accesses))
        })
        .collect()
}

fn distribution(packed: &Packed) -> Value {
    let found = packed.percentiles([5_000, 7_500, 9_000, 9_500, 9_900, 9_990]);
    let part = |at: usize| found.map(|found| found[at]);
    let buckets: Vec<Value> = packed
        .cells()
        .map(|(at, cell)| {
            let (from, to) = histogram::range(at);
            json!({"from": from, "to": to, "requests": cell.requests, "bytes": cell.bytes, "hits": cell.hits})
        })
        .collect();
    json!({
        "buckets": buckets,
        "p50": part(0), "p75": part(1), "p90": part(2), "p95": part(3), "p99": part(4), "p999": part(5),
        "min": packed.extremes().map(|(least, _)| least),
        "max": packed.extremes().map(|(_, most)| most),
    })
}

fn powers(sums: &[Counts]) -> Value {
    sums.iter()
        .enumerate()
        .filter(|(_, counts)| !counts.is_empty())
        .map(|(at, counts)| {
            let mut row = numbers(counts);
            row["from"] = at.checked_sub(1).map_or(0, |power| 1_u64 << power).into();
            row["to"] = 1_u64.checked_shl(at as u32).unwrap_or(u64::MAX).into();
            row
        })
        .collect()
}
