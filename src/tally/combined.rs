//! Small dimensions counted together: entries repeat a few hundred combinations of result, status, route, method and type, so each
//! entry adds to one row instead of five ([`super::slots`]), and the five tables get their sums when a part is handed over.

use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};

use super::classify::Verdict;
use super::recent::SPREAD;
use super::table::Seed;

/// Combinations that are kept until all are forgotten; more come from somebody who plays, and are counted one by one. Honest traffic has some
/// hundred, and each takes room in each slot.
const COMBINATIONS_MAX: usize = 4 * 1024;

// The tables of slots have numbers of 16 bits.
const _: () = assert!(COMBINATIONS_MAX < u16::MAX as usize);

/// Places of those that were asked for lately.
const RECENT: usize = 1024;

/// One value of each small dimension that the entry has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Combination {
    /// Result code.
    pub result: Option<i64>,
    /// Status.
    pub status: Option<i64>,
    /// Hierarchy route.
    pub route: Option<i64>,
    /// Row of the method.
    pub method: Option<u32>,
    /// Row of the content type.
    pub content_type: Option<u32>,
}

/// Bits of each part of a packed combination; all ones: the entry lacks it.
const CODE_BITS: u32 = 9;
const STATUS_BITS: u32 = 11;
const ROW_BITS: u32 = 16;
const _: () = assert!(2 * CODE_BITS + STATUS_BITS + 2 * ROW_BITS <= 64);

impl Combination {
    /// In one word; `None` if a value does not fit.
    #[inline]
    fn pack(&self) -> Option<u64> {
        let (mut word, mut fits) = (0, true);
        let mut field = |value: Option<u64>, bits: u32| {
            let lacking = (1 << bits) - 1;
            fits &= value.is_none_or(|value| value < lacking);
            word = word << bits | value.unwrap_or(lacking);
        };
        field(self.result.map(|code| code as u64), CODE_BITS);
        field(self.status.map(|code| code as u64), STATUS_BITS);
        field(self.route.map(|code| code as u64), CODE_BITS);
        field(self.method.map(u64::from), ROW_BITS);
        field(self.content_type.map(u64::from), ROW_BITS);
        fits.then_some(word)
    }

    fn unpack(mut word: u64) -> Self {
        let mut field = |bits: u32| {
            let value = word & ((1 << bits) - 1);
            word >>= bits;
            (value != (1 << bits) - 1).then_some(value)
        };
        let content_type = field(ROW_BITS).map(|row| row as u32);
        let method = field(ROW_BITS).map(|row| row as u32);
        let route = field(CODE_BITS).map(|code| code as i64);
        let status = field(STATUS_BITS).map(|code| code as i64);
        let result = field(CODE_BITS).map(|code| code as i64);
        Self { result, status, route, method, content_type }
    }

    fn verdict(&self) -> Verdict {
        Verdict::of(self.result, self.status, self.route)
    }
}

/// What is known of a combination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    number: u32,
    /// What its codes say.
    pub verdict: Verdict,
}

impl Known {
    /// Its number; `None` if its entries must be counted one by one.
    #[inline]
    pub fn number(self) -> Option<u32> {
        (self.number != NOT_KEPT).then_some(self.number)
    }
}

/// Stands for the number of a combination that is not kept.
const NOT_KEPT: u32 = u32::MAX;

/// Combinations by number.
#[derive(Clone, Debug)]
pub struct Combined {
    seed: Seed,
    index: HashTable<(u64, u32)>,
    words: Vec<u64>,
    /// Those that were asked for lately; each has one place.
    recent: Box<[(u64, Known); RECENT]>,
}

impl Combined {
    /// No combination yet.
    pub fn new(seed: Seed) -> Self {
        // No packed one has all bits.
        let none = (u64::MAX, Known { number: NOT_KEPT, verdict: Verdict::of(None, None, None) });
        Self { seed, index: HashTable::new(), words: Vec::new(), recent: Box::new([none; RECENT]) }
    }

    /// What is known of a combination; it gets a number if there is room.
    #[inline]
    pub fn know(&mut self, combination: &Combination) -> Known {
        let Some(word) = combination.pack() else {
            return Known { number: NOT_KEPT, verdict: combination.verdict() };
        };
        let (known, found) = self.recent[place(word)];
        if known == word { found } else { self.look_up(word) }
    }

