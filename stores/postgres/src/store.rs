//! The store: records as rows, compared and swapped by one statement each.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use postback::store::{KeptCallback, KeptId, MAX_KEPT, Record, Retention, Stored, SwapOutcome, Version, json};
use postback::{DedupStore, PlayerId, RecordKey, StoreError, Timestamp};
use sha2::{Digest as _, Sha256};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool, Postgres, Row as _};

use crate::error::{cannot_open, location, open_error, timed_out, unavailable};
use crate::options::PostgresOptions;
use crate::schema;

/// The limit for what may have to read a whole table.
const LONG_TIMEOUT: Duration = Duration::from_mins(10);

/// How much longer than the server's own limit to wait, so that the server's error is the one that is reported.
const SLACK: Duration = Duration::from_millis(500);

/// Keeps records in a Postgres database. Cheap to clone; clones share the pool.
#[derive(Clone)]
pub struct PostgresStore {
    shared: Arc<Shared>,
}

struct Shared {
    pool: PgPool,
    options: PostgresOptions,
    statements: Statements,
    savepoint: Savepoint,
    location: String,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("location", &self.shared.location)
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Connects to `postgres://USER:PASSWORD@HOST:PORT/DATABASE` with a pool of up to ten connections, and creates or
    /// migrates the tables. For another pool, see [`new`](Self::new).
    ///
    /// # Errors
    /// [`StoreError::Open`] names the server and the database, what is wrong and what to do, without the password.
    /// [`StoreError::Newer`]: a later version of this crate has changed the tables.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::connect_with(url, PostgresOptions::default()).await
    }

    /// As [`connect`](Self::connect), with other options.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_with(url: &str, options: PostgresOptions) -> Result<Self, StoreError> {
        // The URL is not repeated: it contains the password.
        let unknown = "at the given URL";
        let hint = "expected postgres://USER:PASSWORD@HOST:PORT/DATABASE, special characters percent-encoded";
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err(open_error(unknown, hint, "not a Postgres URL"));
        }
        let parsed: sqlx::Result<PgConnectOptions> = url.parse();
        let server = parsed.map_err(|error| open_error(unknown, hint, error))?;
        let location = location(&server);
        // Once without a pool, which would retry and then report only that it took too long.
        let connected = tokio::time::timeout(options.timeout, PgConnection::connect_with(&server));
        match connected.await {
            Ok(Ok(connection)) => drop(connection),
            Ok(Err(error)) => return Err(cannot_open(&location, error)),
            Err(late) => {
                let hint = "check that the server runs and that host and port are right";
                return Err(open_error(&location, hint, late));
            }
        }
        let pool = PgPoolOptions::new().acquire_timeout(options.timeout).connect_lazy_with(server);
        Self::with_options(pool, options).await
    }

    /// A store on your own pool, whose settings and hooks stay in force. Creates or migrates the tables.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn new(pool: PgPool) -> Result<Self, StoreError> {
        Self::with_options(pool, PostgresOptions::default()).await
    }

    /// As [`new`](Self::new), with other options.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn with_options(pool: PgPool, options: PostgresOptions) -> Result<Self, StoreError> {
        let location = location(&pool.connect_options());
        options.check(&location)?;
        let (statements, savepoint) = (Statements::new(&options), Savepoint::new());
        let store = Self { shared: Arc::new(Shared { pool, options, statements, savepoint, location }) };
        if store.options().migrates {
            store.migrate().await?;
        } else {
            let (location, schema) = (&store.shared.location, &store.options().schema);
            let mut session = store.open_session().await?;
            schema::check(&mut session.connection, location, schema).await?;
            session.is_clean = true;
        }
        Ok(store)
    }

    /// Creates the tables, or brings them to the present version. Does nothing where nothing is to be done; safe in
    /// several processes at once. Opening a store calls it, unless the options say otherwise.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let (location, schema) = (&self.shared.location, &self.options().schema);
        let mut session = self.open_session().await?;
        let lock = self.lock_number("schema");
        let work = schema::migrate(&mut session.connection, location, schema, lock);
        match tokio::time::timeout(LONG_TIMEOUT, work).await {
            Ok(migrated) => migrated?,
            Err(late) => {
                return Err(open_error(location, "another process migrates the tables: retry later", late));
            }
        }
        session.is_clean = true;
        Ok(())
    }

    /// The pool.
    pub fn pool(&self) -> &PgPool {
        &self.shared.pool
    }

    pub(crate) fn options(&self) -> &PostgresOptions {
        &self.shared.options
    }

    pub(crate) fn savepoint(&self) -> &Savepoint {
        &self.shared.savepoint
    }

    /// The number of the advisory lock for a text: the same in every process and version.
    pub(crate) fn lock_number(&self, text: &str) -> i64 {
        let mut hash = Sha256::new();
        for part in ["postback", &self.options().schema, text] {
            hash.update(part);
            hash.update([0]);
        }
        let bytes = hash.finalize();
        let first = bytes.iter().take(8);
        first.fold(0, |number, byte| (number << 8) | i64::from(*byte))
    }

    pub(crate) async fn session(&self, operation: &'static str) -> Result<Session, StoreError> {
        let limit = self.options().timeout;
        match tokio::time::timeout(limit, self.pool().acquire()).await {
            Ok(Ok(connection)) => Ok(Session::new(connection)),
            Ok(Err(error)) => Err(unavailable(operation, error)),
            Err(_) => Err(timed_out(operation, limit)),
        }
    }

    /// A connection while the store is being opened.
    async fn open_session(&self) -> Result<Session, StoreError> {
        let failed = |error| cannot_open(&self.shared.location, error);
        let acquired = tokio::time::timeout(self.options().timeout, self.pool().acquire()).await;
        let connection = acquired.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        connection.map(Session::new).map_err(failed)
    }

    /// Waits for an answer of the server, within the time limit.
    pub(crate) async fn bounded<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = sqlx::Result<T>>,
    ) -> Result<T, StoreError> {
        bounded(operation, self.options().timeout, work).await
    }

    /// Begins a transaction for one statement, which the server ends after the limit. Closing the connection does not end
    /// it: while it waits for a lock, the server does not notice.
    async fn begin<'s>(
        &self,
        operation: &'static str,
        limit: Duration,
        session: &'s mut Session,
    ) -> Result<sqlx::Transaction<'s, Postgres>, StoreError> {
        // In a stricter level, a version that changed since would be an error and not a conflict.
        let begin = self.begin_statement(" ISOLATION LEVEL READ COMMITTED", limit, self.options().timeout);
        self.bounded(operation, session.connection.begin_with(AssertSqlSafe(begin))).await
    }

    /// Begins a transaction with limits for each statement and for the time between two: the second ends the transaction,
    /// and frees its locks, if this process hangs. They are local to it, because the pool may be the user's. Ends in a
    /// `SELECT`, to which more can be added.
    pub(crate) fn begin_statement(&self, mode: &str, statement: Duration, idle: Duration) -> String {
        let millis = |limit: Duration| limit.as_millis().clamp(1, i32::MAX.unsigned_abs().into());
        format!(
            "BEGIN{mode}; SELECT set_config('lock_timeout', '{}', true), set_config('statement_timeout', '{}', true), \
             set_config('idle_in_transaction_session_timeout', '{}', true)",
            millis(self.options().lock_timeout),
            millis(statement),
            millis(idle),
        )
    }

    /// Runs one statement on a connection of the pool.
    async fn query(
        &self,
        operation: &'static str,
        limit: Duration,
        query: Statement,
    ) -> Result<Vec<PgRow>, StoreError> {
        let mut session = self.session(operation).await?;
        let mut transaction = self.begin(operation, limit, &mut session).await?;
        let rows = bounded(operation, limit, query.fetch_all(&mut *transaction)).await?;
        // Nothing was written: the rollback is sent when the connection returns to the pool, and nobody waits for it.
        drop(transaction);
        session.is_clean = true;
        Ok(rows)
    }

    /// Runs one statement on a connection of the pool. Returns how many rows it changed.
    async fn execute(&self, operation: &'static str, query: Statement) -> Result<u64, StoreError> {
        let mut session = self.session(operation).await?;
        let mut transaction = self.begin(operation, self.options().timeout, &mut session).await?;
        let done = self.bounded(operation, query.execute(&mut *transaction)).await?;
        self.bounded(operation, transaction.commit()).await?;
        session.is_clean = true;
        Ok(done.rows_affected())
    }

    /// Up to `limit` keys in order, beginning after `after`.
    async fn keys(
        &self,
        operation: &'static str,
        statement: &Sql,
        after: Option<&RecordKey>,
        limit: usize,
        bind: impl Fn(Statement) -> Statement + Send,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let parse = |key: &str| key.parse::<RecordKey>();
        self.list(operation, statement, after.map(RecordKey::as_str), limit, bind, parse).await
    }

    /// What is parsed from the last column of up to `limit` rows, in the order of the first, beginning after `after`.
    async fn list<T: Send, E: fmt::Display>(
        &self,
        operation: &'static str,
        statement: &Sql,
        after: Option<&str>,
        limit: usize,
        bind: impl Fn(Statement) -> Statement + Send,
        parse: impl Fn(&str) -> Result<T, E> + Send,
    ) -> Result<Vec<T>, StoreError> {
        let mut found = Vec::new();
        let mut after = after.unwrap_or_default().to_owned();
        loop {
            let wanted = limit.saturating_sub(found.len());
            let query = statement.query().bind(after.clone()).bind(row_limit(wanted));
            let time = if statement.is_long { LONG_TIMEOUT } else { self.options().timeout };
            let rows = self.query(operation, time, bind(query)).await?;
            for row in &rows {
                after = column(operation, row, 0)?;
                match parse(column(operation, row, row.len().saturating_sub(1))?) {
                    Ok(parsed) => found.push(parsed),
                    // It must not keep the others from being found.
                    Err(error) => {
                        let message = "a row of the store cannot be read: repair it by hand";
                        tracing::error!(target: "postback::store", operation, %error, "{message}");
                    }
                }
            }
            if rows.len() < wanted || found.len() >= limit {
                return Ok(found);
            }
        }
    }

    pub(crate) fn load_query(&self, key: &RecordKey) -> Statement {
        self.shared.statements.load.query().bind(key.to_string())
    }

    /// A statement that changes one row, or none if another version is stored.
    pub(crate) fn swap_query(&self, expected: Option<Version>, record: &Record, json: String) -> Statement {
        let statements = &self.shared.statements;
        let statement = match expected {
            None => &statements.insert,
            Some(_) => &statements.update,
        };
        let query = statement
            .query()
            .bind(record.key().to_string())
            .bind(version_number(Version::after(expected)))
            .bind(json)
            .bind(record.is_pending())
            .bind(record.lookup_player().map(ToString::to_string))
            .bind(millis(record.last_change()));
        match expected {
            None => query,
            Some(expected) => query.bind(version_number(expected)),
        }
    }
}

