//! What happens at the door: connections accepted, open and turned away before any worker saw them.
//!
//! Written by whoever accepts, read by the merger; plain counters that nobody waits for.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Cause;

/// Counters of the listening side.
#[derive(Debug, Default)]
pub struct Door {
    accepted: AtomicU64,
    limited: AtomicU64,
    last_refused: Mutex<Option<Refused>>,
}

/// A connection that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// When, ms since the epoch.
    pub at: u64,
    /// Address of the peer, without its port.
    pub peer: String,
    /// Why.
    pub cause: Cause,
}

impl Door {
    /// A connection was accepted.
    pub fn accept(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection was turned away by a limit.
    pub fn limit(&self) {
        self.limited.fetch_add(1, Ordering::Relaxed);
    }

    /// Connections accepted since start.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Connections turned away by a limit since start.
    pub fn limited(&self) -> u64 {
        self.limited.load(Ordering::Relaxed)
    }

    /// Remembers the last refusal.
    pub fn refuse(&self, refused: Refused) {
        *self.last_refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(refused);
    }

    /// The last refusal.
    pub fn last_refused(&self) -> Option<Refused> {
        self.last_refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}
