//! Bytes become entries, and back.
//!
//! Pure functions over borrowed bytes: no socket, no clock, no thread, and no allocation for an entry.

pub mod bytes;
pub mod codes;
pub mod encode;
pub mod era;
pub mod fields;
pub mod format;
pub mod frame;
pub mod host;
pub mod layout;
pub mod line;
pub mod plan;
pub mod positions;
pub mod print;
pub mod reading;
pub mod resync;
pub mod segment;
pub mod template;
pub mod time;
pub mod url;
pub mod value;
