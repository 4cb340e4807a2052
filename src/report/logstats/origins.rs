//! Counts in all and by origin (or by user).
//!
//! Counters add up in any order, so each thread has its own. Times don't: they are left in the order of the entries, in groups, and
//! replayed when all blocks before have been (see [`super::run`]).

use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};

use hashbrown::HashTable;

use super::class;
use super::class::slot;
use super::counters::{Count, Counters, Times};
use super::lines;
use super::options::Options;
use super::run::{Batch, Counting, Damaged, Turn};
use crate::wire::positions::{POSITIONS, Values};

/// Which origins are counted by name, and how many groups their times are in.
#[derive(Debug)]
pub struct Origins<'a> {
    options: &'a Options,
    groups: usize,
    hasher: foldhash::fast::FixedState,
    names: Mutex<Names>,
}

/// All names seen, numbered.
#[derive(Debug, Default)]
struct Names {
    table: HashTable<u32>,
    names: Vec<Box<[u8]>>,
}

/// A thread's part.
#[derive(Debug, Default)]
pub struct Shard {
    table: HashTable<u32>,
    rows: Vec<Row>,
    /// Counts of all requests without a row.
    others: Counters,
    /// Times of all requests.
    total: Vec<(u8, i32)>,
    /// Times of rows, by group.
    times: Vec<Vec<Sample>>,
}

#[derive(Debug)]
struct Row {
    name: Box<[u8]>,
    /// Number of the name.
    id: u32,
    counters: Counters,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    /// Number of the row within its group.
    row: u32,
    elapsed: i32,
    slot: u8,
}

/// All that the report shows.
#[derive(Debug, Default)]
pub struct Report {
    /// Everything.
    pub total: Block,
    /// The origins (or users) that are shown, the one with the most requests first; equal ones by name.
    pub origins: Vec<(Box<[u8]>, Block)>,
}

/// Counts and times of one origin, or of all.
#[derive(Debug, Default)]
pub struct Block {
    /// Counts by class.
    pub counters: Counters,
    /// Times of hits and misses.
    pub times: Times,
}

impl Block {
    /// All requests.
    pub fn count(&self) -> Count {
        lines::TOTAL.of(&self.counters)
    }
}

impl<'a> Origins<'a> {
    /// Nothing counted; times of origins are replayed in `groups`.
    pub fn new(options: &'a Options, groups: usize) -> Self {
        Self { options, groups, hasher: foldhash::fast::FixedState::default(), names: Mutex::default() }
    }

    /// Is this the name of an origin that may be shown?
    fn is_shown(&self, name: &[u8]) -> bool {
        if let Some(listed) = &self.options.origins {
            return listed.contains(name);
        }
        true
    }

    /// The name has the looks of a host: nothing else is shown, of origins.
    fn is_host(&self, name: &[u8]) -> bool {
        self.options.per_user || (name.contains(&b'.') && !name.contains(&b'%'))
    }

