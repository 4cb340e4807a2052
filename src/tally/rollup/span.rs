//! Sums over a window.

use super::combinations::Value;
use super::{Bucket, History};
use crate::tally::histogram::{Histogram, Packed};
use crate::tally::slot::{Period, Window};
use crate::tally::table::REFUSED;
use crate::tally::uniques::Sketch;
use crate::tally::{Counts, Dimension};

/// Whole buckets of one level: from the first second to before the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub(super) level: usize,
    pub(super) from: u64,
    pub(super) to: u64,
    /// The sketches of clients that are as fine or finer, where there are some.
    pub(super) clients: Option<usize>,
}

/// How far back each level goes, in seconds.
const REACH: [u64; 3] = [600, 3600, 24 * 3600];

/// The same for sketches of clients.
const CLIENTS_REACH: [u64; 4] = [60, 600, 3600, 24 * 3600];

/// What a span covers, and all requests in it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sum {
    /// Start of its first bucket that is covered, or since when counting goes on: ms since the epoch.
    pub from: u64,
    /// Seconds that are covered by buckets: divide by it. At least 0.001.
    pub seconds: f64,
    /// All requests.
    pub total: Counts,
}

impl History {
    /// The buckets of a window that ends `now` (ms): those of (now - width, now], and at most one more. `None` for that since the start.
    pub fn window(&self, window: Window, now: u64) -> Option<Span> {
        let width = window.seconds()?;
        let level = match window {
            Window::Minute | Window::TenMinutes => 0,
            Window::Hour => 1,
            _ => 2,
        };
        let clients = match window {
            Window::Minute => 0,
            Window::TenMinutes => 1,
            Window::Hour => 2,
            _ => 3,
        };
        let now = now / 1000;
        let from = self.levels[level].start_of(now.saturating_sub(width));
        Some(Span { level, from, to: now + 1, clients: Some(clients) })
    }

    /// The buckets that have a part of `from .. to` (ms), of the finest level that goes back so far at `now`; `None` where none does.
    pub fn between(&self, from: u64, to: u64, now: u64) -> Option<Span> {
        let (now, to) = (now / 1000, to.div_ceil(1000));
        let level = self.level_of(from, now)?;
        let from = self.levels[level].start_of(from / 1000);
        let clients = CLIENTS_REACH.iter().zip(&self.clients).position(|(reach, ring)| {
            from >= ring.start_of(now.saturating_sub(*reach)) && ring.width() >= self.levels[level].width()
        });
        Some(Span { level, from, to: to.min(now + 1), clients })
    }

    /// The whole buckets of `seconds` that end where those of a period begin; `None` where these are not kept.
    pub fn before(&self, period: Period, now: u64) -> Option<Span> {
        let (end, seconds) = match period {
            Period::Window(window) => (self.window(window, now)?.from, window.seconds()?),
            Period::Between(from, to) => (self.between(from, to, now)?.from, to.saturating_sub(from).div_ceil(1000)),
        };
        let level = self.level_of(end.saturating_sub(seconds) * 1000, now / 1000)?;
        let to = self.levels[level].start_of(end);
        let from = self.levels[level].start_of(to.saturating_sub(seconds));
        Some(Span { level, from, to, clients: None })
    }

    /// The finest level that goes back to `from` (ms).
    fn level_of(&self, from: u64, now: u64) -> Option<usize> {
        let oldest = |(reach, ring): (&u64, &super::Ring<Bucket>)| ring.start_of(now.saturating_sub(*reach));
        REACH.iter().zip(&self.levels).position(|level| from / 1000 >= oldest(level))
    }

    /// Start of the oldest bucket that any interval can have, ms since the epoch; `None` before the first.
    pub fn oldest(&self, now: u64) -> Option<u64> {
        let [.., days] = &self.levels;
        let reach = days.start_of((now / 1000).saturating_sub(REACH[2]));
        days.first().map(|first| first.max(reach) * 1000)
    }

    /// Buckets of 10 s that begin from one second to before another, as far as an hour keeps them.
    pub fn tens(&self, from: u64, to: u64) -> impl Iterator<Item = (u64, &Bucket)> {
        self.levels[1].range(from, to)
    }

    /// The same of 1 s, as far as ten minutes keep them.
    pub fn ones(&self, from: u64, to: u64) -> impl Iterator<Item = (u64, &Bucket)> {
        self.levels[0].range(from, to)
    }

    /// True if something was covered from one moment to before another (ms).
    pub fn covers(&self, from: u64, to: u64) -> bool {
        let (from, to) = (from / 1000, to.div_ceil(1000));
        self.levels.iter().any(|level| level.range(level.start_of(from), to).next().is_some())
    }

    pub(super) fn buckets(&self, span: Span) -> impl Iterator<Item = (u64, &Bucket)> {
        self.levels[span.level].range(span.from, span.to)
    }

    /// What a span covers at `now`, when counting has gone on since `started` (ms).
    pub fn sum(&self, span: Span, now: u64, started: u64) -> Sum {
        let width = self.levels[span.level].width() * 1000;
        let (mut total, mut first, mut covered) = (Counts::default(), None, 0);
        for (start, bucket) in self.buckets(span) {
            total.merge(&bucket.total);
            let (start, end) = (start * 1000, (start * 1000 + width).min(now));
            // Counting began inside the first bucket, unless there is something older.
            let begin = if first.is_none() && started < end { start.max(started) } else { start };
            first.get_or_insert(begin);
            covered += end.saturating_sub(begin);
        }
        Sum { from: first.unwrap_or(now), seconds: covered.max(1) as f64 / 1000.0, total }
    }