/// The record in a row of [`PostgresStore::load_query`].
pub(crate) fn read_row(key: &RecordKey, row: &PgRow) -> Result<Stored, StoreError> {
    let operation = "load a record";
    let version: i64 = column(operation, row, 0)?;
    let record: String = column(operation, row, 1)?;
    // A version below zero is as invalid as zero.
    json::read(key, u64::try_from(version).unwrap_or(0), record.as_bytes())
}

pub(crate) async fn bounded<T>(
    operation: &'static str,
    limit: Duration,
    work: impl Future<Output = sqlx::Result<T>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(limit.saturating_add(SLACK), work).await {
        Ok(result) => result.map_err(|error| unavailable(operation, error)),
        Err(_) => Err(timed_out(operation, limit)),
    }
}

fn column<'r, T>(operation: &'static str, row: &'r PgRow, index: usize) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres>,
{
    row.try_get(index).map_err(|error| unavailable(operation, error))
}

fn version_number(version: Version) -> i64 {
    i64::try_from(version.number()).unwrap_or(i64::MAX)
}

fn millis(moment: Timestamp) -> i64 {
    i64::try_from(moment.as_millis()).unwrap_or(i64::MAX)
}

fn row_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A connection of the pool. Unless its work ended in good order, it is closed instead of returned to the pool: a failed,
/// slow or dropped operation leaves no transaction and no lock to the next user.
pub(crate) struct Session {
    pub(crate) connection: PoolConnection<Postgres>,
    pub(crate) is_clean: bool,
}

