//! For tests: callbacks as the networks send them, a clock that is set by hand, and the suite that every store passes.
//!
//! Feature `testing`. Nothing here weakens an endpoint: signers sign, they do not skip verification.

#[cfg(feature = "admob")]
pub mod admob;
pub mod bitlabs;
mod clock;
pub mod conformance;
pub mod described;

pub use clock::ManualClock;
