//! The merger's tables: every worker's parts of one dimension, added up under common rows.

use std::sync::Arc;

use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};

use super::snapshot::{Absent, Covered, Keys, Table};
use crate::tally::caps::KEY_BYTES;
use crate::tally::part::TablePart;
use crate::tally::table::{REFUSED, Seed, hash_pair};
use crate::tally::{Caps, Counts, Dimension, Names, Part};

/// What the merger knows of one worker's share of a table.
#[derive(Clone, Debug, Default)]
struct Source {
    /// The merger's row of each of the worker's rows; [`REFUSED`] where there was no room.
    map: Vec<u32>,
    /// What the worker counted for keys that it had no room for.
    refused: Counts,
}

#[derive(Debug)]
enum Index {
    Names { table: HashTable<u32>, names: Names },
    Pairs { table: HashTable<u32>, pairs: Vec<[u32; 2]> },
}

/// One dimension.
#[derive(Debug)]
struct Merged {
    dimension: Dimension,
    seed: Seed,
    index: Index,
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
        let index = match dimension {
            Dimension::ClientSite => Index::Pairs { table: HashTable::new(), pairs: Vec::new() },
            _ => Index::Names { table: HashTable::new(), names: Names::default() },
        };
        Self {
            dimension,
            seed: seed.clone(),
            index,
            rows: Vec::new(),
            total: Counts::default(),
            refused: Counts::default(),
            sources: vec![Source::default(); workers],
            cap,
            copy: None,
        }
    }

    /// Adds one worker's part. For pairs, `maps` are that worker's maps of clients and sites.
    fn add(&mut self, worker: usize, part: &TablePart, maps: Option<[&[u32]; 2]>) {
        for key in part.keys.iter() {
            let row = self.row_of_name(key);
            self.sources[worker].map.push(row);
        }
        if let Some([clients, sites]) = maps {
            for &[client, site] in &part.pairs {
                let pair = [clients[client as usize], sites[site as usize]];
                let row = self.row_of_pair(pair);
                self.sources[worker].map.push(row);
            }
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
        let Index::Names { table, names } = &mut self.index else { return REFUSED };
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

    fn row_of_pair(&mut self, pair: [u32; 2]) -> u32 {
        let Index::Pairs { table, pairs } = &mut self.index else { return REFUSED };
        if pair[0] == REFUSED || pair[1] == REFUSED {
            return REFUSED;
        }
        let hash = hash_pair(&self.seed, pair);
        if let Some(&row) = table.find(hash, |&row| pairs[row as usize] == pair) {
            return row;
        }
        if self.rows.len() >= self.cap {
            return REFUSED;
        }
        self.rows.push(Counts::default());
        let row = pairs.len() as u32;
        pairs.push(pair);
        table.insert_unique(hash, row, |&row| hash_pair(&self.seed, pairs[row as usize]));
        row
    }

    /// A copy for snapshots. `names` are those of clients and sites, for pairs.
    fn table(&mut self, tick: u64, as_of: u64, started: u64, names: Option<[&Names; 2]>) -> Arc<Table> {
        if let Some(copy) = &self.copy
            && (copy.tick, copy.as_of) == (tick, as_of)
        {
            return copy.clone();
        }
        let keys = match (&self.index, names) {
            (Index::Names { names, .. }, _) => Keys::Names(names.clone()),
            (Index::Pairs { pairs, .. }, names) => {
                let [clients, sites] =
                    names.map_or_else(Default::default, |[clients, sites]| [clients.clone(), sites.clone()]);
                Keys::Pairs { pairs: pairs.clone(), clients, sites }
            }
        };
        let copy = Arc::new(Table {
            dimension: self.dimension,
            tick,
            as_of,
            covered: Covered::since_start(started, as_of),
            keys,
            rows: self.rows.clone(),
            total: self.total,
            refused: self.refused,
            absent: self
                .sources
                .iter()
                .filter(|source| !source.refused.is_empty())
                .map(|source| self.absent(source))
                .collect(),
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
        let index = match &self.index {
            Index::Names { table, names } => table.allocation_size() + names.bytes(),
            Index::Pairs { table, pairs } => table.allocation_size() + pairs.capacity() * 8,
        };
        let maps: usize = self.sources.iter().map(|source| source.map.capacity() * 4).sum();
        index + maps + self.rows.capacity() * size_of::<Counts>()
    }

    fn copy_bytes(&self) -> usize {
        self.copy.as_ref().map_or(0, |copy| copy.rows.len() * (size_of::<Counts>() + 8))
    }

    fn names(&self) -> Option<&Names> {
        match &self.index {
            Index::Names { names, .. } => Some(names),
            Index::Pairs { .. } => None,
        }
    }
}

/// All dimensions.
#[derive(Debug)]
pub struct Tables {
    tables: [Merged; Dimension::COUNT],
    started: u64,
    full_tick: (u64, u64),
    tick: (u64, u64),
}

impl Tables {
    /// Empty tables for that many workers. `seed` is the process's.
    pub fn new(caps: &Caps, workers: usize, seed: &Seed) -> Self {
        let tables =
            Dimension::ALL.map(|dimension| Merged::new(dimension, seed, caps.merger_rows[dimension as usize], workers));
        Self { tables, started: 0, full_tick: (0, 0), tick: (0, 0) }
    }

    /// Says when counting began, ms since the epoch.
    #[must_use]
    pub fn since(self, started: u64) -> Self {
        Self { started, ..self }
    }

    /// Adds one worker's part.
    pub fn add(&mut self, part: &Part) {
        for dimension in Dimension::ALL {
            let table = &part.tables[dimension as usize];
            if dimension == Dimension::ClientSite {
                // Their keys came in this part or before: clients and sites stand before pairs in the order of dimensions.
                let [mut clients, mut sites] = [vec![], vec![]];
                std::mem::swap(&mut clients, &mut self.source(Dimension::Client, part.worker).map);
                std::mem::swap(&mut sites, &mut self.source(Dimension::Site, part.worker).map);
                self.tables[dimension as usize].add(part.worker, table, Some([&clients, &sites]));
                std::mem::swap(&mut clients, &mut self.source(Dimension::Client, part.worker).map);
                std::mem::swap(&mut sites, &mut self.source(Dimension::Site, part.worker).map);
            } else {
                self.tables[dimension as usize].add(part.worker, table, None);
            }
        }
    }

    fn source(&mut self, dimension: Dimension, worker: usize) -> &mut Source {
        &mut self.tables[dimension as usize].sources[worker]
    }

    /// A tick is over: copies made before are out of date.
    pub fn tick(&mut self, tick: u64, now: u64, full: bool) {
        self.tick = (tick, now);
        if full {
            self.full_tick = (tick, now);
        }
        for table in &mut self.tables {
            if full || table.dimension.is_small() {
                table.copy = None;
            }
        }
    }

    /// The table of a dimension as of its last tick.
    pub fn table(&mut self, dimension: Dimension) -> Arc<Table> {
        let (tick, now) = if dimension.is_small() { self.tick } else { self.full_tick };
        let (clients, sites) = (self.names(Dimension::Client).cloned(), self.names(Dimension::Site).cloned());
        match (dimension, &clients, &sites) {
            (Dimension::ClientSite, Some(clients), Some(sites)) => {
                self.tables[dimension as usize].table(tick, now, self.started, Some([clients, sites]))
            }
            _ => self.tables[dimension as usize].table(tick, now, self.started, None),
        }
    }

    fn names(&self, dimension: Dimension) -> Option<&Names> {
        self.tables[dimension as usize].names()
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

    /// Key of a row of a dimension that is keyed by names.
    pub fn key(&self, dimension: Dimension, row: u32) -> &[u8] {
        self.names(dimension).map_or(&[], |names| names.name(row))
    }

    /// How many keys a dimension has, and whether that is exact.
    pub fn keys(&self, dimension: Dimension) -> (u64, bool) {
        let table = &self.tables[dimension as usize];
        (table.rows.len() as u64, table.refused.is_empty())
    }

    /// Bytes of the tables, and of the copies that snapshots share.
    pub fn bytes(&self) -> (u64, u64) {
        let tables: usize = self.tables.iter().map(Merged::bytes).sum();
        let copies: usize = self.tables.iter().map(Merged::copy_bytes).sum();
        (tables as u64, copies as u64)
    }
}
