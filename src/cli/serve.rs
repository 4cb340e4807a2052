//! `visulate serve`: options, addresses, and the life of the engine until it is told to stop.

use std::io::{self, IsTerminal};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::listen::{browsable, collation_listeners, listeners, own_address};
use super::size::Size;
use super::{USAGE, complain, config};
use crate::clock::Clock;
use crate::engine::{self, Engine};
use crate::page::{self, Page};
use crate::secret::{FindError, Secret, SecretArgs};
use crate::source::tail::{Local, Tails, TextLogs};
use crate::source::{self, Choice, Reader};
use crate::system;
use crate::tally::{self, Dimension, Filter, HostFrom, Mask, Rules};
use crate::wire::line::LineFormats;
use crate::wire::template;
use crate::zone;

/// Port of log collation.
pub const COLLATION_PORT: u16 = 8085;

/// Port of the page.
pub const PAGE_PORT: u16 = 6011;

/// Options of the engine.
#[derive(Clone, Debug, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ServeArgs {
    /// Where Traffic Servers send their logs; repeatable [default: port 8085 of all addresses, IPv6 and IPv4]
    #[arg(long, value_name = "ADDR")]
    pub collation: Vec<String>,

    /// Where the page listens; repeatable. Anybody who reaches it can read it [default: 127.0.0.1:6011]
    #[arg(long, value_name = "ADDR")]
    pub http: Vec<String>,

    /// Growing log to follow, across rotation, from its end on: binary (.blog) or text; may be a pattern in quotes; repeatable. This is how
    /// Traffic Server 9 and later are read, which no longer send their logs
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub tail: Vec<String>,

    /// Read followed files that are there at the start from their start
    #[arg(long)]
    pub from_start: bool,

    /// Named pipe to read, to which Traffic Server writes text lines (mode: ascii_pipe); repeatable
    #[arg(long, value_name = "FILE")]
    pub pipe: Vec<String>,

    /// Format of text logs in --tail and --pipe: a name such as squid, common, extended or extended2, or a format string
    /// `'%<chi> …'` as in logging.yaml; repeatable: the one that fits is taken [default: those that come with Traffic Server]
    #[arg(long, value_name = "S")]
    pub format: Vec<String>,

    /// Host name under which browsers may ask for the page, besides addresses, localhost and this machine's name; repeatable
    #[arg(long, value_name = "NAME")]
    pub allow_host: Vec<String>,

    /// Origin whose pages may open the live stream, such as `https://wall.example`; repeatable
    #[arg(long, value_name = "ORIGIN")]
    pub allow_origin: Vec<String>,

    /// File whose first line is the secret that nodes send (proxy.config.log.collation_secret); without it the variable
    /// VISULATE_SECRET, then Traffic Server's default
    #[arg(long, value_name = "F")]
    pub secret_file: Option<PathBuf>,

    /// The secret; for tests, since every local user can read the command line
    #[arg(long, value_name = "S", conflicts_with = "secret_file", value_parser = crate::secret::parse)]
    pub secret: Option<Secret>,

    /// Reading threads, each on a core of its own [default: one for each usable core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub workers: Option<u32>,

    /// How to read sockets: auto takes io_uring, or epoll where it can't be had [default: auto]
    #[arg(long, value_name = "HOW")]
    pub reader: Option<ReaderArg>,

    /// Memory for everything that input can grow, such as 256M or 2G [default: a quarter of what this process may use]
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Size>,

    /// Which statistics to keep [default: all]
    #[arg(long, value_name = "WHICH")]
    pub statistics: Option<Statistics>,

    /// Folder of this engine's data; created if need be, and locked
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Whose host counts where Traffic Server maps one to another, as reverse proxies do: client takes what the client asked for, from the
    /// first of cquuh, cquuc, {Host}cqh that the log has; origin what Traffic Server asked for [default: origin]
    #[arg(long, value_name = "WHOSE")]
    pub host_from: Option<HostFromArg>,

    /// Log object whose entries count, by its file's name with or without the ending, where nodes send several with the same requests;
    /// repeatable. Entries of others are received and not counted [default: all count]
    #[arg(long, value_name = "NAME")]
    pub count_log: Vec<String>,

    /// Prefix lengths of the client addresses that are counted, IPv4 and IPv6: with 24/64 the other bits become 0 before anything is counted
    /// or kept [default: 32/128]
    #[arg(long, value_name = "V4/V6")]
    pub mask_clients: Option<Mask>,

    /// What to count apart from the start, besides all: KIND:VALUE, several with a comma between; values of one kind are or, kinds are and.
    /// Kinds are client, network, site, host, url, user, server, status, result, route, method, type, extension, scheme, node, format; a
    /// comma within a value is \x2c. Repeatable: each is a filter of its own
    #[arg(long, value_name = "KIND:VALUE[,…]")]
    pub filter: Vec<String>,

    /// Most filters that are counted at once, those of --filter and those that pages open [default: 32]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=256))]
    pub max_filters: Option<u32>,

    /// How many nodes should be there: those never seen are counted as missing
    #[arg(long, value_name = "N")]
    pub expect_nodes: Option<u32>,

    /// Longest segment that is taken; log_buffer_size of the nodes, at most 64M [default: 1M]
    #[arg(long, value_name = "SIZE")]
    pub max_segment: Option<Size>,

    /// Most collation connections [default: 16384]
    #[arg(long, value_name = "N")]
    pub max_connections: Option<u32>,

    /// Most collation connections of one address [default: 16384]
    #[arg(long, value_name = "N")]
    pub max_connections_per_address: Option<u32>,

    /// Most browsers [default: 1024]
    #[arg(long, value_name = "N")]
    pub max_browsers: Option<u32>,

    /// Most views of one browser [default: 48]
    #[arg(long, value_name = "N")]
    pub max_views: Option<u32>,

    /// Most HTTP connections, those of browsers' live streams not counted [default: 2048]
    #[arg(long, value_name = "N")]
    pub max_http_connections: Option<u32>,

    /// Seconds that a node has for its secret [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub auth_timeout: Option<f64>,

    /// Seconds that a message may take once it is begun [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub message_timeout: Option<f64>,

    /// Configuration file: TOML with the names of these options; what the command line says goes first
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,

    /// What is logged to the standard error: error, warn, info, debug, or a filter such as visulate=debug [default: info]
    #[arg(long, value_name = "L")]
    pub log_level: Option<String>,
}

