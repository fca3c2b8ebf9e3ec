//! For tests: callbacks as the networks send them.
//!
//! Feature `testing`. Nothing here weakens a receiver: it signs, it does not skip verification.

mod base64;
pub mod bitlabs;
mod keyed_hash;
#[cfg(feature = "phonexa")]
pub mod phonexa;
pub mod trailing_hash;
