//! What must hold in every schedule. The SQLite store's part is in `handover/`, inside the store.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a check fails by panicking, says how far it went, and is told how far to go"
)]

pub(crate) mod callbacks;
pub(crate) mod explore;
mod memory;