/// `--reader`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReaderArg {
    /// io_uring, or epoll where it can't be had
    Auto,
    /// io_uring, or an error
    Uring,
    /// epoll
    Epoll,
}

/// `--host-from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HostFromArg {
    /// The host that the client asked for
    Client,
    /// The host that Traffic Server asked for
    Origin,
}

impl From<HostFromArg> for HostFrom {
    fn from(arg: HostFromArg) -> Self {
        match arg {
            HostFromArg::Client => Self::Client,
            HostFromArg::Origin => Self::Origin,
        }
    }
}

/// `--statistics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Statistics {
    /// Totals, clients, sites, hosts, client x site, codes, methods, types, routes, nodes
    Base,
    /// Windows too: one minute to 24 hours, series, distributions
    All,
}

impl From<Statistics> for tally::Statistics {
    fn from(arg: Statistics) -> Self {
        match arg {
            Statistics::Base => Self::Base,
            Statistics::All => Self::All,
        }
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|seconds| (0.01..=86_400.0).contains(seconds))
        .ok_or_else(|| format!("{text:?} is not a number of seconds from 0.01 to 86400"))
}

impl ServeArgs {
    /// These options, with those of `other` where they are open.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let list = |own: Vec<String>, other: Vec<String>| if own.is_empty() { other } else { own };
        Self {
            collation: list(self.collation, other.collation),
            http: list(self.http, other.http),
            tail: list(self.tail, other.tail),
            pipe: list(self.pipe, other.pipe),
            format: list(self.format, other.format),
            from_start: self.from_start || other.from_start,
            allow_host: list(self.allow_host, other.allow_host),
            allow_origin: list(self.allow_origin, other.allow_origin),
            // A file on the command line goes before a secret in the configuration.
            secret: self.secret.or(if self.secret_file.is_some() { None } else { other.secret }),
            secret_file: self.secret_file.or(other.secret_file),
            workers: self.workers.or(other.workers),
            reader: self.reader.or(other.reader),
            memory: self.memory.or(other.memory),
            statistics: self.statistics.or(other.statistics),
            data_dir: self.data_dir.or(other.data_dir),
            host_from: self.host_from.or(other.host_from),
            count_log: list(self.count_log, other.count_log),
            mask_clients: self.mask_clients.or(other.mask_clients),
            filter: list(self.filter, other.filter),
            max_filters: self.max_filters.or(other.max_filters),
            expect_nodes: self.expect_nodes.or(other.expect_nodes),
            max_segment: self.max_segment.or(other.max_segment),
            max_connections: self.max_connections.or(other.max_connections),
            max_connections_per_address: self.max_connections_per_address.or(other.max_connections_per_address),
            max_browsers: self.max_browsers.or(other.max_browsers),
            max_views: self.max_views.or(other.max_views),
            max_http_connections: self.max_http_connections.or(other.max_http_connections),
            auth_timeout: self.auth_timeout.or(other.auth_timeout),
            message_timeout: self.message_timeout.or(other.message_timeout),
            config: self.config,
            log_level: self.log_level.or(other.log_level),
        }
    }

    fn limits(&self) -> source::Limits {
        let default = source::Limits::default();
        let count = |given: Option<u32>, default: usize| given.map_or(default, |count| count as usize);
        let time = |given: Option<f64>, default| given.map_or(default, Duration::from_secs_f64);
        source::Limits {
            connections: count(self.max_connections, default.connections),
            connections_per_address: count(self.max_connections_per_address, default.connections_per_address),
            segment: self.max_segment.map_or(default.segment, |size| size.0.clamp(4096, 64 << 20) as usize),
            auth: time(self.auth_timeout, default.auth),
            message: time(self.message_timeout, default.message),
        }
    }

    fn rules(&self) -> Rules {
        Rules {
            host_from: self.host_from.map_or_else(HostFrom::default, HostFrom::from),
            mask: self.mask_clients,
            logs: self.count_log.clone().into(),
        }
    }

    fn filters(&self) -> Result<Vec<Filter>, Failure> {
        let statistics = self.statistics.map_or_else(tally::Statistics::default, Into::into);
        let filters = self.filter.iter().map(|list| {
            let wrong = |reason: &str, allowed: &[String]| {
                Failure::usage(format!("--filter {list}: {reason}; what works: {}", allowed.join(", ")))
            };
            let filter = Filter::parse_list(list).map_err(|error| wrong(&error.reason, &error.allowed))?;
            if statistics == tally::Statistics::Base && !filter.is_of_base() {
                let base = Dimension::BASE.map(|dimension| dimension.name().to_owned());
                return Err(wrong("--statistics base does not keep that kind", &base));
            }
            Ok(filter)
        });
        filters.collect()
    }

    fn page_limits(&self) -> page::Limits {
        let default = page::Limits::default();
        let count = |given: Option<u32>, default: usize| given.map_or(default, |count| count as usize);
        page::Limits {
            browsers: count(self.max_browsers, default.browsers),
            views: count(self.max_views, default.views),
            http_connections: count(self.max_http_connections, default.http_connections),
            ..default
        }
    }
}

