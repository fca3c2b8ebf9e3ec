//! Records as JSON: the form in which all stores write them, readable by any tool.

use serde::Deserialize;
use serde_json::error::Category;

use super::{StoreError, Stored, Version};
use crate::guard::{RECORD_FORMAT, Record};
use crate::id::RecordKey;

/// The size of most records, in bytes.
const TYPICAL_BYTES: usize = 1024;

/// Writes a record.
///
/// # Errors
/// [`StoreError::Unreadable`], if the record cannot be written. It always can, unless a value is not valid JSON.
pub fn write(record: &Record) -> Result<String, StoreError> {
    let unwritable = |source| StoreError::Unreadable { key: record.key().clone(), source };
    let mut json = Vec::with_capacity(TYPICAL_BYTES);
    serde_json::to_writer(&mut json, record).map_err(|error| unwritable(error.into()))?;
    String::from_utf8(json).map_err(|error| unwritable(error.into()))
}

/// Reads what a store holds under a key.
///
/// # Errors
/// [`StoreError::Newer`], if a later version wrote it; [`StoreError::Unreadable`] otherwise.
pub fn read(key: &RecordKey, version: u64, json: &[u8]) -> Result<Stored, StoreError> {
    let unreadable = |source| StoreError::Unreadable { key: key.clone(), source };
    let newer = |found| StoreError::Newer { what: format!("record {}", key.redacted()), found, known: RECORD_FORMAT };
    let record: Record =
        serde_json::from_slice(json).map_err(|error| match serde_json::from_slice::<Format>(json) {
            Ok(Format { format }) if format > RECORD_FORMAT => newer(format),
            _ => unreadable(describe(&error).into()),
        })?;
    match record.format() {
        0 => return Err(unreadable("format is zero".into())),
        format if format > RECORD_FORMAT => return Err(newer(format)),
        _ => {}
    }
    if record.key() != key {
        return Err(unreadable("stored under another key".into()));
    }
    let version = Version::from_number(version).ok_or_else(|| unreadable("version is zero".into()))?;
    Ok(Stored { version, record })
}

/// What is wrong and where, without the value that is there: it may be a player's, and errors are logged.
fn describe(error: &serde_json::Error) -> String {
    let problem = match error.classify() {
        Category::Eof => "incomplete JSON",
        Category::Data => "missing field or invalid value",
        Category::Syntax | Category::Io => "invalid JSON",
    };
    format!("{problem} at line {} column {}", error.line(), error.column())
}

/// The one field that every version can read.
#[derive(Deserialize)]
struct Format {
    format: u32,
}
