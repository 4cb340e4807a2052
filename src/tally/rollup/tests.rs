use std::collections::{BTreeMap, HashMap, HashSet};

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::tally::Dimension;
use crate::tally::combined::Combination;
use crate::tally::counts::{Band, Increment};
use crate::tally::slot::{Period, Place, Window};
use crate::tally::slots::Slots;

const START: u64 = 1_795_460_000_000;

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Where the engine counts it: ms.
    time: u64,
    seen: u64,
    status: i64,
    node: u32,
    client: u64,
    increment: Increment,
}

fn combination(number: u32) -> Combination {
    Combination {
        result: Some(49),
        status: Some(i64::from(number)),
        route: None,
        method: Some(number % 3),
        content_type: None,
    }
}

fn values(combination: &Combination) -> Values {
    let Combination { result, status, route, method, content_type } = *combination;
    Values { result, status, route, method, content_type }
}

/// An engine of several workers, and the plain list of what it was given.
struct Model {
    workers: Vec<Slots>,
    rollup: Rollup,
    entries: Vec<Entry>,
    now: u64,
}

impl Model {
    fn new(workers: usize) -> Self {
        Self {
            workers: vec![Slots::default(); workers],
            rollup: Rollup::new(14, 1024, usize::MAX),
            entries: Vec::new(),
            now: START,
        }
    }

