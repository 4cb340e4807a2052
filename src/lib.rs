//! Visulate.
#![allow(missing_docs)]
pub mod clock;
pub mod engine;
pub mod merger;
pub mod page;
pub mod source;
pub mod system;
pub mod tally;
pub mod view;
pub mod wire;
