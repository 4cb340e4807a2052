//! The merger's thread: asks for parts at each tick, adds them, publishes.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::filters::{Filters, Making, Stand, Viewer};
use super::handle::{Command, Handle, Watched};
use super::nodes::Nodes;
use super::snapshot::{LastRefused, Memory, Snapshot};
use super::tables::Tables;
use super::windows;
use crate::clock::Clock;
use crate::tally::combined::Combination;
use crate::tally::door::Door;
use crate::tally::link::{Far, Link, TickRequest, link};
use crate::tally::profile::Profiles;
use crate::tally::records::Kept;
use crate::tally::rejected::Amount;
use crate::tally::reuse::Reuse;
use crate::tally::rollup::{Rollup, Values};
use crate::tally::table::{REFUSED, Seed};
use crate::tally::{Caps, Cause, Counts, Dimension, Entries, Filter, Measure, Part, Rejected, Statistics, filter};

/// Time between ticks.
pub const TICK: Duration = Duration::from_millis(250);

/// Every how many ticks the large dimensions come too.
pub const FULL: u64 = 4;

/// How long a tick waits for the slowest worker; what is late comes with the next.
const PATIENCE: Duration = Duration::from_millis(100);

/// The same for a driven clock, where a step must be complete.
const DRIVEN_PATIENCE: Duration = Duration::from_secs(30);

/// Above this share of a core, for [`SATURATED_FOR`], a worker can't keep up.
const SATURATED: f64 = 0.8;
const SATURATED_FOR: Duration = Duration::from_secs(10);

/// What the merger is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many workers will send parts.
    pub workers: usize,
    /// Caps of the tables.
    pub caps: Caps,
    /// The operator's `--memory`, bytes.
    pub memory: u64,
    /// The process's hash seed.
    pub seed: Seed,
    /// The engine's clock.
    pub clock: Clock,
    /// Which statistics are kept.
    pub statistics: Statistics,
    /// What happens at the door.
    pub door: Arc<Door>,
    /// Filters that are kept as long as the engine runs, from its start.
    pub filters: Vec<Filter>,
    /// Most live filters.
    pub filter_limit: usize,
}

/// The running merger.
#[derive(Debug)]
pub struct Merger {
    handle: Handle,
    thread: JoinHandle<()>,
}

impl Merger {
    /// Starts the thread. Gives one link for each worker.
    ///
    /// # Errors
    ///
    /// If no thread can be had.
    pub fn spawn(config: Config) -> io::Result<(Self, Vec<Link>)> {
        let (commands, received) = mpsc::channel();
        let (links, fars) = (0..config.workers)
            .map(|worker| {
                let commands = commands.clone();
                // Once the merger has ended nobody needs the part.
                link(worker, move |part| drop(commands.send(Command::Part(part))))
            })
            .unzip();
        let now = config.clock.now();
        let first = Arc::new(Snapshot { as_of: now, started: now, ..Snapshot::default() });
        let (publish, snapshots) = watch::channel(first);
        let watched: Watched = Arc::new([const { AtomicU32::new(0) }; Dimension::COUNT]);
        let handle = Handle::new(snapshots, commands, watched.clone());
        let making = Making {
            limit: config.filter_limit,
            caps: filter::caps(&config.caps),
            workers: config.workers,
            seed: config.seed.clone(),
            is_timed: config.statistics == Statistics::All,
            share: filter::share(config.memory),
        };
        let mut run = Run {
            filters: Filters::new(making),
            tables: Tables::new(&config.caps, config.workers, &config.seed, now, config.statistics == Statistics::All),
            rollup: (config.statistics == Statistics::All)
                .then(|| Rollup::new(config.caps.precision, config.caps.combinations, config.caps.history)),
            profiles: (config.statistics == Statistics::All).then(|| Profiles::new(config.caps.profiles, now)),
            reuse: (config.statistics == Statistics::All).then(|| Reuse::new(config.caps.sampled_urls)),
            records: Kept::new(config.caps.records),
            nodes: Nodes::new(config.workers),
            busy: vec![Busy::default(); config.workers],
            table_bytes: vec![0; config.workers],
            buffer_bytes: vec![0; config.workers],
            pending: Vec::new(),
            later: VecDeque::new(),
            sums: Sums::default(),
            tick: 0,
            full_tick: 0,
            delay: Default::default(),
            started: now,
            fars,
            received,
            publish,
            watched,
            config,
        };
        for filter in std::mem::take(&mut run.config.filters) {
            run.filters.open(Arc::new(filter), true, now, 0).map_err(io::Error::other)?;
        }
        // Workers find it when they start.
        run.ask();
        run.publish(true);
        let thread = std::thread::Builder::new().name("merger".into()).spawn(move || run.run())?;
        Ok((Self { handle, thread }, links))
    }