impl Session {
    fn new(connection: PoolConnection<Postgres>) -> Self {
        Self { connection, is_clean: false }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.is_clean {
            self.connection.close_on_drop();
        }
    }
}

impl DedupStore for PostgresStore {
    async fn load(&self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        let query = self.load_query(key);
        let rows = self.query("load a record", self.options().timeout, query).await?;
        rows.first().map(|row| read_row(key, row)).transpose()
    }

    async fn swap(&self, expected: Option<Version>, record: &Record) -> Result<SwapOutcome, StoreError> {
        let query = self.swap_query(expected, record, json::write(record)?);
        if self.execute("swap a record", query).await? == 1 {
            return Ok(SwapOutcome::Replaced(Version::after(expected)));
        }
        Ok(SwapOutcome::Conflict(self.load(record.key()).await?))
    }

    async fn list_pending(&self, after: Option<&RecordKey>, limit: usize) -> Result<Vec<RecordKey>, StoreError> {
        let statement = &self.shared.statements.list_pending;
        self.keys("list pending records", statement, after, limit, |query| query).await
    }

    async fn keep_unusable(&self, kept: &KeptCallback) -> Result<usize, StoreError> {
        let operation = "keep an unusable callback";
        let unwritable = |error: serde_json::Error| unavailable(operation, sqlx::Error::Encode(error.into()));
        let insert = self.shared.statements.keep.query();
        let insert = insert
            .bind(kept.id.to_string())
            .bind(millis(kept.received))
            .bind(serde_json::to_string(kept).map_err(unwritable)?);
        self.execute(operation, insert).await?;
        let trim = self.shared.statements.trim_kept.query().bind(row_limit(MAX_KEPT));
        let removed = self.execute("remove old unusable callbacks", trim).await?;
        Ok(usize::try_from(removed).unwrap_or(usize::MAX))
    }

