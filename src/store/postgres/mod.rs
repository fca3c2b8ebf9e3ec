//! Remembers in a Postgres database that several processes share, and that may be the game's own.
//!
//! The pool is the caller's. A compare-and-swap is one statement. What is reported as done is on the server's
//! disk, even where `synchronous_commit` is off; what a fail-over to a replica keeps depends on how the server
//! replicates. Nothing waits for ever: see [`PostgresOptions::timeout`].
//!
//! # Wallet and record in one transaction
//!
//! Where the game's wallet lives in the same database, [`PostgresStore::receiver`] settles in one transaction
//! with it: both are committed or neither is, and the wallet needs no idempotency.
//!
//! ```no_run
//! use postback::decision::Decision;
//! use postback::handler::HandlerError;
//! use postback::store::postgres::sqlx::{self, PgConnection, PgPool};
//! use postback::store::postgres::{PostgresHandler, PostgresStore};
//!
//! struct Wallet;
//!
//! impl PostgresHandler for Wallet {
//!     async fn handle(&self, game: &mut PgConnection, decision: &Decision) -> Result<(), HandlerError> {
//!         if let Decision::Reward(reward) = decision {
//!             sqlx::query("INSERT INTO credits (id, player, amount) VALUES ($1, $2, $3::text::numeric)")
//!                 .bind(reward.id().as_str())
//!                 .bind(reward.player().as_str())
//!                 .bind(reward.amount().to_string())
//!                 .execute(game)
//!                 .await?;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = PgPool::connect("postgres://game:password@localhost/game").await?;
//! let store = PostgresStore::new(pool);
//! store.migrate().await?;
//! let receiver = store.receiver(Wallet);
//! receiver.resume().await?; // at start: whatever a crash or a failing handler left open
//! # Ok(())
//! # }
//! ```
//!
//! A caller who would rather drive a transaction of his own uses [`PostgresStore::settle_in`].
//!
//! # For people
//!
//! `postback_records` holds a row for each conversion (and for each player's standing), the view
//! `postback_callbacks` a row for each callback:
//!
//! ```sql
//! SELECT received, verdict, amount, signed FROM postback_callbacks WHERE player = 'player-7' ORDER BY received;
//! ```

mod attempt;
mod failure;
mod handler;
mod keep;
mod line;
mod listing;
mod names;
mod options;
mod receiver;
mod rows;
mod schema;
mod session;
mod settle;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The Postgres driver that pool and handlers work with, in the version that the store uses.
pub use sqlx;
use sqlx::PgPool;

pub use super::SettleError;
pub use handler::PostgresHandler;
pub use names::NameError;
pub use options::PostgresOptions;
pub use receiver::PostgresReceiver;

use self::line::Line;
use self::names::Statements;
use self::rows::{Row, RowSwapped};
use self::session::Session;
use super::{DedupStore, StoreError, Stored, Swapped, Version};
use crate::event::RecordKey;
use crate::guard::Record;

/// Remembers in a Postgres database. Cheap to clone; clones share the pool.
#[derive(Clone)]
pub struct PostgresStore {
    shared: Arc<Shared>,
}

struct Shared {
    pool: PgPool,
    options: PostgresOptions,
    statements: Statements,
    /// The server and the database, without credentials.
    place: String,
    /// The tables are there, in a form that this version knows.
    is_checked: AtomicBool,
    /// Who waits for a connection.
    line: Arc<Line<Session>>,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("place", &self.shared.place)
            .finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// A store on the caller's pool, with the default [`PostgresOptions`]. Talks to nobody yet; call
    /// [`migrate`](Self::migrate) at start.
    ///
    /// The pool's own settings stay in force. Its `test_before_acquire` asks the server once more for every
    /// operation; the store gets along without. While callbacks wait for a connection it goes from one to the next,
    /// for 100 ms at most, and only then back to the pool: `before_acquire` and `after_release` are not called in
    /// between.
    pub fn new(pool: PgPool) -> Self {
        PostgresOptions::default().store(pool)
    }

    /// Makes a pool of its own for this URL, tries it, and creates or migrates the tables.
    ///
    /// # Errors
    /// [`StoreError`]: see [`PostgresOptions::connect`].
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        PostgresOptions::default().connect(url).await
    }

    fn with_options(pool: PgPool, options: PostgresOptions) -> Self {
        let shared = Shared {
            statements: Statements::new(&options.names),
            place: failure::place(&pool.connect_options()),
            is_checked: AtomicBool::new(false),
            line: Line::new(session::room(&pool)),
            pool,
            options,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The pool.
    pub fn pool(&self) -> &PgPool {
        &self.shared.pool
    }

    fn options(&self) -> &PostgresOptions {
        &self.shared.options
    }

    fn sql(&self) -> &Statements {
        &self.shared.statements
    }
}

impl DedupStore for PostgresStore {
    async fn load(&self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        let doing = "load a record";
        let mut session = self.session(doing).await?;
        let text = key.to_string();
        let find = rows::find(&self.sql().find, session.connection(), &text);
        let found = self.bounded(doing, find).await?;
        self.give_back(session);
        found.map(|found| found.parse(key)).transpose()
    }

    async fn swap(
        &self,
        expected: Option<Version>,
        record: &Record,
    ) -> Result<Swapped, StoreError> {
        let doing = "swap a record";
        let row = Row::new(expected, record)?;
        let mut session = self.session(doing).await?;
        let swap = row.swap(self.sql(), session.connection());
        let swapped = self.bounded(doing, swap).await?;
        self.give_back(session);
        Ok(match swapped {
            RowSwapped::Done => Swapped::Done(Version::following(expected)),
            RowSwapped::Lost(found) => {
                Swapped::Lost(found.map(|found| found.parse(record.key())).transpose()?)
            }
        })
    }

    async fn unsettled(
        &self,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let statement = &self.sql().unsettled;
        self.keys("list what is open", statement, after, limit, |query| query)
            .await
    }
}
