//! What is due: pure functions over a record.
//!
//! A [`Record`] is a log: every distinct message of a conversion with the decision about it, in order, and a cursor
//! that says how many of these decisions were delivered. Over the messages that count,
//!
//! ```text
//! target = 0                                           without a completed message, or after a revocation
//!        = clamp(completed + Σ adjustments, 0, completed)    otherwise
//! due    = target − decided
//! ```
//!
//! where `decided` is the sum of all decisions so far, delivered or not. The target depends on the *set* of messages
//! alone, so order and repetition do not matter, nothing is paid without a completed message, and nothing is taken back
//! that was not paid. Decisions are delivered in order, so the balance stays within 0 … completed at every moment.
//!
//! There is no clock and no I/O here: the time is passed in.

mod apply;
mod import;
mod record;

#[cfg(feature = "testing")]
pub use apply::target;
pub use apply::{Applied, apply};
pub use import::{Exposure, Outcome};
pub(crate) use import::{correct, exposures, import, needs_correction};
pub use record::{Closed, Entry, Lease, RECORD_FORMAT, Record, RecordStatus, Retry, Stored, SwapOutcome, Version};
