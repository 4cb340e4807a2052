//! How the rest of the engine sees the merger: the newest snapshot, and tables on demand.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};

use tokio::sync::{oneshot, watch};

use super::filters::{Full, Opened, Viewer};
use super::{Large, Snapshot, Table, windows};
use crate::tally::records::Pool;
use crate::tally::windowed::KeySeries;
use crate::tally::{Counts, Dimension, Filter, Part, Period};

/// What can be asked of the merger.
#[derive(Debug)]
pub enum Command {
    /// A large dimension as of the last full tick, of all entries or of a filter; for a small one nothing useful. No answer comes if the
    /// filter has gone.
    Want(Dimension, Option<u64>, oneshot::Sender<Arc<Large>>),
    /// Make a filter live. When the answer comes, the newest snapshot has it.
    Open(Arc<Filter>, oneshot::Sender<Result<Viewer, Full>>),
    /// The records that are kept.
    Records(oneshot::Sender<Pool>),
    /// Tick now, and answer with the tick's number once its snapshot is published (a driven clock).
    Drive {
        /// True for a full tick.
        full: bool,
        /// Gets the tick's number.
        done: oneshot::Sender<u64>,
    },
    /// A worker's part.
    Part(Box<Part>),
    /// Take what the workers still have, publish it, and end.
    Stop,
}

/// Dimensions that somebody looks at: the number of lookers by dimension.
pub type Watched = Arc<[AtomicU32; Dimension::COUNT]>;

/// A dimension at one tick, of which the tables of all windows can be made.
#[derive(Clone, Debug)]
pub enum Whole {
    /// With the snapshot that has it.
    Small(Dimension, Arc<Snapshot>),
    /// Which, and what it is or is made of.
    Large(Dimension, Arc<Large>),
}

impl Whole {
    /// The tick at which it stands.
    pub fn tick(&self) -> u64 {
        match self {
            Self::Small(_, snapshot) => snapshot.tick,
            Self::Large(_, large) => large.tick,
        }
    }

    /// The table of a window or an interval; `None` if it isn't kept.
    pub fn table(&self, period: impl Into<Period>) -> Option<Arc<Table>> {
        match self {
            Self::Small(dimension, snapshot) => {
                let table = windows::table(snapshot, *dimension, period.into())?;
                // A filter's tables know all nodes, also those that it took nothing of.
                let is_whole = snapshot.filter.is_none() || !table.rows.iter().any(Counts::is_empty);
                Some(if is_whole { table } else { Arc::new(table.without_empty()) })
            }
            Self::Large(dimension, large) => large.table(*dimension, period),
        }
    }

    /// The table of the time of equal length before; `None` if it isn't kept, or nothing was counted then.
    pub fn table_before(&self, period: Period) -> Option<Arc<Table>> {
        match self {
            Self::Small(dimension, snapshot) => windows::table_before(snapshot, *dimension, period),
            Self::Large(dimension, large) => large.table_before(*dimension, period),
        }
    }

    /// One raw key by bucket; `None` if that isn't kept.
    pub fn series(&self, key: &[u8], period: Period) -> Option<KeySeries> {
        match self {
            Self::Small(dimension, snapshot) => windows::series(snapshot, *dimension, key, period),
            Self::Large(dimension, large) => large.series(*dimension, key, period),
        }
    }
}

/// A view of the merger that can be cloned and sent about.
#[derive(Clone, Debug)]
pub struct Handle {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    commands: mpsc::Sender<Command>,
    watched: Watched,
}

/// The merger has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the engine is stopping")]
pub struct Stopped;

impl Handle {
    /// Joins the three ends that the merger holds the other side of.
    pub fn new(snapshots: watch::Receiver<Arc<Snapshot>>, commands: mpsc::Sender<Command>, watched: Watched) -> Self {
        Self { snapshots, commands, watched }
    }

    /// The newest snapshot.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshots.borrow().clone()
    }

    /// Wakes at each tick; ends when the merger does.
    pub fn ticks(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    /// A dimension in all windows: a small one as of that snapshot, a large one as of the last full tick.
    ///
    /// # Errors
    ///
    /// [`Stopped`] if the merger has ended.
    pub async fn dimension(&self, dimension: Dimension, snapshot: &Arc<Snapshot>) -> Result<Whole, Stopped> {
        if dimension.is_small() {
            return Ok(Whole::Small(dimension, snapshot.clone()));
        }
        self.large(dimension.counted(), snapshot).await.map(|large| Whole::Large(dimension, large))
    }

    async fn large(&self, dimension: Dimension, snapshot: &Snapshot) -> Result<Arc<Large>, Stopped> {
        if let Some(large) = &snapshot.large[dimension as usize] {
            return Ok(large.clone());
        }
        let (reply, answer) = oneshot::channel();
        self.command(Command::Want(dimension, snapshot.filter, reply))?;
        answer.await.map_err(|_| Stopped)
    }

    /// Makes a filter live, if it isn't, until the answer is dropped and ten minutes more. The newest snapshot has it.
    ///
    /// # Errors
    ///
    /// [`Stopped`] if the merger has ended; [`Full`] if there is no room for it.
    pub async fn open(&self, filter: Arc<Filter>) -> Result<Result<Viewer, Full>, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Open(filter, reply))?;
        answer.await.map_err(|_| Stopped)
    }

    /// The records that are kept now.
    ///
    /// # Errors
    ///
    /// [`Stopped`] if the merger has ended.
    pub async fn records(&self) -> Result<Pool, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Records(reply))?;
        answer.await.map_err(|_| Stopped)
    }

    /// Sends a command.
    ///
    /// # Errors
    ///
    /// [`Stopped`] if the merger has ended.
    pub fn command(&self, command: Command) -> Result<(), Stopped> {
        self.commands.send(command).map_err(|_| Stopped)
    }

    /// Makes every full tick's snapshot carry the table of a dimension, of a filter or of all entries, until the answer is dropped.
    pub fn watch(&self, dimension: Dimension, filter: Option<&Opened>) -> Watch {
        let watched = filter.map_or(&self.watched, Opened::watched);
        watched[dimension.counted() as usize].fetch_add(1, Ordering::Relaxed);
        Watch { watched: watched.clone(), dimension: dimension.counted() }
    }
}

/// Somebody looks at a dimension.
#[derive(Debug)]
pub struct Watch {
    watched: Watched,
    dimension: Dimension,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watched[self.dimension as usize].fetch_sub(1, Ordering::Relaxed);
    }
}
