//! Taking over what an earlier receiver has paid.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "tokio")]

#[path = "../ledger/mod.rs"]
mod ledger;
#[cfg(feature = "postgres")]
#[path = "../postgres_server/mod.rs"]
mod postgres_server;
#[cfg(feature = "redis")]
#[path = "../redis_server/mod.rs"]
mod redis_server;

mod game;
mod interrupted;
mod properties;
mod rules;
mod stores;
