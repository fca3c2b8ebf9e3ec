//! The whole program under twins and under `kill -9`: nothing is lost and nothing is paid twice.
//!
//! The storm lasts about ten seconds. `POSTBACK_STORM_SECONDS` sets another length:
//!
//! ```sh
//! POSTBACK_STORM_SECONDS=300 cargo test --release --all-features --test crash -- --nocapture
//! ```
//!
//! (Build the example in the same profile first: `cargo build --release --all-features --example axum_receiver`.)
#![cfg(all(feature = "axum", feature = "sqlite"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../backend/mod.rs"]
mod backend;
mod dice;
#[path = "../http/mod.rs"]
mod http;
mod lives;
mod storm;
mod twins;
