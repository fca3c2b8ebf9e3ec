//! Tests of the program `postback`, as processes.
#![allow(
    clippy::assigning_clones,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::format_push_string,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
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
mod soak;
mod storm;
mod webhook;
