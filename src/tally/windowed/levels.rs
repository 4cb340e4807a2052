//! One dimension at the merger: open slots close into buckets of 2 s, and these flow into buckets of 20 s, 2 min, 30 min, and since start.
//!
//! A closed bucket's entries are in the open table of the next level, so that an entry is in one place of each window: in the closed
//! buckets of the window's level, or in the open tables of that level and the finer ones.

use std::collections::VecDeque;
use std::sync::Arc;

use super::bucket::Bucket;
use super::ids::Named;
use super::loss::{Loss, Scales};
use super::naming::Naming;
use super::slot::{Level, Slot};
use super::summary::{Cutter, Row, Summary};
use crate::tally::Counts;

/// How long a slot stays open behind its end, in ms: Traffic Server buffers entries for 5 s (guide/windows.md 1).
pub const GRACE: u64 = 6_000;

/// So many times k rows has an open slot, which is cut to k only as it closes. It is put together from a dozen parts, in each of which
/// a key of middling rank has an entry or none: cut to k after each part, it loses that key again and again. Measured at k 1024, 5 000
/// keys by Zipf and half flood: of the top 100 by requests 98 are found, not 94.
const SLOT: usize = 2;

/// Rows that are kept even where the caller allows fewer.
const KEEP_MIN: usize = 16;

/// Keys without a row before they are swept, at least.
const SWEEP_MIN: usize = 1024;

/// Buckets of one level, by rising start.
#[derive(Clone, Debug, Default)]
pub(super) struct Ring {
    pub open: VecDeque<(u64, Arc<Summary>)>,
    pub closed: VecDeque<(u64, Bucket)>,
}

/// What was given up for want of room, since counting began (spec/statistics.md Q9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cuts {
    /// Rows that workers dropped.
    pub worker_rows: u64,
    /// Entries that count only since start, for want of slots in a worker's part.
    pub crowded: u64,
    /// Rows dropped from parts and open tables.
    pub open_rows: u64,
    /// Rows dropped from closed buckets, as the water level fell.
    pub closed_rows: u64,
}

/// What is kept of one dimension: all that windows are made of. Copies share it until it changes.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    pub(super) named: Arc<Named>,
    pub(super) rings: [Ring; Level::CLOSING.len()],
    pub(super) since_start: Arc<Summary>,
    /// When counting began.
    pub(super) began: u64,
    /// Start of the oldest slot.
    pub(super) oldest: u64,
}

/// One dimension's windows.
#[derive(Clone, Debug)]
pub struct Levels {
    pub(super) naming: Naming,
    pub(super) kept: Kept,
    /// The last tick. What is behind it by more than the grace is closed.
    now: u64,
    pub(super) cuts: Cuts,
    pub(super) cutter: Cutter,
    swept: usize,
    pub(super) room: Room,
}

/// Room that is used again.
#[derive(Clone, Debug, Default)]
pub(super) struct Room {
    pub summary: Summary,
    late: Summary,
    pub packed: Vec<u8>,
}

impl Levels {
    /// No entries yet; counting begins at `began`. Tables keep the `keep` heaviest rows, open slots twice as many.
    pub fn new(keep: usize, began: u64, workers: usize) -> Self {
        Self {
            naming: Naming::new(workers),
            kept: Kept { began, oldest: began, ..Kept::default() },
            now: began,
            cuts: Cuts::default(),
            cutter: Cutter::new(keep.max(KEEP_MIN)),
            swept: 0,
            room: Room::default(),
        }
    }

    /// What is kept now, as of the last tick.
    pub fn freeze(&self) -> Kept {
        Kept { named: self.naming.ids.named().clone(), ..self.kept.clone() }
    }

    /// Forgets a worker's rows.
    pub fn forget(&mut self, worker: usize) {
        self.naming.forget(worker);
    }

    /// The next row of a worker is of that key.
    pub fn learn(&mut self, worker: usize, key: &[u8]) {
        self.naming.learn(worker, key);
    }

    /// The key of a worker's row.
    ///
    /// # Panics
    ///
    /// If the worker has no such row.
    pub fn key(&self, worker: usize, row: u32) -> &[u8] {
        self.naming.key(worker, row)
    }

