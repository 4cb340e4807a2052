//! A worker's cells since its last full part: what each key had, by slot, outcome and time.
//!
//! One table for all dimensions, keyed by numbers alone. Result, status, method, type and route go by combination
//! ([`combined`](super::super::combined)), and are told apart when a part is handed over.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashTable};

use super::coarse::{self, UNTIMED};
use super::outcome::Outcome;
use crate::tally::Dimension;
use crate::tally::batch::Pending;
use crate::tally::combined::{Combination, Combined};
use crate::tally::table::{REFUSED, Seed};

/// Dimensions of which each entry has a row at the worker.
const KEYED: [Dimension; 2] = [Dimension::Site, Dimension::Server];

/// In place of a dimension: the row is the number of a combination.
const COMBINATION: u64 = (1 << DIMENSION_BITS) - 1;

const DIMENSION_BITS: u32 = 5;
const SLOT_BITS: u32 = 10;
const ROW_BITS: u32 = 24;
/// A [`what`] has the outcome, one bit for a status of 5xx, and the time's cell.
pub const WHAT_BITS: u32 = 4 + 1 + coarse::BITS;

const _: () =
    assert!(Dimension::COUNT < COMBINATION as usize && DIMENSION_BITS + SLOT_BITS + ROW_BITS + WHAT_BITS < 64);

/// Where an entry is counted: dimension, slot of the part, the worker's row (or a code), and what became of it; ordered so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(u64);

impl Place {
    #[inline]
    fn new(dimension: u64, slot: u32, row: u32, what: u16) -> Self {
        let word = dimension << SLOT_BITS | u64::from(slot);
        Self((word << ROW_BITS | u64::from(row)) << WHAT_BITS | u64::from(what))
    }

    /// Number of the dimension.
    pub fn dimension(self) -> usize {
        (self.0 >> (WHAT_BITS + ROW_BITS + SLOT_BITS)) as usize
    }

    /// Number of the slot in its part.
    pub fn slot(self) -> u32 {
        (self.0 >> (WHAT_BITS + ROW_BITS)) as u32 & ((1 << SLOT_BITS) - 1)
    }

    /// The worker's row; of results, statuses and routes the code.
    pub fn row(self) -> u32 {
        (self.0 >> WHAT_BITS) as u32 & ((1 << ROW_BITS) - 1)
    }

    /// What became of the entry, and how long it took: see [`what`].
    pub fn what(self) -> u16 {
        self.0 as u16 & ((1 << WHAT_BITS) - 1)
    }
}

/// Outcome, status 5xx or not, and time in one number.
#[inline]
pub fn what(outcome: Outcome, is_5xx: bool, cell: u16) -> u16 {
    (outcome as u16) << (1 + coarse::BITS) | u16::from(is_5xx) << coarse::BITS | cell
}

/// What is counted in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Where.
    pub place: Place,
    /// Requests.
    pub requests: u64,
    /// Bytes sent to clients.
    pub bytes: u64,
}

/// All cells of a worker.
#[derive(Clone, Debug)]
pub struct Cells {
    table: HashTable<Cell>,
    cap: usize,
    seed: Seed,
    /// By number of the combination, its outcome without a time.
    kinds: Vec<u16>,
    /// Requests, counted once for each of their keys, that are in no cell for want of room.
    lost: u64,
}

impl Cells {
    /// Room for `cap` cells; 0: nothing is counted.
    pub fn new(cap: usize, seed: &Seed) -> Self {
        Self { table: HashTable::new(), cap, seed: seed.clone(), kinds: Vec::new(), lost: 0 }
    }

    /// Counts nothing from now on.
    pub fn stop(&mut self) {
        *self = Self::new(0, &self.seed);
    }

    /// Counts the transactions of a batch; `combined` knows their combinations.
    pub fn record(&mut self, batch: &[Pending], combined: &Combined) {
        if self.cap == 0 {
            return;
        }
        for Pending { increment, rows, combination, .. } in batch {
            // Of those that play with methods and types.
            let Some(number) = *combination else {
                self.lost += 1;
                continue;
            };
            let kind = match self.kinds.get(number as usize) {
                Some(kind) => *kind,
                None => self.learn(number, combined),
            };
            let what = kind | if increment.timed > 0 { coarse::cell(increment.time_ms) } else { UNTIMED };
            self.add(COMBINATION, rows.slot, number, what, increment.bytes);
            self.add(Dimension::Node as u64, rows.slot, rows.node, what, increment.bytes);
            for dimension in KEYED {
                self.add(dimension as u64, rows.slot, rows.keyed[dimension as usize], what, increment.bytes);
            }
        }
        if self.table.len() > self.cap {
            self.cut();
        }
    }

