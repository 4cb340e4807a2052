//! A worker's tables of large dimensions: the rows of a transaction in each, and how they share slots and room.

use super::Dimension;
use super::caps::Caps;
use super::counts::{Counts, Increment};
use super::dimension::Kind;
use super::part::Part;
use super::slot_numbers::SlotNumbers;
use super::slotted::{Knife, Paired, Slotted};
use super::table::{REFUSED, Seed};
use super::windowed::{Scales, Slot};

/// Dimensions that have keys of their own: the first of [`Dimension::LARGE`].
pub const KEYED: usize = 8;

/// Their pairs.
const PAIRED: usize = Dimension::LARGE.len() - KEYED;

/// Tables that `--statistics base` keeps: clients, sites and hosts, and the first pair.
const BASE: (usize, usize) = (3, 1);

/// Numbers of pairs: which tables' rows, or which other numbers.
const CLIENT_SITE: usize = 0;
const SITE_STATUS: usize = 1;

/// A transaction's rows; [`REFUSED`] where it lacks the field.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// By table of a dimension with keys; that of formats stays empty here, see [`LargeTables::merge`].
    pub keyed: [u32; KEYED],
    /// Row of the node in its own table.
    pub node: u32,
    /// The status.
    pub status: u32,
    /// Number of the slot that they are counted in.
    pub slot: u32,
}

impl Rows {
    /// No rows yet.
    pub const NONE: Self = Self { keyed: [REFUSED; KEYED], node: REFUSED, status: REFUSED, slot: 0 };

    fn pair(&self, pair: usize) -> [u32; 2] {
        let [client, site] = [self.keyed[Dimension::Client as usize], self.keyed[Dimension::Site as usize]];
        match pair {
            CLIENT_SITE => [client, site],
            SITE_STATUS => [site, self.status],
            _ => [self.node, self.status],
        }
    }
}

/// The longest text that is remembered.
const LAST_MAX: usize = 512;

/// A text that the entry before had, and its row.
#[derive(Clone, Debug, Default)]
pub struct LastText {
    text: Vec<u8>,
    row: Option<u32>,
}

impl LastText {
    /// The row of a text, looked for if it is another.
    #[inline]
    pub fn row(&mut self, text: &[u8], find: impl FnOnce() -> u32) -> u32 {
        match self.row {
            Some(row) if self.text == text => row,
            _ => {
                let row = find();
                if text.len() <= LAST_MAX {
                    self.text.clear();
                    self.text.extend_from_slice(text);
                    self.row = Some(row);
                }
                row
            }
        }
    }
}

/// All large tables of a worker.
#[derive(Debug)]
pub struct LargeTables {
    keyed: [Slotted; KEYED],
    paired: [Paired; PAIRED],
    /// How many of each are in use.
    used: (usize, usize),
    slots: SlotNumbers,
    knife: Knife,
    pair_rows: Vec<u32>,
}

impl LargeTables {
    /// Empty tables. `seed` is the process's.
    pub fn new(caps: &Caps, seed: &Seed) -> Self {
        let cap = |number: usize| caps.worker_rows[Dimension::LARGE[number] as usize];
        Self {
            keyed: std::array::from_fn(|number| Slotted::new(seed.clone(), cap(number))),
            paired: std::array::from_fn(|number| Paired::new(seed.clone(), cap(KEYED + number))),
            used: (KEYED, PAIRED),
            slots: SlotNumbers::default(),
            knife: Knife::default(),
            pair_rows: Vec::new(),
        }
    }

    /// Keeps only what `--statistics base` has.
    pub fn keep_base(&mut self) {
        self.used = BASE;
    }

    /// True if the table of that dimension is in use.
    #[inline]
    pub fn has(&self, dimension: Dimension) -> bool {
        (dimension as usize) < self.used.0
    }

