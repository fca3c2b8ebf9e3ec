//! Errors of SQLite, with what to do about them.

use std::borrow::Borrow;
use std::error::Error;
use std::path::Path;

use postback::StoreError;
use rusqlite::{Connection, ErrorCode};

/// SQLite failed to carry out an operation.
pub(crate) fn unavailable(
    operation: &'static str,
    error: impl Borrow<rusqlite::Error> + Error + Send + Sync + 'static,
) -> StoreError {
    StoreError::Unavailable { operation, hint: hint(error.borrow()), source: Box::new(error) }
}

/// The store's thread ended or panicked. A bug, or a log subscriber that panics.
pub(crate) fn no_reply(operation: &'static str) -> StoreError {
    StoreError::Unavailable {
        operation,
        hint: "retry, and report it if it happens again",
        source: "the store's thread panicked".into(),
    }
}

/// A file cannot be opened.
pub(crate) fn open_failed(path: &Path, hint: &str, source: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
    StoreError::Open { location: path.display().to_string(), hint: hint.to_owned(), source: source.into() }
}

/// What to do about an error.
pub(crate) fn hint(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process holds the file locked: end it, or set a longer busy timeout"
        }
        Some(ErrorCode::NotADatabase) => {
            "not a SQLite database, or damaged at its beginning: correct the path or restore a backup"
        }
        Some(ErrorCode::DatabaseCorrupt) => "the file is damaged: restore a backup",
        Some(ErrorCode::ReadOnly) => {
            "the file is read-only: make it and its directory writable for the user that runs the program"
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "no access to the file: make it and its directory writable for the user that runs the program"
        }
        Some(ErrorCode::DiskFull) => "the disk is full: free some space",
        Some(ErrorCode::NoLargeFileSupport) => {
            "this file system does not support a write-ahead log: move the file to a local disk"
        }
        Some(ErrorCode::SystemIoFailure) => "the disk or the file system failed: check it",
        _ => "SQLite reported an error",
    }
}

/// The error that SQLite would give if it reported this code itself.
pub(crate) fn sqlite_error(code: i32) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)
}

/// Whether another connection holds a lock.
pub(crate) fn is_locked(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Ends a transaction that was left open.
pub(crate) fn roll_back(connection: &Connection) {
    if !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        // The next BEGIN fails, too, and its callers get that error.
        tracing::error!(target: "postback::store", %error, "SQLite could not roll back");
    }
}