/// Why the engine did not start, and the exit code.
pub struct Failure(pub String, pub u8);

impl Failure {
    /// A failure with exit code 1.
    pub(super) fn failed(text: impl std::fmt::Display) -> Self {
        Self(text.to_string(), 1)
    }

    /// One of usage, with exit code 2.
    pub(super) fn usage(text: impl std::fmt::Display) -> Self {
        Self(text.to_string(), USAGE)
    }
}

/// An engine with its page.
pub struct Running {
    /// Source and merger.
    pub engine: Engine,
    /// The page.
    pub page: Page,
    /// What nodes must say.
    pub secret: Secret,
    _lock: Option<std::fs::File>,
}

impl Running {
    /// Stops all in order: what has arrived is read and counted, then browsers are told.
    pub fn stop(self) {
        let handle = self.engine.handle();
        self.engine.stop();
        self.page.stop();
        if let Err(error) = self.page.join() {
            tracing::warn!("the page did not end well: {error}");
        }
        let last = handle.snapshot();
        tracing::info!(
            "stopped: {} entries received, {} requests, {} bytes of log stream",
            last.entries.received(),
            last.entries.requests,
            last.stream_bytes
        );
    }
}

/// Runs `visulate serve`.
pub fn run(args: ServeArgs) -> ExitCode {
    let started = prepare(args).and_then(|args| Ok((Signals::catch()?, start(&args, Clock::wall())?)));
    let (signals, running) = match started {
        Ok(started) => started,
        Err(Failure(text, code)) => return complain(&text, code),
    };
    signals.wait(std::future::pending::<()>());
    running.stop();
    ExitCode::SUCCESS
}

