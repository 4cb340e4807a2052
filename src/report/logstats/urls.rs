//! Counts by URL: all of them, or those used most recently (spec/logstats-report.md 8).
//!
//! The table of recent URLs is the one of Traffic Server's report with all it does: a URL that takes the place of another keeps those of
//! its counters that it does not set itself, so its figures are right only until the table overflows.

use std::hash::BuildHasher;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use hashbrown::HashTable;

use super::class::{self, Outcome};
use super::json::write_url;
use super::latency::Latency;
use super::options::{Options, Urls as Keep};
use super::run::{Batch, Counting, Damaged, Turn};

/// What is known of one URL.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Record {
    /// Requests.
    pub requests: u32,
    /// Hits, misses, errors.
    pub outcomes: [u32; 3],
    /// By status: strange ones, 2xx, 3xx, 4xx, 5xx.
    pub hundreds: [u32; 5],
    /// Bytes, as 32-bit numbers.
    pub bytes: i64,
    /// Times.
    pub times: Latency,
}

impl Record {
    const NONE: Self = Self { requests: 0, outcomes: [0; 3], hundreds: [0; 5], bytes: 0, times: Latency::NONE_OF_URL };

    #[inline]
    fn add(&mut self, sample: &Sample) {
        self.requests = self.requests.wrapping_add(1);
        self.bytes = self.bytes.wrapping_add(i64::from(sample.size));
        if let Some(count) = self.outcomes.get_mut(usize::from(sample.outcome)) {
            *count = count.wrapping_add(1);
        }
        if let Some(count) = self.hundreds.get_mut(usize::from(sample.hundred)) {
            *count = count.wrapping_add(1);
        }
        self.times.add(sample.elapsed, self.requests);
    }

    /// The place of a URL that was given up goes to another one.
    fn reuse(&mut self, sample: &Sample) {
        let first = |counts: &mut [u32], at: u8| {
            if let Some(count) = counts.get_mut(usize::from(at)) {
                *count = 1;
            }
        };
        (self.requests, self.bytes, self.times) = (1, i64::from(sample.size), Latency::NONE_OF_URL);
        first(&mut self.outcomes, sample.outcome);
        first(&mut self.hundreds, sample.hundred);
        self.times.add(sample.elapsed, 1);
    }
}

/// One entry.
#[derive(Clone, Copy, Debug)]
struct Sample {
    hash: u64,
    /// Where in the block the URL lies, and how long it is.
    at: u32,
    len: u32,
    elapsed: i32,
    size: i32,
    /// Number of the entry in its block.
    ordinal: u32,
    /// Index of an outcome; others count for none.
    outcome: u8,
    hundred: u8,
}

/// Counts by URL.
pub struct Urls<'a, W> {
    options: &'a Options,
    groups: usize,
    hasher: foldhash::fast::FixedState,
    out: Mutex<W>,
}

/// A thread's part: entries that wait for their turn, by group.
#[derive(Debug)]
pub struct Shard {
    samples: Vec<Vec<Sample>>,
    block: Option<u64>,
    ordinal: u32,
}

/// The URLs of a group.
#[derive(Debug)]
pub enum Group {
    /// All.
    All(All),
    /// Those used most recently.
    Recent(Recent),
}

impl<'a, W: Write + Send> Urls<'a, W> {
    /// Nothing counted. URLs are in `groups`, unless only the recent ones are kept; those that give way are printed to `out`.
    pub fn new(options: &'a Options, groups: usize, out: W) -> Self {
        let groups = if let Some(Keep::Recent(_)) = options.urls { 1 } else { groups };
        Self { options, groups, hasher: foldhash::fast::FixedState::default(), out: Mutex::new(out) }
    }

