//! Live filters: for each the same tables as for all, of the entries that it takes since it was opened (design/api.md 5).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::handle::Watched;
use super::large::Large;
use super::nodes;
use super::run::{Sums, roll_up};
use super::snapshot::{Node, Snapshot};
use super::tables::Tables;
use crate::tally::link::Wanted;
use crate::tally::part::FilterPart;
use crate::tally::rollup::Rollup;
use crate::tally::table::Seed;
use crate::tally::{Caps, Dimension, Filter};

/// Most live filters, where nothing else is said.
pub const LIMIT: usize = 32;

/// How long a filter goes on after its last viewer left, ms.
const UNWATCHED_MS: u64 = 10 * 60 * 1000;

/// A live filter, as all know it.
#[derive(Debug)]
pub struct Opened {
    /// Its number, which no other ever had.
    pub id: u64,
    /// Which entries.
    pub filter: Arc<Filter>,
    /// Kept as long as the engine runs.
    kept: bool,
    viewers: AtomicU32,
    watched: Watched,
    closed: AtomicBool,
}

impl Opened {
    /// True if it must not go for another.
    pub fn is_wanted(&self) -> bool {
        self.kept || self.viewers.load(Ordering::Relaxed) > 0
    }

    /// True once it counts no more, though somebody may still look at it: all together took more than their share of memory.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Dimensions of it that somebody looks at.
    pub fn watched(&self) -> &Watched {
        &self.watched
    }
}

/// Somebody looks at a filter, which goes on until the answer is dropped, and a while longer.
#[derive(Debug)]
pub struct Viewer(Arc<Opened>);

impl Viewer {
    fn new(opened: &Arc<Opened>) -> Self {
        opened.viewers.fetch_add(1, Ordering::Relaxed);
        Self(opened.clone())
    }

    /// The filter.
    pub fn opened(&self) -> &Arc<Opened> {
        &self.0
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.0.viewers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// There are as many filters as may be, and somebody looks at each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the limit filters ({0} live filters, and a tenth of --memory for them) is reached, and all are being looked at; close one first"
)]
pub struct Full(pub usize);

/// What a snapshot has of a live filter.
#[derive(Clone, Debug)]
pub struct Filtered {
    /// Which.
    pub opened: Arc<Opened>,
    /// The same as of all entries: those that it took. Counting began when it was opened.
    pub snapshot: Arc<Snapshot>,
}

/// What filters are made with.
#[derive(Debug)]
pub struct Making {
    /// Most of them.
    pub limit: usize,
    /// Caps of their tables.
    pub caps: Caps,
    /// Workers that send parts.
    pub workers: usize,
    /// The process's hash seed.
    pub seed: Seed,
    /// Windows are kept.
    pub is_timed: bool,
    /// Bytes that all of them may take.
    pub share: u64,
}

/// All live filters, ascending by number.
#[derive(Debug)]
pub struct Filters {
    making: Making,
    live: Vec<Live>,
    opened: u64,
}

#[derive(Debug)]
struct Live {
    opened: Arc<Opened>,
    tables: Tables,
    rollup: Option<Rollup>,
    sums: Sums,
    since: u64,
    unwatched: Option<u64>,
    worker_bytes: Vec<u64>,
}

/// Where the engine stands at a tick.
#[derive(Debug)]
pub struct Stand<'a> {
    /// The tick's number.
    pub tick: u64,
    /// The newest full tick's.
    pub full_tick: u64,
    /// True if it is this one.
    pub full: bool,
    /// The engine's clock, ms.
    pub now: u64,
    /// The tables of all entries.
    pub tables: &'a Tables,
    /// All nodes.
    pub nodes: &'a [Arc<Node>],
    /// See [`Snapshot::complete_to`].
    pub complete_to: u64,
}

impl Filters {
    /// No filter yet.
    pub fn new(making: Making) -> Self {
        Self { making, live: Vec::new(), opened: 0 }
    }

