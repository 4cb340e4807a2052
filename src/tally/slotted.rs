//! A worker's tables of large dimensions: key to dense row, and for each row what it had in each slot of entry time since the last part.
//!
//! Rows stay when they are handed over, so that a known key costs no allocation and its name is sent once. A row's counts in a slot are a
//! *delta*. Each row has a few lanes, and slots take them in turn: Traffic Server's buffers hold about five seconds, so that the three or
//! four slots of two seconds that are written to at once have lanes of their own, and their deltas are found without a look-up.
//!
//! A full table keeps the heaviest half of its deltas and the rows of these; what is dropped stays in its slot's total, and bounds what any
//! key without a row there can have had (guide/windows.md 2).

use std::hint::black_box;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::Counts;
use super::caps::{KEY_BYTES, KEY_MAX};
use super::counts::Increment;
use super::delta::{Deltas, Knife, make_room};
use super::part::LargePart;
use super::table::{Arena, REFUSED, Seed, cut, hash};

/// Lanes of a row; a slot's is its number in the part by this.
const LANES: usize = 8;

/// Deltas that stay near the processor anyway: 128 KiB.
const NEAR: usize = 2048;

/// Deltas of all rows.
#[derive(Clone, Debug)]
struct Rows {
    /// By row, then lane: one more than the number of the delta that it had there last, or 0. They lie in one half of a cache line.
    lanes: Vec<[u32; LANES]>,
    /// Deltas that lost their lane to a later slot's: by row and slot, their numbers.
    displaced: HashMap<(u32, u32), u32, FixedState>,
    deltas: Deltas,
}

impl Rows {
    fn new(cap: usize) -> Self {
        Self { lanes: Vec::new(), displaced: HashMap::default(), deltas: Deltas::new(cap) }
    }

    /// The number of the delta of a row in a slot of the part; `None` without a row.
    #[inline]
    fn delta(&mut self, row: u32, slot: u32) -> Option<u32> {
        ((row as usize) < self.lanes.len()).then(|| self.number(row, slot))
    }

    /// One more than the number of the delta in the row's lane; 0 without one.
    #[inline]
    fn lane(&self, row: u32, slot: u32) -> u32 {
        self.lanes.get(row as usize).map_or(0, |lanes| lanes[slot as usize % LANES])
    }

    /// Counts entries, each in a row and a slot; those without a row are left out. `numbers` is room.
    #[inline]
    fn record<'a>(&mut self, entries: impl Iterator<Item = (u32, u32, &'a Increment)> + Clone, numbers: &mut Vec<u32>) {
        if self.deltas.list.len() < NEAR {
            for (row, slot, entry) in entries {
                if let Some(number) = self.delta(row, slot) {
                    self.deltas.record(number, entry);
                }
            }
            return;
        }
        // In passes: what one loads doesn't wait for what another entry loads.
        numbers.clear();
        numbers.extend(entries.clone().map(|(row, slot, _)| self.lane(row, slot)));
        let mut touched = 0;
        for ((row, slot, _), number) in entries.clone().zip(&mut *numbers) {
            match self.deltas.list.get(number.wrapping_sub(1) as usize) {
                Some(delta) if delta.slot == slot => touched ^= delta.touch(),
                // The lane may have been given to this slot by an entry before.
                _ if (row as usize) < self.lanes.len() => *number = self.number(row, slot) + 1,
                _ => {}
            }
        }
        black_box(touched);
        for ((.., entry), number) in entries.zip(&*numbers) {
            self.deltas.record(number.wrapping_sub(1), entry);
        }
    }

    /// The number of the delta of a row that is there, made if there is none.
    #[inline]
    fn number(&mut self, row: u32, slot: u32) -> u32 {
        let number = self.lanes[row as usize][slot as usize % LANES];
        let is_here = self.deltas.list.get(number.wrapping_sub(1) as usize).is_some_and(|delta| delta.slot == slot);
        if is_here { number - 1 } else { self.turn(row, slot) }
    }

    /// Gives a row's lane to another slot, whose delta is made if there is none; gives its number.
    #[inline(never)]
    fn turn(&mut self, row: u32, slot: u32) -> u32 {
        let before = self.lanes[row as usize][slot as usize % LANES];
        // Without a delta before it in the lane, none of this slot can have been displaced.
        let mut known = None;
        if before > 0 {
            known = self.displaced.remove(&(row, slot));
            self.displaced.insert((row, self.deltas.list[before as usize - 1].slot), before - 1);
        }
        let at = known.unwrap_or_else(|| self.deltas.push(row, 0, slot));
        self.lanes[row as usize][slot as usize % LANES] = at + 1;
        at
    }

    fn new_row(&mut self) {
        make_room(&mut self.lanes, self.deltas.cap);
        self.lanes.push([0; LANES]);
    }

    /// New numbers for the rows that have deltas, in their order; [`REFUSED`] for the others.
    fn renumber(&mut self) -> Vec<u32> {
        let mut map = vec![REFUSED; self.lanes.len()];
        self.deltas.list.iter().for_each(|delta| map[delta.row as usize] = 0);
        let mut next = 0;
        for new in map.iter_mut().filter(|new| **new == 0) {
            *new = next;
            next += 1;
        }
        self.lanes.clear();
        self.lanes.resize(next as usize, [0; LANES]);
        self.displaced.clear();
        for (delta, number) in self.deltas.list.iter_mut().zip(0..) {
            delta.row = map[delta.row as usize];
            let lane = &mut self.lanes[delta.row as usize][delta.slot as usize % LANES];
            if *lane == 0 {
                *lane = number + 1;
            } else {
                self.displaced.insert((delta.row, delta.slot), number);
            }
        }
        map
    }

    fn hand_over(&mut self, part: &mut LargePart) {
        for delta in &self.deltas.list {
            self.lanes[delta.row as usize] = [0; LANES];
        }
        self.deltas.hand_over(part);
        self.displaced.clear();
    }

    fn bytes(&self) -> usize {
        self.lanes.capacity() * size_of::<[u32; LANES]>() + self.displaced.allocation_size() + self.deltas.bytes()
    }
}

