//! How callers, the writer and the reader of a SQLite store work together, in every schedule.
//!
//! The store's own code runs, on a database in memory: `start`, the queues, the threads, the groups, the
//! leash, the operations, `close`. Only the opening of a file is left out; one thread does it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a check fails by panicking"
)]

mod deliveries;
mod ending;
mod game;
mod groups;
mod writes;
