//! The SQLite store for [`postback`](https://docs.rs/postback): records in one file, which may be the game's own database.
//!
//! If the players' balances are in the same file, balance and record are committed together, and the handler needs no
//! idempotency:
//!
//! ```
//! use postback_sqlite::{SqliteStore, rusqlite::Connection};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("game.db");
//! let game = Connection::open(&path)?;
//! game.execute_batch("CREATE TABLE players (id TEXT PRIMARY KEY, gems NUMERIC NOT NULL DEFAULT 0)")?;
//!
//! let receiver = SqliteStore::open(&path)?.receiver(|tx, decision| {
//!     // Runs inside the settling transaction: your rows and the record commit together, or not at all.
//!     tx.execute(
//!         "UPDATE players SET gems = gems + ?2 WHERE id = ?1",
//!         (decision.player().as_str(), decision.balance_change().to_string()),
//!     )?;
//!     Ok(())
//! });
//! # let _ = receiver;
//! # Ok(())
//! # }
//! ```
//!
//! Amounts are decimals. SQLite stores fractions in a `NUMERIC` column as floating-point numbers; if the app's currency
//! has fractions, keep them as `TEXT` or in the smallest unit.
//!
//! If the wallet is elsewhere, use `Receiver::new(store, pay)`: every decision is stored before `pay` is called.
//!
//! # Guarantees
//!
//! The file is in WAL mode with `synchronous = FULL`, which cannot be switched off. What was answered with 200 survives
//! `kill -9` and a power failure. Several processes may share the file on one machine; a network file system will not do.
//!
//! One thread writes. Everything that waits for it is committed together, so that many callbacks share one sync to the
//! disk. Two other threads read, and never wait for the writer. If the disk is full, slow, read-only or locked, callers
//! get an error and the network retries; nothing is lost.
//!
//! # Looking something up
//!
//! The view `postback_history` has a row for each callback. Any SQL tool can read it while the game runs:
//!
//! ```sql
//! SELECT received, event, action, amount, state FROM postback_history WHERE player = 'player-7' ORDER BY received;
//! ```
//!
//! # Backup and restore
//!
//! Copying the file while the game runs gives a damaged copy. Use one of these instead, from any process; the game goes
//! on meanwhile, and the copy is consistent:
//!
//! - `sqlite3 game.db "VACUUM INTO 'backup.db'"`
//! - `sqlite3 game.db ".backup backup.db"`, or `rusqlite::backup::Backup` (feature `backup` of rusqlite)
//!
//! To restore: end every process that has the file open, delete `game.db-wal` and `game.db-shm` if they exist, and put
//! the copy in place of `game.db`. Records and balances in the same file go back together, so a callback that arrives
//! again is paid again, rightly. If the wallet is elsewhere, it must be idempotent on
//! [`Decision::id`](postback::Decision::id), which stays the same after a restore.

mod builder;
mod error;
mod rows;
mod schema;
mod store;
mod sync;
mod transaction;
mod writer;

/// The SQLite library, in the version that handlers get.
pub use rusqlite;

pub use builder::SqliteBuilder;
pub use store::SqliteStore;
pub use transaction::{SqliteHandler, SqliteTransaction};
