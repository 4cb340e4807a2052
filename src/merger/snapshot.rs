//! What the merger publishes: immutable, shared, and of one tick.

use std::sync::Arc;
use std::time::Duration;

use super::filters::Filtered;
use super::large::Large;
use super::quality::Quality;
use crate::tally::dimension::split;
use crate::tally::logs::{self, Log};
use crate::tally::profile;
use crate::tally::reuse::Curve;
use crate::tally::rollup::History;
use crate::tally::windowed::{Cuts, Loss};
use crate::tally::{Counts, Dimension, Entries, Filter, Measure, Names, Period, Rejected, Window};

/// The state of everything at one tick. Times are milliseconds since the epoch by the engine's clock.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The tick's number. Answers of one tick agree.
    pub tick: u64,
    /// True if this tick brought the large dimensions up to date too (once a second); a *full* tick.
    pub full: bool,
    /// The number of the newest full tick, at which the large tables stand.
    pub full_tick: u64,
    /// When it was.
    pub as_of: u64,
    /// How long after its moment the tick before was published, and the most that any was since the start.
    pub delay: (Duration, Duration),
    /// When counting began.
    pub started: u64,
    /// All requests.
    pub total: Counts,
    /// Where entries went.
    pub entries: Entries,
    /// Bytes read from collation connections and files.
    pub stream_bytes: u64,
    /// What was turned away.
    pub rejected: Rejected,
    /// Requests whose time was ahead of now, which count as of now.
    pub ahead: u64,
    /// Requests that were too late for any window, which count since the start only.
    pub late: u64,
    /// Collation connections ever accepted.
    pub accepted: u64,
    /// The last connection that was refused.
    pub last_refused: Option<LastRefused>,
    /// All nodes that ever sent a segment, by name.
    pub nodes: Vec<Arc<Node>>,
    /// Memory in use.
    pub memory: Memory,
    /// Workers have been above 80 % of a core for 10 s: nodes may be orphaning records.
    pub saturated: bool,
    /// How many keys each dimension has, and whether that is exact (else it is a lower bound).
    pub keys: [(u64, bool); Dimension::COUNT],
    /// What each dimension gave up for want of room.
    pub bounds: [Bounds; Dimension::COUNT],
    /// The same of profiles: keys that lost theirs, and requests, once for each of their keys, that are in none.
    pub profiles_lost: (u64, u64),
    /// What is kept by entry time; `None` with `--statistics base`.
    pub history: Option<History>,
    /// Profiles of keys, as of the last full tick; `None` with `--statistics base`, and of a filter.
    pub profiles: Option<profile::Kept>,
    /// What the sample of URLs tells; `None` with `--statistics base`.
    pub reuse: Option<Curve>,
    /// Entry times before this are complete: every connected node that is not idle has sent a newer one, or 12 s have passed.
    pub complete_to: u64,
    /// Tables by [`Dimension`] since the start, of the small ones.
    pub tables: [Option<Arc<Table>>; Dimension::COUNT],
    /// By [`Dimension`], large ones as of the last full tick, if they are watched.
    pub large: [Option<Arc<Large>>; Dimension::COUNT],
    /// Live filters, each with a snapshot of its own.
    pub filters: Vec<Arc<Filtered>>,
    /// True if another filter could be opened.
    pub has_room_for_filters: bool,
    /// The filter whose snapshot it is, by number; `None`: it is of all entries.
    pub filter: Option<u64>,
}

impl Snapshot {
    /// The snapshot of a filter, if it is live.
    pub fn of_filter(&self, filter: &Filter) -> Option<&Arc<Filtered>> {
        self.filters.iter().find(|filtered| *filtered.opened.filter == *filter)
    }

    /// The table of that small dimension since the start, where this snapshot has it.
    pub fn table(&self, dimension: Dimension) -> Option<&Arc<Table>> {
        self.tables[dimension as usize].as_ref()
    }

    /// All that was counted since the start.
    pub fn covered(&self) -> Covered {
        Covered::since_start(self.started, self.as_of)
    }
}

/// What a dimension gave up for want of room since counting began (spec/statistics.md Q9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Rows that were dropped, and where.
    pub cuts: Cuts,
    /// The most that any key can have beyond what its row says since the start; what a key without a row can have had.
    pub error: Loss,
}

/// The time that a table or an answer is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Covered {
    /// The window or interval.
    pub period: Period,
    /// Since when: ms since the epoch.
    pub from: u64,
    /// Seconds that were really covered, gaps left out; at least 0.001, so that it can be divided by.
    pub seconds: f64,
}

impl Covered {
    /// From the start of counting to a moment (ms).
    pub fn since_start(started: u64, as_of: u64) -> Self {
        let seconds = as_of.saturating_sub(started).max(1) as f64 / 1000.0;
        Self { period: Window::Total.into(), from: started, seconds }
    }

    /// Milliseconds that were really covered.
    pub fn ms(&self) -> u64 {
        (self.seconds * 1000.0).round() as u64
    }
}

/// A connection that was refused: what the empty page tells the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRefused {
    /// When.
    pub at: u64,
    /// Address of the peer, without its port.
    pub peer: String,
    /// Why.
    pub cause: crate::tally::Cause,
}

/// Memory in use, by part, and the operator's cap (`--memory`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Name of the part (`connections`, `workers`, `merger`, `history`, `profiles`, …) and its bytes.
    pub parts: Vec<(&'static str, u64)>,
    /// The cap in bytes.
    pub cap: u64,
}

