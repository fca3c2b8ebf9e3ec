//! What is logged and measured is what docs/observability.md says, whichever receiver and adapter it is.
//! A binary of its own: it listens to the whole process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(all(
    feature = "axum",
    feature = "actix-web",
    feature = "metrics",
    feature = "sqlite"
))]

#[path = "../captured/mod.rs"]
mod captured;
#[path = "../ledger/mod.rs"]
mod ledger;
#[cfg(feature = "postgres")]
#[path = "../postgres_server/mod.rs"]
mod postgres_server;

mod log;
mod measured;
mod page;
mod played;
mod refusals;
mod story;
