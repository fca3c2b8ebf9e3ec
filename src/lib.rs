//! Receive ad-network callbacks ("postbacks" of offer walls): verified, typed, and paid exactly once.

pub mod network;
pub mod verify;

mod clock;
mod decision;
mod error;
mod event;
mod id;

pub use clock::{Clock, SystemClock, Timestamp};
pub use decision::{
    Action, ConflictKind, Decision, DecisionId, NothingReason, Reversal, Reward,
};
pub use error::Origin;
pub use event::{BanStatus, Effect, Event, EventKind, IgnoreReason, UnusableCallback};
pub use id::{
    AppName, IdError, MAX_ID_BYTES, NetworkName, PlayerId, RecordKey, Subject, TransactionId,
};
pub use network::{Callback, Endpoint, EndpointLabels, Responses, Verified, bitlabs};
#[doc(no_inline)]
pub use rust_decimal::Decimal;
pub use verify::{KeyRing, Request, Secret, VerifyError};
