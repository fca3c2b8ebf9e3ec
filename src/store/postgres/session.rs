//! One connection of the pool, for as long as something is at work on it.

use std::future::Future;
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgTransactionManager;
use sqlx::{PgConnection, PgPool, Postgres};
use sqlx_core::transaction::TransactionManager as _;

use super::line::{Next, Turn};
use super::{PostgresStore, failure};
use crate::store::StoreError;

/// How much longer than the server's own limit to wait for its answer, so that its error is the one that is seen.
pub(super) const SLACK: Duration = Duration::from_millis(500);

/// How long a connection goes from one to the next before it is the pool's again, for whoever else waits there.
const ROUND: Duration = Duration::from_millis(100);

/// A borrowed connection. Unless it is given back, it is closed when dropped: whoever was cut off in the
/// middle, by an error, a time limit or a cancelled request, leaves no transaction and no lock to the next one.
pub(super) struct Session {
    connection: PoolConnection<Postgres>,
    is_in_order: bool,
    begun: Begun,
    /// When it left the pool.
    since: Instant,
}

/// What was begun along with the commit of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begun {
    Nothing,
    /// An empty transaction.
    Empty,
    /// The next delivery's, with its limits and its savepoint; and its conversion's lock, if that was free.
    Opened {
        is_locked: bool,
    },
}

impl Session {
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    pub(super) fn since(&self) -> Instant {
        self.since
    }

    pub(super) fn has_begun(&mut self, begun: Begun) {
        self.begun = begun;
    }

    pub(super) fn begun(&self) -> Begun {
        self.begun
    }

    /// What was begun is the caller's now.
    pub(super) fn take_begun(&mut self) {
        self.begun = Begun::Nothing;
    }

    /// Ends what was begun, with whatever is sent next.
    pub(super) fn end_begun(&mut self) {
        if self.begun != Begun::Nothing {
            self.begun = Begun::Nothing;
            PgTransactionManager::start_rollback(&mut self.connection);
        }
    }

    /// A transaction or a savepoint that somebody has left open goes with its connection.
    fn look_whether_in_order(&mut self) {
        let depth = PgTransactionManager::get_transaction_depth(&self.connection);
        self.is_in_order = depth == usize::from(self.begun != Begun::Nothing);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.is_in_order {
            self.end_begun();
        } else {
            self.connection.close_on_drop();
        }
    }
}

/// How many connections the pool can give at once.
pub(super) fn room(pool: &PgPool) -> impl Fn() -> usize + Send + Sync + 'static {
    let pool = pool.clone();
    move || {
        let most = pool.options().get_max_connections();
        let to_open = most.saturating_sub(pool.size());
        // The pool counts down before it counts up, so that for a moment its count is far too high.
        let idle = u32::try_from(pool.num_idle()).unwrap_or(0);
        usize::try_from(idle.saturating_add(to_open).min(most)).unwrap_or(usize::MAX)
    }
}

impl PostgresStore {
    /// A connection, and tables that this version knows.
    pub(super) async fn session(&self, doing: &'static str) -> Result<Session, StoreError> {
        let mut session = self.unchecked_session(doing).await?;
        self.check_form(doing, &mut session).await?;
        Ok(session)
    }

    /// The same, for a transaction that begins so. Perhaps it has begun already.
    pub(super) async fn session_for(
        &self,
        doing: &'static str,
        opening: String,
    ) -> Result<Session, StoreError> {
        let mut session = self.any_session(doing, Some(opening)).await?;
        self.check_form(doing, &mut session).await?;
        Ok(session)
    }

    /// A connection, whatever the tables are like.
    pub(super) async fn unchecked_session(
        &self,
        doing: &'static str,
    ) -> Result<Session, StoreError> {
        let mut session = self.any_session(doing, None).await?;
        session.end_begun();
        Ok(session)
    }

    async fn any_session(
        &self,
        doing: &'static str,
        opening: Option<String>,
    ) -> Result<Session, StoreError> {
        let limit = self.options().timeout;
        match tokio::time::timeout(limit, self.acquire(opening)).await {
            Ok(acquired) => acquired.map_err(|error| self.failed(doing, error)),
            Err(_) => Err(failure::too_slow(doing, limit)),
        }
    }

    async fn acquire(&self, opening: Option<String>) -> sqlx::Result<Session> {
        let patience = self.pool().options().get_acquire_timeout();
        let turn = tokio::time::timeout(patience, self.shared.line.enter(opening)).await;
        match turn.map_err(|_| sqlx::Error::PoolTimedOut)? {
            Turn::Take(mut session) => {
                session.is_in_order = false;
                Ok(session)
            }
            Turn::Ask(_asking) => Ok(Session {
                connection: self.pool().acquire().await?,
                is_in_order: false,
                begun: Begun::Nothing,
                since: Instant::now(),
            }),
        }
    }

    /// Nothing is under way on it: on to the next, or back to the pool.
    pub(super) fn give_back(&self, mut session: Session) {
        session.look_whether_in_order();
        if session.is_in_order && self.goes_round(session.since) {
            drop(self.shared.line.pass(session));
        }
    }

    /// Who is next on a connection that left the pool then, if he is going to begin a transaction.
    pub(super) fn next(&self, since: Instant) -> Option<Next<Session>> {
        self.goes_round(since)
            .then(|| self.shared.line.next())
            .flatten()
    }

    /// On to the one for whom a transaction was opened.
    pub(super) fn hand_on(&self, mut session: Session, next: Next<Session>) {
        session.look_whether_in_order();
        if session.is_in_order
            && let Some(mut back) = next.take(session)
        {
            back.end_begun();
            self.give_back(back);
        }
    }

    fn goes_round(&self, since: Instant) -> bool {
        since.elapsed() < ROUND && !self.pool().is_closed()
    }

    /// Waits for the server's answer, not for ever.
    pub(super) async fn bounded<T>(
        &self,
        doing: &'static str,
        work: impl Future<Output = sqlx::Result<T>>,
    ) -> Result<T, StoreError> {
        let limit = self.options().timeout.saturating_add(SLACK);
        match tokio::time::timeout(limit, work).await {
            Ok(result) => result.map_err(|error| self.failed(doing, error)),
            Err(_) => Err(failure::too_slow(doing, limit)),
        }
    }

    pub(super) fn failed(&self, doing: &'static str, error: sqlx::Error) -> StoreError {
        failure::of(doing, &self.shared.place, error)
    }
}
