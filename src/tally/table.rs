//! A worker's tables: key to dense row, row to counts, and which rows changed since the last part.
//!
//! Rows stay when they are handed over, so that a known key costs no allocation and its name is sent once; only
//! their counts begin anew. A table at its cap refuses new keys: what they count goes to `refused`.

use foldhash::fast::{FixedState, RandomState};
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};

use super::Counts;
use super::caps::{KEY_BYTES, KEY_KEPT, KEY_MAX};
use super::counts::Increment;
use super::part::TablePart;
use super::recent::{Recent, word};

/// Row of a key that had no room.
pub const REFUSED: u32 = u32::MAX;

// Two cache lines, which the processor fetches together: unaligned, a row would lie in three.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(128))]
struct Row {
    counts: Counts,
    /// The part it was last changed for.
    epoch: u64,
}

/// Counts by row, and the rows that changed.
#[derive(Clone, Debug)]
struct Rows {
    rows: Vec<Row>,
    changed: Vec<u32>,
    refused: Counts,
    epoch: u64,
}

impl Rows {
    fn new() -> Self {
        Self { rows: Vec::new(), changed: Vec::new(), refused: Counts::default(), epoch: 1 }
    }

    #[inline]
    fn record(&mut self, row: u32, entry: &Increment) {
        let Some(slot) = self.rows.get_mut(row as usize) else {
            self.refused.record(entry);
            return;
        };
        if slot.epoch != self.epoch {
            slot.epoch = self.epoch;
            self.changed.push(row);
        }
        slot.counts.record(entry);
    }

    fn merge(&mut self, row: u32, counts: &Counts) {
        let Some(slot) = self.rows.get_mut(row as usize) else {
            self.refused.merge(counts);
            return;
        };
        if slot.epoch != self.epoch {
            slot.epoch = self.epoch;
            self.changed.push(row);
        }
        slot.counts.merge(counts);
    }

    fn hand_over(&mut self, part: &mut TablePart) {
        for &row in &self.changed {
            part.rows.push((row, std::mem::take(&mut self.rows[row as usize].counts)));
        }
        self.changed.clear();
        self.epoch += 1;
        part.refused = std::mem::take(&mut self.refused);
    }

    fn bytes(&self) -> usize {
        self.rows.capacity() * size_of::<Row>() + self.changed.capacity() * 4
    }
}

/// A hash that all tables of the process share, seeded anew for each process: names come from strangers.
pub type Seed = RandomState;

#[inline]
pub(super) fn hash(seed: &Seed, key: &[u8]) -> u64 {
    let mut hasher = seed.build_hasher();
    hasher.write(key);
    hasher.finish()
}

/// Equality of keys, which are short: words compared in place beat the call of `memcmp`, and a last word that overlaps the one before it
/// beats single bytes.
#[inline]
pub(super) fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let (Some(last_a), Some(last_b)) = (a.last_chunk::<8>(), b.last_chunk::<8>()) else {
        return word(a) == word(b);
    };
    if last_a != last_b {
        return false;
    }
    let (mut a, mut b) = (a, b);
    while let (Some((x, rest_a)), Some((y, rest_b))) = (a.split_first_chunk::<8>(), b.split_first_chunk::<8>()) {
        if x != y {
            return false;
        }
        (a, b) = (rest_a, rest_b);
    }
    true
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// A part of the hash: spares nearly every comparison of unequal keys.
    tag: u32,
    row: u32,
}

/// Keys by dense number, in one arena.
#[derive(Clone, Debug)]
pub(super) struct Arena {
    seed: Seed,
    index: HashTable<Slot>,
    text: Vec<u8>,
    ends: Vec<u32>,
}

impl Arena {
    pub fn new(seed: Seed) -> Self {
        Self { seed, index: HashTable::new(), text: Vec::new(), ends: Vec::new() }
    }

    /// An empty one with as much room: it is filled without growing.
    pub fn emptied(&self) -> Self {
        Self {
            seed: self.seed.clone(),
            index: HashTable::with_capacity(self.index.capacity()),
            text: Vec::with_capacity(self.text.capacity()),
            ends: Vec::with_capacity(self.ends.capacity()),
        }
    }

