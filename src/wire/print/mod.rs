//! Entries as text: what Traffic Server's own `traffic_logcat` prints, and the same as JSON.
//!
//! A reading of a field list is compiled once: [`Columns`] say where the values of an entry lie, a [`Line`] says which of them are
//! shown, how, and what stands between them. Then an entry costs no allocation: [`Columns::locate`] fills reused [`Spans`], and
//! [`Line::push`] appends to a buffer. Nothing is read beyond an entry's end, whatever it holds.
//!
//! Source: spec/logbuffer.md 10, fields.md, codes.md, real-ats.md 1, and the saved output of traffic_logcat 7.1 to 11-dev.

mod columns;
mod json;
mod line;
mod number;
mod show;
mod text;
mod time;

#[cfg(test)]
mod tests;

pub use columns::{Columns, Fit, Spans, Stepping};
pub use line::{Filter, Line, LineError};
pub use show::Release;
pub use time::{Clock, Offset, Zone};
