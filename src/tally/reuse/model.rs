//! The merger's side of the sample: the objects in it, how far apart their requests are, and the threshold.

use std::collections::BTreeMap;

use super::curve::{Curve, Distances, OneHit};
use super::stack::{SIZE_MAX, Stack, Sum};
use super::{Sample, Samples, Volume, rate};
use crate::tally::Window;

/// Places of the stack for each object: giving all anew takes about as long as a few requests of each.
const PLACES: usize = 4;

/// An object that nobody asks for in this time (ms) is forgotten: the sample is for those of the longest window.
const FORGOTTEN_MS: u64 = 24 * 3600 * 1000;

/// How often to look for those, ms.
const SWEEP_MS: u64 = 60 * 1000;

/// Samples of one tick for each object, above which the sample is too large for what comes in.
const TICK_SAMPLES: usize = 8;

/// Sizes differ by orders of magnitude: few objects say less of how large those between two requests were than the mean of all does, which
/// counts as much as so many objects.
const PRIOR: f64 = 256.0;

/// The part of the objects that is always kept, however much comes in.
const KEPT: usize = 8;

/// An object of the sample.
#[derive(Clone, Copy, Debug)]
struct Object {
    /// Its place in the stack.
    place: u32,
    /// Bytes of the largest response with status 200.
    size: u64,
    /// All requests.
    asked: Volume,
    /// Bytes of those that missed.
    miss_bytes: u64,
    /// Time of its newest entry, ms.
    newest: u64,
    /// When that came, ms.
    seen: u64,
}

/// The sample.
#[derive(Debug)]
pub struct Reuse {
    /// Most objects.
    cap: usize,
    /// Hashes below it are in the sample; it only falls.
    threshold: u64,
    /// By hash, so that the one that goes next is the last.
    objects: BTreeMap<u64, Object>,
    stack: Stack,
    distances: Distances,
    /// Samples that came since the last tick.
    pending: Vec<Sample>,
    /// The part of `asked` that samples can stand for.
    asked: Volume,
    /// Some had no room since the last tick.
    was_full: bool,
    samples: u64,
    dropped: u64,
    swept: u64,
}

impl Reuse {
    /// An empty sample of at most `objects`.
    pub fn new(objects: usize) -> Self {
        let cap = objects.max(KEPT);
        Self {
            cap,
            threshold: u64::MAX,
            objects: BTreeMap::new(),
            stack: Stack::new(cap * PLACES),
            distances: Distances::new(),
            pending: Vec::new(),
            asked: Volume::default(),
            was_full: false,
            samples: 0,
            dropped: 0,
            swept: 0,
        }
    }

    /// The threshold that workers are to sample below.
    pub fn threshold(&self) -> u64 {
        self.threshold
    }

    /// Adds what a worker's part has. The order of parts between two ticks doesn't matter.
    pub fn add(&mut self, samples: &Samples) {
        if samples.threshold == 0 {
            return;
        }
        self.lower(samples.threshold);
        self.pending.extend_from_slice(&samples.list);
        // Each that was dropped stands for others like it, too.
        let scaled = |dropped: u64| (u128::from(dropped) << 64) / u128::from(samples.threshold);
        let left = |all: u64, dropped: u64| all.saturating_sub(scaled(dropped).try_into().unwrap_or(u64::MAX));
        let (asked, dropped) = (samples.asked, samples.dropped);
        self.asked.add(left(asked.requests, dropped.requests), left(asked.bytes, dropped.bytes));
        self.was_full |= dropped.requests > 0;
        self.dropped += dropped.requests;
    }

    /// All parts of a tick are here. `now` is in ms since the epoch; entries that are ahead of it count as of now.
    pub fn tick(&mut self, now: u64) {
        let mut pending = std::mem::take(&mut self.pending);
        // Requests of one tick come over many connections: a cache would see them by time.
        pending.sort_unstable();
        for sample in &pending {
            // It may have fallen meanwhile.
            if sample.hash < self.threshold {
                self.record(sample, now);
            }
        }
        let is_crowded = std::mem::take(&mut self.was_full) || pending.len() > TICK_SAMPLES * self.cap;
        if is_crowded && self.objects.len() > self.cap / KEPT {
            let half = self.objects.keys().nth(self.objects.len() / 2).copied();
            self.lower(half.unwrap_or(self.threshold));
        }
        pending.clear();
        self.pending = pending;
        if now.saturating_sub(self.swept) >= SWEEP_MS {
            self.swept = now;
            self.retain(|_, object| now.saturating_sub(object.seen) <= FORGOTTEN_MS);
        }
    }