    /// Gives back where it printed to.
    pub fn into_out(self) -> W {
        self.out.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many URLs are shown: as traffic_logstats does, one less than a full table, and all if that is none.
pub fn limit(options: &Options) -> Option<usize> {
    let show = match options.urls {
        Some(Keep::Recent(size)) => options.show_urls?.min(size - 1),
        _ => options.show_urls?,
    };
    (show > 0).then_some(show)
}

/// Calls `each` with the URLs that are shown, the one with most requests first.
///
/// # Errors
///
/// Those of `each`.
pub fn show(
    options: &Options,
    groups: &[Group],
    mut each: impl FnMut(&[u8], &Record) -> io::Result<()>,
) -> io::Result<()> {
    let limit = limit(options).unwrap_or(usize::MAX);
    let mut order: Vec<(std::cmp::Reverse<u32>, u64, u32, u32)> = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        let number = number as u32;
        let entry = |at: usize, requests: u32, first: u64| (std::cmp::Reverse(requests), first, number, at as u32);
        match group {
            Group::All(all) => {
                let rows = all.keys.iter().zip(&all.records).enumerate();
                order.extend(rows.map(|(at, (key, record))| entry(at, record.requests, key.first)));
            }
            Group::Recent(recent) => {
                let slots = recent.order().enumerate();
                order.extend(slots.map(|(first, at)| entry(at, recent.slots[at].record.requests, first as u64)));
            }
        }
    }
    // Of equal ones the first seen comes first; of recent ones the last used.
    if limit < order.len() {
        order.select_nth_unstable(limit);
        order.truncate(limit);
    }
    order.sort_unstable();
    for (_, _, group, at) in order {
        match groups.get(group as usize) {
            Some(Group::All(all)) => each(all.url(at), &all.records[at as usize])?,
            Some(Group::Recent(recent)) => {
                let slot = &recent.slots[at as usize];
                each(&slot.url, &slot.record)?;
            }
            None => {}
        }
    }
    Ok(())
}

impl<W: Write + Send> Counting for Urls<'_, W> {
    type Shard = Shard;
    type Group = Group;

    fn groups(&self) -> usize {
        self.groups
    }

    fn shard(&self) -> Shard {
        Shard { samples: (0..self.groups).map(|_| Vec::new()).collect(), block: None, ordinal: 0 }
    }

    fn group(&self, _: usize) -> Group {
        match self.options.urls {
            Some(Keep::Recent(size)) => Group::Recent(Recent::new(size)),
            _ => Group::All(All::default()),
        }
    }

    fn needed(&self) -> usize {
        8
    }

    fn read(&self, shard: &mut Shard, batch: &Batch<'_>) -> Damaged {
        if shard.block != Some(batch.turn.number) {
            (shard.block, shard.ordinal) = (Some(batch.turn.number), 0);
        }
        let start = batch.turn.bytes.as_ptr().addr();
        let (ints, mut walk, mut damaged) = (batch.segment.ints(), batch.segment.entries(), Damaged::default());
        for entry in walk.by_ref() {
            let Some(values) = batch.positions.read::<8>(ints, &entry) else {
                damaged.entries += 1;
                continue;
            };
            let (Some(_), Some(hundred)) = (class::result(values.result), class::hundred(values.status)) else {
                continue;
            };
            let hash = self.hasher.hash_one(values.url);
            // The low bits and the highest ones choose the place in the table.
            let group = (hash >> 40) as usize % self.groups;
            let sample = Sample {
                hash,
                at: (values.url.as_ptr().addr() - start) as u32,
                len: values.url.len() as u32,
                elapsed: values.elapsed as i32,
                size: values.size as i32,
                ordinal: shard.ordinal,
                outcome: class::outcome(values.result).map_or(u8::MAX, |outcome: Outcome| outcome as u8),
                hundred: hundred.saturating_sub(1),
            };
            shard.ordinal = shard.ordinal.wrapping_add(1);
            if let Some(samples) = shard.samples.get_mut(group) {
                samples.push(sample);
            }
        }
        damaged.lost = walk.lost().0;
        damaged
    }

    fn replay(&self, shard: &mut Shard, turn: Turn<'_>, number: usize, group: &mut Group) -> io::Result<()> {
        let Some(samples) = shard.samples.get_mut(number) else { return Ok(()) };
        match group {
            Group::All(all) => {
                for sample in samples.iter() {
                    all.add(sample, sample.url(turn.bytes), turn.number);
                }
            }
            Group::Recent(recent) => {
                let prints = limit(self.options).is_none();
                for sample in samples.iter() {
                    recent.add(sample, sample.url(turn.bytes), |url, record| {
                        if !prints {
                            return Ok(());
                        }
                        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
                        write_url(&mut *out, self.options, url, record)
                    })?;
                }
            }
        }
        samples.clear();
        Ok(())
    }
}

impl Sample {
    #[inline]
    fn url<'a>(&self, block: &'a [u8]) -> &'a [u8] {
        let at = self.at as usize;
        block.get(at..at + self.len as usize).unwrap_or_default()
    }
}

