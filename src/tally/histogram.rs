//! Log-bucketed histograms of times and sizes: small numbers exactly, larger ones to 0.8 % (spec/statistics.md 4.6). They merge by adding.

use super::Increment;
use super::scale::Scale;
use super::sparse::Sparse;
use super::varint::{self, Reader};

/// Up to 2^40 (35 years of ms, 1 TiB), the middle of a cell within 1/128 of any number in it; what is greater is in the last cell.
const SCALE: Scale = Scale::new(7, 33);

/// Cells of a histogram.
pub const CELLS: usize = SCALE.cells() as usize;

const _: () = assert!(CELLS < u16::MAX as usize);

/// The cell of a number.
#[inline]
pub fn cell(value: u64) -> u16 {
    SCALE.cell(value)
}

/// The numbers of a cell, from the first to before the second.
pub fn range(cell: u16) -> (u64, u64) {
    SCALE.range(cell)
}

/// What is counted in a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Requests.
    pub requests: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those of them that were hits, refresh hits included.
    pub hits: u64,
}

impl Cell {
    fn merge(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.hits = self.hits.saturating_add(other.hits);
    }
}

/// A histogram that is written to. Many are at a time, one after the other, and few of their cells are in use.
#[derive(Clone, Debug)]
pub struct Histogram {
    cells: Sparse<Cell>,
    least: u64,
    most: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { cells: Sparse::default(), least: u64::MAX, most: 0 }
    }
}

impl Histogram {
    /// Counts an entry at `value`.
    #[inline]
    pub fn record(&mut self, value: u64, entry: &Increment) {
        self.least = self.least.min(value);
        self.most = self.most.max(value);
        let cell = self.cells.get(cell(value));
        cell.requests += 1;
        cell.bytes = cell.bytes.saturating_add(entry.bytes);
        cell.hits += u64::from(entry.band.is_hit());
    }

    /// Adds all of `other`. The order of merging doesn't matter.
    pub fn merge(&mut self, other: &Packed) {
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
        for (at, more) in other.cells() {
            self.cells.get(at).merge(&more);
        }
    }

    /// True before the first entry.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// What is in it, small; and begins anew.
    pub fn take(&mut self) -> Packed {
        let mut cells: Vec<(u16, Cell)> = self.cells.drain().collect();
        cells.sort_unstable_by_key(|(at, _)| *at);
        let Self { least, most, .. } = *self;
        (self.least, self.most) = (u64::MAX, 0);
        Packed { least, most, bytes: packed(cells) }
    }

    /// What is in it, small; it stays.
    pub fn packed(&self) -> Packed {
        self.clone().take()
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.cells.bytes()
    }
}

/// A histogram at rest: its cells in a few bytes each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    least: u64,
    most: u64,
    /// Cells with something in them, ascending: gap, requests, bytes, hits as varints.
    bytes: Vec<u8>,
}

/// Cells as they are at rest.
fn packed(cells: Vec<(u16, Cell)>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut next = 0;
    for (at, Cell { requests, bytes, hits }) in cells {
        for number in [u64::from(at) - next, requests, bytes, hits] {
            varint::write(number, &mut out);
        }
        next = u64::from(at) + 1;
    }
    // Thousands of them are kept for a day.
    out.shrink_to_fit();
    out
}

impl Default for Packed {
    fn default() -> Self {
        Self { least: u64::MAX, most: 0, bytes: Vec::new() }
    }
}

impl Packed {
    /// Cells with something in them, ascending.
    pub fn cells(&self) -> impl Iterator<Item = (u16, Cell)> {
        let mut reader = Reader::new(&self.bytes);
        let mut next = 0;
        std::iter::from_fn(move || {
            let at = next + reader.number()?;
            let cell = Cell { requests: reader.number()?, bytes: reader.number()?, hits: reader.number()? };
            next = at + 1;
            Some((at as u16, cell))
        })
    }

    /// Adds all of `other`, by way of an empty histogram, which is empty again afterwards.
    pub fn add(&mut self, other: &Self, scratch: &mut Histogram) {
        if !other.is_empty() {
            scratch.merge(self);
            scratch.merge(other);
            *self = scratch.take();
        }
    }

    /// The same in half as many cells at most: neighbours are joined, in the one of them that has the most requests.
    #[must_use]
    pub fn coarser(&self) -> Self {
        let fine: Vec<(u16, Cell)> = self.cells().collect();
        for width in 1..u16::BITS {
            let groups = fine.chunk_by(|(a, _), (b, _)| a >> width == b >> width);
            let joined = groups.filter_map(|group| {
                let (at, _) = group.iter().max_by_key(|(_, cell)| cell.requests)?;
                let mut sum = Cell::default();
                group.iter().for_each(|(_, cell)| sum.merge(cell));
                Some((*at, sum))
            });
            let cells: Vec<(u16, Cell)> = joined.collect();
            if cells.len() * 2 <= fine.len() {
                return Self { least: self.least, most: self.most, bytes: packed(cells) };
            }
        }
        self.clone()
    }