    #[inline]
    pub fn at(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] as usize };
        &self.text[start..self.ends[row] as usize]
    }

    #[inline]
    pub fn find(&self, key: &[u8], hash: u64) -> Option<u32> {
        let same = |slot: &Slot| slot.tag == (hash >> 32) as u32 && same_bytes(self.at(slot.row as usize), key);
        self.index.find(hash, same).map(|slot| slot.row)
    }

    /// The row that a key of that hash has, if it has one; most likely of that key. [`REFUSED`] without one.
    #[inline]
    pub fn candidate(&self, hash: u64) -> u32 {
        self.index.find(hash, |slot| slot.tag == (hash >> 32) as u32).map_or(REFUSED, |slot| slot.row)
    }

    /// Brings the key of a row near, if there is one.
    #[inline]
    pub fn touch(&self, row: u32) -> u32 {
        let Some(&end) = self.ends.get(row as usize) else { return 0 };
        let start = (row as usize).checked_sub(1).map_or(0, |before| self.ends[before]);
        // The index of its last byte is one less than its end, if it isn't empty.
        [start, end.saturating_sub(1)]
            .iter()
            .fold(0, |sum, &at| sum ^ self.text.get(at as usize).map_or(0, |byte| u32::from(*byte)))
    }

    /// True if that is the key of a row.
    #[inline]
    pub fn is(&self, row: u32, key: &[u8]) -> bool {
        (row as usize) < self.ends.len() && same_bytes(self.at(row as usize), key)
    }

    pub fn insert(&mut self, key: &[u8], hash_of_key: u64) -> u32 {
        let row = self.ends.len() as u32;
        self.text.extend_from_slice(key);
        self.ends.push(self.text.len() as u32);
        let slot = Slot { tag: (hash_of_key >> 32) as u32, row };
        let (seed, text, ends) = (&self.seed, &self.text, &self.ends);
        let at = |row: usize| &text[if row == 0 { 0 } else { ends[row - 1] as usize }..ends[row] as usize];
        self.index.insert_unique(hash_of_key, slot, |slot| hash(seed, at(slot.row as usize)));
        row
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all keys.
    pub fn text_len(&self) -> usize {
        self.text.len()
    }

    pub fn clear(&mut self) {
        self.index.clear();
        self.text.clear();
        self.ends.clear();
    }

    pub fn bytes(&self) -> usize {
        self.index.allocation_size() + self.text.capacity() + self.ends.capacity() * 4
    }
}

/// A table of one dimension, keyed by bytes.
#[derive(Clone, Debug)]
pub struct Keyed {
    keys: Arena,
    rows: Rows,
    cap: usize,
    sent: usize,
}

impl Keyed {
    /// A table of at most `cap` rows.
    pub fn new(seed: Seed, cap: usize) -> Self {
        Self { keys: Arena::new(seed), rows: Rows::new(), cap, sent: 0 }
    }

    /// The row of a key, made if it is new; [`REFUSED`] if there is no room.
    #[inline]
    pub fn row(&mut self, key: &[u8]) -> u32 {
        if key.len() > KEY_MAX {
            return self.row_of_long(key);
        }
        let hash = hash(&self.keys.seed, key);
        match self.keys.find(key, hash) {
            Some(row) => row,
            None => self.insert(key, hash),
        }
    }

    #[cold]
    fn row_of_long(&mut self, key: &[u8]) -> u32 {
        let key = cut(key);
        let hash = hash(&self.keys.seed, &key);
        self.keys.find(&key, hash).unwrap_or_else(|| self.insert(&key, hash))
    }

    #[cold]
    fn insert(&mut self, key: &[u8], hash: u64) -> u32 {
        let arena_full = self.keys.text.len() + key.len() > self.cap.saturating_mul(KEY_BYTES).min(u32::MAX as usize);
        if self.keys.len() >= self.cap || arena_full {
            return REFUSED;
        }
        self.rows.rows.push(Row::default());
        self.keys.insert(key, hash)
    }

