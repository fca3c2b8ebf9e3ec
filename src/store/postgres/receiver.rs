//! Takes callbacks all the way inside the store's own transactions.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgTransactionManager;
use sqlx::{AssertSqlSafe, SqlSafeStr};
use sqlx_core::transaction::TransactionManager as _;
use tracing::Instrument;

use super::attempt::{Attempt, Ended, MARK};
use super::handler::PostgresHandler;
use super::keep::BEGIN;
use super::session::{Begun, Session};
use super::{PostgresStore, failure};
use crate::clock::{Clock, SystemClock};
use crate::event::{Event, RecordKey};
use crate::observe::{self, Since};
use crate::receiver::log::{Origin, log_open_still};
use crate::receiver::{Receive, ReceiveError, Resume, Resumed};
use crate::steps::{Receipt, Steps, Timing};
use crate::store::{DedupStore, StoreError};

/// How many keys are asked for at a time.
const PAGE: usize = 256;

/// How long resuming waits for a conversion that somebody is at work on.
const GLANCE: Duration = Duration::from_millis(20);

/// Takes callbacks all the way: remembered, carried out by the game and settled in one transaction.
///
/// Made by [`PostgresStore::receiver`]. Cheap to clone. Each callback takes one connection of the pool for the
/// length of its transaction; callbacks of the same conversion take turns, in all processes.
pub struct PostgresReceiver<H, C = SystemClock> {
    store: PostgresStore,
    desk: Desk<H, C>,
}

/// What each delivery needs.
pub(super) struct Desk<H, C> {
    pub(super) handler: Arc<H>,
    pub(super) clock: Arc<C>,
    pub(super) timing: Timing,
}

impl<H, C> Desk<H, C> {
    #[expect(clippy::arithmetic_side_effects, reason = "three is not zero")]
    pub(super) fn handler_timeout(&self) -> Duration {
        self.timing.lease / 3
    }
}

impl<H, C> Clone for Desk<H, C> {
    fn clone(&self) -> Self {
        Self {
            handler: Arc::clone(&self.handler),
            clock: Arc::clone(&self.clock),
            timing: self.timing,
        }
    }
}

impl<H, C> Clone for PostgresReceiver<H, C> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            desk: self.desk.clone(),
        }
    }
}

impl<H, C> fmt::Debug for PostgresReceiver<H, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresReceiver")
            .field("store", &self.store)
            .field("timing", &self.desk.timing)
            .finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// A receiver that settles in the store's own transactions: what the handler writes and the record are
    /// committed together.
    ///
    /// A handler is given up on after a third of the lease (10 s unless set).
    pub fn receiver<H: PostgresHandler>(&self, handler: H) -> PostgresReceiver<H> {
        let desk = Desk {
            handler: Arc::new(handler),
            clock: Arc::new(SystemClock),
            timing: Timing::new(),
        };
        PostgresReceiver {
            store: self.clone(),
            desk,
        }
    }
}

impl<H: PostgresHandler, C: Clock> PostgresReceiver<H, C> {
    /// With a clock of your own.
    #[must_use]
    pub fn with_clock<K: Clock>(self, clock: K) -> PostgresReceiver<H, K> {
        PostgresReceiver {
            store: self.store,
            desk: Desk {
                handler: self.desk.handler,
                clock: Arc::new(clock),
                timing: self.desk.timing,
            },
        }
    }

    /// With a timing of your own. A handler is given up on after a third of the lease, and a callback waits for
    /// its twin in flight as long as the patience says.
    #[must_use]
    pub fn with_timing(mut self, timing: Timing) -> Self {
        self.desk.timing = timing;
        self
    }

    /// The store.
    pub fn store(&self) -> &PostgresStore {
        &self.store
    }

    /// Repeats every open decision that nobody is at work on. To be called when the program starts, and
    /// from time to time. Safe in several processes at once.
    ///
    /// # Errors
    /// [`StoreError`], when the store does not answer. A record that cannot be read counts as failed.
    pub async fn resume(&self) -> Result<Resumed, StoreError> {
        let mut resumed = Resumed::default();
        let mut after: Option<RecordKey> = None;
        loop {
            let since = Since::now();
            let listed = self.store.unsettled(after.as_ref(), PAGE);
            let keys = observe::stored("unsettled", listed.await, since)?;
            for key in &keys {
                let steps = Steps::resume_in_transaction(key.clone(), self.desk.timing);
                match self.settle(key, steps, GLANCE).await {
                    Ok(_) => resumed.settled += 1,
                    Err(ReceiveError::Busy { .. }) => resumed.busy += 1,
                    Err(ReceiveError::Store(error)) if error.is_of_the_whole_store() => {
                        return Err(error);
                    }
                    Err(error) => {
                        log_open_still(key, &error);
                        resumed.failed += 1;
                    }
                }
            }
            if keys.len() < PAGE {
                resumed.measure();
                return Ok(resumed);
            }
            after = keys.last().cloned();
        }
    }

