//! One suite of requests over real sockets against both examples: same status, same body, same header
//! fields, same wallets.
//!
//! What the frameworks themselves answer, before any handler, is in `limits.rs`: same or not, it is told.
#![cfg(all(feature = "axum", feature = "actix-web", feature = "sqlite"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../backend/mod.rs"]
mod backend;
mod both;
mod disturbed;
mod genuine;
#[path = "../http/mod.rs"]
mod http;
mod limits;
mod postbacks;
mod refused;
mod surroundings;
