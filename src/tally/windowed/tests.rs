//! Windows against a recount of every entry: however entries are dealt out to workers and ticks, totals are equal and bounds hold.

use std::collections::HashMap;

use proptest::prelude::*;

use super::recount::{BEGAN, Engine, check};
use super::{Level, shrink_to};
use crate::tally::counts::{Band, Counts, Increment, Measure};

/// One step of a stream.
#[derive(Clone, Debug)]
enum Step {
    /// An entry at a worker: key, age in ms (negative: ahead).
    Entry(usize, u16, i64, Increment),
    /// Many entries with keys of their own.
    Flood(usize, u16),
    /// Time goes on by that many ms, and the parts of these workers are taken, in this order.
    Tick(u64, Vec<usize>),
    /// The water falls to that many bytes.
    Shrink(usize),
}

fn increment() -> impl Strategy<Value = Increment> {
    let band = prop::sample::select(vec![Band::Fresh, Band::Refresh, Band::Miss, Band::Error, Band::Unknown]);
    (band, 0..100_000_u64, 0..3_u8, 0..5_000_u64).prop_map(|(band, bytes, origin, time_ms)| {
        let timed = time_ms % 2;
        // What comes from an origin may be more than what is sent to the client.
        Increment { band, bytes, origin_bytes: bytes * u64::from(origin), timed, time_ms: time_ms * timed }
    })
}

fn age() -> impl Strategy<Value = i64> {
    prop_oneof![
        6 => 0..5_000_i64,
        1 => -15_000..0_i64,
        2 => 0..130_000_i64,
        1 => 0..1_300_000_i64,
        1 => 0..200_000_000_i64,
    ]
}

fn step(workers: usize, keys: u16) -> impl Strategy<Value = Step> {
    let pause = prop_oneof![
        8 => 0..1_500_u64,
        2 => 0..30_000_u64,
        1 => 0..700_000_u64,
        1 => 0..100_000_000_u64,
    ];
    let takes = Just((0..workers).collect::<Vec<_>>()).prop_shuffle();
    let takes = (takes, 0..=workers).prop_map(|(order, count)| order[..count].to_vec());
    // Few keys are frequent.
    let key = (0..keys, 0..keys).prop_map(move |(a, b)| (u32::from(a) * u32::from(b) / u32::from(keys)) as u16);
    prop_oneof![
        30 => (0..workers, key, age(), increment()).prop_map(|(worker, key, age, entry)| Step::Entry(worker, key, age, entry)),
        1 => (0..workers, 1..60_u16).prop_map(|(worker, count)| Step::Flood(worker, count)),
        4 => (pause, takes).prop_map(|(pause, takes)| Step::Tick(pause, takes)),
        1 => (0..40_000_usize).prop_map(Step::Shrink),
    ]
}

fn run(engine: &mut Engine, steps: &[Step]) {
    let mut fresh = 0_u32;
    for step in steps {
        match step {
            Step::Entry(worker, key, age, increment) => {
                let time = engine.now.saturating_add_signed(-age);
                engine.record(*worker, time, format!("key {key}").as_bytes(), *increment);
            }
            Step::Flood(worker, count) => {
                for _ in 0..*count {
                    fresh += 1;
                    let increment =
                        Increment { band: Band::Miss, bytes: 700, origin_bytes: 700, timed: 1, time_ms: 30 };
                    engine.record(*worker, engine.now, format!("fresh {fresh}").as_bytes(), increment);
                }
            }
            Step::Tick(pause, takes) => engine.tick(engine.now + pause, takes),
            Step::Shrink(bytes) => {
                shrink_to(std::slice::from_mut(&mut engine.levels), *bytes);
            }
        }
    }
    engine.tick_all(engine.now + 100);
}

