//! What changed: the part of each key in the rise or fall of a total between two times (spec/statistics.md N11).
//!
//! Times are compared by their rates, since the two need not be equally long: the parts of all keys and of what is in no row add up to
//! the change of the total.

use std::cmp::Ordering;
use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::merger::Table;
use crate::merger::snapshot::RawKey;
use crate::tally::Counts;

/// The same sum at two times, and how much it changed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Change {
    /// In the later time.
    pub now: u64,
    /// In the earlier one.
    pub before: u64,
    /// By how much the rate rose, per second; negative: fell.
    pub per_second: f64,
}

/// One key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Part {
    /// Its row in the table of the later time; `None` if it has none.
    pub now: Option<u32>,
    /// Its row in the table of the earlier one.
    pub before: Option<u32>,
    /// Its own change.
    pub change: Change,
}

/// All keys of a dimension.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parts {
    /// Of all requests.
    pub total: Change,
    /// The keys, those that changed most first, ties by key.
    pub keys: Vec<Part>,
}

impl Change {
    /// The share of this in the change of `total`; negative if it went the other way. `None` if that didn't change.
    pub fn share(&self, total: &Self) -> Option<f64> {
        (total.per_second != 0.0).then(|| self.per_second / total.per_second)
    }
}

impl Parts {
    /// What is in none of the first `shown` keys.
    pub fn other(&self, shown: usize) -> Change {
        let mut other = self.total;
        for part in self.keys.iter().take(shown) {
            other.now = other.now.saturating_sub(part.change.now);
            other.before = other.before.saturating_sub(part.change.before);
            other.per_second -= part.change.per_second;
        }
        other
    }
}

/// The parts of all keys that two tables of one dimension have, by the sum that `of` gives.
pub fn parts(now: &Table, before: &Table, of: impl Fn(&Counts) -> u64) -> Parts {
    let (now_seconds, before_seconds) = (now.covered.seconds, before.covered.seconds);
    let change = |now: u64, before: u64| Change {
        now,
        before,
        per_second: now as f64 / now_seconds - before as f64 / before_seconds,
    };
    let mut earlier: HashMap<RawKey<'_>, u32, RandomState> =
        (0..before.len() as u32).map(|row| (before.raw_key(row), row)).collect();
    let mut keys: Vec<Part> = (0..now.len() as u32)
        .map(|row| {
            let old = earlier.remove(&now.raw_key(row));
            let was = old.map_or(0, |old| of(&before.rows[old as usize]));
            Part { now: Some(row), before: old, change: change(of(&now.rows[row as usize]), was) }
        })
        .collect();
    keys.extend(earlier.into_values().map(|row| {
        let change = change(0, of(&before.rows[row as usize]));
        Part { now: None, before: Some(row), change }
    }));
    keys.retain(|part| part.change.now > 0 || part.change.before > 0);
    let raw = |part: &Part| match (part.now, part.before) {
        (Some(row), _) => now.raw_key(row),
        (None, row) => before.raw_key(row.unwrap_or_default()),
    };
    keys.sort_unstable_by(|a, b| {
        let sizes = b.change.per_second.abs().partial_cmp(&a.change.per_second.abs()).unwrap_or(Ordering::Equal);
        sizes.then_with(|| raw(a).cmp(&raw(b)))
    });
    Parts { total: change(of(&now.total), of(&before.total)), keys }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::tally::{Dimension, Measure};
    use crate::view::{key, sample};

    proptest! {
        #[test]
        fn parts_add_up_to_the_change(
            now in prop::collection::btree_map(0..20_u8, 0..1000_u64, 0..15),
            before in prop::collection::btree_map(0..20_u8, 0..1000_u64, 0..15),
            refused in 0..500_u64, seconds in 1..100_u64, shown in 0..30_usize,
        ) {
            let table = |rows: &BTreeMap<u8, u64>, seconds: f64| {
                let names: Vec<(String, u64)> = rows.iter().map(|(key, count)| (format!("k{key}"), *count)).collect();
                let rows: Vec<(&str, u64)> = names.iter().map(|(key, count)| (key.as_str(), *count)).collect();
                let mut table = sample::table(Dimension::Site, &rows);
                table.covered.seconds = seconds;
                table
            };
            let (mut later, earlier) = (table(&now, seconds as f64), table(&before, 50.0));
            sample::refuse(&mut later, refused, &[]);
            let parts = parts(&later, &earlier, |counts| counts.measure(Measure::Requests));
            // A slow recount, key by key.
            let mut known = BTreeMap::<u8, (u64, u64)>::new();
            now.iter().for_each(|(key, count)| known.entry(*key).or_default().0 = *count);
            before.iter().for_each(|(key, count)| known.entry(*key).or_default().1 = *count);
            known.retain(|_, counts| *counts != (0, 0));
            prop_assert_eq!(parts.keys.len(), known.len());
            for part in &parts.keys {
                let raw = part.now.map_or_else(|| earlier.raw_key(part.before.unwrap()), |row| later.raw_key(row));
                let name = key::shown(Dimension::Site, raw);
                let (now, before) = known[&name[1..].parse::<u8>().unwrap()];
                prop_assert_eq!((part.change.now, part.change.before), (now, before));
                let expected = now as f64 / seconds as f64 - before as f64 / 50.0;
                prop_assert!((part.change.per_second - expected).abs() < 1e-9);
            }
            prop_assert!(parts.keys.is_sorted_by(|a, b| a.change.per_second.abs() >= b.change.per_second.abs()));
            let (total, other) = (parts.total, parts.other(shown));
            let of = |what: fn(&Change) -> u64| parts.keys.iter().take(shown).map(|part| what(&part.change)).sum::<u64>();
            prop_assert_eq!(of(|change| change.now) + other.now, total.now);
            prop_assert_eq!(of(|change| change.before) + other.before, total.before);
            let rates: f64 = parts.keys.iter().take(shown).map(|part| part.change.per_second).sum();
            prop_assert!((rates + other.per_second - total.per_second).abs() < 1e-6);
            let all: f64 = parts.keys.iter().map(|part| part.change.share(&total).unwrap_or(0.0)).sum();
            let rest = parts.other(parts.keys.len()).share(&total).unwrap_or(1.0);
            prop_assert!(total.per_second == 0.0 || (all + rest - 1.0).abs() < 1e-6 * total.per_second.recip().abs().max(1.0) * 1e3);
        }
    }
}
