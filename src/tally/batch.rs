//! Transactions whose rows are found and counted together, so that the cache misses of one overlap with those of others
//! (measured in guide/counters.md 1).

use super::counts::Increment;
use super::large::Rows;
use super::table::same_bytes;

/// So many at most.
pub const BATCH: usize = 64;

/// A transaction of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    /// What it adds.
    pub increment: Increment,
    /// Its rows, as far as they are found.
    pub rows: Rows,
    /// Number of its combination; `None`: it is not kept.
    pub combination: Option<u32>,
    /// Number of its slot in the tables of small dimensions.
    pub slot: u8,
}

/// Keys of one dimension, with their hashes, to be looked up together.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    text: Vec<u8>,
    ends: Vec<u32>,
    hashes: Vec<u64>,
    /// Whose key it is: number in the batch.
    of: Vec<u32>,
}

impl Keys {
    /// Adds the key of the transaction with that number in the batch.
    #[inline]
    pub fn push(&mut self, of: usize, key: &[u8], hash: u64) {
        self.text.extend_from_slice(key);
        self.ends.push(self.text.len() as u32);
        self.hashes.push(hash);
        self.of.push(of as u32);
    }

    /// Each key and its hash.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let text = &self.text;
        starts.zip(&self.ends).map(|(start, &end)| &text[start as usize..end as usize]).zip(self.hashes.iter().copied())
    }

    /// The hashes alone.
    pub fn hashes(&self) -> impl Iterator<Item = u64> {
        self.hashes.iter().copied()
    }

    /// Whose keys they are: numbers in the batch.
    pub fn of(&self) -> &[u32] {
        &self.of
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.hashes.clear();
        self.of.clear();
    }
}

/// Clients of a batch, with their hashes, to be looked up together.
#[derive(Clone, Debug, Default)]
pub struct Clients(Vec<Client>);

/// Client of a transaction.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Number in the batch.
    pub of: u32,
    /// Of its key.
    pub hash: u64,
    address: Option<[u8; 16]>,
}

impl Client {
    /// Its key: the address, or nothing where the entry has none.
    #[inline]
    pub fn key(&self) -> &[u8] {
        self.address.as_ref().map_or(&[], |address| address)
    }
}

impl Clients {
    /// Adds the client of the transaction with that number in the batch.
    #[inline]
    pub fn push(&mut self, of: usize, address: Option<[u8; 16]>, hash: impl FnOnce(&[u8]) -> u64) {
        let mut client = Client { of: of as u32, hash: 0, address };
        client.hash = hash(client.key());
        self.0.push(client);
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Client> {
        self.0.iter()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// A text of at most 8 bytes as one word: different for all that are of one length. Its halves overlap, and so nothing is put
/// together byte by byte in memory: a word loaded from there would wait for each.
#[inline]
pub fn word(text: &[u8]) -> u64 {
    let of = |start: Option<&[u8; 4]>, end: Option<&[u8; 4]>| Some((*start?, *end?));
    if let Some((start, end)) = of(text.first_chunk(), text.last_chunk()) {
        return u64::from(u32::from_le_bytes(start)) | u64::from(u32::from_le_bytes(end)) << 32;
    }
    match *text {
        [] => 0,
        [a] => a.into(),
        [a, b] => u64::from(a) | u64::from(b) << 8,
        [a, b, c, ..] => u64::from(a) | u64::from(b) << 8 | u64::from(c) << 16,
    }
}

/// Texts that a remembered one may be.
const RECENT: usize = 64;

/// The longest text that is remembered.
const RECENT_MAX: usize = 512;

/// Rows of texts that entries had lately; each text has one place, which it takes from the one before.
#[derive(Clone, Debug)]
pub struct Recent<V = u32>(Vec<(Vec<u8>, Option<V>)>);

impl<V: Copy> Default for Recent<V> {
    fn default() -> Self {
        Self(vec![(Vec::new(), None); RECENT])
    }
}

impl<V: Copy> Recent<V> {
    /// The row of a text, looked for if it isn't known.
    #[inline]
    pub fn row(&mut self, text: &[u8], find: impl FnOnce() -> V) -> V {
        let tail = word(&text[text.len().saturating_sub(8)..]);
        let mixed = (tail ^ text.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let place = &mut self.0[(mixed >> 58) as usize % RECENT];
        match place.1 {
            Some(row) if same_bytes(&place.0, text) => row,
            _ => {
                let row = find();
                if text.len() <= RECENT_MAX {
                    place.0.clear();
                    place.0.extend_from_slice(text);
                    place.1 = Some(row);
                }
                row
            }
        }
    }

    /// Forgets all rows.
    pub fn clear(&mut self) {
        self.0.iter_mut().for_each(|place| place.1 = None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn recent_texts_have_the_rows_that_were_found(texts in prop::collection::vec("[ab]{0,12}", 1..400), clear in 0..400_usize) {
            let mut recent = Recent::default();
            let mut rows: Vec<String> = Vec::new();
            for (at, text) in texts.iter().enumerate() {
                if at == clear {
                    recent.clear();
                    rows.clear();
                }
                let row = recent.row(text.as_bytes(), || {
                    rows.iter().position(|known| known == text).unwrap_or_else(|| {
                        rows.push(text.clone());
                        rows.len() - 1
                    }) as u32
                });
                prop_assert_eq!(&rows[row as usize], text);
            }
        }
    }

    #[test]
    fn short_texts_of_one_length_are_different_words() {
        let texts = |len: u32| {
            (0..3_u32.pow(len)).map(move |n| (0..len).map(|at| b"\0aZ"[(n / 3_u32.pow(at) % 3) as usize]).collect())
        };
        for len in 0..=8 {
            let texts: Vec<Vec<u8>> = texts(len).collect();
            let words: std::collections::HashSet<u64> = texts.iter().map(|text| word(text)).collect();
            assert_eq!(words.len(), texts.len());
        }
    }

    #[test]
    fn keys_come_back_as_they_were_pushed() {
        let mut keys = Keys::default();
        for round in 0..2 {
            for (at, key) in [&b"a"[..], b"", b"bcd"].into_iter().enumerate() {
                keys.push(at + round, key, at as u64);
            }
            let found: Vec<_> = keys.iter().collect();
            assert_eq!(found, [(&b"a"[..], 0), (b"", 1), (b"bcd", 2)]);
            assert_eq!(keys.of(), [round as u32, round as u32 + 1, round as u32 + 2]);
            keys.clear();
        }
    }
}
