//! The worker's side: which entries become records.

use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::{Order, RECORD_MAX, Record};
use crate::tally::counts::{Band, Increment};
use crate::wire::segment::{RawEntry, Segment};

/// Records of one list in a part.
pub const LIST: usize = 32;

/// Records of one node in a part, besides those of the lists.
pub const OF_NODE: u32 = 4;

/// The same of all nodes.
const OF_NODES: usize = 256;

/// Heads of segments that are remembered.
const HEADS: usize = 16;

/// What one entry is wanted for: bits.
const SAMPLE: u8 = 1;
const FAILED: u8 = 2;
const SLOW: u8 = 4;
const LARGE: u8 = 8;
const NODE: u8 = 16;

/// What was taken since the last part.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// A uniform sample.
    pub recent: Vec<Arc<Record>>,
    /// A uniform sample of errors.
    pub failed: Vec<Arc<Record>>,
    /// Those that took the longest, in no order.
    pub slowest: Vec<Arc<Record>>,
    /// Those with the most bytes, in no order.
    pub largest: Vec<Arc<Record>>,
    /// A few of each node.
    pub by_node: Vec<Arc<Record>>,
}

impl Taken {
    /// Forgets all, keeps the room.
    pub fn clear(&mut self) {
        for list in [&mut self.recent, &mut self.failed, &mut self.slowest, &mut self.largest, &mut self.by_node] {
            list.clear();
        }
    }
}

/// Above 0, up to 1.
fn unit(random: &mut SmallRng) -> f64 {
    1.0 - random.random::<f64>()
}

/// A uniform sample of what passes: algorithm L of Li, "Reservoir-Sampling Algorithms of Time Complexity O(n(1 + log(N/n)))", 1994.
#[derive(Clone, Debug)]
struct Reservoir {
    list: Vec<Arc<Record>>,
    /// Entries up to the next that is taken.
    until: u64,
    weight: f64,
}

impl Reservoir {
    fn new() -> Self {
        Self { list: Vec::new(), until: 1, weight: 1.0 }
    }

    fn take(&mut self, record: Arc<Record>, random: &mut SmallRng) {
        if self.list.len() < LIST {
            self.list.push(record);
        } else {
            let at = random.random_range(..LIST);
            self.list[at] = record;
        }
        self.go_on(random);
    }

    /// Says how many entries pass before the next is taken.
    fn go_on(&mut self, random: &mut SmallRng) {
        self.until = 1;
        if self.list.len() == LIST {
            self.weight *= (unit(random).ln() / LIST as f64).exp();
            // A weight of nearly 1 gives an infinite logarithm, and a skip of 0; one of nearly 0 a skip that saturates.
            self.until += (unit(random).ln() / (-self.weight).ln_1p()).floor() as u64;
        }
    }

    fn hand_over(&mut self, list: &mut Vec<Arc<Record>>) {
        list.append(&mut self.list);
        (self.until, self.weight) = (1, 1.0);
    }
}

/// The greatest of what passes.
#[derive(Clone, Debug)]
struct Greatest {
    order: Order,
    list: Vec<Arc<Record>>,
    /// What doesn't exceed it isn't among them.
    floor: u64,
}

impl Greatest {
    fn new(order: Order) -> Self {
        Self { order, list: Vec::new(), floor: 0 }
    }

    fn take(&mut self, record: Arc<Record>) {
        if self.list.len() == LIST {
            let least = self.least().map_or(0, |(at, _)| at);
            self.list.swap_remove(least);
        }
        self.list.push(record);
        if self.list.len() == LIST {
            self.floor = self.least().map_or(0, |(_, rank)| rank);
        }
    }

    fn least(&self) -> Option<(usize, u64)> {
        self.list.iter().map(|record| self.order.rank(record)).enumerate().min_by_key(|(_, rank)| *rank)
    }

    fn hand_over(&mut self, list: &mut Vec<Arc<Record>>) {
        list.append(&mut self.list);
        self.floor = 0;
    }
}

/// Takes entries of one worker.
#[derive(Clone, Debug)]
pub struct Taker {
    worker: u32,
    is_on: bool,
    /// What the entry at hand is wanted for.
    wanted: u8,
    increment: Increment,
    recent: Reservoir,
    failed: Reservoir,
    slowest: Greatest,
    largest: Greatest,
    /// Entries of the segment at hand up to the one that is taken for its node.
    until_node: u64,
    /// By the worker's row of the node: how many were taken for it.
    of_node: Vec<u32>,
    by_node: Vec<Arc<Record>>,
    heads: Vec<Arc<[u8]>>,
    random: SmallRng,
}

impl Taker {
    /// Takes what comes to a worker; `seed` makes its samples those of nobody else.
    pub fn new(worker: usize, seed: u64) -> Self {
        Self {
            worker: worker as u32,
            is_on: true,
            wanted: 0,
            increment: Increment { band: Band::Unknown, bytes: 0, origin_bytes: 0, timed: 0, time_ms: 0 },
            recent: Reservoir::new(),
            failed: Reservoir::new(),
            slowest: Greatest::new(Order::Slowest),
            largest: Greatest::new(Order::Largest),
            until_node: u64::MAX,
            of_node: Vec::new(),
            by_node: Vec::new(),
            heads: Vec::new(),
            random: SmallRng::seed_from_u64(seed),
        }
    }

