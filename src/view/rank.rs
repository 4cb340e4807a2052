//! Ranking: rows by a measure, largest first, ties by key bytes (spec/statistics.md 4.4).

use std::cmp::Ordering;
use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::merger::Table;
use crate::merger::snapshot::RawKey;
use crate::tally::Measure;

/// The rows at ranks `offset + 1` to `offset + limit`, in rank order.
///
/// Only the page that is shown is sorted, so that rank 5 000 of a million costs what rank 1 costs.
pub fn page(table: &Table, measure: Measure, offset: usize, limit: usize) -> Vec<u32> {
    let end = offset.saturating_add(limit).min(table.len());
    if offset >= end {
        return Vec::new();
    }
    let values: Vec<u64> = table.rows.iter().map(|row| row.measure(measure)).collect();
    let mut sorted = values.clone();
    let (_, &mut lowest, _) = sorted.select_nth_unstable_by(end - 1, |a, b| b.cmp(a));
    let (_, &mut highest, _) = sorted[..end].select_nth_unstable_by(offset, |a, b| b.cmp(a));
    let before = sorted[..offset].iter().filter(|&&value| value > highest).count();

    // Only these can be on the page. Most rows of a large table have one of a few small values, and comparing their keys
    // would cost far more than comparing the values.
    let mut ranked: Vec<(u64, u32)> =
        values.into_iter().zip(0..).filter(|(value, _)| (lowest..=highest).contains(value)).collect();
    let by_rank = |a: &(u64, u32), b: &(u64, u32)| -> Ordering {
        b.0.cmp(&a.0).then_with(|| table.raw_key(a.1).cmp(&table.raw_key(b.1)))
    };
    let (offset, end) = (offset - before, end - before);
    if end < ranked.len() {
        ranked.select_nth_unstable_by(end, by_rank);
        ranked.truncate(end);
    }
    if offset > 0 {
        ranked.select_nth_unstable_by(offset, by_rank);
        ranked.drain(..offset);
    }
    ranked.sort_unstable_by(by_rank);
    ranked.into_iter().map(|(_, row)| row).collect()
}

/// The ranks from 1 that `shown` rows of a table had in the table of the time before: `Some(None)` for a key that had nothing then, `None`
/// where that can't be said, since not all keys of then are held.
pub fn before(table: &Table, shown: &[u32], before: &Table, measure: Measure) -> Vec<Option<Option<u64>>> {
    let of = |row: u32| before.rows[row as usize].measure(measure);
    let ranked: HashMap<RawKey<'_>, u64, RandomState> = page(before, measure, 0, before.len())
        .into_iter()
        .zip(1..)
        .take_while(|(row, _)| of(*row) > 0)
        .map(|(row, rank)| (before.raw_key(row), rank))
        .collect();
    let rank = |row: &u32| match ranked.get(&table.raw_key(*row)) {
        Some(&rank) => Some(Some(rank)),
        None => before.is_exact().then_some(None),
    };
    shown.iter().map(rank).collect()
}

/// Points of a rank curve: enough for a chart of any width that the page has.
pub const CURVE_POINTS: usize = 120;

/// One point of a rank curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// The rank, from 1.
    pub rank: u64,
    /// Value of the row at that rank.
    pub value: u64,
    /// Value of ranks 1 to this one together.
    pub cumulative: u64,
}

/// The values of all rows by rank, thinned to [`CURVE_POINTS`] log-spaced ranks; the last is the number of rows.
pub fn curve(table: &Table, measure: Measure) -> Vec<Point> {
    let mut values: Vec<u64> = table.rows.iter().map(|row| row.measure(measure)).collect();
    values.sort_unstable_by(|a, b| b.cmp(a));
    let mut points = Vec::with_capacity(CURVE_POINTS);
    let (mut cumulative, mut summed) = (0_u64, 0);
    for rank in log_spaced(values.len()) {
        cumulative = values[summed..rank].iter().fold(cumulative, |sum, &value| sum.saturating_add(value));
        summed = rank;
        points.push(Point { rank: rank as u64, value: values[rank - 1], cumulative });
    }
    points
}

