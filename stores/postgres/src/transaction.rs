//! Handlers inside the transaction that settles their decision.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use postback::store::{Record, Stored, SwapOutcome, Transaction, TransactionWork, TransactionalStore, Version};
use postback::{Decision, HandlerError, InTransaction, Receiver, RecordKey, StoreError};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use crate::error::{BoxError, code, is_conflict, timed_out, unavailable};
use crate::store::{PostgresStore, read_row};

/// How often a transaction is run before a deadlock or a serialization failure counts as a failure of the handler.
const MAX_ATTEMPTS: u32 = 8;

/// The longest wait before the second attempt. It doubles for every further one.
const MAX_BACKOFF: Duration = Duration::from_millis(10);

/// The future that a handler returns: `Box::pin(async move { … })`.
pub type HandlerFuture<'t> = Pin<Box<dyn Future<Output = Result<(), HandlerError>> + Send + 't>>;

/// A handler that runs inside a transaction. See [`PostgresStore::receiver`].
pub type PostgresHandler = dyn for<'t> Fn(&'t mut PgConnection, Decision) -> HandlerFuture<'t> + Send + Sync;

impl PostgresStore {
    /// A receiver whose handler runs inside the store's transaction: what it does with `tx` commits together with the
    /// record, or not at all.
    ///
    /// The handler may open nested transactions (`tx.begin()`), but must not end the transaction itself. If it fails,
    /// panics, takes longer than [`handler_timeout`](crate::PostgresOptions::handler_timeout), or ignores the error of a
    /// statement, what it did is rolled back, and the decision stays pending. Constraints that are deferred are checked
    /// when it returns. After a deadlock or a serialization failure it is called again with the same decision.
    ///
    /// ```no_run
    /// use postback_postgres::{PostgresStore, sqlx};
    ///
    /// # async fn example(store: PostgresStore) {
    /// let receiver = store.receiver(|tx, decision| Box::pin(async move {
    ///     sqlx::query("INSERT INTO credits (id, player, amount) VALUES ($1, $2, $3::text::numeric)")
    ///         .bind(decision.id().as_str())
    ///         .bind(decision.player().as_str())
    ///         .bind(decision.balance_change().to_string())
    ///         .execute(&mut *tx)
    ///         .await?;
    ///     Ok(())
    /// }));
    /// # let _ = receiver;
    /// # }
    /// ```
    pub fn receiver(
        &self,
        handler: impl for<'t> Fn(&'t mut PgConnection, Decision) -> HandlerFuture<'t> + Send + Sync + 'static,
    ) -> Receiver<Self, InTransaction<Self>> {
        Receiver::in_transaction(self.clone(), Arc::new(handler))
    }
}

impl TransactionalStore for PostgresStore {
    type Handler = PostgresHandler;

    async fn transact<W: TransactionWork>(
        &self,
        key: &RecordKey,
        handler: &Arc<PostgresHandler>,
        work: W,
    ) -> Result<W::Output, StoreError> {
        let mut max_backoff = MAX_BACKOFF;
        let mut attempt = 1;
        loop {
            let is_last = attempt == MAX_ATTEMPTS;
            match self.attempt(key, handler, &work, is_last).await {
                Err(error) if is_conflict(&error) && !is_last => {}
                ended => return ended,
            }
            tracing::debug!(target: "postback::store", attempt, "deadlock or serialization failure: retrying");
            // A random wait, so that transactions that collided do not collide again.
            tokio::time::sleep(max_backoff.mul_f64(fastrand::f64())).await;
            max_backoff = max_backoff.saturating_mul(2);
            attempt = attempt.saturating_add(1);
        }
    }
}

impl PostgresStore {
    /// Runs the work in one transaction. If it, or the commit, ends with a conflict, the transaction is rolled back.
    async fn attempt<W: TransactionWork>(
        &self,
        key: &RecordKey,
        handler: &Arc<PostgresHandler>,
        work: &W,
        is_last: bool,
    ) -> Result<W::Output, StoreError> {
        let mut session = self.session("begin a transaction").await?;
        let begin = session.connection.begin_with(AssertSqlSafe(self.begin_with_lock(key)));
        let limit = self.options().timeout.saturating_add(self.options().lock_timeout);
        let mut transaction = match tokio::time::timeout(limit, begin).await {
            Ok(Ok(transaction)) => transaction,
            // The limit for locks, or for statements if the server's own is shorter.
            Ok(Err(error)) if matches!(code(&error).as_deref(), Some("55P03" | "57014")) => {
                return Err(StoreError::Locked);
            }
            Ok(Err(error)) => return Err(unavailable("begin a transaction", error)),
            Err(_) => return Err(timed_out("begin a transaction", limit)),
        };
        let mut open = OpenTransaction {
            store: self,
            handler: &**handler,
            connection: &mut transaction,
            is_at_savepoint: true,
            retries_conflicts: !is_last,
            failure: None,
        };
        let result = work.run(&mut open).await;
        let ended = match &result {
            Ok(_) => self.bounded("commit", transaction.commit()).await,
            Err(_) => self.bounded("roll back", transaction.rollback()).await,
        };
        // If the handler leaked a nested transaction, it was that one that ended.
        let is_over = !session.connection.is_in_transaction();
        session.is_clean = ended.is_ok() && is_over;
        let output = result?;
        ended?;
        if is_over {
            return Ok(output);
        }
        Err(handler_error("it left a nested transaction open".into()))
    }

