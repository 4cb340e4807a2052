//! What waits for a browser (spec/statistics.md Q10): bytes of messages that were made for its views and that it has not taken, and
//! messages that it skipped. Counted here, looked at by whoever asks; nothing waits for it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of all messages of a stream so far.
pub type Made = Arc<AtomicU64>;

/// What waits for one browser.
#[derive(Debug, Default)]
pub struct Backlog {
    /// Of the message that is being written.
    writing: AtomicU64,
    skipped: AtomicU64,
    resynchronised: AtomicU64,
    /// By stream: what was made, and how far the browser is.
    streams: Mutex<BTreeMap<u64, (Made, u64)>>,
}

impl Backlog {
    fn with_streams<T>(&self, work: impl FnOnce(&mut BTreeMap<u64, (Made, u64)>) -> T) -> T {
        work(&mut self.streams.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// It follows a stream from that many bytes on.
    pub fn follow(&self, stream: u64, made: &Made, at: u64) {
        self.with_streams(|streams| drop(streams.insert(stream, (made.clone(), at))));
    }

    /// It follows a stream no more.
    pub fn leave(&self, stream: u64) {
        self.with_streams(|streams| drop(streams.remove(&stream)));
    }

    /// It took a message of a stream.
    pub fn take(&self, stream: u64, bytes: u64) {
        self.with_streams(|streams| {
            if let Some((_, at)) = streams.get_mut(&stream) {
                *at += bytes;
            }
        });
    }

    /// It skipped messages, and goes on from a snapshot.
    pub fn skip(&self, messages: u64) {
        self.skipped.fetch_add(messages, Ordering::Relaxed);
        self.resynchronised.fetch_add(1, Ordering::Relaxed);
    }

    /// So many bytes are being written to it; 0: none.
    pub fn write(&self, bytes: u64) {
        self.writing.store(bytes, Ordering::Relaxed);
    }

    /// Bytes that wait: messages of its streams, and what is being written.
    pub fn waiting(&self) -> u64 {
        let of_streams = self.with_streams(|streams| {
            streams.values().map(|(made, at)| made.load(Ordering::Relaxed).saturating_sub(*at)).sum::<u64>()
        });
        of_streams + self.writing.load(Ordering::Relaxed)
    }

    /// Streams that it follows.
    pub fn streams(&self) -> u64 {
        self.with_streams(|streams| streams.len() as u64)
    }

    /// Messages that it skipped, and how many snapshots came in their place.
    pub fn skipped(&self) -> (u64, u64) {
        (self.skipped.load(Ordering::Relaxed), self.resynchronised.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_what_was_made_and_not_taken() {
        let (backlog, made) = (Backlog::default(), Made::default());
        made.store(1000, Ordering::Relaxed);
        backlog.follow(7, &made, 1000);
        assert_eq!((backlog.waiting(), backlog.streams()), (0, 1));
        made.fetch_add(300, Ordering::Relaxed);
        backlog.take(7, 100);
        backlog.take(8, 100);
        backlog.write(50);
        assert_eq!(backlog.waiting(), 250);
        backlog.skip(3);
        backlog.follow(7, &made, 1300);
        backlog.write(0);
        assert_eq!((backlog.waiting(), backlog.skipped()), (0, (3, 1)));
        made.fetch_add(300, Ordering::Relaxed);
        backlog.leave(7);
        assert_eq!((backlog.waiting(), backlog.streams()), (0, 0));
    }
}
