//! A store that forgets when the program ends.

use std::collections::BTreeMap;
use std::future::{Future, ready};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{DedupStore, StoreError, Stored, Swapped, Version};
use crate::event::RecordKey;
use crate::guard::Record;

/// Keeps records in memory. **For tests only**: a restart forgets what was paid and pays it again, and
/// nothing bounds its size.
#[derive(Debug, Default)]
pub struct MemoryStore {
    records: Mutex<BTreeMap<String, Stored>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn records(&self) -> MutexGuard<'_, BTreeMap<String, Stored>> {
        // Nothing panics while the lock is held, and every change is a single insertion.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DedupStore for MemoryStore {
    fn load(
        &self,
        key: &RecordKey,
    ) -> impl Future<Output = Result<Option<Stored>, StoreError>> + Send {
        ready(Ok(self.records().get(&key.to_string()).cloned()))
    }

    fn swap(
        &self,
        expected: Option<Version>,
        record: &Record,
    ) -> impl Future<Output = Result<Swapped, StoreError>> + Send {
        let key = record.key().to_string();
        let mut records = self.records();
        let current = records.get(&key);
        if current.map(|stored| stored.version) != expected {
            return ready(Ok(Swapped::Lost(current.cloned())));
        }
        let version = Version::following(expected);
        records.insert(
            key,
            Stored {
                version,
                record: record.clone(),
            },
        );
        ready(Ok(Swapped::Done(version)))
    }

    fn unsettled(
        &self,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<RecordKey>, StoreError>> + Send {
        use std::ops::Bound::{Excluded, Unbounded};
        let from = after.map_or(Unbounded, |key| Excluded(key.to_string()));
        let records = self.records();
        let open = records
            .range((from, Unbounded))
            .map(|(_, stored)| &stored.record);
        let open = open.filter(|record| record.open().is_some());
        ready(Ok(open
            .take(limit)
            .map(|record| record.key().clone())
            .collect()))
    }
}
