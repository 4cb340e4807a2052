//! Entries become numbers: counts, tables of counts by key, and the parts in which a worker hands them on.
//!
//! Pure: nothing here knows where entries came from, what time it is, or who will look.

pub mod batch;
pub mod caps;
pub mod classify;
pub mod combined;
pub mod counts;
pub mod delta;
pub mod derived;
pub mod dimension;
pub mod door;
pub mod duplicates;
pub mod filter;
pub mod groups;
pub mod histogram;
pub mod index;
pub mod large;
pub mod link;
pub mod live;
pub mod logs;
pub mod mask;
pub mod matcher;
pub mod names;
pub mod paired;
pub mod part;
pub mod profile;
pub mod quality;
mod recent;
pub mod records;
pub mod rejected;
pub mod reuse;
pub mod rollup;
pub mod rules;
pub mod scale;
pub mod shard;
pub mod slot;
pub mod slot_numbers;
pub mod slots;
pub mod slotted;
pub mod standing;
pub mod table;
pub mod uniques;
pub mod varint;
pub mod windowed;

pub use caps::Caps;
pub use counts::{Band, Counts, Entries, Increment, Measure};
pub use dimension::Dimension;
pub use filter::Filter;
pub use mask::Mask;
pub use names::Names;
pub use part::Part;
pub use rejected::{Cause, Rejected};
pub use rules::{HostFrom, Rules};
pub use shard::{Shard, Statistics};
pub use slot::{Period, Window};
