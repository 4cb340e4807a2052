//! The merger's profiles: cells by the bucket plan of large dimensions (guide/windows.md 1), of the keys that have the most requests.
//!
//! An entry is first counted in the bucket of its slot. A bucket that is over flows into that of the next level, and stays for the windows
//! of its own; a late entry goes into all that have flown, and the first that has not. So a window is the buckets of its level, and those
//! of finer levels that have not flown yet.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bucket::{Bucket, Sum};
use super::cells::Cell;
use super::roster::{Index, Known, Roster};
use super::sums::Profile;
use crate::tally::windowed::levels::GRACE;
use crate::tally::windowed::{Level, Slot};
use crate::tally::{Dimension, Period, Window};

/// How long keys wait for a place until it is looked who has more requests, ms.
const REVIEW: u64 = 10_000;

/// Over their room, profiles are cut to so many quarters of it.
const KEPT_QUARTERS: usize = 3;

#[derive(Clone, Debug)]
struct Timed {
    bucket: Arc<Bucket>,
    /// It is in the bucket of the next level, too.
    flown: bool,
}

type Ring = BTreeMap<u64, Timed>;

/// All profiles at one tick.
#[derive(Clone, Debug)]
pub struct Kept {
    rings: [Arc<Ring>; Level::CLOSING.len()],
    since_start: Arc<Bucket>,
    index: Arc<Index>,
    /// When counting began.
    began: u64,
    /// Start of the oldest slot.
    oldest: u64,
    now: u64,
}

/// The merger's profiles, which grow.
#[derive(Debug)]
pub struct Profiles {
    kept: Kept,
    roster: Roster,
    /// Bytes that buckets may take.
    room: usize,
    reviewed: u64,
    lost: u64,
    dropped: u64,
    bytes: usize,
    /// Of a part, used again: slot, number of the key, what, and how much.
    found: Vec<(u32, u32, u16, Sum)>,
}

impl Profiles {
    /// None yet; counting began at `started` (ms). All may take `room` bytes.
    pub fn new(room: usize, started: u64) -> Self {
        // What a key takes that had a request or two.
        const LIGHT: usize = 512;
        let roster = Roster::new((room / LIGHT).clamp(64, 16 * 1024), started);
        let (rings, index) = (Default::default(), roster.index().clone());
        let kept = Kept { rings, since_start: Arc::default(), index, began: started, oldest: started, now: started };
        Self { kept, roster, room, reviewed: started, lost: 0, dropped: 0, bytes: 0, found: Vec::new() }
    }

    /// Time goes on to `now`: what is over flows on, and what no window needs goes. Cells come after it.
    pub fn tick(&mut self, now: u64) {
        self.kept.now = self.kept.now.max(now);
        let now = self.kept.now;
        for level in Level::CLOSING {
            let ring = &self.kept.rings[level as usize];
            let is_over = |start: u64| level.end(start).saturating_add(GRACE) <= now;
            let over = ring.iter().filter(|(start, timed)| !timed.flown && is_over(**start));
            let over: Vec<(u64, Arc<Bucket>)> = over.map(|(start, timed)| (*start, timed.bucket.clone())).collect();
            for (start, bucket) in over {
                self.feed(level.next(), start, &bucket, false);
                if let Some(timed) = Arc::make_mut(&mut self.kept.rings[level as usize]).get_mut(&start) {
                    timed.flown = true;
                }
            }
            let first = level.first(now);
            let ring = &mut self.kept.rings[level as usize];
            if ring.iter().any(|(start, timed)| *start < first && timed.flown) {
                Arc::make_mut(ring).retain(|start, timed| *start >= first || !timed.flown);
            }
        }
        if now.saturating_sub(self.reviewed) >= REVIEW {
            self.reviewed = now;
            let gone = self.roster.review();
            self.drop_keys(&gone);
        }
        self.bytes = self.kept.bytes();
        if self.bytes > self.room {
            self.cut();
        }
    }

