//! Parts: what a worker hands to the merger at a tick. Counts add, so parts may come late, early, and in any order of workers.

use super::reuse::Samples;
use super::slots::SlotPart;
use super::{Counts, Dimension, Entries, Rejected};

/// What one worker has counted since its last part.
#[derive(Clone, Debug, Default)]
pub struct Part {
    /// Which worker.
    pub worker: usize,
    /// The tick that it answers.
    pub tick: u64,
    /// True if the large dimensions are in it.
    pub full: bool,
    /// All requests.
    pub total: Counts,
    /// Where entries went.
    pub entries: Entries,
    /// Bytes read.
    pub stream_bytes: u64,
    /// What was turned away.
    pub rejected: Rejected,
    /// Nodes that changed.
    pub nodes: Vec<NodeUpdate>,
    /// By [`Dimension`].
    pub tables: [TablePart; Dimension::COUNT],
    /// By slot of entry time. Methods, types and nodes are rows of `tables`.
    pub slots: Vec<SlotPart>,
    /// Requests of sampled URLs.
    pub samples: Samples,
    /// Entries whose clock was ahead.
    pub ahead: u64,
    /// Entries too old for any window.
    pub late: u64,
    /// Bytes of the worker's tables now.
    pub table_bytes: u64,
    /// Bytes of its connections' buffers now.
    pub buffer_bytes: u64,
    /// Nanoseconds of CPU that the worker has used since it began.
    pub cpu_ns: u64,
}

/// One table's changes.
#[derive(Clone, Debug, Default)]
pub struct TablePart {
    /// New keys, numbered on from those sent before.
    pub keys: NewKeys,
    /// New pairs (rows of the client and the site table), numbered on from those sent before.
    pub pairs: Vec<[u32; 2]>,
    /// Row and what was added to it.
    pub rows: Vec<(u32, Counts)>,
    /// What was counted for keys that had no room.
    pub refused: Counts,
}

/// Keys, one after the other.
#[derive(Clone, Debug, Default)]
pub struct NewKeys {
    text: Vec<u8>,
    ends: Vec<u32>,
}

impl NewKeys {
    /// Appends one.
    pub fn push(&mut self, key: &[u8]) {
        self.text.extend_from_slice(key);
        self.ends.push(self.text.len() as u32);
    }

    /// The keys in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.text[start as usize..*end as usize])
    }

    /// Forgets all, keeps the room.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }
}

/// How one node stands at a worker; numbers are the worker's own, in the order of its node table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeUpdate {
    /// Row in the worker's node table.
    pub row: u32,
    /// Open connections now.
    pub connections: u32,
    /// When its last segment arrived, ms.
    pub last_arrival: u64,
    /// Time of its newest entry, ms.
    pub last_entry: u64,
    /// Arrival less entry time, of the last segment's newest entry, ms.
    pub lag: i64,
    /// Usual time between segments, ms.
    pub interval: u64,
    /// Log objects seen for the first time.
    pub logs: Vec<String>,
    /// Files that it is read from, seen for the first time.
    pub paths: Vec<String>,
    /// What was turned away since the last update.
    pub rejected: Rejected,
}

impl Part {
    /// Empties it for the next use; keeps the room.
    pub fn clear(&mut self) {
        let tables = std::mem::take(&mut self.tables);
        let mut nodes = std::mem::take(&mut self.nodes);
        nodes.clear();
        let mut slots = std::mem::take(&mut self.slots);
        slots.clear();
        let mut samples = std::mem::take(&mut self.samples);
        samples.clear();
        *self = Self { worker: self.worker, nodes, tables, slots, samples, ..Self::default() };
        for table in &mut self.tables {
            table.keys.clear();
            table.pairs.clear();
            table.rows.clear();
            table.refused = Counts::default();
        }
    }
}
