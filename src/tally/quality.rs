//! How a node's stream itself is doing (spec/statistics.md 12), whatever its requests are: noted segment by segment.

use super::Entries;

/// Entries that are older on their arrival are late.
const LATE_MS: u64 = 60_000;

/// Bytes of a damaged entry that are kept for display.
const EXAMPLE: usize = 64;

/// Classes of lag that are told apart in one [`Lags`].
const CELLS: usize = 8;

/// What came of a node: sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Segments. A log of text has none.
    pub segments: u64,
    /// Bytes of segments and lines.
    pub bytes: u64,
    /// Entries, by what became of them.
    pub entries: Entries,
    /// Negative sizes and times, which count as 0.
    pub bad_fields: u64,
    /// Entries whose result code has no name.
    pub unknown_results: u64,
    /// Entries whose hierarchy code has no name.
    pub unknown_routes: u64,
    /// Entries that were more than a minute old when they came.
    pub late: u64,
    /// Requests that were too old for any window.
    pub late_dropped: u64,
    /// Segments read from files that came before: found by the merger.
    pub duplicates: u64,
}

impl Received {
    /// Adds all sums of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.segments += other.segments;
        self.bytes += other.bytes;
        self.entries.merge(&other.entries);
        self.bad_fields += other.bad_fields;
        self.unknown_results += other.unknown_results;
        self.unknown_routes += other.unknown_routes;
        self.late += other.late;
        self.late_dropped += other.late_dropped;
        self.duplicates += other.duplicates;
    }
}

/// The last of each kind of what was odd, for display. Clients' addresses may be in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examples {
    /// Beginning of a damaged entry's values, or of a line that can't be read; empty for none.
    pub entry: Vec<u8>,
    /// A result code without a name.
    pub result: Option<i64>,
    /// A hierarchy code without a name.
    pub route: Option<i64>,
}

impl Examples {
    /// Keeps the beginning of a damaged entry.
    pub fn damaged(&mut self, entry: &[u8]) {
        self.entry.clear();
        self.entry.extend_from_slice(&entry[..entry.len().min(EXAMPLE)]);
    }

    /// Forgets all, keeps the room.
    pub fn clear(&mut self) {
        self.entry.clear();
        (self.result, self.route) = (None, None);
    }

    /// Takes over what `newer` has.
    pub fn update(&mut self, newer: &Self) {
        if !newer.entry.is_empty() {
            self.entry.clone_from(&newer.entry);
        }
        self.result = newer.result.or(self.result);
        self.route = newer.route.or(self.route);
    }
}

/// The times of what came at one moment, noted entry by entry.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// The moment, ms since the epoch.
    pub now: u64,
    late_before: u64,
    oldest: u64,
    /// Time of the newest entry; 0 before the first.
    pub newest: u64,
    /// Entries that are late.
    pub late: u64,
}

impl Times {
    /// Entries arrive `now`.
    pub fn new(now: u64) -> Self {
        Self { now, late_before: now.saturating_sub(LATE_MS), oldest: u64::MAX, newest: 0, late: 0 }
    }

    /// One of them is of that time (ms).
    #[inline]
    pub fn note(&mut self, time: u64) {
        self.newest = self.newest.max(time);
        self.oldest = self.oldest.min(time);
        self.late += u64::from(time < self.late_before);
    }

    /// Lags of the oldest and of the newest, ms; `None` before the first.
    fn lags(&self) -> Option<(i64, i64)> {
        let lag = |time: u64| self.now as i64 - time.min(i64::MAX as u64) as i64;
        (self.oldest <= self.newest).then(|| (lag(self.oldest), lag(self.newest)))
    }
}

/// Entries of about the same lag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cell {
    class: i16,
    entries: u64,
    /// Their lags added up, ms.
    sum: i64,
}

/// Lags (arrival less entry time) of what came of a node in a short time, in bounded memory: the least and the most are exact; how they
/// spread is kept in a few classes of an eighth, each with its mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lags {
    /// By class; those behind `len` are not in use.
    cells: [Cell; CELLS],
    len: usize,
    extremes: Option<(i64, i64)>,
}

impl Lags {
    /// So many entries came, of these times. Traffic Server writes entries in the order of their times, at about the same rate for the few
    /// seconds of a segment: all of them count with the lag of the middle.
    pub fn add(&mut self, times: &Times, entries: u64) {
        let Some((most, least)) = times.lags().filter(|_| entries > 0) else { return };
        self.widen(least, most);
        let middle = least + (most - least) / 2;
        let sum = middle.saturating_mul(i64::try_from(entries).unwrap_or(i64::MAX));
        self.insert(Cell { class: class(middle), entries, sum });
    }

    /// Adds those of `other`.
    pub fn merge(&mut self, other: &Self) {
        if let Some((least, most)) = other.extremes {
            self.widen(least, most);
        }
        other.cells[..other.len].iter().for_each(|cell| self.insert(*cell));
    }

    /// The least and the most, ms.
    pub fn extremes(&self) -> Option<(i64, i64)> {
        self.extremes
    }

