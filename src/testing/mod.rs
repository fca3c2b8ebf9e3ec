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

/// What is due: pure functions over a [`Record`](crate::store::Record), for properties, fuzzing and model checkers.
pub mod guard {
    pub use crate::guard::{Applied, RECORD_FORMAT, apply, target};
}

/// The state machine between receiver, store and handler, for model checkers.
pub mod protocol {
    pub use crate::protocol::{Command, HandlerResult, Input, Protocol};
}
