//! Where records are kept.
//!
//! A store compares and swaps; it decides nothing. To it a record is a key, a version, bytes, whether something is
//! pending, and a player to find it by. Leases, intents and amounts live above it. So a store is small, and one suite
//! tests them all (`testing::conformance`, feature `testing`).

mod error;
pub mod json;
mod memory;
mod retention;
mod transaction;

use std::fmt;
use std::fmt::Write as _;
use std::future::Future;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use crate::guard::{Closed, Entry, Lease, Record, RecordStatus, Retry, Stored, SwapOutcome, Version};
pub use error::StoreError;
pub use memory::{MemoryStore, MemoryTransaction};
pub(crate) use retention::all_unusable;
pub use retention::{Erased, Pruned, Retention, erase_player, prune};
pub use transaction::{Transaction, TransactionWork, TransactionalStore};

use crate::clock::Timestamp;
use crate::event::UnusableCallback;
use crate::id::RecordKey;

/// How many unusable callbacks a store keeps. Beyond that, the oldest are removed.
pub const MAX_KEPT: usize = 10_000;

/// Keeps records. Implementations only compare and swap. Cheap to clone; clones share the store.
///
/// # What an implementation guarantees
///
/// - Operations on one key are linearizable across every process that shares the store.
/// - [`SwapOutcome::Replaced`] means durable: no crash loses it.
/// - A record that cannot be read is [`StoreError::Unreadable`], never absent: a record that is taken for absent is a
///   reward paid twice.
/// - Dropping a future may leave the operation done or not done, but never half done.
pub trait DedupStore: Clone + Send + Sync + 'static {
    /// The record under this key. `None` if there is none.
    ///
    /// # Errors
    /// [`StoreError`], if the store does not answer or the record cannot be read.
    fn load(&self, key: &RecordKey) -> impl Future<Output = Result<Option<Stored>, StoreError>> + Send;

    /// Replaces the record under its key if the stored version is the expected one (`None`: no record yet). Compares
    /// and replaces in one step.
    ///
    /// # Errors
    /// [`StoreError`]: whether it was replaced is unknown.
    fn swap(
        &self,
        expected: Option<Version>,
        record: &Record,
    ) -> impl Future<Output = Result<SwapOutcome, StoreError>> + Send;

    /// The keys of up to `limit` records with a pending decision ([`Record::is_pending`]), in the order of their text,
    /// beginning after `after`.
    ///
    /// # Errors
    /// [`StoreError`], if the store does not answer.
    fn list_pending(
        &self,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<RecordKey>, StoreError>> + Send;

    /// Keeps a genuine callback that cannot be used, unless one with its id is kept already. Then removes the oldest
    /// beyond [`MAX_KEPT`]. Returns how many were removed.
    ///
    /// # Errors
    /// [`StoreError`]: whether it was kept is unknown.
    fn keep_unusable(&self, kept: &KeptCallback) -> impl Future<Output = Result<usize, StoreError>> + Send;

    /// Up to `limit` kept callbacks in the order of their ids, beginning after `after`.
    ///
    /// # Errors
    /// [`StoreError`], if the store does not answer.
    fn list_unusable(
        &self,
        after: Option<&KeptId>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<KeptCallback>, StoreError>> + Send;

    /// Removes a kept callback. Returns whether it was there.
    ///
    /// # Errors
    /// [`StoreError`]: whether it was removed is unknown.
    fn remove_unusable(&self, id: &KeptId) -> impl Future<Output = Result<bool, StoreError>> + Send;
}

/// A genuine callback that could not be used, as a store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KeptCallback {
    /// Its id: the same for a repetition.
    pub id: KeptId,
    /// When it arrived first.
    pub received: Timestamp,
    /// What arrived, and what was wrong with it.
    pub callback: UnusableCallback,
}

impl KeptCallback {
    /// A callback to keep.
    pub fn new(callback: UnusableCallback, received: Timestamp) -> Self {
        let mut content = Sha256::new();
        let labels = [callback.network.as_str(), callback.app.as_str(), &callback.endpoint];
        for field in labels.into_iter().chain([&*callback.path, &*callback.query]) {
            content.update(field.as_bytes());
            content.update([0]);
        }
        let digest = <[u8; 32]>::from(content.finalize());
        let mut hex = String::with_capacity(32);
        for byte in digest.iter().take(16) {
            let _ = write!(hex, "{byte:02x}");
        }
        Self { id: KeptId(hex.into()), received, callback }
    }
}

/// Identifies a kept callback: 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeptId(Arc<str>);

impl KeptId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for KeptId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for KeptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
