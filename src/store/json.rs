//! Records as JSON: the form in which the stores of this crate write them, legible to any tool. Feature `json`.

use serde::Deserialize;

use super::{StoreError, Stored, Version};
use crate::event::RecordKey;
use crate::guard::{RECORD_FORMAT, Record};

/// What most records take, in bytes: they grow no more while they are written.
const MOST: usize = 1024;

/// Writes a record.
///
/// # Errors
/// [`StoreError::Unavailable`]; not to happen.
pub fn write(record: &Record) -> Result<String, StoreError> {
    let unwritable = |source| StoreError::Unavailable {
        doing: "write a record down",
        source,
    };
    let mut json = Vec::with_capacity(MOST);
    serde_json::to_writer(&mut json, record).map_err(|error| unwritable(error.into()))?;
    String::from_utf8(json).map_err(|error| unwritable(error.into()))
}

/// Reads what a store holds under a key: the record, if it is one that this version can read, and the one that
/// was asked for.
///
/// # Errors
/// [`StoreError::Newer`], when a later version of this crate wrote it; [`StoreError::Unreadable`] otherwise.
/// Never takes a record that it cannot read for absent.
pub fn read(key: &RecordKey, version: u64, json: &[u8]) -> Result<Stored, StoreError> {
    let unreadable = |source: Box<dyn std::error::Error + Send + Sync>| StoreError::Unreadable {
        key: key.clone(),
        source,
    };
    let record: Record = match serde_json::from_slice(json) {
        Ok(record) => record,
        Err(error) => {
            return Err(match serde_json::from_slice::<Form>(json) {
                Ok(Form { format }) if format > RECORD_FORMAT => newer(key, format),
                _ => unreadable(Box::new(error)),
            });
        }
    };
    if record.format() > RECORD_FORMAT {
        return Err(newer(key, record.format()));
    }
    if record.format() == 0 {
        return Err(unreadable("it has no form".into()));
    }
    if record.key() != key {
        return Err(unreadable("it is another record's".into()));
    }
    match Version::from_number(version) {
        Some(version) => Ok(Stored { version, record }),
        None => Err(unreadable("its version is not above zero".into())),
    }
}

/// Just the form, which every version of the crate can read.
#[derive(Deserialize)]
struct Form {
    format: u32,
}

fn newer(key: &RecordKey, found: u32) -> StoreError {
    StoreError::Newer {
        what: format!("the record {}", key.without_player()),
        found,
        known: RECORD_FORMAT,
    }
}
