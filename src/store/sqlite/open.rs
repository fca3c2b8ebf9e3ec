//! Opens the file, and says what to do when that fails.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::options::SqliteOptions;
use super::schema::{self, SCHEMA, SchemaError};
use crate::store::StoreError;

/// How long to wait before another try at a file that is locked.
const RETRY: Duration = Duration::from_millis(20);

/// The connections of one store.
pub(super) struct Connections {
    pub(super) writer: Connection,
    pub(super) reader: Connection,
}

/// Opens both connections and brings the tables to the present form.
pub(super) fn open(path: &Path, options: &SqliteOptions) -> Result<Connections, StoreError> {
    let path = checked(path)?;
    let started = Instant::now();
    loop {
        match try_open(&path, options) {
            Ok(connections) => return Ok(connections),
            // SQLite does not wait for the lock itself while two processes turn a new file to WAL.
            Err(SchemaError::Engine(error))
                if is_locked(&error) && started.elapsed() < options.busy_timeout =>
            {
                std::thread::sleep(RETRY);
            }
            Err(SchemaError::Engine(error)) => return Err(failed(&path, hint(&error), error)),
            Err(SchemaError::Newer(found)) => {
                let what = format!("the schema of {}", path.display());
                return Err(StoreError::Newer {
                    what,
                    found,
                    known: SCHEMA,
                });
            }
            Err(SchemaError::Unknown) => {
                return Err(failed(
                    &path,
                    "its table postback_meta does not say which form the tables have: restore the file from a backup",
                    "no usable version in postback_meta",
                ));
            }
        }
    }
}

/// Errors before SQLite is asked, because it would say less.
pub(super) fn checked(path: &Path) -> Result<PathBuf, StoreError> {
    if path.as_os_str().is_empty() || path == Path::new(":memory:") {
        return Err(failed(
            path,
            "name a file; for tests without one there is MemoryStore",
            "SQLite would forget everything when the program ends",
        ));
    }
    // Absolute, so that SQLite does not take "file:…" for a URI with parameters.
    let path = std::path::absolute(path)
        .map_err(|error| failed(path, "the path cannot be resolved", error))?;
    if path.is_dir() {
        return Err(failed(
            &path,
            "it is a directory: name a file in it",
            "is a directory",
        ));
    }
    let parent = path.parent().unwrap_or(&path);
    match std::fs::metadata(parent) {
        Ok(found) if found.is_dir() => Ok(path),
        Ok(_) => Err(failed(
            &path,
            "what should be its directory is a file: correct the path",
            "not a directory",
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(failed(
            &path,
            "its directory does not exist: create it or correct the path",
            error,
        )),
        Err(error) => Err(failed(
            &path,
            "its directory cannot be looked into: check its permissions",
            error,
        )),
    }
}

fn try_open(path: &Path, options: &SqliteOptions) -> Result<Connections, SchemaError> {
    let mut writer = connect(path, options, OpenFlags::SQLITE_OPEN_CREATE)?;
    if writer.is_readonly("main")? {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY);
        return Err(SchemaError::Engine(rusqlite::Error::SqliteFailure(
            code, None,
        )));
    }
    let mode: String = writer.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_NOLFS);
        return Err(SchemaError::Engine(rusqlite::Error::SqliteFailure(
            code, None,
        )));
    }
    // FULL: a commit is on the disk before it is reported. `fullfsync` is the same for macOS.
    writer.pragma_update(None, "synchronous", "FULL")?;
    writer.pragma_update(None, "fullfsync", true)?;
    writer.pragma_update(None, "wal_autocheckpoint", options.checkpoint_pages)?;
    schema::migrate(&mut writer)?;

    let reader = connect(path, options, OpenFlags::empty())?;
    reader.pragma_update(None, "query_only", true)?;
    Ok(Connections { writer, reader })
}

fn connect(
    path: &Path,
    options: &SqliteOptions,
    flags: OpenFlags,
) -> Result<Connection, rusqlite::Error> {
    let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(options.busy_timeout)?;
    let cache_size = i64::from(options.cache_kib).saturating_neg(); // below zero: in KiB, not in pages
    connection.pragma_update(None, "cache_size", cache_size)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn is_locked(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
    )
}

pub(super) fn hint(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process holds it locked: end that process, or open it with a longer busy timeout"
        }
        Some(ErrorCode::NotADatabase) => {
            "it is not a SQLite database, or damaged at its beginning: correct the path or restore a backup"
        }
        Some(ErrorCode::DatabaseCorrupt) => "it is damaged: restore a backup",
        Some(ErrorCode::ReadOnly) => {
            "it is read-only: make the file and its directory writable for the user that runs the program"
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "the file cannot be opened or created: make the file and its directory accessible and writable for \
             the user that runs the program"
        }
        Some(ErrorCode::DiskFull) => "the disk is full: make room",
        Some(ErrorCode::NoLargeFileSupport) => {
            "this file system cannot hold a write-ahead log: put the file on a local disk"
        }
        Some(ErrorCode::SystemIoFailure) => "the disk or file system reports an error: check it",
        _ => "SQLite cannot use it",
    }
}

pub(super) fn failed(
    path: &Path,
    hint: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Open {
        place: path.display().to_string(),
        hint,
        source: source.into(),
    }
}

/// The threads that serve the connections could not be started.
pub(super) fn no_thread(path: &Path, error: std::io::Error) -> StoreError {
    failed(path, "the system grants no further thread", error)
}
