//! The Redis store on real servers, which the tests start themselves: see `postback-test-servers`.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and settings come from the environment"
)]

mod conformance;
mod failover;
mod faults;
mod fixture;
mod loss;
mod opening;
mod proxy;
mod records;
mod storm;
