//! Bytes become entries, and back.
//!
//! Pure functions over borrowed bytes: no socket, no clock, no thread, and no allocation for an entry.

pub mod bytes;
pub mod codes;
pub mod encode;
pub mod fields;
pub mod format;
pub mod frame;
pub mod host;
pub mod layout;
pub mod plan;
pub mod resync;
pub mod segment;