    /// Makes a filter live, if it isn't; `kept` as long as the engine runs. The unwatched one that waits longest goes for it.
    ///
    /// # Errors
    ///
    /// If there is no room for it.
    pub fn open(&mut self, filter: Arc<Filter>, kept: bool, now: u64, full_tick: u64) -> Result<Viewer, Full> {
        if let Some(live) = self.live.iter().find(|live| live.opened.filter == filter) {
            return Ok(Viewer::new(&live.opened));
        }
        while self.live.len() >= self.making.limit || (!self.live.is_empty() && self.bytes() > self.making.share) {
            if !self.close_unwatched(now) {
                return Err(Full(self.making.limit));
            }
        }
        if self.making.limit == 0 {
            return Err(Full(0));
        }
        self.opened += 1;
        let opened = Arc::new(Opened {
            id: self.opened,
            filter,
            kept,
            viewers: AtomicU32::new(0),
            watched: Arc::new([const { AtomicU32::new(0) }; Dimension::COUNT]),
            closed: AtomicBool::new(false),
        });
        let Making { caps, workers, seed, is_timed, .. } = &self.making;
        let mut tables = Tables::new(caps, *workers, seed, now, *is_timed);
        tables.tick(full_tick, now, true);
        let viewer = Viewer::new(&opened);
        self.live.push(Live {
            opened,
            tables,
            rollup: is_timed.then(|| Rollup::new(caps.precision, caps.combinations, caps.history)),
            sums: Sums::default(),
            since: now,
            unwatched: None,
            worker_bytes: vec![0; *workers],
        });
        Ok(viewer)
    }

    /// Closes the filter that nobody has looked at for longest; false if somebody looks at each.
    fn close_unwatched(&mut self, now: u64) -> bool {
        let unwatched = self.live.iter().enumerate().filter(|(_, live)| !live.opened.is_wanted());
        let Some((longest, _)) = unwatched.min_by_key(|(_, live)| live.unwatched.unwrap_or(now)) else { return false };
        self.live.remove(longest);
        true
    }

    /// Closes the filter that takes most, watched or not; false if each is kept as long as the engine runs.
    fn close_largest(&mut self) -> bool {
        let others = self.live.iter().enumerate().filter(|(_, live)| !live.opened.kept);
        let Some((largest, _)) = others.max_by_key(|(_, live)| live.bytes()) else { return false };
        self.live.remove(largest).opened.closed.store(true, Ordering::Relaxed);
        true
    }

    /// What workers are to count.
    pub fn wanted(&self) -> Arc<[Wanted]> {
        let wanted = |live: &Live| Wanted { id: live.opened.id, filter: live.opened.filter.clone() };
        self.live.iter().map(wanted).collect()
    }

    /// True if another could be opened.
    pub fn has_room(&self) -> bool {
        let is_full = self.live.len() >= self.making.limit || self.bytes() > self.making.share;
        !is_full || self.live.iter().any(|live| !live.opened.is_wanted())
    }

    /// Time goes on, before the parts of a full tick come.
    pub fn advance(&mut self, now: u64) {
        for live in &mut self.live {
            live.tables.advance(now, &live.sums.total);
        }
    }

    /// Adds what a worker's part has of them.
    pub fn add(&mut self, parts: &[FilterPart], now: u64) {
        for FilterPart { id, since, part } in parts {
            // It may have gone meanwhile.
            let Ok(at) = self.live.binary_search_by_key(id, |live| live.opened.id) else { continue };
            let live = &mut self.live[at];
            live.since = live.since.max(*since);
            live.sums.add(part);
            live.tables.add(part);
            if let Some(rollup) = &mut live.rollup {
                roll_up(rollup, &live.tables, part, now);
            }
            // One part is under way or spare for each that the worker fills.
            live.worker_bytes[part.worker] = part.table_bytes + 2 * part.large_bytes();
        }
    }