    /// Begins a transaction, takes the conversion's lock, and sets a savepoint, in one message to the server.
    ///
    /// Without the lock, two callbacks would both run their handler, and one of them for nothing.
    fn begin_with_lock(&self, key: &RecordKey) -> String {
        let options = self.options();
        let idle = options.handler_timeout.saturating_add(options.timeout);
        let begin = self.begin_statement("", options.timeout, idle);
        format!("{begin}, pg_advisory_xact_lock({}); {}", self.lock_number(key.as_str()), self.savepoint().set)
    }
}

/// Fails if a statement of the handler failed or a deferred constraint is violated. Returns whether the savepoint is still
/// there, and with it the transaction: a commit of a failed transaction would roll back and report success.
const CHECK: &str = "SET CONSTRAINTS ALL IMMEDIATE; SELECT current_setting('postback.savepoint', true) = 'set'";

/// A transaction with the conversion's lock.
struct OpenTransaction<'t> {
    store: &'t PostgresStore,
    handler: &'t PostgresHandler,
    connection: &'t mut PgConnection,
    /// Nothing was written since the savepoint.
    is_at_savepoint: bool,
    /// Whether a conflict in the handler rolls the transaction back, to be run again. Otherwise it is a failure of the
    /// handler.
    retries_conflicts: bool,
    /// Why the whole transaction must be rolled back.
    failure: Option<StoreError>,
}

impl OpenTransaction<'_> {
    /// Runs statements without parameters.
    async fn run(&mut self, operation: &'static str, sql: &Arc<str>) -> Result<(), StoreError> {
        let work = sqlx::raw_sql(AssertSqlSafe(Arc::clone(sql))).execute(&mut *self.connection);
        self.store.bounded(operation, work).await.map(drop)
    }

    /// Checks that what the handler did can be committed.
    async fn check(&mut self) -> Result<(), HandlerError> {
        let work = sqlx::raw_sql(CHECK).fetch_one(&mut *self.connection);
        let row = self.store.bounded("check the handler's work", work).await?;
        if row.try_get::<Option<bool>, _>(0)? == Some(true) {
            return Ok(());
        }
        self.failure = Some(handler_error("it ended the store's transaction".into()));
        Err(HandlerError::failed("it ended the store's transaction"))
    }
}

/// The handler did to the transaction what it must not do.
fn handler_error(source: BoxError) -> StoreError {
    StoreError::Unavailable {
        operation: "run the handler",
        hint: "the handler must not end the store's transaction, or leave one of its own open",
        source,
    }
}

impl Transaction for OpenTransaction<'_> {
    async fn load(&mut self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        let work = self.store.load_query(key).fetch_optional(&mut *self.connection);
        let row = self.store.bounded("load a record", work).await?;
        row.map(|row| read_row(key, &row)).transpose()
    }

    async fn swap(
        &mut self,
        expected: Option<Version>,
        record: &Record,
        json: &str,
    ) -> Result<SwapOutcome, StoreError> {
        let query = self.store.swap_query(expected, record, json.to_owned());
        let work = query.execute(&mut *self.connection);
        let done = self.store.bounded("swap a record", work).await?;
        if done.rows_affected() == 1 {
            self.is_at_savepoint = false;
            return Ok(SwapOutcome::Replaced(Version::after(expected)));
        }
        Ok(SwapOutcome::Conflict(self.load(record.key()).await?))
    }

    async fn savepoint(&mut self) -> Result<(), StoreError> {
        if !self.is_at_savepoint {
            self.run("set a savepoint", &self.store.savepoint().renew).await?;
            self.is_at_savepoint = true;
        }
        Ok(())
    }

    /// The next savepoint or the commit does it, without a message to the server of its own.
    async fn release_savepoint(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn rollback_to_savepoint(&mut self) -> Result<(), StoreError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if self.is_at_savepoint {
            return Ok(());
        }
        let (operation, roll_back) = ("roll back to a savepoint", &self.store.savepoint().roll_back);
        if self.run(operation, roll_back).await.is_err() {
            // The error of a statement that the handler did not wait for arrives first.
            self.run(operation, roll_back).await?;
        }
        self.is_at_savepoint = true;
        Ok(())
    }

    async fn handle(&mut self, decision: &Decision) -> Result<(), HandlerError> {
        self.is_at_savepoint = false;
        let limit = self.store.options().handler_timeout;
        let work = (self.handler)(&mut *self.connection, decision.clone());
        let result = match tokio::time::timeout(limit, work).await {
            Ok(Ok(())) => self.check().await,
            Ok(failed) => failed,
            Err(_) => Err(HandlerError::failed(format!("no result within {limit:?}"))),
        };
        match result {
            Err(HandlerError::Failed(source)) if self.retries_conflicts && is_conflict(&*source) => {
                self.failure = Some(StoreError::Unavailable {
                    operation: "run the handler",
                    hint: "retry later: other transactions got in its way",
                    source,
                });
                Err(HandlerError::failed("deadlock or serialization failure"))
            }
            result => result,
        }
    }
}
