//! Settling in a transaction of the caller's own.

use super::{StoreError, Stored};

/// Why a record was not settled in the caller's transaction. In every case: roll that transaction back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettleError {
    /// Somebody else took the decision over while the caller was at work on it.
    #[error("somebody else took the decision over: roll the transaction back")]
    TakenOver {
        /// How things stand now.
        current: Option<Box<Stored>>,
    },
    /// The store failed.
    #[error("the record could not be settled: roll the transaction back")]
    Store(#[from] StoreError),
}