/// Fills in the configuration file, and starts the log.
pub fn prepare(args: ServeArgs) -> Result<ServeArgs, Failure> {
    let args = match args.config.clone() {
        Some(path) => config::fill(args, &path).map_err(Failure::usage)?,
        None => args,
    };
    let level = args.log_level.as_deref().unwrap_or("info");
    let filter = tracing_subscriber::EnvFilter::try_new(level)
        .map_err(|error| Failure::usage(format!("--log-level {level}: {error}")))?;
    // Only the first call in a process takes effect.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .try_init();
    Ok(args)
}

/// Starts the engine and its page.
pub fn start(args: &ServeArgs, clock: Clock) -> Result<Running, Failure> {
    system::raise_limits();
    if args.count_log.iter().any(String::is_empty) {
        return Err(Failure::usage("--count-log: give the name of a log object, such as squid.blog"));
    }
    let secret = secret(args)?;
    let lock = args.data_dir.as_deref().map(lock).transpose()?;
    let choice = match args.reader {
        None | Some(ReaderArg::Auto) => Choice::Auto,
        Some(ReaderArg::Uring) => Choice::Uring,
        Some(ReaderArg::Epoll) => Choice::Epoll,
    };
    let reader = Reader::probe(choice).map_err(Failure::failed)?;
    tracing::info!("reading by {}", reader.describe());
    let tails = tails(args)?;
    let collation = collation_listeners(&args.collation)?;
    let http = listeners("--http", &args.http, PAGE_PORT, &[SocketAddr::from((Ipv4Addr::LOCALHOST, PAGE_PORT))])?;
    let cores = system::usable_cores();
    let workers = args.workers.map_or(cores.len(), |workers| workers as usize);
    let memory = args.memory.map_or_else(|| system::usable_memory() / 4, |size| size.0);

    let addresses = |listeners: &[TcpListener]| -> Vec<SocketAddr> {
        listeners.iter().filter_map(|l| l.local_addr().ok()).collect()
    };
    let (collation_at, http_at) = (addresses(&collation), addresses(&http));
    let exposed = |at: &[SocketAddr]| at.iter().any(|address| !address.ip().to_canonical().is_loopback());
    let info = page::Info {
        version: env!("CARGO_PKG_VERSION").into(),
        start: format!("{:016x}", rand::random::<u64>()),
        host_name: system::host_name(),
        collation_addresses: collation_at.iter().map(ToString::to_string).collect(),
        page_addresses: http_at.iter().map(ToString::to_string).collect(),
        own_address: own_address(&collation_at),
        secret_is_default: secret.is_default(),
        default_secret_exposed: secret.is_default() && exposed(&collation_at),
        page_exposed: exposed(&http_at),
        reader: reader.describe(),
        expect_nodes: args.expect_nodes.unwrap_or(0),
        rules: args.rules(),
    };
    if info.default_secret_exposed {
        tracing::warn!(
            "collation listens beyond loopback with Traffic Server's default secret: anybody who reaches it can add records; give --secret-file"
        );
    }
    if info.page_exposed {
        tracing::warn!("the page listens beyond loopback: anybody who reaches it can read it");
    }
    let engine = Engine::start(engine::Config {
        collation,
        tails,
        workers,
        cores,
        reader,
        secret: secret.clone(),
        limits: args.limits(),
        memory,
        rules: args.rules(),
        statistics: args.statistics.map_or_else(tally::Statistics::default, Into::into),
        clock,
        filters: args.filters()?,
        filter_limit: args.max_filters.map_or(crate::merger::filters::LIMIT, |most| most as usize),
    })
    .map_err(|error| Failure::failed(format!("the engine can't start: {error}")))?;
    let ready = Arc::new(AtomicBool::new(false));
    let local = zone::local();
    let config = page::Config {
        zone: page::Zone(Arc::new(move |unix| zone::offset(&local, unix))),
        listeners: http,
        allow_hosts: args.allow_host.clone(),
        allow_origins: args.allow_origin.clone(),
        limits: args.page_limits(),
        info,
        ready: ready.clone(),
    };
    let page = page::spawn(config, engine.handle())
        .map_err(|error| Failure::failed(format!("the page can't start: {error}")))?;
    ready.store(true, Ordering::Release);
    for address in &collation_at {
        tracing::info!(
            "log collation on {address}, {workers} workers, at most {} MiB of memory for what they count",
            memory >> 20
        );
    }
    for address in &http_at {
        tracing::info!("the page is at http://{}", browsable(*address));
    }
    Ok(Running { engine, page, secret, _lock: lock })
}