    #[inline]
    fn row<'s>(&self, shard: &'s mut Shard, name: &[u8]) -> Option<&'s mut Row> {
        if name.is_empty() || self.options.summary {
            return None;
        }
        let hash = self.hasher.hash_one(name);
        let found = shard.table.find(hash, |&row| *shard.rows[row as usize].name == *name);
        let at = match found {
            Some(&row) => row,
            None => self.new_row(shard, name, hash)?,
        };
        shard.rows.get_mut(at as usize)
    }

    /// A row is made if it can ever be shown.
    #[cold]
    fn new_row(&self, shard: &mut Shard, name: &[u8], hash: u64) -> Option<u32> {
        if !self.is_host(name) || !self.is_shown(name) {
            return None;
        }
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let known = names.table.find(hash, |&id| *names.names[id as usize] == *name).copied();
        let id = known.unwrap_or_else(|| {
            let id = names.names.len() as u32;
            names.names.push(name.into());
            let Names { table, names } = &mut *names;
            table.insert_unique(hash, id, |&id| self.hasher.hash_one(&names[id as usize][..]));
            id
        });
        let at = shard.rows.len() as u32;
        shard.rows.push(Row { name: name.into(), id, counters: Counters::default() });
        let Shard { table, rows, .. } = shard;
        table.insert_unique(hash, at, |&row| self.hasher.hash_one(&rows[row as usize].name[..]));
        Some(at)
    }

    #[inline]
    fn count(&self, shard: &mut Shard, values: &Values<'_>, is_v6: bool, count: usize) {
        let (Some(result), Some(status)) = (class::result(values.result), class::status(values.status)) else { return };
        let (method, analysed) = class::method(values.method);
        let (scheme, origin) = class::url(values.url, analysed);
        let name = if self.options.per_user { values.user } else { origin };
        let (size, elapsed) = (values.size as i32, values.elapsed as i32);
        let groups = self.groups as u32;
        let has_time = result < slot::ERRORS;
        if has_time {
            shard.total.push((result, elapsed));
        }
        let mut sample = None;
        let counters = match self.row(shard, name) {
            Some(row) => {
                sample = Some(row.id).filter(|_| has_time);
                &mut row.counters
            }
            None => &mut shard.others,
        };
        counters.add(result, size);
        counters.add(status, size);
        counters.add(method, size);
        counters.add(scheme, size);
        counters.add(slot::PROTOCOLS + u8::from(is_v6), size);
        if count >= 10 {
            counters.add(class::route(values.route), size);
        }
        if count >= 12 {
            counters.add(class::content(values.content_type), size);
        }
        if let Some(id) = sample
            && let Some(times) = shard.times.get_mut((id % groups) as usize)
        {
            times.push(Sample { row: id / groups, elapsed, slot: result });
        }
    }

    /// Puts the parts together.
    pub fn report(&self, shards: Vec<Shard>, groups: Vec<Vec<Times>>) -> Report {
        let names = std::mem::take(&mut self.names.lock().unwrap_or_else(PoisonError::into_inner).names);
        let mut report = Report::default();
        let mut origins: Vec<(Box<[u8]>, Block)> = names.into_iter().map(|name| (name, Block::default())).collect();
        for shard in shards {
            report.total.counters.merge(&shard.others);
            for row in shard.rows {
                report.total.counters.merge(&row.counters);
                origins[row.id as usize].1.counters.merge(&row.counters);
            }
        }
        let mut groups = groups.into_iter();
        report.total.times = groups.next().and_then(|times| times.into_iter().next()).unwrap_or_default();
        for (group, times) in groups.enumerate() {
            for (row, times) in times.into_iter().enumerate() {
                if let Some((_, block)) = origins.get_mut(row * self.groups + group) {
                    block.times = times;
                }
            }
        }
        let fewest = self.options.min_requests;
        origins.retain(|(_, block)| block.count().requests > fewest);
        origins
            .sort_by(|(name, a), (other, b)| b.count().requests.cmp(&a.count().requests).then_with(|| name.cmp(other)));
        origins.truncate(self.options.max_origins.unwrap_or(usize::MAX));
        for (_, block) in &mut origins {
            block.counters.confuse_parents();
        }
        report.origins = origins;
        report
    }
}

impl Counting for Origins<'_> {
    type Shard = Shard;
    /// Times of the rows of a group; of the first group, the times of all.
    type Group = Vec<Times>;

    fn groups(&self) -> usize {
        1 + self.groups
    }

    fn shard(&self) -> Shard {
        Shard { times: (0..self.groups).map(|_| Vec::new()).collect(), ..Shard::default() }
    }

    fn group(&self, number: usize) -> Vec<Times> {
        if number == 0 { vec![Times::default()] } else { Vec::new() }
    }

    fn needed(&self) -> usize {
        if self.options.per_user { 9 } else { 8 }
    }

    #[inline]
    fn read(&self, shard: &mut Shard, batch: &Batch<'_>) -> Damaged {
        let count = batch.positions.count();
        let (ints, mut walk, mut damaged) = (batch.segment.ints(), batch.segment.entries(), Damaged::default());
        // A segment's first entries without an address count as IPv4.
        let mut is_v6 = false;
        for entry in walk.by_ref() {
            let Some(values) = batch.positions.read::<POSITIONS>(ints, &entry) else {
                damaged.entries += 1;
                continue;
            };
            // Other families leave it at that of the entry before.
            match values.family {
                2 => is_v6 = false,
                10 => is_v6 = true,
                _ => {}
            }
            self.count(shard, &values, is_v6, count);
        }
        damaged.lost = walk.lost().0;
        damaged
    }

    fn replay(&self, shard: &mut Shard, _: Turn<'_>, number: usize, group: &mut Vec<Times>) -> std::io::Result<()> {
        let Some(number) = number.checked_sub(1) else {
            if let Some(times) = group.first_mut() {
                shard.total.drain(..).for_each(|(slot, elapsed)| times.add(slot, elapsed));
            }
            return Ok(());
        };
        if let Some(samples) = shard.times.get_mut(number) {
            for sample in samples.drain(..) {
                let row = sample.row as usize;
                if group.len() <= row {
                    group.resize(row + 1, Times::default());
                }
                group[row].add(sample.slot, sample.elapsed);
            }
        }
        Ok(())
    }
}
