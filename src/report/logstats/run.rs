//! Running over the blocks, on one thread or on several.
//!
//! Most counts add up in any order, so each thread keeps a shard of its own. What depends on the order of the entries (running averages,
//! the table of recent URLs) is kept in *groups*: a thread that has read a block replays it into one group after the other, each as soon
//! as all blocks before have been replayed there. So threads follow each other through the groups like a wave, none of them is a stage that all
//! the others wait for, and the result is that of one thread, to the last bit.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::feed::{Finding, Findings, Head, Job};
use crate::wire::positions::Positions;
use crate::wire::segment::Segment;

/// A segment to be read.
#[derive(Debug)]
pub struct Batch<'a> {
    /// The block that it is in.
    pub turn: Turn<'a>,
    /// The segment.
    pub segment: Segment<'a>,
    /// How its values are read.
    pub positions: Positions,
}

/// A block whose turn it is.
#[derive(Clone, Copy, Debug)]
pub struct Turn<'a> {
    /// Number of the block, from 0, over all files.
    pub number: u64,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// Entries that could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damaged {
    /// Their values reach beyond their end.
    pub entries: u64,
    /// They come behind one whose length is wrong.
    pub lost: u64,
}

/// A way of counting.
pub trait Counting: Sync {
    /// What a thread counts by itself.
    type Shard: Send;
    /// What must be counted in order.
    type Group: Send;

