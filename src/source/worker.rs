//! A worker: one thread, one runtime, its connections, its buffers and its tables. Nothing of it is shared.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::Shutdown;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};

use super::buffer::{Budget, Buffer};
use super::door::{Accepted, Dealt, Event, Load};
use super::reader::{Epoll, Reader, Socket, Uring, uring_runtime};
use super::session::{Session, Shared};
use super::tail::TextLogs;
use super::{Limits, Stage};
use crate::clock::Clock;
use crate::secret::Secret;
use crate::tally::link::{Link, Wanted};
use crate::tally::rejected::Amount;
use crate::tally::table::Seed;
use crate::tally::{Caps, Cause, Rules, Shard, Statistics};
use crate::wire::format::Formats;

/// A stopping engine holds a connection for ended when it has read nothing for so long.
const QUIET: Duration = Duration::from_millis(100);

/// What a worker is told.
pub struct Setup {
    /// Its number.
    pub number: usize,
    /// To the merger.
    pub link: Link,
    /// Connections and files dealt to it.
    pub new: UnboundedReceiver<Dealt>,
    /// What it tells the door of its load.
    pub load: Arc<Load>,
    /// What it tells the door of its connections.
    pub events: UnboundedSender<Event>,
    /// What a connection must say first.
    pub secret: Secret,
    /// What strangers may do.
    pub limits: Limits,
    /// Caps of tables and buffers.
    pub caps: Caps,
    /// What is to be known of text logs.
    pub text: Arc<TextLogs>,
    /// What counts.
    pub rules: Rules,
    /// Which statistics are kept.
    pub statistics: Statistics,
    /// The process's hash seed.
    pub seed: Seed,
    /// The engine's clock.
    pub clock: Clock,
    /// Whether to stop.
    pub stopping: watch::Receiver<Stage>,
    /// Told once all connections have been read to their end.
    pub drained: mpsc::Sender<()>,
}

/// Runs a worker in this thread until it is told to end. Tells `ready` once its runtime stands.
pub fn run(setup: Setup, reader: &Reader, ready: &mpsc::Sender<io::Result<()>>) {
    // Whoever started the worker waits for its word.
    let say = |word| drop(ready.send(word));
    match reader {
        Reader::Uring => match uring_runtime() {
            Ok(runtime) => {
                say(Ok(()));
                // It has a set of local tasks of its own.
                runtime.block_on(work::<Uring>(setup));
            }
            Err(error) => say(Err(error)),
        },
        Reader::Epoll { .. } => match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => {
                say(Ok(()));
                LocalSet::new().block_on(&runtime, work::<Epoll>(setup));
            }
            Err(error) => say(Err(error)),
        },
    }
}

/// What the tasks of one worker share.
pub(super) struct Worker {
    pub(super) shared: RefCell<Shared>,
    pub(super) budget: Budget,
    pub(super) secret: Secret,
    pub(super) limits: Limits,
    pub(super) clock: Clock,
    pub(super) load: Arc<Load>,
    pub(super) events: UnboundedSender<Event>,
    pub(super) text: Arc<TextLogs>,
    pub(super) stopping: watch::Receiver<Stage>,
    waiting: RefCell<Vec<Rc<dyn Waiting>>>,
}

/// A connection whose patience may run out.
trait Waiting {
    /// Ends the connection if what it waits for is overdue. False once the connection is gone.
    fn sweep(&self, now: Instant, limits: &Limits) -> bool;

    /// The engine stops: ends the connection if it has read nothing since the last call.
    fn drain(&self);
}

/// One connection, as the sweep sees it.
struct Wait<S> {
    socket: Rc<S>,
    /// Since when it waits for the end of a message, and for which.
    since: Cell<Option<(Instant, Cause)>>,
    /// Why it is being ended.
    doomed: Cell<Option<Cause>>,
    gone: Cell<bool>,
    /// Reads that brought something, and how many there were at the last look of a stopping engine.
    reads: Cell<u64>,
    seen: Cell<Option<u64>>,
}

