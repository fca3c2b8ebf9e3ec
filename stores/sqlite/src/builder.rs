//! Opens a file, or says what to do when that fails.

use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use postback::StoreError;
use rusqlite::{Connection, OpenFlags, ffi};

use crate::error::{hint, is_locked, open_failed, sqlite_error};
use crate::schema::{self, SCHEMA_VERSION, SchemaError};
use crate::store::{Connections, Limits, SqliteStore};

/// The pause between two attempts to open a file that is locked.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// How many prepared statements a connection keeps.
const CACHED_STATEMENTS: usize = 128;

/// How much of the file the connections for writing and for loading each keep in memory; negative means KiB, not pages.
const CACHE_SIZE: i32 = -64 * 1024;

/// After how many pages of 4 KiB the write-ahead log is moved into the file. With SQLite's default of 1000, a busy store
/// writes the same pages to the file again and again.
const CHECKPOINT_PAGES: u32 = 10_000;

impl SqliteStore {
    /// Opens a file with the default options: see [`SqliteBuilder::open`].
    ///
    /// # Errors
    /// [`StoreError::Open`] with the file, the cause and what to do about it, or [`StoreError::Newer`] if a later
    /// version of this crate created the tables.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::builder().open(path)
    }

    /// Opens a file with other options.
    pub fn builder() -> SqliteBuilder {
        SqliteBuilder::default()
    }
}

/// Opens a [`SqliteStore`] with other limits than the defaults.
///
/// What makes the store durable (WAL mode, `synchronous = FULL`) is not an option.
///
/// ```
/// use std::time::Duration;
/// use postback_sqlite::SqliteStore;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("game.db");
/// let store = SqliteStore::builder().busy_timeout(Duration::from_secs(1)).queue(1024).open(path)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SqliteBuilder {
    busy_timeout: Duration,
    limits: Limits,
}

impl Default for SqliteBuilder {
    fn default() -> Self {
        let limits = Limits { timeout: Duration::from_secs(10), queue: 4096 };
        Self { busy_timeout: Duration::from_secs(5), limits }
    }
}

