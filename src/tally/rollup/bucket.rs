//! What is kept of one interval of entry time.

use super::rows::Rows;
use crate::tally::Counts;
use crate::tally::histogram::{Histogram, Packed};

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

    /// Of all together.
    pub fn of_all(all: impl IntoIterator<Item = Self>) -> Option<Self> {
        all.into_iter().reduce(Self::and)
    }

    fn and(self, other: Self) -> Self {
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
    /// Adds to it; of those beyond the `most` combinations that have the most requests only the codes are told apart, whose number
    /// `of_codes` gives.
    pub fn add(&mut self, more: &Addition, most: usize, of_codes: impl Fn(u32) -> u32, scratch: &mut Histogram) {
        self.add_shown(more, scratch);
        self.others.merge(&more.others);
        self.combinations = self.combinations.with(&more.combinations);
        self.trim(most, of_codes);
        self.nodes = self.nodes.with(&more.nodes);
        self.sizes.add(&more.sizes, scratch);
    }

    /// Adds only what a point of a series shows.
    pub fn add_shown(&mut self, more: &Addition, scratch: &mut Histogram) {
        self.total.merge(&more.total);
        self.add_classes(&more.classes);
        self.times.add(&more.times, scratch);
    }

    fn add_classes(&mut self, more: &[u64; CLASSES]) {
        self.classes.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    }

    fn trim(&mut self, most: usize, of_codes: impl Fn(u32) -> u32) {
        if self.combinations.iter().count() > most {
            let rows = self.trimmed(most, of_codes);
            self.combinations = Rows::pack(rows);
        }
    }

    /// The `most` combinations that have the most requests, and the codes of the others.
    fn trimmed(&self, most: usize, of_codes: impl Fn(u32) -> u32) -> Vec<(u32, Counts)> {
        let mut rows: Vec<(u32, Counts)> = self.combinations.iter().collect();
        by_requests(&mut rows);
        for (number, _) in rows.iter_mut().skip(most) {
            *number = of_codes(*number);
        }
        super::ascending(&mut rows);
        rows
    }

    /// Makes the largest part of it half as large: of combinations those with the fewest requests are not told apart, or only their codes are;
    /// times and sizes are told less finely. All sums stay.
    pub fn halve(&mut self, of_codes: impl Fn(u32) -> u32) {
        let [combinations, times, sizes] = [self.combinations.bytes(), self.times.bytes(), self.sizes.bytes()];
        if combinations < times.max(sizes) {
            let largest = if times > sizes { &mut self.times } else { &mut self.sizes };
            *largest = largest.coarser();
            return;
        }
        let most = self.combinations.iter().count() / 2;
        let mut rows = self.trimmed(most / 2, of_codes);
        by_requests(&mut rows);
        rows.drain(most.min(rows.len())..).for_each(|(_, counts)| self.others.merge(&counts));
        super::ascending(&mut rows);
        self.combinations = Rows::pack(rows);
    }

    /// Adds what a point of a series shows of another bucket.
    pub fn merge_shown(&mut self, other: &Self, scratch: &mut Histogram) {
        self.total.merge(&other.total);
        self.add_classes(&other.classes);
        self.times.add(&other.times, scratch);
        self.see(other.extremes);
    }

    /// Seconds inside had these extremes.
    pub fn see(&mut self, extremes: Option<Extremes>) {
        self.extremes = Extremes::of_all(self.extremes.into_iter().chain(extremes));
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.combinations.bytes() + self.nodes.bytes() + self.times.bytes() + self.sizes.bytes() + size_of::<Self>()
    }
}

/// Sorts by requests, the most first.
fn by_requests(rows: &mut [(u32, Counts)]) {
    rows.sort_unstable_by_key(|(number, counts)| (std::cmp::Reverse(counts.all_requests()), *number));
}
