//! The shapes of answers about changes: what changed, what isn't as usual, newcomers (spec/statistics.md N10, N11).

use std::collections::HashMap;

use foldhash::fast::RandomState;
use serde::Serialize;

use super::json::{Moment, Numbers, bytes, seconds};
use crate::merger::snapshot::RawKey;
use crate::merger::{Covered, Snapshot, Table};
use crate::tally::{Counts, Measure, Period};
use crate::view::Key;
use crate::view::incident::Incident;
use crate::view::parts::{Change, Parts, parts};

/// Another time, which an answer compares with.
#[derive(Debug, Serialize)]
pub struct Before {
    from: f64,
    seconds: f64,
}

impl From<&Covered> for Before {
    fn from(covered: &Covered) -> Self {
        Self { from: seconds(covered.from), seconds: covered.seconds }
    }
}

#[derive(Debug, Serialize)]
struct Changed {
    now: u64,
    before: u64,
    change_per_second: f64,
    share: Option<f64>,
}

impl Changed {
    fn of(change: &Change, total: &Change) -> Self {
        let Change { now, before, per_second } = *change;
        Self { now, before, change_per_second: per_second, share: change.share(total) }
    }
}

#[derive(Debug, Serialize)]
struct ChangedRow {
    dimension: &'static str,
    key: Option<Key>,
    #[serde(flatten)]
    changed: Changed,
}

#[derive(Debug, Serialize)]
struct ChangedKeys {
    dimension: &'static str,
    before: Before,
    total: Changed,
    other: Changed,
}

/// `/api/v1/changes`: of each table, and that of the time before, the first `limit` keys by their part in the change. The total of all is
/// that of the snapshot.
pub fn changes(
    snapshot: &Snapshot,
    ((total, covered), before): ((Counts, Covered), Option<(Counts, Covered)>),
    tables: &[(std::sync::Arc<Table>, std::sync::Arc<Table>)],
    measure: Measure,
    limit: usize,
    (incidents, judged_to): (&[Incident], u64),
) -> Vec<u8> {
    #[derive(Serialize)]
    struct Changes<'a> {
        #[serde(flatten)]
        moment: Moment,
        measure: &'static str,
        before: Option<Before>,
        total: Option<Changed>,
        dimensions: Vec<ChangedKeys>,
        rows: Vec<ChangedRow>,
        judged_to: Option<u64>,
        incidents: &'a [Incident],
    }
    let mut dimensions = Vec::new();
    let mut rows = Vec::new();
    for (now, before) in tables {
        let found: Parts = parts(now, before, |counts| counts.measure(measure));
        let dimension = now.dimension.name();
        dimensions.push(ChangedKeys {
            dimension,
            before: (&before.covered).into(),
            total: Changed::of(&found.total, &found.total),
            other: Changed::of(&found.other(limit), &found.total),
        });
        rows.extend(found.keys.iter().take(limit).map(|part| {
            let raw = part.now.map(|row| now.raw_key(row)).or(part.before.map(|row| before.raw_key(row)));
            let key = raw.map(|raw| Key::new(now.dimension, raw));
            ChangedRow { dimension, key, changed: Changed::of(&part.change, &found.total) }
        }));
    }
    let whole = before.as_ref().map(|(then, past)| {
        let (now, before) = (total.measure(measure), then.measure(measure));
        let per_second = now as f64 / covered.seconds - before as f64 / past.seconds;
        let change = Change { now, before, per_second };
        Changed::of(&change, &change)
    });
    bytes(&Changes {
        moment: Moment::new(snapshot.as_of, &covered, snapshot.tick),
        measure: measure.name(),
        before: before.as_ref().map(|(_, past)| past.into()),
        total: whole,
        dimensions,
        rows,
        judged_to: (judged_to > 0).then_some(judged_to),
        incidents,
    })
}

