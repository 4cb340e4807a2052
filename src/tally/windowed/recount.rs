//! Workers and a merger of one dimension, driven by tests, and a plain recount of every entry that they got.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

use super::summary::Row;
use super::{Kept, Level, Levels, Loss, Scales, Slot, Window, is_ahead};
use crate::tally::counts::{Band, Counts, Increment, Measure};
use crate::tally::delta::Knife;
use crate::tally::part::LargePart;
use crate::tally::slot_numbers::SlotNumbers;
use crate::tally::slotted::Slotted;
use crate::tally::table::Seed;

/// When counting begins, within a slot.
pub const BEGAN: u64 = 1_700_000_001_234;

fn hash(key: &[u8]) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(key);
    hasher.finish()
}

/// An entry as it was seen; `time` is that of the bucket it belongs to.
#[derive(Clone, Debug)]
pub struct Seen {
    pub time: u64,
    pub key: Vec<u8>,
    pub increment: Increment,
}

/// A worker's table, as a shard has it.
pub struct Worker {
    table: Slotted,
    slots: SlotNumbers,
    knife: Knife,
}

impl Worker {
    fn record(&mut self, slot: Slot, key: &[u8], increment: &Increment) {
        self.slots.enter(slot);
        let row = self.table.row(key);
        self.table.record([(row, self.slots.current(), increment)].into_iter(), &mut Vec::new());
        if self.table.is_full() {
            self.table.cut(&mut self.knife);
        }
    }

    pub fn bytes(&self) -> usize {
        self.table.bytes()
    }
}

/// Workers and a merger of one dimension, and all entries they got.
pub struct Engine {
    pub workers: Vec<Worker>,
    pub parts: Vec<LargePart>,
    pub levels: Levels,
    pub seen: Vec<Seen>,
    pub now: u64,
    pub total: Counts,
}

impl Engine {
    pub fn new(workers: usize, w: usize, k: usize) -> Self {
        Self {
            workers: (0..workers)
                .map(|_| Worker {
                    table: Slotted::new(Seed::default(), 2 * w),
                    slots: SlotNumbers::default(),
                    knife: Knife::default(),
                })
                .collect(),
            parts: vec![LargePart::default(); workers],
            levels: Levels::new(k, BEGAN, workers),
            seen: Vec::new(),
            now: BEGAN,
            total: Counts::default(),
        }
    }

    pub fn record(&mut self, worker: usize, time: u64, key: &[u8], increment: Increment) {
        let slot = Slot::of(time, self.now);
        self.workers[worker].record(slot, key, &increment);
        self.total.record(&increment);
        let time = if is_ahead(time, self.now) { self.now } else { time };
        self.seen.push(Seen { time, key: key.to_vec(), increment });
    }

    /// Takes the parts of `takes` in that order.
    pub fn tick(&mut self, now: u64, takes: &[usize]) {
        self.now = now;
        self.levels.set_scales(Scales::of(&self.total));
        self.levels.tick(now);
        for &worker in takes {
            let Worker { table, slots: numbers, knife } = &mut self.workers[worker];
            let (part, mut slots) = (&mut self.parts[worker], Vec::new());
            part.clear();
            let crowded = numbers.hand_over(&mut slots);
            table.hand_over(part);
            knife.scales = Scales::of(&self.total);
            self.levels.gave_up(part.dropped, crowded);
            if part.restarts {
                self.levels.forget(worker);
            }
            part.keys.iter().for_each(|key| self.levels.learn(worker, key));
            for (number, slot) in slots.iter().enumerate() {
                let error = |at: usize| {
                    let found = part.errors.iter().find(|(with, _)| *with as usize == at);
                    found.map_or(Loss::NONE, |(_, error)| *error)
                };
                let of_slot = part.deltas().enumerate().filter(|(_, (delta, _))| delta.slot as usize == number);
                let rows: Vec<Row> =
                    of_slot.map(|(at, (delta, counts))| Row { id: delta.row, counts, error: error(at) }).collect();
                let lost = part.lost.get(number).copied().unwrap_or_default();
                self.levels.add(*slot, rows.into_iter(), &lost.rest, &lost.absent, |naming, row| {
                    naming.row(worker, row, hash)
                });
            }
            self.levels.settle(worker);
        }
    }

    pub fn kept(&self) -> Kept {
        self.levels.freeze()
    }

    pub fn tick_all(&mut self, now: u64) {
        let all: Vec<usize> = (0..self.workers.len()).collect();
        self.tick(now, &all);
    }

    /// Compares all windows with a recount. All parts were taken.
    pub fn check(&self) -> usize {
        let levels = Level::ALL.into_iter().map(|level| {
            let recount = self.recount(|time| {
                level == Level::Start
                    || level.floor(time) >= level.first(self.now) && Level::Minute.floor(time) <= self.now
            });
            check(&self.kept().window(level, self.now), &recount, &format!("{level:?}"))
        });
        levels.sum()
    }

