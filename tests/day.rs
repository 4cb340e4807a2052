//! A simulated day and an hour through the whole chain: several workers, the merger, the tables of all dimensions in all windows. The clock
//! is driven; entries come late and ahead, a node is idle, there is a gap, midnight, and the clocks are set back. Every window is that of a
//! plain recount of the same buckets.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::HashMap;
use std::sync::Arc;

use common::DIMENSIONS;
use common::made::{FORMATS, Random, entry, segment};
use common::printed::Entry;
use visulate::clock::Clock;
use visulate::merger::snapshot::Table;
use visulate::merger::{self, Command, Merger, windows};
use visulate::tally::door::Door;
use visulate::tally::link::Link;
use visulate::tally::table::Seed;
use visulate::tally::{Caps, Counts, Dimension, Measure, Shard, Statistics, Window};
use visulate::view::Key;
use visulate::wire::format::Formats;
use visulate::wire::line::{LineFormats, Lines};
use visulate::wire::print::Offset;
use visulate::wire::segment::Segment;
use visulate::wire::template;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
/// 2026-10-24 04:00 UTC: it ends at 05:00 UTC of the next day, at 01:00 UTC of which Central Europe sets its clocks back.
const START: u64 = 1_792_814_400_000;
const MIDNIGHT: u64 = START + 20 * HOUR;
const CLOCKS: u64 = START + 21 * HOUR;
const WORKERS: usize = 3;
const MEMORY: u64 = 256 << 20;

/// Central Europe, as far as it is needed here.
fn central_europe(unix: i64) -> Offset {
    let change = (CLOCKS / 1000) as i64;
    match unix < change {
        true => Offset { seconds: 7200, from: unix, until: change },
        false => Offset { seconds: 3600, from: unix, until: i64::MAX },
    }
}

/// An entry as it was seen.
struct Seen {
    /// Of which the windows are, ms: an entry far ahead counts as of when it was seen.
    time: u64,
    /// How old it was.
    age: u64,
    sums: [u64; Measure::ALL.len()],
    /// A number for its key in each of [`DIMENSIONS`].
    keys: Vec<Option<usize>>,
}

/// The chain, and all that was put into it.
struct Engine {
    clock: Clock,
    merger: Merger,
    workers: Vec<(Shard, Link)>,
    runtime: tokio::runtime::Runtime,
    formats: Formats,
    lines: LineFormats,
    seen: Vec<Seen>,
    numbers: Vec<HashMap<Vec<String>, usize>>,
    is_exact: bool,
    inexact: u64,
}

impl Engine {
    fn start(caps: Caps, is_exact: bool) -> Self {
        let (clock, seed) = (Clock::driven(START), Seed::default());
        let (merger, links) = Merger::spawn(merger::Config {
            workers: WORKERS,
            caps,
            memory: MEMORY,
            seed: seed.clone(),
            clock: clock.clone(),
            statistics: Statistics::All,
            door: Arc::new(Door::default()),
            filters: Vec::new(),
            filter_limit: 0,
        })
        .unwrap();
        let template = template::parse("%<cqtd> %<cqtt> %<chi> %<crc>/%<pssc> %<psql>").unwrap();
        let workers = links.into_iter().enumerate().map(|(at, link)| (Shard::new(at, &caps, &seed), link)).collect();
        Self {
            clock,
            merger,
            workers,
            runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
            formats: Formats::default(),
            lines: LineFormats::new(vec![template]).unwrap().in_zone(central_europe),
            seen: Vec::new(),
            numbers: vec![HashMap::new(); DIMENSIONS.len()],
            is_exact,
            inexact: 0,
        }
    }

