//! The merger's side: what is kept of what the workers took.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::best::{Best, RECORD_BYTES};
use super::{Order, Record, Taken};

/// Sites, and nodes, that have a ring of their own.
const SITES: usize = 64;
const NODES: usize = 1024;

/// Records of such a ring.
const OF_ONE: usize = 32;

/// A ring of records, the newest last.
#[derive(Clone, Debug, Default)]
struct Ring {
    /// With each: of how many entries it is one.
    list: VecDeque<(Arc<Record>, f32)>,
    bytes: usize,
    /// When the newest came.
    used: u64,
}

impl Ring {
    fn push(&mut self, record: &Arc<Record>, of: f32, now: u64, bytes: usize, count: usize) {
        self.bytes += record.bytes();
        self.list.push_back((record.clone(), of));
        self.used = now;
        while self.bytes > bytes || self.list.len() > count {
            self.shorten();
        }
    }

    /// Drops the oldest.
    fn shorten(&mut self) {
        if let Some((gone, _)) = self.list.pop_front() {
            self.bytes -= gone.bytes();
        }
    }
}

/// All records that are kept.
#[derive(Debug)]
pub struct Kept {
    budget: usize,
    recent: Ring,
    failed: Ring,
    by_node: HashMap<u32, Ring>,
    /// What all of these take.
    node_bytes: usize,
    by_site: HashMap<Box<[u8]>, Ring>,
    slowest: Best,
    largest: Best,
    /// The merger's row of a worker's of a node.
    nodes: HashMap<(u32, u32), u32>,
}

/// Which records are looked through.
pub type List = Vec<(Arc<Record>, Option<f32>)>;

/// What is kept at one moment, by order; each record once.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    /// Any; of those that are in the uniform sample, of how many entries each is one.
    pub recent: List,
    /// Errors, and of how many errors each is one.
    pub failed: List,
    /// Those that took the longest.
    pub slowest: List,
    /// Those with the most bytes.
    pub largest: List,
    nodes: HashMap<(u32, u32), u32>,
}

impl Pool {
    /// The records among which those of an order are.
    pub fn list(&self, order: Order) -> &List {
        match order {
            Order::Recent => &self.recent,
            Order::Failed => &self.failed,
            Order::Slowest => &self.slowest,
            Order::Largest => &self.largest,
        }
    }

    /// The merger's row of a record's node.
    pub fn node(&self, record: &Record) -> Option<u32> {
        self.nodes.get(&(record.worker, record.node)).copied()
    }
}

impl Kept {
    /// Keeps about `budget` bytes.
    pub fn new(budget: usize) -> Self {
        // Of each order 2 ways, with some 45 buckets of records each, a quarter of the budget.
        let each = (budget / 4 / 2 / 45 / RECORD_BYTES).clamp(4, 64);
        Self {
            budget,
            recent: Ring::default(),
            failed: Ring::default(),
            by_node: HashMap::new(),
            node_bytes: 0,
            by_site: HashMap::new(),
            slowest: Best::new(Order::Slowest, each),
            largest: Best::new(Order::Largest, each),
            nodes: HashMap::new(),
        }
    }

    /// Adds what a worker took `now` (ms), of that many requests, and errors. `node` gives the merger's row of a worker's, if it has one.
    pub fn add(&mut self, taken: &Taken, requests: u64, errors: u64, now: u64, node: impl Fn(u32) -> Option<u32>) {
        for record in
            [&taken.recent, &taken.by_node, &taken.failed, &taken.slowest, &taken.largest].into_iter().flatten()
        {
            if let Some(row) = node(record.node) {
                self.nodes.insert((record.worker, record.node), row);
            }
        }
        let share = |list: &[Arc<Record>], of: u64| (of as f32 / list.len().max(1) as f32).max(1.0);
        let of = share(&taken.recent, requests);
        for record in &taken.recent {
            self.recent.push(record, of, now, self.budget / 4, usize::MAX);
            self.add_of_node(record, now);
            self.add_of_site(record, now);
        }
        let of = share(&taken.failed, errors);
        for record in &taken.failed {
            self.failed.push(record, of, now, self.budget / 4, usize::MAX);
            self.add_of_site(record, now);
        }
        taken.slowest.iter().for_each(|record| self.slowest.add(record, now));
        taken.largest.iter().for_each(|record| self.largest.add(record, now));
        taken.by_node.iter().for_each(|record| self.add_of_node(record, now));
    }

    fn add_of_node(&mut self, record: &Arc<Record>, now: u64) {
        let Some(&row) = self.nodes.get(&(record.worker, record.node)) else { return };
        if self.by_node.len() == NODES && !self.by_node.contains_key(&row) {
            return;
        }
        let room = self.budget / 8;
        let ring = self.by_node.entry(row).or_default();
        let before = ring.bytes;
        ring.push(record, 1.0, now, room, OF_ONE);
        self.node_bytes = self.node_bytes + ring.bytes - before;
        // Whoever has the most gives: a quiet node keeps what it has.
        while self.node_bytes > room {
            let Some(ring) = self.by_node.values_mut().max_by_key(|ring| ring.bytes) else { break };
            let before = ring.bytes;
            ring.shorten();
            self.node_bytes = self.node_bytes + ring.bytes - before;
        }
    }

    fn add_of_site(&mut self, record: &Arc<Record>, now: u64) {
        let bytes = self.budget / 8 / SITES;
        if let Some(ring) = self.by_site.get_mut(&record.site) {
            ring.push(record, 1.0, now, bytes, OF_ONE);
            return;
        }
        if self.by_site.len() == SITES {
            // The one that had nothing for the longest: top sites are hardly ever it.
            let oldest = self.by_site.iter().min_by_key(|(_, ring)| ring.used).map(|(site, _)| site.clone());
            oldest.and_then(|site| self.by_site.remove(&site));
        }
        self.by_site.entry(record.site.clone()).or_default().push(record, 1.0, now, bytes, OF_ONE);
    }

    /// All of it.
    pub fn pool(&self) -> Pool {
        let ring = |ring: &Ring| -> List { ring.list.iter().map(|(record, of)| (record.clone(), Some(*of))).collect() };
        let best = |best: &Best| -> List { best.iter().map(|record| (record.clone(), None)).collect() };
        let mut recent = ring(&self.recent);
        for (record, _) in self.by_node.values().chain(self.by_site.values()).flat_map(|ring| &ring.list) {
            recent.push((record.clone(), None));
        }
        let mut pool = Pool {
            recent,
            failed: ring(&self.failed),
            slowest: best(&self.slowest),
            largest: best(&self.largest),
            nodes: self.nodes.clone(),
        };
        for list in [&mut pool.recent, &mut pool.failed, &mut pool.slowest, &mut pool.largest] {
            // Those with a share come first of their kind, and stay.
            list.sort_by_key(|(record, of)| (Arc::as_ptr(record).addr(), of.is_none()));
            list.dedup_by_key(|(record, _)| Arc::as_ptr(record).addr());
        }
        pool
    }

    /// Bytes of memory; of a record that is in two lists, twice.
    pub fn bytes(&self) -> usize {
        let rings = self.by_node.values().chain(self.by_site.values()).map(|ring| ring.bytes).sum::<usize>();
        self.recent.bytes + self.failed.bytes + rings + self.slowest.bytes() + self.largest.bytes()
    }
}
