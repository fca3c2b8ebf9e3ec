//! The example `axum_receiver` as its user meets it: started well and badly, tried, disturbed, ended.
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
mod disturbed;
mod ended;
mod file;
#[path = "../http/mod.rs"]
mod http;
mod settings;
mod tried;
