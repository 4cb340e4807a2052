//! Pairs and their two tables against a plain recount, however small the tables are.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::tally::Measure;
use crate::tally::batch::{BATCH, Keys};
use crate::tally::counts::{Band, Increment};
use crate::tally::delta::Delta;
use crate::tally::paired::{Paired, Room};
use crate::tally::windowed::Loss;

/// Slots that entries are of; more than there are lanes.
const SLOTS: u32 = 20;

#[derive(Debug)]
struct Trio {
    first: Slotted,
    second: Slotted,
    pairs: Paired,
    knife: Knife,
}

impl Trio {
    fn new(cap: usize) -> Self {
        let seed = Seed::default();
        Self {
            first: Slotted::new(seed.clone(), cap),
            second: Slotted::new(seed.clone(), cap),
            pairs: Paired::new(seed, cap),
            knife: Knife::default(),
        }
    }

    fn record(&mut self, slot: u32, keys: [u8; 2], entry: &Increment) {
        let rows = [self.first.row(&[keys[0]]), self.second.row(&[keys[1]])];
        let numbers = &mut Vec::new();
        self.first.record([(rows[0], slot, entry)].into_iter(), numbers);
        self.second.record([(rows[1], slot, entry)].into_iter(), numbers);
        self.pairs.record([(rows, slot, entry)].into_iter(), &mut Room::default());
        if self.first.is_full() || self.second.is_full() || self.pairs.is_full() {
            let maps = [self.first.cut(&mut self.knife), self.second.cut(&mut self.knife)];
            self.pairs.cut([Some(&maps[0]), Some(&maps[1])], &mut self.knife);
        }
    }
}

/// Bytes of an entry: few, and now and then so many that some of them, or one, are more than a delta holds.
fn bytes() -> impl Strategy<Value = u64> {
    prop_oneof![20 => 1..1000_u64, 1 => (3_u64 << 30)..(4 << 30), 1 => (1_u64 << 32)..(1 << 40)]
}

type Truth = HashMap<(u32, Vec<u8>), Counts>;

/// Holds a part against the truth: rows and rest are the total of each slot, and every key is within its bound.
fn check(part: &LargePart, key: impl Fn(&Delta) -> Vec<u8>, mut truth: Truth) -> Result<(), TestCaseError> {
    let lost = |slot: u32| part.lost.get(slot as usize).copied().unwrap_or_default();
    let mut sums: HashMap<u32, Counts> = (0..SLOTS).map(|slot| (slot, lost(slot).rest)).collect();
    let mut totals: HashMap<u32, Counts> = HashMap::new();
    truth.iter().for_each(|((slot, _), counts)| totals.entry(*slot).or_default().merge(counts));
    for ((delta, counts), number) in part.deltas().zip(0..) {
        sums.entry(delta.slot).or_default().merge(&counts);
        let error = part.errors.iter().find(|(with, _)| *with == number).map_or(Loss::NONE, |(_, error)| *error);
        let real = truth.remove(&(delta.slot, key(delta)));
        let real = real.ok_or_else(|| TestCaseError::fail("a key that never was in this slot, or twice"))?;
        for measure in Loss::MEASURES {
            let (count, real) = (counts.measure(measure), real.measure(measure));
            prop_assert!(count <= real && real <= count + error.measure(measure), "{measure:?}: {real}, {delta:?}");
        }
    }
    for ((slot, _), counts) in truth {
        for measure in Loss::MEASURES {
            prop_assert!(counts.measure(measure) <= lost(slot).absent.measure(measure), "{measure:?} of slot {slot}");
        }
    }
    for (slot, total) in totals {
        prop_assert_eq!(sums[&slot], total, "slot {}", slot);
        prop_assert_eq!(sums[&slot].measure(Measure::Requests), total.all_requests());
    }
    Ok(())
}

proptest! {
    #[test]
    fn pairs_and_their_tables_add_up_and_keep_their_bounds_through_cuts(
        entries in prop::collection::vec((0..SLOTS, 0..40_u8, 0..40_u8, bytes()), 1..600),
        cap in prop::sample::select(vec![8_usize, 30, 1000]),
    ) {
        let mut trio = Trio::new(cap);
        let mut truths = [Truth::new(), Truth::new(), Truth::new()];
        for (slot, a, b, bytes) in entries {
            let band = if bytes % 7 == 0 { Band::Error } else { Band::Miss };
            let entry = Increment { band, bytes, origin_bytes: bytes / 2, timed: 1, time_ms: bytes % 50 };
            for (truth, key) in truths.iter_mut().zip([vec![a], vec![b], vec![a, b]]) {
                truth.entry((slot, key)).or_default().record(&entry);
            }
            trio.record(slot, [a, b], &entry);
        }
        let mut parts = [LargePart::default(), LargePart::default(), LargePart::default()];
        trio.first.hand_over(&mut parts[0]);
        trio.second.hand_over(&mut parts[1]);
        trio.pairs.hand_over(&mut parts[2]);
        let [first, second] = [0, 1].map(|at| parts[at].keys.iter().map(<[u8]>::to_vec).collect::<Vec<_>>());
        if cap == 1000 {
            prop_assert!(parts.iter().all(|part| part.lost.is_empty() && part.errors.is_empty() && !part.restarts));
        }
        let [of_first, of_second, of_pairs] = truths;
        check(&parts[0], |delta| first[delta.row as usize].clone(), of_first)?;
        check(&parts[1], |delta| second[delta.row as usize].clone(), of_second)?;
        check(&parts[2], |delta| [&first[delta.row as usize][..], &second[delta.other as usize]].concat(), of_pairs)?;
        // What was handed over is gone, and rows are found again.
        let mut part = LargePart::default();
        trio.first.hand_over(&mut part);
        prop_assert!(part.deltas.is_empty() && part.keys.iter().next().is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn a_batch_counts_as_its_entries_do(
        batches in prop::collection::vec(prop::collection::vec((0..6000_u32, 0..SLOTS, bytes()), 1..BATCH), 100..200),
    ) {
        // Enough keys that deltas are far from the processor, and entries are counted in passes.
        let mut table = Slotted::new(Seed::default(), 100_000);
        let (mut keys, mut rows, mut truth) = (Keys::default(), Vec::new(), Truth::new());
        let name = |key: u32| format!("http://example.com/{key}").into_bytes();
        let first = (0..3000).map(|key| (key, 7, 1)).collect::<Vec<_>>();
        for batch in first.chunks(BATCH).chain(batches.iter().map(Vec::as_slice)) {
            let increment = |bytes| Increment { band: Band::Fresh, bytes, origin_bytes: 0, timed: 0, time_ms: 0 };
            let entries: Vec<_> = batch.iter().map(|(key, slot, bytes)| (name(*key), *slot, increment(*bytes))).collect();
            keys.clear();
            for (of, (key, slot, increment)) in entries.iter().enumerate() {
                keys.push(of, key, table.hash(key));
                truth.entry((*slot, key.clone())).or_default().record(increment);
            }
            table.rows(keys.hashes(), keys.iter(), &mut rows);
            table.record(rows.iter().zip(&entries).map(|(&row, (_, slot, entry))| (row, *slot, entry)), &mut Vec::new());
        }
        let mut part = LargePart::default();
        table.hand_over(&mut part);
        let names: Vec<_> = part.keys.iter().map(<[u8]>::to_vec).collect();
        prop_assert!(part.deltas.len() > NEAR && part.lost.is_empty());
        check(&part, |delta| names[delta.row as usize].clone(), truth)?;
    }
}
