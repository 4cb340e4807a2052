//! What rows had in each slot since the last part, for any table of a worker, and what of it was dropped for want of room.
//!
//! Nearly all sums of one part are small, so that a *delta* is one cache line of words of 32 bits. What is more than these hold is kept
//! beside, *wide*, and costs a look-up only where there is any.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::counts::{Band, Counts, Increment};
use super::part::LargePart;
use super::windowed::{Chooser, Loss, Scales};

/// Rows that may come while a table is full already.
const OVER: usize = super::batch::BATCH;

/// Of so many deltas one may be wide: more are cut.
const WIDE: usize = 4;

/// What a row, or a pair of rows, had in one slot.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct Delta {
    requests: [u32; Band::COUNT],
    bytes: [u32; Band::COUNT],
    origin_bytes: u32,
    timed: u32,
    time_ms: u32,
    /// Whose; of a pair, that of the first table.
    pub row: u32,
    /// Of a pair, the row in the second table.
    pub other: u32,
    /// Number of the slot in its part.
    pub slot: u32,
}

const _: () = assert!(size_of::<Delta>() == 64);

impl Delta {
    fn new(row: u32, other: u32, slot: u32) -> Self {
        let [requests, bytes] = [[0; Band::COUNT]; 2];
        Self { requests, bytes, origin_bytes: 0, timed: 0, time_ms: 0, row, other, slot }
    }

    /// What is in it.
    pub fn counts(&self) -> Counts {
        Counts {
            requests: self.requests.map(u64::from),
            bytes: self.bytes.map(u64::from),
            origin_bytes: self.origin_bytes.into(),
            timed: self.timed.into(),
            time_ms: self.time_ms.into(),
        }
    }

    /// Brings it near.
    #[inline]
    pub fn touch(&self) -> u32 {
        self.slot
    }

    /// Counts an entry; false, and nothing is changed, if the sums don't fit.
    #[inline]
    fn record(&mut self, entry: &Increment) -> bool {
        let band = entry.band as usize;
        let sum = |sum: u32, more: u64| u64::from(sum).wrapping_add(more);
        let requests = sum(self.requests[band], 1);
        let bytes = sum(self.bytes[band], entry.bytes);
        let origin_bytes = sum(self.origin_bytes, entry.origin_bytes);
        let timed = sum(self.timed, entry.timed);
        let time_ms = sum(self.time_ms, entry.time_ms);
        // A sum can only have gone round if what was added doesn't fit.
        let all = requests | bytes | origin_bytes | timed | time_ms | entry.bytes | entry.origin_bytes | entry.time_ms;
        if all > u64::from(u32::MAX) {
            return false;
        }
        self.requests[band] = requests as u32;
        self.bytes[band] = bytes as u32;
        (self.origin_bytes, self.timed, self.time_ms) = (origin_bytes as u32, timed as u32, time_ms as u32);
        true
    }

    /// Takes these sums in place of its own; false, and nothing is changed, if they don't fit.
    fn set(&mut self, sums: &Counts) -> bool {
        let Counts { requests, bytes, origin_bytes, timed, time_ms } = *sums;
        let all = requests.iter().chain(&bytes).fold(origin_bytes | timed | time_ms, |all, sum| all | sum);
        if all > u64::from(u32::MAX) {
            return false;
        }
        self.requests = requests.map(|sum| sum as u32);
        self.bytes = bytes.map(|sum| sum as u32);
        (self.origin_bytes, self.timed, self.time_ms) = (origin_bytes as u32, timed as u32, time_ms as u32);
        true
    }
}

/// What was not counted for any row of a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// The sum of it.
    pub rest: Counts,
    /// The most of it that one key can have had.
    pub absent: Loss,
}

/// Room and rules for cutting tables.
#[derive(Clone, Debug, Default)]
pub struct Knife {
    /// What makes a delta heavy.
    pub scales: Scales,
    chooser: Chooser,
}

/// What was counted, and what was not for want of room.
#[derive(Clone, Debug, Default)]
pub(super) struct Deltas {
    pub list: Vec<Delta>,
    /// By number of a delta, what it has beside what is in it.
    wide: HashMap<u32, Counts, FixedState>,
    /// The most that a delta may have missed, for those that may have; by rising number.
    errors: Vec<(u32, Loss)>,
    /// By slot, as far as anything was lost.
    lost: Vec<Lost>,
    dropped: u64,
    /// Deltas that there is room for, about.
    pub cap: usize,
}

impl Deltas {
    pub fn new(cap: usize) -> Self {
        Self { cap, ..Self::default() }
    }

