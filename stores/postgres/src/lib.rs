//! The Postgres store for [`postback`]: records in tables of your database, shared by any number of processes, and
//! handlers that run inside the transaction that settles their decision.
//!
//! ```no_run
//! use postback_postgres::{PostgresStore, sqlx};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let store = PostgresStore::connect("postgres://game:password@localhost/game").await?;
//! let receiver = store.receiver(|tx, decision| Box::pin(async move {
//!     // Runs inside the settling transaction: your rows and the record commit together, or not at all.
//!     sqlx::query("UPDATE players SET gems = gems + $2::text::numeric WHERE id = $1")
//!         .bind(decision.player().as_str())
//!         .bind(decision.balance_change().to_string())
//!         .execute(&mut *tx)
//!         .await?;
//!     Ok(())
//! }));
//! # let _ = receiver;
//! # Ok(())
//! # }
//! ```
//!
//! With a wallet elsewhere, `postback::Receiver::new(store, pay)` works with this store as with any other.
//!
//! # Your own pool
//!
//! [`PostgresStore::new`] takes a pool as it is. Its hooks run as for every other user of the pool: `after_connect` can
//! set a time zone, `before_acquire` can switch to a role with row-level security. The role needs the right to use the
//! tables:
//!
//! ```sql
//! GRANT USAGE ON SCHEMA postback TO game;
//! GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA postback TO game;
//! ```
//!
//! Statements are prepared, so `PgBouncer` works in session mode, or in transaction mode from version 1.21 with
//! `max_prepared_statements`. Outside deliveries, each statement is a transaction with limits of its own, so that the
//! server ends it when this process gives up: a read takes two round trips, a change three. A delivery holds one connection for the length of its transaction. TLS is a feature of `sqlx`: switch it on in your
//! own dependency, for example `sqlx = { version = "0.9", features = ["tls-rustls"] }`.
//!
//! # What is guaranteed
//!
//! | event | result |
//! |---|---|
//! | a process is killed | its transaction is rolled back: record and wallet are both as before, and the network or recovery retries |
//! | a process hangs with a transaction open | the server ends its session after handler timeout plus timeout (15 s by default); until then, callbacks of that conversion get 503 |
//! | the server is killed | what was acknowledged is there after its restart (with `fsync = on`, its default); until then, callbacks get 503 |
//! | the answer to a `COMMIT` is lost | the callback gets 503; its repetition is a duplicate if the transaction took effect, and is paid otherwise |
//! | the handler fails, panics or hangs, or ignores the error of a statement | its work is undone, the decision is stored as pending, and recovery retries it |
//! | the handler ends the transaction, which it must not do | the callback gets 503. If it committed, its work and the record are committed together |
//! | a deadlock or a serialization failure | the transaction is rolled back and run again, up to eight times |
//! | two callbacks of a conversion at once | one waits for the other (2 s by default, then 503) |
//! | failover to a synchronous standby | what was acknowledged is there. `synchronous_commit = on` is enough; with `remote_apply` it is also visible there at once |
//! | failover to an asynchronous standby | what it had not received is lost: record and wallet together, so they agree, and a repetition is paid once. But the network does not repeat what was acknowledged, so the reward is missing |
//! | two primaries at once | each pays: never let that happen |
//!
//! `synchronous_commit = off` is overridden for the store's own changes and the transactions that contain them.
//! `fsync = off` cannot be; opening the store warns about it. An operator who cancels a `COMMIT` that waits for a standby
//! (`pg_cancel_backend`) makes Postgres report it as done.
//!
//! A handler can run more than once: whatever it did outside the transaction (a message, a request) is not undone.
//!
//! # The tables
//!
//! They are in a schema of their own, `postback` by default. `records` holds a row for each conversion (and for the bans
//! of each player), `unusable` the genuine callbacks that could not be used, and the view `callbacks` a row for each
//! message of a conversion:
//!
//! ```sql
//! SELECT received, action, balance_change, delivered FROM postback.callbacks WHERE player = 'player-7' ORDER BY received;
//! ```

mod error;
mod options;
mod schema;
mod store;
mod transaction;

pub use options::PostgresOptions;
/// The driver, in the version that pools and handlers use.
pub use sqlx;
pub use store::PostgresStore;
pub use transaction::{HandlerFuture, PostgresHandler};