proptest! {
    #[test]
    fn keyed_windows_hold_what_they_promise(steps in prop::collection::vec(step(3, 200), 1..700), more in 0..100_000_u64, w in prop::sample::select(vec![16, 300])) {
        // Either workers drop rows, or the merger does.
        let mut engine = Engine::new(3, w, 16);
        run(&mut engine, &steps);
        engine.check();
        engine.tick_all(engine.now + more);
        engine.check();
    }

    #[test]
    fn keyed_intervals_and_series_hold_what_they_promise(
        steps in prop::collection::vec(step(3, 60), 1..300),
        intervals in prop::collection::vec((prop::sample::select(vec![50_000_u64, 500_000, 3_000_000, 80_000_000]), 0.0..1.0_f64, 0.0..1.0_f64), 1..4),
        w in prop::sample::select(vec![16, 300]),
    ) {
        let mut engine = Engine::new(3, w, 16);
        run(&mut engine, &steps);
        for (reach, from, length) in intervals {
            let from = engine.now - (reach as f64 * from) as u64;
            engine.check_interval(from, from + 1 + (reach as f64 * length) as u64);
        }
    }

    #[test]
    fn keyed_rows_that_a_worker_drops_and_makes_again_are_within_their_bounds(
        entries in prop::collection::vec((0..80_u16, prop::sample::select(vec![0, 0, 0, 3_000, 100_000]), increment()), 1..600),
        ticks in prop::collection::vec(1..600_usize, 0..3),
    ) {
        // Many entries between two parts, and room for few: keys come and go in one and the same slot.
        let mut engine = Engine::new(1, 16, 256);
        for (number, (key, age, increment)) in entries.into_iter().enumerate() {
            engine.record(0, BEGAN - age, format!("key {key}").as_bytes(), increment);
            if ticks.contains(&number) {
                engine.tick_all(BEGAN);
            }
        }
        engine.tick_all(BEGAN);
        engine.check();
    }

    #[test]
    fn keyed_windows_are_exact_while_keys_are_few(steps in prop::collection::vec(step(3, 30), 1..500)) {
        let steps: Vec<Step> =
            steps.into_iter().filter(|step| !matches!(step, Step::Flood(..) | Step::Shrink(_))).collect();
        let mut engine = Engine::new(3, 2000, 64);
        run(&mut engine, &steps);
        engine.check();
        for level in Level::ALL {
            let window = engine.levels.freeze().window(level, engine.now);
            prop_assert!(window.is_exact() && window.rows.iter().all(|row| row.error(Measure::Bytes) == 0));
        }
        prop_assert_eq!(engine.levels.cuts(), super::Cuts::default());
    }

    #[test]
    fn keyed_windows_do_not_depend_on_who_counts_and_when(
        steps in prop::collection::vec(step(4, 60), 1..400),
        others in prop::collection::vec(0..4_usize, 400),
    ) {
        // The same entries at the same times: by other workers, and with their parts taken at other ticks.
        let mut one = Engine::new(4, 2000, 256);
        let mut two = Engine::new(4, 2000, 256);
        let dealt: Vec<Step> = steps.iter().zip(others).map(|(step, other)| match step {
            Step::Entry(_, key, age, entry) => Step::Entry(other, *key, *age, *entry),
            Step::Flood(_, count) => Step::Flood(other, *count),
            Step::Tick(pause, _) => Step::Tick(*pause, (0..other).collect()),
            shrink => shrink.clone(),
        }).filter(|step| !matches!(step, Step::Shrink(_))).collect();
        let steps: Vec<Step> = steps.into_iter().filter(|step| !matches!(step, Step::Shrink(_))).collect();
        run(&mut one, &steps);
        run(&mut two, &dealt);
        for level in Level::ALL {
            let rows = |engine: &Engine| {
                let window = engine.levels.freeze().window(level, engine.now);
                window.rows.iter().map(|row| (window.key(row).to_vec(), row.counts)).collect::<HashMap<_, _>>()
            };
            // More keys than k only with many floods, and then bounds hold, which the test above says.
            prop_assume!(one.levels.freeze().window(level, one.now).is_exact() && two.levels.freeze().window(level, two.now).is_exact());
            prop_assert_eq!(rows(&one), rows(&two), "{:?}", level);
        }
    }

    #[test]
    fn keyed_intervals_and_windows_before_are_sums_of_whole_buckets(
        steps in prop::collection::vec(step(2, 60), 1..400),
        ago in 0..90_000_000_u64,
        share in 0..=100_u64,
    ) {
        // As old as they are when seen, entries are in every bucket that is asked for here.
        let steps: Vec<Step> = steps.into_iter().map(|step| match step {
            Step::Entry(worker, key, age, entry) => Step::Entry(worker, key, age.min(50_000), entry),
            step => step,
        }).collect();
        let mut engine = Engine::new(2, 16, 16);
        run(&mut engine, &steps);
        let now = engine.now;
        for level in Level::CLOSING {
            let to = level.first(now);
            let bucket = |time| level.floor(time);
            let recount = engine.recount(|time| bucket(time) < to && bucket(time) >= to - level.span());
            check(&engine.levels.freeze().window_before(level, now).unwrap(), &recount, &format!("before {level:?}"));
        }
        let (from, to) = (now - ago, now - ago + ago * share / 100);
        let window = engine.levels.freeze().between(from, to, now);
        let level = Level::CLOSING.into_iter().find(|level| level.floor(from) >= level.first(now)).unwrap_or(Level::Day);
        let recount = engine.recount(|time| {
            let bucket = level.floor(time);
            bucket >= level.floor(from) && bucket < to && Level::Minute.floor(time) <= now
        });
        check(&window, &recount, "between");
    }

    #[test]
    fn keyed_points_add_up_to_their_rows(steps in prop::collection::vec(step(2, 60), 1..300)) {
        let mut engine = Engine::new(2, 16, 16);
        run(&mut engine, &steps);
        for level in Level::ALL {
            let window = engine.levels.freeze().window(level, engine.now);
            let ids: Vec<u32> = window.rows.iter().map(|row| row.id).collect();
            let points = engine.levels.freeze().points(&ids, Measure::Bytes, level, engine.now);
            prop_assert_eq!(points.values.len(), ids.len());
            for (row, values) in window.rows.iter().zip(&points.values) {
                prop_assert_eq!(values.iter().flatten().sum::<u64>(), row.counts.all_bytes());
                prop_assert!(values.len() as u64 <= level.span() / level.width() + 1);
            }
        }
    }
}