    /// How many keys have numbers.
    pub fn len(&self) -> usize {
        self.naming.ids.len()
    }

    /// True before the first key.
    pub fn is_empty(&self) -> bool {
        self.naming.ids.is_empty()
    }

    /// By which weight rows are chosen from now on.
    pub fn set_scales(&mut self, scales: Scales) {
        self.cutter.scales = scales;
    }

    /// Time goes on to `now`: closes what is over, forgets what no window needs, and frees keys. Parts come after the tick; then numbers
    /// are good until the next tick, or until [`shrink_to`](super::shrink_to).
    pub fn tick(&mut self, now: u64) {
        self.now = self.now.max(now);
        for level in Level::CLOSING {
            // In order of levels: what closes here flows into a table that closes in this same tick, if it's over too.
            while let Some((start, summary)) = self.next_closed(level) {
                let mut summary = Arc::unwrap_or_clone(summary);
                self.cuts.open_rows += summary.cut(self.cutter.keep, &mut self.cutter) as u64;
                self.feed(level.next(), start, &summary);
                let bucket = Bucket::pack(&summary, &mut self.room.packed);
                let closed = &mut self.kept.rings[level as usize].closed;
                debug_assert!(closed.back().is_none_or(|(last, _)| *last < start), "what is late is later than closed");
                closed.push_back((start, bucket));
                self.naming.ids.hold(&summary.rows);
            }
            let kept = kept_from(level, self.now);
            let closed = &mut self.kept.rings[level as usize].closed;
            while let Some((_, bucket)) = closed.pop_front_if(|(start, _)| *start < kept) {
                bucket.unpack(&mut self.room.late);
                self.naming.ids.release(&self.room.late.rows);
            }
        }
        if self.naming.ids.len() > 2 * self.swept.max(SWEEP_MIN) {
            self.sweep();
        }
    }

    fn next_closed(&mut self, level: Level) -> Option<(u64, Arc<Summary>)> {
        let start = self.kept.rings[level as usize].open.front()?.0;
        self.is_closed(level, start).then(|| self.kept.rings[level as usize].open.pop_front()).flatten()
    }

    fn is_closed(&self, level: Level, start: u64) -> bool {
        level.end(start).saturating_add(GRACE) <= self.now
    }

    /// Adds `rows` of one slot, each key once, in any order, and the `rest` that is in no row, of which a key has at most `absent`. Of too
    /// many, only the heaviest stay, and only these get a number: until then, a row's id is what `name` knows it by.
    pub fn add(
        &mut self,
        slot: Slot,
        rows: impl ExactSizeIterator<Item = Row> + Clone,
        rest: &Counts,
        absent: &Loss,
        mut name: impl FnMut(&mut Naming, u32) -> u32,
    ) {
        let mut summary = std::mem::take(&mut self.room.summary);
        (summary.total, summary.absent) = (*rest, *absent);
        self.cuts.open_rows += summary.gather(rows, self.cutter.keep * SLOT, &mut self.cutter) as u64;
        summary.rows.iter_mut().for_each(|row| row.id = name(&mut self.naming, row.id));
        summary.rows.sort_unstable_by_key(|row| row.id);
        debug_assert!(summary.rows.is_sorted_by(|a, b| a.id < b.id), "each number once");
        self.add_summary(slot, &summary);
        self.room.summary = summary;
    }

    /// A worker's part is over.
    pub fn settle(&mut self, worker: usize) {
        self.naming.settle(worker);
    }

    /// Counts what a worker gave up.
    pub fn gave_up(&mut self, rows: u64, crowded: u64) {
        self.cuts.worker_rows += rows;
        self.cuts.crowded += crowded;
    }

    /// Adds to the open table of its time; late, also to the closed bucket of each level below that.
    fn add_summary(&mut self, slot: Slot, summary: &Summary) {
        if slot.level != Level::Start {
            self.kept.oldest = self.kept.oldest.min(slot.start);
        }
        let mut level = slot.level;
        while level != Level::Start {
            let start = level.floor(slot.start);
            if !self.is_closed(level, start) {
                break;
            }
            if start >= kept_from(level, self.now) {
                self.add_late(level, start, summary);
            }
            level = level.next();
        }
        self.feed(level, slot.start, summary);
    }