    /// A segment of a node comes to a worker.
    fn send(&mut self, worker: usize, node: &str, times: &[u64], random: &mut Random) {
        let now = self.clock.now();
        let made: Vec<_> = times.iter().map(|time| entry(random, FORMATS[0], *time)).collect();
        let bytes = segment(FORMATS[0], node, &made);
        let shard = &mut self.workers[worker].0;
        let parsed = Segment::parse(&bytes).unwrap();
        let row = shard.node(node.as_bytes(), "192.0.2.1");
        let format = self.formats.of(&parsed).unwrap();
        let counted = shard.segment(&parsed, &format, row, now);
        let mut requests = 0;
        for (_, mut entry) in made {
            entry.node = format!("{node}@192.0.2.1");
            if !entry.is_icp() {
                requests += 1;
                self.see(&entry, now);
            }
        }
        assert_eq!(counted.entries.requests, requests);
    }

    /// A line of a text log in local time comes to a worker; it tells when the request began, in whole seconds.
    fn say(&mut self, worker: usize, second: u64, random: &mut Random) {
        let local = (second as i64 + central_europe(second as i64).seconds) as u64;
        // October has no change of the month within the simulated time.
        let (day, of_day) = (24 + (local - START / 1000 / 86_400 * 86_400) / 86_400, local % 86_400);
        let (hour, minute) = (of_day / 3600, of_day / 60 % 60);
        let (client, bytes) = (format!("192.0.2.{}", random.below(5)), random.below(5000));
        let line = format!("2026-10-{day} {hour:02}:{minute:02}:{:02} {client} TCP_HIT/200 {bytes}\n", of_day % 60);
        let now = self.clock.now();
        let shard = &mut self.workers[worker].0;
        let row = shard.node(b"text", "192.0.2.1");
        let plan = self.lines.choose(line.as_bytes());
        shard.set_format(b"local.log", "cqtd,cqtt,chi,crc,pssc,psql");
        let counted = shard.lines(Lines::default().split(line.as_bytes()), &plan, "local.log", row, now);
        assert_eq!((counted.entries.requests, counted.entries.bad), (1, 0), "{line}");
        let entry = Entry {
            end: second * 1000,
            node: "text@192.0.2.1".to_owned(),
            format: "local.log: cqtd,cqtt,chi,crc,pssc,psql".to_owned(),
            result: Some("TCP_HIT".to_owned()),
            status: Some(200),
            bytes: bytes as u64,
            client: Some(client),
            ..Entry::default()
        };
        self.see(&entry, now);
    }

    fn see(&mut self, entry: &Entry, now: u64) {
        let sums = common::recount::sums([entry]);
        let sums = Measure::ALL.map(|measure| sums[measure.name()].as_u64().unwrap());
        let keys = DIMENSIONS.iter().zip(&mut self.numbers).map(|(dimension, numbers)| {
            let next = numbers.len();
            entry.key(dimension).map(|key| *numbers.entry(key).or_insert(next))
        });
        let time = if entry.end > now + 10_000 { now } else { entry.end };
        self.seen.push(Seen { time, age: now.saturating_sub(entry.end), sums, keys: keys.collect() });
    }

    /// A full tick at that moment.
    fn tick(&mut self, now: u64) {
        self.clock.set(now);
        let (done, told) = tokio::sync::oneshot::channel();
        let last = self.merger.handle().snapshot().tick;
        self.merger.handle().command(Command::Drive { full: true, done }).unwrap();
        for (shard, link) in &mut self.workers {
            // What the merger asked for before is answered with this.
            let request = loop {
                let request = self.runtime.block_on(link.tick()).unwrap();
                if request.tick > last {
                    break request;
                }
            };
            let mut part = link.spare().unwrap();
            shard.hand_over(&mut part, request.tick, true);
            link.send(part);
        }
        self.runtime.block_on(told).unwrap();
    }

