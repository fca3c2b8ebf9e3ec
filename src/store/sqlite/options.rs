//! How the store is opened.

use std::path::Path;
use std::time::Duration;

use super::SqliteStore;
use super::queue::Begin;
use crate::store::StoreError;

/// How a [`SqliteStore`] is opened and how much it may hold in memory. The defaults serve a busy game.
///
/// What makes the store safe (WAL, `synchronous=FULL`) is not among them: it cannot be switched off.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("game.db");
/// use std::time::Duration;
/// use postback::store::sqlite::SqliteOptions;
///
/// let store = SqliteOptions::new().busy_timeout(Duration::from_secs(1)).queue(1024).open(path)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    pub(super) busy_timeout: Duration,
    pub(super) queue: usize,
    pub(super) group: usize,
    pub(super) cache_kib: u32,
    pub(super) checkpoint_pages: u32,
    pub(super) begin: Begin,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            busy_timeout: Duration::from_secs(5),
            queue: 4096,
            group: 256,
            cache_kib: 64 * 1024,
            checkpoint_pages: 10_000,
            begin: Begin::here(),
        }
    }
}

impl SqliteOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// How long an operation waits for another process or connection that holds the file's lock before it
    /// is [`StoreError::Unavailable`]. 5 s unless set.
    #[must_use]
    pub fn busy_timeout(mut self, span: Duration) -> Self {
        self.busy_timeout = span;
        self
    }

    /// How many operations may wait for the writer, and as many for the reader, before further ones are
    /// [`StoreError::Overloaded`]. 4096 unless set, 1 at least.
    #[must_use]
    pub fn queue(mut self, operations: usize) -> Self {
        self.queue = operations.max(1);
        self
    }

    /// How many operations share one commit at most. 256 unless set, 1 at least.
    #[must_use]
    pub fn group(mut self, operations: usize) -> Self {
        self.group = operations.max(1);
        self
    }

    /// How much of the file each of the two connections may keep in memory, in KiB. 64 MiB unless set.
    #[must_use]
    pub fn cache_kib(mut self, kib: u32) -> Self {
        self.cache_kib = kib;
        self
    }

    /// After how many pages (of 4 KiB) in the write-ahead log they are moved to the file. More means
    /// fewer, longer pauses. 10 000 unless set.
    #[must_use]
    pub fn checkpoint_pages(mut self, pages: u32) -> Self {
        self.checkpoint_pages = pages.max(1);
        self
    }

    /// Opens the store: see [`SqliteStore::open`].
    ///
    /// # Errors
    /// [`StoreError::Open`] and [`StoreError::Newer`].
    pub fn open(self, path: impl AsRef<Path>) -> Result<SqliteStore, StoreError> {
        SqliteStore::open_with(path.as_ref(), &self)
    }
}
