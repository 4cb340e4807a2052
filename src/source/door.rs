//! The door: accepts in one place, keeps to the limits, deals each connection to the least loaded worker, and writes the log of refusals.
//!
//! Traffic Server nodes hold few, long-lived connections, which the kernel's hashing over several listeners would balance badly.

use std::collections::{HashMap, hash_map::Entry};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;

use super::log::Refusals;
use super::tail::Tailed;
use super::{Limits, Stage};
use crate::clock::Clock;
use crate::tally::Cause;
use crate::tally::door::{Door, Refused};

/// A connection on its way to a worker.
#[derive(Debug)]
pub struct Accepted {
    /// The socket.
    pub stream: TcpStream,
    /// Address of the peer as text, without its port; mapped IPv4 as IPv4.
    pub peer: String,
    /// The same, to be given back when it closes.
    pub address: IpAddr,
}

/// What workers tell the door.
#[derive(Debug)]
pub enum Event {
    /// A connection has ended.
    Closed {
        /// Address of the peer.
        peer: String,
        /// The same, as it was given.
        address: IpAddr,
        /// Why it was refused, if it was.
        refused: Option<Cause>,
    },
    /// Segments were dropped, and the connection goes on.
    Dropped {
        /// Address of the peer.
        peer: String,
        /// The last cause.
        cause: Cause,
        /// How many.
        count: u64,
    },
}

/// How loaded a worker is: its connections, and the bytes they brought lately.
#[derive(Debug, Default)]
pub struct Load {
    connections: AtomicUsize,
    recent: AtomicU64,
    fresh: AtomicU64,
}

impl Load {
    /// Bytes were read. Only the worker itself calls this, so that a plain load and store will do.
    #[inline]
    pub fn read(&self, bytes: usize) {
        self.fresh.store(self.fresh.load(Ordering::Relaxed) + bytes as u64, Ordering::Relaxed);
    }

    /// Called about once a second: older bytes weigh less.
    pub fn age(&self) {
        let recent = self.recent.load(Ordering::Relaxed) * 7 / 8 + self.fresh.load(Ordering::Relaxed);
        self.recent.store(recent, Ordering::Relaxed);
        self.fresh.store(0, Ordering::Relaxed);
    }

    /// A connection has ended.
    pub fn closed(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What is dealt to a worker.
#[derive(Debug)]
pub enum Dealt {
    /// A connection.
    Connection(Accepted),
    /// A file that grows.
    File(Tailed),
    /// A pipe.
    Pipe(Tailed),
}

/// A worker, as whoever deals sees it.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Where to send what it shall read.
    pub dealt: UnboundedSender<Dealt>,
    /// Its load.
    pub load: Arc<Load>,
}

/// What the door is told.
pub struct Setup {
    /// Listening sockets.
    pub listeners: Vec<TcpListener>,
    /// Who reads.
    pub workers: Vec<Worker>,
    /// What they tell.
    pub events: UnboundedReceiver<Event>,
    /// What strangers may do.
    pub limits: Limits,
    /// The engine's clock.
    pub clock: Clock,
    /// Counters that the merger reads.
    pub door: Arc<Door>,
    /// Whether to stop.
    pub stopping: watch::Receiver<Stage>,
}

/// Starts the door's thread.
///
/// # Errors
///
/// If no thread or runtime can be had, or a listener can't be used.
pub fn spawn(setup: Setup) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listeners = {
        let _inside = runtime.enter();
        setup
            .listeners
            .iter()
            .map(|listener| tokio::net::TcpListener::from_std(listener.try_clone()?))
            .collect::<io::Result<Vec<_>>>()?
    };
    let mut keeper = Keeper {
        workers: setup.workers,
        limits: setup.limits,
        clock: setup.clock,
        door: setup.door,
        open: 0,
        by_address: HashMap::new(),
        refusals: Refusals::default(),
    };
    let (mut events, mut stopping) = (setup.events, setup.stopping);
    std::thread::Builder::new().name("door".into()).spawn(move || {
        runtime.block_on(async move {
            let mut listeners = listeners;
            let mut minute = tokio::time::interval(Duration::from_secs(10));
            loop {
                tokio::select! {
                    (accepted, at) = accept(&listeners) => match accepted {
                        Ok((stream, peer)) => keeper.admit(stream.into_std(), peer),
                        Err(error) => {
                            // Most often descriptors have run out; the listener stays readable, so pause.
                            tracing::warn!("can't accept on {:?}: {error}", listeners[at].local_addr().ok());
                            tokio::time::sleep(Duration::from_millis(100)).await;
                        }
                    },
                    event = events.recv() => match event {
                        Some(event) => keeper.hear(event),
                        None => return,
                    },
                    _ = minute.tick(), if !keeper.refusals.is_empty() => {
                        keeper.refusals.due(Instant::now()).iter().for_each(|line| tracing::warn!("{}", line.text()));
                    }
                    changed = stopping.changed() => {
                        let stage = if changed.is_ok() { *stopping.borrow_and_update() } else { Stage::End };
                        if stage == Stage::End {
                            return;
                        }
                        // Connections that wait to be accepted have sent bytes too.
                        for listener in listeners.drain(..) {
                            keeper.empty(listener);
                        }
                        keeper.workers.clear();
                    }
                }
            }
        });
    })
}

