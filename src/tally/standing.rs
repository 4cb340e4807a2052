//! How nodes stand at a worker: their connections, logs and files, and how their entries come.

use super::duplicates::MARKS_MAX;
use super::logs::Log;
use super::part::NodeUpdate;
use super::quality::{Examples, Received, Times};

/// Log objects, and files, that are remembered for a node.
const LOGS_MAX: usize = 32;

#[derive(Debug, Default)]
struct Standing {
    update: NodeUpdate,
    logs: Vec<Log>,
    paths: Vec<String>,
    changed: bool,
}

/// By the worker's row of the node; nodes without a row are left out.
#[derive(Debug, Default)]
pub struct Standings {
    nodes: Vec<Standing>,
    changed: Vec<u32>,
}

impl Standings {
    /// There is a node with that row; rows come in their order.
    pub fn know(&mut self, row: u32) {
        if row as usize == self.nodes.len() {
            let update = NodeUpdate { row, ..NodeUpdate::default() };
            self.nodes.push(Standing { update, ..Standing::default() });
        }
    }

    /// A node's log is read from that file.
    pub fn read_from(&mut self, row: u32, path: &str) {
        let Some(node) = self.nodes.get_mut(row as usize) else { return };
        if !path.is_empty() && node.paths.len() < LOGS_MAX && !node.paths.iter().any(|known| known == path) {
            node.paths.push(path.to_owned());
            self.change(row, |update| update.paths.push(path.to_owned()));
        }
    }

    /// A node writes that log.
    pub fn write(&mut self, row: u32, log: Log) {
        let Some(node) = self.nodes.get_mut(row as usize) else { return };
        if node.logs.len() < LOGS_MAX && !node.logs.contains(&log) {
            node.logs.push(log.clone());
            self.change(row, |update| update.logs.push(log));
        }
    }

    /// What came of a node arrived, at these times.
    pub fn arrived(&mut self, row: u32, times: &Times, received: &Received, examples: &Examples) {
        self.change(row, |update| {
            if update.last_arrival > 0 {
                // The usual time between segments, as a moving mean over about ten of them.
                let gap = times.now.saturating_sub(update.last_arrival);
                update.interval = if update.interval == 0 { gap } else { (update.interval * 9 + gap) / 10 };
            }
            update.last_arrival = times.now;
            if times.newest > 0 {
                update.last_entry = update.last_entry.max(times.newest);
                update.lag = times.now as i64 - times.newest.min(i64::MAX as u64) as i64;
                update.lags.add(times, received.entries.received());
            }
            update.received.merge(received);
            update.examples.update(examples);
        });
    }

    /// A segment with that mark is read from a file.
    pub fn mark(&mut self, row: u32, mark: u64) {
        self.change(row, |update| {
            if update.marks.len() < MARKS_MAX {
                update.marks.push(mark);
            }
        });
    }

    /// Something of a node changes.
    pub fn change(&mut self, row: u32, change: impl FnOnce(&mut NodeUpdate)) {
        let Some(node) = self.nodes.get_mut(row as usize) else { return };
        change(&mut node.update);
        if !node.changed {
            node.changed = true;
            self.changed.push(row);
        }
    }

    /// Moves the nodes that changed into `nodes`.
    pub fn hand_over(&mut self, nodes: &mut Vec<NodeUpdate>) {
        for row in self.changed.drain(..) {
            let node = &mut self.nodes[row as usize];
            node.changed = false;
            let standing = node.update.standing();
            nodes.push(std::mem::replace(&mut node.update, standing));
        }
    }
}
