//! A slot of entry time that is written to.

use super::Counts;
use super::closed_slots::{Closed, add_all};
use super::counts::Increment;
use super::histogram::Histogram;
use super::sparse::Sparse;
use super::table::REFUSED;
use super::uniques::{PRECISION, Sketch};

// Two cache lines, which the processor fetches together.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(128))]
struct Row(Counts);

/// A slot that is written to.
#[derive(Clone, Debug)]
pub(super) struct Open {
    /// By number of the combination.
    combinations: Sparse<Row>,
    others: Counts,
    nodes: Vec<(u32, Counts)>,
    times: Histogram,
    sizes: Histogram,
    /// One bit for each of the worker's rows of clients: its hash is in a part already.
    seen: Vec<u64>,
    clients: Sketch,
}

impl Open {
    pub fn new() -> Self {
        Self {
            combinations: Sparse::default(),
            others: Counts::default(),
            nodes: Vec::new(),
            times: Histogram::default(),
            sizes: Histogram::default(),
            seen: Vec::new(),
            clients: Sketch::new(PRECISION),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.combinations.is_empty() && self.others.is_empty() && self.nodes.is_empty()
    }

    /// Counts an entry whose combination has that number; `None`: it is not kept.
    #[inline]
    pub fn record(&mut self, combination: Option<u16>, entry: &Increment) {
        match combination {
            Some(number) => self.combinations.get(number).0.record(entry),
            None => self.others.record(entry),
        }
    }

    /// Counts an entry by its time and its size.
    #[inline]
    pub fn measure(&mut self, entry: &Increment) {
        if entry.timed > 0 {
            self.times.record(entry.time_ms, entry);
        }
        self.sizes.record(entry.bytes, entry);
    }

    /// A client was there, with that row at the worker and that hash of its address.
    #[inline]
    pub fn client(&mut self, row: u32, hash: u64) {
        if row == REFUSED {
            self.clients.insert(hash);
            return;
        }
        let (at, bit) = (row as usize / 64, 1 << (row % 64));
        if self.seen.len() <= at {
            self.seen.resize(at + 1, 0);
        }
        if self.seen[at] & bit == 0 {
            self.seen[at] |= bit;
            self.clients.insert(hash);
        }
    }

    /// Adds what a node sent.
    pub fn node(&mut self, node: u32, counts: &Counts) {
        add_all(&mut self.nodes, &[(node, *counts)]);
    }

    /// Clients have new rows, or the slot is another one.
    pub fn forget_clients(&mut self) {
        self.seen.clear();
    }

    /// What it holds; it begins anew.
    pub fn take(&mut self) -> Closed {
        let mut combinations: Vec<(u16, Counts)> =
            self.combinations.drain().map(|(number, row)| (number, row.0)).collect();
        combinations.sort_unstable_by_key(|(number, _)| *number);
        Closed {
            combinations,
            others: std::mem::take(&mut self.others),
            nodes: std::mem::take(&mut self.nodes),
            times: self.times.take(),
            sizes: self.sizes.take(),
            clients: std::mem::replace(&mut self.clients, Sketch::new(PRECISION)),
        }
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.combinations.bytes()
            + self.nodes.capacity() * size_of::<(u32, Counts)>()
            + self.times.bytes()
            + self.sizes.bytes()
            + self.seen.capacity() * size_of::<u64>()
            + self.clients.bytes()
            + size_of::<Self>()
    }
}