    async fn list_unusable(&self, after: Option<&KeptId>, limit: usize) -> Result<Vec<KeptCallback>, StoreError> {
        let statement = &self.shared.statements.list_kept;
        // Not the error itself, which repeats values of the callback.
        let place = |error: serde_json::Error| format!("line {} column {}", error.line(), error.column());
        let parse = |json: &str| serde_json::from_str::<KeptCallback>(json).map_err(place);
        self.list("list unusable callbacks", statement, after.map(KeptId::as_str), limit, |query| query, parse).await
    }

    async fn remove_unusable(&self, id: &KeptId) -> Result<bool, StoreError> {
        let query = self.shared.statements.remove_kept.query().bind(id.to_string());
        Ok(self.execute("remove an unusable callback", query).await? == 1)
    }
}

impl Retention for PostgresStore {
    async fn remove(&self, key: &RecordKey, expected: Version) -> Result<bool, StoreError> {
        let query = self.shared.statements.remove.query();
        let query = query.bind(key.to_string()).bind(version_number(expected));
        Ok(self.execute("remove a record", query).await? == 1)
    }

    async fn list_unchanged_since(
        &self,
        moment: Timestamp,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let statement = &self.shared.statements.list_unchanged;
        self.keys("list unchanged records", statement, after, limit, |query| query.bind(millis(moment))).await
    }

    async fn list_by_player(
        &self,
        player: &PlayerId,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let statement = &self.shared.statements.list_by_player;
        self.keys("list a player's records", statement, after, limit, |query| query.bind(player.to_string())).await
    }
}

