//! A worker's cells since its last full part: what each key had, by slot, outcome and time.
//!
//! One table for all dimensions, keyed by numbers alone. Result, status, method, type and route go by combination
//! ([`combined`](super::super::combined)), and are told apart when a part is handed over.

use std::hash::{BuildHasher, Hasher};
use std::hint::black_box;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::coarse::{self, UNTIMED};
use super::outcome::Outcome;
use crate::tally::Dimension;
use crate::tally::batch::Pending;
use crate::tally::combined::{Combination, Combined};
use crate::tally::index::Index;
use crate::tally::table::REFUSED;

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

/// One entry in one place.
#[derive(Clone, Copy, Debug)]
struct Staged {
    place: Place,
    tag: u32,
    /// Of the cell that it most likely has.
    number: u32,
    bytes: u64,
}

/// All cells of a worker.
#[derive(Clone, Debug, Default)]
pub struct Cells {
    index: Index,
    list: Vec<Cell>,
    cap: usize,
    /// Of the batch at hand.
    staged: Vec<Staged>,
    /// By number of the combination, its outcome without a time.
    kinds: Vec<u16>,
    /// Requests, counted once for each of their keys, that are in no cell for want of room.
    lost: u64,
}

impl Cells {
    /// Room for `cap` cells; 0: nothing is counted.
    pub fn new(cap: usize) -> Self {
        Self { cap, ..Self::default() }
    }

    /// Counts nothing from now on.
    pub fn stop(&mut self) {
        *self = Self::new(0);
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
            self.stage(COMBINATION, rows.slot, number, what, increment.bytes);
            self.stage(Dimension::Node as u64, rows.slot, rows.node, what, increment.bytes);
            for dimension in KEYED {
                self.stage(dimension as u64, rows.slot, rows.keyed[dimension as usize], what, increment.bytes);
            }
        }
        self.add_staged();
        if self.list.len() > self.cap {
            self.cut();
        }
    }

    /// Combinations have new numbers.
    pub fn forget_combinations(&mut self) {
        self.kinds.clear();
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
    fn stage(&mut self, dimension: u64, slot: u32, row: u32, what: u16, bytes: u64) {
        if row != REFUSED {
            let place = Place::new(dimension, slot, row, what);
            self.staged.push(Staged { place, tag: tag(place), number: 0, bytes });
        }
    }

    /// Counts what is staged, in passes: what one loads doesn't wait for what another loads.
    fn add_staged(&mut self) {
        let Self { index, list, staged, .. } = self;
        let mut touched = 0;
        for one in &*staged {
            touched ^= index.touch(one.tag);
        }
        black_box(touched);
        for one in &mut *staged {
            one.number = index.candidate(one.tag);
        }
        let mut touched = 0;
        for one in &*staged {
            touched ^= list.get(one.number as usize).map_or(0, |cell| cell.requests);
        }
        black_box(touched);
        for &Staged { place, tag, number, bytes } in &*staged {
            let number = match list.get(number as usize) {
                Some(cell) if cell.place == place => number,
                _ => index.find(tag, |number| list[number as usize].place == place).unwrap_or_else(|| {
                    let number = list.len() as u32;
                    index.insert(tag, number);
                    list.push(Cell { place, requests: 0, bytes: 0 });
                    number
                }),
            };
            let cell = &mut list[number as usize];
            cell.requests += 1;
            cell.bytes = cell.bytes.saturating_add(bytes);
        }
        staged.clear();
    }

    /// Cells have new numbers.
    fn number_again(&mut self) {
        self.index.clear();
        for (cell, number) in self.list.iter().zip(0..) {
            self.index.insert(tag(cell.place), number);
        }
    }

    /// Makes room: the rows with the fewest requests lose their cells, so that at most half of all stay.
    #[cold]
    fn cut(&mut self) {
        let of = |cell: &Cell| (cell.place.dimension(), cell.place.row());
        let mut rows: HashMap<(usize, u32), (u64, usize), FixedState> = HashMap::default();
        for cell in &self.list {
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
        self.list.retain(|cell| {
            let stays = rows.contains_key(&of(cell));
            *lost += if stays { 0 } else { cell.requests };
            stays
        });
        self.number_again();
    }

    /// Rows of a dimension have new numbers: those of `map`, [`REFUSED`] where one is gone.
    pub fn renumber(&mut self, dimension: Dimension, map: &[u32]) {
        if !KEYED.contains(&dimension) {
            return;
        }
        let lost = &mut self.lost;
        self.list.retain_mut(|cell| {
            let place = cell.place;
            if place.dimension() != dimension as usize {
                return true;
            }
            let row = map.get(place.row() as usize).copied().unwrap_or(REFUSED);
            if row == REFUSED {
                *lost += cell.requests;
                return false;
            }
            cell.place = Place::new(dimension as u64, place.slot(), row, place.what());
            true
        });
        self.number_again();
    }

    /// Moves what was counted into `cells`, which is empty: each place once, ascending. Gives how many requests are in none for want of room.
    pub fn hand_over(&mut self, combined: &Combined, cells: &mut Vec<Cell>) -> u64 {
        for cell in self.list.drain(..) {
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
        self.index.clear();
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
        self.index.bytes()
            + self.list.capacity() * size_of::<Cell>()
            + self.staged.capacity() * size_of::<Staged>()
            + self.kinds.capacity() * 2
    }
}

// Numbers of ours, of which strangers choose few bits, and a table that is cut at its cap: no seed is needed.
#[inline]
fn tag(place: Place) -> u32 {
    let mut hasher = FixedState::with_seed(0).build_hasher();
    hasher.write_u64(place.0);
    (hasher.finish() >> 32) as u32
}