    /// The lag that half of the entries don't exceed, ms.
    pub fn median(&self) -> Option<i64> {
        let cells = &self.cells[..self.len];
        let half = cells.iter().map(|cell| cell.entries).sum::<u64>().div_ceil(2);
        let mut before = 0;
        let cell = cells.iter().find(|cell| {
            before += cell.entries;
            before >= half
        })?;
        Some(cell.sum / i64::try_from(cell.entries).unwrap_or(i64::MAX).max(1))
    }

    fn widen(&mut self, least: i64, most: i64) {
        let (known_least, known_most) = self.extremes.unwrap_or((least, most));
        self.extremes = Some((known_least.min(least), known_most.max(most)));
    }

    fn insert(&mut self, cell: Cell) {
        let cells = &mut self.cells[..self.len];
        match cells.binary_search_by_key(&cell.class, |known| known.class) {
            Ok(at) => join(&mut cells[at], &cell),
            Err(at) if self.len < CELLS => {
                self.cells.copy_within(at..self.len, at + 1);
                self.cells[at] = cell;
                self.len += 1;
            }
            Err(_) => {
                // The nearest takes it in.
                let distance = |known: &&mut Cell| (i32::from(known.class) - i32::from(cell.class)).abs();
                if let Some(nearest) = cells.iter_mut().min_by_key(distance) {
                    join(nearest, &cell);
                }
            }
        }
    }
}

fn join(cell: &mut Cell, more: &Cell) {
    cell.entries += more.entries;
    cell.sum = cell.sum.saturating_add(more.sum);
}

/// The number of a lag's class, in their order: each ms below 8, then eight classes to each doubling; below 0 the same.
fn class(lag: i64) -> i16 {
    let size = lag.unsigned_abs();
    let number = match size.checked_ilog2() {
        Some(octave @ 3..) => (octave as i16 - 2) * 8 + (size >> (octave - 3) & 7) as i16,
        _ => size as i16,
    };
    if lag < 0 { -number } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: u64 = 1_795_460_493_250;

    fn lags(of: &[(i64, u64)]) -> Lags {
        let mut lags = Lags::default();
        for &(lag, entries) in of {
            let mut times = Times::new(NOW);
            times.note(NOW.saturating_add_signed(-lag));
            lags.add(&times, entries);
        }
        lags
    }

    #[test]
    fn a_segment_counts_with_the_lag_of_its_middle() {
        let mut times = Times::new(NOW);
        for time in [NOW - 5_000, NOW - 1_000, NOW - 2_000, NOW - 60_000, NOW - 60_001] {
            times.note(time);
        }
        assert_eq!((times.newest, times.late), (NOW - 1_000, 1));
        let mut lags = Lags::default();
        lags.add(&times, 5);
        assert_eq!((lags.median(), lags.extremes()), (Some(30_500), Some((1_000, 60_001))));
        let nothing = Lags::default();
        lags.add(&Times::new(NOW), 0);
        lags.merge(&nothing);
        assert_eq!((lags.median(), nothing.median(), nothing.extremes()), (Some(30_500), None, None));
    }

    #[test]
    fn the_median_is_by_entries_and_knows_clocks_that_are_ahead() {
        assert_eq!(lags(&[(100, 10), (5_000, 11), (9_000, 1)]).median(), Some(5_000));
        assert_eq!(lags(&[(100, 12), (5_000, 11), (9_000, 1)]).median(), Some(100));
        let ahead = lags(&[(-2_000, 5), (-1_000, 1), (30, 1)]);
        assert_eq!((ahead.median(), ahead.extremes()), (Some(-2_000), Some((-2_000, 30))));
    }

    proptest! {
        #[test]
        fn classes_keep_the_order_of_lags(a in any::<i64>(), b in -100_000..100_000_i64) {
            let ordered = |a: i64, b: i64| a > b || class(a) <= class(b);
            prop_assert!(ordered(a, b) && ordered(b, a));
            prop_assert!(ordered(b, b + 1));
        }

        #[test]
        fn the_median_is_near_while_there_are_few_classes(of in prop::collection::vec((4_000..7_000_i64, 1..100_u64), 1..40)) {
            let mut all: Vec<i64> = of.iter().flat_map(|&(lag, entries)| vec![lag; entries as usize]).collect();
            all.sort_unstable();
            let exact = all[all.len().div_ceil(2) - 1];
            let (a, b) = of.split_at(of.len() / 2);
            let mut merged = lags(a);
            merged.merge(&lags(b));
            let found = merged.median().unwrap();
            prop_assert!((found - exact).abs() <= exact / 8, "{} for {}", found, exact);
            prop_assert_eq!(merged.extremes(), Some((all[0], all[all.len() - 1])));
        }

        #[test]
        fn any_lags_are_held_in_bounded_memory(of in prop::collection::vec((any::<i32>(), 1..10_u64), 0..100)) {
            let of: Vec<(i64, u64)> = of.into_iter().map(|(lag, entries)| (lag.into(), entries)).collect();
            let lags = lags(&of);
            let entries: u64 = of.iter().map(|(_, entries)| entries).sum();
            prop_assert_eq!(lags.cells[..lags.len].iter().map(|cell| cell.entries).sum::<u64>(), entries);
            prop_assert!(lags.cells[..lags.len].is_sorted_by_key(|cell| cell.class));
        }
    }
}
