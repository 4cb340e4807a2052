//! One dimension at the merger: open slots close into buckets of 2 s, and these flow into buckets of 20 s, 2 min, 30 min, and since start.
//!
//! A closed bucket's entries are in the open table of the next level, so that an entry is in one place of each window: in the closed
//! buckets of the window's level, or in the open tables of that level and the finer ones.

use std::collections::VecDeque;

use super::bucket::Bucket;
use super::ids::Ids;
use super::loss::Scales;
use super::part::{KeyedPart, PartRow};
use super::slot::{Level, Slot};
use super::summary::{Cutter, Row, Summary};

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
    pub open: VecDeque<(u64, Summary)>,
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

/// One dimension's windows.
#[derive(Clone, Debug)]
pub struct Levels {
    pub(super) ids: Ids,
    pub(super) rings: [Ring; Level::CLOSING.len()],
    pub(super) since_start: Summary,
    /// The last tick. What is behind it by more than the grace is closed.
    now: u64,
    /// When counting began.
    pub(super) began: u64,
    /// Start of the oldest slot.
    pub(super) oldest: u64,
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
    /// Numbers of a part's rows, by slot.
    order: Vec<u32>,
}

impl Levels {
    /// No entries yet; counting begins at `began`. Tables keep the `keep` heaviest rows, open slots twice as many.
    pub fn new(keep: usize, began: u64) -> Self {
        Self {
            ids: Ids::default(),
            rings: Default::default(),
            since_start: Summary::default(),
            now: began,
            began,
            oldest: began,
            cuts: Cuts::default(),
            cutter: Cutter::new(keep.max(KEEP_MIN)),
            swept: 0,
            room: Room::default(),
        }
    }

    /// By which weight rows are chosen from now on.
    pub fn set_scales(&mut self, scales: Scales) {
        self.cutter.scales = scales;
    }

    /// Time goes on to `now`: closes what is over, forgets what no window needs, and frees keys. Parts come after the tick; then ids
    /// are good until the next tick, or until [`shrink_to`](super::shrink_to).
    pub fn tick(&mut self, now: u64) {
        self.now = self.now.max(now);
        for level in Level::CLOSING {
            // In order of levels: what closes here flows into a table that closes in this same tick, if it's over too.
            while let Some((start, mut summary)) = self.next_closed(level) {
                self.cuts.open_rows += summary.cut(self.cutter.keep, &mut self.cutter) as u64;
                self.feed(level.next(), start, &summary);
                let bucket = Bucket::pack(&summary, &mut self.room.packed);
                let closed = &mut self.rings[level as usize].closed;
                debug_assert!(closed.back().is_none_or(|(last, _)| *last < start), "what is late is later than closed");
                closed.push_back((start, bucket));
            }
            let kept = kept_from(level, self.now);
            let closed = &mut self.rings[level as usize].closed;
            while closed.front().is_some_and(|(start, _)| *start < kept) {
                closed.pop_front();
            }
        }
        if self.ids.len() > 2 * self.swept.max(SWEEP_MIN) {
            self.sweep();
        }
    }

    fn next_closed(&mut self, level: Level) -> Option<(u64, Summary)> {
        let start = self.rings[level as usize].open.front()?.0;
        self.is_closed(level, start).then(|| self.rings[level as usize].open.pop_front()).flatten()
    }

    fn is_closed(&self, level: Level, start: u64) -> bool {
        level.end(start).saturating_add(GRACE) <= self.now
    }

    /// Adds a worker's part of this dimension.
    pub fn add(&mut self, part: &KeyedPart) {
        self.cuts.worker_rows += part.dropped;
        self.cuts.crowded += part.crowded;
        let mut order = std::mem::take(&mut self.room.order);
        order.clear();
        order.extend(0..part.rows.len() as u32);
        if part.slots.len() > 1 {
            order.sort_by_key(|&row| part.rows[row as usize].slot);
        }
        let mut rest = &order[..];
        for (number, slot) in part.slots.iter().enumerate() {
            let end = rest.partition_point(|&row| part.rows[row as usize].slot as usize == number);
            let (rows, others) = rest.split_at(end);
            rest = others;
            let mut summary = std::mem::take(&mut self.room.summary);
            (summary.total, summary.absent) = (slot.rest, slot.absent);
            self.number_rows(part, rows, &mut summary);
            self.add_summary(slot.slot, &summary);
            self.room.summary = summary;
        }
        self.room.order = order;
    }