/// How much of a measure, and how much more than before, makes a key a newcomer.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// At least so much in the last minute.
    pub floor: u64,
    /// At least so many times the mean rate of the hour before.
    pub factor: f64,
    /// Rows of the answer.
    pub rows: usize,
}

/// Less than this many seconds of counting say nothing about what is new.
const KNOWN_SECONDS: f64 = 300.0;

/// `/api/v1/newcomers`: keys of the last minute that had far less in the hour before, or nothing ever. `minute`, `hour` and `whole` are
/// tables of one dimension in these windows. Nothing is new within the first five minutes of what is kept.
pub fn newcomers(minute: &Table, hour: &Table, whole: &Table, measure: Measure, limits: Limits) -> Vec<u8> {
    #[derive(Serialize)]
    struct Row {
        key: Key,
        #[serde(flatten)]
        numbers: Numbers,
        value: u64,
        before_per_second: f64,
        before_bound_per_second: f64,
        factor: Option<f64>,
        new: bool,
    }
    #[derive(Serialize)]
    struct Newcomers {
        #[serde(flatten)]
        moment: Moment,
        dimension: &'static str,
        measure: &'static str,
        before: Before,
        rows: Vec<Row>,
    }
    let before_seconds = hour.covered.seconds - minute.covered.seconds;
    let before = Covered {
        period: Period::Between(hour.covered.from, minute.covered.from),
        from: hour.covered.from,
        seconds: before_seconds.max(0.001),
    };
    let mut rows: Vec<(f64, Row)> = Vec::new();
    if before_seconds >= KNOWN_SECONDS {
        let index = |table: &'_ Table| -> HashMap<Vec<u8>, u32, RandomState> {
            (0..table.len() as u32).map(|row| (flat(table.raw_key(row)), row)).collect()
        };
        let (in_hour, ever) = (index(hour), index(whole));
        for row in 0..minute.len() as u32 {
            let value = minute.rows[row as usize].measure(measure);
            if value < limits.floor.max(1) {
                continue;
            }
            let key = flat(minute.raw_key(row));
            // What is held, and how much more there may have been.
            let of = |table: &Table, found: Option<&u32>| match found {
                Some(&row) => (table.rows[row as usize].measure(measure), table.error_bound(row, measure)),
                None => (0, table.refused.measure(measure)),
            };
            let (past, bound) = of(hour, in_hour.get(&key));
            let past = past.saturating_sub(value);
            let (all, missed) = of(whole, ever.get(&key));
            let is_new = all <= value && missed == 0 && (past, bound) == (0, 0);
            let (rate, mean) = (value as f64 / minute.covered.seconds, past as f64 / before.seconds);
            if rate >= limits.factor * mean {
                let row = Row {
                    key: Key::new(minute.dimension, minute.raw_key(row)),
                    numbers: Numbers::of(minute, row),
                    value,
                    before_per_second: mean,
                    before_bound_per_second: bound as f64 / before.seconds,
                    factor: (past > 0).then(|| rate / mean),
                    new: is_new,
                };
                rows.push((rate / mean, row));
            }
        }
    }
    // Those never seen have no factor; most of the measure first.
    rows.sort_by(|(a, one), (b, other)| other.new.cmp(&one.new).then(other.value.cmp(&one.value)).then(b.total_cmp(a)));
    rows.truncate(limits.rows);
    bytes(&Newcomers {
        moment: Moment::of(minute),
        dimension: minute.dimension.name(),
        measure: measure.name(),
        before: (&before).into(),
        rows: rows.into_iter().map(|(_, row)| row).collect(),
    })
}

/// A raw key that can be looked up in another table.
fn flat(key: RawKey<'_>) -> Vec<u8> {
    match key {
        RawKey::One(key) => key.to_vec(),
        RawKey::Pair(first, second) => {
            let mut joined = Vec::new();
            crate::tally::dimension::join([first, second], &mut joined);
            joined
        }
    }
}
