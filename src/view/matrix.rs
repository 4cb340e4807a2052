//! The matrix of sites (rows) and clients (columns): the largest of each, and the cells of their pairs.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::model::{Ids, Model, values};
use super::{key, rank, value};
use crate::merger::Table;
use crate::merger::snapshot::RawKey;
use crate::tally::Measure;

/// The three tables that a matrix is made from.
#[derive(Clone, Copy, Debug)]
pub struct Tables<'a> {
    /// Its rows come from here.
    pub sites: &'a Table,
    /// Its columns come from here.
    pub clients: &'a Table,
    /// Its cells come from here.
    pub pairs: &'a Table,
}

/// One cell: where it is in the matrix, and its row in the table of pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Index into the matrix's rows.
    pub row: usize,
    /// Index into the matrix's columns.
    pub column: usize,
    /// Row in the table of pairs.
    pub pair: u32,
}

/// The largest sites and clients, as rows of their tables in rank order, and the cells of those pairs that occurred.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    /// Sites.
    pub rows: Vec<u32>,
    /// Clients.
    pub columns: Vec<u32>,
    /// By row, then column.
    pub cells: Vec<Cell>,
}

/// Finds the `size` largest sites and clients and their pairs.
pub fn find(tables: &Tables<'_>, measure: Measure, size: usize) -> Matrix {
    let rows = rank::page(tables.sites, measure, 0, size);
    let columns = rank::page(tables.clients, measure, 0, size);
    let (row_of, column_of) = (places(tables.sites, &rows), places(tables.clients, &columns));
    let mut cells = Vec::new();
    for pair in 0..tables.pairs.len() as u32 {
        // Most pairs fail at the first look-up.
        if let RawKey::Pair(client, site) = tables.pairs.raw_key(pair)
            && let Some(&row) = row_of.get(site)
            && let Some(&column) = column_of.get(client)
        {
            cells.push(Cell { row, column, pair });
        }
    }
    cells.sort_unstable_by_key(|cell| (cell.row, cell.column));
    Matrix { rows, columns, cells }
}

/// Where each of the ranked keys is in the matrix.
fn places<'a>(table: &'a Table, ranked: &[u32]) -> HashMap<&'a [u8], usize, RandomState> {
    let key = |&row: &u32| match table.raw_key(row) {
        RawKey::One(key) | RawKey::Pair(key, _) => key,
    };
    ranked.iter().map(key).zip(0..).collect()
}

/// What the page shows as a matrix of `size` rows and columns.
pub fn model(tables: &Tables<'_>, measure: Measure, size: u16, ids: &mut Ids) -> Model {
    let Tables { sites, clients, pairs } = tables;
    let found = find(tables, measure, usize::from(size));
    let mut list = |number, table: &Table, ranked: &[u32]| {
        let name = |&row: &u32| key::shown(table.dimension, table.raw_key(row));
        ids.rows(number, ranked.iter().map(name))
    };
    let rows = list(0, sites, &found.rows);
    let columns = list(1, clients, &found.columns);
    let mut cells: Vec<_> = found
        .cells
        .iter()
        .map(|cell| {
            let values = values(value::parts(&pairs.rows[cell.pair as usize], measure));
            ((rows[cell.row].id, columns[cell.column].id), values)
        })
        .collect();
    cells.sort_unstable_by_key(|(key, _)| *key);
    Model {
        head: vec![pairs.covered.ms(), pairs.total.measure(measure), pairs.refused.measure(measure)],
        lists: vec![rows, columns],
        paired: true,
        cells,
        texts: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Dimension;
    use crate::view::sample;

    #[test]
    fn pairs_of_the_largest_sites_and_clients_have_cells() {
        let sites = sample::table(Dimension::Site, &[("a", 10), ("b", 30), ("c", 25)]);
        let clients = sample::clients(&[(1, 20), (2, 5), (3, 40)]);
        let mut pairs = sample::pairs(&clients, &sites, &[([2, 1], 30), ([0, 2], 20), ([1, 0], 5), ([2, 2], 5)]);
        sample::refuse(&mut pairs, 5, &[]);
        let tables = Tables { sites: &sites, clients: &clients, pairs: &pairs };
        let model = model(&tables, Measure::Requests, 2, &mut Ids::default());
        assert_eq!(model.head, [1, 65, 5]);
        let names: Vec<Vec<&str>> =
            model.lists.iter().map(|list| list.iter().map(|row| &*row.name).collect()).collect();
        assert_eq!(names, [["b", "c"], ["192.0.2.3", "192.0.2.1"]]);
        assert_eq!(
            model.cells,
            [((0, 2), values([30, 12, 6, 6])), ((1, 2), values([5, 2, 1, 1])), ((1, 3), values([20, 8, 4, 4]))]
        );
    }
}