    /// By value of a small dimension, in no order; and entries whose values are not told apart.
    pub fn by_value(&self, span: Span, dimension: Dimension) -> (Vec<(Value, Counts)>, Counts) {
        let mut sums: Vec<Counts> = vec![Counts::default(); self.combinations.len()];
        let mut others = Counts::default();
        for (_, bucket) in self.buckets(span) {
            others.merge(&bucket.others);
            for (number, counts) in bucket.combinations.iter() {
                if let Some(sum) = sums.get_mut(number as usize) {
                    sum.merge(&counts);
                }
            }
        }
        let mut values: hashbrown::HashMap<Value, Counts, foldhash::fast::RandomState> = hashbrown::HashMap::default();
        for (number, counts) in (0..).zip(&sums).filter(|(_, counts)| !counts.is_empty()) {
            if let Some(value) = self.combinations.values(number).and_then(|values| values.of(dimension)) {
                values.entry(value).or_default().merge(counts);
            }
        }
        (values.into_iter().collect(), others)
    }

    /// By row of the node, ascending.
    pub fn by_node(&self, span: Span) -> Vec<(u32, Counts)> {
        let mut sums = std::collections::BTreeMap::<u32, Counts>::new();
        for (_, bucket) in self.buckets(span) {
            bucket.nodes.iter().for_each(|(row, counts)| sums.entry(row).or_default().merge(&counts));
        }
        sums.into_iter().collect()
    }

    /// Requests by time (ms) and by bytes; `None` for since the start.
    pub fn histograms(&self, span: Option<Span>) -> (Packed, Packed) {
        let Some(span) = span else { return ((*self.times).clone(), (*self.sizes).clone()) };
        let (mut times, mut sizes) = (Histogram::default(), Histogram::default());
        for (_, bucket) in self.buckets(span) {
            times.merge(&bucket.times);
            sizes.merge(&bucket.sizes);
        }
        (times.take(), sizes.take())
    }

    /// One key of a small dimension other than the node, bucket by bucket: what it had for sure, and what may be of it because it is not
    /// told apart; both summed by steps of so many seconds.
    pub fn value_series(
        &self,
        span: Span,
        dimension: Dimension,
        value: Value,
        step: u64,
    ) -> Vec<(u64, Counts, Counts)> {
        let of: Vec<u8> = (0..self.combinations.len() as u32)
            .map(|number| match self.combinations.values(number).and_then(|values| values.of(dimension)) {
                Some(found) if found == value => 1,
                Some(Value::Row(REFUSED)) => 2,
                _ => 0,
            })
            .collect();
        self.steps(span, step, |bucket, sure, perhaps| {
            perhaps.merge(&bucket.others);
            for (number, counts) in bucket.combinations.iter() {
                match of.get(number as usize) {
                    Some(1) => sure.merge(&counts),
                    Some(2) => perhaps.merge(&counts),
                    _ => {}
                }
            }
        })
    }

    /// The same for a node, by its row.
    pub fn node_series(&self, span: Span, row: u32, step: u64) -> Vec<(u64, Counts, Counts)> {
        self.steps(span, step, |bucket, sure, _| {
            bucket.nodes.iter().filter(|(of, _)| *of == row).for_each(|(_, counts)| sure.merge(&counts));
        })
    }

    /// The first step of a span, and the end of its last that has begun `now` (ms), in seconds.
    pub fn steps_in(&self, span: Span, step: u64, now: u64) -> (u64, u64) {
        let first = span.from - span.from % step;
        let to = span.to.min(now / 1000 + 1).max(first + 1);
        (first, first + (to - first).div_ceil(step) * step)
    }

    fn steps(
        &self,
        span: Span,
        step: u64,
        add: impl Fn(&Bucket, &mut Counts, &mut Counts),
    ) -> Vec<(u64, Counts, Counts)> {
        let mut points: Vec<(u64, Counts, Counts)> = Vec::new();
        for (start, bucket) in self.buckets(span) {
            let start = start - start % step;
            if points.last().is_none_or(|(last, ..)| *last != start) {
                points.push((start, Counts::default(), Counts::default()));
            }
            if let Some((_, sure, perhaps)) = points.last_mut() {
                add(bucket, sure, perhaps);
            }
        }
        points
    }

    /// Different clients, and whether that is exact; `None` for since the start. `None` comes back where no sketches are as fine as the
    /// buckets of the span.
    pub fn clients(&self, span: Option<Span>) -> Option<(u64, bool)> {
        let Some(span) = span else { return Some(self.all_clients.count()) };
        let ring = &self.clients[span.clients?];
        let is_whole = span.from == ring.start_of(span.from) && span.to == ring.start_of(span.to);
        let is_window = span.level == 2 && span.to - span.from >= REACH[2];
        if ring.width() > 10 && !is_whole && !is_window {
            return None;
        }
        let mut all = Sketch::new(self.precision);
        ring.range(ring.start_of(span.from), span.to).for_each(|(_, sketch)| all.merge(sketch));
        Some(all.count())
    }
}
