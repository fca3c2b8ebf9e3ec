//! What the measurements of the stores share: real callbacks, callers, and what becomes of their figures.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement fails by panicking"
)]
#![allow(dead_code, reason = "each measurement uses a part")]

pub(crate) mod callers;
pub(crate) mod figures;
pub(crate) mod io;
pub(crate) mod offers;
pub(crate) mod words;