    fn entry(&mut self, worker: usize, time: u64, entry: Entry) {
        let count = self.workers.len();
        let slots = &mut self.workers[worker % count];
        slots.begin(self.now);
        if !slots.is_current(time) && !slots.enter(time) {
            slots.open();
        }
        slots.record(slots.current(), Some(entry.status as u32), &entry.increment);
        slots.client(slots.current(), entry.client as u32, entry.client.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut counts = Counts::default();
        counts.record(&entry.increment);
        slots.node(entry.node, &counts);
        let time = if time > self.now + 10_000 { self.now } else { time };
        self.entries.push(Entry { time, seen: self.now, ..entry });
    }

    fn tick(&mut self, now: u64, connected: bool) {
        self.now = now;
        for slots in &mut self.workers {
            let mut parts = Vec::new();
            slots.drain(combination, |part| parts.push(part));
            for part in parts {
                self.rollup.add(&part, now, values, Some);
            }
        }
        self.rollup.tick(now, connected);
    }

    /// What the definition says: all entries of the window's buckets, those left out that were too old when they came.
    fn naive(&self, window: Window) -> Vec<Entry> {
        let (width, bucket) = match window {
            Window::Minute => (60, 1),
            Window::TenMinutes => (600, 1),
            Window::Hour => (3600, 10),
            Window::Day => (86_400, 60),
            Window::Total => return self.entries.clone(),
        };
        let now = self.now / 1000;
        let first = (now - width) / bucket * bucket;
        let fits = |entry: &&Entry| {
            let second = entry.time / 1000;
            // The slot that it is in is at most as wide as the window's buckets: of an older one the start counts.
            let Place::In(slot, ..) = Slot::of(entry.time, entry.seen) else { return false };
            u64::from(slot.width) <= bucket && (first..=now).contains(&(second / bucket * bucket))
        };
        self.entries.iter().filter(fits).copied().collect()
    }

    fn check(&self) {
        let history = self.rollup.history();
        for window in [Window::Minute, Window::TenMinutes, Window::Hour, Window::Day] {
            let entries = self.naive(window);
            let span = history.window(window, self.now).unwrap();
            let sum = history.sum(span, self.now, START);
            assert_eq!(sum.total, total(&entries), "{window:?} at {}", self.now);

            let mut by_status: HashMap<i64, Counts> = HashMap::new();
            let mut by_node: BTreeMap<u32, Counts> = BTreeMap::new();
            let (mut times, mut sizes) = (Histogram::default(), Histogram::default());
            for entry in &entries {
                by_status.entry(entry.status).or_default().record(&entry.increment);
                by_node.entry(entry.node).or_default().record(&entry.increment);
                times.record(entry.increment.time_ms, &entry.increment);
                sizes.record(entry.increment.bytes, &entry.increment);
            }
            let (rows, others) = history.by_value(span, Dimension::Status);
            assert!(others.is_empty());
            let rows: HashMap<i64, Counts> = rows
                .into_iter()
                .map(|(value, counts)| match value {
                    Value::Code(code) => (code, counts),
                    Value::Row(row) => panic!("{row}"),
                })
                .collect();
            assert_eq!(rows, by_status, "{window:?}");
            assert_eq!(history.by_node(span), by_node.into_iter().collect::<Vec<_>>(), "{window:?}");
            assert_eq!(history.histograms(Some(span)), (times.take(), sizes.take()), "{window:?}");
            // Sketches of a day are of five minutes: up to four more at its old edge.
            let clients =
                |entries: &[Entry]| entries.iter().map(|entry| entry.client).collect::<HashSet<_>>().len() as u64;
            let (count, exact) = history.clients(Some(span)).unwrap();
            assert!(exact, "{window:?}");
            match window {
                Window::Minute | Window::Hour => assert_eq!(count, clients(&entries), "{window:?}"),
                _ => assert!(count >= clients(&entries), "{window:?}"),
            }
            self.check_series(&history, window);
        }
        assert_eq!(
            history
                .series(Window::Total, self.now)
                .points
                .iter()
                .fold(0, |sum, point| sum + point.total.all_requests()),
            self.in_windows()
        );
        assert_eq!(history.histograms(None).1.total().requests, self.entries.len() as u64);
    }

    /// An interval, and the time before it: sums, keys and points of them are those of a recount over the very same buckets.
    fn check_interval(&self, from: u64, to: u64) {
        let history = self.rollup.history();
        let span = history.between(from, to, self.now).unwrap();
        let width = [1, 10, 60][span.level];
        assert!(span.from * 1000 <= from && from < (span.from + width) * 1000, "{span:?}");
        let in_span = |span: Span| -> Vec<Entry> {
            let width = [1, 10, 60][span.level];
            let fits = |entry: &&Entry| {
                let Place::In(slot, ..) = Slot::of(entry.time, entry.seen) else { return false };
                let start = entry.time / 1000 / width * width;
                u64::from(slot.width) <= width && (span.from..span.to).contains(&start)
            };
            self.entries.iter().filter(fits).copied().collect()
        };
        let entries = in_span(span);
        assert_eq!(history.sum(span, self.now, START).total, total(&entries));
        if let Some((count, exact)) = history.clients(Some(span)) {
            let clients = entries.iter().map(|entry| entry.client).collect::<HashSet<_>>().len() as u64;
            assert!(exact && count >= clients, "{count} {clients}");
            assert!(span.clients == Some(1) || count == clients, "{span:?} {count} {clients}");
        }
        let (_, step) = history.steps_of(Period::Between(from, to), self.now).unwrap();
        let series = history.series_between(from, to, self.now).unwrap();
        assert_eq!(series.step, step);
        assert!(series.points.len() <= 720);
        let mut sum = Counts::default();
        series.points.iter().for_each(|point| sum.merge(&point.total));
        assert_eq!(sum, total(&entries));
        let status: Vec<Entry> = entries.iter().filter(|entry| entry.status == 503).copied().collect();
        let node: Vec<Entry> = entries.iter().filter(|entry| entry.node == 2).copied().collect();
        let of_status = history.value_series(span, Dimension::Status, Value::Code(503), step);
        for (points, entries) in [(of_status, status), (history.node_series(span, 2, step), node)] {
            for (start, counts, perhaps) in &points {
                let of_step = |entry: &&Entry| (*start..start + step).contains(&(entry.time / 1000));
                let entries: Vec<Entry> = entries.iter().filter(of_step).copied().collect();
                assert_eq!((*counts, *perhaps), (total(&entries), Counts::default()));
            }
            assert_eq!(points.iter().map(|(_, counts, _)| counts.all_requests()).sum::<u64>(), entries.len() as u64);
        }
        if let Some(before) = history.before(Period::Between(from, to), self.now) {
            assert!(before.to <= span.from && before.to - before.from >= (to - from) / 1000, "{before:?} {span:?}");
            assert_eq!(history.sum(before, self.now, START).total, total(&in_span(before)));
        }
    }

    /// Entries that were in some window when they came.
    fn in_windows(&self) -> u64 {
        let fits = |entry: &&Entry| !matches!(Slot::of(entry.time, entry.seen), Place::Late(_));
        self.entries.iter().filter(fits).filter(|entry| entry.time / 1000 <= self.now / 1000).count() as u64
    }

    fn check_series(&self, history: &History, window: Window) {
        let series = history.series(window, self.now);
        let mut expected: BTreeMap<u64, Vec<Entry>> = BTreeMap::new();
        let limit = match window {
            Window::Minute | Window::TenMinutes => 1,
            Window::Hour => 10,
            _ => 60,
        };
        for entry in &self.entries {
            let start = entry.time / 1000 / series.step * series.step;
            let Place::In(slot, ..) = Slot::of(entry.time, entry.seen) else { continue };
            if u64::from(slot.width) <= limit
                && (series.first..=series.newest).contains(&start)
                && entry.time / 1000 <= self.now / 1000 + 10
            {
                expected.entry(start).or_default().push(*entry);
            }
        }
        let found: BTreeMap<u64, &Point> = series.points.iter().map(|point| (point.start, point)).collect();
        assert_eq!(found.len(), series.points.len(), "each once");
        for (start, entries) in &expected {
            // The oldest point of a day may have lost minutes that are out of it.
            if *start == series.first && window == Window::Day {
                continue;
            }
            let point = found.get(start).unwrap_or_else(|| panic!("{window:?} lacks {start}"));
            assert_eq!(point.total, total(entries), "{window:?} {start}");
            let of_class =
                |class: usize| entries.iter().filter(|entry| super::class(entry.status) == class).count() as u64;
            assert_eq!(point.classes, std::array::from_fn(of_class), "{window:?} {start}");
            let mut seconds: BTreeMap<u64, u64> = BTreeMap::new();
            entries.iter().for_each(|entry| *seconds.entry(entry.time / 1000).or_default() += 1);
            if let Some(extremes) = point.extremes
                && entries.iter().all(|entry| entry.seen - entry.time.min(entry.seen) <= 500_000)
            {
                assert_eq!(extremes.requests.0, *seconds.values().max().unwrap(), "{window:?} {start}");
            }
        }
        for (start, point) in found {
            assert!(expected.contains_key(&start) || point.total.is_empty(), "{window:?} {start}");
        }
    }
}

fn total(entries: &[Entry]) -> Counts {
    entries.iter().fold(Counts::default(), |mut sum, entry| {
        sum.record(&entry.increment);
        sum
    })
}

fn entry(random: &mut StdRng) -> Entry {
    let band = [Band::Fresh, Band::Refresh, Band::Miss, Band::Error][random.random_range(0..4)];
    Entry {
        time: 0,
        seen: 0,
        status: [200, 206, 304, 404, 503, 0, 999][random.random_range(0..7)],
        node: random.random_range(0..3),
        client: random.random_range(0..40),
        increment: Increment {
            band,
            bytes: random.random_range(0..100_000),
            origin_bytes: 7,
            timed: 1,
            time_ms: random.random_range(0..3000),
        },
    }
}

/// 25 hours with entries that are late, a node ahead of time and one behind, an hour without anything, and midnight.
#[test]
fn every_window_is_the_recount_through_a_day() {
    let mut random = StdRng::seed_from_u64(25);
    let mut model = Model::new(3);
    let mut now = START;
    while now < START + 25 * 3_600_000 {
        let is_gap = (10..11).contains(&((now - START) / 3_600_000));
        // Seconds where windows of seconds are looked at, minutes in between.
        let is_fine = (now - START) % 7_200_000 < 700_000;
        now += if is_fine { 1000 + random.random_range(0..1000) } else { random.random_range(1000..60_000) };
        model.tick(now, !is_gap);
        for _ in 0..if is_gap { 0 } else { random.random_range(0..4) } {
            let age = match random.random_range(0..30) {
                0 => random.random_range(0..90_000_000),
                1 => random.random_range(0..4_000_000),
                2 => random.random_range(0..700_000),
                _ => random.random_range(0..6000),
            };
            let ahead = if random.random_range(0..20) == 0 { random.random_range(0..1_000_000) } else { 0 };
            let entry = entry(&mut random);
            model.entry(random.random_range(0..3), now - age + ahead, entry);
        }
        if random.random_range(0..40) == 0 {
            model.tick(now, !is_gap);
            model.check();
            for _ in 0..10 {
                let reach = [50_000, 500_000, 3_500_000, 80_000_000][random.random_range(0..4)];
                let from = now - random.random_range(0..reach);
                model.check_interval(from, (from + random.random_range(1..reach)).min(now));
            }
        }
    }
    model.tick(now, true);
    model.check();
    assert!(model.entries.len() > 3000, "{}", model.entries.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_split_over_workers_and_any_ticks_give_the_same(
        seed: u64, workers in 1..5_usize, count in 1..120_usize, ticks in prop::collection::vec(1..90_000_u64, 1..40),
    ) {
        let mut random = StdRng::seed_from_u64(seed);
        let mut model = Model::new(workers);
        for step in ticks {
            for _ in 0..random.random_range(0..=count / 10 + 1) {
                let entry = entry(&mut random);
                let oldest = [5_000, 700_000, 4_000_000, 90_000_000][random.random_range(0..4)];
                let time = model.now - random.random_range(0..=oldest);
                model.entry(random.random_range(0..workers), time, entry);
            }
            let now = model.now + step;
            model.tick(now, true);
            model.check();
        }
    }
}

#[test]
fn gaps_are_told_from_zeros() {
    let mut model = Model::new(1);
    for second in 0..90_u64 {
        let now = START + second * 1000;
        model.tick(now, !(30..50).contains(&second));
    }
    let history = model.rollup.history();
    let series = history.series(Window::Minute, model.now);
    let starts: Vec<u64> = series.points.iter().map(|point| point.start - START / 1000).collect();
    assert_eq!(starts, (50..90).collect::<Vec<_>>(), "from 30 to 49 nobody was there");
    assert!(series.points.iter().all(|point| point.total.is_empty() && point.times.is_none()));
    let span = history.window(Window::TenMinutes, model.now).unwrap();
    let sum = history.sum(span, model.now, START);
    assert_eq!(sum.from, START);
    assert!((68.0..=70.0).contains(&sum.seconds), "{}", sum.seconds);
}

#[test]
fn the_series_since_the_start_grows_wider_and_keeps_all() {
    let mut model = Model::new(1);
    let mut random = StdRng::seed_from_u64(3);
    for second in 0..2000_u64 {
        let mut one = entry(&mut random);
        one.client = second;
        model.entry(0, model.now, one);
        model.tick(START + second * 1000, true);
    }
    let series = model.rollup.history().series(Window::Total, model.now);
    assert_eq!(series.step, 8);
    assert!(series.points.len() <= POINTS_MAX);
    assert_eq!(series.points.iter().map(|point| point.total.all_requests()).sum::<u64>(), 2000);
    assert_eq!(series.points[3].clients, Some(8));
    let bytes = model.rollup.bytes();
    assert!(bytes < 8 << 20, "{bytes}");
}

#[test]
fn of_combinations_beyond_those_told_apart_the_codes_are() {
    let mut rollup = Rollup::new(12, 100, usize::MAX);
    let mut counts = Counts::default();
    counts.record(&Increment { band: Band::Miss, bytes: 1, origin_bytes: 0, timed: 0, time_ms: 0 });
    for round in 0..4 {
        // Few codes, many types: some of them in every round.
        let combination = |number: u32| Combination {
            status: Some(i64::from(number % 7)),
            content_type: Some(if number < 50 { number } else { round * 400 + number }),
            ..combination(0)
        };
        let combinations = (0..500).map(|number| (combination(number), counts)).collect();
        let mut slots = Slots::default();
        slots.begin(START);
        slots.enter(START);
        slots.open();
        slots.node(0, &counts);
        let mut empty = None;
        slots.drain(|_| combination(0), |part| empty = Some(part));
        let part = SlotPart { combinations, ..empty.unwrap() };
        rollup.add(&part, START, values, Some);
    }
    let history = rollup.history();
    let span = history.window(Window::Minute, START).unwrap();
    let sum = |rows: &[(Value, Counts)]| rows.iter().map(|(_, counts)| counts.all_requests()).sum::<u64>();
    let (rows, others) = history.by_value(span, Dimension::Status);
    assert_eq!((rows.len(), sum(&rows), others.all_requests()), (7, 2000, 0), "codes are exact");
    let (rows, others) = history.by_value(span, Dimension::Type);
    assert_eq!((sum(&rows), others.all_requests()), (2000, 0));
    assert!(rows.len() <= 108, "{}", rows.len());
    let of = |row: u32| {
        rows.iter().find(|(value, _)| *value == Value::Row(row)).map_or(0, |(_, counts)| counts.all_requests())
    };
    assert!(of(crate::tally::table::REFUSED) > 1000);
    assert_eq!(of(7), 4, "those with more are kept");
}

#[test]
fn a_flood_of_codes_times_and_sizes_is_bounded_and_all_sums_stay() {
    const BYTES: usize = 1 << 20;
    let mut model = Model { rollup: Rollup::new(12, 128, BYTES), ..Model::new(1) };
    let (mut random, mut was_full) = (StdRng::seed_from_u64(5), false);
    for minute in 0..60 {
        let slots: Vec<u64> = (0..10).map(|_| random.random_range(0..5_000_000)).collect();
        for at in 0..3000 {
            let number = random.random::<u64>() >> random.random_range(24..64);
            let increment =
                Increment { band: Band::Error, bytes: number, origin_bytes: 0, timed: 1, time_ms: number / 3 };
            let entry = Entry { time: 0, seen: 0, status: random.random_range(0..1000), node: 1, client: 1, increment };
            model.entry(0, START + minute * 60_000 - slots[at % slots.len()], entry);
        }
        model.tick(START + minute * 60_000, true);
        let bytes = model.rollup.history.bucket_bytes();
        assert!(bytes < BYTES / 8 * 9, "{bytes} at minute {minute}");
        was_full |= bytes > BYTES * 7 / 8;
    }
    assert!(was_full, "no more goes than has to");
    let history = model.rollup.history();
    for window in [Window::Minute, Window::TenMinutes, Window::Hour, Window::Day] {
        let entries = model.naive(window);
        let span = history.window(window, model.now).unwrap();
        let expected = total(&entries);
        assert_eq!(history.sum(span, model.now, START).total, expected);
        let (rows, mut sum) = history.by_value(span, Dimension::Status);
        for (value, counts) in &rows {
            let Value::Code(code) = value else { panic!("{value:?}") };
            let real = total(&entries.iter().filter(|entry| entry.status == *code).copied().collect::<Vec<_>>());
            assert!(counts.all_requests() <= real.all_requests(), "{window:?}: {code}");
            sum.merge(counts);
        }
        assert_eq!(sum, expected, "{window:?}: rows and others are all");
        let (times, sizes) = history.histograms(Some(span));
        assert_eq!(times.total().requests, expected.timed);
        assert_eq!(sizes.total().bytes, expected.all_bytes());
        assert_eq!(times.extremes(), {
            let all = || entries.iter().map(|entry| entry.increment.time_ms);
            all().min().zip(all().max())
        });
    }
}

#[test]
fn combinations_that_are_in_no_window_any_more_make_room_for_those_of_now() {
    let mut rollup = Rollup::new(12, 128, usize::MAX);
    let mut counts = Counts::default();
    counts.record(&Increment { band: Band::Miss, bytes: 1, origin_bytes: 0, timed: 0, time_ms: 0 });
    let mut slots = Slots::default();
    let mut add = |rollup: &mut Rollup, now: u64, methods: std::ops::Range<u32>| {
        slots.begin(now);
        slots.enter(now);
        slots.open();
        slots.node(0, &counts);
        let mut empty = None;
        slots.drain(|_| combination(0), |part| empty = Some(part));
        let combination = |method| Combination { method: Some(method), ..combination(7) };
        let combinations = methods.map(|method| (combination(method), counts)).collect();
        rollup.add(&SlotPart { combinations, ..empty.unwrap() }, now, values, Some);
        rollup.tick(now, true);
    };
    // Somebody tries ten new methods every two minutes, for two days and a half.
    const STEPS: u64 = 1800;
    for step in 0..STEPS as u32 {
        add(&mut rollup, START + u64::from(step) * 120_000, step * 10..(step + 1) * 10);
    }
    let (now, new) = (START + STEPS * 120_000, 10 * STEPS as u32);
    let before = rollup.history();
    add(&mut rollup, now, new..new + 3);
    let history = rollup.history();
    let span = history.window(Window::TenMinutes, now).unwrap();
    let (rows, others) = history.by_value(span, Dimension::Method);
    assert!(others.is_empty());
    for method in new - 40..new + 3 {
        let found =
            rows.iter().find(|(value, _)| *value == Value::Row(method)).map(|(_, counts)| counts.all_requests());
        assert_eq!(found, Some(1), "{method}");
    }
    let span = history.window(Window::Day, now).unwrap();
    let sum = |rows: &[(Value, Counts)]| rows.iter().map(|(_, counts)| counts.all_requests()).sum::<u64>();
    let (rows, others) = history.by_value(span, Dimension::Method);
    assert_eq!(sum(&rows) + others.all_requests(), history.sum(span, now, START).total.all_requests());
    // Who holds what was published before sees it as it was.
    let span = before.window(Window::Day, now).unwrap();
    let (rows, _) = before.by_value(span, Dimension::Method);
    assert_eq!(sum(&rows), before.sum(span, now, START).total.all_requests());
}
