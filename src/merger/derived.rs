//! Tables of dimensions that are a function of another one's keys: no entry is counted for them.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::snapshot::{Keys, RawKey, Table};
use crate::tally::derived::derive;
use crate::tally::windowed::Scales;
use crate::tally::{Counts, Dimension, Names};

/// Rows that are summed up by a key that is made of theirs.
#[derive(Debug, Default)]
pub struct Sums {
    rows: Vec<Counts>,
    names: Names,
    known: HashMap<Vec<u8>, usize, RandomState>,
}

impl Sums {
    /// Adds a row to that key's.
    pub fn add(&mut self, key: &[u8], counts: &Counts) {
        let at = match self.known.get(key) {
            Some(&at) => at,
            None => {
                self.known.insert(key.to_vec(), self.rows.len());
                self.names.push(key);
                self.rows.push(Counts::default());
                self.rows.len() - 1
            }
        };
        self.rows[at].merge(counts);
    }

    /// The keys of a dimension, and their rows.
    pub fn into_rows(self, dimension: Dimension) -> (Keys, Vec<Counts>) {
        let keys = if dimension.pair().is_some() { Keys::Pairs(self.names) } else { Keys::Names(self.names) };
        (keys, self.rows)
    }
}

/// The table of `dimension`, which is made of `of`'s. Where that lacks keys, all of these may be of one key here: the bound of every row
/// is what is in no row.
pub fn table(of: &Table, dimension: Dimension) -> Table {
    let (mut sums, mut key) = (Sums::default(), Vec::new());
    for row in 0..of.len() as u32 {
        let RawKey::One(raw) = of.raw_key(row) else { continue };
        derive(dimension, raw, &mut key);
        sums.add(&key, &of.rows[row as usize]);
    }
    let (keys, rows) = sums.into_rows(dimension);
    let errors = if of.is_exact() { Vec::new() } else { vec![Scales::default().loss(&of.refused); rows.len()] };
    Table { dimension, keys, rows, errors, absent: Vec::new(), ..of.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Measure;
    use crate::view::sample;

    fn shown(table: &Table) -> Vec<(String, u64)> {
        let name = |row| crate::view::key::shown(table.dimension, table.raw_key(row));
        (0..table.len() as u32).map(|row| (name(row), table.rows[row as usize].all_requests())).collect()
    }

    #[test]
    fn networks_schemes_and_sites_are_sums_of_their_keys() {
        let clients = sample::clients(&[(1, 10), (200, 5)]);
        assert_eq!(shown(&table(&clients, Dimension::Network)), [("192.0.2.0/24".to_owned(), 15)]);
        let urls =
            [("http://www.example.com/a", 10), ("https://example.com/b", 20), ("http://example.org:80/", 30), ("", 5)];
        let urls = sample::table(Dimension::Url, &urls);
        let schemes = shown(&table(&urls, Dimension::Scheme));
        assert_eq!(schemes, [("http".to_owned(), 40), ("https".to_owned(), 20), ("(none)".to_owned(), 5)]);
        let pairs = table(&urls, Dimension::SiteUrl);
        assert_eq!(shown(&pairs)[0], ("example.com http://www.example.com/a".to_owned(), 10));
        assert_eq!((pairs.len(), pairs.total, pairs.is_exact()), (4, urls.total, true));
    }

    #[test]
    fn what_keys_without_a_row_had_may_be_of_any() {
        let mut urls = sample::table(Dimension::Url, &[("http://a.example/", 10)]);
        sample::refuse(&mut urls, 15, &[]);
        let table = table(&urls, Dimension::Scheme);
        assert_eq!((table.error_bound(0, Measure::Requests), table.is_exact()), (15, false));
    }
}