    /// A tick is over: those go that nobody has looked at for long, and while all together take more than their share, those that nobody
    /// looks at, then the largest. Gives what is to be published of the others.
    pub fn tick(&mut self, stand: &Stand<'_>) -> Vec<Arc<Filtered>> {
        let now = stand.now;
        self.live.retain_mut(|live| {
            live.unwatched = if live.opened.is_wanted() { None } else { Some(live.unwatched.unwrap_or(now)) };
            live.unwatched.is_none_or(|since| now.saturating_sub(since) < UNWATCHED_MS)
        });
        while self.bytes() > self.making.share && (self.close_unwatched(now) || self.close_largest()) {}
        for live in &mut self.live {
            live.tables.tick(stand.tick, now, stand.full);
            if let Some(rollup) = &mut live.rollup {
                rollup.tick(now, stand.nodes.iter().any(|node| node.connections > 0));
            }
        }
        self.live.iter_mut().map(|live| live.published(stand)).collect()
    }

    /// What is to be published of the one that was opened last.
    pub fn newest(&mut self, stand: &Stand<'_>) -> Option<Arc<Filtered>> {
        self.live.last_mut().map(|live| live.published(stand))
    }

    /// A large dimension of a filter as of the last full tick; `None` if the filter has gone.
    pub fn large(&mut self, id: u64, dimension: Dimension) -> Option<Arc<Large>> {
        let live = self.live.iter_mut().find(|live| live.opened.id == id)?;
        Some(live.tables.large(dimension).unwrap_or_default())
    }

    /// Bytes of all of them, at the workers too.
    pub fn bytes(&self) -> u64 {
        self.live.iter().map(Live::bytes).sum()
    }
}

impl Live {
    fn published(&mut self, stand: &Stand<'_>) -> Arc<Filtered> {
        let (tables, watched) = (&mut self.tables, &self.opened.watched);
        let small = Dimension::ALL.map(|dimension| dimension.is_small().then(|| tables.table(dimension)));
        let large = Dimension::ALL.map(|dimension| {
            let watched = watched[dimension as usize].load(Ordering::Relaxed) > 0;
            watched.then(|| tables.large(dimension)).flatten()
        });
        let keys = Dimension::ALL.map(|dimension| tables.keys(dimension));
        Arc::new(Filtered {
            opened: self.opened.clone(),
            snapshot: Arc::new(Snapshot {
                tick: stand.tick,
                full: stand.full,
                full_tick: stand.full_tick,
                as_of: stand.now,
                started: self.since,
                total: self.sums.total,
                entries: self.sums.entries,
                ahead: self.sums.ahead,
                late: self.sums.late,
                nodes: nodes::of_filter(stand.nodes, stand.tables, &self.tables),
                history: self.rollup.as_ref().map(Rollup::history),
                complete_to: stand.complete_to,
                tables: small,
                large,
                keys,
                filter: Some(self.opened.id),
                ..Snapshot::default()
            }),
        })
    }

