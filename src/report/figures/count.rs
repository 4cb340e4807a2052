//! Counting: each thread has a shard of its own, as the engine's workers have, and the engine's merger adds up their parts. So a report's
//! tables, distributions and curve are those that the live page would show, with *now* at the newest entry.

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use super::filter::Filter;
use super::input::{Feed, Job, Work};
use super::more::More;
use crate::clock::Clock;
use crate::merger::{self, Command, Covered, Merger, Snapshot, Table};
use crate::report::logstats::feed::{Finding, Findings};
use crate::report::logstats::run::Damaged;
use crate::system;
use crate::tally::door::Door;
use crate::tally::link::{Link, TickRequest};
use crate::tally::table::Seed;
use crate::tally::{Caps, Dimension, Entries, Shard, Statistics, Window};
use crate::wire::format::Formats;
use crate::wire::line::{LineFormats, LinePlan, Lines};
use crate::wire::segment::Segment;
use crate::wire::template::Template;

/// Jobs of all threads together between two ticks: tables are handed over often enough that nothing has to go for want of room.
const JOBS_A_TICK: u64 = 4;

/// Lines that are counted without a look at how many slots they take; none can be in more than one.
const LINES: usize = 256;

/// Every how many ticks the large tables are handed over.
const FULL: u64 = 8;

/// How a report is made.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What counts.
    pub filter: Filter,
    /// Bytes of memory for what is counted.
    pub memory: u64,
    /// Threads that count.
    pub threads: usize,
    /// Formats of text logs; none: Traffic Server's own.
    pub formats: Vec<Template>,
    /// Minutes of a step of C16.
    pub step_minutes: u32,
}

/// What was counted.
#[derive(Debug)]
pub struct Counted {
    /// Of the merger, at the newest entry, since the oldest one.
    pub snapshot: Snapshot,
    /// By [`Dimension`].
    pub tables: Vec<Arc<Table>>,
    /// Beside it.
    pub more: More,
    /// What was wrong with the files.
    pub findings: Findings,
    /// Bytes read, unpacked.
    pub bytes: u64,
    /// Entries that the filter left out.
    pub filtered: u64,
    /// All entries that were read, filtered ones not among them.
    pub entries: Entries,
}

impl Counted {
    /// The table of a dimension.
    pub fn table(&self, dimension: Dimension) -> &Table {
        &self.tables[dimension as usize]
    }
}

/// Counts the files.
///
/// # Errors
///
/// If a thread can't be had.
pub fn count(files: &[PathBuf], wish: &Wish, progress: impl FnMut(&Path, u64) + Send) -> io::Result<Counted> {
    let threads = wish.threads.max(1);
    // Nobody asks a report for profiles.
    let caps = Caps { worker_cells: 0, ..Caps::new(wish.memory, threads) };
    let (seed, clock) = (Seed::default(), Clock::driven(0));
    let (merger, links) = Merger::spawn(merger::Config {
        workers: threads,
        caps,
        memory: wish.memory,
        seed: seed.clone(),
        clock: clock.clone(),
        statistics: Statistics::All,
        door: Arc::new(Door::default()),
        filters: Vec::new(),
        filter_limit: 0,
    })?;
    let handle = merger.handle();
    let shared =
        Shared { feed: Mutex::new(Feed::new(files, &wish.formats, progress)), wish, files, newest: AtomicU64::new(0) };
    let urls = (usize::try_from(wish.memory).unwrap_or(usize::MAX) / 8 / threads / 1500).clamp(1000, 200_000);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let drive = |full: bool| {
        let (done, told) = tokio::sync::oneshot::channel();
        handle.command(Command::Drive { full, done }).ok()?;
        runtime.block_on(told).ok()
    };
    let (tell, told) = mpsc::channel();
    let (results, larges) = std::thread::scope(|scope| {
        let workers: Vec<_> = links
            .into_iter()
            .enumerate()
            .map(|(number, link)| {
                let (shared, seed, caps) = (&shared, &seed, &caps);
                let worker = Worker {
                    shard: Shard::new(number, caps, seed),
                    more: More::new(seed, wish.step_minutes, urls),
                    findings: Findings::default(),
                    filtered: 0,
                    link,
                    answered_full: 0,
                    end: Ending(tell.clone()),
                };
                scope.spawn(move || worker.run(shared))
            })
            .collect();
        drop(tell);
        let (mut jobs, mut counting, mut tick) = (0, threads, 0_u64);
        while counting > 0 {
            // What came while a tick was driven is of that tick, too.
            let Ok(event) = told.recv() else { break };
            for event in std::iter::once(event).chain(told.try_iter()) {
                match event {
                    Event::Counted => jobs += 1,
                    Event::Crowded => jobs = JOBS_A_TICK,
                    Event::Ended => counting -= 1,
                }
            }
            if jobs >= JOBS_A_TICK {
                jobs = 0;
                tick += 1;
                clock.set(shared.newest.load(Ordering::Acquire));
                drive(tick.is_multiple_of(FULL));
            }
        }
        clock.set(shared.newest.load(Ordering::Acquire));
        drive(true);
        let snapshot = handle.snapshot();
        let larges: Option<Vec<_>> = Dimension::ALL
            .into_iter()
            .map(|dimension| {
                let whole = runtime.block_on(handle.dimension(dimension, &snapshot)).ok()?;
                whole.table(Window::Total)
            })
            .collect();
        // With the merger the links end, and with them the threads.
        let stopper = scope.spawn(move || merger.stop());
        let results: Vec<_> = workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect();
        stopper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (results, larges.map(|tables| (snapshot, tables)))
    });
    let (snapshot, tables) = larges.ok_or_else(|| io::Error::other("the tables could not be added up"))?;
    let feed = shared.feed.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (mut findings, mut filtered, mut more) = (feed.findings, 0, None::<More>);
    for (its_more, its_findings, its_filtered) in results {
        findings = findings.and(its_findings);
        filtered += its_filtered;
        more = Some(match more {
            Some(more) => more.and(its_more),
            None => its_more,
        });
    }
    let more = more.unwrap_or_else(|| More::new(&seed, wish.step_minutes, urls));
    let mut snapshot = Arc::unwrap_or_clone(snapshot);
    if let Some((first, last)) = more.span {
        (snapshot.started, snapshot.as_of, snapshot.complete_to) = (first, last, last);
    }
    let covered = Covered::since_start(snapshot.started, snapshot.as_of);
    let tables = tables
        .into_iter()
        .map(|table| {
            let table = Arc::unwrap_or_clone(table);
            Arc::new(Table { covered, as_of: snapshot.as_of, tick: snapshot.tick, ..table })
        })
        .collect();
    let entries = snapshot.entries;
    Ok(Counted { snapshot, tables, more, findings, bytes: feed.bytes, filtered, entries })
}