    /// Compares all tables in these windows.
    fn check(&mut self, windows: &[Window]) {
        let handle = self.merger.handle();
        let snapshot = handle.snapshot();
        let now = snapshot.as_of;
        let seen = std::mem::take(&mut self.seen);
        let within = |window: &Window, is_small: bool| -> Vec<&Seen> {
            seen.iter().filter(|seen| is_in(seen, *window, now, is_small)).collect()
        };
        let of_windows: Vec<_> =
            windows.iter().map(|window| (*window, [false, true].map(|is_small| within(window, is_small)))).collect();
        for (window, [_, of_small]) in &of_windows {
            let (total, _) = windows::total(&snapshot, *window).unwrap();
            let mut expected = [0; Measure::ALL.len()];
            of_small.iter().for_each(|seen| add(&mut expected, &seen.sums));
            assert_eq!(measures(&total), expected, "{window:?} at {now}");
        }
        for (at, name) in DIMENSIONS.iter().enumerate() {
            let dimension = Dimension::by_name(name).unwrap();
            let whole = self.runtime.block_on(handle.dimension(dimension, &snapshot)).unwrap();
            for (window, within) in &of_windows {
                let table = whole.table(*window).unwrap();
                let place = format!("{name} {window:?} {} s after the start", (now - START) / 1000);
                if let Some(seconds) = window.seconds() {
                    assert!(table.covered.seconds <= seconds as f64 + 1800.0, "{place}: {:?}", table.covered);
                }
                self.compare(&table, at, &within[usize::from(dimension.is_small())], &place);
            }
        }
        self.seen = seen;
    }

    fn compare(&mut self, table: &Table, at: usize, within: &[&Seen], place: &str) {
        let mut truth = vec![[0; Measure::ALL.len()]; self.numbers[at].len()];
        let mut all = [0; Measure::ALL.len()];
        for seen in within {
            let Some(key) = seen.keys[at] else { continue };
            add(&mut truth[key], &seen.sums);
            add(&mut all, &seen.sums);
        }
        assert_eq!(measures(&table.total), all, "total of {place}");
        let mut rest = all;
        for (row, counts) in (0..).zip(&table.rows) {
            let key = match Key::new(table.dimension, table.raw_key(row)) {
                Key::One(key) => vec![key],
                Key::Pair(keys) => keys.to_vec(),
            };
            // A row may be of a key that no entry of this window had: then it has nothing.
            let number = self.numbers[at].get(&key);
            let truth = number.map_or([0; Measure::ALL.len()], |number| std::mem::take(&mut truth[*number]));
            let found = measures(counts);
            for (measure, (found, truth)) in Measure::ALL.into_iter().zip(found.into_iter().zip(truth)) {
                let error = table.error_bound(row, measure);
                assert!(
                    found <= truth && truth <= found + error,
                    "{place} {key:?} {measure:?}: {truth} in {found} + {error}"
                );
                assert!(error == 0 || !self.is_exact, "{place} {key:?} is not exact");
                self.inexact += u64::from(error > 0);
            }
            for (rest, found) in rest.iter_mut().zip(found) {
                *rest = rest.checked_sub(found).unwrap_or_else(|| panic!("{place}: rows are more than all"));
            }
        }
        // Others are what is left: all keys without a row, and what rows have missed.
        for (measure, rest) in rest.into_iter().enumerate() {
            let without_row: u64 = truth.iter().map(|truth| truth[measure]).sum();
            assert!(rest >= without_row && (rest == 0 || !self.is_exact), "{place}: {rest} are left");
        }
        if self.is_exact {
            assert!(table.is_exact(), "{place}");
        }
    }
}

fn measures(counts: &Counts) -> [u64; Measure::ALL.len()] {
    Measure::ALL.map(|measure| counts.measure(measure))
}

