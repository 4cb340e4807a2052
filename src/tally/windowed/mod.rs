//! Sliding windows over the keyed tables of large dimensions, in bounded memory, with a bound on every error (guide/windows.md).
//!
//! The engine doesn't feed it yet: large dimensions are counted since the start only. How it is to be used, by a worker and the merger, for each
//! dimension:
//!
//! ```text
//! Bounded (2w rows) ─► KeyedPart ─► Levels: slots of 2 s ─► 20 s ─► 2 min ─► 30 min ─► since start
//!                                           └──────── closed, packed buckets ────────┘
//! ```
//!
//! | who, when | calls |
//! |---|---|
//! | worker, once an entry | [`Slot::of`] with the entry's time and the engine's *now*, for all dimensions; [`is_ahead`] raises Q4, [`Level::Start`] *late dropped* |
//! | worker, once an entry and dimension | [`Bounded::record`] |
//! | worker, at a full tick | [`Bounded::hand_over`] into a part that came back from the merger; [`Bounded::set_scales`] |
//! | merger, at each tick, first | [`Levels::set_scales`] with the [`Scales`] of all traffic, which also go to the workers; [`Levels::tick`] |
//! | merger, then | [`Levels::add`] for each part |
//! | merger, then | [`shrink_to`] over all dimensions |
//! | merger, last, for what is watched or asked for | [`Levels::window`], [`Levels::window_before`], [`Levels::between`], [`Levels::points`] |
//!
//! The tick closes slots before parts are added, or a part would fall between a slot and the ring. All times are of one clock, in ms
//! since the epoch: a worker's *now* is never later than that of the tick that takes its part.

pub mod bounded;
pub mod bucket;
pub mod ids;
pub mod levels;
pub mod loss;
pub mod part;
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

pub use bounded::Bounded;
pub use levels::{Cuts, Levels};
pub use loss::{Loss, Scales};
pub use part::KeyedPart;
pub use slot::{Level, Slot, is_ahead};
pub use water::shrink_to;
pub use window::{Points, Window, WindowRow};
