//! What must hold in every schedule. The SQLite store's part is in `handover/`, inside the store.

// A check fails by panicking.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

pub(crate) mod callbacks;
pub(crate) mod explore;
mod memory;
