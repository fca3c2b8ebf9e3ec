//! Tests of the library, as its users see it. One binary, one module per subject.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod common;

mod bitlabs;
#[cfg(all(feature = "axum", feature = "actix-web"))]
mod examples;
mod field_mistakes;
mod guard;
#[cfg(all(feature = "axum", feature = "actix-web"))]
mod http;
mod import;
mod networks;
mod protocol;
mod receiver;
mod store;
mod verify;
