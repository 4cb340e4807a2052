//! The hub: every distinct view is computed and encoded once a second, and shared by all browsers that show it.
//!
//! Each has one small broadcast and one newest snapshot. A browser that falls behind loses its place in the broadcast and
//! goes on from the snapshot: nothing here grows with the slowness of a browser.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};
use tokio::task::JoinSet;

use super::backlog::{Backlog, Made};
use super::lookout::{Found, Lookout};
use super::meters::{Limit, Meters};
use crate::merger::filters::Full;
use crate::merger::{self, Handle, Snapshot, Stopped, Viewer};
use crate::tally::Filter;
use crate::view::{Info, Scene, Shown, Subscription, View};

/// Messages that a browser may lag behind before it is resynchronised.
const BACKLOG: usize = 16;

/// Large computations at once: ingest shares the machine.
const WORKERS: usize = 2;

/// Distinct views at once, over all browsers: bounds what a second of all views costs.
const STREAMS: usize = 1024;

/// All views that somebody looks at.
#[derive(Debug)]
pub struct Hub {
    handle: Handle,
    info: Arc<Info>,
    meters: Arc<Meters>,
    work: Arc<Semaphore>,
    channels: Mutex<HashMap<Wanted, Entry>>,
    streams: AtomicU64,
    published: watch::Sender<u64>,
    lookout: Lookout,
}

/// What is shown, and of which entries: two that are equal share one view.
type Wanted = (Subscription, Option<Arc<Filter>>);

#[derive(Debug)]
struct Entry {
    channel: Arc<Channel>,
    leases: usize,
}

/// One view and those who follow it.
#[derive(Debug)]
struct Channel {
    subscription: Subscription,
    /// Keeps the filter live.
    filter: Option<Viewer>,
    stream: u64,
    /// Held while the next message is computed.
    view: Arc<tokio::sync::Mutex<View>>,
    newest: Mutex<Newest>,
    deltas: broadcast::Sender<Bytes>,
    /// Bytes of all of them.
    made: Made,
    /// Makes the snapshots carry the tables that it needs.
    _watches: Vec<merger::Watch>,
}

/// What newcomers get.
#[derive(Debug)]
struct Newest {
    shown: Shown,
    /// Its message, once somebody wanted it.
    message: Option<Bytes>,
}

/// Why a view can't be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotOpen {
    /// The engine is on its way down.
    #[error("the engine is stopping")]
    Stopped,
    /// Asked for by time, where nothing is kept by it.
    #[error("--statistics base keeps nothing by time, and few dimensions")]
    NoWindows,
    /// Too many different views.
    #[error("the limit streams ({STREAMS} different views) is reached; show something that is shown already")]
    Streams,
    /// Too many filters.
    #[error(transparent)]
    Filters(Full),
}

impl Hub {
    /// A hub without views.
    pub fn new(handle: Handle, info: Arc<Info>, meters: Arc<Meters>) -> Arc<Self> {
        Arc::new(Self {
            lookout: Lookout::new(handle.clone()),
            handle,
            info,
            meters,
            work: Arc::new(Semaphore::new(WORKERS)),
            channels: Mutex::default(),
            streams: AtomicU64::new(1),
            published: watch::Sender::new(0),
        })
    }

    /// The newest full tick whose messages have been handed to all views.
    pub fn published(&self) -> watch::Receiver<u64> {
        self.published.subscribe()
    }

    /// Different views that are open.
    pub fn streams(&self) -> usize {
        locked(&self.channels).len()
    }

    /// What isn't as usual, as of the last tick.
    pub fn found(&self) -> Found {
        self.lookout.found()
    }

    /// Leave to do one large computation.
    pub async fn worker(&self) -> OwnedSemaphorePermit {
        let work = self.work.clone().acquire_owned().await;
        work.expect("the semaphore is never closed")
    }