    /// The way to its snapshots.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Takes what the workers still have, publishes it, and ends. The workers must still be running.
    pub fn stop(self) {
        // If it has ended already, it has nothing more to publish.
        let _ = self.handle.command(Command::Stop);
        drop(self.handle);
        let _ = self.thread.join();
    }
}

/// Sums of all parts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub total: Counts,
    pub entries: Entries,
    pub stream_bytes: u64,
    pub rejected: Rejected,
    pub ahead: u64,
    pub late: u64,
}

impl Sums {
    pub fn add(&mut self, part: &Part) {
        self.total.merge(&part.total);
        self.entries.merge(&part.entries);
        self.stream_bytes += part.stream_bytes;
        self.rejected.merge(&part.rejected);
        self.ahead += part.ahead;
        self.late += part.late;
    }
}

/// Adds the slots of a part, whose rows `tables` know already.
pub(super) fn roll_up(rollup: &mut Rollup, tables: &Tables, part: &Part, now: u64) {
    let row = |dimension, row: Option<u32>| row.map(|row| tables.row(dimension, part.worker, row).unwrap_or(REFUSED));
    for slot in &part.slots {
        let values = |combination: &Combination| Values {
            result: combination.result,
            status: combination.status,
            route: combination.route,
            method: row(Dimension::Method, combination.method),
            content_type: row(Dimension::Type, combination.content_type),
        };
        rollup.add(slot, now, values, |node| tables.row(Dimension::Node, part.worker, node));
    }
}

/// How busy one worker is.
#[derive(Clone, Copy, Debug, Default)]
struct Busy {
    last: Option<(Instant, u64)>,
    above_since: Option<Instant>,
}

impl Busy {
    fn update(&mut self, cpu_ns: u64, now: Instant) {
        let Some((before, cpu_before)) = self.last else {
            self.last = Some((now, cpu_ns));
            return;
        };
        let wall = now.duration_since(before);
        if wall < Duration::from_secs(1) {
            return;
        }
        self.last = Some((now, cpu_ns));
        if cpu_ns.saturating_sub(cpu_before) as f64 / wall.as_nanos() as f64 > SATURATED {
            self.above_since.get_or_insert(before);
        } else {
            self.above_since = None;
        }
    }

    fn saturated(&self, now: Instant) -> bool {
        self.above_since.is_some_and(|since| now.duration_since(since) >= SATURATED_FOR)
    }
}

struct Run {
    config: Config,
    filters: Filters,
    tables: Tables,
    rollup: Option<Rollup>,
    profiles: Option<Profiles>,
    reuse: Option<Reuse>,
    records: Kept,
    nodes: Nodes,
    busy: Vec<Busy>,
    table_bytes: Vec<u64>,
    buffer_bytes: Vec<u64>,
    /// Parts that arrived since the last publication: they are added together, so that what is asked for meanwhile is of one tick.
    pending: Vec<Box<Part>>,
    /// Commands that wait for the end of the tick at hand.
    later: VecDeque<Command>,
    sums: Sums,
    tick: u64,
    full_tick: u64,
    /// Between the moment of a tick and that at which it was published: of the last, and the most.
    delay: (Duration, Duration),
    started: u64,
    fars: Vec<Far>,
    received: mpsc::Receiver<Command>,
    publish: watch::Sender<Arc<Snapshot>>,
    watched: Watched,
}

