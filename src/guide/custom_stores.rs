//! Writing a store: another database.
//!
//! A store is three functions: [`DedupStore`](crate::store::DedupStore). It compares and swaps, and decides nothing.
//! A complete one, tried by the crate's own suite, stands in [`store`](crate::store#a-store-of-your-own).
//!
//! # What each function promises
//!
//! | function | promise | in SQL |
//! |---|---|---|
//! | `load` | the record and its version, or `None` if there is none. What cannot be read is [`Unreadable`](crate::store::StoreError::Unreadable), *never* `None`: taken for absent, it pays again | `SELECT version, record … WHERE key = ?` |
//! | `swap` | replaces the record if the version is still the expected one, *in one step*; if not, returns what is there | `UPDATE … SET version = version + 1 … WHERE key = ? AND version = ?`; for a new one `INSERT … ON CONFLICT (key) DO NOTHING` |
//! | `unsettled` | keys of records with an open decision, in the order of their text, from behind `after` | an index on `is_open`; `WHERE is_open AND key > ? ORDER BY key LIMIT ?` |
//!
//! - **[`Swapped::Done`](crate::store::Swapped::Done) means durable**, not "accepted". The network is told 200
//!   because of it.
//! - **One step** for all processes: a statement, a transaction that locks the row, a script, a conditional write.
//!   Never read, compare in your program, and write.
//! - **Order of keys** is that of their bytes. A database that sorts by language (`COLLATE "C"` in Postgres, `BINARY`
//!   in MySQL) pages past keys.
//! - **An unknown outcome** (the connection is lost during the commit) is an error. The caller looks again; do not
//!   repeat a swap yourself.
//! - **No expiry.** A record that vanishes pays again.
//! - **Bounded in time.** A database that hangs must become an error, as the network waits for an answer.
//! - **Keys** are text of 800 bytes at most, and bytes matter: `Tx` and `tx` are two transactions.
//!
//! If a lost swap costs your database little more than a load, set
//! [`CLAIMS_FIRST`](crate::store::DedupStore::CLAIMS_FIRST): a first delivery then takes one request less. A statement
//! that locks the row, or opens a transaction that writes, costs more; leave it as it is there.
//!
//! # Keeping a record
//!
//! [`Record`](crate::guard::Record) serialises with serde. With the feature `json`,
//! [`json::write`](crate::store::json::write) and [`json::read`](crate::store::json::read) do it, check the form and
//! the key, and give the right errors. Keep beside it what you search by:
//!
//! ```sql
//! CREATE TABLE records (
//!     key     VARBINARY(800)  PRIMARY KEY,  -- RecordKey, as text
//!     version BIGINT NOT NULL,              -- Version::number
//!     is_open BOOLEAN NOT NULL,             -- Record::open().is_some()
//!     record  JSON NOT NULL,                -- store::json::write
//!     INDEX open_records (is_open, key)
//! );
//! ```
//!
//! # Prove it
//!
//! ```text
//! conformance::all(async || MyStore::connect(fresh_database().await).await).await;
//! ```
//!
//! [`conformance`](crate::store::conformance) (feature `testing`) swaps from many tasks at once, drives the whole
//! protocol over the store, and looks at order and paging. Run it against the real server. What it cannot see, try
//! yourself: kill the server under way, cut the connection during a commit, fill the disk, let another process write
//! at the same time. And whatever you find a store of this crate doing better: their tests are in the repository, one
//! file a store.
//!
//! # More, if you like
//!
//! - [`Retention`](crate::store::Retention) lists old records and those of a player, for
//!   [`prune`](crate::store::prune) and [`forget`](crate::store::forget). It is a trait of its own: a store without
//!   it is whole.
//! - **One transaction with the wallet.** [`Delivery::settlement`](crate::delivery::Delivery::settlement) gives
//!   version and record to be written in a transaction of yours; after the commit, call
//!   [`settled_outside`](crate::delivery::Delivery::settled_outside).
//! - **Without intents**: [`Steps::receive_in_transaction`](crate::steps::Steps::receive_in_transaction) is the same
//!   protocol for a handler that runs inside the store's transaction. The SQLite and Postgres receivers are small
//!   shells around it.
