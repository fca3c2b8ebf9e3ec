//! One connection of the pool, for as long as something is at work on it.

use std::future::Future;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres};

use super::{PostgresStore, failure};
use crate::store::StoreError;

/// How much longer than the server's own limit to wait for its answer, so that its error is the one that is seen.
const SLACK: Duration = Duration::from_millis(500);

/// A borrowed connection. Unless it is given back, it is closed when dropped: whoever was cut off in the
/// middle, by an error, a time limit or a cancelled request, leaves no transaction and no lock to the next one.
pub(super) struct Session {
    connection: PoolConnection<Postgres>,
    is_in_order: bool,
}

impl Session {
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Nothing is under way on it: back to the pool.
    pub(super) fn give_back(mut self) {
        self.is_in_order = true;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.is_in_order {
            self.connection.close_on_drop();
        }
    }
}

impl PostgresStore {
    /// A connection, and tables that this version knows.
    pub(super) async fn session(&self, doing: &'static str) -> Result<Session, StoreError> {
        let mut session = self.unchecked_session(doing).await?;
        self.check_form(doing, &mut session).await?;
        Ok(session)
    }

    /// A connection, whatever the tables are like.
    pub(super) async fn unchecked_session(
        &self,
        doing: &'static str,
    ) -> Result<Session, StoreError> {
        let limit = self.options().timeout;
        let acquired = tokio::time::timeout(limit, self.pool().acquire()).await;
        match acquired {
            Ok(Ok(connection)) => Ok(Session {
                connection,
                is_in_order: false,
            }),
            Ok(Err(error)) => Err(self.failed(doing, error)),
            Err(_) => Err(failure::too_slow(doing, limit)),
        }
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