impl Run {
    fn run(&mut self) {
        let mut next = Instant::now() + TICK;
        loop {
            let wait = if self.config.clock.is_driven() {
                Duration::from_secs(3600)
            } else {
                next.saturating_duration_since(Instant::now())
            };
            let next_command = self.later.pop_front().map_or_else(|| self.received.recv_timeout(wait), Ok);
            match next_command {
                Ok(Command::Drive { full, done, .. }) => {
                    self.tick(full, DRIVEN_PATIENCE);
                    // Whoever drives may have gone.
                    let _ = done.send(self.tick);
                }
                Ok(Command::Stop) => {
                    self.tick(true, PATIENCE);
                    return;
                }
                Ok(Command::Open(filter, reply)) => {
                    // Whoever asked may have gone.
                    let _ = reply.send(self.open(filter));
                }
                Ok(command) => self.handle(command),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    if !self.config.clock.is_driven() {
                        self.tick((self.tick + 1).is_multiple_of(FULL), PATIENCE);
                        self.delay.0 = Instant::now().saturating_duration_since(next);
                        self.delay.1 = self.delay.1.max(self.delay.0);
                        // A late tick does not make the next ones come in a burst.
                        next = (next + TICK).max(Instant::now());
                    }
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Part(part) => self.pending.push(part),
            Command::Want(dimension, None, reply) => {
                // Whoever asked may have gone.
                let _ = reply.send(self.tables.large(dimension).unwrap_or_default());
            }
            Command::Records(reply) => drop(reply.send(self.records.pool())),
            Command::Want(dimension, Some(filter), reply) => {
                if let Some(large) = self.filters.large(filter, dimension) {
                    let _ = reply.send(large);
                }
            }
            // They came in the middle of a tick: their turn comes after it.
            Command::Drive { .. } | Command::Stop | Command::Open(..) => self.later.push_back(command),
        }
    }

    /// Makes a filter live, and publishes it as of the last tick: nothing is counted for it yet.
    fn open(&mut self, filter: Arc<Filter>) -> Result<Viewer, super::filters::Full> {
        let last = self.publish.borrow().clone();
        if let Some(filtered) = last.of_filter(&filter) {
            return self.filters.open(filtered.opened.filter.clone(), false, last.as_of, self.full_tick);
        }
        let now = self.config.clock.now();
        let viewer = self.filters.open(filter, false, now, self.full_tick)?;
        self.ask();
        let live = self.filters.wanted();
        let mut filters = last.filters.clone();
        filters.retain(|filtered| live.iter().any(|wanted| wanted.id == filtered.opened.id));
        let stand = Stand {
            tick: last.tick,
            full_tick: last.full_tick,
            full: last.full,
            now: last.as_of,
            tables: &self.tables,
            nodes: &last.nodes,
            complete_to: last.complete_to,
        };
        // The others stay as they were at that tick.
        filters.extend(self.filters.newest(&stand));
        let has_room_for_filters = self.filters.has_room();
        self.publish.send_replace(Arc::new(Snapshot { filters, has_room_for_filters, ..Snapshot::clone(&last) }));
        Ok(viewer)
    }

    /// Asks all workers for what they have at this tick, and tells them what to count.
    fn ask(&self) {
        let request = TickRequest {
            tick: self.tick,
            full_tick: self.full_tick,
            sample_below: self.reuse.as_ref().map_or(0, Reuse::threshold),
            filters: self.filters.wanted(),
        };
        for far in &self.fars {
            far.ask(request.clone());
        }
    }

    /// One tick: ask, wait for all workers (at most `patience`), add, publish.
    fn tick(&mut self, full: bool, patience: Duration) {
        self.tick += 1;
        if full {
            self.full_tick = self.tick;
        }
        self.ask();
        let deadline = Instant::now() + patience;
        while self.pending.iter().filter(|part| part.tick == self.tick).count() < self.fars.len() {
            match self.received.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(command) => self.handle(command),
                Err(_) => break,
            }
        }
        self.publish(full);
    }

    fn publish(&mut self, full: bool) {
        let now = self.config.clock.now();
        let instant = Instant::now();
        // A late part brings the large tables up to date at this tick instead.
        let full = full || self.pending.iter().any(|part| part.full);
        if full {
            self.tables.advance(now, &self.sums.total);
            self.filters.advance(now);
            if let Some(profiles) = &mut self.profiles {
                profiles.tick(now);
            }
        }
        for part in std::mem::take(&mut self.pending) {
            self.add(&part, now, instant);
            self.fars[part.worker].give_back(part);
        }
        if full {
            self.full_tick = self.tick;
        }
        self.tables.tick(self.tick, now, full);
        let nodes = self.nodes.snapshot(&self.tables, now);
        if let Some(rollup) = &mut self.rollup {
            rollup.tick(now, nodes.iter().any(|node| node.connections > 0));
        }
        if let Some(reuse) = &mut self.reuse {
            reuse.tick(now);
        }
        let tables = Dimension::ALL.map(|dimension| dimension.is_small().then(|| self.tables.table(dimension)));
        let large = Dimension::ALL.map(|dimension| {
            let watched = self.watched[dimension as usize].load(Ordering::Relaxed) > 0;
            watched.then(|| self.tables.large(dimension)).flatten()
        });
        let (merger, copies) = self.tables.bytes();
        let mut rejected = self.sums.rejected;
        rejected.add(Cause::Limit, &Amount { connections: self.config.door.limited(), ..Amount::default() });
        let last_refused = self.config.door.last_refused();
        let complete_to = windows::complete_to(&nodes, now);
        let stand = Stand {
            tick: self.tick,
            full_tick: self.full_tick,
            full,
            now,
            tables: &self.tables,
            nodes: &nodes,
            complete_to,
        };
        let filters = self.filters.tick(&stand);
        let has_room_for_filters = self.filters.has_room();
        self.publish.send_replace(Arc::new(Snapshot {
            tick: self.tick,
            full,
            full_tick: self.full_tick,
            as_of: now,
            delay: self.delay,
            started: self.started,
            total: self.sums.total,
            entries: self.sums.entries,
            stream_bytes: self.sums.stream_bytes,
            rejected,
            ahead: self.sums.ahead,
            late: self.sums.late,
            accepted: self.config.door.accepted(),
            last_refused: last_refused.map(|last| LastRefused { at: last.at, peer: last.peer, cause: last.cause }),
            complete_to,
            filters,
            has_room_for_filters,
            filter: None,
            nodes,
            history: self.rollup.as_ref().map(Rollup::history),
            profiles: self.profiles.as_ref().map(Profiles::kept),
            reuse: self.reuse.as_ref().map(|reuse| reuse.curve(now)),
            memory: Memory {
                parts: vec![
                    ("connections", self.buffer_bytes.iter().sum()),
                    ("workers", self.table_bytes.iter().sum()),
                    ("merger", merger),
                    ("history", self.rollup.as_ref().map_or(0, Rollup::bytes) as u64),
                    ("profiles", self.profiles.as_ref().map_or(0, Profiles::bytes) as u64),
                    ("sample", self.reuse.as_ref().map_or(0, Reuse::bytes) as u64),
                    ("records", self.records.bytes() as u64),
                    ("filters", self.filters.bytes()),
                    ("snapshot", copies),
                ],
                cap: self.config.memory,
            },
            saturated: self.busy.iter().any(|busy| busy.saturated(instant)),
            keys: Dimension::ALL.map(|dimension| self.tables.keys(dimension)),
            bounds: Dimension::ALL.map(|dimension| self.tables.bounds(dimension)),
            profiles_lost: self.profiles.as_ref().map_or((0, 0), |profiles| (profiles.dropped(), profiles.lost())),
            tables,
            large,
        }));
    }

