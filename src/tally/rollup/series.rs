//! Points over time: a bucket each.

use super::bucket::{CLASSES, Extremes};
use super::ring::Ring;
use super::{Bucket, History, Span};
use crate::tally::Counts;
use crate::tally::histogram::{Histogram, Packed};
use crate::tally::slot::{Period, Window};
use crate::tally::uniques::Sketch;

/// Seconds of an interval up to which minutes are told apart.
const FINE: u64 = 12 * 3600;

/// Points of a window, with gaps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Seconds that a point stands for.
    pub step: u64,
    /// Start of the first bucket of the window: Unix seconds, a multiple of the step.
    pub first: u64,
    /// Start of the newest one, which is growing.
    pub newest: u64,
    /// Ascending by time; a bucket without a point is a gap.
    pub points: Vec<Point>,
}

/// One bucket.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Point {
    /// When it begins: Unix seconds.
    pub start: u64,
    /// All requests.
    pub total: Counts,
    /// By class of status.
    pub classes: [u64; CLASSES],
    /// p50, p95 and p99 of the times in ms; `None` without a timed entry.
    pub times: Option<[u64; 3]>,
    /// Different clients; `None` where no sketch is as fine.
    pub clients: Option<u64>,
    /// The greatest and the least second in it; `None` if it was never told apart by seconds.
    pub extremes: Option<Extremes>,
}

impl History {
    /// The points of a window that ends `now` (ms).
    pub fn series(&self, window: Window, now: u64) -> Series {
        let now = now / 1000;
        let (level, clients, step, count) = match window {
            Window::Minute => (&self.levels[0], &self.clients[0], 1, 60),
            Window::TenMinutes => (&self.levels[0], &self.clients[1], 2, 300),
            Window::Hour => (&self.levels[1], &self.clients[2], 10, 360),
            Window::Day => (&self.levels[2], &self.clients[3], 300, 288),
            Window::Total => (&self.whole, &self.whole_clients, self.whole.width(), 0),
        };
        let newest = now - now % step;
        let first = match window {
            Window::Total => level.first().unwrap_or(newest).min(newest),
            _ => newest.saturating_sub((count - 1) * step),
        };
        self.collect(level.range(first, newest + step), Some(clients), step, first, newest)
    }

    /// The span and the step of the series of a key, or of an interval, at `now` (ms): of that since the start as much as a day keeps.
    /// `None` where nothing is kept so long ago.
    pub fn steps_of(&self, period: Period, now: u64) -> Option<(Span, u64)> {
        let span = match period {
            Period::Window(Window::Total) => self.window(Window::Day, now)?,
            Period::Window(window) => self.window(window, now)?,
            Period::Between(from, to) => self.between(from, to, now)?,
        };
        let step = match (span.level, span.clients) {
            (0, Some(0)) => 1,
            (0, _) => 2,
            (1, _) => 10,
            _ if matches!(period, Period::Between(..)) && span.to - span.from <= FINE => 60,
            _ => 300,
        };
        Some((span, step))
    }

    /// The points of an interval, at most 720.
    pub fn series_between(&self, from: u64, to: u64, now: u64) -> Option<Series> {
        let (span, step) = self.steps_of(Period::Between(from, to), now)?;
        let clients = span.clients.map(|ring| &self.clients[ring]).filter(|ring| ring.width() == step);
        let first = span.from - span.from % step;
        let newest = span.to.saturating_sub(1);
        // What lies outside of the interval is not in its first and last point.
        Some(self.collect(self.buckets(span), clients, step, first, newest - newest % step))
    }

    fn collect<'a>(
        &self,
        buckets: impl Iterator<Item = (u64, &'a Bucket)>,
        clients: Option<&Ring<Sketch>>,
        step: u64,
        first: u64,
        newest: u64,
    ) -> Series {
        let mut points: Vec<Point> = Vec::new();
        let mut merge = Merge::default();
        for (start, bucket) in buckets {
            let start = start - start % step;
            if merge.start != Some(start) {
                points.extend(merge.take(self, step));
                merge.start = Some(start);
            }
            merge.add(bucket);
        }
        points.extend(merge.take(self, step));
        for point in &mut points {
            let counted = |ring: &Ring<Sketch>| ring.get(point.start).map_or(0, |sketch| sketch.count().0);
            point.clients = clients.map(counted);
        }
        Series { step, first, newest, points }
    }

    /// Extremes of the seconds of an interval that are still told apart.
    fn extremes(&self, start: u64, step: u64) -> Option<Extremes> {
        let seconds = self.levels[0].range(start, start + step);
        Extremes::of_all(seconds.map(|(_, bucket)| Extremes::of(&bucket.total)))
    }
}

/// Buckets that become one point.
#[derive(Default)]
struct Merge {
    start: Option<u64>,
    total: Counts,
    classes: [u64; CLASSES],
    times: Vec<Packed>,
    extremes: Option<Extremes>,
}

impl Merge {
    fn add(&mut self, bucket: &Bucket) {
        self.total.merge(&bucket.total);
        for (sum, more) in self.classes.iter_mut().zip(bucket.classes) {
            *sum += more;
        }
        self.times.push(bucket.times.clone());
        self.extremes = Extremes::of_all(self.extremes.into_iter().chain(bucket.extremes));
    }

    fn take(&mut self, history: &History, step: u64) -> Option<Point> {
        let Self { start, total, classes, times, extremes } = std::mem::take(self);
        let start = start?;
        const PARTS: [u64; 3] = [5_000, 9_500, 9_900];
        let times = match &times[..] {
            [one] => one.percentiles(PARTS),
            several => {
                let mut sum = Histogram::default();
                several.iter().for_each(|times| sum.merge(times));
                sum.take().percentiles(PARTS)
            }
        };
        let extremes = Extremes::of_all(extremes.into_iter().chain(history.extremes(start, step)));
        Some(Point { start, total, classes, times, clients: None, extremes })
    }
}