/// A table of all URLs, bounded only by memory.
#[derive(Debug, Default)]
pub struct All {
    table: HashTable<u32>,
    keys: Vec<Key>,
    urls: Vec<u8>,
    records: Vec<Record>,
}

#[derive(Clone, Copy, Debug)]
struct Key {
    hash: u64,
    /// Block and number of the entry in which it was first seen.
    first: u64,
    at: usize,
    len: u32,
}

impl All {
    fn url(&self, at: u32) -> &[u8] {
        let key = &self.keys[at as usize];
        &self.urls[key.at..key.at + key.len as usize]
    }

    #[inline]
    fn add(&mut self, sample: &Sample, url: &[u8], block: u64) {
        let found = self.table.find(sample.hash, |&at| self.url(at) == url);
        let at = match found {
            Some(&at) => at,
            None => self.insert(sample, url, block),
        };
        self.records[at as usize].add(sample);
    }

    fn insert(&mut self, sample: &Sample, url: &[u8], block: u64) -> u32 {
        let at = u32::try_from(self.keys.len()).expect("four billion URLs do not fit into memory");
        let first = block << 32 | u64::from(sample.ordinal);
        self.keys.push(Key { hash: sample.hash, first, at: self.urls.len(), len: sample.len });
        self.urls.extend_from_slice(url);
        self.records.push(Record::NONE);
        let keys = &self.keys;
        self.table.insert_unique(sample.hash, at, |&at| keys[at as usize].hash);
        at
    }
}

/// A table of at most so many URLs, the least recently used one gives way.
#[derive(Debug)]
pub struct Recent {
    size: usize,
    table: HashTable<u32>,
    slots: Vec<Slot>,
    /// Most and least recently used.
    first: u32,
    last: u32,
}

#[derive(Debug)]
struct Slot {
    hash: u64,
    url: Vec<u8>,
    record: Record,
    before: u32,
    behind: u32,
}

/// No slot.
const NONE: u32 = u32::MAX;

impl Recent {
    fn new(size: usize) -> Self {
        Self { size, table: HashTable::new(), slots: Vec::new(), first: NONE, last: NONE }
    }

    fn add(
        &mut self,
        sample: &Sample,
        url: &[u8],
        gives_way: impl FnOnce(&[u8], &Record) -> io::Result<()>,
    ) -> io::Result<()> {
        let hash = sample.hash;
        if let Some(&at) = self.table.find(hash, |&at| self.slots[at as usize].url == url) {
            self.slots[at as usize].record.add(sample);
            self.take_out(at);
            self.put_first(at);
            return Ok(());
        }
        let at = if self.slots.len() < self.size {
            let mut record = Record::NONE;
            record.add(sample);
            self.slots.push(Slot { hash, url: url.to_vec(), record, before: NONE, behind: NONE });
            self.slots.len() as u32 - 1
        } else {
            let at = self.last;
            self.take_out(at);
            let slot = &mut self.slots[at as usize];
            gives_way(&slot.url, &slot.record)?;
            if let Ok(old) = self.table.find_entry(slot.hash, |&other| other == at) {
                old.remove();
            }
            slot.hash = hash;
            slot.url.clear();
            slot.url.extend_from_slice(url);
            slot.record.reuse(sample);
            at
        };
        self.put_first(at);
        let slots = &self.slots;
        self.table.insert_unique(hash, at, |&at| slots[at as usize].hash);
        Ok(())
    }

    fn take_out(&mut self, at: u32) {
        let Slot { before, behind, .. } = self.slots[at as usize];
        match self.slots.get_mut(before as usize) {
            Some(slot) => slot.behind = behind,
            None => self.first = behind,
        }
        match self.slots.get_mut(behind as usize) {
            Some(slot) => slot.before = before,
            None => self.last = before,
        }
    }

    fn put_first(&mut self, at: u32) {
        let first = std::mem::replace(&mut self.first, at);
        match self.slots.get_mut(first as usize) {
            Some(slot) => slot.before = at,
            None => self.last = at,
        }
        let slot = &mut self.slots[at as usize];
        (slot.before, slot.behind) = (NONE, first);
    }

    /// Numbers of the slots, the most recently used one first.
    fn order(&self) -> impl Iterator<Item = usize> {
        let slot = |at: u32| (at != NONE).then_some(at);
        std::iter::successors(slot(self.first), move |&at| slot(self.slots[at as usize].behind)).map(|at| at as usize)
    }
}