fn add(sums: &mut [u64; Measure::ALL.len()], more: &[u64; Measure::ALL.len()]) {
    sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

/// Is an entry in the buckets of a window (spec/statistics.md 4.1)? Those of small dimensions are of other widths than those of keyed tables.
fn is_in(seen: &Seen, window: Window, now: u64, is_small: bool) -> bool {
    let Some(span) = window.seconds().map(|seconds| seconds * 1000) else { return true };
    // What comes after a day is in no window.
    if seen.age > 24 * HOUR {
        return false;
    }
    let (newest, width) = match (is_small, window) {
        (true, Window::Minute | Window::TenMinutes) => (1000, 1000),
        (true, Window::Hour) => (10_000, 10_000),
        (true, _) => (MINUTE, MINUTE),
        (false, Window::Minute) => (2000, 2000),
        (false, Window::TenMinutes) => (2000, 20_000),
        (false, Window::Hour) => (2000, 2 * MINUTE),
        (false, _) => (2000, 30 * MINUTE),
    };
    // Late ones of small dimensions were put into buckets as wide as those of their age.
    let own = match seen.age {
        _ if !is_small => 0,
        0..=600_000 => 1000,
        600_001..=3_600_000 => 10_000,
        _ => MINUTE,
    };
    let floor = |time: u64, width: u64| time - time % width;
    own <= width && floor(seen.time, width) >= floor(now.saturating_sub(span), width) && floor(seen.time, newest) <= now
}

/// Twenty-five hours of five nodes.
fn simulate(engine: &mut Engine) {
    let mut random = Random(7);
    let mut now = START;
    let mut step = 0_u64;
    // Each comparison is with all that was seen: at every step they take some minutes.
    let each = std::env::var_os("VISULATE_EACH_STEP").is_some();
    let is_near = |now: u64, moment: u64| now + 20_000 > moment && now < moment + 70_000;
    while now < START + 25 * HOUR {
        // A tick a second around midnight and the change of the clocks, else about one in half a minute.
        let is_close = is_near(now, MIDNIGHT) || is_near(now, CLOCKS);
        now += if is_close { 1000 } else { 20_000 + random.below(20_000) as u64 };
        step += 1;
        let every = |steps: u64| step.is_multiple_of(steps);
        engine.clock.set(now);
        let since = now - START;
        let mut worker = || random.below(WORKERS);
        let workers = [worker(), worker(), worker(), worker(), worker()];
        // Nothing at all comes for half an hour.
        if !(14 * HOUR..14 * HOUR + 30 * MINUTE).contains(&since) {
            engine.send(workers[0], "steady", &[now - 4000, now - 1500, now - 300], &mut random);
            // Now and then much later than that, once by more than a day.
            let late = [40_000, 70_000, 90_000, 11 * MINUTE, 59 * MINUTE, 61 * MINUTE, 5 * HOUR, 23 * HOUR, 30 * HOUR];
            let late = late[if every(9) { random.below(late.len()) } else { step as usize % 3 }];
            engine.send(workers[1], "behind", &[now - late], &mut random);
            let ahead = if every(4) { 45_000 } else { 8_000 };
            engine.send(workers[2], "ahead", &[now + ahead, now + 2000], &mut random);
            // Of the hour that comes twice in local time, text doesn't tell which it is: none is written the second time.
            if !(CLOCKS..CLOCKS + HOUR).contains(&(now - 6000)) {
                engine.say(workers[3], (now - 6000) / 1000, &mut random);
            }
            if since < HOUR || (20 * HOUR..20 * HOUR + 10 * MINUTE).contains(&since) {
                engine.send(workers[3], "idle", &[now - 700], &mut random);
            }
            if !(10 * HOUR..12 * HOUR).contains(&since) {
                engine.send(workers[4], "away at noon", &[now - 9000], &mut random);
            }
        }
        engine.tick(now);
        if each || (is_close && every(5)) || every(25) {
            engine.check(&[Window::Minute, Window::TenMinutes]);
        }
        if each || (is_close && every(20)) || every(100) {
            engine.check(&[Window::Hour, Window::Day, Window::Total]);
        }
    }
    engine.check(&Window::ALL);
    assert!(engine.seen.len() > 15_000, "{}", engine.seen.len());
}

#[test]
fn every_window_of_every_dimension_is_a_recount_over_a_day_and_an_hour() {
    let mut engine = Engine::start(Caps::new(MEMORY, WORKERS), true);
    simulate(&mut engine);
    engine.merger.stop();
}

#[test]
fn bounded_tables_keep_to_their_errors_over_a_day_and_an_hour() {
    let mut caps = Caps::new(MEMORY, WORKERS);
    for dimension in Dimension::LARGE {
        (caps.worker_rows[dimension as usize], caps.merger_rows[dimension as usize]) = (32, 8);
    }
    let mut engine = Engine::start(caps, false);
    simulate(&mut engine);
    assert!(engine.inexact > 1000, "{} bounds were at work", engine.inexact);
    engine.merger.stop();
}
