//! Numbers by hash, in one array of words.
//!
//! Where a number must lie is known from its hash alone, so that the places of a whole batch are brought near before any is looked at;
//! a look-up of hashbrown ends in a branch on what it loads, and one waits for another. The hash is in the words: it is filled again, and
//! grows, without the keys.

/// The fewest words of one that has any.
const LEAST: usize = 64;

/// Open addressing: a word is 0, or a number and one, below 32 bits of its hash. At most half of them are in use.
#[derive(Clone, Debug, Default)]
pub struct Index {
    words: Vec<u64>,
    /// How far to shift a hash for its place.
    shift: u32,
    len: usize,
}

impl Index {
    /// The place of a hash, in an array that isn't empty.
    #[inline]
    fn place(&self, tag: u32) -> usize {
        (tag >> self.shift) as usize
    }

    /// Brings the place of a hash near.
    #[inline]
    pub fn touch(&self, tag: u32) -> u64 {
        self.words.get(self.place(tag)).copied().unwrap_or(0)
    }

    /// The first number of that hash, most likely the one that is wanted; [`u32::MAX`] without one.
    #[inline]
    pub fn candidate(&self, tag: u32) -> u32 {
        self.find(tag, |_| true).unwrap_or(u32::MAX)
    }

    /// The number of that hash that is the `same`.
    #[inline]
    pub fn find(&self, tag: u32, mut same: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut place = self.place(tag);
        loop {
            let word = *self.words.get(place)?;
            if word == 0 {
                return None;
            }
            if (word >> 32) as u32 == tag && same(word as u32 - 1) {
                return Some(word as u32 - 1);
            }
            place = (place + 1) & (self.words.len() - 1);
        }
    }

    /// Adds a number, which is below [`u32::MAX`].
    #[inline]
    pub fn insert(&mut self, tag: u32, number: u32) {
        if self.len * 2 >= self.words.len() {
            self.grow();
        }
        self.put(u64::from(tag) << 32 | u64::from(number + 1));
        self.len += 1;
    }

    fn put(&mut self, word: u64) {
        let mut place = self.place((word >> 32) as u32);
        while self.words[place] != 0 {
            place = (place + 1) & (self.words.len() - 1);
        }
        self.words[place] = word;
    }

    #[cold]
    fn grow(&mut self) {
        let len = (self.words.len() * 2).max(LEAST);
        let before = std::mem::replace(&mut self.words, vec![0; len]);
        self.shift = u32::BITS - len.trailing_zeros();
        before.into_iter().filter(|word| *word != 0).for_each(|word| self.put(word));
    }

    /// Forgets all, keeps the room.
    pub fn clear(&mut self) {
        self.words.fill(0);
        self.len = 0;
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn numbers_are_found_by_their_hash_and_key(keys in prop::collection::vec(0..300_u32, 0..800), bits in 0..9_u32) {
            // Few bits: many keys of one hash, and runs that go round the end.
            let tag = |key: u32| (key & ((1 << bits) - 1)).wrapping_mul(0x0101_0101) | 0xffff_ff00;
            let mut index = Index::default();
            for _ in 0..2 {
                let (mut known, mut list) = (HashMap::new(), Vec::new());
                for &key in &keys {
                    let found = index.find(tag(key), |number| list[number as usize] == key);
                    prop_assert_eq!(found, known.get(&key).copied());
                    if found.is_none() {
                        index.insert(tag(key), list.len() as u32);
                        known.insert(key, list.len() as u32);
                        list.push(key);
                    }
                }
                for key in list {
                    prop_assert!(index.candidate(tag(key)) < known.len() as u32);
                    prop_assert_ne!(index.touch(tag(key)), 0, "its place is taken, if not by it");
                }
                index.clear();
                prop_assert_eq!(index.candidate(tag(0)), u32::MAX);
            }
        }
    }

    #[test]
    fn an_empty_one_has_nothing() {
        let index = Index::default();
        assert_eq!(
            (index.find(7, |_| true), index.candidate(u32::MAX), index.touch(7), index.bytes()),
            (None, u32::MAX, 0, 0)
        );
    }
}