#[test]
fn a_worker_that_nobody_asks_keeps_to_its_slots() {
    let mut engine = Engine::new(1, 64, 64);
    for second in 0..4_000 {
        engine.now = BEGAN + second * 1_000;
        let increment = Increment { band: Band::Fresh, bytes: 5, origin_bytes: 0, timed: 1, time_ms: 1 };
        engine.record(0, engine.now, b"a", increment);
    }
    let total: Counts = engine.total;
    engine.tick_all(engine.now);
    let window = engine.levels.freeze().window(Level::Start, engine.now);
    assert_eq!((window.total, window.rows.len()), (total, 1));
    assert_eq!(
        engine.levels.cuts().crowded,
        4_000 - 2 * 512 + 1,
        "512 slots of 2 s, the first of which had begun before"
    );
}

#[test]
fn bounds_hold_where_sums_stop_at_the_top() {
    let mut engine = Engine::new(1, 16, 16);
    for n in 0..200_u64 {
        let increment =
            Increment { band: Band::Miss, bytes: u64::MAX / 3, origin_bytes: u64::MAX, timed: 1, time_ms: n };
        engine.record(0, BEGAN, format!("{}", n % 60).as_bytes(), increment);
        if n % 50 == 0 {
            engine.tick_all(BEGAN + n * 100);
        }
    }
    engine.tick_all(BEGAN + 21_000);
    let window = engine.levels.freeze().window(Level::Hour, engine.now);
    let recount = engine.recount(|_| true);
    for row in &window.rows {
        let truth = recount[window.key(row)].all_bytes();
        assert!(truth <= row.counts.all_bytes().saturating_add(row.error(Measure::Bytes)));
    }
    assert_eq!(window.absent(Measure::Bytes), u64::MAX);
}

#[test]
fn a_window_says_what_time_it_covers() {
    let mut engine = Engine::new(1, 64, 64);
    let increment = Increment { band: Band::Fresh, bytes: 5, origin_bytes: 0, timed: 1, time_ms: 1 };
    engine.record(0, BEGAN, b"a", increment);
    engine.tick_all(BEGAN + 30_766);
    let minute = engine.levels.freeze().window(Level::Minute, engine.now);
    // The slot of the first entry began 1.234 s before it.
    assert_eq!((minute.from, minute.seconds), (BEGAN - 1_234, 32.0));
    assert_eq!(engine.levels.freeze().window(Level::Start, engine.now).seconds, 30.766);
    engine.tick_all(BEGAN + 600_000);
    let minute = engine.levels.freeze().window(Level::Minute, engine.now);
    assert_eq!((minute.from, minute.seconds), (Level::Minute.first(engine.now), 61.234));
    assert_eq!(engine.levels.freeze().window_before(Level::Minute, engine.now).unwrap().seconds, 60.0);
    assert!(engine.levels.freeze().window_before(Level::Start, engine.now).is_none());
}
