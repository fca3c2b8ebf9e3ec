//! Receive ad-network callbacks ("postbacks" of offer walls): verified, typed, and paid exactly once.

pub mod guard;
pub mod network;
pub mod protocol;
pub mod store;
pub mod verify;
pub mod web;

mod clock;
mod decision;
mod error;
mod event;
mod handler;
mod id;
mod receiver;
mod telemetry;

pub use clock::{Clock, SystemClock, Timestamp};
pub use decision::{Action, ConflictKind, Decision, DecisionId, NothingReason, Reversal, Reward};
pub use error::Origin;
pub use event::{BanStatus, Effect, Event, EventKind, IgnoreReason, UnusableCallback};
pub use handler::{Handler, HandlerError};
pub use id::{
    AppName, IdError, MAX_ID_BYTES, NetworkName, PlayerId, RecordKey, Subject, TransactionId,
};
pub use network::{Callback, Endpoint, EndpointLabels, Responses, Verified, bitlabs};
pub use protocol::{Receipt, Timing};
pub use receiver::{
    Deliver, InTransaction, Job, Receive, ReceiveError, Receiver, Recovery, RecoverySummary,
    ReplaySummary, RequestError,
};
#[doc(no_inline)]
pub use rust_decimal::Decimal;
pub use store::{DedupStore, MemoryStore, StoreError, TransactionalStore};
#[cfg(feature = "metrics")]
pub use telemetry::describe_metrics;
pub use verify::{KeyRing, Request, Secret, VerifyError};
#[cfg(feature = "actix-web")]
pub use web::actix;
#[cfg(feature = "axum")]
pub use web::axum;