    fn record(&mut self, sample: &Sample, now: u64) {
        if self.stack.is_full() {
            self.renumber();
        }
        let rate = rate(self.threshold);
        let shown = if sample.is_whole { sample.bytes.min(SIZE_MAX) } else { 0 };
        let known = self.objects.get_mut(&sample.hash);
        let mut object = known.as_deref().copied().unwrap_or(Object {
            place: 0,
            size: 0,
            asked: Volume::default(),
            miss_bytes: 0,
            newest: 0,
            seen: now,
        });
        let distance = known.is_some().then(|| {
            // What lies between stands for all that isn't in the sample, the object itself for none.
            let between = between(self.stack.above(object.place), self.stack.total(), rate);
            self.stack.remove(object.place, object.size);
            between + object.size.max(shown) as f64
        });
        self.distances.record(distance, 1.0 / rate, sample.bytes, object.asked);
        object.size = object.size.max(shown);
        object.place = self.stack.push(object.size);
        object.asked.add(1, sample.bytes);
        object.miss_bytes = object.miss_bytes.saturating_add(if sample.is_miss { sample.bytes } else { 0 });
        object.newest = object.newest.max(sample.time.min(now));
        object.seen = now;
        self.samples += 1;
        match known {
            Some(known) => *known = object,
            None => {
                self.objects.insert(sample.hash, object);
                if self.objects.len() > self.cap
                    && let Some((&last, _)) = self.objects.last_key_value()
                {
                    self.lower(last);
                }
            }
        }
    }

    /// Lowers the threshold; what isn't below it leaves the sample.
    fn lower(&mut self, threshold: u64) {
        if threshold < self.threshold {
            self.threshold = threshold.max(1);
            for (_, object) in self.objects.split_off(&self.threshold) {
                self.stack.remove(object.place, object.size);
            }
        }
    }

    fn retain(&mut self, keep: impl Fn(&u64, &Object) -> bool) {
        let stack = &mut self.stack;
        self.objects.retain(|hash, object| {
            let kept = keep(hash, object);
            if !kept {
                stack.remove(object.place, object.size);
            }
            kept
        });
    }

    /// Gives all objects new places, in the order of the old ones.
    fn renumber(&mut self) {
        let mut objects: Vec<&mut Object> = self.objects.values_mut().collect();
        objects.sort_unstable_by_key(|object| object.place);
        self.stack.clear();
        for object in objects {
            object.place = self.stack.push(object.size);
        }
    }

    /// What the sample tells `now` (ms since the epoch).
    pub fn curve(&self, now: u64) -> Curve {
        let rate = rate(self.threshold);
        let windows = [Window::Minute, Window::TenMinutes, Window::Hour, Window::Day];
        let mut sizes = windows.map(|_| 0_u64);
        let (mut once, mut miss_bytes, mut once_miss_bytes) = (0_u64, 0_u64, 0_u64);
        for object in self.objects.values() {
            let age = now.saturating_sub(object.newest);
            for (sum, window) in sizes.iter_mut().zip(windows) {
                *sum += if age < window.seconds().unwrap_or(0) * 1000 { object.size } else { 0 };
            }
            miss_bytes = miss_bytes.saturating_add(object.miss_bytes);
            if object.asked.requests == 1 {
                once += 1;
                once_miss_bytes = once_miss_bytes.saturating_add(object.miss_bytes);
            }
        }
        let share = |part: u64, all: u64| (all > 0).then(|| part as f64 / all as f64);
        Curve {
            points: self.distances.points(self.stack.total().bytes as f64 / rate, self.asked),
            working_set: sizes.map(|size| (size as f64 / rate).round() as u64),
            one_hit: OneHit {
                share: share(once, self.objects.len() as u64),
                miss_bytes_share: share(once_miss_bytes, miss_bytes),
            },
            objects: self.objects.len() as u64,
            rate,
            samples: self.samples,
            dropped: self.dropped,
        }
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        // Nodes of the tree are at least half full.
        let objects = self.objects.len() * (size_of::<Object>() + 8) * 2;
        objects + self.pending.capacity() * size_of::<Sample>() + self.stack.bytes() + self.distances.bytes()
    }
}

/// Bytes of all objects that were asked for between two requests, of which `above` are in a sample of that rate with `all` objects.
fn between(above: Sum, all: Sum, rate: f64) -> f64 {
    // A sample of everything knows.
    let prior = PRIOR * (1.0 - rate);
    let (objects, mean) = (above.objects as f64, all.bytes as f64 / all.objects as f64);
    match above.objects {
        0 => 0.0,
        _ => objects / rate * (above.bytes as f64 + prior * mean) / (objects + prior),
    }
}
