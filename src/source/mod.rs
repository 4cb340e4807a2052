//! Where bytes come from: collation connections, read by one worker a core, and the only io_uring code.
//!
//! One thread accepts ([`door`]) and deals connections out; each worker ([`worker`]) owns its connections, its buffers and its tables.
//! What fills a buffer ([`reader`]: io_uring or epoll) does not matter to what happens with the bytes ([`session`], and [`text`] for logs
//! in text form). Growing files and pipes are found by [`tail`] and dealt out, too.
//! Commands read files as [`blocks`], and growing ones by [`follow`].

pub mod blocks;
pub mod buffer;
pub mod door;
pub mod file;
pub mod follow;
mod grown;
pub mod log;
pub mod reader;
pub mod session;
pub mod speaker;
pub mod tail;
pub mod text;
pub mod worker;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::secret::Secret;
use crate::tally::link::Link;
use crate::tally::table::Seed;
use crate::tally::{Caps, Rules, Statistics, door::Door};

pub use reader::{Choice, Reader};

/// Limits on what strangers may do; each is a setting.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open collation connections.
    pub connections: usize,
    /// Open collation connections of one address.
    pub connections_per_address: usize,
    /// Bytes of a segment.
    pub segment: usize,
    /// Time for the secret to arrive.
    pub auth: Duration,
    /// Time for a message that was begun.
    pub message: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            connections_per_address: 16_384,
            segment: 1 << 20,
            auth: Duration::from_secs(10),
            message: Duration::from_secs(60),
        }
    }
}

/// What the source is told.
#[derive(Debug)]
pub struct Config {
    /// Bound and listening.
    pub listeners: Vec<TcpListener>,
    /// Files to follow.
    pub tails: tail::Tails,
    /// One link to the merger for each worker.
    pub links: Vec<Link>,
    /// Cores to pin the workers to, in turn; empty: none.
    pub cores: Vec<usize>,
    /// How to read.
    pub reader: Reader,
    /// What a connection must say first.
    pub secret: Secret,
    /// What strangers may do.
    pub limits: Limits,
    /// Caps of the tables and buffers.
    pub caps: Caps,
    /// What counts.
    pub rules: Rules,
    /// Which statistics are kept.
    pub statistics: Statistics,
    /// The process's hash seed.
    pub seed: Seed,
    /// The engine's clock.
    pub clock: Clock,
    /// Counters that the merger reads.
    pub door: Arc<Door>,
}

/// The running source.
#[derive(Debug)]
pub struct Source {
    stop: watch::Sender<Stage>,
    threads: Vec<JoinHandle<()>>,
    door: JoinHandle<()>,
    tail: Option<JoinHandle<()>>,
    drained: std::sync::mpsc::Receiver<()>,
}

/// How far stopping has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Not at all.
    #[default]
    Run,
    /// No new connections; those there are read what has arrived, and end.
    Drain,
    /// The last part is handed over: end.
    End,
}

impl Source {
    /// Starts the workers and the door.
    ///
    /// # Errors
    ///
    /// If a thread or a runtime can't be had.
    pub fn spawn(config: Config) -> io::Result<Self> {
        let (stop, stopping) = watch::channel(Stage::Run);
        let (drained_sender, drained) = std::sync::mpsc::channel();
        let (events, event_receiver) = tokio::sync::mpsc::unbounded_channel();
        let mut threads = Vec::new();
        let mut handles = Vec::new();
        for (number, link) in config.links.into_iter().enumerate() {
            let (dealt, new) = tokio::sync::mpsc::unbounded_channel();
            let load = Arc::new(door::Load::default());
            let setup = worker::Setup {
                number,
                link,
                new,
                load: load.clone(),
                events: events.clone(),
                secret: config.secret.clone(),
                limits: config.limits,
                caps: config.caps,
                text: config.tails.text.clone(),
                rules: config.rules.clone(),
                statistics: config.statistics,
                seed: config.seed.clone(),
                clock: config.clock.clone(),
                stopping: stopping.clone(),
                drained: drained_sender.clone(),
            };
            let core = (!config.cores.is_empty()).then(|| config.cores[number % config.cores.len()]);
            let reader = config.reader.clone();
            let (ready_sender, ready) = std::sync::mpsc::channel();
            let thread = std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
                if let Some(core) = core {
                    pin(core);
                }
                step_back();
                worker::run(setup, &reader, &ready_sender);
            })?;
            ready.recv().map_err(|_| io::Error::other("a worker ended before it began"))??;
            threads.push(thread);
            handles.push(door::Worker { dealt, load });
        }
        let tail = tail::spawn(config.tails, handles.clone(), stopping.clone())?;
        let door = door::spawn(door::Setup {
            listeners: config.listeners,
            workers: handles,
            events: event_receiver,
            limits: config.limits,
            clock: config.clock,
            door: config.door,
            stopping,
        })?;
        Ok(Self { stop, threads, door, tail, drained })
    }

    /// Closes the listeners and reads what has arrived; gives up on connections that go on sending after `patience`.
    pub fn drain(&self, patience: Duration) {
        self.stop.send_replace(Stage::Drain);
        let deadline = std::time::Instant::now() + patience;
        for _ in &self.threads {
            // A worker that isn't done by then is ended with what it has.
            let _ = self.drained.recv_timeout(deadline.saturating_duration_since(std::time::Instant::now()));
        }
    }

    /// Ends all threads. The merger must have taken the last parts.
    pub fn end(self) {
        self.stop.send_replace(Stage::End);
        for thread in self.threads {
            // A worker that panicked has said so.
            let _ = thread.join();
        }
        let _ = self.door.join();
        if let Some(tail) = self.tail {
            let _ = tail.join();
        }
    }
}

/// Binds a collation address: both families for `[::]`, and no second daemon on the same port.
///
/// # Errors
///
/// As the system has it.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    // Never SO_REUSEPORT: a second daemon would take half the connections without an error.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

fn pin(core: usize) {
    let mut set = rustix::thread::CpuSet::new();
    if core < rustix::thread::CpuSet::MAX_CPU {
        set.set(core);
        if let Err(error) = rustix::thread::sched_setaffinity(None, &set) {
            tracing::warn!("can't pin a worker to core {core}: {error}; it runs where the kernel likes");
        }
    }
}

/// How far a worker steps back: a third of the weight of others.
const STEP: i32 = 5;

/// The calling thread lets others go first where cores are short. A worker reads all that it can get, and would have the merger's tick and
/// those who look wait for it, which take little.
fn step_back() {
    use rustix::process::{getpriority_process, setpriority_process};
    let thread = Some(rustix::thread::gettid());
    if let Ok(priority) = getpriority_process(thread) {
        // Going back is always allowed; without it, all stay equal.
        let _ = setpriority_process(thread, priority + STEP);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_thread_that_asks_steps_back() {
        let priority = || rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap();
        let before = priority();
        std::thread::spawn(move || {
            step_back();
            assert_eq!(priority(), (before + STEP).min(19));
        })
        .join()
        .unwrap();
        assert_eq!(priority(), before);
    }
}