    /// Adds one worker's cells, ascending, of slots with these numbers; `key` writes the raw key of a row of a dimension; false
    /// if there is none.
    pub fn add(
        &mut self,
        cells: &[Cell],
        lost: u64,
        slots: &[Slot],
        key: impl Fn(Dimension, u32, &mut Vec<u8>) -> bool,
    ) {
        self.lost += lost;
        let now = self.kept.now;
        let mut raw = Vec::new();
        let mut found = std::mem::take(&mut self.found);
        found.clear();
        let row_of = |cell: &Cell| (cell.place.dimension(), cell.place.slot(), cell.place.row());
        for of_row in cells.chunk_by(|a, b| row_of(a) == row_of(b)) {
            let Some(first) = of_row.first() else { continue };
            let (dimension, slot, row) = row_of(first);
            let Some(&dimension) = Dimension::ALL.get(dimension) else { continue };
            let requests = of_row.iter().map(|cell| cell.requests).sum();
            raw.clear();
            let number = match key(dimension, row, &mut raw) {
                true => self.roster.number(dimension, &raw, requests, now),
                false => None,
            };
            match number {
                Some(number) => {
                    let sum = |cell: &Cell| Sum { requests: cell.requests, bytes: cell.bytes };
                    found.extend(of_row.iter().map(|cell| (slot, number, cell.place.what(), sum(cell))));
                }
                None => self.lost += requests,
            }
        }
        found.sort_unstable_by_key(|(slot, number, what, _)| (*slot, *number, *what));
        for of_slot in found.chunk_by(|a, b| a.0 == b.0) {
            let Some(slot) = of_slot.first().and_then(|(slot, ..)| slots.get(*slot as usize)) else { continue };
            let bucket = Bucket::pack(of_slot.iter().map(|&(_, number, what, sum)| (number, what, sum)));
            self.add_bucket(*slot, &bucket);
        }
        self.found = found;
    }

    fn add_bucket(&mut self, slot: Slot, bucket: &Bucket) {
        let (mut level, now) = (slot.level, self.kept.now);
        if level != Level::Start {
            self.kept.oldest = self.kept.oldest.min(slot.start);
        }
        while level != Level::Start {
            let start = level.floor(slot.start);
            let known = self.kept.rings[level as usize].get(&start).map(|timed| timed.flown);
            let is_over = level.end(start).saturating_add(GRACE) <= now;
            if !known.unwrap_or(is_over) {
                break;
            }
            if start >= level.first(now) {
                self.feed(level, start, bucket, true);
            }
            level = level.next();
        }
        self.feed(level, slot.start, bucket, false);
    }

    /// Adds to the bucket of a level that has `time`; one that is made has `flown` already, or not.
    fn feed(&mut self, level: Level, time: u64, more: &Bucket, flown: bool) {
        if level == Level::Start {
            self.kept.since_start = Arc::new(self.kept.since_start.and(more));
            return;
        }
        let ring = Arc::make_mut(&mut self.kept.rings[level as usize]);
        let timed = ring.entry(level.floor(time)).or_insert_with(|| Timed { bucket: Arc::default(), flown });
        timed.bucket = Arc::new(timed.bucket.and(more));
    }

    /// Drops the lightest keys until there is room again; those of small dimensions last, of which there are few.
    fn cut(&mut self) {
        let mut bytes: Vec<usize> = Vec::new();
        self.kept.buckets().flat_map(Bucket::numbers).for_each(|(number, of_key)| {
            let at = number as usize;
            if bytes.len() <= at {
                bytes.resize(at + 1, 0);
            }
            bytes[at] += of_key;
        });
        let mut over = self.bytes.saturating_sub(self.room / 4 * KEPT_QUARTERS);
        let mut gone = Vec::new();
        let large = self.roster.lightest(|dimension| !dimension.is_small());
        let small = self.roster.lightest(Dimension::is_small);
        for (_, number) in large.into_iter().chain(small) {
            if over == 0 {
                break;
            }
            over = over.saturating_sub(bytes.get(number as usize).copied().unwrap_or(0));
            gone.push(number);
        }
        self.drop_keys(&gone);
        self.bytes = self.kept.bytes();
    }

    fn drop_keys(&mut self, gone: &[u32]) {
        if gone.is_empty() {
            return;
        }
        self.dropped += gone.len() as u64;
        let mut is_gone = vec![false; gone.iter().max().map_or(0, |most| *most as usize + 1)];
        gone.iter().for_each(|number| is_gone[*number as usize] = true);
        let goes = |number: u32| is_gone.get(number as usize).copied().unwrap_or(false);
        for ring in &mut self.kept.rings {
            for timed in Arc::make_mut(ring).values_mut() {
                timed.bucket = Arc::new(timed.bucket.without(goes));
            }
        }
        self.kept.since_start = Arc::new(self.kept.since_start.without(goes));
        self.roster.free(gone);
    }