/// A table of one large dimension, keyed by bytes.
#[derive(Clone, Debug)]
pub struct Slotted {
    keys: Arena,
    rows: Rows,
    cap: usize,
    /// Keys that were sent.
    sent: usize,
    /// Rows have new numbers since the last part.
    restarts: bool,
    seed: Seed,
}

impl Slotted {
    /// A table that is full with `cap` rows.
    pub fn new(seed: Seed, cap: usize) -> Self {
        Self { keys: Arena::new(seed.clone()), rows: Rows::new(cap), cap, sent: 0, restarts: false, seed }
    }

    /// The row of a key, made if it is new.
    #[inline]
    pub fn row(&mut self, key: &[u8]) -> u32 {
        if key.len() > KEY_MAX {
            return self.row_of_long(key);
        }
        self.row_of(key, hash(&self.seed, key))
    }

    #[inline]
    fn row_of(&mut self, key: &[u8], hash: u64) -> u32 {
        match self.keys.find(key, hash) {
            Some(row) => row,
            None => self.insert(key, hash),
        }
    }

    #[cold]
    fn row_of_long(&mut self, key: &[u8]) -> u32 {
        let key = cut(key);
        let hash = hash(&self.seed, &key);
        self.keys.find(&key, hash).unwrap_or_else(|| self.insert(&key, hash))
    }

    #[cold]
    fn insert(&mut self, key: &[u8], hash: u64) -> u32 {
        self.rows.new_row();
        self.keys.insert(key, hash)
    }

    /// The rows of many keys, in their order, made if they are new: of their `hashes`, and of the keys with these.
    #[inline]
    pub fn rows<'a>(
        &mut self,
        hashes: impl Iterator<Item = u64>,
        keys: impl Iterator<Item = (&'a [u8], u64)>,
        rows: &mut Vec<u32>,
    ) {
        rows.clear();
        rows.extend(hashes.map(|hash| self.keys.candidate(hash)));
        // Brought near in a pass of its own: what one key loads doesn't wait for what is done with another.
        let mut touched = 0;
        for &row in &*rows {
            touched ^= self.keys.touch(row) ^ self.rows.lane(row, 0);
        }
        black_box(touched);
        for ((key, hash), row) in keys.zip(rows) {
            if !self.keys.is(*row, key) {
                *row = self.row_of(key, hash);
            }
        }
    }

    /// Counts entries, each in a row and in a slot that has that number in the part. `numbers` is room.
    #[inline]
    pub fn record<'a>(
        &mut self,
        entries: impl Iterator<Item = (u32, u32, &'a Increment)> + Clone,
        numbers: &mut Vec<u32>,
    ) {
        self.rows.record(entries, numbers);
    }

    /// Counts many entries at once.
    pub fn merge(&mut self, row: u32, slot: u32, counts: &Counts) {
        match self.rows.delta(row, slot) {
            Some(number) => self.rows.deltas.merge(number, counts),
            None => self.rows.deltas.lose(slot, counts),
        }
    }

    /// True if it has to be cut before more keys come: it takes some more, but not many.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.keys.len() >= self.cap
            || self.rows.deltas.is_full()
            || self.keys.text_len() >= self.cap.saturating_mul(KEY_BYTES)
    }

    /// How many deltas may come before a cut; one that is nearly full takes a quarter more.
    pub fn room(&self) -> usize {
        self.rows.deltas.room()
    }

    /// Drops rows without counts, and the lighter half of the others if they are many. Gives the new numbers of all rows, [`REFUSED`] where one is gone.
    pub fn cut(&mut self, knife: &mut Knife) -> Vec<u32> {
        let mut keep = self.rows.deltas.enough();
        loop {
            self.rows.deltas.cut(keep, knife, |_| true);
            let bytes: usize = self.rows.deltas.list.iter().map(|delta| self.keys.at(delta.row as usize).len()).sum();
            if keep == 0 || bytes <= self.cap.saturating_mul(KEY_BYTES) / 4 * 3 {
                break;
            }
            keep /= 2;
        }
        let map = self.rows.renumber();
        let mut keys = self.keys.emptied();
        for row in (0..map.len()).filter(|row| map[*row] != REFUSED) {
            let key = self.keys.at(row);
            keys.insert(key, hash(&self.seed, key));
        }
        self.keys = keys;
        (self.sent, self.restarts) = (0, true);
        map
    }

    /// Moves what is new and what was counted into `part`, which is empty.
    pub fn hand_over(&mut self, part: &mut LargePart) {
        part.restarts = std::mem::take(&mut self.restarts);
        for row in self.sent..self.keys.len() {
            part.keys.push(self.keys.at(row));
        }
        self.sent = self.keys.len();
        self.rows.hand_over(part);
    }

    /// All rows are below this.
    pub fn end(&self) -> usize {
        self.keys.len()
    }

    /// The key of a row; empty if there is none.
    pub fn key(&self, row: u32) -> &[u8] {
        if (row as usize) < self.keys.len() { self.keys.at(row as usize) } else { &[] }
    }

    /// The process's hash of a key, known to the table or not.
    pub fn hash(&self, key: &[u8]) -> u64 {
        hash(&self.seed, key)
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.keys.bytes() + self.rows.bytes()
    }
}

#[cfg(test)]
mod tests;