    fn bytes(&self) -> u64 {
        let (tables, copies) = self.tables.bytes();
        let history = self.rollup.as_ref().map_or(0, Rollup::bytes) as u64;
        tables + copies + history + self.worker_bytes.iter().sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::{Part, filter};

    fn filters(limit: usize) -> Filters {
        let caps = filter::caps(&Caps::new(64 << 20, 1));
        let making = Making { limit, caps, workers: 1, seed: Seed::default(), is_timed: true, share: u64::MAX };
        Filters::new(making)
    }

    fn of(status: u32) -> Arc<Filter> {
        Arc::new(Filter::parse([format!("status:{status}").as_str()]).unwrap().unwrap())
    }

    fn tick(filters: &mut Filters, now: u64) -> Vec<u64> {
        let caps = Caps::new(64 << 20, 1);
        let tables = Tables::new(&caps, 1, &Seed::default(), 0, true);
        let stand = Stand { tick: 1, full_tick: 1, full: true, now, tables: &tables, nodes: &[], complete_to: now };
        filters.tick(&stand).iter().map(|filtered| filtered.opened.id).collect()
    }

    /// The tables of a filter take that many bytes at the worker.
    fn grown(filters: &mut Filters, id: u64, bytes: u64) {
        let part = Part { table_bytes: bytes, ..Part::default() };
        filters.add(&[FilterPart { id, since: 0, part: Box::new(part) }], 0);
    }

    #[test]
    fn a_filter_goes_on_for_ten_minutes_after_its_last_viewer() {
        let mut filters = filters(3);
        let start = 1_000_000_000;
        let viewer = filters.open(of(200), false, start, 0).unwrap();
        drop(filters.open(of(404), true, start, 0).unwrap());
        let again = filters.open(of(200), false, start, 0).unwrap();
        assert_eq!(viewer.opened().id, again.opened().id);
        assert_eq!(tick(&mut filters, start + 3_600_000), [1, 2]);
        drop(viewer);
        assert_eq!(tick(&mut filters, start + 7_200_000), [1, 2]);
        drop(again);
        assert_eq!(tick(&mut filters, start + 7_300_000), [1, 2]);
        assert_eq!(tick(&mut filters, start + 7_300_000 + UNWATCHED_MS - 1), [1, 2]);
        assert_eq!(tick(&mut filters, start + 7_300_000 + UNWATCHED_MS), [2], "the kept one stays");
        assert_eq!(filters.open(of(200), false, start, 0).unwrap().opened().id, 3, "a new one");
    }

    #[test]
    fn the_longest_unwatched_goes_for_another_and_watched_ones_stay() {
        let mut filters = filters(2);
        let first = filters.open(of(1), false, 0, 0).unwrap();
        let second = filters.open(of(2), false, 0, 0).unwrap();
        assert!(!filters.has_room());
        assert_eq!(filters.open(of(3), false, 0, 0).unwrap_err(), Full(2));
        drop(second);
        tick(&mut filters, 1000);
        drop(first);
        tick(&mut filters, 2000);
        assert!(filters.has_room());
        let third = filters.open(of(3), false, 3000, 0).unwrap();
        let live: Vec<_> = filters.wanted().iter().map(|wanted| wanted.filter.clone()).collect();
        assert_eq!(live, [of(1), of(3)]);
        assert_eq!(third.opened().id, 3);
    }

    #[test]
    fn filters_that_take_too_much_memory_are_too_many() {
        let mut filters = filters(9);
        filters.making.share = 0;
        let viewer = filters.open(of(1), false, 0, 0).unwrap();
        grown(&mut filters, 1, 1);
        assert!(filters.open(of(2), false, 0, 0).is_err());
        drop(viewer);
        assert!(filters.open(of(2), false, 0, 0).is_ok());
        assert_eq!(filters.wanted().len(), 1);
        grown(&mut filters, 2, 1);
        assert_eq!(tick(&mut filters, 1000), [0; 0], "nor do those stay that nobody looks at");
    }

    #[test]
    fn what_grows_beyond_the_share_is_closed_watched_or_not() {
        let mut filters = filters(9);
        let kept = filters.open(of(1), true, 0, 0).unwrap();
        let viewers = [2, 3, 4].map(|status| filters.open(of(status), false, 0, 0).unwrap());
        const MIB: u64 = 1 << 20;
        filters.making.share = filters.bytes() + 100 * MIB;
        for (id, mib) in [(1, 50), (2, 10), (3, 30), (4, 9)] {
            grown(&mut filters, id, mib * MIB);
        }
        assert_eq!(tick(&mut filters, 1000), [1, 2, 3, 4], "within the share");
        grown(&mut filters, 4, 12 * MIB);
        assert_eq!(tick(&mut filters, 2000), [1, 2, 4], "the largest that may go");
        let closed = viewers.each_ref().map(|viewer| viewer.opened().is_closed());
        assert_eq!((closed, kept.opened().is_closed()), ([false, true, false], false));
        assert!(filters.bytes() <= filters.making.share);
        assert_eq!(filters.open(of(3), false, 2000, 0).unwrap().opened().id, 5, "another of the same begins anew");
        grown(&mut filters, 1, 200 * MIB);
        assert_eq!(tick(&mut filters, 3000), [1], "none is left that may go");
        assert!(viewers.iter().all(|viewer| viewer.opened().is_closed()));
    }
}
