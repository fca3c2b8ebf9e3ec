//! For tests: callbacks as the networks send them.
//!
//! Feature `testing`. Nothing here weakens a receiver: it signs, it does not skip verification.

pub mod bitlabs;