    /// Brings all views up to date at each full tick, until the merger ends.
    pub async fn run(self: Arc<Self>) {
        let mut ticks = self.handle.ticks();
        loop {
            let snapshot = ticks.borrow_and_update().clone();
            if snapshot.full_tick > *self.published.borrow() {
                let full_tick = snapshot.full_tick;
                if self.lookout.advance(&snapshot, async || self.worker().await).await.is_err() {
                    return;
                }
                self.advance_all(&snapshot).await;
                self.published.send_replace(full_tick);
            }
            if ticks.changed().await.is_err() {
                return;
            }
        }
    }

    async fn advance_all(self: &Arc<Self>, snapshot: &Arc<Snapshot>) {
        let channels: Vec<Arc<Channel>> = locked(&self.channels).values().map(|entry| entry.channel.clone()).collect();
        let mut steps = JoinSet::new();
        for channel in channels {
            let (hub, snapshot) = (self.clone(), snapshot.clone());
            steps.spawn(async move { hub.advance(&channel, snapshot).await });
        }
        while let Some(step) = steps.join_next().await {
            if let Err(error) = step {
                tracing::error!(%error, "a view could not be computed");
            }
        }
    }

    async fn advance(&self, channel: &Arc<Channel>, snapshot: Arc<Snapshot>) -> Result<(), Stopped> {
        let snapshot = match &channel.filter {
            None => snapshot,
            Some(viewer) => match snapshot.of_filter(&viewer.opened().filter) {
                Some(filtered) => filtered.snapshot.clone(),
                // It was opened after that tick.
                None => return Ok(()),
            },
        };
        let mut view = channel.view.clone().lock_owned().await;
        let mut wholes = Vec::new();
        for dimension in channel.subscription.dimensions() {
            wholes.push(self.handle.dimension(dimension, &snapshot).await?);
        }
        let window = channel.subscription.window();
        let browsers = self.meters.browsers();
        let Found { incidents, judged_to } = self.lookout.found();
        let (channel, worker, meters) = (channel.clone(), self.worker().await, self.meters.clone());
        let step = tokio::task::spawn_blocking(move || {
            let _worker = worker;
            let tables = wholes.iter().map(|whole| whole.table(window)).collect::<Option<Vec<_>>>();
            // Only windows that are kept can be opened.
            let Some(tables) = tables else { return };
            let scene = Scene { snapshot, tables, browsers, incidents, judged_to };
            if let Some(delta) = view.advance(&scene) {
                meters.encode();
                channel.publish(view.shown().clone(), delta.into());
            }
        });
        if let Err(error) = step.await {
            tracing::error!(%error, "a view could not be computed");
        }
        Ok(())
    }

    /// Opens a view, whose first snapshot is there when this returns.
    ///
    /// # Errors
    ///
    /// If the engine stops, or too many views are open.
    pub async fn open(
        self: &Arc<Self>,
        subscription: Subscription,
        filter: Option<Arc<Filter>>,
    ) -> Result<Lease, CannotOpen> {
        let needs_statistics =
            subscription.needs_statistics() || filter.as_ref().is_some_and(|filter| !filter.is_of_base());
        if needs_statistics && self.handle.snapshot().history.is_none() {
            return Err(CannotOpen::NoWindows);
        }
        let viewer = match filter {
            None => None,
            Some(filter) => match self.handle.open(filter).await.map_err(|Stopped| CannotOpen::Stopped)? {
                Ok(viewer) => Some(viewer),
                Err(full) => {
                    self.meters.reached(Limit::Filters);
                    return Err(CannotOpen::Filters(full));
                }
            },
        };
        let lease = self.lease(subscription, viewer)?;
        if locked(&lease.channel.newest).shown.stand.seq == 0 {
            self.advance(&lease.channel, self.handle.snapshot()).await.map_err(|Stopped| CannotOpen::Stopped)?;
        }
        Ok(lease)
    }