struct Shared<'a, P> {
    feed: Mutex<Feed<'a, P>>,
    wish: &'a Wish,
    files: &'a [PathBuf],
    /// The newest entry, ms.
    newest: AtomicU64,
}

struct Worker {
    shard: Shard,
    more: More,
    findings: Findings,
    filtered: u64,
    link: Link,
    answered_full: u64,
    end: Ending,
}

/// How lines and segments are read; not shared between threads.
#[derive(Default)]
struct Reading {
    formats: Formats,
    plans: Vec<(Arc<Template>, Rc<LinePlan>)>,
}

impl Worker {
    /// Counts until there are no more jobs, then answers ticks until the merger has gone.
    fn run<P: FnMut(&Path, u64) + Send>(mut self, shared: &Shared<'_, P>) -> (More, Findings, u64) {
        let mut reading = Reading::default();
        loop {
            let Some(job) = lock(&shared.feed).next() else { break };
            self.count(&job, shared, &mut reading);
            // Whoever drives listens until all have ended.
            let _ = self.end.0.send(Event::Counted);
            if let Some(request) = self.link.newest_tick() {
                self.answer(request);
            }
        }
        let Self { mut shard, more, findings, filtered, mut link, mut answered_full, end } = self;
        drop(end);
        while let Some(request) = wait(&mut link) {
            answer(&mut shard, &link, &mut answered_full, request);
        }
        (more, findings, filtered)
    }

    fn answer(&mut self, request: TickRequest) {
        answer(&mut self.shard, &self.link, &mut self.answered_full, request);
    }

    /// Hands over before slots have no room, as they soon would of a log with few requests a second: what has none is in no series.
    fn relieve(&mut self) {
        while self.shard.is_crowded() && self.end.0.send(Event::Crowded).is_ok() {
            let Some(request) = wait(&mut self.link) else { return };
            self.answer(request);
        }
    }

    fn count<P>(&mut self, job: &Job, shared: &Shared<'_, P>, reading: &mut Reading) {
        match &job.work {
            Work::Segments(block) => {
                for range in &block.segments {
                    let offset = block.offset + range.start as u64;
                    let bytes = block.bytes.get(range.clone()).unwrap_or_default();
                    self.segment(bytes, job.file, offset, shared, reading);
                }
            }
            Work::Lines(bytes, template) => self.lines(bytes, template.as_ref(), job.file, shared, reading),
        }
    }

