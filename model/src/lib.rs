//! Model checking of postback's protocol and guard.
//!
//! The library's own [`Protocol`](postback::testing::protocol::Protocol) and guard are driven through every interleaving of
//! callbacks, crashes, hanging handlers, expiring leases and wrong clocks, within the bounds of a [`Setting`]. What must
//! hold is in [`properties`]. That the check can fail is shown by [`Fault`]s: mistakes made by the model's driver, each of
//! which is found.
//!
//! `cargo test -p postback-model` explores the small settings; `POSTBACK_MODEL_FULL=1 cargo test --release -p
//! postback-model` explores the large ones, too.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    missing_docs,
    reason = "used by its own tests only, which fail by panicking"
)]

pub mod actions;
mod faults;
mod play;
pub mod properties;
pub mod setting;
pub mod world;

pub use actions::Action;
pub use faults::Fault;
pub use setting::{Setting, WalletKind};
pub use world::World;
