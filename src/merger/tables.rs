//! The merger's tables: of small dimensions, every worker's parts added up under common rows; and of large ones, see [`super::large`].

use std::sync::Arc;

use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};

use super::large::{Large, Larges};
use super::snapshot::{Absent, Bounds, Covered, Keys, Table};
use crate::tally::caps::KEY_BYTES;
use crate::tally::part::TablePart;
use crate::tally::table::{REFUSED, Seed};
use crate::tally::windowed::Scales;
use crate::tally::{Caps, Counts, Dimension, Names, Part, Window};

/// What the merger knows of one worker's share of a table.
#[derive(Clone, Debug, Default)]
struct Source {
    /// The merger's row of each of the worker's rows; [`REFUSED`] where there was no room.
    map: Vec<u32>,
    /// What the worker counted for keys that it had no room for.
    refused: Counts,
}

/// One dimension.
#[derive(Debug)]
struct Merged {
    dimension: Dimension,
    seed: Seed,
    index: HashTable<u32>,
    names: Names,
    rows: Vec<Counts>,
    total: Counts,
    refused: Counts,
    sources: Vec<Source>,
    cap: usize,
    /// The copy that snapshots share, until something is added.
    copy: Option<Arc<Table>>,
}

impl Merged {
    fn new(dimension: Dimension, seed: &Seed, cap: usize, workers: usize) -> Self {
        Self {
            dimension,
            seed: seed.clone(),
            index: HashTable::new(),
            names: Names::default(),
            rows: Vec::new(),
            total: Counts::default(),
            refused: Counts::default(),
            sources: vec![Source::default(); workers],
            cap,
            copy: None,
        }
    }

    /// Adds one worker's part.
    fn add(&mut self, worker: usize, part: &TablePart) {
        for key in part.keys.iter() {
            let row = self.row_of_name(key);
            self.sources[worker].map.push(row);
        }
        for (row, counts) in &part.rows {
            self.total.merge(counts);
            match self.rows.get_mut(self.sources[worker].map[*row as usize] as usize) {
                Some(sum) => sum.merge(counts),
                None => self.refused.merge(counts),
            }
        }
        self.total.merge(&part.refused);
        self.refused.merge(&part.refused);
        self.sources[worker].refused.merge(&part.refused);
    }

    fn row_of_name(&mut self, key: &[u8]) -> u32 {
        let (table, names) = (&mut self.index, &mut self.names);
        let hash = |key: &[u8]| {
            let mut hasher = self.seed.build_hasher();
            hasher.write(key);
            hasher.finish()
        };
        if let Some(&row) = table.find(hash(key), |&row| names.name(row) == key) {
            return row;
        }
        if self.rows.len() >= self.cap || names.bytes() + key.len() > self.cap.saturating_mul(KEY_BYTES) {
            return REFUSED;
        }
        self.rows.push(Counts::default());
        let row = names.push(key);
        table.insert_unique(hash(key), row, |&row| hash(names.name(row)));
        row
    }

    /// A copy for snapshots.
    fn table(&mut self, tick: u64, as_of: u64, started: u64) -> Arc<Table> {
        if let Some(copy) = &self.copy
            && (copy.tick, copy.as_of) == (tick, as_of)
        {
            return copy.clone();
        }
        let copy = Arc::new(Table {
            dimension: self.dimension,
            tick,
            as_of,
            covered: Covered::since_start(started, as_of),
            keys: Keys::Names(self.names.clone()),
            rows: self.rows.clone(),
            total: self.total,
            refused: self.refused,
            absent: self
                .sources
                .iter()
                .filter(|source| !source.refused.is_empty())
                .map(|source| self.absent(source))
                .collect(),
            errors: Vec::new(),
            misses: false,
        });
        self.copy = Some(copy.clone());
        copy
    }

    fn absent(&self, source: &Source) -> Absent {
        let mut known = vec![0_u64; self.rows.len().div_ceil(64)];
        for &row in source.map.iter().filter(|row| **row != REFUSED) {
            known[row as usize / 64] |= 1 << (row % 64);
        }
        Absent { refused: source.refused, known }
    }

    fn bytes(&self) -> usize {
        let maps: usize = self.sources.iter().map(|source| source.map.capacity() * 4).sum();
        self.index.allocation_size() + self.names.bytes() + maps + self.rows.capacity() * size_of::<Counts>()
    }

    fn copy_bytes(&self) -> usize {
        self.copy.as_ref().map_or(0, |copy| copy.rows.len() * (size_of::<Counts>() + 8))
    }
}

/// All dimensions; the large ones apart.
#[derive(Debug)]
pub struct Tables {
    tables: [Merged; Dimension::COUNT],
    larges: Larges,
    started: u64,
    tick: (u64, u64),
}

