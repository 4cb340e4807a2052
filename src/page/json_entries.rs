//! The shape of the answer about records: raw entries behind the figures (design/api.md 4).

use serde::Serialize;
use serde_json::value::RawValue;

use super::json::{Moment, bytes, seconds};
use crate::merger::{Snapshot, windows};
use crate::tally::records::{Order, Pool};
use crate::tally::{Band, Period, Window};
use crate::view::key;
use crate::view::records::{Reader, Zone};

/// `/api/v1/entries`: the first records of an order whose own time is in the window or interval.
pub fn entries(
    snapshot: &Snapshot,
    period: Period,
    pool: &Pool,
    order: Order,
    limit: usize,
    zone: &Zone,
) -> Option<Vec<u8>> {
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
    let mut records: Vec<_> = pool.list(order).iter().filter(|(record, _)| time.contains(&record.time)).collect();
    records.sort_by_key(|(record, _)| std::cmp::Reverse((order.rank(record), record.time)));
    // Each of the sample is one of so many: what is kept of all.
    let (sampled, of) =
        records.iter().filter_map(|(_, of)| *of).fold((0.0, 0.0), |(n, sum), of| (n + 1.0, sum + f64::from(of)));
    let mut reader = Reader::new(zone);
    let node = |row: u32| snapshot.nodes.iter().find(|node| node.id == row);
    let shown = records.iter().take(limit).filter_map(|(record, _)| {
        let shown = reader.read(record)?;
        Some(Entry {
            time: seconds(record.time),
            node: pool.node(record).and_then(node).map(|node| key::node(&node.name, &node.address)),
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
