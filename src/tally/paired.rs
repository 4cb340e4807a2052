//! A worker's tables of pairs: what two rows of other tables had together in each slot of entry time since the last part.
//!
//! There are far more pairs than keys, most come once in a part, and their names are those of their rows. So nothing of a pair outlives its
//! part: it is found by its two rows and its slot at once, and a part has the rows themselves in its deltas.

use std::hash::{BuildHasher, Hasher};
use std::hint::black_box;

use super::counts::{Counts, Increment};
use super::delta::{Delta, Deltas, Knife};
use super::index::Index;
use super::part::LargePart;
use super::table::{REFUSED, Seed};

/// Deltas that stay near the processor anyway.
const NEAR: usize = 512;

/// Room that is used again from table to table.
#[derive(Clone, Debug, Default)]
pub struct Room {
    tags: Vec<u32>,
    numbers: Vec<u32>,
}

/// A table keyed by two rows of other tables.
#[derive(Clone, Debug)]
pub struct Paired {
    seed: Seed,
    index: Index,
    deltas: Deltas,
}

impl Paired {
    /// A table that is full with `cap` pairs.
    pub fn new(seed: Seed, cap: usize) -> Self {
        Self { seed, index: Index::default(), deltas: Deltas::new(cap) }
    }

    /// Counts entries, each of two rows and in a slot that has that number in the part; those that lack a row are left out.
    #[inline]
    pub fn record<'a>(
        &mut self,
        entries: impl Iterator<Item = ([u32; 2], u32, &'a Increment)> + Clone,
        room: &mut Room,
    ) {
        let is_whole = |pair: &[u32; 2]| !pair.contains(&REFUSED);
        if self.deltas.list.len() < NEAR {
            for (pair, slot, entry) in entries.filter(|(pair, ..)| is_whole(pair)) {
                let number = self.number(pair, slot, self.tag(pair, slot));
                self.deltas.record(number, entry);
            }
            return;
        }
        // In passes: what one loads doesn't wait for what another entry loads.
        let Room { tags, numbers } = room;
        tags.clear();
        tags.extend(entries.clone().map(|(pair, slot, _)| self.tag(pair, slot)));
        let mut touched = 0;
        for &tag in &*tags {
            touched ^= self.index.touch(tag);
        }
        black_box(touched);
        numbers.clear();
        numbers.extend(tags.iter().map(|&tag| self.index.candidate(tag)));
        let mut touched = 0;
        for &number in &*numbers {
            touched ^= self.deltas.list.get(number as usize).map_or(0, Delta::touch);
        }
        black_box(touched);
        // Those that lack a row went along, so that the lists are as long as the batch.
        for (((pair, slot, entry), &tag), &number) in entries.zip(&*tags).zip(&*numbers) {
            if !is_whole(&pair) {
                continue;
            }
            let found = self.deltas.list.get(number as usize).is_some_and(|delta| is_of(delta, pair, slot));
            let number = if found { number } else { self.number(pair, slot, tag) };
            self.deltas.record(number, entry);
        }
    }

    /// Counts many entries at once.
    pub fn merge(&mut self, pair: [u32; 2], slot: u32, counts: &Counts) {
        let number = self.number(pair, slot, self.tag(pair, slot));
        self.deltas.merge(number, counts);
    }

    /// What was counted: whose it is, and how much.
    pub fn deltas(&self) -> impl ExactSizeIterator<Item = (&Delta, Counts)> {
        self.deltas.iter()
    }

    /// Forgets what was counted.
    pub fn clear(&mut self) {
        self.deltas.clear();
        self.index.clear();
    }

    /// The number of the delta of a pair in a slot, made if there is none.
    #[inline]
    fn number(&mut self, pair: [u32; 2], slot: u32, tag: u32) -> u32 {
        let list = &self.deltas.list;
        match self.index.find(tag, |number| is_of(&list[number as usize], pair, slot)) {
            Some(number) => number,
            None => {
                let number = self.deltas.push(pair[0], pair[1], slot);
                self.index.insert(tag, number);
                number
            }
        }
    }