    #[inline(never)]
    fn look_up(&mut self, word: u64) -> Known {
        let hash = hash(&self.seed, word);
        let number = match self.index.find(hash, |(known, _)| *known == word) {
            Some((_, number)) => *number,
            None => self.insert(word, hash).unwrap_or(NOT_KEPT),
        };
        let known = Known { number, verdict: Combination::unpack(word).verdict() };
        self.recent[place(word)] = (word, known);
        known
    }

    #[cold]
    fn insert(&mut self, word: u64, hash_of_word: u64) -> Option<u32> {
        if self.words.len() >= COMBINATIONS_MAX {
            return None;
        }
        let number = self.words.len() as u32;
        self.words.push(word);
        let seed = &self.seed;
        self.index.insert_unique(hash_of_word, (word, number), |(word, _)| hash(seed, *word));
        Some(number)
    }

    /// Is there no room for another?
    pub fn is_full(&self) -> bool {
        self.words.len() >= COMBINATIONS_MAX
    }

    /// Forgets them all: numbers mean others from now on.
    pub fn forget(&mut self) {
        *self = Self::new(self.seed.clone());
    }

    /// What a number stands for.
    pub fn combination(&self, number: u32) -> Combination {
        Combination::unpack(self.words.get(number as usize).copied().unwrap_or(u64::MAX))
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.index.allocation_size() + self.words.capacity() * 8 + size_of_val(&*self.recent)
    }
}

/// The place of a packed combination among those of late.
#[inline]
fn place(word: u64) -> usize {
    (word.wrapping_mul(SPREAD) >> (u64::BITS - RECENT.trailing_zeros())) as usize % RECENT
}

#[inline]
fn hash(seed: &Seed, word: u64) -> u64 {
    let mut hasher = seed.build_hasher();
    hasher.write_u64(word);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_fits_a_word_comes_back(
            result in prop::option::of(-2..600_i64), status in prop::option::of(-2..3000_i64), route in prop::option::of(-2..600_i64),
            method in prop::option::of(0..70_000_u32), content_type in prop::option::of(0..70_000_u32),
        ) {
            let combination = Combination { result, status, route, method, content_type };
            let fits = [(result, 511), (status, 2047), (route, 511), (method.map(i64::from), 65_535), (content_type.map(i64::from), 65_535)]
                .iter()
                .all(|(value, end)| value.is_none_or(|value| (0..*end).contains(&value)));
            prop_assert_eq!(combination.pack().map(Combination::unpack), fits.then_some(combination));
        }

        #[test]
        fn what_is_known_of_a_combination_stays(
            asked in prop::collection::vec((-1..60_i64, 190..210_i64, 47..52_i64, 0..9_u32), 1..3000),
        ) {
            // More of them than have places among those of late.
            let mut combined = Combined::new(Seed::default());
            let mut numbers = std::collections::HashMap::new();
            for (result, status, route, row) in asked {
                let combination = Combination { result: Some(result), status: Some(status), route: Some(route), method: Some(row), content_type: None };
                let known = combined.know(&combination);
                prop_assert_eq!(known.verdict, Verdict::of(Some(result), Some(status), Some(route)));
                // A code that doesn't fit is not kept.
                let next = numbers.len() as u32;
                let number = (result >= 0).then(|| *numbers.entry((result, status, route, row)).or_insert(next));
                prop_assert_eq!(known.number(), number);
            }
        }
    }

    #[test]
    fn combinations_are_numbered_and_bounded() {
        let mut combined = Combined::new(Seed::default());
        let combination =
            |row| Combination { result: None, status: None, route: None, method: Some(row), content_type: None };
        for row in 0..COMBINATIONS_MAX as u32 {
            assert_eq!(combined.know(&combination(row)).number(), Some(row));
        }
        assert_eq!(combined.know(&combination(60_000)).number(), None);
        assert_eq!(combined.know(&combination(7)).number(), Some(7));
        assert_eq!((combined.combination(7), combined.is_full()), (combination(7), true));
        combined.forget();
        assert_eq!((combined.know(&combination(60_000)).number(), combined.is_full()), (Some(0), false));
        assert_eq!(combined.know(&combination(7)).number(), Some(1));
    }
}
