//! Windows of a snapshot: tables of small dimensions, and what they cover.

use super::snapshot::{Absent, Covered, Keys, Node, NodeState, RawKey, Snapshot, Table};
use crate::tally::rollup::{Span, Value};
use crate::tally::table::REFUSED;
use crate::tally::windowed::{KeyPoint, KeySeries, Scales};
use crate::tally::{Counts, Dimension, Names, Period, Window};
use std::sync::Arc;

/// Traffic Server buffers entries for 5 to 10 s: after this long, what is missing is late.
const PATIENCE_MS: u64 = 12_000;

/// The end of what is complete (spec/statistics.md 4.3), ms since the epoch.
pub fn complete_to(nodes: &[Arc<Node>], now: u64) -> u64 {
    let waiting = nodes.iter().filter(|node| node.connections > 0 && node.state != NodeState::Idle);
    let slowest = waiting.map(|node| node.last_entry).min().unwrap_or(now);
    slowest.clamp(now.saturating_sub(PATIENCE_MS), now)
}

/// All requests of a window, and the time it covers; `None` if it isn't kept.
pub fn total(snapshot: &Snapshot, period: impl Into<Period>) -> Option<(Counts, Covered)> {
    let period = period.into();
    let Some(span) = span(snapshot, period)? else { return Some((snapshot.total, snapshot.covered())) };
    total_of(snapshot, span, period)
}

fn total_of(snapshot: &Snapshot, span: Span, period: Period) -> Option<(Counts, Covered)> {
    let sum = snapshot.history.as_ref()?.sum(span, snapshot.as_of, snapshot.started);
    Some((sum.total, Covered { period, from: sum.from, seconds: sum.seconds }))
}

/// All requests of the time of equal length before; `None` if it isn't kept, or nothing was counted then.
pub fn total_before(snapshot: &Snapshot, period: Period) -> Option<(Counts, Covered)> {
    let history = snapshot.history.as_ref()?;
    let span = history.before(period, snapshot.as_of)?;
    total_of(snapshot, span, period).filter(|(total, _)| !total.is_empty())
}

/// The buckets of a window, `Some(None)` for since the start; `None` if it isn't kept.
pub fn span(snapshot: &Snapshot, period: impl Into<Period>) -> Option<Option<Span>> {
    match (period.into(), &snapshot.history) {
        (Period::Window(Window::Total), _) => Some(None),
        (_, None) => None,
        (Period::Window(window), Some(history)) => Some(history.window(window, snapshot.as_of)),
        (Period::Between(from, to), Some(history)) => history.between(from, to, snapshot.as_of).map(Some),
    }
}

/// A small dimension in a window; `None` if that isn't kept. It has the rows of the dimension's table since the start, whose names it shares;
/// those that did not occur in the window are left out.
pub fn table(snapshot: &Snapshot, dimension: Dimension, period: Period) -> Option<Arc<Table>> {
    let Some(span) = span(snapshot, period)? else { return snapshot.table(dimension).cloned() };
    table_of(snapshot, dimension, span, period)
}

/// The same of the time of equal length before; `None` if it isn't kept, or nothing was counted then.
pub fn table_before(snapshot: &Snapshot, dimension: Dimension, period: Period) -> Option<Arc<Table>> {
    let span = snapshot.history.as_ref()?.before(period, snapshot.as_of)?;
    table_of(snapshot, dimension, span, period).filter(|table| !table.total.is_empty())
}

/// One key of a small dimension by bucket; `None` if that isn't kept.
pub fn series(snapshot: &Snapshot, dimension: Dimension, key: &[u8], period: Period) -> Option<KeySeries> {
    let history = snapshot.history.as_ref().filter(|_| dimension.is_small())?;
    let (span, step) = history.steps_of(period, snapshot.as_of)?;
    let (_, covered) = total_of(snapshot, span, period)?;
    let table = snapshot.table(dimension)?;
    let row = (0..table.len() as u32).find(|row| table.raw_key(*row) == RawKey::One(key));
    let points = match (dimension, row, <[u8; 8]>::try_from(key)) {
        (Dimension::Node, Some(row), _) => history.node_series(span, row, step),
        (Dimension::Method | Dimension::Type, Some(row), _) => {
            history.value_series(span, dimension, Value::Row(row), step)
        }
        (Dimension::Result | Dimension::Status | Dimension::Route, _, Ok(code)) => {
            history.value_series(span, dimension, Value::Code(i64::from_le_bytes(code)), step)
        }
        _ => Vec::new(),
    };
    let (first, end) = history.steps_in(span, step, snapshot.as_of);
    let mut series = KeySeries {
        first: first * 1000,
        step: step * 1000,
        from: covered.from,
        seconds: covered.seconds,
        points: vec![KeyPoint::default(); ((end - first) / step) as usize],
        is_known: row.is_some(),
    };
    for (start, counts, perhaps) in points {
        if let Some(point) = series.points.get_mut(((start - first) / step) as usize) {
            *point = KeyPoint { counts, error: Scales::default().loss(&perhaps), rest: perhaps, is_covered: true };
        }
    }
    Some(series)
}

fn table_of(snapshot: &Snapshot, dimension: Dimension, span: Span, period: Period) -> Option<Arc<Table>> {
    let since_start = snapshot.table(dimension)?;
    let history = snapshot.history.as_ref().filter(|_| dimension.is_small())?;
    let (total, covered) = total_of(snapshot, span, period)?;
    let (values, others) = match dimension {
        Dimension::Node => {
            let rows = history.by_node(span);
            // What is in no row came from nodes that had no room.
            let rest = rows.iter().fold(total, |rest, (_, counts)| rest.without(counts));
            (rows.into_iter().map(|(row, counts)| (Value::Row(row), counts)).collect(), rest)
        }
        _ => history.by_value(span, dimension),
    };
    let (mut names, mut rows, mut refused) = (Names::default(), Vec::new(), others);
    for (value, counts) in values {
        match (value, &since_start.keys) {
            (Value::Code(code), _) => drop(names.push(&code.to_le_bytes())),
            (Value::Row(row), Keys::Names(all)) if row != REFUSED => drop(names.push(all.name(row))),
            _ => {
                refused.merge(&counts);
                continue;
            }
        }
        rows.push(counts);
    }
    let all = rows.iter().fold(refused, |mut sum, counts| {
        sum.merge(counts);
        sum
    });
    let absent = (!refused.is_empty()).then(|| Absent { refused, known: Vec::new() });
    Some(Arc::new(Table {
        dimension,
        tick: snapshot.tick,
        as_of: snapshot.as_of,
        covered,
        keys: Keys::Names(names),
        rows,
        total: all,
        refused,
        absent: absent.into_iter().collect(),
        errors: Vec::new(),
        misses: false,
    }))
}
