//! For tests: callbacks as the networks send them.
//!
//! Feature `testing`. Nothing here weakens an endpoint: signers sign, they do not skip verification.

pub mod bitlabs;
