//! The greatest records of each while: fine for what was lately, coarse for what was long ago.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Order, Record};

/// How long a bucket is (ms), and how many are kept.
const LEVELS: [(u64, usize); 4] = [(60_000, 6), (300_000, 13), (3_600_000, 25), (u64::MAX, 1)];

/// Bytes of a record, about; a bucket may hold that many for each of its records.
pub const RECORD_BYTES: usize = 1024;

#[derive(Clone, Debug, Default)]
struct Bucket {
    number: u64,
    /// The greatest first.
    records: Vec<Arc<Record>>,
    bytes: usize,
}

/// The greatest of an order.
#[derive(Clone, Debug)]
pub struct Best {
    order: Order,
    each: usize,
    levels: [VecDeque<Bucket>; LEVELS.len()],
}

impl Best {
    /// Keeps `each` of every bucket.
    pub fn new(order: Order, each: usize) -> Self {
        Self { order, each, levels: Default::default() }
    }

    /// Adds a record that came `now` (ms).
    pub fn add(&mut self, record: &Arc<Record>, now: u64) {
        for ((length, count), level) in LEVELS.into_iter().zip(&mut self.levels) {
            let number = now / length;
            if level.back().is_none_or(|bucket| bucket.number < number) {
                level.push_back(Bucket { number, ..Bucket::default() });
                while level.len() > count {
                    level.pop_front();
                }
            }
            if let Some(bucket) = level.back_mut() {
                let rank = self.order.rank(record);
                let at = bucket.records.partition_point(|other| self.order.rank(other) >= rank);
                if at < self.each {
                    bucket.records.insert(at, record.clone());
                    bucket.bytes += record.bytes();
                    while bucket.records.len() > self.each || bucket.bytes > self.each * RECORD_BYTES {
                        let Some(last) = bucket.records.pop() else { break };
                        bucket.bytes -= last.bytes();
                    }
                }
            }
        }
    }

    /// All that are kept; some more than once.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.levels.iter().flatten().flat_map(|bucket| &bucket.records)
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.levels.iter().flatten().map(|bucket| bucket.bytes).sum()
    }
}
