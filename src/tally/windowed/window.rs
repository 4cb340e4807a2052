//! Windows: plain sums of buckets, made when someone looks, with a bound for each row and for every key that is missing.

use std::cmp::Ordering;

use super::levels::Kept;
use super::loss::Loss;
use super::slot::Level;
use super::summary::Summary;
use crate::tally::{Counts, Measure};

/// One key in a window. The true figure of a measure lies in `counts ..= counts + error`.
#[derive(Clone, Copy, Debug)]
pub struct WindowRow {
    /// The key's number, good until the next tick or [`shrink_to`](super::shrink_to).
    pub id: u32,
    /// What was counted.
    pub counts: Counts,
    error: Loss,
    start: usize,
    len: u32,
}

impl WindowRow {
    /// The most that was missed, of all measures.
    pub fn loss(&self) -> Loss {
        self.error
    }

    /// The most that was missed; 0 is exact.
    pub fn error(&self, measure: Measure) -> u64 {
        self.error.measure(measure)
    }
}

/// A table over a span of time. Its rows and what it has besides add up to its total.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// Start of its oldest bucket, or when counting began, ms since the epoch.
    pub from: u64,
    /// The time it covers, in seconds: what rates divide by; at least 0.001.
    pub seconds: f64,
    /// All entries, exactly, over the very buckets that the rows are of.
    pub total: Counts,
    /// The rows that are held, in no order.
    pub rows: Vec<WindowRow>,
    absent: Loss,
    text: Vec<u8>,
}

impl Window {
    /// Key of a row.
    pub fn key(&self, row: &WindowRow) -> &[u8] {
        &self.text[row.start..][..row.len as usize]
    }

    /// The most that a key without a row can have had.
    pub fn absent(&self, measure: Measure) -> u64 {
        self.absent.measure(measure)
    }

    /// True if every key has a row and every row is exact.
    pub fn is_exact(&self) -> bool {
        self.absent.is_none()
    }

    /// What is left of the total without `shown`: exact, where these are; else too high by at most the sum of their errors.
    pub fn other<'a>(&self, shown: impl IntoIterator<Item = &'a WindowRow>) -> Counts {
        let mut sum = Counts::default();
        for row in shown {
            sum.merge(&row.counts);
        }
        self.total.without(&sum)
    }

    /// The first `count` rows by a measure, the largest first, ties by key (spec/statistics.md 4.4).
    pub fn top(&self, measure: Measure, count: usize) -> Vec<&WindowRow> {
        let by_rank = |a: &&WindowRow, b: &&WindowRow| -> Ordering {
            let values = b.counts.measure(measure).cmp(&a.counts.measure(measure));
            values.then_with(|| self.key(a).cmp(self.key(b)))
        };
        let mut rows: Vec<&WindowRow> = self.rows.iter().collect();
        if count < rows.len() {
            rows.select_nth_unstable_by(count, by_rank);
            rows.truncate(count);
        }
        rows.sort_unstable_by(by_rank);
        rows
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        self.rows.capacity() * size_of::<WindowRow>() + self.text.capacity()
    }
}

/// Values of some keys by bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Points {
    /// Start of the first bucket, ms since the epoch.
    pub from: u64,
    /// Width of a bucket, ms.
    pub step: u64,
    /// For each key, a value a bucket; `None` where the key has no row in it: at most what such a bucket lost, most often 0.
    pub values: Vec<Vec<Option<u64>>>,
}

/// Some keys by bucket.
#[derive(Clone, Debug, Default)]
pub struct KeySeries {
    /// Start of the first bucket, ms since the epoch.
    pub first: u64,
    /// Width of a bucket, ms.
    pub step: u64,
    /// Start of its oldest bucket, or since when something is kept: ms since the epoch.
    pub from: u64,
    /// The time it covers, in seconds; at least 0.001.
    pub seconds: f64,
    /// One a bucket.
    pub points: Vec<KeyPoint>,
    /// False if no such key has a row, neither here nor since the start.
    pub is_known: bool,
}

/// One bucket of a [`KeySeries`].
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyPoint {
    /// What was counted.
    pub counts: Counts,
    /// The most that was missed of one key.
    pub error: Loss,
    /// What is in no row: all that several keys can have missed together.
    pub rest: Counts,
    /// Something was counted then, of whatever key.
    pub is_covered: bool,
}