    /// A new one; gives its number.
    pub fn push(&mut self, row: u32, other: u32, slot: u32) -> u32 {
        let number = self.list.len() as u32;
        if let Some(lost) = self.lost.get(slot as usize)
            && !lost.absent.is_none()
        {
            self.errors.push((number, lost.absent));
        }
        make_room(&mut self.list, self.cap);
        self.list.push(Delta::new(row, other, slot));
        number
    }

    /// Counts an entry in the delta of that number; for none without one.
    #[inline]
    pub fn record(&mut self, number: u32, entry: &Increment) {
        if let Some(delta) = self.list.get_mut(number as usize)
            && !delta.record(entry)
        {
            let mut counts = Counts::default();
            counts.record(entry);
            self.widen(number, &counts);
        }
    }

    /// Counts many entries at once.
    pub fn merge(&mut self, number: u32, counts: &Counts) {
        let mut sums = self.list[number as usize].counts();
        sums.merge(counts);
        if !self.list[number as usize].set(&sums) {
            self.widen(number, counts);
        }
    }

    #[cold]
    fn widen(&mut self, number: u32, more: &Counts) {
        let delta = &mut self.list[number as usize];
        let wide = self.wide.entry(number).or_default();
        wide.merge(&delta.counts());
        wide.merge(more);
        *delta = Delta::new(delta.row, delta.other, delta.slot);
    }

    /// Whose each is, and what it counted.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Delta, Counts)> {
        self.list.iter().enumerate().map(|(number, delta)| (delta, counts_of(&self.wide, delta, number as u32)))
    }

    /// Counts for no row: for one key any number of times, so that losses add up.
    #[cold]
    pub fn lose(&mut self, slot: u32, counts: &Counts) {
        let lost = lost_of(&mut self.lost, slot);
        lost.rest.merge(counts);
        lost.absent = lost.absent.plus(&Scales::default().loss(counts));
    }

    /// True if there are as many as there is room for.
    pub fn is_full(&self) -> bool {
        self.list.len() >= self.cap || self.wide.len() * WIDE >= self.cap
    }

    /// How many may come before a cut. One that is nearly full takes a quarter more, so that few come at a time only rarely.
    pub fn room(&self) -> usize {
        self.cap.saturating_sub(self.list.len()).max(self.cap / 4)
    }

    /// How many stay when room is made: all, if enough rows go that have none.
    pub fn enough(&self) -> usize {
        if self.list.len() <= self.cap / 4 * 3 { self.list.len() } else { self.cap / 2 }
    }

    /// Drops all deltas that don't `stay`, and of the others all but the `keep` heaviest.
    pub fn cut(&mut self, keep: usize, knife: &mut Knife, stays: impl Fn(&Delta) -> bool) {
        let too_wide = self.too_wide(&knife.scales);
        let Self { list, wide, errors, lost, dropped, .. } = self;
        let Knife { scales, chooser } = knife;
        let stays = |delta: &Delta, number: u32| stays(delta) && too_wide.binary_search(&number).is_err();
        let mut known = errors.iter().peekable();
        let mut error =
            |number: u32| known.next_if(|(with, _)| *with == number).map_or(Loss::NONE, |(_, error)| *error);
        chooser.weights.clear();
        for (delta, number) in list.iter().zip(0..) {
            // What is lost of a row weighs too.
            let error = error(number).weight();
            if stays(delta, number) {
                let counts = counts_of(wide, delta, number);
                chooser.weights.push(scales.loss(&counts).weight().saturating_add(error));
            }
        }
        let mut choice = (chooser.weights.len() > keep).then(|| chooser.choose(keep));
        let mut weights = chooser.weights.iter();
        let before = list.len();
        let (mut next, mut kept) = (0, 0);
        let mut known = errors.iter().peekable();
        let (mut errors_left, mut wide_left) = (Vec::new(), HashMap::default());
        list.retain(|delta| {
            let number = next;
            next += 1;
            let error = known.next_if(|(with, _)| *with == number).map(|(_, error)| *error);
            let keeps = stays(delta, number) && {
                let weight = weights.next().copied().unwrap_or(0);
                choice.as_mut().is_none_or(|choice| choice.keeps(weight))
            };
            if !keeps {
                let lost = lost_of(lost, delta.slot);
                let counts = counts_of(wide, delta, number);
                lost.rest.merge(&counts);
                lost.absent = lost.absent.most(&scales.loss(&counts).plus(&error.unwrap_or(Loss::NONE)));
                return false;
            }
            errors_left.extend(error.map(|error| (kept, error)));
            if !wide.is_empty() {
                wide_left.extend(wide.get(&number).map(|counts| (kept, *counts)));
            }
            kept += 1;
            true
        });
        (*errors, *wide) = (errors_left, wide_left);
        *dropped += (before - list.len()) as u64;
    }

    /// The numbers of the lightest wide ones, in order, where there are more of these than half of what there is room for.
    fn too_wide(&self, scales: &Scales) -> Vec<u32> {
        let Some(too_many) = self.wide.len().checked_sub(self.cap / WIDE / 2).filter(|too_many| *too_many > 0) else {
            return Vec::new();
        };
        let mut numbers: Vec<u32> = self.wide.keys().copied().collect();
        numbers.sort_unstable_by_key(|number| (scales.loss(&self.wide[number]).weight(), *number));
        numbers.truncate(too_many);
        numbers.sort_unstable();
        numbers
    }

    /// Forgets what was counted.
    pub fn clear(&mut self) {
        self.list.clear();
        self.wide.clear();
    }

    /// Moves all into `part`, whose room it gets.
    pub fn hand_over(&mut self, part: &mut LargePart) {
        std::mem::swap(&mut self.list, &mut part.deltas);
        std::mem::swap(&mut self.errors, &mut part.errors);
        std::mem::swap(&mut self.lost, &mut part.lost);
        part.wide.extend(self.wide.drain());
        part.wide.sort_unstable_by_key(|(number, _)| *number);
        part.dropped = std::mem::take(&mut self.dropped);
    }

    pub fn bytes(&self) -> usize {
        self.list.capacity() * size_of::<Delta>()
            + self.wide.allocation_size()
            + self.errors.capacity() * size_of::<(u32, Loss)>()
            + self.lost.capacity() * size_of::<Lost>()
    }
}

