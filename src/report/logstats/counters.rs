//! Counters: how many requests and bytes went into each class, and the times of hits and misses.

use super::class::slot;
use super::latency::Latency;

/// Requests and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Requests.
    pub requests: u64,
    /// Bytes, as the 32-bit numbers that Traffic Server's report takes them for: large responses count as negative.
    pub bytes: i64,
}

/// One counter for each class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters([Count; slot::COUNT]);

impl Default for Counters {
    fn default() -> Self {
        Self([Count::default(); slot::COUNT])
    }
}

impl Counters {
    /// Counts a request in the class `slot`.
    #[inline]
    pub fn add(&mut self, slot: u8, bytes: i32) {
        if let Some(count) = self.0.get_mut(usize::from(slot)) {
            count.requests += 1;
            count.bytes = count.bytes.wrapping_add(i64::from(bytes));
        }
    }

    /// The sum of neighbours.
    pub fn sum(&self, from: u8, end: u8) -> Count {
        let mut sum = Count::default();
        for count in &self.0[usize::from(from)..usize::from(end)] {
            sum.requests += count.requests;
            sum.bytes = sum.bytes.wrapping_add(count.bytes);
        }
        sum
    }

    /// Adds what another thread has counted.
    pub fn merge(&mut self, other: &Self) {
        for (count, other) in self.0.iter_mut().zip(&other.0) {
            count.requests += other.requests;
            count.bytes = count.bytes.wrapping_add(other.bytes);
        }
    }

    /// Does to an origin's counters what Traffic Server's report does: requests over a parent are counted as direct.
    pub fn confuse_parents(&mut self) {
        let [direct, parent] = [slot::DIRECT, slot::PARENT].map(usize::from);
        let parents = std::mem::take(&mut self.0[parent]);
        self.0[direct].requests += parents.requests;
        self.0[direct].bytes = self.0[direct].bytes.wrapping_add(parents.bytes);
    }
}

/// Lines of times: six kinds of hits and their total, four of misses and theirs.
pub const TIMES: usize = 12;

/// Times of hits and misses by kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Times([(Latency, u32); TIMES]);

impl Default for Times {
    fn default() -> Self {
        Self([(Latency::NONE, 0); TIMES])
    }
}

impl Times {
    /// Takes the time of a request whose result is counted in `slot`; other results than hits and misses have none.
    #[inline]
    pub fn add(&mut self, slot: u8, elapsed: i32) {
        const HITS: usize = slot::MISSES as usize;
        let slot = usize::from(slot);
        // Behind the hits comes their total, at the end that of the misses.
        let (kind, total) = if slot < HITS { (slot, HITS) } else { (slot + 1, TIMES - 1) };
        for at in [kind, total] {
            if let Some((latency, count)) = self.0.get_mut(at) {
                *count = count.wrapping_add(1);
                latency.add(elapsed, *count);
            }
        }
    }

    /// In the order of the report.
    pub fn latencies(&self) -> impl Iterator<Item = &Latency> {
        self.0.iter().map(|(latency, _)| latency)
    }
}