impl Tables {
    /// Empty tables for that many workers. `seed` is the process's, `started` when counting began, ms since the epoch; windows of large
    /// dimensions are kept if they are `timed`.
    pub fn new(caps: &Caps, workers: usize, seed: &Seed, started: u64, is_timed: bool) -> Self {
        let tables =
            Dimension::ALL.map(|dimension| Merged::new(dimension, seed, caps.merger_rows[dimension as usize], workers));
        let larges = Larges::new(caps, workers, seed, started, is_timed);
        Self { tables, larges, started, tick: (0, 0) }
    }

    /// Time goes on, before the parts of a full tick come. `total` is all that was counted so far.
    pub fn advance(&mut self, now: u64, total: &Counts) {
        self.larges.advance(now, total);
    }

    /// Adds one worker's part.
    pub fn add(&mut self, part: &Part) {
        for (table, more) in self.tables.iter_mut().zip(&part.tables) {
            table.add(part.worker, more);
        }
        let nodes = &self.tables[Dimension::Node as usize];
        self.larges.add(part, |row| {
            let row = nodes.sources[part.worker].map.get(row as usize).copied().unwrap_or(REFUSED);
            if row == REFUSED { &[] } else { nodes.names.name(row) }
        });
    }

    /// A tick is over: copies made before are out of date; those of large dimensions if it was a full one.
    pub fn tick(&mut self, tick: u64, now: u64, full: bool) {
        self.tick = (tick, now);
        for table in &mut self.tables {
            table.copy = None;
        }
        self.larges.tick(tick, now, full);
    }

    /// The table of a dimension since the start: of a small one as of the last tick, of a large one as of the last full tick.
    pub fn table(&mut self, dimension: Dimension) -> Arc<Table> {
        match self.large(dimension).and_then(|large| large.table(dimension, Window::Total)) {
            Some(table) => table,
            None => self.tables[dimension as usize].table(self.tick.0, self.tick.1, self.started),
        }
    }

    /// A large dimension as of the last full tick; `None` for a small one.
    pub fn large(&mut self, dimension: Dimension) -> Option<Arc<Large>> {
        self.larges.large(dimension)
    }

    /// Counts of the merger's row of a worker's row.
    pub fn counts(&self, dimension: Dimension, row: u32) -> Counts {
        self.tables[dimension as usize].rows.get(row as usize).copied().unwrap_or_default()
    }

    /// The merger's row of a worker's row; `None` where it was refused.
    pub fn row(&self, dimension: Dimension, worker: usize, row: u32) -> Option<u32> {
        let row = *self.tables[dimension as usize].sources[worker].map.get(row as usize)?;
        (row != REFUSED).then_some(row)
    }

    /// Appends the raw key of a worker's row, of a result, status or route of the code; false if there is none.
    pub fn raw_key(&self, dimension: Dimension, worker: usize, row: u32, raw: &mut Vec<u8>) -> bool {
        match dimension {
            Dimension::Result | Dimension::Status | Dimension::Route => {
                raw.extend_from_slice(&i64::from(row).to_le_bytes());
            }
            _ if dimension.is_small() => match self.row(dimension, worker, row) {
                Some(row) => raw.extend_from_slice(self.key(dimension, row)),
                None => return false,
            },
            _ => raw.extend_from_slice(self.larges.key(dimension, worker, row)),
        }
        true
    }

    /// The merger's row of a key of a small dimension.
    pub fn find(&self, dimension: Dimension, key: &[u8]) -> Option<u32> {
        let Merged { seed, index, names, .. } = &self.tables[dimension as usize];
        let mut hasher = seed.build_hasher();
        hasher.write(key);
        index.find(hasher.finish(), |&row| names.name(row) == key).copied()
    }

    /// Key of a row of a dimension that is keyed by names.
    pub fn key(&self, dimension: Dimension, row: u32) -> &[u8] {
        self.tables[dimension as usize].names.name(row)
    }

    /// How many keys a dimension has, and whether that is exact.
    pub fn keys(&self, dimension: Dimension) -> (u64, bool) {
        let table = &self.tables[dimension as usize];
        self.larges.keys(dimension.counted()).unwrap_or((table.rows.len() as u64, table.refused.is_empty()))
    }

    /// What a dimension, or the one that it is made of, gave up for want of room.
    pub fn bounds(&self, dimension: Dimension) -> Bounds {
        let refused = &self.tables[dimension as usize].refused;
        let of_small = || Bounds { error: Scales::default().loss(refused), ..Bounds::default() };
        self.larges.bounds(dimension.counted()).unwrap_or_else(of_small)
    }

    /// Bytes of the tables, and of the copies that snapshots share.
    pub fn bytes(&self) -> (u64, u64) {
        let tables: usize = self.tables.iter().map(Merged::bytes).sum();
        let copies: usize = self.tables.iter().map(Merged::copy_bytes).sum();
        (tables as u64 + self.larges.bytes(), copies as u64)
    }
}