    fn lease(self: &Arc<Self>, subscription: Subscription, filter: Option<Viewer>) -> Result<Lease, CannotOpen> {
        let wanted = (subscription, filter.as_ref().map(|viewer| viewer.opened().filter.clone()));
        let mut channels = locked(&self.channels);
        // Of a filter that was closed meanwhile; those who still follow it are about to leave.
        channels.retain(|_, entry| !entry.channel.is_closed());
        if channels.len() >= STREAMS && !channels.contains_key(&wanted) {
            self.meters.reached(Limit::Streams);
            return Err(CannotOpen::Streams);
        }
        let entry = channels.entry(wanted).or_insert_with(|| {
            let stream = self.streams.fetch_add(1, Ordering::Relaxed);
            let view = View::new(stream, subscription, self.info.clone());
            Entry {
                channel: Arc::new(Channel {
                    subscription,
                    stream,
                    newest: Mutex::new(Newest { shown: view.shown().clone(), message: None }),
                    view: Arc::new(tokio::sync::Mutex::new(view)),
                    deltas: broadcast::Sender::new(BACKLOG),
                    made: Made::default(),
                    _watches: subscription
                        .dimensions()
                        .into_iter()
                        .map(|dimension| self.handle.watch(dimension, filter.as_ref().map(|viewer| &**viewer.opened())))
                        .collect(),
                    filter,
                }),
                leases: 0,
            }
        });
        entry.leases += 1;
        Ok(Lease { hub: self.clone(), channel: entry.channel.clone() })
    }
}

impl Channel {
    /// True once its filter was closed: no more messages come.
    fn is_closed(&self) -> bool {
        self.filter.as_ref().is_some_and(|viewer| viewer.opened().is_closed())
    }

    fn publish(&self, shown: Shown, delta: Bytes) {
        let mut newest = locked(&self.newest);
        *newest = Newest { shown, message: None };
        self.made.fetch_add(delta.len() as u64, Ordering::Relaxed);
        // Nobody may follow, which is no error.
        let _ = self.deltas.send(delta);
    }
}

/// Somebody looks at a view. The view ends with its last lease.
#[derive(Debug)]
pub struct Lease {
    hub: Arc<Hub>,
    channel: Arc<Channel>,
}

impl Lease {
    /// The stream's number.
    pub fn stream(&self) -> u64 {
        self.channel.stream
    }

    /// Since when the filter counts, Unix seconds; `None` without one.
    pub fn since(&self) -> Option<f64> {
        let viewer = self.channel.filter.as_ref()?;
        let snapshot = self.hub.handle.snapshot();
        snapshot.of_filter(&viewer.opened().filter).map(|filtered| filtered.snapshot.started as f64 / 1000.0)
    }

    /// True once its filter was closed for want of memory: no more messages come.
    pub fn is_closed(&self) -> bool {
        self.channel.is_closed()
    }

    /// The newest snapshot, and all messages after it, which count in the backlog of who joins.
    pub fn join(&self, backlog: &Backlog) -> (Bytes, broadcast::Receiver<Bytes>) {
        let mut newest = locked(&self.channel.newest);
        // No message falls between the two: they are published under this lock.
        let deltas = self.channel.deltas.subscribe();
        backlog.follow(self.channel.stream, &self.channel.made, self.channel.made.load(Ordering::Relaxed));
        let Newest { shown, message } = &mut *newest;
        let message = message.get_or_insert_with(|| shown.snapshot().into());
        (message.clone(), deltas)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Channel { subscription, filter, .. } = &*self.channel;
        let wanted = (*subscription, filter.as_ref().map(|viewer| viewer.opened().filter.clone()));
        let mut channels = locked(&self.hub.channels);
        // Another may have its place, if it was closed.
        if let Some(entry) = channels.get_mut(&wanted).filter(|entry| Arc::ptr_eq(&entry.channel, &self.channel)) {
            entry.leases -= 1;
            if entry.leases == 0 {
                channels.remove(&wanted);
            }
        }
    }
}

/// What these locks guard is whole between any two statements, so a panic elsewhere doesn't spoil it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