    /// How many groups there are.
    fn groups(&self) -> usize;
    /// An empty shard.
    fn shard(&self) -> Self::Shard;
    /// An empty group.
    fn group(&self, number: usize) -> Self::Group;
    /// Formats with fewer values than this have nothing to count.
    fn needed(&self) -> usize;
    /// Counts a segment's entries, and leaves in the shard what must be counted in order.
    fn read(&self, shard: &mut Self::Shard, batch: &Batch<'_>) -> Damaged;
    /// Takes from the shard what is for this group.
    ///
    /// # Errors
    ///
    /// What is printed on the way can't be.
    fn replay(&self, shard: &mut Self::Shard, turn: Turn<'_>, number: usize, group: &mut Self::Group)
    -> io::Result<()>;
}

/// What has been counted.
#[derive(Debug)]
pub struct Counted<S, G> {
    /// Of each thread.
    pub shards: Vec<S>,
    /// In order of their numbers.
    pub groups: Vec<G>,
    /// What was wrong with the input.
    pub findings: Findings,
}

/// Counts all jobs on so many threads; the caller's own is one of them only if it is the only one.
///
/// # Errors
///
/// What is printed on the way can't be.
pub fn run<C: Counting>(
    counting: &C,
    jobs: impl Iterator<Item = Job> + Send,
    threads: usize,
    since: Option<u32>,
) -> io::Result<Counted<C::Shard, C::Group>> {
    if threads < 2 { alone(counting, jobs, since) } else { together(counting, jobs, threads, since) }
}

/// On this thread. A segment is replayed at once, while it is near.
fn alone<C: Counting>(
    counting: &C,
    jobs: impl Iterator<Item = Job>,
    since: Option<u32>,
) -> io::Result<Counted<C::Shard, C::Group>> {
    let mut groups: Vec<C::Group> = (0..counting.groups()).map(|number| counting.group(number)).collect();
    let (mut shard, mut findings) = (counting.shard(), Findings::default());
    for job in jobs {
        let turn = Turn { number: job.number, bytes: &job.block.bytes };
        for at in 0..job.block.segments.len() {
            read(counting, &mut shard, &job, at, since, &mut findings);
            for (number, group) in groups.iter_mut().enumerate() {
                counting.replay(&mut shard, turn, number, group)?;
            }
        }
    }
    Ok(Counted { shards: vec![shard], groups, findings })
}

fn together<C: Counting>(
    counting: &C,
    jobs: impl Iterator<Item = Job> + Send,
    threads: usize,
    since: Option<u32>,
) -> io::Result<Counted<C::Shard, C::Group>> {
    let jobs = Mutex::new(jobs);
    let wave = Wave {
        groups: (0..counting.groups())
            .map(|number| (Mutex::new(Place { turn: 0, waiting: 0, group: counting.group(number) }), Condvar::new()))
            .collect(),
        stop: Mutex::default(),
    };
    let results: Vec<(C::Shard, Findings)> = std::thread::scope(|scope| {
        let (jobs, wave) = (&jobs, &wave);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(move || work(counting, jobs, wave, since))).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    if let Some(Some(error)) = wave.stop.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let (shards, findings): (Vec<_>, Vec<_>) = results.into_iter().unzip();
    let groups = wave.groups.into_iter();
    let groups = groups.map(|(place, _)| place.into_inner().unwrap_or_else(PoisonError::into_inner).group).collect();
    Ok(Counted { shards, groups, findings: findings.into_iter().fold(Findings::default(), Findings::and) })
}

/// A thread's life.
fn work<C: Counting>(
    counting: &C,
    jobs: &Mutex<impl Iterator<Item = Job>>,
    wave: &Wave<C::Group>,
    since: Option<u32>,
) -> (C::Shard, Findings) {
    let (mut shard, mut findings) = (counting.shard(), Findings::default());
    let _guard = StopOnPanic(wave);
    loop {
        // Jobs are taken in order, so the oldest one never waits for one that nobody has.
        let Some(job) = lock(jobs).next() else { break };
        for at in 0..job.block.segments.len() {
            read(counting, &mut shard, &job, at, since, &mut findings);
        }
        let turn = Turn { number: job.number, bytes: &job.block.bytes };
        if wave.pass(turn.number, |number, group| counting.replay(&mut shard, turn, number, group)).is_none() {
            break;
        }
    }
    (shard, findings)
}

/// Reads one segment of a block.
fn read<C: Counting>(
    counting: &C,
    shard: &mut C::Shard,
    job: &Job,
    at: usize,
    since: Option<u32>,
    findings: &mut Findings,
) {
    let Some(range) = job.block.segments.get(at) else { return };
    let offset = job.block.offset + range.start as u64;
    let segment = match Segment::parse(job.block.bytes.get(range.clone()).unwrap_or_default()) {
        Ok(segment) => segment,
        Err(error) => return findings.add(job.file, offset, Finding::Segment(error)),
    };
    let Some(Head { positions, field_list }) = job.head.as_deref() else { return };
    if since.is_some_and(|since| segment.timestamps().1 < since) {
        return;
    }
    if *segment.field_list() != **field_list {
        findings.add(job.file, offset, Finding::OtherFields(segment.field_list().into()));
    }
    if positions.count() < counting.needed() {
        return;
    }
    let turn = Turn { number: job.number, bytes: &job.block.bytes };
    let damaged = counting.read(shard, &Batch { turn, segment, positions: *positions });
    if damaged != Damaged::default() {
        findings.add(job.file, offset, Finding::Entries(damaged));
    }
}

/// The groups, and whose turn it is in each.
struct Wave<G> {
    groups: Vec<(Mutex<Place<G>>, Condvar)>,
    /// All threads are to stop; with the cause, if there is one.
    stop: Mutex<Option<Option<io::Error>>>,
}

struct Place<G> {
    turn: u64,
    /// Threads that wait for their turn: without any, nobody needs to be woken.
    waiting: usize,
    group: G,
}

impl<G> Wave<G> {
    /// Goes through all groups in the turn of block `turn`; `None` if all threads are to stop.
    fn pass(&self, turn: u64, mut replay: impl FnMut(usize, &mut G) -> io::Result<()>) -> Option<()> {
        for (number, (place, changed)) in self.groups.iter().enumerate() {
            let mut place = lock(place);
            while place.turn != turn {
                if lock(&self.stop).is_some() {
                    return None;
                }
                place.waiting += 1;
                place = changed.wait(place).unwrap_or_else(PoisonError::into_inner);
                place.waiting -= 1;
            }
            let result = replay(number, &mut place.group);
            place.turn += 1;
            let waiting = place.waiting;
            drop(place);
            if waiting > 0 {
                changed.notify_all();
            }
            if let Err(error) = result {
                self.stop(Some(error));
                return None;
            }
        }
        Some(())
    }

    fn stop(&self, cause: Option<io::Error>) {
        lock(&self.stop).get_or_insert(cause);
        for (place, changed) in &self.groups {
            // With the lock in hand nobody is between looking and waiting.
            let _place = lock(place);
            changed.notify_all();
        }
    }
}

/// A thread that panics takes the others along: they would wait for its turn to end.
struct StopOnPanic<'a, G>(&'a Wave<G>);

impl<G> Drop for StopOnPanic<'_, G> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop(None);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