    /// Counts an entry.
    #[inline]
    pub fn record(&mut self, row: u32, entry: &Increment) {
        self.rows.record(row, entry);
    }

    /// Counts many entries at once.
    pub fn merge(&mut self, row: u32, counts: &Counts) {
        self.rows.merge(row, counts);
    }

    /// Key of a row.
    pub fn key(&self, row: u32) -> &[u8] {
        self.keys.at(row as usize)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// True before the first row.
    pub fn is_empty(&self) -> bool {
        self.keys.len() == 0
    }

    /// Moves what changed into `part`, which is empty.
    pub fn hand_over(&mut self, part: &mut TablePart) {
        for row in self.sent..self.keys.len() {
            part.keys.push(self.keys.at(row));
        }
        self.sent = self.keys.len();
        self.rows.hand_over(part);
    }

    /// The process's hash of a key, known to the table or not.
    pub fn hash(&self, key: &[u8]) -> u64 {
        hash(&self.keys.seed, key)
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.keys.bytes() + self.rows.bytes()
    }
}

/// A key above [`KEY_MAX`]: its first bytes, and a hash of the rest, marked as cut, so that different keys stay different.
/// The hash is the same in every worker and process.
pub(super) fn cut(key: &[u8]) -> Vec<u8> {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(&key[KEY_KEPT..]);
    let mut kept = key[..KEY_KEPT].to_vec();
    kept.extend_from_slice(format!("…#{:016x}", hasher.finish()).as_bytes());
    kept
}

/// A table keyed by a code; codes that occur lie in an array.
#[derive(Clone, Debug)]
pub struct Coded {
    keyed: Keyed,
    direct: Vec<u32>,
}

/// Codes from 0 that are looked up in an array: statuses, and characters.
const DIRECT: usize = 1024;

impl Coded {
    /// A table of at most `cap` rows.
    pub fn new(seed: Seed, cap: usize) -> Self {
        Self { keyed: Keyed::new(seed, cap), direct: vec![REFUSED; DIRECT] }
    }

    /// Counts an entry.
    #[inline]
    pub fn record(&mut self, code: i64, entry: &Increment) {
        let row = match usize::try_from(code).ok().and_then(|at| self.direct.get(at)) {
            Some(&row) if row != REFUSED => row,
            _ => self.row(code),
        };
        self.keyed.record(row, entry);
    }

    /// Counts many entries at once.
    pub fn merge(&mut self, code: i64, counts: &Counts) {
        let row = self.row(code);
        self.keyed.merge(row, counts);
    }

    #[cold]
    fn row(&mut self, code: i64) -> u32 {
        let row = self.keyed.row(&code.to_le_bytes());
        if let Some(slot) = usize::try_from(code).ok().and_then(|at| self.direct.get_mut(at)) {
            *slot = row;
        }
        row
    }

    /// Moves what changed into `part`, which is empty.
    pub fn hand_over(&mut self, part: &mut TablePart) {
        self.keyed.hand_over(part);
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.keyed.bytes() + DIRECT * 4
    }
}

/// A bounded memory of what raw texts mean: a URL's authority is a host and a site, a header is a content type. A full one forgets all.
#[derive(Clone, Debug)]
pub struct Aliases<V> {
    /// Those of late, found without a hash of the whole text.
    recent: Recent<V>,
    keys: Arena,
    values: Vec<V>,
    cap: usize,
}

impl<V: Copy> Aliases<V> {
    /// A memory of at most `cap` texts.
    pub fn new(seed: Seed, cap: usize) -> Self {
        Self { recent: Recent::default(), keys: Arena::new(seed), values: Vec::new(), cap }
    }

    /// What `raw` means, worked out by `mean` if it isn't known.
    #[inline]
    pub fn get(&mut self, raw: &[u8], mean: impl FnOnce() -> V) -> V {
        self.recent.find(raw).unwrap_or_else(|vacant| {
            let value = self.look_up(raw, mean);
            self.recent.keep(vacant, raw, value);
            value
        })
    }

