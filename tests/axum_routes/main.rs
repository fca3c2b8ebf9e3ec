//! The axum adapter over real sockets: routes, extractors, statuses.
#![cfg(feature = "axum")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod answers;
mod errors;
mod extractors;
mod game;
mod hang_up;
#[path = "../http/mod.rs"]
mod http;
mod mounting;
#[path = "../posted/mod.rs"]
mod posted;
#[path = "../server/mod.rs"]
mod server;
mod unlike_bitlabs;
