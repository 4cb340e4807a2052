//! Rollups: what workers count by slot of entry time becomes buckets of 1 s, 10 s and 1 min, and a series since the start; windows and
//! series are sums of whole buckets (spec/statistics.md 4).
//!
//! Each level takes every part for itself, so a late entry is in its own bucket at every level that still keeps it. Buckets are immutable
//! and shared: a [`History`] costs a few pointers, and stays as it is while the merger goes on.

pub mod bucket;
pub mod combinations;
mod ring;
pub mod rows;
pub mod series;
pub mod span;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use bucket::Bucket;
use bucket::{Addition, CLASSES, Extremes};
pub use combinations::{Combinations, Value, Values};
use ring::Ring;
pub use series::{Point, Series};
pub use span::{Span, Sum};

use super::Counts;
use super::histogram::{Histogram, Packed};
use super::slot::Slot;
use super::slots::SlotPart;
use super::uniques::Sketch;

/// Width in seconds of the buckets of each level, and how long they are kept: the window that they make up, its two ends, and as much as
/// the newest entries may be ahead.
const LEVELS: [(u64, u64); 3] = [(1, 600 + 12), (10, 3600 + 20), (60, 24 * 3600 + 120)];

/// The same for sketches of clients, as the points of the series need them.
const CLIENTS: [(u64, u64); 4] = [(1, 60 + 12), (2, 600 + 14), (10, 3600 + 20), (300, 24 * 3600 + 600)];

/// Most points of the series since the start.
pub const POINTS_MAX: usize = 300;

/// Seconds between two looks for combinations that are in no bucket any more.
const LOOKS: u64 = 60;

/// Buckets that are halved in one tick: more than a flood makes in that time.
const HALVED: usize = 256;

/// All that is kept by entry time, at one moment.
#[derive(Clone, Debug)]
pub struct History {
    levels: [Ring<Bucket>; 3],
    clients: [Ring<Sketch>; 4],
    /// Since the start: few points, whose width grows.
    whole: Ring<Bucket>,
    whole_clients: Ring<Sketch>,
    combinations: Arc<Combinations>,
    /// Since the start.
    times: Arc<Packed>,
    sizes: Arc<Packed>,
    all_clients: Arc<Sketch>,
    precision: u8,
}

/// The merger's history, which grows.
#[derive(Debug)]
pub struct Rollup {
    history: History,
    times: Histogram,
    sizes: Histogram,
    scratch: Histogram,
    /// Until when buckets are known to be covered, in seconds.
    covered: Option<u64>,
    /// Combinations told apart in one bucket.
    combinations_max: usize,
    /// Bytes that all buckets may take.
    bytes_max: usize,
    /// When combinations were last looked for that are in no bucket any more, in seconds.
    looked: u64,
}

impl Rollup {
    /// Nothing yet; sketches of clients have that precision ([`Sketch::new`]), that many combinations are told apart in one bucket, and
    /// all buckets take about so many bytes at most: above, the largest of them tell less.
    pub fn new(precision: u8, combinations_max: usize, bytes_max: usize) -> Self {
        let history = History {
            levels: LEVELS.map(|(width, keep)| Ring::new(width, keep)),
            clients: CLIENTS.map(|(width, keep)| Ring::new(width, keep)),
            whole: Ring::new(1, u64::MAX),
            whole_clients: Ring::new(1, u64::MAX),
            combinations: Arc::default(),
            times: Arc::default(),
            sizes: Arc::default(),
            all_clients: Arc::new(Sketch::new(precision)),
            precision,
        };
        Self {
            history,
            times: Histogram::default(),
            sizes: Histogram::default(),
            scratch: Histogram::default(),
            covered: None,
            combinations_max,
            bytes_max,
            looked: 0,
        }
    }

    /// Adds what one worker counted in one slot. `values` gives what a worker's combination stands for at the merger, and `node` the
    /// merger's row of a worker's node, `None` where that is not told apart. `now` is in ms.
    pub fn add(
        &mut self,
        part: &SlotPart,
        now: u64,
        values: impl Fn(&super::combined::Combination) -> Values,
        node: impl Fn(u32) -> Option<u32>,
    ) {
        let addition = self.addition(part, values, node);
        self.times.merge(&addition.times);
        self.sizes.merge(&addition.sizes);
        Arc::make_mut(&mut self.history.all_clients).merge(&part.clients);
        let Some(Slot { start, width }) = part.slot else { return };
        let (now, width, most, scratch) = (now / 1000, u64::from(width), self.combinations_max, &mut self.scratch);
        let combinations = &self.history.combinations;
        for level in &mut self.history.levels {
            if level.takes(start, width, now) {
                level.change(start, |bucket| {
                    bucket.add(&addition, most, |number| combinations.of_codes(number), scratch);
                });
            }
        }
        self.history.whole.change(start, |bucket| bucket.add_shown(&addition, scratch));
        let (precision, clients) = (self.history.precision, &part.clients);
        let merge = |sketch: &mut Option<Sketch>| {
            sketch.get_or_insert_with(|| Sketch::new(precision)).merge(clients);
        };
        for ring in &mut self.history.clients {
            if ring.takes(start, width, now) {
                ring.change_or_make(start, merge);
            }
        }
        self.history.whole_clients.change_or_make(start, merge);
    }

