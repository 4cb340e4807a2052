//! Profiles: how the times of one key's requests are spread, and what became of them (spec/statistics.md 4.6, N1, N2, N12).
//!
//! A worker counts each entry in a *cell* of each of its keys: by slot of entry time, what became of the entry, and its time, to 1/32. On
//! full ticks cells are handed to the merger, which keeps them by the bucket plan of large dimensions (guide/windows.md 1), of the keys that
//! have the most requests. Cells add up, so that all percentiles are of sums.

pub mod bucket;
pub mod cells;
pub mod coarse;
pub mod kept;
pub mod outcome;
pub mod roster;
pub mod sums;

pub use cells::{Cell, Cells};
pub use kept::{Kept, Profiles};
pub use outcome::Outcome;
pub use sums::Profile;

use super::Dimension;

/// The dimensions whose keys have profiles: the small ones, and of the large ones those by which an operator looks for what is slow.
pub const PROFILED: [Dimension; 8] = [
    Dimension::Site,
    Dimension::Server,
    Dimension::Result,
    Dimension::Status,
    Dimension::Method,
    Dimension::Type,
    Dimension::Route,
    Dimension::Node,
];

/// True if keys of that dimension have profiles.
pub fn has_profiles(dimension: Dimension) -> bool {
    PROFILED.contains(&dimension)
}
