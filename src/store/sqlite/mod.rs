//! Remembers in one SQLite file, which may be the game's own.
//!
//! The file is kept in WAL mode with `synchronous=FULL`: what is reported as done survives a power cut. One
//! thread writes; whatever waits for it is committed together (*group commit*), so that many callers share
//! one sync to the disk. Another thread reads, and never waits for the writer.
//!
//! # Wallet and record in one transaction
//!
//! Where the game's wallet lives in the same file, [`SqliteStore::receiver`] settles in one transaction
//! with it: both are committed or neither is, and the wallet needs no idempotency.
//!
//! ```
//! use postback::decision::Decision;
//! use postback::handler::HandlerError;
//! use postback::store::sqlite::{InTransaction, SqliteStore};
//!
//! # async fn run(path: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
//! let store = SqliteStore::open(path)?;
//! store
//!     .write(|game| {
//!         game.execute_batch("CREATE TABLE IF NOT EXISTS credits (id TEXT PRIMARY KEY, player TEXT, amount TEXT)")
//!     })
//!     .await?;
//! let receiver = store.receiver(|game: &InTransaction<'_>, decision: &Decision| {
//!     if let Decision::Reward(reward) = decision {
//!         game.execute(
//!             "INSERT INTO credits VALUES (?1, ?2, ?3)",
//!             [reward.id().as_str(), reward.player().as_str(), &reward.amount().to_string()],
//!         )?;
//!     }
//!     Ok::<(), HandlerError>(())
//! });
//! receiver.resume().await?; // at start: whatever a crash or a failing handler left open
//! # Ok(())
//! # }
//! ```
//!
//! A caller who would rather commit on a connection of his own uses [`SqliteStore::settle_in`].
//!
//! # For people
//!
//! The file is open to any SQL tool while the game runs. `postback_records` holds a row for each conversion
//! (and for each player's standing), the view `postback_callbacks` a row for each callback:
//!
//! ```sql
//! SELECT received, verdict, amount, signed FROM postback_callbacks WHERE player = 'player-7' ORDER BY received;
//! ```

mod answer;
mod attempt;
mod leash;
mod open;
mod operations;
mod options;
mod queue;
mod reader;
mod receiver;
mod records;
mod retention;
mod rows;
mod schema;
mod tell;
mod together;
mod transaction;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// The SQLite binding that handlers work with, in the version that the store uses.
pub use rusqlite;
use rusqlite::Connection;
use tokio::sync::watch;

pub use super::SettleError;
pub use operations::WorkError;
pub use options::SqliteOptions;
pub use receiver::SqliteReceiver;
pub use records::SqliteRecords;
pub use transaction::{InTransaction, SqliteHandler};

use self::answer::ask;
use self::leash::Leashed;
use self::operations::{Changing, Working, unavailable};
use self::queue::{Begin, Queue};
use self::reader::Reading;
use self::rows::{Row, RowSwapped};
use self::writer::Operation;
use super::{DedupStore, StoreError, Stored, Swapped, Version};
use crate::event::RecordKey;
use crate::guard::Record;
use crate::sync::{oneshot, thread};

#[cfg(all(test, shuttle))]
#[path = "../../../schedules/handover/mod.rs"]
mod handover;

/// Remembers in one SQLite file. Cheap to clone; clones share the connections.
///
/// Several processes may open the same file, on one machine. When the last clone is dropped, what is queued
/// is still done, and the threads end; [`SqliteStore::close`] waits for that.
#[derive(Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

