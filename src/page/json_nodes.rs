//! The shape of the answer about nodes: how each stands, and how good its stream is (design/api.md 4, spec/statistics.md 12).

use std::collections::BTreeMap;

use serde::Serialize;

use super::json::{ByCause, Moment, Numbers, by_cause, bytes, seconds};
use crate::merger::{Node, Snapshot, windows};
use crate::tally::logs::Log;
use crate::tally::{Cause, Counts, Dimension, Period};
use crate::view::key;

/// Why segments are bad: cookie, version, size and offsets.
pub(super) const BAD: [Cause; 4] = [Cause::Cookie, Cause::Version, Cause::MessageLength, Cause::Segment];

/// `/api/v1/nodes`.
pub fn nodes(snapshot: &Snapshot, period: Period) -> Option<Vec<u8>> {
    #[derive(Serialize)]
    struct Row<'a> {
        key: String,
        name: String,
        address: &'a str,
        connections: u32,
        state: &'static str,
        lag_seconds: Option<f64>,
        last_entry: Option<f64>,
        logs: Vec<String>,
        several_logs: bool,
        rejected: ByCause,
        quality: Quality<'a>,
        #[serde(flatten)]
        numbers: Numbers,
    }
    #[derive(Serialize)]
    struct Nodes<'a> {
        #[serde(flatten)]
        moment: Moment,
        rows: Vec<Row<'a>>,
    }
    let (_, covered) = windows::total(snapshot, period)?;
    let of_window = match (windows::span(snapshot, period)?, &snapshot.history) {
        (Some(span), Some(history)) => Some(history.by_node(span)),
        _ => None,
    };
    let counts = |node: &Node| match &of_window {
        None => node.counts,
        Some(rows) => rows.iter().find(|(row, _)| *row == node.id).map_or_else(Counts::default, |(_, counts)| *counts),
    };
    let rows = snapshot.nodes.iter().map(|node| Row {
        key: key::node(&node.name, &node.address),
        name: key::escaped(&node.name),
        address: &node.address,
        connections: node.connections,
        state: node.state.name(),
        lag_seconds: node.lag.map(signed_seconds),
        last_entry: node.lag.map(|_| seconds(node.last_entry)),
        logs: node.logs.iter().map(ToString::to_string).collect(),
        several_logs: node.has_several_logs(),
        rejected: by_cause(&node.rejected),
        quality: Quality::of(node, snapshot.as_of),
        numbers: (&counts(node)).into(),
    });
    let moment = Moment::new(snapshot.as_of, &covered, snapshot.tick);
    Some(bytes(&Nodes { moment, rows: rows.collect() }))
}

fn signed_seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

/// How good a node's stream is; since the start, whatever the window.
#[derive(Debug, Serialize)]
struct Quality<'a> {
    segments: u64,
    entries: u64,
    bytes: u64,
    segments_per_second: f64,
    entries_per_second: f64,
    bytes_per_second: f64,
    lag_p50_seconds: Option<f64>,
    lag_max_seconds: Option<f64>,
    silence_seconds: Option<f64>,
    clock_offset_seconds: Option<f64>,
    bad_segments: BTreeMap<&'static str, u64>,
    bad_entries: u64,
    bad_fields: u64,
    unknown_results: u64,
    unknown_routes: u64,
    uncounted: u64,
    last_bad_entry: Option<String>,
    last_unknown_result: Option<String>,
    last_unknown_route: Option<String>,
    late: u64,
    late_dropped: u64,
    duplicates: u64,
    formats: Vec<Format<'a>>,
}

impl<'a> Quality<'a> {
    fn of(node: &'a Node, as_of: u64) -> Self {
        let quality = &node.quality;
        let (received, examples) = (&quality.received, &quality.examples);
        let [segments_per_second, entries_per_second, bytes_per_second] = quality.per_second;
        Self {
            segments: received.segments,
            entries: received.entries.received(),
            bytes: received.bytes,
            segments_per_second,
            entries_per_second,
            bytes_per_second,
            lag_p50_seconds: quality.recent.map(|lags| signed_seconds(lags.median)),
            lag_max_seconds: quality.recent.map(|lags| signed_seconds(lags.most)),
            silence_seconds: (node.last_arrival > 0).then(|| seconds(as_of.saturating_sub(node.last_arrival))),
            clock_offset_seconds: quality.clock_offset.map(signed_seconds),
            bad_segments: BAD.map(|cause| (cause.name(), node.rejected.by(cause).segments)).into(),
            bad_entries: received.entries.bad,
            bad_fields: received.bad_fields,
            unknown_results: received.unknown_results,
            unknown_routes: received.unknown_routes,
            uncounted: received.entries.uncounted,
            last_bad_entry: (!examples.entry.is_empty()).then(|| key::escaped(&examples.entry)),
            last_unknown_result: examples.result.map(|code| key::text(Dimension::Result, &code.to_le_bytes())),
            last_unknown_route: examples.route.map(|code| key::text(Dimension::Route, &code.to_le_bytes())),
            late: received.late,
            late_dropped: received.late_dropped,
            duplicates: received.duplicates,
            formats: node.logs.iter().map(Format::from).collect(),
        }
    }
}

/// A log object in one of its formats.
#[derive(Debug, Serialize)]
struct Format<'a> {
    log: &'a str,
    version: Option<u32>,
    fields: &'a str,
    bytes_from: Option<&'static str>,
    time_from: Option<&'static str>,
    counted: bool,
}

impl<'a> From<&'a Log> for Format<'a> {
    fn from(log: &'a Log) -> Self {
        Self {
            log: &log.file_name,
            version: log.version,
            fields: &log.fields,
            bytes_from: log.bytes_from,
            time_from: log.time_from,
            counted: log.counts,
        }
    }
}
