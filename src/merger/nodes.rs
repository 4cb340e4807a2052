//! The nodes, as all workers see them together.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::quality::Stream;
use super::snapshot::{Node, NodeState};
use super::tables::Tables;
use crate::tally::duplicates::Seen;
use crate::tally::logs::{self, Log};
use crate::tally::part::NodeUpdate;
use crate::tally::table::REFUSED;
use crate::tally::{Counts, Dimension, Rejected};

/// Above this lag a node is lagging: Traffic Server itself buffers 5 to 10 s.
const LAGGING_MS: i64 = 12_000;

/// A node whose connections have been gone for so long is silent.
const SILENT_MS: u64 = 15_000;

/// A connected node that sent nothing for so long, or 10 times its usual interval, is idle.
const IDLE_MS: u64 = 30_000;

/// Log objects listed for one node.
const LOGS_MAX: usize = 32;

#[derive(Debug, Default)]
struct Known {
    /// By worker, what it last said.
    by_worker: Vec<NodeUpdate>,
    rejected: Rejected,
    stream: Stream,
    logs: Arc<Vec<Log>>,
    /// There are new ones, and the engine's log has not said that several count.
    has_new_logs: bool,
    is_warned_of: bool,
    /// Files that it is read from.
    paths: Vec<String>,
    /// When its last connection went.
    gone_since: Option<u64>,
}

/// All nodes by their row in the merger's node table.
#[derive(Debug, Default)]
pub struct Nodes {
    known: BTreeMap<u32, Known>,
    workers: usize,
    seen: Seen,
}

impl Nodes {
    /// No node yet.
    pub fn new(workers: usize) -> Self {
        Self { known: BTreeMap::new(), workers, seen: Seen::default() }
    }

    /// What one worker says of a node; `row` is the merger's.
    pub fn update(&mut self, row: u32, worker: usize, update: &NodeUpdate, now: u64) {
        let workers = self.workers;
        let known = self
            .known
            .entry(row)
            .or_insert_with(|| Known { by_worker: vec![NodeUpdate::default(); workers], ..Known::default() });
        known.rejected.merge(&update.rejected);
        known.stream.update(update, now);
        let seen = &mut self.seen;
        known.stream.repeat(update.marks.iter().filter(|mark| seen.came(row, **mark)).count() as u64);
        add_new(&mut known.paths, &update.paths);
        if !update.logs.is_empty() {
            add_new(Arc::make_mut(&mut known.logs), &update.logs);
            known.has_new_logs = !known.is_warned_of;
        }
        known.by_worker[worker] = update.standing();
        if known.by_worker.iter().all(|update| update.connections == 0) {
            known.gone_since.get_or_insert(now);
        } else {
            known.gone_since = None;
        }
    }

    /// How all nodes stand, by name.
    pub fn snapshot(&mut self, tables: &Tables, now: u64) -> Vec<Arc<Node>> {
        let mut nodes = Vec::with_capacity(self.known.len());
        for (&row, known) in &mut self.known {
            let node = known.node(row, tables, now);
            known.warn_of_several_logs(&node);
            nodes.push(Arc::new(node));
        }
        nodes.sort_by(|a, b| (&a.name, &a.address).cmp(&(&b.name, &b.address)));
        nodes
    }
}

/// All nodes with what a filter took of them: numbers and counts are those of its tables. One that it took nothing of has a number that
/// no row has.
pub fn of_filter(nodes: &[Arc<Node>], all: &Tables, filtered: &Tables) -> Vec<Arc<Node>> {
    let of_filter = |node: &Arc<Node>| {
        let row = filtered.find(Dimension::Node, all.key(Dimension::Node, node.id));
        let counts = row.map_or_else(Counts::default, |row| filtered.counts(Dimension::Node, row));
        Arc::new(Node { id: row.unwrap_or(REFUSED), counts, ..Node::clone(node) })
    };
    nodes.iter().map(of_filter).collect()
}

