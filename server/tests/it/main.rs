//! Tests of the program `postback`, as processes.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "a test fails by panicking, and settings come from the environment"
)]

mod admin;
mod backend;
mod client;
mod commands;
mod config;
mod delivery;
mod explain;
mod limits;
mod operations;
mod page;
mod program;
mod sample_backends;
mod storm;
mod webhook;
