//! What is due: pure functions over what is remembered.
//!
//! For the set of events of a conversion that count,
//!
//! ```text
//! target = 0                                        while no completed event is among them
//!        = clamp(completed + Σ adjustments, 0, completed)   otherwise
//! due    = target − settled
//! ```
//!
//! The target depends on the *set* alone. So neither order nor repetition matters, nothing is paid
//! without a completed event, and nothing is taken back that was not paid.
//!
//! No clock and no I/O: the moment is passed in, and [`Record`] is a plain value.

mod consider;
mod forget;
mod mark;
mod record;
mod take_over;
mod target;

pub use consider::{Considered, consider};
pub use record::{Closed, Entry, Intent, RECORD_FORMAT, Record, RecordStatus};
pub use take_over::Contradiction;
pub(crate) use take_over::{Past, TakenOver, take_over};
pub use target::{OutOfRange, target};