/// A statement with its parameters.
pub(crate) type Statement = Query<'static, Postgres, PgArguments>;

/// The text of a statement: constant, but for the schema, whose name was checked.
struct Sql {
    text: Arc<str>,
    /// Whether it may have to look at the whole table.
    is_long: bool,
}

impl Sql {
    fn query(&self) -> Statement {
        sqlx::query(AssertSqlSafe(Arc::clone(&self.text)))
    }
}

struct Statements {
    load: Sql,
    insert: Sql,
    update: Sql,
    remove: Sql,
    list_pending: Sql,
    list_unchanged: Sql,
    list_by_player: Sql,
    keep: Sql,
    trim_kept: Sql,
    list_kept: Sql,
    remove_kept: Sql,
}

/// A server can be set to acknowledge commits that are not on its disk yet. Joined to a statement, this excepts the
/// transaction that it is part of; stricter settings stay.
const DURABLE: &str = "(SELECT CASE WHEN current_setting('synchronous_commit') = 'off' \
                       THEN set_config('synchronous_commit', 'on', true) END) AS durable";

impl Statements {
    fn new(options: &PostgresOptions) -> Self {
        let sql = |text: &str| {
            let text = text.replace("DURABLE", DURABLE);
            Sql { text: schema::in_schema(&text, &options.schema).into(), is_long: false }
        };
        let list = |condition: &str| {
            sql(&format!("SELECT key FROM postback.records WHERE {condition} AND key > $1 ORDER BY key LIMIT $2"))
        };
        Self {
            load: sql("SELECT version, record::text FROM postback.records WHERE key = $1"),
            insert: sql("INSERT INTO postback.records (key, version, record, pending, player, changed) \
                 SELECT $1, $2, $3::text::json, $4, $5, $6 FROM DURABLE ON CONFLICT (key) DO NOTHING"),
            update: sql(
                "UPDATE postback.records SET version = $2, record = $3::text::json, pending = $4, player = $5, \
                 changed = $6 FROM DURABLE WHERE key = $1 AND version = $7",
            ),
            remove: sql("DELETE FROM postback.records USING DURABLE WHERE key = $1 AND version = $2"),
            list_pending: list("pending"),
            list_unchanged: Sql { is_long: true, ..list("NOT pending AND changed < $3") },
            list_by_player: Sql { is_long: true, ..list("player = $3") },
            keep: sql("INSERT INTO postback.unusable (id, received, callback) \
                 SELECT $1, $2, $3::text::json FROM DURABLE ON CONFLICT (id) DO NOTHING"),
            // Their ids first, so that the table itself is not scanned.
            trim_kept: sql("DELETE FROM postback.unusable WHERE id = ANY (ARRAY( \
                 SELECT id FROM postback.unusable ORDER BY received DESC, id DESC OFFSET $1))"),
            list_kept: sql("SELECT id, callback::text FROM postback.unusable WHERE id > $1 ORDER BY id LIMIT $2"),
            remove_kept: sql("DELETE FROM postback.unusable WHERE id = $1"),
        }
    }
}

/// The statements for the savepoint before a decision. Its name is random: the handler cannot set another one of the same
/// name, to which the store would roll back instead.
pub(crate) struct Savepoint {
    pub(crate) set: String,
    /// Sets it again for the next decision.
    pub(crate) renew: Arc<str>,
    pub(crate) roll_back: Arc<str>,
}

impl Savepoint {
    fn new() -> Self {
        let name = format!("postback_{:016x}", RandomState::new().hash_one(()));
        // The setting is local to the savepoint: it disappears with it, and with the transaction.
        let mark = "SET LOCAL postback.savepoint = 'set'";
        let set = format!("SAVEPOINT {name}; {mark}");
        Self {
            // The check of the decision before has made constraints immediate.
            renew: format!("RELEASE SAVEPOINT {name}; SET CONSTRAINTS ALL DEFERRED; {set}").into(),
            roll_back: format!("ROLLBACK TO SAVEPOINT {name}; {mark}").into(),
            set,
        }
    }
}
