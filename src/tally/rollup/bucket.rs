//! What is kept of one interval of entry time.

use super::rows::Rows;
use crate::tally::Counts;
use crate::tally::histogram::{Histogram, Packed};

/// Combinations told apart in one bucket; those with the fewest requests beyond are in `others`.
const ROWS_MAX: usize = 1024;

/// Classes of status: none sent, 1xx to 5xx, others.
pub const CLASSES: usize = 7;

/// The greatest and the least second inside a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extremes {
    /// Requests in the second with the most, and with the fewest.
    pub requests: (u64, u64),
    /// Bytes.
    pub bytes: (u64, u64),
}

impl Extremes {
    /// Of a single second.
    pub fn of(second: &Counts) -> Self {
        let (requests, bytes) = (second.all_requests(), second.all_bytes());
        Self { requests: (requests, requests), bytes: (bytes, bytes) }
    }

    /// Of both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let both = |a: (u64, u64), b: (u64, u64)| (a.0.max(b.0), a.1.min(b.1));
        Self { requests: both(self.requests, other.requests), bytes: both(self.bytes, other.bytes) }
    }
}

/// Sums over one interval of entry time, at rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// All requests.
    pub total: Counts,
    /// By number of the combination.
    pub combinations: Rows,
    /// Entries whose combination is not told apart.
    pub others: Counts,
    /// By the merger's row of the node.
    pub nodes: Rows,
    /// Requests by class of status.
    pub classes: [u64; CLASSES],
    /// Entries that have a time, by it (ms).
    pub times: Packed,
    /// All requests by bytes.
    pub sizes: Packed,
    /// Of those seconds inside that have left their own level.
    pub extremes: Option<Extremes>,
}

/// What is added to a bucket.
#[derive(Clone, Debug, Default)]
pub struct Addition {
    /// All requests.
    pub total: Counts,
    /// By number of the combination, ascending.
    pub combinations: Vec<(u32, Counts)>,
    /// Entries whose combination is not told apart.
    pub others: Counts,
    /// By the merger's row of the node, ascending.
    pub nodes: Vec<(u32, Counts)>,
    /// Requests by class of status.
    pub classes: [u64; CLASSES],
    /// Entries that have a time, by it (ms).
    pub times: Packed,
    /// All requests by bytes.
    pub sizes: Packed,
}

impl Bucket {
    /// Adds to it.
    pub fn add(&mut self, more: &Addition, scratch: &mut Histogram) {
        self.total.merge(&more.total);
        self.others.merge(&more.others);
        self.combinations = self.combinations.with(&more.combinations);
        self.trim(ROWS_MAX);
        self.nodes = self.nodes.with(&more.nodes);
        for (sum, more) in self.classes.iter_mut().zip(more.classes) {
            *sum += more;
        }
        for (sum, more) in [(&mut self.times, &more.times), (&mut self.sizes, &more.sizes)] {
            if !more.is_empty() {
                scratch.merge(sum);
                scratch.merge(more);
                *sum = scratch.take();
            }
        }
    }

    /// Leaves the combinations with the most requests, and the others together.
    fn trim(&mut self, most: usize) {
        if self.combinations.iter().count() <= most {
            return;
        }
        let mut rows: Vec<(u32, Counts)> = self.combinations.iter().collect();
        rows.sort_unstable_by_key(|(number, counts)| (std::cmp::Reverse(counts.all_requests()), *number));
        for (_, counts) in rows.drain(most..) {
            self.others.merge(&counts);
        }
        rows.sort_unstable_by_key(|(number, _)| *number);
        self.combinations = Rows::pack(rows);
    }

    /// Adds all of another bucket.
    pub fn merge(&mut self, other: &Self, scratch: &mut Histogram) {
        let more = Addition {
            total: other.total,
            combinations: other.combinations.iter().collect(),
            others: other.others,
            nodes: other.nodes.iter().collect(),
            classes: other.classes,
            times: other.times.clone(),
            sizes: other.sizes.clone(),
        };
        self.add(&more, scratch);
        self.see(other.extremes);
    }

    /// Seconds inside had these extremes.
    pub fn see(&mut self, extremes: Option<Extremes>) {
        self.extremes = match (self.extremes, extremes) {
            (Some(a), Some(b)) => Some(a.and(b)),
            (a, b) => a.or(b),
        };
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.combinations.bytes() + self.nodes.bytes() + self.times.bytes() + self.sizes.bytes() + size_of::<Self>()
    }
}
