//! Windows of a snapshot: tables of small dimensions, and what they cover.

use super::snapshot::{Absent, Covered, Keys, Node, NodeState, Snapshot, Table};
use crate::tally::rollup::{Span, Value};
use crate::tally::table::REFUSED;
use crate::tally::{Counts, Dimension, Names, Window};
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
pub fn total(snapshot: &Snapshot, window: Window) -> Option<(Counts, Covered)> {
    let Some(span) = span(snapshot, window)? else { return Some((snapshot.total, snapshot.covered())) };
    let sum = snapshot.history.as_ref()?.sum(span, snapshot.as_of, snapshot.started);
    Some((sum.total, Covered { window, from: sum.from, seconds: sum.seconds }))
}

/// The buckets of a window, `Some(None)` for since the start; `None` if it isn't kept.
pub fn span(snapshot: &Snapshot, window: Window) -> Option<Option<Span>> {
    match (window, &snapshot.history) {
        (Window::Total, _) => Some(None),
        (_, None) => None,
        (_, Some(history)) => Some(history.window(window, snapshot.as_of)),
    }
}

/// A small dimension in a window; `None` if that isn't kept. It has the rows of the dimension's table since the start, whose names it shares;
/// those that did not occur in the window are left out.
pub fn table(snapshot: &Snapshot, dimension: Dimension, window: Window) -> Option<Arc<Table>> {
    let since_start = snapshot.table(dimension)?;
    let Some(span) = span(snapshot, window)? else { return Some(since_start.clone()) };
    let history = snapshot.history.as_ref().filter(|_| dimension.is_small())?;
    let (total, covered) = total(snapshot, window)?;
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
