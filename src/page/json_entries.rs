//! The shape of the answer about records: raw entries behind the figures (design/api.md 4).

use serde::Serialize;
use serde_json::value::RawValue;

use super::json::{Moment, bytes, seconds};
use crate::merger::{Snapshot, windows};
use crate::tally::matcher::Matcher;
use crate::tally::records::{Order, Pool, Record};
use crate::tally::table::Seed;
use crate::tally::{Band, Filter, Period, Rules, Window};
use crate::view::key;
use crate::view::records::{Reader, Zone};

/// Which records are asked for.
#[derive(Debug)]
pub struct Wish {
    /// Whose own time is in it.
    pub period: Period,
    /// Which come first.
    pub order: Order,
    /// So many at most.
    pub limit: usize,
    /// Those that it takes.
    pub filter: Option<Filter>,
    /// What hosts they have.
    pub rules: Rules,
}

/// `/api/v1/entries`: the first records of an order.
pub fn entries(snapshot: &Snapshot, pool: &Pool, wish: &Wish, zone: &Zone) -> Option<Vec<u8>> {
    let Wish { period, order, limit, .. } = *wish;
    #[derive(Serialize)]
    struct Entry {
        time: f64,
        node: Option<String>,
        log: String,
        band: &'static str,
        bytes: u64,
        time_ms: Option<u64>,
        fields: Box<RawValue>,
        line: Option<String>,
    }
    #[derive(Serialize)]
    struct Entries {
        #[serde(flatten)]
        moment: Moment,
        order: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        since: Option<f64>,
        rate: Option<f64>,
        kept: usize,
        entries: Vec<Entry>,
    }
    let (_, covered) = windows::total(snapshot, period)?;
    let time = match period {
        Period::Window(Window::Total) => 0..=u64::MAX,
        Period::Window(_) => covered.from..=u64::MAX,
        Period::Between(_, to) => covered.from..=to.saturating_sub(1),
    };
    let mut reader = Reader::new(zone);
    let node = |record: &Record| {
        let row = pool.node(record)?;
        snapshot.nodes.iter().find(|node| node.id == row)
    };
    let list = pool.list(order);
    let mut matcher = wish.filter.clone().map(|filter| Matcher::new(filter, &Seed::default()));
    let mut is_wanted = |record: &Record| {
        let Some(matcher) = &mut matcher else { return true };
        let key = node(record).map_or_else(Vec::new, |node| [&node.name[..], b"@", node.address.as_bytes()].concat());
        reader.takes(record, &key, matcher, &wish.rules)
    };
    let mut records: Vec<_> =
        list.iter().filter(|(record, _)| time.contains(&record.time) && is_wanted(record)).collect();
    // Of what a filter takes, none is kept from before.
    let oldest = wish.filter.as_ref().and_then(|_| list.iter().map(|(record, _)| record.time).min());
    records.sort_by_key(|(record, _)| std::cmp::Reverse((order.rank(record), record.time)));
    // Each of the sample is one of so many: what is kept of all.
    let (sampled, of) =
        records.iter().filter_map(|(_, of)| *of).fold((0.0, 0.0), |(n, sum), of| (n + 1.0, sum + f64::from(of)));
    let shown = records.iter().take(limit).filter_map(|(record, _)| {
        let shown = reader.read(record)?;
        Some(Entry {
            time: seconds(record.time),
            node: node(record).map(|node| key::node(&node.name, &node.address)),
            log: shown.log,
            band: band(record.increment.band),
            bytes: record.increment.bytes,
            time_ms: (record.increment.timed > 0).then_some(record.increment.time_ms),
            fields: RawValue::from_string(shown.fields).ok()?,
            line: shown.line,
        })
    });
    Some(bytes(&Entries {
        entries: shown.collect(),
        moment: Moment::new(snapshot.as_of, &covered, snapshot.tick),
        order: order.name(),
        since: wish.filter.as_ref().map(|_| seconds(oldest.unwrap_or(snapshot.started))),
        rate: (of > 0.0).then(|| (sampled / of * 1e6).round() / 1e6),
        kept: records.len(),
    }))
}

/// The name of a band in answers.
fn band(band: Band) -> &'static str {
    match band {
        Band::Fresh => "hit",
        Band::Refresh => "refresh_hit",
        Band::Miss => "miss",
        Band::Error => "error",
        Band::Unknown => "unknown",
    }
}
