//! Visulate.
