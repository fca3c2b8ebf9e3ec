//! Tests of the SQLite store. `POSTBACK_STORM_SECONDS` sets the length of the `kill -9` storm.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(clippy::similar_names, reason = "a receiver has received something")]

mod batches;
mod close;
mod conformance;
mod faults;
mod fixture;
mod history;
mod open;
mod storm;
