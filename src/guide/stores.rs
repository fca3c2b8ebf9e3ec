//! Choosing a store: where to keep the records.
//!
//! **Keep the records in the database that the wallet is in.** Then reward and record are one commit, and nothing
//! that crashes in between can pay twice or lose anything. Everything else is a question of how many machines there
//! are.
//!
//! | your wallet is in | your backend runs on | take | the player is paid |
//! |---|---|---|---|
//! | SQLite, or you may choose | one machine | `SqliteStore::receiver`, in the same file | exactly once |
//! | Postgres | any number | `PostgresStore::receiver`, in the same database | exactly once |
//! | a service, MySQL, DynamoDB … | one machine | `Receiver::new(SqliteStore)` | exactly once, if the wallet is idempotent on the id |
//! | a service, MySQL, DynamoDB … | several | `Receiver::new(PostgresStore)`, or `RedisStore` | the same |
//! | Redis | several | `Receiver::new(RedisStore)` | the same, as far as Redis keeps what it was told |
//! | nowhere: a test | – | `Receiver::new(MemoryStore)` | everything is forgotten at the end |
//!
//! What happens to each when a process, a machine or a server crashes stands in the repository's
//! `docs/guarantees.md`, line by line.
//!
//! # SQLite
//!
//! One file, no server; the feature builds SQLite along. WAL mode and `synchronous=FULL` are fixed. Many callbacks
//! share one commit. Other processes of the same machine may open the file; never put it on a network file system.
//! Keep it on a volume that survives the container.
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("game.db");
//! use postback::store::sqlite::SqliteStore;
//!
//! let store = SqliteStore::open(&path)?; // creates and migrates its tables, which begin with `postback_`
//! let conversions: i64 = store
//!     .read(|db| db.query_row("SELECT count(*) FROM postback_records", [], |row| row.get(0)))
//!     .await?;
//! assert_eq!(conversions, 0);
//! store.close().await; // at the end: what is queued is still done
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "sqlite"))]
//! # fn main() {}
//! ```
//!
//! # Postgres
//!
//! The pool is yours, of sqlx 0.9 (Rust 1.94). Replication decides what a fail-over keeps: with an asynchronous
//! replica, a reward that was answered 200 can be lost with the server; wallet and record go back together.
//!
//! ```no_run
//! # #[cfg(feature = "postgres")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use postback::store::postgres::{PostgresStore, sqlx::PgPool};
//!
//! let pool = PgPool::connect(&std::env::var("DATABASE_URL")?).await?;
//! let store = PostgresStore::new(pool);
//! store.migrate().await?; // creates and migrates its tables, which begin with `postback_`
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "postgres"))]
//! # fn main() {}
//! ```
//!
//! # Redis
//!
//! Needs `appendonly yes`, `appendfsync always` and `maxmemory-policy noeviction`; what the server is set to is
//! looked at when the store is opened, and warned about. A fail-over loses what was not replicated. Choose it where
//! you run it durably already.
//!
//! # How long to keep records
//!
//! A record is what makes a repetition a duplicate. Reconciliations may come at any time, and a captured callback can
//! be sent again for ever: **a pruned conversion's callback is news, and pays again**. Records are small; keep them.
//! Where you must not, see [`prune`](crate::store::prune) (with years, not weeks) and
//! [`forget`](crate::store::forget), which strips a player's id and the raw callbacks and keeps amounts and
//! transactions, so that nothing is paid twice.
//!
//! Speed is no reason to prune. Where the network numbers its transactions, as BitLabs does, a new callback writes as much
//! with 10 million conversions as with none, in SQLite and in Postgres; each takes about a kilobyte of disk. Where
//! transactions come in no order, each callback changes pages of its own from some thousand conversions on, and writes
//! several times as much: no pruning that is safe undoes that. The figures stand in the repository's
//! `docs/performance-stores.md`. The same holds for the game's own tables in the same database: a key that grows (a
//! decision's id does, where the transactions do) costs new rows little, an index in no order a page for each row.
//!
//! # Backups
//!
//! With wallet and records in one database, a restored backup is consistent: what was paid after it is neither in the
//! wallet nor in the records, and a repetition pays it. With two databases they can disagree: a record that is lost
//! begins to number its decisions anew, so that a wallet that knows the ids pays nothing twice but may take a new
//! decision for one it knows. Where that matters, use one database.