    /// All of it, as it is now.
    pub fn kept(&self) -> Kept {
        Kept { index: self.roster.index().clone(), ..self.kept.clone() }
    }

    /// Requests, counted once for each of their keys, that are in no profile: for want of room, or of a place for their key.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Keys that lost their place to others, or for want of room.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.bytes + self.roster.bytes() + self.found.capacity() * size_of::<(u32, u32, u16, Sum)>()
    }
}

impl Kept {
    /// The profile of a raw key over a window or interval; `None` if it has none.
    pub fn profile(&self, dimension: Dimension, key: &[u8], period: Period) -> Option<Profile> {
        let Known { number, since } = *self.index[dimension as usize].get(key)?;
        let mut cells = Vec::new();
        self.each(period, |_, bucket| cells.extend(bucket.cells(number)));
        Some(Profile::new(since, cells))
    }

    /// The same bucket by bucket, as the tables of large dimensions have it: by start of the bucket, ms.
    pub fn series(&self, dimension: Dimension, key: &[u8], period: Period) -> BTreeMap<u64, Profile> {
        let Some(&Known { number, since }) = self.index[dimension as usize].get(key) else { return BTreeMap::new() };
        let mut cells: BTreeMap<u64, Vec<(u16, Sum)>> = BTreeMap::new();
        self.each(period, |start, bucket| cells.entry(start).or_default().extend(bucket.cells(number)));
        cells.into_iter().map(|(start, cells)| (start, Profile::new(since, cells))).collect()
    }

    /// Every bucket of a period, once, with the start of that of the period's level that it is of.
    fn each(&self, period: Period, mut visit: impl FnMut(u64, &Bucket)) {
        let (level, from, to) = self.range(period);
        let start_of = |start: u64| Some(level.floor(start)).filter(|bucket| (from..to).contains(bucket));
        if level == Level::Start {
            visit(0, &self.since_start);
        }
        for (finer, ring) in Level::CLOSING.into_iter().zip(&self.rings).take(level as usize + 1) {
            for (start, timed) in ring.iter().filter(|(_, timed)| finer == level || !timed.flown) {
                if let Some(bucket) = start_of(*start)
                    && (*start <= self.now || level == Level::Start)
                {
                    visit(bucket, &timed.bucket);
                }
            }
        }
    }

    /// Level, and start of the first bucket and end of the last: those of the tables of large dimensions.
    fn range(&self, period: Period) -> (Level, u64, u64) {
        let now = self.now;
        let sliding = |level: Level| (level, level.first(now), now.saturating_add(1));
        match period {
            Period::Window(Window::Total) => (Level::Start, 0, u64::MAX),
            Period::Window(Window::Minute) => sliding(Level::Minute),
            Period::Window(Window::TenMinutes) => sliding(Level::TenMinutes),
            Period::Window(Window::Hour) => sliding(Level::Hour),
            Period::Window(Window::Day) => sliding(Level::Day),
            Period::Between(from, to) => {
                let complete = |level: &Level| level.floor(from) >= level.first(now);
                let level = Level::CLOSING.into_iter().find(complete).unwrap_or(Level::Day);
                (level, level.floor(from), to.min(now.saturating_add(1)))
            }
        }
    }

    /// Since when and for how many seconds the buckets of a period go, ms and at least 0.001.
    pub fn covered(&self, period: Period) -> (u64, f64) {
        let (level, from, to) = self.range(period);
        let from = from.max(if level == Level::Start { self.began } else { self.oldest });
        let to = level.end(level.floor(to.saturating_sub(1))).min(self.now);
        (from, to.saturating_sub(from).max(1) as f64 / 1000.0)
    }

    /// As of when: the last full tick, ms since the epoch.
    pub fn as_of(&self) -> u64 {
        self.now
    }

    fn buckets(&self) -> impl Iterator<Item = &Bucket> {
        let timed = self.rings.iter().flat_map(|ring| ring.values());
        timed.map(|timed| timed.bucket.as_ref()).chain([self.since_start.as_ref()])
    }

    fn bytes(&self) -> usize {
        self.buckets().map(|bucket| bucket.bytes() + 64).sum()
    }
}

#[cfg(test)]
mod tests;
