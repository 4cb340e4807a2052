//! Small dimensions counted together: entries repeat a few hundred combinations of result, status, route, method and type, so each
//! entry adds to one row instead of five, and the five tables get their sums when a part is handed over.

use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};

use super::Counts;
use super::counts::Increment;
use super::table::{REFUSED, Seed};

/// Combinations that are kept; more come from somebody who plays, and are counted one by one.
const COMBINATIONS_MAX: usize = 16 * 1024;

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

#[derive(Clone, Copy, Debug)]
struct Row {
    word: u64,
    /// Since the last drain.
    changed: bool,
    counts: Counts,
}

/// Counts by combination.
#[derive(Clone, Debug)]
pub struct Combined {
    seed: Seed,
    index: HashTable<(u64, u32)>,
    rows: Vec<Row>,
    changed: Vec<u32>,
}

impl Combined {
    /// No combination yet.
    pub fn new(seed: Seed) -> Self {
        Self { seed, index: HashTable::new(), rows: Vec::new(), changed: Vec::new() }
    }

    /// Counts an entry; false if it must be counted one by one.
    #[inline]
    pub fn record(&mut self, combination: &Combination, entry: &Increment) -> bool {
        let Some(word) = combination.pack() else { return false };
        let hash = hash(&self.seed, word);
        let row = match self.index.find(hash, |(known, _)| *known == word) {
            Some((_, row)) => *row,
            None => self.insert(word, hash),
        };
        let Some(kept) = self.rows.get_mut(row as usize) else { return false };
        if !std::mem::replace(&mut kept.changed, true) {
            self.changed.push(row);
        }
        kept.counts.record(entry);
        true
    }

    #[cold]
    fn insert(&mut self, word: u64, hash_of_word: u64) -> u32 {
        if self.rows.len() >= COMBINATIONS_MAX {
            return REFUSED;
        }
        let row = self.rows.len() as u32;
        self.rows.push(Row { word, changed: false, counts: Counts::default() });
        let seed = &self.seed;
        self.index.insert_unique(hash_of_word, (word, row), |(word, _)| hash(seed, *word));
        row
    }

    /// Gives what was counted since the last call, and begins anew.
    pub fn drain(&mut self, mut each: impl FnMut(Combination, &Counts)) {
        for row in self.changed.drain(..) {
            let kept = &mut self.rows[row as usize];
            each(Combination::unpack(kept.word), &kept.counts);
            kept.counts = Counts::default();
            kept.changed = false;
        }
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.index.allocation_size() + self.rows.capacity() * size_of::<Row>() + self.changed.capacity() * 4
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
    use super::super::Band;
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
    fn combinations_are_bounded() {
        let mut combined = Combined::new(Seed::default());
        let entry = Increment { band: Band::Miss, bytes: 1, origin_bytes: 1, timed: 1, time_ms: 1 };
        let combination =
            |row| Combination { result: None, status: None, route: None, method: Some(row), content_type: None };
        for row in 0..COMBINATIONS_MAX as u32 {
            assert!(combined.record(&combination(row), &entry));
        }
        assert!(!combined.record(&combination(60_000), &entry));
        assert!(combined.record(&combination(0), &entry));
        let mut sum = 0;
        combined.drain(|_, counts| sum += counts.all_requests());
        assert_eq!(sum, COMBINATIONS_MAX as u64 + 1);
        combined.drain(|_, _| panic!("nothing is left"));
    }
}