    /// True without an entry.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The least and the greatest number counted; `None` without an entry.
    pub fn extremes(&self) -> Option<(u64, u64)> {
        (!self.is_empty()).then_some((self.least, self.most))
    }

    /// The sum of all cells.
    pub fn total(&self) -> Cell {
        self.cells().fold(Cell::default(), |mut sum, (_, cell)| {
            sum.merge(&cell);
            sum
        })
    }

    /// The least number such that at least `parts` of 10 000 entries are at or below it, for each of `parts`, which ascend: exact below
    /// 128, else the middle of its cell and never beyond the extremes. `None` without an entry.
    pub fn percentiles<const N: usize>(&self, parts: [u64; N]) -> Option<[u64; N]> {
        let (least, most) = self.extremes()?;
        let total = u128::from(self.total().requests);
        let mut found = [most; N];
        let mut wanted = 0;
        let mut sum = 0_u128;
        for (at, cell) in self.cells() {
            sum += u128::from(cell.requests);
            while parts.get(wanted).is_some_and(|&part| sum * 10_000 >= u128::from(part) * total) {
                let (from, to) = range(at);
                // The last cell has no end.
                let middle = if usize::from(at) + 1 == CELLS { most } else { from + (to - from) / 2 };
                found[wanted] = middle.clamp(least, most);
                wanted += 1;
            }
        }
        Some(found)
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Band;
    use proptest::prelude::*;

    fn entry(bytes: u64, band: Band) -> Increment {
        Increment { band, bytes, origin_bytes: 0, timed: 1, time_ms: 0 }
    }

    fn histogram(values: &[u64]) -> Packed {
        let mut histogram = Histogram::default();
        values.iter().for_each(|&value| histogram.record(value, &entry(value, Band::Fresh)));
        histogram.take()
    }

    #[test]
    fn cells_follow_on_from_each_other_and_are_narrow() {
        let mut end = 0;
        for at in 0..CELLS as u16 {
            let (from, to) = range(at);
            assert_eq!(from, end);
            assert_eq!((cell(from), cell(to - 1)), (at, at));
            assert!(to - from == 1 || (to - from) * 64 <= from, "{from} {to}");
            end = to;
        }
        assert_eq!(end, 1 << 40);
        assert_eq!((cell(1 << 40), cell(u64::MAX)), (CELLS as u16 - 1, CELLS as u16 - 1));
    }

    proptest! {
        #[test]
        fn percentiles_are_within_one_percent(
            mut values in prop::collection::vec(prop_oneof![0..300_u64, any::<u32>().prop_map(u64::from)], 1..200),
            part in 1..=10_000_u64,
        ) {
            let [found] = histogram(&values).percentiles([part]).unwrap();
            values.sort_unstable();
            // The definition, word for word: the smallest value with at least that part at or below it.
            let exact = *values
                .iter()
                .find(|&&value| {
                    let below = values.iter().filter(|&&other| other <= value).count() as u64;
                    below * 10_000 >= part * values.len() as u64
                })
                .unwrap();
            prop_assert!(found.abs_diff(exact) * 100 <= exact, "{found} for {exact}");
            if exact < 128 {
                prop_assert_eq!(found, exact);
            }
        }

        #[test]
        fn merging_is_counting_together(a in prop::collection::vec(any::<u64>(), 0..50), b in prop::collection::vec(any::<u64>(), 0..50)) {
            let mut merged = Histogram::default();
            merged.merge(&histogram(&a));
            merged.merge(&histogram(&b));
            prop_assert_eq!(merged.take(), histogram(&[b, a].concat()));
        }

        #[test]
        fn a_coarser_one_has_half_the_cells_and_the_same_sums(
            values in prop::collection::vec(prop_oneof![0..300_u64, any::<u32>().prop_map(u64::from)], 2..200),
        ) {
            let mut fine = histogram(&values);
            loop {
                let (cells, coarse) = (fine.cells().count(), fine.coarser());
                prop_assert!(coarse.cells().count() <= (cells / 2).max(1));
                prop_assert_eq!((coarse.total(), coarse.extremes()), (fine.total(), fine.extremes()));
                // What it tells is a number near one that was there.
                prop_assert!(coarse.cells().all(|(at, _)| fine.cells().any(|(known, _)| known == at)));
                if cells == 1 {
                    break;
                }
                fine = coarse;
            }
        }
    }

    #[test]
    fn a_cell_has_requests_bytes_and_hits() {
        let mut histogram = Histogram::default();
        histogram.record(7, &entry(10, Band::Refresh));
        histogram.record(7, &entry(5, Band::Miss));
        histogram.record(1000, &entry(1, Band::Fresh));
        let packed = histogram.take();
        let cells: Vec<_> = packed.cells().collect();
        assert_eq!(cells[0], (7, Cell { requests: 2, bytes: 15, hits: 1 }));
        assert_eq!(cells[1].1, Cell { requests: 1, bytes: 1, hits: 1 });
        assert_eq!((packed.extremes(), packed.total().requests), (Some((7, 1000)), 3));
        assert!(histogram.is_empty() && histogram.take().is_empty());
        assert_eq!(Packed::default().percentiles([5000]), None);
    }
}
