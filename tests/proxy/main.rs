//! A real nginx in front of both examples: what a proxy may do to a request, and what that changes.
//!
//! Every claim of the guide `postback::guide::proxies` about nginx stands here as a test.
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
mod headers;
#[path = "../http/mod.rs"]
mod http;
mod limits;
mod nginx;
mod path;
mod query;
mod receivers;
mod retries;
mod tls;
mod upstream;
