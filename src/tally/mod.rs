//! Entries become numbers: counts, tables of counts by key, and the parts in which a worker hands them on.
//!
//! Pure: nothing here knows where entries came from, what time it is, or who will look.

pub mod counts;
pub mod dimension;
pub mod names;
pub mod rejected;

pub use counts::{Band, Counts, Entries, Measure};
pub use dimension::Dimension;
pub use names::Names;
pub use rejected::{Cause, Rejected};
