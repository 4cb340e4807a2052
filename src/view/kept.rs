//! Tables of one filter, as far as the tables of all entries hold them: of a single kind, whose keys are rows, or halves of a pair's.

use crate::merger::Table;
use crate::merger::derived::Sums;
use crate::merger::snapshot::RawKey;
use crate::tally::derived::derive;
use crate::tally::dimension::join;
use crate::tally::windowed::Loss;
use crate::tally::{Counts, Dimension, Filter};

/// The pairs that are kept.
const PAIRS: [Dimension; 4] = [Dimension::ClientSite, Dimension::SiteStatus, Dimension::NodeStatus, Dimension::SiteUrl];

/// The only kind of a filter; `None` if it has several.
pub fn kind(filter: &Filter) -> Option<Dimension> {
    let mut kinds = filter.kinds();
    kinds.next().filter(|_| kinds.next().is_none())
}

/// The dimension from whose table that of `asked` can be made for a filter of that kind.
pub fn source(kind: Dimension, asked: Dimension) -> Option<Dimension> {
    if asked.pair().is_none() && asked.counted() == kind.counted() {
        return Some(kind.counted());
    }
    PAIRS.into_iter().find(|pair| {
        let [first, second] = pair.pair().unwrap_or_default();
        let other = match kind.counted() {
            counted if counted == first => second,
            counted if counted == second => first,
            _ => return false,
        };
        asked == *pair || (asked.pair().is_none() && asked.counted() == other)
    })
}

/// The table of `asked` for entries that a filter of a single kind takes, made of that of their [`source`]; `None` if that isn't exact.
/// Its total is that of its rows: all entries that have this field.
pub fn table(of: &Table, asked: Dimension, filter: &Filter) -> Option<Table> {
    let kind = kind(filter)?;
    let is_exact = of.is_exact() && of.absent.is_empty() && of.errors.iter().all(|error| *error == Loss::NONE);
    if !is_exact {
        return None;
    }
    let (mut sums, mut total) = (Sums::default(), Counts::default());
    let (mut key, mut scratch) = (Vec::new(), Vec::new());
    for row in 0..of.len() as u32 {
        let (with, other) = match (of.raw_key(row), of.dimension.pair()) {
            (RawKey::One(raw), _) => (raw, raw),
            (RawKey::Pair(first, second), Some([a, _])) if a == kind.counted() => (first, second),
            (RawKey::Pair(first, second), _) => (second, first),
        };
        // A network may be of any length: it is looked for among the clients.
        if matches!(kind, Dimension::Network) || kind == kind.counted() {
            scratch.clear();
            scratch.extend_from_slice(with);
        } else {
            derive(kind, with, &mut scratch);
        }
        if !filter.takes(kind, &scratch) {
            continue;
        }
        match of.raw_key(row) {
            RawKey::Pair(first, second) if asked == of.dimension => join([first, second], &mut key),
            _ => derive(asked, other, &mut key),
        }
        sums.add(&key, &of.rows[row as usize]);
        total.merge(&of.rows[row as usize]);
    }
    let (keys, rows) = sums.into_rows(asked);
    Some(Table {
        dimension: asked,
        tick: of.tick,
        as_of: of.as_of,
        covered: of.covered,
        keys,
        rows,
        total,
        refused: Counts::default(),
        absent: Vec::new(),
        errors: Vec::new(),
        misses: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::{key, sample};

    fn filter(texts: &[&str]) -> Filter {
        Filter::parse(texts.iter().copied()).unwrap().unwrap()
    }

    fn shown(table: &Table) -> Vec<(String, u64)> {
        let name = |row| key::shown(table.dimension, table.raw_key(row));
        (0..table.len() as u32).map(|row| (name(row), table.rows[row as usize].all_requests())).collect()
    }

    #[test]
    fn pairs_have_the_other_key_of_a_filter() {
        let sites = sample::table(Dimension::Site, &[("a", 10), ("b", 30)]);
        let clients = sample::clients(&[(1, 20), (2, 15), (130, 5)]);
        let pairs = sample::pairs(&clients, &sites, &[([0, 0], 5), ([0, 1], 15), ([1, 1], 15), ([2, 0], 5)]);
        let name = |last: u8| format!("192.0.2.{last}");
        let of = |texts: &[&str], asked| {
            let filter = filter(texts);
            assert_eq!(source(kind(&filter).unwrap(), asked), Some(Dimension::ClientSite));
            shown(&table(&pairs, asked, &filter).unwrap())
        };
        assert_eq!(of(&["site:a"], Dimension::Client), [(name(1), 5), (name(130), 5)]);
        assert_eq!(of(&["site:a", "site:b"], Dimension::Client), [(name(1), 20), (name(2), 15), (name(130), 5)]);
        assert_eq!(of(&["site:a"], Dimension::Network), [("192.0.2.0/24".to_owned(), 10)]);
        assert_eq!(of(&["client:192.0.2.1"], Dimension::Site), [("a".to_owned(), 5), ("b".to_owned(), 15)]);
        assert_eq!(of(&["network:192.0.2.128/25"], Dimension::Site), [("a".to_owned(), 5)]);
        assert_eq!(of(&["site:b"], Dimension::ClientSite), [(name(1) + " b", 15), (name(2) + " b", 15)]);
        assert_eq!(of(&["site:c"], Dimension::Client), []);
    }

    #[test]
    fn values_of_a_dimension_are_its_rows() {
        let clients = sample::clients(&[(1, 20), (2, 15), (130, 5)]);
        let rows = table(&clients, Dimension::Client, &filter(&["client:192.0.2.2", "client:192.0.2.130"])).unwrap();
        assert_eq!((rows.len(), rows.total.all_requests()), (2, 20));
        let rows = table(&clients, Dimension::Network, &filter(&["network:192.0.2.0/30"])).unwrap();
        assert_eq!(shown(&rows), [("192.0.2.0/24".to_owned(), 35)]);
        let urls = sample::table(Dimension::Url, &[("http://a/", 10), ("https://a/", 20), ("https://b/", 30)]);
        let rows = table(&urls, Dimension::Url, &filter(&["scheme:https"])).unwrap();
        assert_eq!(rows.total.all_requests(), 50);
    }

    #[test]
    fn what_is_not_exact_or_not_kept_is_not_made() {
        let mut sites = sample::table(Dimension::Site, &[("a", 10), ("b", 30)]);
        sample::refuse(&mut sites, 5, &[]);
        assert!(table(&sites, Dimension::Site, &filter(&["site:a"])).is_none());
        for (kind, asked) in [
            (Dimension::Host, Dimension::Client),
            (Dimension::Status, Dimension::Result),
            (Dimension::Client, Dimension::Status),
            (Dimension::Site, Dimension::NodeStatus),
        ] {
            assert_eq!(source(kind, asked), None, "{kind:?} {asked:?}");
        }
        assert_eq!(kind(&filter(&["site:a", "status:200"])), None);
    }
}