    /// From now on, nothing is taken.
    pub fn stop(&mut self) {
        self.is_on = false;
        (self.recent.until, self.failed.until, self.until_node) = (u64::MAX, u64::MAX, u64::MAX);
        (self.slowest.floor, self.largest.floor) = (u64::MAX, u64::MAX);
    }

    /// Entries of a segment of that many, and of that node, come.
    pub fn begin(&mut self, node: u32, entries: u32) {
        self.until_node = u64::MAX;
        let taken = self.of_node.get(node as usize).copied().unwrap_or(0);
        if self.is_on && entries > 0 && taken < OF_NODE && self.by_node.len() < OF_NODES {
            self.until_node = self.random.random_range(1..=u64::from(entries));
        }
    }

    /// An entry comes that adds this.
    #[inline]
    pub fn see(&mut self, entry: Increment) {
        if !self.is_on {
            return;
        }
        self.recent.until -= 1;
        self.until_node -= 1;
        let is_error = entry.band == Band::Error;
        self.failed.until -= u64::from(is_error);
        let wanted = [
            (self.recent.until == 0, SAMPLE),
            (is_error && self.failed.until == 0, FAILED),
            (entry.time_ms > self.slowest.floor, SLOW),
            (entry.bytes > self.largest.floor, LARGE),
            (self.until_node == 0, NODE),
        ];
        let wanted = wanted.into_iter().fold(0, |bits, (is, bit)| if is { bits | bit } else { bits });
        if wanted != 0 {
            self.want(wanted, entry);
        }
    }

    #[cold]
    fn want(&mut self, wanted: u8, entry: Increment) {
        (self.wanted, self.increment) = (wanted, entry);
    }

    /// The entry that was seen last can't be taken.
    #[inline]
    pub fn skip(&mut self) {
        if self.wanted != 0 {
            let wanted = std::mem::take(&mut self.wanted);
            self.pass(wanted);
        }
    }

    /// Goes on without the entry at hand.
    fn pass(&mut self, wanted: u8) {
        if wanted & SAMPLE != 0 {
            self.recent.go_on(&mut self.random);
        }
        if wanted & FAILED != 0 {
            self.failed.go_on(&mut self.random);
        }
        if wanted & NODE != 0 {
            self.until_node = u64::MAX;
        }
    }

    /// True if the entry that was seen last is to be taken with [`Taker::take`].
    #[inline]
    pub fn wants(&self) -> bool {
        self.wanted != 0
    }

    /// Takes an entry of a node, and of the site with that key.
    #[cold]
    pub fn take(&mut self, segment: &Segment<'_>, entry: &RawEntry<'_>, node: u32, site: &[u8]) {
        let wanted = std::mem::take(&mut self.wanted);
        let whole = segment.whole(entry);
        if whole.is_empty() || whole.len() > RECORD_MAX {
            self.pass(wanted);
            return;
        }
        let record = Arc::new(Record {
            time: entry.time_ms(),
            worker: self.worker,
            node,
            site: site.into(),
            increment: self.increment,
            head: self.head(segment),
            layout: segment.layout(),
            entry: whole.into(),
        });
        if wanted & SAMPLE != 0 {
            self.recent.take(record.clone(), &mut self.random);
        }
        if wanted & FAILED != 0 {
            self.failed.take(record.clone(), &mut self.random);
        }
        if wanted & SLOW != 0 {
            self.slowest.take(record.clone());
        }
        if wanted & LARGE != 0 {
            self.largest.take(record.clone());
        }
        if wanted & NODE != 0 {
            self.until_node = u64::MAX;
            let at = node as usize;
            if at < OF_NODES * 64 {
                self.of_node.resize(self.of_node.len().max(at + 1), 0);
                self.of_node[at] += 1;
                self.by_node.push(record);
            }
        }
    }

    /// The head of a segment, of which all with the same names and fields share one.
    fn head(&mut self, segment: &Segment<'_>) -> Arc<[u8]> {
        let head = segment.plain_head();
        if let Some(known) = self.heads.iter().find(|known| ***known == *head) {
            return known.clone();
        }
        if self.heads.len() == HEADS {
            self.heads.remove(0);
        }
        let head: Arc<[u8]> = head.into();
        self.heads.push(head.clone());
        head
    }

    /// Moves what was taken into `taken`, which is empty.
    pub fn hand_over(&mut self, taken: &mut Taken) {
        if !self.is_on {
            return;
        }
        self.recent.hand_over(&mut taken.recent);
        self.failed.hand_over(&mut taken.failed);
        self.slowest.hand_over(&mut taken.slowest);
        self.largest.hand_over(&mut taken.largest);
        taken.by_node.append(&mut self.by_node);
        self.of_node.clear();
        self.until_node = u64::MAX;
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        let lists = [&self.recent.list, &self.failed.list, &self.slowest.list, &self.largest.list, &self.by_node];
        lists.into_iter().flatten().map(|record| record.bytes()).sum()
    }
}