impl Memory {
    /// Bytes of all parts.
    pub fn used(&self) -> u64 {
        self.parts.iter().map(|(_, bytes)| bytes).sum()
    }
}

/// How a node is doing (design/page.md 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// Sends, and what it sends is fresh.
    Live,
    /// What it sends is more than 12 s old.
    Lagging,
    /// Connected, but quiet for long.
    Idle,
    /// Its connection has been gone for 15 s.
    Silent,
}

impl NodeState {
    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Lagging => "lagging",
            Self::Idle => "idle",
            Self::Silent => "silent",
        }
    }
}

/// One node: a Traffic Server that sent at least one segment.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its number, dense, in the order of arrival.
    pub id: u32,
    /// Source host name of its segments (bytes as sent, bounded).
    pub name: Vec<u8>,
    /// Address of the peer without its port, or a path.
    pub address: String,
    /// Open connections.
    pub connections: u32,
    /// How it is doing.
    pub state: NodeState,
    /// Arrival less entry time of the newest entry, ms; negative if the node's clock is ahead. `None` before the first entry.
    pub lag: Option<i64>,
    /// When its last segment arrived.
    pub last_arrival: u64,
    /// Time of its newest entry.
    pub last_entry: u64,
    /// Log objects seen, each with its formats (bounded).
    pub logs: Arc<Vec<Log>>,
    /// What of it was turned away.
    pub rejected: Rejected,
    /// How its stream is doing.
    pub quality: Quality,
    /// Its requests.
    pub counts: Counts,
}

impl Node {
    /// True if it sends several log objects, so that its requests may be counted more than once (spec/statistics.md 1).
    pub fn has_several_logs(&self) -> bool {
        logs::names(self.logs.iter()).len() > 1
    }
}

/// The keys of a table's rows.
#[derive(Clone, Debug)]
pub enum Keys {
    /// One raw key a row (see [`Dimension`]).
    Names(Names),
    /// A joined key a row: of a pair.
    Pairs(Names),
}

/// One dimension at one tick.
#[derive(Clone, Debug)]
pub struct Table {
    /// Whose table.
    pub dimension: Dimension,
    /// The full tick at which it was brought up to date (small dimensions: any tick).
    pub tick: u64,
    /// When that was.
    pub as_of: u64,
    /// The time that it is about.
    pub covered: Covered,
    /// Keys by row.
    pub keys: Keys,
    /// Counts by row.
    pub rows: Vec<Counts>,
    /// All entries that have this field: rows and refused.
    pub total: Counts,
    /// Entries whose key was refused because a table was full; they are in no row.
    pub refused: Counts,
    /// For each worker that refused keys: what it refused, and the rows that it knew (whose figures therefore miss nothing of it).
    pub absent: Vec<Absent>,
    /// By row, the most that it may have missed; empty if no row may have missed anything.
    pub errors: Vec<Loss>,
    /// True if there may be keys without a row.
    pub misses: bool,
}

/// What one worker refused.
#[derive(Clone, Debug)]
pub struct Absent {
    /// The sum of what it refused: no key can have more.
    pub refused: Counts,
    /// One bit a row: known to that worker.
    pub known: Vec<u64>,
}

impl Table {
    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// True if it has no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The same without rows that counted nothing.
    pub fn without_empty(&self) -> Self {
        let (Keys::Names(all) | Keys::Pairs(all)) = &self.keys;
        let (mut names, mut rows) = (Names::default(), Vec::new());
        for (row, counts) in (0..).zip(&self.rows).filter(|(_, counts)| !counts.is_empty()) {
            names.push(all.name(row));
            rows.push(*counts);
        }
        let keys = if matches!(self.keys, Keys::Pairs(_)) { Keys::Pairs(names) } else { Keys::Names(names) };
        // Rows have other numbers now: each may be one that a worker refused.
        let absent = self.absent.iter().map(|absent| Absent { refused: absent.refused, known: Vec::new() }).collect();
        Self { keys, rows, absent, ..self.clone() }
    }

    /// True if the rows are all keys there are.
    pub fn is_exact(&self) -> bool {
        self.refused.is_empty() && !self.misses
    }

    /// The most that `row` may have missed of a measure.
    pub fn error_bound(&self, row: u32, measure: Measure) -> u64 {
        let lacks =
            |absent: &&Absent| absent.known.get(row as usize / 64).is_none_or(|word| word >> (row % 64) & 1 == 0);
        let missed = self.errors.get(row as usize).map_or(0, |error| error.measure(measure));
        self.absent.iter().filter(lacks).fold(missed, |sum, absent| sum.saturating_add(absent.refused.measure(measure)))
    }

    /// Raw key of a row.
    pub fn raw_key(&self, row: u32) -> RawKey<'_> {
        match &self.keys {
            Keys::Names(names) => RawKey::One(names.name(row)),
            Keys::Pairs(names) => {
                let [first, second] = split(names.name(row));
                RawKey::Pair(first, second)
            }
        }
    }
}

/// A row's raw key; see [`Dimension`] for what the bytes are. Orders ties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RawKey<'a> {
    /// Of an ordinary table.
    One(&'a [u8]),
    /// Of a table of pairs.
    Pair(&'a [u8], &'a [u8]),
}