impl SqliteBuilder {
    /// How long SQLite waits for another process that holds the file locked, before callers get
    /// [`StoreError::Unavailable`]. 5 s by default.
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// How long a caller waits for the store before it gets [`StoreError::Overloaded`]; what it asked for may still be
    /// done later. 10 s by default; keep it above the busy timeout.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = timeout;
        self
    }

    /// How many operations may wait for each of the store's threads, before callers get [`StoreError::Overloaded`] at
    /// once. 4096 by default, at least 64.
    #[must_use]
    pub fn queue(mut self, operations: usize) -> Self {
        self.limits.queue = operations.max(64);
        self
    }

    /// Opens a file, or creates it if there is none, and creates the store's tables, whose names begin with `postback_`.
    /// Reads and writes the file before it returns.
    ///
    /// # Errors
    /// [`StoreError::Open`], or [`StoreError::Newer`] if a later version of this crate created the tables.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<SqliteStore, StoreError> {
        self.open_writable(path.as_ref(), OpenFlags::SQLITE_OPEN_CREATE)
    }

    /// Opens a file that exists, such as the game's own database, as [`open`](Self::open) does.
    ///
    /// # Errors
    /// [`StoreError::Open`] if there is no such file, and the errors of [`open`](Self::open).
    pub fn open_existing(&self, path: impl AsRef<Path>) -> Result<SqliteStore, StoreError> {
        let path = path.as_ref();
        check_exists(path)?;
        self.open_writable(path, OpenFlags::empty())
    }

    /// Opens a store to look something up, also while other processes use it. Creates and changes nothing; every
    /// operation that writes is [`StoreError::Unavailable`].
    ///
    /// # Errors
    /// [`StoreError::Open`], if there is no such file or no store in it; [`StoreError::Newer`].
    pub fn open_read_only(&self, path: impl AsRef<Path>) -> Result<SqliteStore, StoreError> {
        let path = path.as_ref();
        check_exists(path)?;
        let path = check_path(path)?;
        let connect = || {
            let listing = self.connect_reader(&path)?;
            match schema::version(&listing)? {
                Some(version) if version > SCHEMA_VERSION => Err(SchemaError::Newer(version)),
                Some(_) => Ok(Connections { writer: None, loading: self.connect_reader(&path)?, listing }),
                None => Err(SchemaError::Missing),
            }
        };
        let connections = connect().map_err(|error| schema_error(&path, error))?;
        SqliteStore::start(&path, connections, self.limits)
    }

    fn open_writable(&self, path: &Path, flags: OpenFlags) -> Result<SqliteStore, StoreError> {
        let path = check_path(path)?;
        let start = Instant::now();
        loop {
            match self.connect_all(&path, flags) {
                Ok(connections) => return SqliteStore::start(&path, connections, self.limits),
                // SQLite itself does not wait while two processes change a new file to WAL mode.
                Err(SchemaError::Sqlite(error)) if is_locked(&error) && start.elapsed() < self.busy_timeout => {
                    thread::sleep(RETRY_INTERVAL);
                }
                Err(error) => return Err(schema_error(&path, error)),
            }
        }
    }

    fn connect_all(&self, path: &Path, flags: OpenFlags) -> Result<Connections, SchemaError> {
        let mut writer = self.connect(path, flags)?;
        if writer.is_readonly("main")? {
            return Err(sqlite_error(ffi::SQLITE_READONLY).into());
        }
        let mode: String = writer.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        if !mode.eq_ignore_ascii_case("wal") {
            return Err(sqlite_error(ffi::SQLITE_NOLFS).into());
        }
        // A commit is on the disk before it is reported. `fullfsync` means the same on macOS.
        writer.pragma_update(None, "synchronous", "FULL")?;
        writer.pragma_update(None, "fullfsync", true)?;
        // What was erased is overwritten.
        writer.pragma_update(None, "secure_delete", true)?;
        writer.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        writer.pragma_update(None, "cache_size", CACHE_SIZE)?;
        schema::create(&mut writer)?;
        let loading = self.connect_reader(path)?;
        loading.pragma_update(None, "cache_size", CACHE_SIZE)?;
        Ok(Connections { listing: self.connect_reader(path)?, loading, writer: Some(writer) })
    }

    /// Opens a connection that only reads. The file itself is not opened read-only: to read it while others write, SQLite
    /// must coordinate with them through files beside it.
    fn connect_reader(&self, path: &Path) -> rusqlite::Result<Connection> {
        let connection = self.connect(path, OpenFlags::empty())?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }

    fn connect(&self, path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
        let flags = flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(self.busy_timeout)?;
        connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
        Ok(connection)
    }
}

/// Finds errors that SQLite would describe less well.
fn check_path(path: &Path) -> Result<PathBuf, StoreError> {
    if path.as_os_str().is_empty() || path == Path::new(":memory:") {
        let hint = "name a file; for tests without one there is MemoryStore";
        return Err(open_failed(path, hint, "no file name"));
    }
    // Absolute, so that SQLite does not take "file:…" for a URI.
    let path = std::path::absolute(path)
        .map_err(|error| open_failed(path, "the path cannot be resolved: correct it", error))?;
    if path.is_dir() {
        let hint = "it is a directory: name a file in it";
        return Err(open_failed(&path, hint, "is a directory"));
    }
    let hint = match std::fs::metadata(path.parent().unwrap_or(&path)) {
        Ok(parent) if parent.is_dir() => return Ok(path),
        Ok(_) => "its directory is a file: correct the path",
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            "its directory does not exist: create it or correct the path"
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => "its directory is a file: correct the path",
        Err(_) => "no access to its directory: check its permissions",
    };
    Err(open_failed(&path, hint, "no directory"))
}

fn check_exists(path: &Path) -> Result<(), StoreError> {
    let exists =
        path.try_exists().map_err(|error| open_failed(path, "no access to the file: check its permissions", error))?;
    if exists { Ok(()) } else { Err(open_failed(path, "no such file: correct the path", "not found")) }
}

fn schema_error(path: &Path, error: SchemaError) -> StoreError {
    match error {
        SchemaError::Sqlite(error) => open_failed(path, hint(&error), error),
        SchemaError::Newer(found) => {
            StoreError::Newer { what: format!("schema of {}", path.display()), found, known: SCHEMA_VERSION }
        }
        SchemaError::Missing => {
            let hint = "no receiver has stored records in this file: correct the path";
            open_failed(path, hint, "no table postback_schema")
        }
        SchemaError::Unknown => {
            let hint = "its table postback_schema contains no version: restore a backup";
            open_failed(path, hint, "unknown schema version")
        }
    }
}