fn add_new<T: Clone + PartialEq>(known: &mut Vec<T>, more: &[T]) {
    for one in more {
        if known.len() < LOGS_MAX && !known.contains(one) {
            known.push(one.clone());
        }
    }
}

impl Known {
    /// Once: the same requests are counted in each log that they are written to.
    fn warn_of_several_logs(&mut self, node: &Node) {
        if !std::mem::take(&mut self.has_new_logs) {
            return;
        }
        let counted = logs::names(self.logs.iter().filter(|log| log.counts));
        if counted.len() > 1 {
            self.is_warned_of = true;
            let names: Vec<_> = counted.iter().map(|name| name.escape_ascii().to_string()).collect();
            tracing::warn!(
                "{}@{}: this node sends {} logs ({}): requests that are written to several count several times; --count-log NAME \
                 picks the logs that count",
                node.name.escape_ascii(),
                node.address,
                names.len(),
                names.join(", ")
            );
        }
    }

    fn node(&self, row: u32, tables: &Tables, now: u64) -> Node {
        let key = tables.key(Dimension::Node, row);
        // The name may hold an @, the address can't.
        let split = memchr::memrchr(b'@', key).unwrap_or(key.len());
        let newest = self.by_worker.iter().max_by_key(|update| update.last_arrival);
        let last_arrival = newest.map_or(0, |update| update.last_arrival);
        let lag = newest.filter(|update| update.last_entry > 0).map(|update| update.lag);
        Node {
            id: row,
            name: key[..split].to_vec(),
            address: if self.paths.is_empty() {
                String::from_utf8_lossy(key.get(split + 1..).unwrap_or_default()).into_owned()
            } else {
                self.paths.join(", ")
            },
            connections: self.by_worker.iter().map(|update| update.connections).sum(),
            state: self.state(last_arrival, newest.map_or(0, |update| update.interval), lag, now),
            lag,
            last_arrival,
            last_entry: self.by_worker.iter().map(|update| update.last_entry).max().unwrap_or(0),
            logs: self.logs.clone(),
            rejected: self.rejected,
            quality: self.stream.quality(now),
            counts: tables.counts(Dimension::Node, row),
        }
    }

    fn state(&self, last_arrival: u64, interval: u64, lag: Option<i64>, now: u64) -> NodeState {
        if self.gone_since.is_some_and(|since| now.saturating_sub(since) >= SILENT_MS) {
            NodeState::Silent
        } else if now.saturating_sub(last_arrival) > IDLE_MS.max(interval.saturating_mul(10)) {
            NodeState::Idle
        } else if lag.is_some_and(|lag| lag > LAGGING_MS) {
            NodeState::Lagging
        } else {
            NodeState::Live
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_follow_connection_arrival_and_lag() {
        let known = |gone_since| Known { gone_since, ..Known::default() };
        let cases = [
            ("fresh", None, 100_000, 5000, Some(400), NodeState::Live),
            ("quiet for 30 s", None, 70_000, 1000, Some(400), NodeState::Live),
            ("quiet for longer", None, 69_999, 1000, Some(400), NodeState::Idle),
            ("quiet, but always slow", None, 69_999, 4000, Some(400), NodeState::Live),
            ("12 s behind", None, 100_000, 1000, Some(12_000), NodeState::Live),
            ("more than 12 s behind", None, 100_000, 1000, Some(12_001), NodeState::Lagging),
            ("ahead", None, 100_000, 1000, Some(-5000), NodeState::Live),
            ("just gone", Some(85_001), 84_000, 1000, Some(400), NodeState::Live),
            ("gone for 15 s", Some(85_000), 84_000, 1000, Some(400), NodeState::Silent),
        ];
        for (name, gone, last_arrival, interval, lag, expected) in cases {
            assert_eq!(known(gone).state(last_arrival, interval, lag, 100_000), expected, "{name}");
        }
    }
}