    fn add_late(&mut self, level: Level, start: u64, more: &Summary) {
        let Room { late, packed, .. } = &mut self.room;
        let closed = &mut self.kept.rings[level as usize].closed;
        let at = closed.partition_point(|(other, _)| *other < start);
        let made = closed.get(at).is_some_and(|(other, _)| *other == start);
        late.clear();
        if made {
            closed[at].1.unpack(late);
            self.naming.ids.release(&late.rows);
        }
        self.cuts.open_rows += late.merge(more, self.cutter.keep, &mut self.cutter) as u64;
        let bucket = Bucket::pack(late, packed);
        self.naming.ids.hold(&late.rows);
        if made {
            closed[at].1 = bucket;
        } else {
            closed.insert(at, (start, bucket));
        }
    }

    /// Adds to the open table of a level that has `time`.
    fn feed(&mut self, level: Level, time: u64, more: &Summary) {
        let keep = self.cutter.keep * if level == Level::Minute { SLOT } else { 1 };
        let summary = match level {
            Level::Start => &mut self.kept.since_start,
            _ => {
                let (start, open) = (level.floor(time), &mut self.kept.rings[level as usize].open);
                let at = open.partition_point(|(other, _)| *other < start);
                if open.get(at).is_none_or(|(other, _)| *other != start) {
                    open.insert(at, (start, Arc::default()));
                }
                &mut open[at].1
            }
        };
        self.cuts.open_rows += Summary::merge_shared(summary, more, keep, &mut self.cutter) as u64;
    }

    /// Frees the numbers of keys that no bucket has.
    pub(super) fn sweep(&mut self) {
        debug_assert_eq!(self.naming.ids.buckets(), self.buckets(), "numbers know in how many buckets they are");
        let mut marked = vec![false; self.naming.ids.end()];
        let mut mark = |summary: &Summary| summary.rows.iter().for_each(|row| marked[row.id as usize] = true);
        self.kept.rings.iter().flat_map(|ring| &ring.open).for_each(|(_, open)| mark(open));
        mark(&self.kept.since_start);
        self.naming.numbers().for_each(|id| marked[id as usize] = true);
        self.naming.ids.sweep(&marked);
        self.swept = self.naming.ids.len();
    }

    /// In how many closed buckets each number is, counted anew.
    fn buckets(&self) -> Vec<u32> {
        let (mut buckets, mut scratch) = (vec![0; self.naming.ids.end()], Summary::default());
        for (_, bucket) in self.kept.rings.iter().flat_map(|ring| &ring.closed) {
            bucket.unpack(&mut scratch);
            scratch.rows.iter().for_each(|row| buckets[row.id as usize] += 1);
        }
        buckets
    }

    /// What was given up so far.
    pub fn cuts(&self) -> Cuts {
        self.cuts
    }

    /// The most that any key can have beyond what its row says since the start.
    pub fn error(&self) -> Loss {
        self.kept.absent_since_start(self.now)
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.open_bytes() + self.closed_bytes() + self.naming.ids.bytes() - self.naming.ids.bytes_in_use()
    }

    /// Bytes of closed buckets and of the names in use, which the water level rules.
    pub fn closed_bytes(&self) -> usize {
        let closed = self.kept.rings.iter().flat_map(|ring| &ring.closed);
        closed.map(|(_, bucket)| bucket.bytes()).sum::<usize>() + self.naming.ids.bytes_in_use()
    }

    /// Bytes of open tables, which k rules, and of the room to work in.
    fn open_bytes(&self) -> usize {
        let open = self.kept.rings.iter().flat_map(|ring| &ring.open).map(|(_, open)| open.bytes());
        let room = &self.room;
        open.sum::<usize>()
            + self.kept.since_start.bytes()
            + self.naming.bytes_of_rows()
            + self.cutter.bytes()
            + room.summary.bytes()
            + room.late.bytes()
            + room.packed.capacity()
    }
}

/// Start of the oldest bucket that is kept: those of the window, and as many before it, for changes of rank.
fn kept_from(level: Level, now: u64) -> u64 {
    level.first(now).saturating_sub(level.span())
}