    /// Compares the interval, the time before it, and the series of some keys with a recount. All parts were taken.
    pub fn check_interval(&self, from: u64, to: u64) {
        let (kept, now) = (self.kept(), self.now);
        let window = kept.between(from, to, now);
        let series = |key: &[u8]| kept.series_between(from, to, now, |other| other == key);
        let first = series(b"").first;
        let step = series(b"").step;
        let end = to.min(now + 1).saturating_sub(first).div_ceil(step) * step + first;
        let recount = self.recount(|time| (first..end).contains(&time) && Level::Minute.floor(time) <= now);
        check(&window, &recount, &format!("{from} to {to}, step {step}"));
        let before = kept.before_between(from, to, now);
        assert!(before.from + (before.seconds * 1000.0) as u64 <= first.max(before.from + 1), "none is in both");
        for key in recount.keys().take(8) {
            let found = series(key);
            assert_eq!((found.first, found.step), (first, step));
            for (number, point) in (0..).zip(&found.points) {
                let start = first + number * step;
                let in_bucket = |time: u64| (start..start + step).contains(&time) && Level::Minute.floor(time) <= now;
                let truth = self.recount(in_bucket).get(key).copied().unwrap_or_default();
                for measure in Measure::ALL {
                    let (count, truth) = (point.counts.measure(measure), truth.measure(measure));
                    let most = count.saturating_add(point.error.measure(measure));
                    assert!(count <= truth && truth <= most, "{start}, {measure:?}: {truth} in {count} to {most}");
                }
                assert!(point.is_covered || truth.is_empty());
            }
        }
        let nobody = kept.series(Level::Hour, now, |key| key == b"nobody");
        assert!(!nobody.is_known && nobody.points.iter().all(|point| point.counts.is_empty()));
    }

    pub fn recount(&self, in_window: impl Fn(u64) -> bool) -> HashMap<&[u8], Counts> {
        let mut rows = HashMap::<&[u8], Counts>::new();
        for entry in self.seen.iter().filter(|entry| in_window(entry.time)) {
            rows.entry(&entry.key).or_default().record(&entry.increment);
        }
        rows
    }
}

/// Panics unless totals are equal and all bounds hold; says how many rows are exact.
pub fn check(window: &Window, recount: &HashMap<&[u8], Counts>, name: &str) -> usize {
    let mut total = Counts::default();
    recount.values().for_each(|counts| total.merge(counts));
    assert_eq!(window.total, total, "total of {name}");
    let mut sum = window.other(&window.rows);
    let mut missing = recount.clone();
    let mut exact = 0;
    for row in &window.rows {
        sum.merge(&row.counts);
        let truth = missing.remove(window.key(row)).unwrap_or_else(|| panic!("{name}: a key that never was, or twice"));
        for measure in Measure::ALL {
            let (count, error, truth) = (row.counts.measure(measure), row.error(measure), truth.measure(measure));
            assert!(count <= truth && truth <= count + error, "{name}, {measure:?}: {truth} in {count} + {error}");
            assert!(error <= window.absent(measure), "{name}, {measure:?}: a row is worse off than none");
        }
        exact += usize::from(Measure::ALL.iter().all(|&measure| row.error(measure) == 0));
    }
    assert_eq!(sum, total, "rows and other of {name}");
    for (key, counts) in missing {
        for measure in Measure::ALL {
            let (truth, absent) = (counts.measure(measure), window.absent(measure));
            assert!(truth <= absent, "{name}, {measure:?}: {key:?} is missing with {truth}, at most {absent}");
        }
    }
    exact
}

/// A small generator (xorshift), so that traces are the same everywhere.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn unit(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A rank below `count`, by Zipf's law of exponent 1, nearly: the logarithm of a rank is uniform.
    pub fn zipf(&mut self, count: f64) -> u64 {
        (count + 1.0).powf(self.unit()) as u64 - 1
    }

    /// What an entry of a key counts: sizes and bands go with the key, mostly.
    pub fn increment(&mut self, key: u64) -> Increment {
        let spread = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let bytes = 500 + spread % 20_000 + self.roll() % 1_000;
        let band = match self.roll() % 100 {
            0 => Band::Error,
            1..60 if !spread.is_multiple_of(3) => Band::Fresh,
            60..65 => Band::Refresh,
            _ => Band::Miss,
        };
        let origin_bytes = if matches!(band, Band::Miss | Band::Refresh) { bytes } else { 0 };
        Increment { band, bytes, origin_bytes, timed: 1, time_ms: 1 + self.roll() % 300 }
    }
}
