//! What the page counts of itself.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::backlog::Backlog;

/// A limit that can be reached; each is counted (design/api.md 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Limit {
    /// Connections.
    HttpConnections,
    /// Websockets.
    Browsers,
    /// Views of one browser.
    Views,
    /// Bytes of a message.
    Message,
    /// Different views of all browsers.
    Streams,
    /// Memory of large answers.
    Answers,
    /// Live filters.
    Filters,
}

impl Limit {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::HttpConnections,
        Self::Browsers,
        Self::Views,
        Self::Message,
        Self::Streams,
        Self::Answers,
        Self::Filters,
    ];

    /// Its name in answers and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::HttpConnections => "http_connections",
            Self::Browsers => "browsers",
            Self::Views => "views",
            Self::Message => "websocket_message",
            Self::Streams => "streams",
            Self::Answers => "answers",
            Self::Filters => "filters",
        }
    }
}

/// Counts of the page itself.
#[derive(Debug, Default)]
pub struct Meters {
    browsers: AtomicU64,
    encoded: AtomicU64,
    lagged: AtomicU64,
    skipped: AtomicU64,
    timed_out: AtomicU64,
    /// Of all browsers, by their numbers.
    backlogs: Mutex<BTreeMap<u64, Arc<Backlog>>>,
    opened: AtomicU64,
    reached: [AtomicU64; Limit::ALL.len()],
}

impl Meters {
    /// Browsers that are connected.
    pub fn browsers(&self) -> u64 {
        self.browsers.load(Ordering::Relaxed)
    }

    /// Counts a browser for as long as the answer lives; `None` if there are `most` already.
    pub fn browser(self: &Arc<Self>, most: usize) -> Option<Browsing> {
        let more = |count| (count < most as u64).then_some(count + 1);
        self.browsers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| {
            let (number, backlog) = (self.opened.fetch_add(1, Ordering::Relaxed), Arc::<Backlog>::default());
            self.backlogs.lock().unwrap_or_else(PoisonError::into_inner).insert(number, backlog.clone());
            Browsing { meters: self.clone(), number, backlog }
        })
    }

    /// The backlogs of all browsers, by their numbers, in the order in which they came.
    pub fn backlogs(&self) -> Vec<(u64, Arc<Backlog>)> {
        let backlogs = self.backlogs.lock().unwrap_or_else(PoisonError::into_inner);
        backlogs.iter().map(|(number, backlog)| (*number, backlog.clone())).collect()
    }

    /// A message of a view was made, for all who show it.
    pub fn encode(&self) {
        self.encoded.fetch_add(1, Ordering::Relaxed);
    }

    /// How many were.
    pub fn encoded(&self) -> u64 {
        self.encoded.load(Ordering::Relaxed)
    }

    /// A browser fell behind, and was resynchronised by a snapshot in place of so many messages.
    pub fn lag(&self, skipped: u64) {
        self.lagged.fetch_add(1, Ordering::Relaxed);
        self.skipped.fetch_add(skipped, Ordering::Relaxed);
    }

    /// Messages that were skipped so.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// How often that happened.
    pub fn lagged(&self) -> u64 {
        self.lagged.load(Ordering::Relaxed)
    }

    /// A browser was dropped because it took nothing for too long.
    pub fn time_out(&self) {
        self.timed_out.fetch_add(1, Ordering::Relaxed);
    }

    /// How often that happened.
    pub fn timed_out(&self) -> u64 {
        self.timed_out.load(Ordering::Relaxed)
    }

    /// A limit was reached.
    pub fn reached(&self, limit: Limit) {
        self.reached[limit as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often each limit was reached.
    pub fn limits(&self) -> [(Limit, u64); Limit::ALL.len()] {
        Limit::ALL.map(|limit| {
            let count = self.reached[limit as usize].load(Ordering::Relaxed);
            (limit, count)
        })
    }
}

/// A browser is connected.
#[derive(Debug)]
pub struct Browsing {
    meters: Arc<Meters>,
    number: u64,
    backlog: Arc<Backlog>,
}

impl Browsing {
    /// What waits for it.
    pub fn backlog(&self) -> &Arc<Backlog> {
        &self.backlog
    }
}

impl Drop for Browsing {
    fn drop(&mut self) {
        self.meters.backlogs.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
        self.meters.browsers.fetch_sub(1, Ordering::Relaxed);
    }
}
