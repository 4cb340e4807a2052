//! A ranked table: the rows around one rank, with total and others.

use super::model::{Ids, Model, values};
use super::{key, rank, value};
use crate::merger::Table;
use crate::tally::{Counts, Measure};

/// What the page shows of `table`: `count` rows from rank `first` (from 1) on.
///
/// A first rank beyond the last row is brought back so that the page is full.
pub fn model(table: &Table, measure: Measure, first: u32, count: u16, ids: &mut Ids) -> Model {
    let (first, count) = (first as usize, usize::from(count));
    let first = if first > table.len() { (table.len() + 1).saturating_sub(count).max(1) } else { first };
    let shown = rank::page(table, measure, first - 1, count);
    let sum = shown.iter().fold(Counts::default(), |mut sum, &row| {
        sum.merge(&table.rows[row as usize]);
        sum
    });

    let mut head = vec![table.len() as u64, u64::from(table.is_exact()), table.covered.ms(), first as u64];
    head.extend(value::parts(&table.total, measure));
    head.extend(value::parts(&table.total.without(&sum), measure));
    head.push(table.refused.measure(measure));

    let rows = ids.rows(0, shown.iter().map(|&row| key::shown(table.dimension, table.raw_key(row))));
    let mut cells: Vec<_> = rows
        .iter()
        .zip(&shown)
        .map(|(listed, &row)| {
            let [value, hit, miss, error] = value::parts(&table.rows[row as usize], measure);
            let bound = table.error_bound(row, measure);
            ((listed.id, 0), values([value, hit, miss, error, bound]))
        })
        .collect();
    cells.sort_unstable_by_key(|(key, _)| *key);
    Model { head, lists: vec![rows], paired: false, cells, texts: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Dimension;
    use crate::view::sample;

    #[test]
    fn total_is_shown_rows_and_others() {
        let mut table = sample::table(Dimension::Site, &[("a", 10), ("b", 30), ("c", 20)]);
        table.covered.seconds = 5.0;
        let model = model(&table, Measure::Requests, 1, 2, &mut Ids::default());
        // Samples have 1/5 in each band, both hit bands together are 2/5.
        #[rustfmt::skip]
        assert_eq!(model.head, [3, 1, 5000, 1, 60, 24, 12, 12, 10, 4, 2, 2, 0]);
        let names: Vec<&str> = model.lists[0].iter().map(|row| &*row.name).collect();
        assert_eq!(names, ["b", "c"]);
        assert_eq!(model.cells, [((0, 0), values([30, 12, 6, 6])), ((1, 0), values([20, 8, 4, 4]))]);
    }

    #[test]
    fn a_first_rank_beyond_the_last_row_shows_the_last_page() {
        let rows: Vec<(String, u64)> = (0..30).map(|n| (format!("{n:02}"), 100 - u64::from(n as u8))).collect();
        let rows: Vec<(&str, u64)> = rows.iter().map(|(name, n)| (name.as_str(), *n)).collect();
        let table = sample::table(Dimension::Site, &rows);
        for (first, count, shown, names) in
            [(1, 12, 1, 12), (25, 12, 25, 6), (30, 12, 30, 1), (31, 12, 19, 12), (u32::MAX, 200, 1, 30)]
        {
            let model = model(&table, Measure::Requests, first, count, &mut Ids::default());
            assert_eq!((model.head[3], model.lists[0].len()), (shown, names), "{first}");
        }
        let empty = sample::table(Dimension::Site, &[]);
        let model = model(&empty, Measure::Requests, 9, 12, &mut Ids::default());
        assert_eq!((model.head[3], model.lists[0].len()), (1, 0));
    }

    #[test]
    fn what_a_full_table_refused_bounds_its_rows() {
        let mut table = sample::table(Dimension::Site, &[("a", 10), ("b", 30)]);
        sample::refuse(&mut table, 15, &[1]);
        let model = model(&table, Measure::Misses, 1, 12, &mut Ids::default());
        assert_eq!((model.head[0], model.head[1], model.head[12]), (2, 0, 3));
        assert_eq!(model.head[4..8], [11, 0, 11, 0]);
        assert_eq!(model.head[8..12], [3, 0, 3, 0]);
        assert_eq!(model.cells[0].1, values([6, 0, 6]), "known to that worker");
        assert_eq!(model.cells[1].1, values([2, 0, 2, 0, 3]));
    }
}