impl<S: Socket> Waiting for Wait<S> {
    fn sweep(&self, now: Instant, limits: &Limits) -> bool {
        if let (Some((since, cause)), None) = (self.since.get(), self.doomed.get()) {
            let limit = if cause == Cause::AuthTimeout { limits.auth } else { limits.message };
            if now.duration_since(since) >= limit {
                self.doomed.set(Some(cause));
                self.socket.shutdown(Shutdown::Both);
            }
        }
        !self.gone.get()
    }

    fn drain(&self) {
        // What a node has written may still be on its way through the sockets' buffers: only one that is quiet is at its end.
        // What is in the socket by then can still be read.
        if self.seen.replace(Some(self.reads.get())) == Some(self.reads.get()) {
            self.socket.shutdown(Shutdown::Read);
        }
    }
}

async fn work<S: Socket>(setup: Setup) {
    let Setup {
        number,
        mut link,
        mut new,
        load,
        events,
        secret,
        limits,
        caps,
        text,
        rules,
        statistics,
        seed,
        clock,
        mut stopping,
        drained,
    } = setup;
    let shard = Shard::new(number, &caps, &seed).with_rules(rules).with_statistics(statistics);
    let worker = Rc::new(Worker {
        shared: RefCell::new(Shared { shard, formats: Formats::default() }),
        budget: Budget::new(caps.connection_bytes),
        secret,
        limits,
        clock,
        load,
        events,
        text,
        stopping: stopping.clone(),
        waiting: RefCell::default(),
    });
    // Those from the start take all that comes.
    worker.set_filters(&link.newest().filters);
    let mut connections = JoinSet::new();
    // Real time, whatever the engine's clock: a driven clock may stand still.
    let (every, mut swept) = (sweep_every(&limits), Instant::now());
    // Ticks that this worker has answered, and full ones.
    let (mut answered, mut answered_full) = (0, 0);
    let (mut dealt, mut draining, mut next_look) = (true, false, Instant::now());
    loop {
        // All arms wait on things that lose nothing when they are dropped.
        tokio::select! {
            more = new.recv(), if dealt => match more {
                Some(Dealt::Connection(accepted)) => worker.begin::<S>(accepted, &mut connections),
                Some(Dealt::File(tailed)) => worker.follow::<S::File>(tailed, &mut connections),
                Some(Dealt::Pipe(tailed)) => worker.pipe(tailed, &mut connections),
                None => dealt = false,
            },
            request = link.tick() => {
                let Some(request) = request else { return };
                // An idle worker wakes for ticks only: the sweep takes the same wake-up.
                if swept.elapsed() >= every {
                    worker.sweep();
                    swept = Instant::now();
                }
                worker.sample_below(request.sample_below);
                // A request that only opens a filter asks for nothing new.
                if request.tick > answered && let Some(mut part) = link.spare() {
                    let full = request.full_tick > answered_full;
                    worker.hand_over(&mut part, request.tick, full);
                    answered_full = request.full_tick.max(answered_full);
                    answered = request.tick;
                    link.send(part);
                }
                worker.set_filters(&request.filters);
            }
            _ = tokio::time::sleep_until((swept + every * 2).into()) => {
                worker.sweep();
                swept = Instant::now();
            }
            Some(_) = connections.join_next() => {}
            changed = stopping.changed() => {
                let stage = if changed.is_ok() { *stopping.borrow_and_update() } else { Stage::End };
                if stage == Stage::End {
                    return;
                }
                draining = true;
            }
            _ = tokio::time::sleep_until(next_look.into()), if draining => {
                worker.waiting.borrow().iter().for_each(|waiting| waiting.drain());
                next_look = Instant::now() + QUIET;
            }
        }
        // The door deals out what it still found, and goes.
        if draining && !dealt && connections.is_empty() {
            // Whoever waits may have gone.
            let _ = drained.send(());
            draining = false;
        }
    }
}

/// Often enough for the shortest limit, and never more than once a second otherwise.
fn sweep_every(limits: &Limits) -> Duration {
    (limits.auth.min(limits.message) / 4).clamp(Duration::from_millis(20), Duration::from_secs(1))
}