    fn addition(
        &mut self,
        part: &SlotPart,
        values: impl Fn(&super::combined::Combination) -> Values,
        node: impl Fn(u32) -> Option<u32>,
    ) -> Addition {
        let mut addition = Addition {
            total: part.total(),
            others: part.others,
            times: part.times.clone(),
            sizes: part.sizes.clone(),
            ..Addition::default()
        };
        for (combination, counts) in &part.combinations {
            let values = values(combination);
            if let Some(status) = values.status {
                addition.classes[class(status)] += counts.all_requests();
            }
            let known = self.history.combinations.find(&values);
            match known.or_else(|| Arc::make_mut(&mut self.history.combinations).number(values)) {
                Some(number) => addition.combinations.push((number, *counts)),
                None => addition.others.merge(counts),
            }
        }
        ascending(&mut addition.combinations);
        for (row, counts) in &part.nodes {
            if let Some(row) = node(*row) {
                addition.nodes.push((row, *counts));
            }
        }
        ascending(&mut addition.nodes);
        addition
    }

    /// A tick at `now` (ms): buckets since the last are covered if a node was `connected`, and what is too old goes.
    pub fn tick(&mut self, now: u64, connected: bool) {
        let now = now / 1000;
        if connected {
            // A node that has just come covers nothing before.
            let from = self.covered.unwrap_or(now).clamp(now.saturating_sub(60), now);
            for second in from..=now {
                let History { levels, whole, .. } = &mut self.history;
                levels.iter_mut().chain([whole]).for_each(|level| level.touch(second));
            }
        }
        self.covered = connected.then_some(now);
        self.forget(now);
        while self.history.whole.len() > POINTS_MAX {
            let (precision, scratch) = (self.history.precision, &mut self.scratch);
            self.history.whole.widen(|sum, more| sum.merge_shown(more, scratch));
            self.history.whole_clients.widen(|sum, more| {
                let mut both = Sketch::new(precision);
                both.merge(sum);
                both.merge(more);
                *sum = both;
            });
        }
        self.halve_largest();
        if self.history.combinations.is_full() && now >= self.looked + LOOKS {
            self.looked = now;
            self.forget_combinations();
        }
        self.history.times = Arc::new(self.times.packed());
        self.history.sizes = Arc::new(self.sizes.packed());
    }

    /// Halves the largest buckets, as many as it takes to be below what all together may take.
    fn halve_largest(&mut self) {
        let bytes = self.history.bucket_bytes();
        if bytes <= self.bytes_max {
            return;
        }
        let History { levels: [seconds, tens, minutes], whole, combinations, .. } = &mut self.history;
        let rings = [seconds, tens, minutes, whole];
        let sizes = |(at, ring): (usize, &&mut Ring<Bucket>)| {
            ring.range(0, u64::MAX).map(|(start, bucket)| (bucket.bytes(), at, start)).collect::<Vec<_>>()
        };
        let mut largest: Vec<(usize, usize, u64)> = rings.iter().enumerate().flat_map(sizes).collect();
        largest.sort_unstable_by(|a, b| b.cmp(a));
        // A bit less, so that it isn't so again with the next entry.
        let mut over = bytes - self.bytes_max + self.bytes_max / 16;
        for (before, at, start) in largest.into_iter().take(HALVED) {
            let mut after = before;
            rings[at].change_known(start, |bucket| {
                bucket.halve(|number| combinations.of_codes(number));
                after = bucket.bytes();
            });
            over = over.saturating_sub(before.saturating_sub(after));
            if over == 0 {
                break;
            }
        }
    }

    /// Forgets the combinations that are in no bucket any more, so that those of now have room: a scanner brings new ones for weeks.
    fn forget_combinations(&mut self) {
        let History { levels, combinations, .. } = &mut self.history;
        let mut used = vec![false; combinations.len()];
        for (_, bucket) in levels.iter().flat_map(|level| level.range(0, u64::MAX)) {
            bucket.combinations.iter().for_each(|(number, _)| used[number as usize] = true);
        }
        if let Some(numbers) = Arc::make_mut(combinations).keep(used) {
            for level in levels {
                level.change_all(
                    |bucket| !bucket.combinations.is_empty(),
                    |bucket| bucket.combinations = bucket.combinations.renumbered(&numbers),
                );
            }
        }
    }

    fn forget(&mut self, now: u64) {
        let [seconds, tens, minutes] = &mut self.history.levels;
        for (second, bucket) in seconds.forget(now) {
            let extremes = Some(Extremes::of(&bucket.total));
            for level in [&mut *tens, &mut *minutes, &mut self.history.whole] {
                level.change_known(second, |bucket| bucket.see(extremes));
            }
        }
        tens.forget(now);
        minutes.forget(now);
        self.history.clients.iter_mut().for_each(|ring| drop(ring.forget(now)));
    }

    /// All of it, as it is now.
    pub fn history(&self) -> History {
        self.history.clone()
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.history.bytes() + self.times.bytes() + self.sizes.bytes() + self.scratch.bytes()
    }
}

/// The class of a status.
pub fn class(status: i64) -> usize {
    match status {
        0..600 => (status / 100) as usize,
        _ => CLASSES - 1,
    }
}

/// Sorts by number, and adds up what is there twice.
fn ascending(rows: &mut Vec<(u32, Counts)>) {
    rows.sort_unstable_by_key(|(number, _)| *number);
    rows.dedup_by(|(number, counts), (kept, sum)| {
        let same = number == kept;
        if same {
            sum.merge(counts);
        }
        same
    });
}

impl Default for History {
    fn default() -> Self {
        Rollup::new(super::uniques::PRECISION, 0, 0).history
    }
}

impl History {
    /// What the numbers of combinations stand for.
    pub fn combinations(&self) -> &Combinations {
        &self.combinations
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        let clients = self.clients.iter().chain([&self.whole_clients]).map(|ring| ring.bytes(Sketch::bytes));
        self.bucket_bytes() + clients.sum::<usize>() + self.combinations.bytes() + self.all_clients.bytes()
    }

    /// Bytes of all buckets.
    fn bucket_bytes(&self) -> usize {
        self.levels.iter().chain([&self.whole]).map(|ring| ring.bytes(Bucket::bytes)).sum()
    }
}