    fn add(&mut self, part: &Part, now: u64, instant: Instant) {
        self.sums.add(part);
        self.filters.add(&part.filters, now);
        self.tables.add(part);
        if let Some(reuse) = &mut self.reuse {
            reuse.add(&part.samples);
        }
        if let Some(rollup) = &mut self.rollup {
            roll_up(rollup, &self.tables, part, now);
        }
        if let Some(profiles) = &mut self.profiles {
            let key = |dimension, row, raw: &mut Vec<u8>| self.tables.raw_key(dimension, part.worker, row, raw);
            profiles.add(&part.cells, part.cells_lost, &part.large_slots, key);
        }
        let node = |row| self.tables.row(Dimension::Node, part.worker, row);
        self.records.add(&part.taken, part.total.all_requests(), part.total.measure(Measure::Errors), now, node);
        for update in &part.nodes {
            if let Some(row) = self.tables.row(Dimension::Node, part.worker, update.row) {
                self.nodes.update(row, part.worker, update, now);
            }
        }
        self.busy[part.worker].update(part.cpu_ns, instant);
        self.table_bytes[part.worker] = part.table_bytes;
        self.buffer_bytes[part.worker] = part.buffer_bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_come_inside_a_tick_are_not_lost() {
        let clock = Clock::driven(1_000_000);
        let caps = Caps::new(64 << 20, 1);
        let config = Config {
            workers: 1,
            caps,
            memory: 64 << 20,
            seed: Seed::default(),
            clock,
            statistics: Statistics::All,
            door: Arc::new(Door::default()),
            filters: Vec::new(),
            filter_limit: 32,
        };
        let (merger, mut links) = Merger::spawn(config).unwrap();
        let mut link = links.remove(0);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (first, first_tick) = tokio::sync::oneshot::channel();
        merger.handle().command(Command::Drive { full: false, done: first }).unwrap();
        // The merger waits for this worker once it asks for the first tick; what is sent meanwhile arrives inside its tick.
        let request = loop {
            let request = runtime.block_on(link.tick()).unwrap();
            if request.tick > 0 {
                break request;
            }
        };
        let (second, second_tick) = tokio::sync::oneshot::channel();
        merger.handle().command(Command::Drive { full: true, done: second }).unwrap();
        let answer = |link: &Link, tick| {
            let mut part = link.spare().unwrap();
            part.tick = tick;
            link.send(part);
        };
        answer(&link, request.tick);
        assert_eq!(runtime.block_on(first_tick).unwrap(), 1);
        let request = runtime.block_on(link.tick()).unwrap();
        let handle = merger.handle();
        handle.command(Command::Stop).unwrap();
        answer(&link, request.tick);
        assert_eq!(runtime.block_on(second_tick).unwrap(), 2);
        let request = runtime.block_on(link.tick()).unwrap();
        answer(&link, request.tick);
        merger.stop();
        assert_eq!(handle.snapshot().tick, 3);
    }
}