    /// What a text means that wasn't there lately.
    fn look_up(&mut self, raw: &[u8], mean: impl FnOnce() -> V) -> V {
        let hash = hash(&self.keys.seed, raw);
        if let Some(row) = self.keys.find(raw, hash) {
            return self.values[row as usize];
        }
        let value = mean();
        if raw.len() > KEY_MAX {
            return value;
        }
        if self.values.len() >= self.cap || self.keys.text.len() + raw.len() > self.cap.saturating_mul(KEY_BYTES) {
            self.clear();
        }
        self.keys.insert(raw, hash);
        self.values.push(value);
        value
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.recent.clear();
        self.keys.clear();
        self.values.clear();
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.recent.bytes() + self.keys.bytes() + self.values.capacity() * size_of::<V>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry() -> Increment {
        Increment { band: super::super::Band::Miss, bytes: 10, origin_bytes: 0, timed: 1, time_ms: 2 }
    }

    proptest! {
        #[test]
        fn keys_are_equal_as_slices_are(a in prop::collection::vec(0..3_u8, 0..40), b in prop::collection::vec(0..3_u8, 0..40)) {
            prop_assert_eq!(same_bytes(&a, &b), a == b);
            prop_assert!(same_bytes(&a, &a.clone()));
            for at in 0..a.len() {
                let mut other = a.clone();
                other[at] ^= 1;
                prop_assert!(!same_bytes(&a, &other));
            }
        }
    }

    #[test]
    fn a_full_table_refuses_new_keys_and_still_adds_up() {
        let mut table = Keyed::new(Seed::default(), 2);
        for key in [&b"a"[..], b"b", b"c", b"a", b"d"] {
            let row = table.row(key);
            table.record(row, &entry());
        }
        let mut part = TablePart::default();
        table.hand_over(&mut part);
        assert_eq!(part.keys.iter().collect::<Vec<_>>(), [b"a", b"b"]);
        let counts: Vec<_> = part.rows.iter().map(|(row, counts)| (*row, counts.all_requests())).collect();
        assert_eq!((counts, part.refused.all_requests()), (vec![(0, 2), (1, 1)], 2));
    }

    #[test]
    fn a_part_has_what_is_new_and_what_changed() {
        let mut table = Keyed::new(Seed::default(), 10);
        let mut part = TablePart::default();
        for key in [b"a", b"b"] {
            let row = table.row(key);
            table.record(row, &entry());
        }
        table.hand_over(&mut part);
        let mut part = TablePart::default();
        let row = table.row(b"b");
        table.record(row, &entry());
        table.hand_over(&mut part);
        assert_eq!((part.keys.iter().count(), part.rows.len(), part.rows[0].0), (0, 1, 1));
        assert_eq!(part.rows[0].1.all_bytes(), 10, "counts begin anew");
    }

    #[test]
    fn long_keys_are_cut_and_stay_different() {
        let mut table = Keyed::new(Seed::default(), 1000);
        let (a, mut b) = (vec![b'x'; 3000], vec![b'x'; 3000]);
        b[2999] = b'y';
        let (row_a, row_b) = (table.row(&a), table.row(&b));
        assert_ne!(row_a, row_b);
        assert_eq!(table.row(&a), row_a);
        assert!(table.key(row_a).len() <= KEY_MAX && table.key(row_a).starts_with(&a[..KEY_KEPT]));
        assert_eq!(table.key(table.keys.len() as u32 - 1).len(), KEY_KEPT + 20);
    }

    #[test]
    fn what_texts_mean_is_remembered_and_forgotten_when_full() {
        let mut aliases = Aliases::new(Seed::default(), 2);
        for (raw, expected) in [("a", 1), ("b", 2), ("a", 1), ("c", 3), ("a", 9)] {
            assert_eq!(aliases.get(raw.as_bytes(), || expected), expected, "{raw}");
        }
    }
}
