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
mod field_mistakes;
mod guard;
mod import;
mod networks;
mod protocol;
mod receiver;
mod store;
mod verify;