/// The next connection of any listener, and which.
async fn accept(listeners: &[tokio::net::TcpListener]) -> (io::Result<(tokio::net::TcpStream, SocketAddr)>, usize) {
    std::future::poll_fn(|context| {
        for (at, listener) in listeners.iter().enumerate() {
            if let std::task::Poll::Ready(accepted) = listener.poll_accept(context) {
                return std::task::Poll::Ready((accepted, at));
            }
        }
        std::task::Poll::Pending
    })
    .await
}

struct Keeper {
    workers: Vec<Worker>,
    limits: Limits,
    clock: Clock,
    door: Arc<Door>,
    open: usize,
    by_address: HashMap<IpAddr, usize>,
    refusals: Refusals,
}

impl Keeper {
    fn admit(&mut self, stream: io::Result<TcpStream>, peer: SocketAddr) {
        self.door.accept();
        let address = peer.ip().to_canonical();
        let of_address = self.by_address.get(&address).copied().unwrap_or(0);
        if self.open >= self.limits.connections || of_address >= self.limits.connections_per_address {
            self.door.limit();
            self.refuse(&address.to_string(), Cause::Limit, 1);
            return;
        }
        let stream = match stream.and_then(|stream| keep_alive(&stream).map(|()| stream)) {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!("{address}: the connection can't be used: {error}");
                return;
            }
        };
        if deal(&self.workers, Dealt::Connection(Accepted { stream, peer: address.to_string(), address })) {
            self.open += 1;
            *self.by_address.entry(address).or_default() += 1;
        }
    }

    /// Accepts what already waits, without waiting for more.
    fn empty(&mut self, listener: tokio::net::TcpListener) {
        if let Ok(listener) = listener.into_std() {
            while let Ok((stream, peer)) = listener.accept() {
                self.admit(Ok(stream), peer);
            }
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Closed { peer, address, refused } => {
                self.open = self.open.saturating_sub(1);
                if let Entry::Occupied(mut entry) = self.by_address.entry(address) {
                    *entry.get_mut() -= 1;
                    if *entry.get() == 0 {
                        entry.remove();
                    }
                }
                if let Some(cause) = refused {
                    self.refuse(&peer, cause, 1);
                }
            }
            Event::Dropped { peer, cause, count } => self.say(&peer, cause, count),
        }
    }

    fn refuse(&mut self, peer: &str, cause: Cause, count: u64) {
        // A cut is how a node that restarts ends: no refusal.
        if cause != Cause::Cut {
            self.door.refuse(Refused { at: self.clock.now(), peer: peer.into(), cause });
        }
        self.say(peer, cause, count);
    }

    fn say(&mut self, peer: &str, cause: Cause, count: u64) {
        if let Some(line) = self.refusals.refuse(peer, cause, count, Instant::now()) {
            tracing::warn!("{}", line.text());
        }
    }
}

/// Hands something to the least loaded worker; false if there is none any more.
pub fn deal(workers: &[Worker], dealt: Dealt) -> bool {
    let Some(worker) = least_loaded(workers) else { return false };
    worker.load.connections.fetch_add(1, Ordering::Relaxed);
    worker.dealt.send(dealt).is_ok()
}

/// The worker with the least load: bytes it reads now, and for each connection as much as a connection brings on average, so that
/// connections that were just accepted weigh too.
fn least_loaded(workers: &[Worker]) -> Option<&Worker> {
    let loads = workers.iter().map(|worker| {
        let recent = worker.load.recent.load(Ordering::Relaxed) + worker.load.fresh.load(Ordering::Relaxed);
        (worker.load.connections.load(Ordering::Relaxed) as u64, recent)
    });
    let (connections, bytes) = loads.clone().fold((0, 0), |(c, b), (connections, bytes)| (c + connections, b + bytes));
    let mean = bytes / connections.max(1) + 1;
    workers
        .iter()
        .zip(loads)
        .min_by_key(|(_, (connections, bytes))| connections * mean + bytes)
        .map(|(worker, _)| worker)
}

/// Finds peers that went without a word: after 60 s of silence four probes, 15 s apart.
fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    let keep_alive = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(15))
        .with_retries(4);
    socket2::SockRef::from(stream).set_tcp_keepalive(&keep_alive)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workers(loads: &[(usize, u64)]) -> Vec<Worker> {
        loads
            .iter()
            .map(|&(connections, recent)| {
                let load = Load { connections: connections.into(), recent: recent.into(), fresh: 0.into() };
                Worker { dealt: tokio::sync::mpsc::unbounded_channel().0, load: Arc::new(load) }
            })
            .collect()
    }

    fn choice(loads: &[(usize, u64)]) -> usize {
        let workers = workers(loads);
        let least = least_loaded(&workers).unwrap();
        workers.iter().position(|worker| std::ptr::eq(worker, least)).unwrap()
    }

    #[test]
    fn connections_go_to_the_least_loaded_worker() {
        assert_eq!(choice(&[(0, 0), (0, 0)]), 0);
        assert_eq!(choice(&[(1, 0), (0, 0)]), 1);
        assert_eq!(choice(&[(3, 10), (3, 1_000_000)]), 0);
        assert_eq!(choice(&[(1, 1_000_000), (2, 10)]), 1);
        assert_eq!(choice(&[(1, 1_000_000), (2, 1_000_000), (9, 0)]), 0);
    }

    #[test]
    fn eight_nodes_leave_none_of_four_workers_idle() {
        let workers = workers(&[(0, 0); 4]);
        for _ in 0..8 {
            least_loaded(&workers).unwrap().load.connections.fetch_add(1, Ordering::Relaxed);
        }
        assert!(workers.iter().all(|worker| worker.load.connections.load(Ordering::Relaxed) == 2));
    }
}
