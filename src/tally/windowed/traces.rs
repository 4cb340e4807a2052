//! Long traces: what is found behind a flood, a day and an hour, and memory.

use std::collections::HashMap;

use super::recount::{BEGAN, Dice, Engine, check};
use super::{Level, Levels, Window, shrink_to};
use crate::tally::counts::{Counts, Measure};

/// How many of the first `count` of the recount are among the first `count` of the window, as a share.
fn recall(window: &Window, recount: &HashMap<&[u8], Counts>, measure: Measure, count: usize) -> f64 {
    let mut all: Vec<(&[u8], u64)> = recount.iter().map(|(key, counts)| (*key, counts.measure(measure))).collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let top = window.top(measure, count);
    let found = all.iter().take(count).filter(|(key, _)| top.iter().any(|row| window.key(row) == *key));
    found.count() as f64 / count as f64
}

#[test]
fn keyed_windows_find_the_top_100_behind_a_flood() {
    let mut dice = Dice(0x1234_5678_9abc_def1);
    let mut engine = Engine::new(2, 2048, 1024);
    let mut fresh = 0_u64;
    for tick in 1..=70_u64 {
        for n in 0..6_000 {
            let flood = n % 2 == 0;
            fresh += u64::from(flood);
            let key = if flood { u64::MAX - fresh } else { dice.zipf(5_000.0) };
            let increment = dice.increment(key);
            let late = if dice.roll().is_multiple_of(500) { dice.roll() % 300_000 } else { dice.roll() % 2_000 };
            let worker = (dice.roll() % 2) as usize;
            engine.record(worker, engine.now - late, format!("{key:x}.example").as_bytes(), increment);
        }
        engine.tick_all(BEGAN + tick * 1_000);
    }
    for level in [Level::Minute, Level::TenMinutes, Level::Hour, Level::Day, Level::Start] {
        let recount = engine.recount(|time| level == Level::Start || level.floor(time) >= level.first(engine.now));
        let window = engine.levels.freeze().window(level, engine.now);
        check(&window, &recount, &format!("{level:?}"));
        for (measure, least) in [(Measure::Requests, 0.98), (Measure::Bytes, 0.95)] {
            let found = recall(&window, &recount, measure, 100);
            assert!(found >= least, "{level:?}, {measure:?}: {found}");
        }
    }
}

#[test]
fn keyed_windows_hold_for_25_hours() {
    let mut dice = Dice(0xfeed_beef_1234_5677);
    let mut engine = Engine::new(2, 64, 64);
    for tick in 1..=25 * 360_u64 {
        // Nights are quiet, and there is a gap of an hour.
        let (hour, now) = (tick / 360, BEGAN + tick * 10_000);
        let entries = if hour == 13 { 0 } else { 2 + (hour % 12) * 2 };
        for _ in 0..entries {
            let key = dice.zipf(2_000.0);
            let increment = dice.increment(key);
            let age = if dice.roll().is_multiple_of(50) { dice.roll() % 100_000_000 } else { dice.roll() % 8_000 };
            let ahead = if dice.roll().is_multiple_of(100) { dice.roll() % 20_000 } else { 0 };
            let worker = (dice.roll() % 2) as usize;
            engine.record(worker, (engine.now - age.min(engine.now)) + ahead, format!("{key}").as_bytes(), increment);
        }
        engine.tick_all(now);
        if tick % 1_111 == 0 {
            engine.check();
        }
    }
    engine.check();
    let kept: Vec<usize> = engine.levels.kept.rings.iter().map(|ring| ring.closed.len()).collect();
    assert!(kept[..3].iter().all(|&kept| kept <= 61) && kept[3] <= 97, "{kept:?}");
}

#[test]
fn keyed_windows_stay_in_their_memory_whatever_comes() {
    const W: usize = 512;
    const K: usize = 256;
    const WATER: usize = 600_000;
    let mut dice = Dice(0x0dd0_beef_1234_5677);
    let mut flooded = Engine::new(2, W, K);
    let mut quiet = Engine::new(1, W, K);
    for tick in 1..=400_u64 {
        for n in 0..3_000_u64 {
            // All new, and some of them long.
            let key = format!("{:x}{}", dice.roll(), "y".repeat(if n % 10 == 0 { 300 } else { 20 }));
            let increment = dice.increment(n);
            let age = if n % 3 == 0 { dice.roll() % 90_000_000 } else { 0 };
            flooded.record((n % 2) as usize, flooded.now - age, key.as_bytes(), increment);
        }
        flooded.seen.clear();
        let increment = dice.increment(tick);
        quiet.record(0, quiet.now, format!("{}", tick % 40).as_bytes(), increment);
        let now = BEGAN + tick * 7_000;
        flooded.tick_all(now);
        quiet.tick_all(now);
        let mut dimensions = [flooded.levels, quiet.levels];
        shrink_to(&mut dimensions, WATER);
        let closed: usize = dimensions.iter().map(Levels::closed_bytes).sum();
        assert!(closed <= WATER, "{closed} bytes at tick {tick}");
        // 9 open slots of 2.5 k rows at most, 4 more tables of 1.25 k, and the room to work in.
        for levels in &dimensions {
            assert!(
                levels.bytes() - levels.closed_bytes() <= (9 * 2 + 4 + 8) * K * 5 / 4 * 168,
                "{} bytes",
                levels.bytes()
            );
        }
        [flooded.levels, quiet.levels] = dimensions;
        for (worker, part) in flooded.workers.iter().zip(&flooded.parts) {
            assert!(worker.bytes() + part.bytes() <= 1_100 * W, "{} and {} bytes", worker.bytes(), part.bytes());
        }
    }
    assert!(flooded.levels.cuts().closed_rows > 0 && quiet.levels.cuts() == super::Cuts::default());
    quiet.check();
    assert!(quiet.levels.freeze().window(Level::Hour, quiet.now).is_exact(), "the small one pays nothing");
}
