//! What lies between a worker and the merger: tick requests one way, parts the other, and empty parts back.
//!
//! Nobody waits for anybody: a worker hands over only when it holds an empty part, of which it has [`PARTS`];
//! if the merger is late it keeps adding to the same tables.

use std::fmt;
use std::sync::{Arc, mpsc};

use tokio::sync::watch;

use super::{Filter, Part};

/// Parts of one worker that may be under way.
pub const PARTS: usize = 2;

/// The newest tick; a worker that missed some answers only this one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TickRequest {
    /// Its number.
    pub tick: u64,
    /// The number of the newest full tick: a worker that has not answered it hands over the large dimensions too.
    pub full_tick: u64,
    /// URLs whose hash is below it are sampled from now on.
    pub sample_below: u64,
    /// Filters that are to be counted from now on, ascending by number; all others no more.
    pub filters: Arc<[Wanted]>,
}

/// A filter that is to be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its number, which no other ever had.
    pub id: u64,
    /// Which entries.
    pub filter: Arc<Filter>,
}

/// The worker's end.
pub struct Link {
    ticks: watch::Receiver<TickRequest>,
    parts: Box<dyn Fn(Box<Part>) + Send>,
    spare: mpsc::Receiver<Box<Part>>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("ticks", &self.ticks).finish_non_exhaustive()
    }
}

/// The merger's end.
#[derive(Debug)]
pub struct Far {
    ticks: watch::Sender<TickRequest>,
    spare: mpsc::Sender<Box<Part>>,
}

/// Both ends for one worker. `parts` takes what the worker hands over, and must not block.
pub fn link(worker: usize, parts: impl Fn(Box<Part>) + Send + 'static) -> (Link, Far) {
    let (tick_sender, ticks) = watch::channel(TickRequest::default());
    let (spare_sender, spare) = mpsc::channel();
    for _ in 0..PARTS {
        // The other end is in this very function.
        let _ = spare_sender.send(Box::new(Part { worker, ..Part::default() }));
    }
    (Link { ticks, parts: Box::new(parts), spare }, Far { ticks: tick_sender, spare: spare_sender })
}

impl Link {
    /// Waits for the next tick; `None` once the merger is gone.
    pub async fn tick(&mut self) -> Option<TickRequest> {
        self.ticks.changed().await.ok()?;
        Some(self.ticks.borrow_and_update().clone())
    }

    /// The newest request, waited for or not.
    pub fn newest(&self) -> TickRequest {
        self.ticks.borrow().clone()
    }

    /// The newest tick, if it hasn't been seen yet: for workers that have no time to wait.
    pub fn newest_tick(&mut self) -> Option<TickRequest> {
        self.ticks.has_changed().ok()?.then(|| self.ticks.borrow_and_update().clone())
    }

    /// An empty part, if one is here.
    pub fn spare(&self) -> Option<Box<Part>> {
        self.spare.try_recv().ok()
    }

    /// Hands a part over.
    pub fn send(&self, part: Box<Part>) {
        (self.parts)(part);
    }
}

impl Far {
    /// Asks for parts.
    pub fn ask(&self, request: TickRequest) {
        self.ticks.send_replace(request);
    }

    /// Gives an empty part back.
    pub fn give_back(&self, mut part: Box<Part>) {
        part.clear();
        // A worker that has ended needs no parts.
        let _ = self.spare.send(part);
    }
}
