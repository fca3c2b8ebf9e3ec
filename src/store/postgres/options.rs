//! How the store is set up.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection, PgPool};

use super::names::{NameError, Names};
use super::{PostgresStore, failure};
use crate::store::StoreError;

/// Where a [`PostgresStore`] keeps its tables, and how long it waits for the server.
///
/// ```
/// use std::time::Duration;
/// use postback::store::postgres::{NameError, PostgresOptions, PostgresStore};
/// use postback::store::postgres::sqlx::PgPool;
///
/// fn store(pool: PgPool) -> Result<PostgresStore, NameError> {
///     let options = PostgresOptions::new().schema("rewards")?.timeout(Duration::from_secs(2));
///     Ok(options.store(pool)) // "rewards"."postback_records" and so on
/// }
/// ```
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    pub(super) names: Names,
    pub(super) timeout: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            names: Names::default(),
            timeout: Duration::from_secs(5),
        }
    }
}

impl PostgresOptions {
    /// The defaults: tables whose names begin with `postback_`, wherever the search path leads.
    pub fn new() -> Self {
        Self::default()
    }

    /// The schema of the tables. [`PostgresStore::migrate`] creates it if need be.
    ///
    /// # Errors
    /// [`NameError`]; nothing but `a-z 0-9 _` is taken.
    pub fn schema(mut self, name: &str) -> Result<Self, NameError> {
        self.names = self.names.in_schema(name)?;
        Ok(self)
    }

    /// What the names of the tables begin with, instead of `postback_`.
    ///
    /// # Errors
    /// [`NameError`]; nothing but `a-z 0-9 _` is taken.
    pub fn prefix(mut self, prefix: &str) -> Result<Self, NameError> {
        self.names = self.names.with_prefix(prefix)?;
        Ok(self)
    }

    /// How long to wait for a connection of the pool, and how long for each statement, before the store is
    /// [`StoreError::Unavailable`]. 5 s unless set; a server that hangs can keep a request no longer.
    #[must_use]
    pub fn timeout(mut self, span: Duration) -> Self {
        self.timeout = span.max(Duration::from_millis(1));
        self
    }

    /// The store, on the caller's pool. Talks to nobody yet; call [`PostgresStore::migrate`] at start.
    pub fn store(self, pool: PgPool) -> PostgresStore {
        PostgresStore::with_options(pool, self)
    }

    /// Makes a pool of its own for this URL, tries it, and creates or migrates the tables.
    ///
    /// # Errors
    /// [`StoreError::Open`] names the server and the database, the cause and what to do; never the URL, which
    /// holds the password. [`StoreError::Newer`]: a later version of this crate has used the tables.
    pub async fn connect(self, url: &str) -> Result<PostgresStore, StoreError> {
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err(failure::wrong_url("another scheme than postgres://"));
        }
        let options: PgConnectOptions = url
            .parse()
            .map_err(|error: sqlx::Error| failure::wrong_url(error))?;
        // Once without the pool, which tries again and again and then only says that it took too long.
        let place = failure::place(&options);
        let tried = tokio::time::timeout(self.timeout, PgConnection::connect_with(&options)).await;
        match tried {
            Ok(Ok(connection)) => drop(connection),
            Ok(Err(error)) => return Err(failure::at_start(&place, error)),
            Err(late) => return Err(failure::no_server(&place, late)),
        }
        let pool = PgPoolOptions::new()
            .acquire_timeout(self.timeout)
            .connect_lazy_with(options);
        let store = self.store(pool);
        store.migrate().await?;
        Ok(store)
    }
}
