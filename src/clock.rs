//! The engine's one clock: the wall's, or one that is driven.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time in milliseconds since the epoch. Clones of a driven clock are the same clock.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    driven: Option<Arc<AtomicU64>>,
    /// Milliseconds that the machine's clock is moved by.
    offset: i64,
}

impl Clock {
    /// The machine's clock.
    pub fn wall() -> Self {
        Self::default()
    }

    /// The machine's clock, moved by `offset` milliseconds.
    pub fn shifted(offset: i64) -> Self {
        Self { driven: None, offset }
    }

    /// A clock that stands at `now` until it is set.
    pub fn driven(now: u64) -> Self {
        Self { driven: Some(Arc::new(AtomicU64::new(now))), offset: 0 }
    }

    /// Now.
    pub fn now(&self) -> u64 {
        match &self.driven {
            Some(now) => now.load(Ordering::Acquire),
            None => {
                let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
                wall.saturating_add_signed(self.offset)
            }
        }
    }

    /// Sets a driven clock; the machine's clock stays as it is.
    pub fn set(&self, now: u64) {
        if let Some(clock) = &self.driven {
            clock.store(now, Ordering::Release);
        }
    }

    /// Is it driven?
    pub fn is_driven(&self) -> bool {
        self.driven.is_some()
    }
}