    /// The row of a key in a dimension that has keys.
    #[inline]
    pub fn row(&mut self, dimension: Dimension, key: &[u8]) -> u32 {
        self.keyed[dimension as usize].row(key)
    }

    /// The process's hash of a key.
    pub fn hash(&self, key: &[u8]) -> u64 {
        self.keyed[0].hash(key)
    }

    /// The number of the slot that was gone to last.
    #[inline]
    pub fn slot(&self) -> u32 {
        self.slots.current()
    }

    /// Goes to a slot.
    pub fn enter(&mut self, slot: Slot) {
        self.slots.enter(slot);
    }

    /// Counts transactions, table by table, so that the cache misses of many overlap.
    pub fn record<'a>(&mut self, batch: impl Iterator<Item = (&'a Rows, &'a Increment)> + Clone) {
        for (pair, table) in self.paired[..self.used.1].iter_mut().enumerate() {
            self.pair_rows.clear();
            for (rows, _) in batch.clone() {
                let pair = rows.pair(pair);
                self.pair_rows.push(if pair.contains(&REFUSED) { REFUSED } else { table.row(pair) });
            }
            for ((rows, increment), &row) in batch.clone().zip(&self.pair_rows) {
                table.record(row, rows.slot, increment);
            }
        }
        for (number, table) in self.keyed[..self.used.0].iter_mut().enumerate() {
            for (rows, increment) in batch.clone() {
                let row = rows.keyed[number];
                if row != REFUSED {
                    table.record(row, rows.slot, increment);
                }
            }
        }
    }

    /// Counts many entries of the slot that was gone to last at once.
    pub fn merge(&mut self, dimension: Dimension, key: &[u8], counts: &Counts) {
        if self.has(dimension) {
            let row = self.row(dimension, key);
            self.keyed[dimension as usize].merge(row, self.slots.current(), counts);
        }
    }

    /// True if there has to be a [`LargeTables::cut`] before more keys come; some more still have room.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.keyed.iter().any(Slotted::is_full) || self.paired.iter().any(Paired::is_full)
    }

    /// Makes room: all rows get new numbers, so that none may be at hand. `total` says what makes a row heavy.
    #[cold]
    pub fn cut(&mut self, total: &Counts) {
        self.knife.scales = Scales::of(total);
        let knife = &mut self.knife;
        // Only those that are full: the others, and the rows that are known of them, stay as they are.
        let maps: Vec<Option<Vec<u32>>> =
            self.keyed.iter_mut().map(|table| table.is_full().then(|| table.cut(knife))).collect();
        let map = |dimension: Dimension| maps.get(dimension as usize).and_then(Option::as_deref);
        for (number, table) in self.paired.iter_mut().enumerate() {
            let Kind::Pair([first, second]) = Dimension::LARGE[KEYED + number].kind() else { continue };
            let maps = [map(first), map(second)];
            if table.is_full() || maps.iter().any(Option::is_some) {
                table.cut(maps, knife);
            }
        }
    }

    /// Moves what is new and what was counted into `part`, which is empty.
    pub fn hand_over(&mut self, part: &mut Part) {
        part.crowded = self.slots.hand_over(&mut part.large_slots);
        for (number, dimension) in Dimension::LARGE.into_iter().enumerate() {
            let large = &mut part.large[dimension as usize];
            match number.checked_sub(KEYED) {
                None => self.keyed[number].hand_over(large),
                Some(pair) => self.paired[pair].hand_over(large),
            }
        }
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.keyed.iter().map(Slotted::bytes).sum::<usize>() + self.paired.iter().map(Paired::bytes).sum::<usize>()
    }
}

const _: () = {
    // The tables lie by the numbers of their dimensions.
    let mut number = 0;
    while number < Dimension::LARGE.len() {
        assert!(Dimension::LARGE[number] as usize == number);
        number += 1;
    }
    assert!(Dimension::LARGE[KEYED + SITE_STATUS] as usize == Dimension::SiteStatus as usize);
};
