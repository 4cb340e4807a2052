//! Reuse: what a cache of another size would give, from a sample of the URLs (spec/statistics.md N6, N7, N8).
//!
//! ```text
//! entry ─► Sampler (each worker) ─► Samples (in its part) ─► Reuse (the merger) ─► Curve (in the snapshot)
//! ```
//!
//! The sample is spatial and of fixed size (*SHARDS*: Waldspurger et al., *Efficient MRC Construction with SHARDS*, FAST 2015): a URL is in it
//! if its hash is below a threshold, with all of its requests, and the threshold falls so that there are never more than a fixed number of
//! URLs. Workers only leave out what isn't in it. How much was asked for between two requests of a URL is found by the merger, which
//! has those of all workers.
//!
//! What counts is a request for something that a cache could hold: an entry with a URL, by GET or HEAD (or of a format without methods), which
//! isn't in the band of errors. CONNECT, writes, refusals and failures don't look anything up. Requests count for their URL key: all query
//! variants of a URL are one object. An object's size is the largest response with status 200 seen, headers included (of a format
//! without statuses: the largest response); 0 before the first.

mod curve;
mod model;
mod sampler;
mod stack;
#[cfg(test)]
mod tests;

pub use curve::{Curve, OneHit, Point};
pub use model::Reuse;
pub use sampler::Sampler;

/// Requests and the bytes sent for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// How many.
    pub requests: u64,
    /// Bytes sent to clients.
    pub bytes: u64,
}

impl Volume {
    #[inline]
    fn add(&mut self, requests: u64, bytes: u64) {
        self.requests = self.requests.saturating_add(requests);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// A request of a URL that is in the sample. Ordered by time first; all else makes the order the same wherever they come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sample {
    /// The entry's time, ms since the epoch.
    pub time: u64,
    /// The hash of its URL key.
    pub hash: u64,
    /// Bytes sent to the client.
    pub bytes: u64,
    /// The response shows the object's size: status 200.
    pub is_whole: bool,
    /// The cache had to fetch it.
    pub is_miss: bool,
}

/// What a worker's part has of the sample.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Samples {
    /// Hashes below it were sampled. 0: none, nothing is sampled.
    pub threshold: u64,
    /// The requests, in no order.
    pub list: Vec<Sample>,
    /// All that count, sampled or not.
    pub asked: Volume,
    /// Requests of the sample that had no room.
    pub dropped: Volume,
}

impl Samples {
    /// Empties it for the next use; keeps the room.
    pub fn clear(&mut self) {
        let mut list = std::mem::take(&mut self.list);
        list.clear();
        *self = Self { list, ..Self::default() };
    }
}

/// The part of all URLs whose hash is below a threshold: above 0, at most 1.
fn rate(threshold: u64) -> f64 {
    threshold.max(1) as f64 / 2_f64.powi(64)
}
