//! A store that forgets when the program ends.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::future::{Future, ready};
use std::sync::PoisonError;

use super::{DedupStore, Retention, StoreError, Stored, Swapped, Version};
use crate::clock::Timestamp;
use crate::event::{PlayerId, RecordKey};
use crate::guard::Record;
use crate::sync::{Mutex, MutexGuard};

/// Keeps records in memory. **For tests only**: a restart forgets what was paid and pays it again, and
/// nothing bounds its size.
#[derive(Debug, Default)]
pub struct MemoryStore {
    /// Boxed, for a tree moves what it holds when something is put between.
    records: Mutex<BTreeMap<RecordKey, Box<Stored>>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn records(&self) -> MutexGuard<'_, BTreeMap<RecordKey, Box<Stored>>> {
        // Nothing panics while the lock is held, and every change is a single insertion.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DedupStore for MemoryStore {
    /// One lock, and one search, for either.
    const CLAIMS_FIRST: bool = true;

    fn load(
        &self,
        key: &RecordKey,
    ) -> impl Future<Output = Result<Option<Stored>, StoreError>> + Send {
        ready(Ok(self.records().get(key).map(|stored| (**stored).clone())))
    }

    fn swap(
        &self,
        expected: Option<Version>,
        record: &Record,
    ) -> impl Future<Output = Result<Swapped, StoreError>> + Send {
        let mut records = self.records();
        let place = records.entry(record.key().clone());
        let current = match &place {
            Entry::Occupied(current) => Some(current.get()),
            Entry::Vacant(_) => None,
        };
        if current.map(|stored| stored.version) != expected {
            return ready(Ok(Swapped::Lost(current.map(|stored| (**stored).clone()))));
        }
        let version = Version::following(expected);
        let stored = Stored {
            version,
            record: record.clone(),
        };
        match place {
            Entry::Occupied(mut current) => **current.get_mut() = stored,
            Entry::Vacant(place) => {
                place.insert(Box::new(stored));
            }
        }
        ready(Ok(Swapped::Done(version)))
    }

    fn unsettled(
        &self,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<RecordKey>, StoreError>> + Send {
        ready(Ok(self.keys(after, limit, |record| record.open().is_some())))
    }
}

impl MemoryStore {
    fn keys(
        &self,
        after: Option<&RecordKey>,
        limit: usize,
        wanted: impl Fn(&Record) -> bool,
    ) -> Vec<RecordKey> {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, |key| Excluded(key.clone()));
        let records = self.records();
        let records = records
            .range((from, Unbounded))
            .map(|(_, stored)| &stored.record);
        records
            .filter(|record| wanted(record))
            .take(limit)
            .map(|record| record.key().clone())
            .collect()
    }
}

impl Retention for MemoryStore {
    fn remove(
        &self,
        key: &RecordKey,
        expected: Version,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send {
        let mut records = self.records();
        let is_expected = records
            .get(key)
            .is_some_and(|stored| stored.version == expected);
        if is_expected {
            records.remove(key);
        }
        ready(Ok(is_expected))
    }

    fn unchanged_since(
        &self,
        moment: Timestamp,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<RecordKey>, StoreError>> + Send {
        let is_old = |record: &Record| record.open().is_none() && record.last_change() < moment;
        ready(Ok(self.keys(after, limit, is_old)))
    }

    fn of_player(
        &self,
        player: &PlayerId,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<RecordKey>, StoreError>> + Send {
        ready(Ok(self.keys(after, limit, |record| {
            record.named_player() == Some(player)
        })))
    }
}
