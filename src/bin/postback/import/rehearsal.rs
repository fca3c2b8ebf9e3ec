//! A store to try an import on: reads from the real one, and keeps what would be written to itself.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use postback::event::RecordKey;
use postback::guard::Record;
use postback::store::{DedupStore, StoreError, Stored, Swapped, Version};

use crate::records::Records;

pub(crate) struct Rehearsal(Mutex<State>);

struct State {
    /// `None`: there is no store yet.
    real: Option<Box<dyn Records>>,
    touched: HashMap<String, Stored>,
}

impl Rehearsal {
    pub(crate) fn on(real: Option<Box<dyn Records>>) -> Self {
        let touched = HashMap::new();
        Self(Mutex::new(State { real, touched }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn current(&self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        let text = key.to_string();
        if let Some(stored) = self.touched.get(&text) {
            return Ok(Some(stored.clone()));
        }
        let Some(real) = &self.real else {
            return Ok(None);
        };
        let found = real.find(&text).map_err(|source| StoreError::Unavailable {
            doing: "load a record",
            source,
        })?;
        let found = found.into_iter().find(|record| record.key() == key);
        // Versions of its own: the real ones are not compared with.
        let version = Version::FIRST;
        Ok(found.map(|record| Stored { version, record }))
    }
}

impl DedupStore for Rehearsal {
    async fn load(&self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        self.state().current(key)
    }

    async fn swap(
        &self,
        expected: Option<Version>,
        record: &Record,
    ) -> Result<Swapped, StoreError> {
        let mut state = self.state();
        let current = state.current(record.key())?;
        if current.as_ref().map(|stored| stored.version) != expected {
            return Ok(Swapped::Lost(current));
        }
        let version = Version::following(expected);
        let stored = Stored {
            version,
            record: record.clone(),
        };
        state.touched.insert(record.key().to_string(), stored);
        Ok(Swapped::Done(version))
    }

    async fn unsettled(
        &self,
        _: Option<&RecordKey>,
        _: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        Ok(Vec::new())
    }
}