fn counts_of(wide: &HashMap<u32, Counts, FixedState>, delta: &Delta, number: u32) -> Counts {
    let mut counts = delta.counts();
    if !wide.is_empty()
        && let Some(more) = wide.get(&number)
    {
        counts.merge(more);
    }
    counts
}

/// Room for one more, doubled as it is needed, but not far above `cap`.
#[inline]
pub(super) fn make_room<T>(list: &mut Vec<T>, cap: usize) {
    if list.len() == list.capacity() {
        let more = match (cap + OVER).saturating_sub(list.len()) {
            0 => list.len() / 8,
            left => list.len().min(left),
        };
        list.reserve_exact(more.max(16));
    }
}

fn lost_of(lost: &mut Vec<Lost>, slot: u32) -> &mut Lost {
    let at = slot as usize;
    if lost.len() <= at {
        lost.resize(at + 1, Lost::default());
    }
    &mut lost[at]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Measure;

    #[test]
    fn sums_that_no_delta_holds_are_kept_beside_and_are_not_for_all() {
        let mut deltas = Deltas::new(100);
        let entry = |bytes| Increment { band: Band::Miss, bytes, origin_bytes: bytes, timed: 1, time_ms: 3 };
        for row in 0..60 {
            let number = deltas.push(row, 0, 0);
            // Twice three GiB, or once a bit more than four.
            let all: &[u64] = if row % 2 == 0 { &[3 << 30, 3 << 30] } else { &[(4 << 30) + u64::from(row)] };
            all.iter().for_each(|bytes| deltas.record(number, &entry(*bytes)));
        }
        assert!(deltas.is_full() && deltas.enough() == 60, "not for its rows, but for those that are wide");
        let total: u64 = deltas.iter().map(|(_, counts)| counts.all_bytes()).sum();
        assert_eq!(total, 30 * (6 << 30) + 30 * (4 << 30) + (0..30).map(|n| 2 * n + 1).sum::<u64>());
        deltas.cut(60, &mut Knife::default(), |_| true);
        let mut part = LargePart::default();
        assert!(!deltas.is_full());
        deltas.hand_over(&mut part);
        let rows: Vec<(u32, u64)> = part.deltas().map(|(delta, counts)| (delta.row, counts.all_bytes())).collect();
        assert!(rows.len() == 12 && rows.iter().all(|(row, bytes)| row % 2 == 0 && *bytes == 6 << 30), "{rows:?}");
        assert_eq!(rows.iter().map(|(_, bytes)| bytes).sum::<u64>() + part.lost[0].rest.all_bytes(), total);
        assert_eq!(part.lost[0].absent.measure(Measure::Bytes), 6 << 30);
    }

    #[test]
    fn a_delta_is_merged_with_what_it_holds_and_with_more() {
        let mut deltas = Deltas::new(100);
        let number = deltas.push(7, 8, 9);
        let mut truth = Counts::default();
        for time_ms in [5, u64::from(u32::MAX), 1, u64::MAX] {
            let counts = Counts { requests: [1, 2, 3, 4, 5], time_ms, ..Counts::default() };
            deltas.merge(number, &counts);
            truth.merge(&counts);
            let (delta, sum) = deltas.iter().next().unwrap();
            assert_eq!(((delta.row, delta.other, delta.slot), sum), ((7, 8, 9), truth));
        }
    }
}