struct Shared {
    place: String,
    writer: Queue<Box<dyn Operation>>,
    reader: Queue<Reading>,
    /// How many operations one caller may well hand in at a time.
    batch: usize,
    /// Its senders are the threads'.
    alive: watch::Receiver<()>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.writer.close();
        self.reader.close();
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("place", &self.shared.place)
            .finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the file with the default [`SqliteOptions`], creates it if need be, and creates or migrates the
    /// tables, all of whose names begin with `postback_`.
    ///
    /// It reads and writes the file before it returns. Call it at start.
    ///
    /// # Errors
    /// [`StoreError::Open`] names the file, the cause and what to do. [`StoreError::Newer`]: a later version of
    /// this crate has used it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        SqliteOptions::default().open(path)
    }

    fn open_with(path: &Path, options: &SqliteOptions) -> Result<Self, StoreError> {
        Self::start(path, open::open(path, options)?, options)
    }

    fn start(
        path: &Path,
        connections: open::Connections,
        options: &SqliteOptions,
    ) -> Result<Self, StoreError> {
        let open::Connections {
            writer: connection,
            reader: reading,
        } = connections;
        let leashed =
            Leashed::new(connection).map_err(|error| unavailable("prepare the writer", error))?;
        let (writer, operations) = Queue::new(options.queue, options.begin);
        let (reader, readings) = Queue::new(options.queue, Begin::AtOnce);
        let (ending, alive) = watch::channel(());
        let ending = Arc::new(ending);
        let limit = options.group;

        // In each thread the connection is closed before the sender, so that `close` means closed.
        let written = Arc::clone(&ending);
        thread::Builder::new()
            .name("postback-writer".to_owned())
            .spawn(move || {
                let _ending = written;
                let leashed = leashed;
                writer::serve(&leashed, &operations, limit);
            })
            .map_err(|error| open::no_thread(path, error))?;
        thread::Builder::new()
            .name("postback-reader".to_owned())
            .spawn(move || {
                let _ending = ending;
                let reading = reading;
                reader::serve(&reading, &readings);
            })
            .map_err(|error| open::no_thread(path, error))?;

        let place = path.display().to_string();
        let batch = (options.queue / 2).clamp(1, 64);
        Ok(Self {
            shared: Arc::new(Shared {
                place,
                writer,
                reader,
                batch,
                alive,
            }),
        })
    }

    /// Does the game's own work in a transaction of the store's, shared with whatever else waits: all that it
    /// wrote is committed when this returns Ok, or, if it fails or panics, none.
    ///
    /// It runs on the writer's thread and must not wait for the store.
    ///
    /// # Errors
    /// [`WorkError::Work`] with what the work returned, [`WorkError::Panicked`], or [`WorkError::Store`].
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, WorkError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnOnce(&InTransaction<'_>) -> Result<T, E> + Send + 'static,
    {
        let answer = ask(&self.shared.writer, "carry the work out", |reply| {
            Box::new(Working::new(work, reply))
        })?;
        answer.await?
    }

    /// Reads whatever the game wants to, from what is committed. Writing is refused.
    ///
    /// It runs on the reader's thread, which serves the store, too, and must not wait for the store.
    ///
    /// # Errors
    /// [`WorkError::Work`] with what the work returned, [`WorkError::Panicked`], or [`WorkError::Store`].
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, WorkError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.shared
            .reader
            .put(Box::new(move |connection: &Connection| {
                let _ = reply.send(work(connection));
            }))?;
        // The reader answers whatever happens, unless the work panics.
        answer
            .await
            .map_err(|_| WorkError::Panicked)?
            .map_err(WorkError::Work)
    }

    /// Takes nothing more, for all clones alike, does what is queued, and waits until the file is closed.
    ///
    /// What comes later is answered with [`StoreError::Closed`].
    pub async fn close(&self) {
        self.shared.writer.close();
        self.shared.reader.close();
        let mut alive = self.shared.alive.clone();
        while alive.changed().await.is_ok() {}
    }

    async fn select<T, F>(&self, doing: &'static str, select: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        self.read(select).await.map_err(|error| match error {
            WorkError::Store(error) => error,
            WorkError::Work(error) => unavailable(doing, error),
            WorkError::Panicked => gone(doing),
        })
    }
}

impl DedupStore for SqliteStore {
    async fn load(&self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        let text = key.to_string();
        let found = self
            .select("load a record", move |connection| {
                rows::find(connection, &text)
            })
            .await?;
        found.map(|found| found.parse(key)).transpose()
    }

    async fn swap(
        &self,
        expected: Option<Version>,
        record: &Record,
    ) -> Result<Swapped, StoreError> {
        let row = Row::new(expected, record)?;
        let doing = "swap a record";
        let answer = ask(&self.shared.writer, doing, |reply| {
            Box::new(Changing::new(
                doing,
                move |db: &Connection| row.swap(db),
                reply,
            ))
        })?;
        match answer.await?? {
            RowSwapped::Done => Ok(Swapped::Done(Version::following(expected))),
            RowSwapped::Lost(found) => Ok(Swapped::Lost(
                found.map(|found| found.parse(record.key())).transpose()?,
            )),
        }
    }

    async fn unsettled(
        &self,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let after = after.map(ToString::to_string);
        self.select("list what is open", move |connection| {
            rows::unsettled(connection, after.as_deref(), limit)
        })
        .await
    }
}

/// The thread is gone, or lost the operation. Not to happen; and if it does, nobody waits for ever.
fn gone(doing: &'static str) -> StoreError {
    StoreError::Unavailable {
        doing,
        source: "the store's thread lost the operation".into(),
    }
}