/// Whole buckets of one level: those that start in `from .. to`, and what of them is not ahead of `now`.
#[derive(Clone, Copy, Debug)]
struct Range {
    level: Level,
    from: u64,
    to: u64,
    now: u64,
}

impl Kept {
    /// The window of that level that ends `now`: (now - span, now], and at most one bucket more. That since the start has all entries,
    /// those ahead of now too.
    pub fn window(&self, level: Level, now: u64) -> Window {
        self.sum(sliding(level, now))
    }

    /// The window of equal length before that, for changes of rank; `None` for that since the start. Of entries that came later than
    /// the window is long it knows nothing.
    pub fn window_before(&self, level: Level, now: u64) -> Option<Window> {
        (level != Level::Start).then(|| {
            let to = level.first(now);
            self.sum(Range { level, from: to.saturating_sub(level.span()), to, now })
        })
    }

    /// The most that a key without a row can have had since the start, and so the most that any row there can have missed.
    pub fn absent_since_start(&self, now: u64) -> Loss {
        let mut absent = Loss::NONE;
        self.each(sliding(Level::Start, now), |_, summary| absent = absent.plus(&summary.absent));
        absent
    }

    /// All whole buckets that have a part of `from .. to`, as fine as they are kept complete: of the level whose window that ends `now`
    /// goes back to `from`. Before the oldest of a day, late entries are missing; before those kept, all are.
    pub fn between(&self, from: u64, to: u64, now: u64) -> Window {
        self.sum(range(from, to, now))
    }

    /// The whole buckets, as many as make up a time as long as `from .. to`, that end where the buckets of that begin, or before: none is
    /// in both.
    pub fn before_between(&self, from: u64, to: u64, now: u64) -> Window {
        let (end, length) = (range(from, to, now).from, to.saturating_sub(from));
        let Range { level, .. } = range(end.saturating_sub(length), end, now);
        let to = level.floor(end);
        self.sum(Range { level, from: level.floor(to.saturating_sub(length)), to, now })
    }

    /// What the keys that are `wanted` had together, by bucket of the window of that level that ends `now`; of that since the start by
    /// bucket of a day, as many as are kept.
    pub fn series(&self, level: Level, now: u64, wanted: impl Fn(&[u8]) -> bool) -> KeySeries {
        let range = match level {
            Level::Start => {
                let level = Level::Day;
                let from = level.first(now).max(level.floor(self.oldest));
                Range { level, from, to: now.saturating_add(1), now }
            }
            _ => sliding(level, now),
        };
        self.series_of(range, wanted)
    }

    /// The same of an interval, see [`between`](Self::between).
    pub fn series_between(&self, from: u64, to: u64, now: u64, wanted: impl Fn(&[u8]) -> bool) -> KeySeries {
        self.series_of(range(from, to, now), wanted)
    }

    fn series_of(&self, range: Range, wanted: impl Fn(&[u8]) -> bool) -> KeySeries {
        let Range { level, from, to, now } = range;
        let count = (to.min(now.saturating_add(1)).saturating_sub(from)).div_ceil(level.width()) as usize;
        let mut points = vec![KeyPoint::default(); count];
        // By id: not looked at yet, wanted, not wanted.
        let mut known: Vec<Option<bool>> = vec![None; self.named.end()];
        let mut found = false;
        self.each(range, |start, summary| {
            let Some(point) = points.get_mut(((start - from) / level.width()) as usize) else { return };
            let (mut kept, mut error, mut rows) = (Counts::default(), Loss::NONE, 0_u32);
            for row in &summary.rows {
                kept.merge(&row.counts);
                if *known[row.id as usize].get_or_insert_with(|| wanted(self.named.key(row.id))) {
                    point.counts.merge(&row.counts);
                    error = error.plus(&row.error);
                    rows += 1;
                }
            }
            found |= rows > 0;
            point.is_covered = true;
            point.error = point.error.plus(&if rows == 0 { summary.absent } else { error });
            point.rest.merge(&summary.total.without(&kept));
        });
        let from_kept = from.max(self.oldest.min(now));
        let end = level.end(level.floor(to.saturating_sub(1))).min(now);
        let seconds = end.saturating_sub(from_kept).max(1) as f64 / 1000.0;
        if !found {
            self.each(sliding(Level::Start, now), |_, summary| {
                found |= summary
                    .rows
                    .iter()
                    .any(|row| *known[row.id as usize].get_or_insert_with(|| wanted(self.named.key(row.id))));
            });
        }
        KeySeries { first: from, step: level.width(), from: from_kept, seconds, points, is_known: found }
    }

