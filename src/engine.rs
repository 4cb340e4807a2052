//! The engine: source, merger and page put together, started and stopped in order.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::merger::{self, Merger};
use crate::secret::Secret;
use crate::source::{self, Reader, Source};
use crate::tally::door::Door;
use crate::tally::{Caps, Filter, Rules, Statistics, table::Seed};

/// How long stopping waits for connections that go on sending.
const DRAIN: Duration = Duration::from_secs(2);

/// What the engine is told.
#[derive(Debug)]
pub struct Config {
    /// Bound collation listeners.
    pub collation: Vec<TcpListener>,
    /// Files to follow.
    pub tails: source::tail::Tails,
    /// How many workers.
    pub workers: usize,
    /// Cores to pin them to; empty: none.
    pub cores: Vec<usize>,
    /// How to read.
    pub reader: Reader,
    /// What a connection must say first.
    pub secret: Secret,
    /// What strangers may do.
    pub limits: source::Limits,
    /// The byte budget.
    pub memory: u64,
    /// What counts.
    pub rules: Rules,
    /// Which statistics are kept.
    pub statistics: Statistics,
    /// The engine's clock.
    pub clock: Clock,
    /// Filters that are kept from the start.
    pub filters: Vec<Filter>,
    /// Most live filters.
    pub filter_limit: usize,
}

/// A running engine, without its page.
#[derive(Debug)]
pub struct Engine {
    merger: Merger,
    source: Source,
    addresses: Vec<SocketAddr>,
}

impl Engine {
    /// Starts merger and source. The page is started by the caller, over [`Engine::handle`].
    ///
    /// # Errors
    ///
    /// If a thread, a runtime or a socket can't be had.
    pub fn start(config: Config) -> io::Result<Self> {
        let addresses = config.collation.iter().map(TcpListener::local_addr).collect::<io::Result<Vec<_>>>()?;
        let caps = Caps::new(config.memory, config.workers);
        let (seed, door) = (Seed::default(), Arc::new(Door::default()));
        let (merger, links) = Merger::spawn(merger::Config {
            workers: config.workers,
            caps,
            memory: config.memory,
            seed: seed.clone(),
            clock: config.clock.clone(),
            statistics: config.statistics,
            door: door.clone(),
            filters: config.filters,
            filter_limit: config.filter_limit,
        })?;
        let source = Source::spawn(source::Config {
            listeners: config.collation,
            tails: config.tails,
            links,
            cores: config.cores,
            reader: config.reader,
            secret: config.secret,
            limits: config.limits,
            caps,
            rules: config.rules,
            statistics: config.statistics,
            seed,
            clock: config.clock,
            door,
        })?;
        Ok(Self { merger, source, addresses })
    }

    /// Where it listens for collation.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The way to its numbers.
    pub fn handle(&self) -> merger::Handle {
        self.merger.handle()
    }

    /// Reads what has arrived, publishes it, and ends: nothing that was accepted is lost.
    pub fn stop(self) {
        self.source.drain(DRAIN);
        self.merger.stop();
        self.source.end();
    }
}