/// At most [`CURVE_POINTS`] ascending ranks from 1 to `count`, evenly spaced on a log scale as soon as they can be.
fn log_spaced(count: usize) -> impl Iterator<Item = usize> {
    let points = count.min(CURVE_POINTS);
    let mut before = 0;
    (0..points).map(move |point| {
        let share = point as f64 / (points - 1).max(1) as f64;
        let even = (count as f64).powf(share).round() as usize;
        let last = count - (points - 1 - point);
        before = even.clamp(before + 1, last.max(before + 1));
        before
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tally::Dimension;
    use crate::view::sample;

    #[test]
    fn equal_values_are_ranked_by_key_bytes() {
        let table = sample::table(Dimension::Site, &[("b", 5), ("a", 5), ("c", 9), ("", 5)]);
        assert_eq!(page(&table, Measure::Requests, 0, 10), [2, 3, 1, 0]);
        assert_eq!(page(&table, Measure::Requests, 1, 2), [3, 1]);
        assert_eq!(page(&table, Measure::Requests, 4, 2), [0_u32; 0]);
        assert_eq!(page(&table, Measure::Requests, usize::MAX, 2), [0_u32; 0]);
    }

    #[test]
    fn ranks_before_are_those_of_the_other_table() {
        let now = sample::table(Dimension::Site, &[("a", 10), ("b", 50), ("new", 30), ("idle", 20)]);
        let mut then = sample::table(Dimension::Site, &[("gone", 70), ("a", 60), ("b", 5), ("idle", 0)]);
        let shown = page(&now, Measure::Requests, 0, 9);
        let ranks = before(&now, &shown, &then, Measure::Requests);
        assert_eq!(ranks, [Some(Some(3)), Some(None), Some(None), Some(Some(2))]);
        sample::refuse(&mut then, 5, &[]);
        let ranks = before(&now, &shown, &then, Measure::Requests);
        assert_eq!(ranks, [Some(Some(3)), None, None, Some(Some(2))], "it may have been there");
    }

    proptest! {
        #[test]
        fn any_page_is_that_part_of_the_whole_order(
            values in prop::collection::vec(0..20_u64, 0..60), offset in 0..70_usize, limit in 0..70_usize,
        ) {
            let names: Vec<String> = (0..values.len()).map(|n| format!("k{}", n * 37 % 61)).collect();
            let rows: Vec<(&str, u64)> = names.iter().map(String::as_str).zip(values.iter().copied()).collect();
            let table = sample::table(Dimension::Host, &rows);
            let mut whole: Vec<u32> = (0..rows.len() as u32).collect();
            whole.sort_by_key(|&row| (u64::MAX - rows[row as usize].1, rows[row as usize].0));
            let expected: Vec<u32> = whole.into_iter().skip(offset).take(limit).collect();
            prop_assert_eq!(page(&table, Measure::Requests, offset, limit), expected);
        }

        #[test]
        fn ranks_of_a_curve_ascend_from_the_first_to_the_last(count in 1..3_000_000_usize) {
            let ranks: Vec<usize> = log_spaced(count).collect();
            prop_assert_eq!(ranks.len(), count.min(CURVE_POINTS));
            prop_assert_eq!((ranks[0], ranks[ranks.len() - 1]), (1, count));
            prop_assert!(ranks.is_sorted_by(|a, b| a < b));
        }

        #[test]
        fn a_curve_ends_with_the_sum_of_all_rows(values in prop::collection::vec(0..1000_u64, 0..400)) {
            let names: Vec<String> = (0..values.len()).map(|n| n.to_string()).collect();
            let rows: Vec<(&str, u64)> = names.iter().map(String::as_str).zip(values.iter().copied()).collect();
            let points = curve(&sample::table(Dimension::Host, &rows), Measure::Requests);
            prop_assert_eq!(points.last().map_or(0, |point| point.cumulative), values.iter().sum::<u64>());
            prop_assert!(points.is_sorted_by(|a, b| a.value >= b.value));
        }
    }
}