    fn segment<P>(&mut self, bytes: &[u8], file: usize, offset: u64, shared: &Shared<'_, P>, reading: &mut Reading) {
        let segment = match Segment::parse(bytes) {
            Ok(segment) => segment,
            Err(error) => return self.findings.add(file, offset, Finding::Segment(error)),
        };
        let Ok(format) = reading.formats.of(&segment) else {
            let text = io::Error::new(io::ErrorKind::InvalidData, "a segment has a field list that is too long");
            return self.findings.add(file, offset, Finding::Io(text));
        };
        let filter = &shared.wish.filter;
        if !format.is_aggregate() && !filter.may_want(segment.timestamps()) {
            self.filtered += segment.entries().count() as u64;
            return;
        }
        let node = self.shard.file_node(segment.source_host(), &shared.files[file].to_string_lossy());
        self.shard.node_log(node, segment.file_name(), Some(segment.version()), format.field_list());
        // Now is when the segment was written: of several files none is late because another is newer.
        let now = segment.entries().map(|entry| entry.time_ms()).max().unwrap_or(0);
        shared.newest.fetch_max(now, Ordering::AcqRel);
        let (more, filtered) = (&mut self.more, &mut self.filtered);
        let counted = self.shard.segment_if(&segment, &format, node, now, |has, fields, time| {
            let wanted = filter.wants(has, fields, time);
            if wanted {
                more.see(has, fields, time);
            } else {
                *filtered += 1;
            }
            wanted
        });
        let damaged = Damaged { entries: counted.entries.bad, lost: counted.lost.0 };
        if damaged != Damaged::default() {
            self.findings.add(file, offset, Finding::Entries(damaged));
        }
        self.relieve();
    }

    fn lines<P>(
        &mut self,
        bytes: &[u8],
        template: Option<&Arc<Template>>,
        file: usize,
        shared: &Shared<'_, P>,
        reading: &mut Reading,
    ) {
        let path = shared.files[file].to_string_lossy();
        let log = path.rsplit('/').next().unwrap_or_default();
        let Some(template) = template else {
            let lines = Lines::default().split(bytes).count() as u64;
            return self.findings.add(file, 0, Finding::Lines(lines));
        };
        let Some(plan) = reading.plan(template) else { return };
        let node = self.shard.file_node(system::host_name().as_bytes(), &path);
        let field_list = template.symbols.join(",");
        self.shard.node_log(node, log.as_bytes(), None, &field_list);
        self.shard.set_format(log.as_bytes(), &field_list);
        let (mut rest, mut bad) = (bytes, 0);
        while !rest.is_empty() {
            let end = memchr::memchr_iter(b'\n', rest).nth(LINES - 1).map_or(rest.len(), |at| at + 1);
            let (piece, behind) = rest.split_at(end);
            rest = behind;
            let (mut now, mut fields) = (0, crate::wire::plan::Fields::default());
            for line in Lines::default().split(piece) {
                if let crate::wire::line::Line::Whole(line) = line {
                    now = plan.read_into(&mut fields, line).unwrap_or(0).max(now);
                }
            }
            shared.newest.fetch_max(now, Ordering::AcqRel);
            let (more, filtered, filter) = (&mut self.more, &mut self.filtered, &shared.wish.filter);
            let mut lines = Lines::default();
            let counted = self.shard.lines_if(lines.split(piece), &plan, log, node, now, |has, fields, time| {
                let wanted = filter.wants(has, fields, time);
                if wanted {
                    more.see(has, fields, time);
                } else {
                    *filtered += 1;
                }
                wanted
            });
            bad += counted.entries.bad;
            self.relieve();
        }
        if bad > 0 {
            self.findings.add(file, 0, Finding::Lines(bad));
        }
    }
}

/// The next tick; `None` once the merger has gone.
fn wait(link: &mut Link) -> Option<TickRequest> {
    tokio::runtime::Builder::new_current_thread().build().ok()?.block_on(link.tick())
}

fn answer(shard: &mut Shard, link: &Link, answered_full: &mut u64, request: TickRequest) {
    shard.sample_below(request.sample_below);
    if let Some(mut part) = link.spare() {
        let full = request.full_tick > *answered_full;
        shard.hand_over(&mut part, request.tick, full);
        *answered_full = request.full_tick.max(*answered_full);
        link.send(part);
    }
}

impl Reading {
    fn plan(&mut self, template: &Arc<Template>) -> Option<Rc<LinePlan>> {
        if let Some((_, plan)) = self.plans.iter().find(|(known, _)| Arc::ptr_eq(known, template)) {
            return Some(plan.clone());
        }
        let mut formats = LineFormats::new(vec![Template::clone(template)]).ok()?.in_zone(crate::zone::at);
        let plan = formats.choose(&[]);
        self.plans.push((template.clone(), plan.clone()));
        Some(plan)
    }
}

/// What a thread tells whoever drives the clock.
enum Event {
    /// A job is counted.
    Counted,
    /// It waits for a tick, to hand over.
    Crowded,
    /// It has nothing more to count.
    Ended,
}

/// Tells that a thread has ended, also by a panic: nobody waits for it.
struct Ending(mpsc::Sender<Event>);

impl Drop for Ending {
    fn drop(&mut self) {
        // If nobody listens any more, nobody waits.
        let _ = self.0.send(Event::Ended);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
