//! What is remembered, and where.
//!
//! A store compares and swaps; it decides nothing. Leases, intents and fencing live once, above it: a
//! record's [`Version`] is the fencing token. So a store is small, and one suite tries them all
//! (`store::conformance`, feature `testing`).
//!
//! # A store of your own
//!
//! Here is a whole one, over a map of texts in place of a database. It keeps the promises of [`DedupStore`]
//! because every operation looks and changes under one lock; a real one does the same in one statement or script.
//!
#![cfg_attr(
    feature = "testing",
    doc = r#"
```
use std::collections::BTreeMap;
use std::sync::Mutex;

use postback::event::RecordKey;
use postback::guard::Record;
use postback::store::{DedupStore, StoreError, Stored, Swapped, Version, conformance, json};

/// Key → version and record. A `BTreeMap` of the keys' text is in the order that is promised.
#[derive(Default)]
struct Texts(Mutex<BTreeMap<String, (u64, String)>>);

impl Texts {
    fn find(&self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        let rows = self.0.lock().map_err(|_| StoreError::Closed)?;
        // What cannot be read is an error, and never absent.
        rows.get(&key.to_string()).map(|(version, text)| json::read(key, *version, text.as_bytes())).transpose()
    }
}

impl DedupStore for Texts {
    async fn load(&self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        self.find(key)
    }

    async fn swap(&self, expected: Option<Version>, record: &Record) -> Result<Swapped, StoreError> {
        let (key, text) = (record.key().to_string(), json::write(record)?);
        let version = Version::following(expected);
        let mut rows = self.0.lock().map_err(|_| StoreError::Closed)?;
        if rows.get(&key).map(|(version, _)| *version) == expected.map(Version::number) {
            rows.insert(key, (version.number(), text));
            return Ok(Swapped::Done(version));
        }
        drop(rows);
        Ok(Swapped::Lost(self.find(record.key())?))
    }

    async fn unsettled(&self, after: Option<&RecordKey>, limit: usize) -> Result<Vec<RecordKey>, StoreError> {
        let after = after.map(RecordKey::to_string).unwrap_or_default();
        let keys: Vec<RecordKey> = {
            let rows = self.0.lock().map_err(|_| StoreError::Closed)?;
            rows.keys().filter(|key| **key > after).filter_map(|key| key.parse().ok()).collect()
        };
        let mut open = Vec::new();
        for key in keys {
            if self.find(&key)?.is_some_and(|stored| stored.record.open().is_some()) {
                open.push(key);
            }
            if open.len() == limit {
                break;
            }
        }
        Ok(open)
    }
}

# #[tokio::main(flavor = "current_thread")]
# async fn main() {
// The suite that the crate's own stores pass. It panics where a promise is broken.
conformance::all(async || Texts::default()).await;
# }
```
"#
)]

#[cfg(feature = "testing")]
pub mod conformance;
mod error;
#[cfg(feature = "json")]
pub mod json;
mod memory;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
mod retention;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod settle;
#[cfg(feature = "sqlite")]
pub mod sqlite;

use std::future::Future;
use std::num::NonZeroU64;
use std::sync::Arc;

pub use error::StoreError;
pub use memory::MemoryStore;
pub use retention::{Forgotten, Pruned, Retention, forget, prune};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use settle::SettleError;

use crate::event::RecordKey;
use crate::guard::Record;

/// A record's version: 1 when it is first stored, one more at every swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(NonZeroU64);

impl Version {
    /// The version of a record that is stored for the first time.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// A version that a store has kept as a number; `None` for zero.
    pub fn from_number(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// As a number, for the store to keep.
    pub fn number(self) -> u64 {
        self.0.get()
    }

    /// The version that follows.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The version that a record gets when it replaces what was expected.
    pub fn following(expected: Option<Self>) -> Self {
        expected.map_or(Self::FIRST, Self::next)
    }
}

/// A record as the store has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Its version.
    pub version: Version,
    /// The record.
    pub record: Record,
}

/// How a swap ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Swapped {
    /// The record was replaced and durably so. It has this version now.
    Done(Version),
    /// Another version than the expected one is stored: this one. Nothing was changed.
    Lost(Option<Stored>),
}

/// Remembers records. Implementations only compare and swap.
///
/// # What an implementation promises
///
/// - Operations on one key are linearisable, across every process that shares the store.
/// - [`Swapped::Done`] means durable: no crash loses it.
/// - A record that cannot be read is [`StoreError::Unreadable`], never absent: a record taken for absent
///   is a reward paid twice.
pub trait DedupStore: Send + Sync + 'static {
    /// Whether a [`Receiver`](crate::receiver::Receiver) claims a callback's conversion at once, without a look
    /// first. A first delivery then takes one request less, and a repeated one is told of its record by the
    /// swap that it loses.
    ///
    /// To be set where a lost swap costs little more than a `load`: where it writes nothing, waits for nobody
    /// and brings the present record along. It is about cost alone: every promise is kept either way.
    const CLAIMS_FIRST: bool = false;

    /// The record under this key; `None` when there is none.
    fn load(
        &self,
        key: &RecordKey,
    ) -> impl Future<Output = Result<Option<Stored>, StoreError>> + Send;

    /// Replaces the record under its key if the stored version is the expected one (`None`: no record
    /// yet). Compares and replaces in one step.
    fn swap(
        &self,
        expected: Option<Version>,
        record: &Record,
    ) -> impl Future<Output = Result<Swapped, StoreError>> + Send;

    /// The keys of up to `limit` records with a decision left open ([`Record::open`]), in the order of
    /// their keys' text, beginning after `after`.
    fn unsettled(
        &self,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<RecordKey>, StoreError>> + Send;
}

impl<S: DedupStore> DedupStore for Arc<S> {
    const CLAIMS_FIRST: bool = S::CLAIMS_FIRST;

    fn load(
        &self,
        key: &RecordKey,
    ) -> impl Future<Output = Result<Option<Stored>, StoreError>> + Send {
        (**self).load(key)
    }

    fn swap(
        &self,
        expected: Option<Version>,
        record: &Record,
    ) -> impl Future<Output = Result<Swapped, StoreError>> + Send {
        (**self).swap(expected, record)
    }

    fn unsettled(
        &self,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<RecordKey>, StoreError>> + Send {
        (**self).unsettled(after, limit)
    }
}
