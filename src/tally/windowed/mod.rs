//! Sliding windows over the keyed tables of large dimensions, in bounded memory, with a bound on every error (guide/windows.md).
//!
//! ```text
//! tally::slotted (workers) ─► Levels: slots of 2 s ─► 20 s ─► 2 min ─► 30 min ─► since start
//!                                     └──────── closed, packed buckets ────────┘
//! ```
//!
//! | who, when | calls |
//! |---|---|
//! | worker, when entries are of another slot | [`Slot::of`] with the entry's time and the engine's *now*, for all dimensions |
//! | merger, at each full tick, first | [`Levels::set_scales`] with the [`Scales`] of all traffic; [`Levels::tick`] |
//! | merger, then | [`Levels::learn`] the keys of a worker's new rows, [`Levels::add`] for each slot of its part, and [`Levels::settle`] |
//! | merger, then | [`shrink_to`] over all dimensions |
//! | merger, last, for what is watched or asked for | [`Levels::freeze`], of which windows are made elsewhere: [`Kept::window`], [`Kept::points`] |
//!
//! The tick closes slots before parts are added, or a part would fall between a slot and the ring. All times are of one clock, in ms
//! since the epoch: a worker's *now* is never later than that of the tick that takes its part.

pub mod bucket;
pub mod ids;
pub mod levels;
pub mod loss;
pub mod naming;
pub mod slot;
pub mod summary;
pub mod water;
pub mod window;

#[cfg(test)]
mod recount;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod traces;

pub use levels::{Cuts, Kept, Levels};
pub use loss::{Chooser, Loss, Scales};
pub use slot::{Level, Slot, is_ahead};
pub use water::shrink_to;
pub use window::{KeyPoint, KeySeries, Points, Window, WindowRow};
