//! A store of one's own: one JSON file per record in a folder, for one process.
//!
//! ```console
//! $ cargo run --example custom_store
//! ```
//!
//! Runs the conformance suite on it and prints what was stored. A real store does the same with a database's own
//! compare-and-swap.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use postback::store::{KeptCallback, KeptId, MAX_KEPT, Record, Stored, SwapOutcome, Version, json};
use postback::testing::conformance;
use postback::{DedupStore, RecordKey, StoreError};

#[derive(Clone)]
struct FolderStore {
    folder: PathBuf,
    /// Version and file name of each record. The lock makes compare and swap one step.
    index: Arc<Mutex<BTreeMap<RecordKey, (u64, String)>>>,
    kept: Arc<Mutex<BTreeMap<KeptId, KeptCallback>>>,
    files: Arc<AtomicU64>,
}

impl FolderStore {
    fn new(folder: PathBuf) -> Self {
        Self { folder, index: Arc::default(), kept: Arc::default(), files: Arc::default() }
    }

    fn read(&self, key: &RecordKey, entry: Option<&(u64, String)>) -> Result<Option<Stored>, StoreError> {
        let Some((version, file)) = entry else { return Ok(None) };
        let text = std::fs::read(self.folder.join(file)).map_err(|error| failed("load a record", error))?;
        // What cannot be read is an error, never absent.
        json::read(key, *version, &text).map(Some)
    }
}

fn failed(operation: &'static str, error: std::io::Error) -> StoreError {
    StoreError::Unavailable { operation, hint: "check the folder's permissions", source: error.into() }
}

impl DedupStore for FolderStore {
    async fn load(&self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        self.read(key, index.get(key))
    }

    async fn swap(&self, expected: Option<Version>, record: &Record) -> Result<SwapOutcome, StoreError> {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let key = record.key();
        let current = index.get(key);
        if current.map(|(version, _)| *version) != expected.map(Version::number) {
            return Ok(SwapOutcome::Conflict(self.read(key, current)?));
        }
        let version = Version::after(expected);
        let file = format!("{}.json", self.files.fetch_add(1, Ordering::SeqCst));
        let write = std::fs::write(self.folder.join(&file), json::write(record)?);
        write.map_err(|error| failed("store a record", error))?;
        index.insert(key.clone(), (version.number(), file));
        Ok(SwapOutcome::Replaced(version))
    }

    async fn list_pending(&self, after: Option<&RecordKey>, limit: usize) -> Result<Vec<RecordKey>, StoreError> {
        let index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        let mut keys = Vec::new();
        for (key, entry) in index.iter().filter(|(key, _)| after.is_none_or(|after| *key > after)) {
            if keys.len() < limit && self.read(key, Some(entry))?.is_some_and(|stored| stored.record.is_pending()) {
                keys.push(key.clone());
            }
        }
        Ok(keys)
    }

    async fn keep_unusable(&self, kept: &KeptCallback) -> Result<usize, StoreError> {
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(kept.id.clone()).or_insert_with(|| kept.clone());
        let before = all.len();
        while all.len() > MAX_KEPT {
            let first = all.values().min_by_key(|known| known.received).map(|known| known.id.clone());
            first.and_then(|id| all.remove(&id));
        }
        Ok(before - all.len())
    }

    async fn list_unusable(&self, after: Option<&KeptId>, limit: usize) -> Result<Vec<KeptCallback>, StoreError> {
        let all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let later = all.iter().filter(|(id, _)| after.is_none_or(|after| *id > after));
        Ok(later.map(|(_, kept)| kept.clone()).take(limit).collect())
    }

    async fn remove_unusable(&self, id: &KeptId) -> Result<bool, StoreError> {
        Ok(self.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(id).is_some())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let number = std::cell::Cell::new(0);
    conformance::plain(async || {
        number.set(number.get() + 1);
        let folder = folder.path().join(number.get().to_string());
        drop(std::fs::create_dir(&folder));
        FolderStore::new(folder)
    })
    .await;
    println!("the store keeps every promise, in {} folders", number.get());
    Ok(())
}
