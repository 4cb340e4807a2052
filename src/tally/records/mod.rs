//! Records: the raw entries behind the figures. A worker takes a few of them between two parts, and the merger keeps a few of those.
//!
//! Taking is nearly free: an entry is compared with two floors and counted down to the next of three samples; only what is taken is
//! copied. A record keeps its entry as it came, with the head of its segment, so that all that can be read of it later is what any reader of
//! the segment would find.
//!
//! | list | which entries of a part | bound |
//! |---|---|---|
//! | recent | a uniform sample (Li's algorithm L), all where there are few | 32 |
//! | failed | the same of errors | 32 |
//! | slowest, largest | exactly those | 32 each |
//! | by node | one of each of its first segments | 4 |

mod best;
mod kept;
mod taker;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::Increment;
use crate::wire::layout::Layout;
use crate::wire::segment::Segment;

pub use kept::{Kept, List, Pool};
pub use taker::{Taken, Taker};

/// The longest entry of which a record is made.
pub const RECORD_MAX: usize = 16 * 1024;

/// An entry as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its time, ms since the epoch.
    pub time: u64,
    /// The worker that took it.
    pub worker: u32,
    /// That worker's row of its node.
    pub node: u32,
    /// The key of its site.
    pub site: Box<[u8]>,
    /// What it added to its rows.
    pub increment: Increment,
    /// Its segment's head; entries of one format share one.
    pub head: Arc<[u8]>,
    /// How its segment was read.
    pub layout: Layout,
    /// The entry, with its own header.
    pub entry: Box<[u8]>,
}

impl Record {
    /// A segment of it alone, to be parsed and then read [`Segment::in_layout`].
    pub fn segment(&self) -> Vec<u8> {
        Segment::of_one(&self.head, &self.entry)
    }

    /// Bytes of memory; of the head as if nobody shared it.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.site.len() + self.entry.len() + self.head.len()
    }
}

/// What orders records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest first.
    #[default]
    Recent,
    /// Those that took the longest first.
    Slowest,
    /// Those with the most bytes first.
    Largest,
    /// Errors, the newest first.
    Failed,
}

impl Order {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Recent, Self::Slowest, Self::Largest, Self::Failed];

    /// Its name in questions.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recent => "recent",
            Self::Slowest => "slowest",
            Self::Largest => "largest",
            Self::Failed => "failed",
        }
    }

    /// The order of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|order| order.name() == name)
    }

    /// What puts a record before others: the greater, the earlier it comes.
    pub fn rank(self, record: &Record) -> u64 {
        match self {
            Self::Recent | Self::Failed => record.time,
            Self::Slowest => record.increment.time_ms,
            Self::Largest => record.increment.bytes,
        }
    }
}
