//! Visulate.
#![allow(missing_docs)]
pub mod demo;
pub mod merger;
pub mod replay;
pub mod tally;
pub mod wire;
