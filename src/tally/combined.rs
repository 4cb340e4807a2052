//! Small dimensions counted together: entries repeat a few hundred combinations of result, status, route, method and type, so each
//! entry adds to one row instead of five ([`super::slots`]), and the five tables get their sums when a part is handed over.

use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};

use super::table::Seed;

/// Combinations that are kept; more come from somebody who plays, and are counted one by one.
const COMBINATIONS_MAX: usize = 16 * 1024;

/// Places of those that were asked for lately.
const RECENT: usize = 64;

/// Spreads a word over them.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

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
        let field = |value: Option<u64>, bits: u32| match value {
            None => Some((1 << bits) - 1),
            Some(value) if value < (1 << bits) - 1 => Some(value),
            Some(_) => None,
        };
        let code = |value: Option<i64>| value.map(|code| code as u64);
        let row = |value: Option<u32>| value.map(u64::from);
        let mut word = field(code(self.result), CODE_BITS)?;
        word = word << STATUS_BITS | field(code(self.status), STATUS_BITS)?;
        word = word << CODE_BITS | field(code(self.route), CODE_BITS)?;
        word = word << ROW_BITS | field(row(self.method), ROW_BITS)?;
        Some(word << ROW_BITS | field(row(self.content_type), ROW_BITS)?)
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
}

/// Combinations by number.
#[derive(Clone, Debug)]
pub struct Combined {
    seed: Seed,
    index: HashTable<(u64, u32)>,
    words: Vec<u64>,
    /// Those that were asked for lately; each has one place.
    recent: [(u64, u32); RECENT],
}

impl Combined {
    /// No combination yet.
    pub fn new(seed: Seed) -> Self {
        // No packed one has all bits.
        Self { seed, index: HashTable::new(), words: Vec::new(), recent: [(u64::MAX, 0); RECENT] }
    }

    /// The number of a combination; `None` if its entries must be counted one by one.
    #[inline]
    pub fn number(&mut self, combination: &Combination) -> Option<u32> {
        let word = combination.pack()?;
        let place = (word.wrapping_mul(SPREAD) >> 58) as usize % RECENT;
        let (known, number) = self.recent[place];
        if known == word {
            return Some(number);
        }
        let number = self.look_up(word)?;
        self.recent[place] = (word, number);
        Some(number)
    }

    fn look_up(&mut self, word: u64) -> Option<u32> {
        let hash = hash(&self.seed, word);
        match self.index.find(hash, |(known, _)| *known == word) {
            Some((_, number)) => Some(*number),
            None => self.insert(word, hash),
        }
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

    /// What a number stands for.
    pub fn combination(&self, number: u32) -> Combination {
        Combination::unpack(self.words.get(number as usize).copied().unwrap_or(u64::MAX))
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.index.allocation_size() + self.words.capacity() * 8
    }
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
    }

    #[test]
    fn combinations_are_numbered_and_bounded() {
        let mut combined = Combined::new(Seed::default());
        let combination =
            |row| Combination { result: None, status: None, route: None, method: Some(row), content_type: None };
        for row in 0..COMBINATIONS_MAX as u32 {
            assert_eq!(combined.number(&combination(row)), Some(row));
        }
        assert_eq!(combined.number(&combination(60_000)), None);
        assert_eq!(combined.number(&combination(7)), Some(7));
        assert_eq!(combined.combination(7), combination(7));
    }
}