    async fn settle(
        &self,
        key: &RecordKey,
        steps: Steps,
        patience: Duration,
    ) -> Result<Receipt, ReceiveError> {
        let store = &self.store;
        let opening = self.opening(key);
        let mut session = store.session_for("take a callback", opening).await?;
        self.begin(&mut session, key, patience).await?;
        let attempt = Attempt {
            store,
            desk: &self.desk,
            said: None,
            is_marked: true,
            since: session.since(),
        };
        let connection = session.connection();
        let result = match attempt.run(connection, steps).await {
            Ended::Committed(receipt, begun, next) => {
                session.has_begun(begun);
                match next {
                    Some(next) => store.hand_on(session, next),
                    None => store.give_back(session),
                }
                return Ok(receipt);
            }
            Ended::Commit(result) => {
                // Should its answer not arrive, nobody knows the outcome; the repetition sees it.
                let commit = PgTransactionManager::commit(connection);
                store.bounded("commit", commit).await?;
                result
            }
            Ended::RollBack(error) => {
                let roll_back = PgTransactionManager::rollback(connection);
                store.bounded("roll back", roll_back).await?;
                Err(error)
            }
            Ended::Abandon(result) => return result,
        };
        store.give_back(session);
        result
    }

    /// Begins the transaction, takes the conversion's lock and sets a savepoint, all in one message to the server;
    /// or in none, where whoever had the connection before has done so.
    async fn begin(
        &self,
        session: &mut Session,
        key: &RecordKey,
        patience: Duration,
    ) -> Result<(), ReceiveError> {
        let store = &self.store;
        let is_empty = match session.begun() {
            Begun::Opened { is_locked: true } => {
                session.take_begun();
                return Ok(());
            }
            begun => begun == Begun::Empty,
        };
        let beginning = async {
            let opening = self.patient_opening(key, patience);
            if is_empty {
                session.take_begun();
                let opening = sqlx::raw_sql(AssertSqlSafe(opening));
                return opening.execute(session.connection()).await.map(drop);
            }
            session.end_begun();
            let opening = AssertSqlSafe(format!("{BEGIN}; {opening}")).into_sql_str();
            PgTransactionManager::begin(session.connection(), Some(opening)).await
        };
        let limit = store.options().timeout.saturating_add(patience);
        match tokio::time::timeout(limit, beginning).await {
            Ok(Ok(())) => Ok(()),
            // Its twin is at work still. `55P03`: the lock could not be had in time.
            Ok(Err(error)) if failure::code(&error).as_deref() == Some("55P03") => {
                let retry_after = self.desk.timing.patience;
                Err(ReceiveError::Busy { retry_after })
            }
            Ok(Err(error)) => Err(store.failed("begin a transaction", error).into()),
            Err(_) => Err(failure::too_slow("begin a transaction", limit).into()),
        }
    }

    /// What a transaction begins with that another delivery opens for this one. That one's answer must not wait for a
    /// twin of this one.
    fn opening(&self, key: &RecordKey) -> String {
        let (limits, lock) = (self.limits(), self.lock(key));
        format!("SELECT {limits}, pg_try_advisory_xact_lock({lock}) AS is_locked; {MARK}")
    }

    /// What a transaction begins with otherwise.
    ///
    /// The columns of a row are worked out in their order, so that the lock is waited for under its limit.
    /// Without the lock two first deliveries would both call the handler, and one be rolled back: no harm, for
    /// the swap decides, but work for nothing. `idle_in_transaction_session_timeout` frees it should this
    /// process be cut off.
    fn patient_opening(&self, key: &RecordKey, patience: Duration) -> String {
        let (limits, lock, patience) = (self.limits(), self.lock(key), millis(patience));
        format!(
            "SELECT {limits}, set_config('lock_timeout', '{patience}', true), pg_advisory_xact_lock({lock}); \
             SET LOCAL lock_timeout TO DEFAULT; {MARK}"
        )
    }

    fn limits(&self) -> String {
        let timeout = self.store.options().timeout;
        let idle = self.desk.handler_timeout().saturating_add(timeout);
        format!(
            "set_config('statement_timeout', '{}', true), \
             set_config('idle_in_transaction_session_timeout', '{}', true)",
            millis(timeout),
            millis(idle),
        )
    }

    fn lock(&self, key: &RecordKey) -> i64 {
        self.store.options().names.lock(&key.to_string())
    }
}

/// As the server's settings want it.
fn millis(span: Duration) -> u128 {
    span.as_millis().clamp(1, i32::MAX as u128)
}

impl<H: PostgresHandler, C: Clock> Receive for PostgresReceiver<H, C> {
    fn receive(
        &self,
        event: impl Into<Arc<Event>>,
    ) -> impl Future<Output = Result<Receipt, ReceiveError>> + Send {
        let event = event.into();
        async move {
            let origin = Origin::of(&event);
            let (key, timing) = (event.key(), self.desk.timing);
            let steps = Steps::receive_in_transaction(event, timing);
            let since = Since::now();
            let settling = self.settle(&key, steps, timing.patience);
            let result = settling.instrument(origin.span()).await;
            observe::transaction(matches!(result, Err(ReceiveError::Store(_))), since);
            origin.tell(result.as_ref());
            result
        }
    }
}

impl<H: PostgresHandler, C: Clock> Resume for PostgresReceiver<H, C> {
    fn resume(&self) -> impl Future<Output = Result<Resumed, StoreError>> + Send {
        PostgresReceiver::resume(self)
    }
}
