//! `/metrics`: the engine in numbers, as OpenMetrics text. No label takes a client, site or URL.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::State;
use crate::merger::snapshot::{Keys, Table};
use crate::merger::{Node, Snapshot};
use crate::tally::{Band, Dimension, Measure};
use crate::view::key;

/// What the answer is.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Nodes that have their own label; the rest are together in `other`.
const MOST_NODES: usize = 1024;

/// The whole text.
pub fn page(state: &Arc<State>) -> String {
    let mut registry = Registry::with_prefix("visulate");
    registry.register_collector(Box::new(Scrape { snapshot: state.handle.snapshot(), state: state.clone() }));
    let mut page = String::new();
    text::encode(&mut page, &registry).expect("a String takes all");
    page
}

struct Scrape {
    snapshot: Arc<Snapshot>,
    state: Arc<State>,
}

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrape")
    }
}

type Label<'a> = [(&'static str, &'a str); 1];

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.traffic(&mut encoder)?;
        self.rejections(&mut encoder)?;
        self.nodes(&mut encoder)?;
        self.itself(&mut encoder)
    }
}

impl Scrape {
    fn traffic(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let total = &self.snapshot.total;
        counter(to, "requests", "Requests counted.", total.all_requests())?;
        counter(to, "bytes", "Bytes sent to clients.", total.all_bytes())?;
        let bands = [
            (Band::Fresh, "hit"),
            (Band::Refresh, "refresh_hit"),
            (Band::Miss, "miss"),
            (Band::Error, "error"),
            (Band::Unknown, "unknown"),
        ];
        let by_band = bands.map(|(band, name)| (name, total.requests[band as usize]));
        counters(to, "requests_by_band", "Requests by what became of them.", "band", &by_band)?;
        if let Some(table) = self.snapshot.table(Dimension::Status) {
            let by_class = by_class(table);
            counters(to, "requests_by_status", "Requests by class of status.", "class", &by_class)?;
        }
        let entries = &self.snapshot.entries;
        let by_kind = [
            ("requests", entries.requests),
            ("aggregate", entries.aggregate),
            ("icp", entries.icp),
            ("bad", entries.bad),
            ("uncounted", entries.uncounted),
        ];
        counters(to, "entries", "Log entries received, by kind.", "kind", &by_kind)?;
        counter(to, "stream_bytes", "Bytes of log stream received.", self.snapshot.stream_bytes)?;
        counter(to, "connections", "Collation connections accepted.", self.snapshot.accepted)
    }

    fn rejections(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let of = |number: fn(&crate::tally::rejected::Amount) -> u64| -> Vec<(&'static str, u64)> {
            let rejected = self.snapshot.rejected.iter();
            rejected.map(|(cause, amount)| (cause.name(), number(amount))).collect()
        };
        counters(
            to,
            "rejected_connections",
            "Connections closed, by cause.",
            "cause",
            &of(|amount| amount.connections),
        )?;
        counters(to, "rejected_segments", "Segments dropped, by cause.", "cause", &of(|amount| amount.segments))
    }

    fn nodes(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let nodes = &self.snapshot.nodes;
        let (own, rest) = nodes.split_at(nodes.len().min(MOST_NODES));
        let names: Vec<String> = own.iter().map(|node| key::node(&node.name, &node.address)).collect();
        let connected = |node: &Arc<Node>| f64::from(u8::from(node.connections > 0));
        let lag = |node: &Arc<Node>| node.lag.map(|ms| ms as f64 / 1000.0);

        let mut values: Vec<(&str, f64)> = names.iter().map(String::as_str).zip(own.iter().map(connected)).collect();
        if !rest.is_empty() {
            values.push(("other", rest.iter().map(connected).sum()));
        }
        gauges(to, "node_connected", "1 while a node is connected; of others, how many are.", "node", &values)?;

        let mut values: Vec<(&str, f64)> =
            names.iter().zip(own).filter_map(|(name, node)| Some((name.as_str(), lag(node)?))).collect();
        values.extend(rest.iter().filter_map(lag).reduce(f64::max).map(|most| ("other", most)));
        gauges(
            to,
            "node_lag_seconds",
            "Arrival less time of a node's newest entry; of others, the most.",
            "node",
            &values,
        )
    }

    fn itself(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let memory: Vec<(&str, f64)> =
            self.snapshot.memory.parts.iter().map(|(part, bytes)| (*part, *bytes as f64)).collect();
        gauges(to, "memory_bytes", "Memory in use, by part.", "part", &memory)?;
        gauge(to, "memory_cap_bytes", "Memory that may be used.", self.snapshot.memory.cap as f64)?;
        let (last, most) = self.snapshot.delay;
        let delays = [("last", last.as_secs_f64()), ("most", most.as_secs_f64())];
        gauges(
            to,
            "tick_delay_seconds",
            "Time from a tick, four a second, to its figures: of the last, and the most since the start.",
            "of",
            &delays,
        )?;
        let meters = &self.state.meters;
        gauge(to, "websockets", "Browsers connected.", meters.browsers() as f64)?;
        gauge(to, "streams", "Different views that browsers show.", self.state.hub.streams() as f64)?;
        counter(
            to,
            "view_messages",
            "Messages of views that were made, each once for all who show it.",
            meters.encoded(),
        )?;
        counter(to, "browsers_lagged", "Times that a browser fell behind and was resynchronised.", meters.lagged())?;
        counter(to, "messages_skipped", "Messages of views that browsers skipped.", meters.skipped())?;
        let waiting: u64 = meters.backlogs().iter().map(|(_, backlog)| backlog.waiting()).sum();
        gauge(to, "browsers_waiting_bytes", "Bytes of messages that browsers have not taken.", waiting as f64)?;
        counter(to, "browsers_timed_out", "Browsers dropped because they took nothing.", meters.timed_out())?;
        let limits = meters.limits().map(|(limit, count)| (limit.name(), count));
        counters(to, "limit_reached", "Times that a limit was reached.", "limit", &limits)?;
        let labels: Label<'_> = [("version", &self.state.info.version)];
        to.encode_descriptor("build", "The program.", None, MetricType::Info)?.encode_info(&labels)
    }
}

/// Requests by the hundreds of their status.
fn by_class(table: &Table) -> [(&'static str, u64); 7] {
    let mut classes = ["0xx", "1xx", "2xx", "3xx", "4xx", "5xx", "other"].map(|class| (class, 0_u64));
    if let Keys::Names(names) = &table.keys {
        for (counts, row) in table.rows.iter().zip(0..) {
            let class = <[u8; 8]>::try_from(names.name(row))
                .ok()
                .and_then(|raw| usize::try_from(i64::from_le_bytes(raw) as u64 / 100).ok())
                .map_or(6, |hundreds| hundreds.min(6));
            classes[class].1 += counts.measure(Measure::Requests);
        }
    }
    classes
}

fn counter(to: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    to.encode_descriptor(name, help, None, MetricType::Counter)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
}

fn counters(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &'static str,
    values: &[(&str, u64)],
) -> fmt::Result {
    let mut metric = to.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (text, value) in values {
        let labels: Label<'_> = [(label, text)];
        metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(value, None)?;
    }
    Ok(())
}

fn gauge(to: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    to.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
}

fn gauges(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &'static str,
    values: &[(&str, f64)],
) -> fmt::Result {
    let mut metric = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (text, value) in values {
        let labels: Label<'_> = [(label, text)];
        metric.encode_family(&labels)?.encode_gauge(value)?;
    }
    Ok(())
}
