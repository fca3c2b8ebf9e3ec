//! The store against real servers: its promises, its transactions, and what happens when something fails.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod conformance;
mod example;
mod failover;
mod faults;
mod game;
mod open;
mod pool;
mod storm;
mod transaction;
