//! Parts: what a worker hands to the merger at a tick. Counts add, so parts may come late, early, and in any order of workers.

use super::delta::{Delta, Lost};
use super::logs::Log;
use super::profile::Cell;
use super::quality::{Examples, Lags, Received};
use super::records::Taken;
use super::reuse::Samples;
use super::slots::SlotPart;
use super::windowed::{Loss, Slot};
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
    /// By [`Dimension`], small ones.
    pub tables: [TablePart; Dimension::COUNT],
    /// By [`Dimension`], large ones.
    pub large: [LargePart; Dimension::COUNT],
    /// Slots of the large ones, by number.
    pub large_slots: Vec<Slot>,
    /// Profiles of keys: each place once, ascending; slots are those of the large ones.
    pub cells: Vec<Cell>,
    /// Requests, counted once for each of their keys, that are in none of them for want of room.
    pub cells_lost: u64,
    /// How many times entries of the large ones went to no slot, for want of them.
    pub crowded: u64,
    /// By slot of entry time. Methods, types and nodes are rows of `tables`.
    pub slots: Vec<SlotPart>,
    /// Requests of sampled URLs.
    pub samples: Samples,
    /// Entries as they came, a few.
    pub taken: Taken,
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
    /// What live filters took.
    pub filters: Vec<FilterPart>,
    /// Empty parts for that.
    pub spare: Vec<Box<Part>>,
}

/// What one live filter took.
#[derive(Clone, Debug)]
pub struct FilterPart {
    /// The filter's number.
    pub id: u64,
    /// Since when the worker counts it, ms.
    pub since: u64,
    /// As of all entries.
    pub part: Box<Part>,
}

/// One table's changes.
#[derive(Clone, Debug, Default)]
pub struct TablePart {
    /// New keys, numbered on from those sent before.
    pub keys: NewKeys,
    /// Row and what was added to it.
    pub rows: Vec<(u32, Counts)>,
    /// What was counted for keys that had no room.
    pub refused: Counts,
}

/// One large dimension's changes.
#[derive(Clone, Debug, Default)]
pub struct LargePart {
    /// Rows sent before are of no keys any more: numbers begin at 0 again, with this part's.
    pub restarts: bool,
    /// New keys, numbered on from those sent before.
    pub keys: NewKeys,
    /// What rows, or pairs of rows, had, by slot: at most one of a row or pair, and slot.
    pub deltas: Vec<Delta>,
    /// What deltas have beside what is in them, by rising number.
    pub wide: Vec<(u32, Counts)>,
    /// The most that a delta may have missed, for those that may have; by rising number.
    pub errors: Vec<(u32, Loss)>,
    /// By slot, as far as anything was lost.
    pub lost: Vec<Lost>,
    /// Deltas that were dropped for want of room (spec/statistics.md Q9).
    pub dropped: u64,
}

impl LargePart {
    /// What a delta counted.
    pub fn counts(&self, number: u32) -> Counts {
        let mut counts = self.deltas.get(number as usize).map(Delta::counts).unwrap_or_default();
        if let Ok(at) = self.wide.binary_search_by_key(&number, |(with, _)| *with) {
            counts.merge(&self.wide[at].1);
        }
        counts
    }

    /// All deltas: whose each is, and what it counted.
    pub fn deltas(&self) -> impl Iterator<Item = (&Delta, Counts)> {
        self.deltas.iter().zip(0..).map(|(delta, number)| (delta, self.counts(number)))
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.keys.text.capacity()
            + self.keys.ends.capacity() * 4
            + self.deltas.capacity() * size_of::<Delta>()
            + self.wide.capacity() * size_of::<(u32, Counts)>()
            + self.errors.capacity() * size_of::<(u32, Loss)>()
            + self.lost.capacity() * size_of::<Lost>()
    }

    /// Forgets all, keeps the room.
    pub fn clear(&mut self) {
        self.restarts = false;
        self.keys.clear();
        self.deltas.clear();
        self.wide.clear();
        self.errors.clear();
        self.lost.clear();
        self.dropped = 0;
    }
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
    /// Log objects, or formats of them, seen for the first time.
    pub logs: Vec<Log>,
    /// Files that it is read from, seen for the first time.
    pub paths: Vec<String>,
    /// What was turned away since the last update.
    pub rejected: Rejected,
    /// What came since the last update.
    pub received: Received,
    /// How late that was.
    pub lags: Lags,
    /// What was odd in it.
    pub examples: Examples,
    /// Marks of the segments that were read from files.
    pub marks: Vec<u64>,
}

impl NodeUpdate {
    /// How the node stands: without what came since the last update.
    pub fn standing(&self) -> Self {
        Self {
            row: self.row,
            connections: self.connections,
            last_arrival: self.last_arrival,
            last_entry: self.last_entry,
            lag: self.lag,
            interval: self.interval,
            ..Self::default()
        }
    }
}

impl Part {
    /// Bytes of memory of what it has of large dimensions.
    pub fn large_bytes(&self) -> u64 {
        self.large.iter().map(LargePart::bytes).sum::<usize>() as u64
    }

    /// Empties it for the next use; keeps the room.
    pub fn clear(&mut self) {
        let tables = std::mem::take(&mut self.tables);
        let mut nodes = std::mem::take(&mut self.nodes);
        nodes.clear();
        let mut slots = std::mem::take(&mut self.slots);
        slots.clear();
        let (large, mut large_slots) = (std::mem::take(&mut self.large), std::mem::take(&mut self.large_slots));
        large_slots.clear();
        let mut cells = std::mem::take(&mut self.cells);
        cells.clear();
        let mut samples = std::mem::take(&mut self.samples);
        samples.clear();
        let mut taken = std::mem::take(&mut self.taken);
        taken.clear();
        // Those that were not used again belong to filters that are gone.
        let spare = self.filters.drain(..).map(|filter| filter.part);
        let spare = spare.map(|mut part| {
            part.clear();
            part
        });
        let spare = spare.collect();
        *self = Self {
            worker: self.worker,
            nodes,
            tables,
            slots,
            large,
            large_slots,
            cells,
            samples,
            taken,
            spare,
            ..Self::default()
        };
        self.large.iter_mut().for_each(LargePart::clear);
        for table in &mut self.tables {
            table.keys.clear();
            table.rows.clear();
            table.refused = Counts::default();
        }
    }
}
