use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::*;
use crate::tally::batch::Pending;
use crate::tally::combined::{Combination, Combined};
use crate::tally::counts::{Band, Increment};
use crate::tally::large::Rows;
use crate::tally::profile::cells::{Cells, what};
use crate::tally::profile::{Outcome, coarse};
use crate::tally::slot_numbers::SlotNumbers;
use crate::tally::table::Seed;

const NOW: u64 = 1_795_460_493_250;

/// The raw key of any row: its number.
fn raw(dimension: Dimension, row: u32, raw: &mut Vec<u8>) -> bool {
    raw.push(dimension as u8);
    raw.extend_from_slice(&row.to_le_bytes());
    true
}

fn key(dimension: Dimension, row: u32) -> Vec<u8> {
    let mut key = Vec::new();
    raw(dimension, row, &mut key);
    key
}

/// A worker that feeds profiles.
struct Fed {
    combined: Combined,
    slots: SlotNumbers,
    cells: Cells,
    profiles: Profiles,
}

impl Fed {
    fn new(cap: usize, room: usize) -> Self {
        let seed = Seed::default();
        let (combined, cells) = (Combined::new(seed.clone()), Cells::new(cap));
        Self { combined, slots: SlotNumbers::default(), cells, profiles: Profiles::new(room, NOW - 100_000_000) }
    }

    fn see(&mut self, site: u32, code: u8, time: u64, ms: u64, now: u64) {
        self.slots.enter(Slot::of(time, now));
        let combination = Combination {
            result: Some(code.into()),
            status: Some(200 + i64::from(code == b'3')),
            route: None,
            method: Some(7),
            content_type: None,
        };
        let mut rows = Rows { node: 3, slot: self.slots.current(), ..Rows::NONE };
        rows.keyed[Dimension::Site as usize] = site;
        let increment = Increment { band: Band::Miss, bytes: 10 + ms, origin_bytes: 0, timed: 1, time_ms: ms };
        let pending = Pending { increment, rows, combination: self.combined.know(&combination).number(), slot: 0 };
        self.cells.record(&[pending], &self.combined);
    }

    fn tick(&mut self, now: u64) {
        let (mut slots, mut cells) = (Vec::new(), Vec::new());
        self.slots.hand_over(&mut slots);
        let lost = self.cells.hand_over(&self.combined, &mut cells);
        assert!(cells.is_sorted_by(|a, b| a.place < b.place));
        self.profiles.tick(now);
        self.profiles.add(&cells, lost, &slots, raw);
    }
}

const CODES: [u8; 4] = [b'1', b'3', b'5', b'6'];
const OUTCOMES: [Outcome; 4] = [Outcome::Fresh, Outcome::Missed, Outcome::Unchanged, Outcome::Stale];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// However entries come, each window has those of whole buckets, once: a recount by the definition.
    #[test]
    fn profiles_are_a_recount_of_their_buckets(
        entries in prop::collection::vec((0..4_u32, 0..4_usize, prop_oneof![0..20_000_u64, 0..800_000_u64, 0..90_000_000_u64], 0..70_000_u64, prop_oneof![0..3_000_u64, 0..300_000_u64]), 1..120),
        hand_over in prop::collection::vec(any::<bool>(), 120),
    ) {
        let mut fed = Fed::new(1000, 1 << 20);
        let mut now = NOW;
        // Each with when it was seen.
        let mut seen = Vec::new();
        for ((site, code, age, ms, wait), tick) in entries.into_iter().zip(hand_over) {
            let time = now + 5_000 - age;
            fed.see(site, CODES[code], time, ms, now);
            seen.push((site, code, time, ms));
            if tick {
                now += wait;
                fed.tick(now);
            }
        }
        fed.tick(now);
        let kept = fed.profiles.kept();
        for (window, level) in [
            (Window::Minute, Level::Minute), (Window::TenMinutes, Level::TenMinutes), (Window::Hour, Level::Hour),
            (Window::Day, Level::Day), (Window::Total, Level::Start),
        ] {
            for site in 0..4 {
                let (from, to) = (level.first(now), if level == Level::Start { u64::MAX } else { now });
                // The bucket of 2 s that has an entry decides whether it is ahead of now.
                let is_in = |time: u64| level.floor(time) >= from && (time <= to || Level::Minute.floor(time) <= to);
                let of_site = seen.iter().filter(|(of, _, time, _)| *of == site && is_in(*time));
                let mut expected: BTreeMap<u16, Sum> = BTreeMap::new();
                for &(_, code, _, ms) in of_site {
                    let place = what(OUTCOMES[code], false, coarse::cell(ms));
                    expected.entry(place).or_default().merge(&Sum { requests: 1, bytes: 10 + ms });
                }
                let found = kept.profile(Dimension::Site, &key(Dimension::Site, site), window.into());
                let found = found.unwrap_or_default();
                prop_assert_eq!(&found, &Profile::new(found.since, expected), "{:?}", window);
                let by_bucket = kept.series(Dimension::Site, &key(Dimension::Site, site), window.into());
                prop_assert_eq!(by_bucket.values().map(Profile::requests).sum::<u64>(), found.requests());
            }
        }
        // Combinations are told apart by dimension.
        let all = |dimension, row| {
            kept.profile(dimension, &key(dimension, row), Window::Total.into()).map_or(0, |profile| profile.requests())
        };
        let misses = seen.iter().filter(|(_, code, ..)| CODES[*code] == b'3').count() as u64;
        prop_assert_eq!(all(Dimension::Node, 3), seen.len() as u64);
        prop_assert_eq!(all(Dimension::Method, 7), seen.len() as u64);
        prop_assert_eq!((all(Dimension::Result, u32::from(b'3')), all(Dimension::Status, 201)), (misses, misses));
        prop_assert_eq!((fed.profiles.lost(), fed.profiles.dropped()), (0, 0));
    }
}