impl Worker {
    fn begin<S: Socket>(self: &Rc<Self>, accepted: Accepted, connections: &mut JoinSet<()>) {
        let Ok(buffer) = Buffer::new(&self.budget) else {
            let amount = Amount { connections: 1, ..Amount::default() };
            self.shared.borrow_mut().shard.reject(Cause::Limit, &amount, None);
            self.end(&accepted.peer, accepted.address, Some(Cause::Limit));
            return;
        };
        let socket = match S::new(accepted.stream) {
            Ok(socket) => Rc::new(socket),
            Err(error) => {
                tracing::warn!("{}: the connection can't be read: {error}", accepted.peer);
                self.end(&accepted.peer, accepted.address, None);
                return;
            }
        };
        let wait = Rc::new(Wait {
            socket,
            since: Cell::new(Some((Instant::now(), Cause::AuthTimeout))),
            doomed: Cell::new(None),
            gone: Cell::new(false),
            reads: Cell::new(0),
            seen: Cell::new(None),
        });
        self.waiting.borrow_mut().push(wait.clone());
        let worker = self.clone();
        connections.spawn_local(async move {
            let mut session = Session::new(accepted.peer, worker.limits.segment);
            let cause = worker.serve(&wait, &mut session, buffer).await;
            wait.gone.set(true);
            // The sweep still holds the socket for a moment; the peer must not wait for it.
            wait.socket.shutdown(Shutdown::Both);
            worker.log_dropped(session.peer().to_owned(), session.take_dropped());
            worker.end(session.peer(), accepted.address, cause);
        });
    }

    /// Reads one connection to its end; gives why it was refused, if it was.
    async fn serve<S: Socket>(&self, wait: &Rc<Wait<S>>, session: &mut Session, mut buffer: Buffer) -> Option<Cause> {
        loop {
            let (read, bytes) = wait.socket.clone().read(buffer.take()).await;
            let count = *read.as_ref().unwrap_or(&0);
            buffer.put(bytes, count);
            if count == 0 {
                // The peer's end, an error, a limit, or the engine's stop.
                return session.end(buffer.bytes(), wait.doomed.get(), &mut self.shared.borrow_mut());
            }
            self.load.read(count);
            wait.reads.set(wait.reads.get() + 1);
            let now = self.clock.now();
            let shared = &mut *self.shared.borrow_mut();
            shared.shard.read(count);
            let taken = session.take(buffer.bytes(), &self.secret, shared, now);
            if taken.close.is_some() {
                session.leave(shared);
                return taken.close;
            }
            if buffer.consume(taken.used, taken.needed).is_err() {
                return session.end(buffer.bytes(), Some(Cause::Limit), shared);
            }
            wait.since.set(match (session.is_authenticated(), buffer.bytes().is_empty()) {
                (false, _) => wait.since.get(),
                (true, true) => None,
                (true, false) if taken.used > 0 || wait.since.get().is_none() => {
                    Some((Instant::now(), Cause::MessageTimeout))
                }
                (true, false) => wait.since.get(),
            });
            self.log_dropped(session.peer().to_owned(), session.take_dropped());
        }
    }

    pub(super) fn log_dropped(&self, peer: String, dropped: Option<(Cause, u64)>) {
        if let Some((cause, count)) = dropped {
            // The door has gone only when all ends.
            let _ = self.events.send(Event::Dropped { peer, cause, count });
        }
    }

    fn end(&self, peer: &str, address: std::net::IpAddr, refused: Option<Cause>) {
        self.load.closed();
        // The door has gone only when all ends.
        let _ = self.events.send(Event::Closed { peer: peer.into(), address, refused });
    }

    fn sweep(&self) {
        let now = Instant::now();
        self.waiting.borrow_mut().retain(|waiting| waiting.sweep(now, &self.limits));
        self.load.age();
    }

    fn sample_below(&self, threshold: u64) {
        self.shared.borrow_mut().shard.sample_below(threshold);
    }

    fn set_filters(&self, wanted: &[Wanted]) {
        self.shared.borrow_mut().shard.set_filters(wanted, self.clock.now());
    }

    fn hand_over(&self, part: &mut crate::tally::Part, tick: u64, full: bool) {
        self.shared.borrow_mut().shard.hand_over(part, tick, full);
        part.buffer_bytes = self.budget.used() as u64;
        part.cpu_ns = thread_cpu_ns();
    }
}

/// Nanoseconds of CPU that this thread has used.
fn thread_cpu_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
