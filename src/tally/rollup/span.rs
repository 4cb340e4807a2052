//! Sums over a window.

use super::combinations::Value;
use super::{Bucket, History};
use crate::tally::histogram::{Histogram, Packed};
use crate::tally::slot::Window;
use crate::tally::uniques::Sketch;
use crate::tally::{Counts, Dimension};

/// Whole buckets of one level: from the first second to before the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    level: usize,
    from: u64,
    to: u64,
}

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
        let now = now / 1000;
        Some(Span { level, from: self.levels[level].start_of(now.saturating_sub(width)), to: now + 1 })
    }

    fn buckets(&self, span: Span) -> impl Iterator<Item = (u64, &Bucket)> {
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

    /// Different clients, and whether that is exact; `None` for since the start.
    pub fn clients(&self, span: Option<Span>) -> (u64, bool) {
        let Some(span) = span else { return self.all_clients.count() };
        let mut all = Sketch::new(self.precision);
        // Ten minutes are made of two seconds each, a minute of one.
        let ring = match (span.level, span.to - span.from) {
            (0, ..=70) => 0,
            (0, _) => 1,
            (level, _) => level + 1,
        };
        let ring = &self.clients[ring];
        ring.range(ring.start_of(span.from), span.to).for_each(|(_, sketch)| all.merge(sketch));
        all.count()
    }
}