    #[cold]
    fn learn(&mut self, number: u32, combined: &Combined) -> u16 {
        for number in self.kinds.len() as u32..=number {
            let Combination { result, status, route, .. } = combined.combination(number);
            let is_5xx = status.is_some_and(|status| (500..600).contains(&status));
            self.kinds.push(what(Outcome::of(result, route), is_5xx, 0));
        }
        self.kinds[number as usize]
    }

    #[inline]
    fn add(&mut self, dimension: u64, slot: u32, row: u32, what: u16, bytes: u64) {
        if row == REFUSED {
            return;
        }
        let place = Place::new(dimension, slot, row, what);
        let hash = hash(place);
        match self.table.find_mut(hash, |cell| cell.place == place) {
            Some(cell) => {
                cell.requests += 1;
                cell.bytes = cell.bytes.saturating_add(bytes);
            }
            None => drop(self.table.insert_unique(hash, Cell { place, requests: 1, bytes }, hash_of)),
        }
    }

    /// Makes room: the rows with the fewest requests lose their cells, so that at most half of all stay.
    #[cold]
    fn cut(&mut self) {
        let of = |cell: &Cell| (cell.place.dimension(), cell.place.row());
        let mut rows: HashMap<(usize, u32), (u64, usize), FixedState> = HashMap::default();
        for cell in &self.table {
            let (requests, cells) = rows.entry(of(cell)).or_default();
            *requests += cell.requests;
            *cells += 1;
        }
        let mut order: Vec<_> = rows.iter().map(|(row, (requests, cells))| (*requests, *row, *cells)).collect();
        order.sort_unstable_by(|a, b| b.cmp(a));
        let mut left = self.cap / 2;
        for (_, row, cells) in order {
            match left.checked_sub(cells) {
                Some(rest) => left = rest,
                None => {
                    left = 0;
                    rows.remove(&row);
                }
            }
        }
        let lost = &mut self.lost;
        self.table.retain(|cell| {
            let stays = rows.contains_key(&of(cell));
            *lost += if stays { 0 } else { cell.requests };
            stays
        });
    }

    /// Rows of a dimension have new numbers: those of `map`, [`REFUSED`] where one is gone.
    pub fn renumber(&mut self, dimension: Dimension, map: &[u32]) {
        if !KEYED.contains(&dimension) {
            return;
        }
        let mut moved = Vec::new();
        self.table.retain(|cell| {
            let is_of = cell.place.dimension() == dimension as usize;
            if is_of {
                moved.push(*cell);
            }
            !is_of
        });
        for cell in moved {
            match map.get(cell.place.row() as usize) {
                Some(&row) if row != REFUSED => {
                    let place = Place::new(dimension as u64, cell.place.slot(), row, cell.place.what());
                    self.table.insert_unique(hash(place), Cell { place, ..cell }, hash_of);
                }
                _ => self.lost += cell.requests,
            }
        }
    }

    /// Moves what was counted into `cells`, which is empty: each place once, ascending. Gives how many requests are in none for want of room.
    pub fn hand_over(&mut self, combined: &Combined, cells: &mut Vec<Cell>) -> u64 {
        for cell in self.table.drain() {
            let place = cell.place;
            if place.dimension() as u64 != COMBINATION {
                cells.push(cell);
                continue;
            }
            let Combination { result, status, route, method, content_type } = combined.combination(place.row());
            let code = |code: Option<i64>| code.and_then(|code| u32::try_from(code).ok());
            let rows = [
                (Dimension::Result, code(result)),
                (Dimension::Status, code(status)),
                (Dimension::Route, code(route)),
                (Dimension::Method, method.filter(|row| *row != REFUSED)),
                (Dimension::Type, content_type.filter(|row| *row != REFUSED)),
            ];
            for (dimension, row) in rows {
                if let Some(row) = row {
                    cells.push(Cell { place: Place::new(dimension as u64, place.slot(), row, place.what()), ..cell });
                }
            }
        }
        cells.sort_unstable_by_key(|cell| cell.place);
        cells.dedup_by(|cell, sum| {
            let same = cell.place == sum.place;
            if same {
                sum.requests += cell.requests;
                sum.bytes = sum.bytes.saturating_add(cell.bytes);
            }
            same
        });
        std::mem::take(&mut self.lost)
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.table.allocation_size() + self.kinds.capacity() * 2
    }
}

// Numbers of ours, of which strangers choose few bits, and a table that is cut at its cap: no seed is needed.
#[inline]
fn hash(place: Place) -> u64 {
    let mut hasher = FixedState::with_seed(0).build_hasher();
    hasher.write_u64(place.0);
    hasher.finish()
}

#[inline]
fn hash_of(cell: &Cell) -> u64 {
    hash(cell.place)
}
