//! The page: the embedded files, the live stream, the JSON API, metrics and health, on listeners that the caller bound.
//!
//! Runs on a thread of its own, an ordinary runtime. Views and answers are computed on its blocking pool, so that whoever
//! asks for much delays nobody else. Whatever comes from outside is bounded, checked once, and refused with what would do.

mod answer;
mod api;
pub mod assets;
mod backlog;
mod browser;
mod guard;
mod hub;
pub mod json;
mod json_changes;
mod json_entries;
mod json_health;
mod json_nodes;
mod json_profile;
mod json_quality;
pub mod json_reuse;
pub mod json_time;
mod lookout;
mod meters;
mod metrics;
mod query;
mod scope;
mod server;
mod sheet;
pub mod stream;
#[cfg(test)]
mod tests;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::merger::Handle;
pub use crate::view::Info;
pub use crate::view::records::Zone;

use guard::Guard;
use hub::Hub;
use meters::Meters;

/// What the page needs to know.
#[derive(Debug)]
pub struct Config {
    /// Where it listens; bound by the caller.
    pub listeners: Vec<TcpListener>,
    /// Names of this engine besides addresses, `localhost` and [`Info::host_name`].
    pub allow_hosts: Vec<String>,
    /// Origins whose pages may open the live stream, besides its own.
    pub allow_origins: Vec<String>,
    /// How much of everything.
    pub limits: Limits,
    /// What the page tells of the engine.
    pub info: Info,
    /// The local time zone, in which records are printed.
    pub zone: Zone,
    /// Set by the caller once all of the engine's listeners accept: `/readyz` then says so.
    pub ready: Arc<AtomicBool>,
}

/// How much of everything; each that is reached is counted and answered with its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Browsers that are connected.
    pub browsers: usize,
    /// Views of one browser.
    pub views: usize,
    /// Connections, without those that became websockets.
    pub http_connections: usize,
    /// Bytes of one message of a browser.
    pub message: usize,
    /// How long a browser may take nothing.
    pub write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { browsers: 1024, views: 48, http_connections: 2048, message: 16 << 10, write: Duration::from_secs(5) }
    }
}

/// How long all that is open has to finish when the page stops.
const GRACE: Duration = Duration::from_secs(4);

/// Connections at once that are told that there are too many.
const TURNED_AWAY: usize = 64;

/// Threads of the blocking pool: two compute, and one may wait.
const BLOCKING_THREADS: usize = 3;

/// What all connections share.
#[derive(Debug)]
struct State {
    handle: Handle,
    hub: Arc<Hub>,
    guard: Guard,
    limits: Limits,
    info: Arc<Info>,
    zone: Zone,
    ready: Arc<AtomicBool>,
    meters: Arc<Meters>,
    /// Connections that may still come.
    connections: Arc<Semaphore>,
    turned_away: Arc<Semaphore>,
    /// Memory left for large answers, in KiB.
    answers: Arc<Semaphore>,
    /// True once all must end.
    closing: watch::Receiver<bool>,
}

impl State {
    /// Waits until all must end.
    async fn closed(&self) {
        let mut closing = self.closing.clone();
        // An error means that nobody is left to say it.
        let _ = closing.wait_for(|closing| *closing).await;
    }
}

/// The running page.
#[derive(Debug)]
pub struct Page {
    stop: watch::Sender<bool>,
    published: watch::Receiver<u64>,
    thread: JoinHandle<()>,
}

impl Page {
    /// Begins to end: nothing more is accepted, and browsers are told (1001).
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Ends, within a few seconds.
    ///
    /// # Errors
    ///
    /// If the page's thread panicked.
    pub fn join(self) -> io::Result<()> {
        self.stop();
        self.thread.join().map_err(|_| io::Error::other("the page's thread panicked"))
    }

    /// The newest full tick whose messages have been handed to all views: a driven clock waits for it.
    pub fn published(&self) -> watch::Receiver<u64> {
        self.published.clone()
    }
}

/// Starts the page. It ends when it is told to, when the answer is dropped, or when the merger ends.
///
/// # Errors
///
/// If its runtime can't be made, or a listener can't be used.
pub fn spawn(config: Config, handle: Handle) -> io::Result<Page> {
    for listener in &config.listeners {
        listener.set_nonblocking(true)?;
    }
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("visulate-view")
        .build()?;
    let meters = Arc::new(Meters::default());
    let info = Arc::new(config.info);
    let hub = Hub::new(handle.clone(), info.clone(), meters.clone());
    let (close, closing) = watch::channel(false);
    let names = config.allow_hosts.into_iter().chain([info.host_name.clone()]);
    let state = Arc::new(State {
        handle,
        guard: Guard::new(names, &config.allow_origins),
        limits: config.limits,
        info,
        zone: config.zone,
        ready: config.ready,
        meters,
        connections: Arc::new(Semaphore::new(config.limits.http_connections)),
        turned_away: Arc::new(Semaphore::new(TURNED_AWAY)),
        answers: Arc::new(Semaphore::new(api::ANSWERS_KIB)),
        closing,
        hub: hub.clone(),
    });
    let listeners = {
        let _inside = runtime.enter();
        config.listeners.into_iter().map(tokio::net::TcpListener::from_std).collect::<io::Result<Vec<_>>>()?
    };
    let (stop, stopped) = watch::channel(false);
    let published = hub.published();
    let thread = thread::Builder::new().name("visulate-page".to_owned()).spawn(move || {
        runtime.block_on(run(listeners, state, hub, close, stopped));
        // What is left was given its time.
        runtime.shutdown_timeout(Duration::from_millis(500));
    })?;
    Ok(Page { stop, published, thread })
}

async fn run(
    listeners: Vec<tokio::net::TcpListener>,
    state: Arc<State>,
    hub: Arc<Hub>,
    close: watch::Sender<bool>,
    mut stopped: watch::Receiver<bool>,
) {
    let (alive, mut all_ended) = mpsc::channel(1);
    for listener in listeners {
        tokio::spawn(server::accept(listener, state.clone(), alive.clone()));
    }
    drop((alive, state));
    tokio::select! {
        () = hub.run() => {}
        // An error means that nobody is left to say it.
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
    close.send_replace(true);
    let _ = tokio::time::timeout(GRACE, all_ended.recv()).await;
}
