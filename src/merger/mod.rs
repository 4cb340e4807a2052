//! The merger: takes every worker's parts at each tick, adds them to its tables, and publishes a snapshot.
//!
//! A thread of its own, which nobody waits for. Views and answers are made from its snapshots elsewhere.

pub mod derived;
pub mod filters;
pub mod handle;
pub mod large;
mod nodes;
pub mod quality;
pub mod run;
pub mod snapshot;
pub mod tables;
pub mod windows;

pub use filters::{Filtered, Viewer};
pub use handle::{Command, Handle, Stopped, Watch, Whole};
pub use large::Large;
pub use run::{Config, Merger};
pub use snapshot::{Covered, Node, NodeState, Snapshot, Table};