/// What to follow, and how its lines are read.
fn tails(args: &ServeArgs) -> Result<Tails, Failure> {
    let mut formats = Vec::new();
    for text in &args.format {
        let parsed = template::parse_or_named(text);
        formats.extend(parsed.map_err(|error| Failure::usage(format!("--format {text}: {error}")))?);
    }
    LineFormats::new(formats.clone()).map_err(|error| Failure::usage(format!("--format: {error}")))?;
    for text in &args.tail {
        glob::Pattern::new(text).map_err(|error| Failure::usage(format!("--tail {text}: {error}")))?;
    }
    Ok(Tails {
        patterns: args.tail.clone(),
        from_start: args.from_start,
        pipes: args.pipe.clone(),
        text: Arc::new(TextLogs { name: system::host_name(), formats, local: Local(zone::at) }),
    })
}

fn secret(args: &ServeArgs) -> Result<Secret, Failure> {
    if args.secret.is_some() {
        tracing::warn!("every local user can read --secret on the command line: it is for tests; give --secret-file");
    }
    let found = SecretArgs { secret_file: args.secret_file.clone(), secret: args.secret.clone() };
    found.find(SecretArgs::variable()).map_err(|error| match error {
        FindError::Secret { .. } => Failure::usage(error),
        FindError::File { .. } => Failure::failed(error),
    })
}

/// Creates the data folder, and locks it for this process.
fn lock(folder: &std::path::Path) -> Result<std::fs::File, Failure> {
    let wrong = |error: &dyn std::fmt::Display| Failure::failed(format!("--data-dir {}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(|error| wrong(&error))?;
    let file = std::fs::File::create(folder.join("lock")).map_err(|error| wrong(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(wrong(&"another engine uses it")),
        Err(std::fs::TryLockError::Error(error)) => Err(wrong(&error)),
    }
}

/// SIGTERM and SIGINT, caught from the moment this is made: before the engine says that it is there.
pub struct Signals {
    runtime: tokio::runtime::Runtime,
    term: tokio::signal::unix::Signal,
    int: tokio::signal::unix::Signal,
}

impl Signals {
    /// Catches them.
    pub fn catch() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        let failed = |error: io::Error| Failure::failed(format!("signals can't be caught: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let inside = runtime.enter();
        let term = signal(SignalKind::terminate()).map_err(failed)?;
        let int = signal(SignalKind::interrupt()).map_err(failed)?;
        drop(inside);
        Ok(Self { runtime, term, int })
    }

    /// Waits for one of them, or the end of something else.
    pub fn wait<T>(mut self, end: impl Future<Output = T>) {
        let what = self.runtime.block_on(async {
            tokio::select! {
                _ = self.term.recv() => "SIGTERM: ",
                _ = self.int.recv() => "SIGINT: ",
                _ = end => "",
            }
        });
        tracing::info!("{what}reading what has arrived, then stopping");
    }
}