#[test]
fn a_flood_stays_in_its_room_and_heavy_keys_are_whole() {
    const ROOM: usize = 256 << 10;
    let mut fed = Fed::new(2000, ROOM);
    let mut now = NOW;
    let mut heavy: HashMap<u32, u64> = HashMap::new();
    for second in 0..900_u32 {
        for n in 0..400_u32 {
            // Two sites with many requests, the others never seen again.
            let site = if n % 2 == 0 { n % 4 } else { 1000 + second * 400 + n };
            fed.see(site, b'3', now - 500, u64::from(n * 7 + second % 5), now);
            if site < 4 {
                *heavy.entry(site).or_default() += 1;
            }
        }
        now += 1_000;
        fed.tick(now);
        assert!(fed.profiles.kept.bytes() <= ROOM + ROOM / 4, "{second}: {}", fed.profiles.kept.bytes());
    }
    assert!(fed.profiles.dropped() > 0 && fed.profiles.lost() > 0);
    assert!(fed.profiles.roster.bytes() < ROOM * 4, "{}", fed.profiles.roster.bytes());
    let kept = fed.profiles.kept();
    for (site, requests) in heavy {
        let profile = kept.profile(Dimension::Site, &key(Dimension::Site, site), Window::Total.into()).unwrap();
        assert_eq!((profile.requests(), profile.since), (requests, NOW - 100_000_000), "{site}");
    }
}

#[test]
fn a_worker_without_room_keeps_the_cells_of_its_heaviest_rows() {
    let mut fed = Fed::new(200, 1 << 20);
    for n in 0..3000_u32 {
        fed.see(if n % 2 == 0 { 1 } else { n + 10 }, b'1', NOW, 3, NOW);
    }
    let (mut slots, mut cells) = (Vec::new(), Vec::new());
    fed.slots.hand_over(&mut slots);
    let lost = fed.cells.hand_over(&fed.combined, &mut cells);
    let of = |site: u32| {
        cells.iter().find(|cell| cell.place.dimension() == Dimension::Site as usize && cell.place.row() == site)
    };
    assert_eq!(of(1).map(|cell| (cell.requests, cell.bytes)), Some((1500, 1500 * 13)));
    let sites = cells.iter().filter(|cell| cell.place.dimension() == Dimension::Site as usize);
    assert_eq!(sites.map(|cell| cell.requests).sum::<u64>() + lost, 3000);
    assert!(lost > 1000, "{lost}");
}

#[test]
fn rows_with_new_numbers_take_their_cells_along() {
    let mut fed = Fed::new(200, 1 << 20);
    for (site, times) in [(0, 2), (1, 3), (2, 4)] {
        for _ in 0..times {
            fed.see(site, b'1', NOW, 3, NOW);
        }
    }
    fed.cells.renumber(Dimension::Site, &[crate::tally::table::REFUSED, 2, 0]);
    fed.cells.renumber(Dimension::Client, &[]);
    let mut cells = Vec::new();
    assert_eq!(fed.cells.hand_over(&fed.combined, &mut cells), 2);
    let sites = cells.iter().filter(|cell| cell.place.dimension() == Dimension::Site as usize);
    assert_eq!(sites.map(|cell| (cell.place.row(), cell.requests)).collect::<Vec<_>>(), [(0, 4), (2, 3)]);
}
