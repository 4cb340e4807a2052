//! The demo's traffic: a cluster of twelve nodes that doesn't exist, and the connections over which it reports.
//!
//! A [`Generator`] turns a seed and a time into log entries; a [`Feeder`] sends them as Traffic Server would. Neither
//! looks at a clock: the caller says up to when.

mod args;
mod generator;
mod names;
mod outcome;
mod path;
mod random;
mod sender;
mod world;

#[cfg(test)]
mod tests;

pub use args::{Args, Clock};
pub use generator::{Entry, FIELD_LIST, Generator, INCIDENT_AFTER, INCIDENT_SECONDS, PRINT_TEMPLATE, Plan};
pub use outcome::Outcome;
pub use sender::Feeder;
pub use world::{CLIENT_COUNT, NODES, SITE_COUNT};
