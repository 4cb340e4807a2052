//! Bytes become entries, and back.
//!
//! Pure functions over borrowed bytes: no socket, no clock, no thread, and no allocation for an entry.

pub mod codes;
pub mod encode;