    /// Makes a summary of a slot's rows: of many, only the heaviest get numbers.
    fn number_rows(&mut self, part: &KeyedPart, rows: &[u32], summary: &mut Summary) {
        for &row in rows {
            summary.total.merge(&part.rows[row as usize].counts);
        }
        summary.rows.clear();
        let id = |ids: &mut Ids, row: &PartRow| ids.id(part.key(row), row.hash);
        let numbered = |ids: &mut Ids, number: u32| {
            let row = &part.rows[number as usize];
            Row { id: id(ids, row), counts: row.counts, error: part.errors[number as usize] }
        };
        let keep = self.cutter.keep * SLOT;
        if rows.len() <= keep {
            summary.rows.extend(rows.iter().map(|&row| numbered(&mut self.ids, row)));
        } else {
            let Cutter { chooser, scales, .. } = &mut self.cutter;
            let most = |row: u32| scales.loss(&part.rows[row as usize].counts).plus(&part.errors[row as usize]);
            chooser.weights.clear();
            chooser.weights.extend(rows.iter().map(|&row| most(row).weight()));
            let total = scales.loss(&summary.total).weight();
            let mut choice = chooser.choose(keep).worth_a_name(total, keep);
            for (&row, &weight) in rows.iter().zip(&chooser.weights) {
                if choice.keeps(weight) {
                    summary.rows.push(numbered(&mut self.ids, row));
                } else {
                    summary.absent = summary.absent.most(&most(row));
                }
            }
            self.cuts.open_rows += (rows.len() - summary.rows.len()) as u64;
        }
        summary.rows.sort_unstable_by_key(|row| row.id);
    }

    /// Adds to the open table of its time; late, also to the closed bucket of each level below that.
    fn add_summary(&mut self, slot: Slot, summary: &Summary) {
        if slot.level != Level::Start {
            self.oldest = self.oldest.min(slot.start);
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
        let closed = &mut self.rings[level as usize].closed;
        let at = closed.partition_point(|(other, _)| *other < start);
        let made = closed.get(at).is_some_and(|(other, _)| *other == start);
        late.clear();
        if made {
            closed[at].1.unpack(late);
        }
        self.cuts.open_rows += late.merge(more, self.cutter.keep, &mut self.cutter) as u64;
        let bucket = Bucket::pack(late, packed);
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
            Level::Start => &mut self.since_start,
            _ => {
                let (start, open) = (level.floor(time), &mut self.rings[level as usize].open);
                let at = open.partition_point(|(other, _)| *other < start);
                if open.get(at).is_none_or(|(other, _)| *other != start) {
                    open.insert(at, (start, Summary::default()));
                }
                &mut open[at].1
            }
        };
        self.cuts.open_rows += summary.merge(more, keep, &mut self.cutter) as u64;
    }

    /// Frees the numbers of keys that no bucket has.
    pub(super) fn sweep(&mut self) {
        let mut marked = vec![false; self.ids.end()];
        let scratch = &mut self.room.summary;
        let mut mark = |summary: &Summary| summary.rows.iter().for_each(|row| marked[row.id as usize] = true);
        for ring in &self.rings {
            ring.open.iter().for_each(|(_, open)| mark(open));
            for (_, bucket) in &ring.closed {
                bucket.unpack(scratch);
                mark(scratch);
            }
        }
        mark(&self.since_start);
        self.ids.sweep(&marked);
        self.swept = self.ids.len();
    }

    /// What was given up so far.
    pub fn cuts(&self) -> Cuts {
        self.cuts
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.open_bytes() + self.closed_bytes()
    }

    /// Bytes of closed buckets and of the names, which the water level rules.
    pub fn closed_bytes(&self) -> usize {
        let closed = self.rings.iter().flat_map(|ring| &ring.closed);
        closed.map(|(_, bucket)| bucket.bytes()).sum::<usize>() + self.ids.bytes()
    }

    /// Bytes of open tables, which k rules, and of the room to work in.
    fn open_bytes(&self) -> usize {
        let open = self.rings.iter().flat_map(|ring| &ring.open).map(|(_, open)| open.bytes());
        let room = &self.room;
        open.sum::<usize>()
            + self.since_start.bytes()
            + self.cutter.bytes()
            + room.summary.bytes()
            + room.late.bytes()
            + room.packed.capacity()
            + room.order.capacity() * 4
    }
}

/// Start of the oldest bucket that is kept: those of the window, and as many before it, for changes of rank.
fn kept_from(level: Level, now: u64) -> u64 {
    level.first(now).saturating_sub(level.span())
}
