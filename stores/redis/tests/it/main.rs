//! The Redis store on real servers, which the tests start themselves: see `postback-test-servers`.
#![allow(
    clippy::disallowed_methods,
    reason = "settings of tests come from the environment"
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