    #[inline]
    fn tag(&self, [a, b]: [u32; 2], slot: u32) -> u32 {
        tag(&self.seed, [a, b], slot)
    }

    /// True if it has to be cut before more pairs come.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.deltas.is_full()
    }

    /// How many pairs may come before a cut; one that is nearly full takes a quarter more.
    pub fn room(&self) -> usize {
        self.deltas.room()
    }

    /// Gives pairs the new numbers of their rows, where these have some, and drops those of rows that are gone, and the lighter half of the
    /// others if they are many.
    pub fn cut(&mut self, maps: [Option<&[u32]>; 2], knife: &mut Knife) {
        let moved = |at: usize, row: u32| maps[at].map_or(row, |map| map[row as usize]);
        let keep = self.deltas.enough();
        self.deltas.cut(keep, knife, |delta| moved(0, delta.row) != REFUSED && moved(1, delta.other) != REFUSED);
        self.index.clear();
        for (delta, number) in self.deltas.list.iter_mut().zip(0..) {
            (delta.row, delta.other) = (moved(0, delta.row), moved(1, delta.other));
            self.index.insert(tag(&self.seed, [delta.row, delta.other], delta.slot), number);
        }
    }

    /// Moves what was counted into `part`, which is empty.
    pub fn hand_over(&mut self, part: &mut LargePart) {
        self.deltas.hand_over(part);
        self.index.clear();
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.index.bytes() + self.deltas.bytes()
    }
}

#[inline]
fn is_of(delta: &Delta, pair: [u32; 2], slot: u32) -> bool {
    [delta.row, delta.other] == pair && delta.slot == slot
}

/// A part of the hash of a pair and its slot.
#[inline]
fn tag(seed: &Seed, [a, b]: [u32; 2], slot: u32) -> u32 {
    let mut hasher = seed.build_hasher();
    hasher.write_u64(u64::from(a) << 32 | u64::from(b));
    hasher.write_u32(slot);
    (hasher.finish() >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::batch::BATCH;
    use crate::tally::counts::Band;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        #[test]
        fn a_batch_counts_as_its_entries_do(
            batches in prop::collection::vec(prop::collection::vec((0..90_u32, 0..70_u32, 0..3_u32, 1..9_u64), 1..BATCH), 1..200),
        ) {
            // Enough pairs that they are far from the processor, and entries are counted in passes.
            let mut table = Paired::new(Seed::default(), 100_000);
            let mut truth: HashMap<([u32; 2], u32), Counts> = HashMap::new();
            for batch in &batches {
                let entries: Vec<_> = batch.iter().map(|&(a, b, slot, bytes)| {
                    let a = if a == 89 { REFUSED } else { a };
                    ([a, b], slot, Increment { band: Band::Fresh, bytes, origin_bytes: 0, timed: 0, time_ms: 0 })
                }).collect();
                for (pair, slot, increment) in entries.iter().filter(|(pair, ..)| pair[0] != REFUSED) {
                    truth.entry((*pair, *slot)).or_default().record(increment);
                }
                table.record(entries.iter().map(|(pair, slot, increment)| (*pair, *slot, increment)), &mut Room::default());
            }
            let mut part = LargePart::default();
            table.hand_over(&mut part);
            let found: HashMap<_, _> = part.deltas().map(|(delta, counts)| (([delta.row, delta.other], delta.slot), counts)).collect();
            prop_assert_eq!(found.len(), part.deltas.len());
            prop_assert_eq!(found, truth);
            // Nothing outlives its part.
            let mut part = LargePart::default();
            table.merge([1, 2], 0, &Counts::default());
            table.hand_over(&mut part);
            prop_assert_eq!(part.deltas.len(), 1);
        }
    }
}