    /// One measure of the keys `ids` by bucket of a window that ends `now`; since the start there is one.
    pub fn points(&self, ids: &[u32], measure: Measure, level: Level, now: u64) -> Points {
        let range = sliding(level, now);
        let count = if level == Level::Start { 1 } else { (level.floor(now) - range.from) / level.width() + 1 };
        let mut values = vec![vec![None; count as usize]; ids.len()];
        self.each(range, |start, summary| {
            let at = ((start - range.from) / level.width()) as usize;
            for (values, id) in values.iter_mut().zip(ids) {
                if let Ok(row) = summary.rows.binary_search_by_key(id, |row| row.id) {
                    let value: &mut Option<u64> = &mut values[at];
                    let more = summary.rows[row].counts.measure(measure);
                    *value = Some(value.unwrap_or(0).saturating_add(more));
                }
            }
        });
        Points { from: range.from, step: level.width(), values }
    }

    fn sum(&self, range: Range) -> Window {
        const NONE: u32 = u32::MAX;
        let mut window = Window::default();
        let mut row_of = vec![NONE; self.named.end()];
        self.each(range, |_, summary| {
            window.total.merge(&summary.total);
            window.absent = window.absent.plus(&summary.absent);
            for row in &summary.rows {
                // While it is summed, `error` is what the parts that have the row cover of the loss of all.
                let covered = summary.absent.uncovered(&row.error);
                let at = &mut row_of[row.id as usize];
                if *at == NONE {
                    *at = window.rows.len() as u32;
                    window.rows.push(WindowRow { id: row.id, counts: row.counts, error: covered, start: 0, len: 0 });
                } else {
                    let sum = &mut window.rows[*at as usize];
                    sum.counts.merge(&row.counts);
                    sum.error = sum.error.plus(&covered);
                }
            }
        });
        for row in &mut window.rows {
            let key = self.named.key(row.id);
            row.error = window.absent.uncovered(&row.error);
            (row.start, row.len) = (window.text.len(), key.len() as u32);
            window.text.extend_from_slice(key);
        }
        window.from = range.from.max(if range.level == Level::Start { self.began } else { self.oldest });
        let to = range.level.end(range.level.floor(range.to.saturating_sub(1))).min(range.now);
        window.seconds = to.saturating_sub(window.from).max(1) as f64 / 1000.0;
        window
    }

    /// Every part of a range, once, with the start of the bucket of the range's level that it is of.
    fn each(&self, range: Range, mut visit: impl FnMut(u64, &Summary)) {
        let Range { level, from, to, now } = range;
        let start_of = |start| Some(level.floor(start)).filter(|bucket| (from..to).contains(bucket));
        if level == Level::Start {
            visit(0, &self.since_start);
        } else {
            let mut unpacked = Summary::default();
            for (start, bucket) in &self.rings[level as usize].closed {
                if start_of(*start).is_some() {
                    bucket.unpack(&mut unpacked);
                    visit(*start, &unpacked);
                }
            }
        }
        for (start, open) in self.rings.iter().take(level as usize + 1).flat_map(|ring| &ring.open) {
            if let Some(bucket) = start_of(*start)
                && (*start <= now || level == Level::Start)
            {
                visit(bucket, open);
            }
        }
    }
}

/// The buckets that have a part of `from .. to`, of the finest level that has them complete.
fn range(from: u64, to: u64, now: u64) -> Range {
    let complete = |level: &Level| level.floor(from) >= level.first(now);
    let level = Level::CLOSING.into_iter().find(complete).unwrap_or(Level::Day);
    let kept = level.first(now).saturating_sub(level.span());
    Range { level, from: level.floor(from).max(kept), to, now }
}

fn sliding(level: Level, now: u64) -> Range {
    Range {
        level,
        from: level.first(now),
        to: if level == Level::Start { u64::MAX } else { now.saturating_add(1) },
        now,
    }
}
