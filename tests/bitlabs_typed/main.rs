//! What each callback of BitLabs means.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod fields;
mod offers;
mod other_families;
mod sent;
