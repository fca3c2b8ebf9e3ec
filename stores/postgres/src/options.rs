//! How a store is set up.

use std::time::Duration;

use crate::error::{BoxError, open_error};
use postback::StoreError;

/// Where a [`PostgresStore`](crate::PostgresStore) keeps its tables, and how long it waits.
///
/// ```no_run
/// use std::time::Duration;
/// use postback_postgres::{PostgresOptions, PostgresStore, sqlx::PgPool};
///
/// # async fn example(pool: PgPool) -> Result<(), postback::StoreError> {
/// let options = PostgresOptions::default().schema("rewards").timeout(Duration::from_secs(2));
/// let store = PostgresStore::with_options(pool, options).await?;
/// # let _ = store;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    pub(crate) schema: String,
    pub(crate) migrates: bool,
    pub(crate) timeout: Duration,
    pub(crate) lock_timeout: Duration,
    pub(crate) handler_timeout: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            schema: "postback".to_owned(),
            migrates: true,
            timeout: Duration::from_secs(5),
            lock_timeout: Duration::from_secs(2),
            handler_timeout: Duration::from_secs(10),
        }
    }
}

impl PostgresOptions {
    /// The schema of the tables, `postback` by default. Letters `a-z`, digits and `_`, at most 63 bytes.
    #[must_use]
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.schema = name.into();
        self
    }

    /// Does not create or change tables when the store is opened. Another role does, with
    /// [`PostgresStore::migrate`](crate::PostgresStore::migrate).
    #[must_use]
    pub fn without_migration(mut self) -> Self {
        self.migrates = false;
        self
    }

    /// How long to wait for a connection of the pool, and for each statement, the handler's included. 5 s by default.
    /// Retention and migration, which may have to read a whole table, get ten minutes.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long a transaction waits for a lock: for another callback of its conversion, or for a row that its handler
    /// changes. 2 s by default. Beyond that, the callback gets 503 or the handler's statement fails.
    #[must_use]
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// How long a handler may take. 10 s by default. Beyond that it is dropped, and its decision stays pending.
    #[must_use]
    pub fn handler_timeout(mut self, timeout: Duration) -> Self {
        self.handler_timeout = timeout;
        self
    }

    /// Checks the schema's name, which becomes part of statements.
    pub(crate) fn check(&self, location: &str) -> Result<(), StoreError> {
        let name = self.schema.as_str();
        let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let is_valid = (1..=63).contains(&name.len())
            && name.bytes().all(is_allowed)
            && !name.starts_with(|first: char| first.is_ascii_digit())
            && !name.starts_with("pg_");
        if is_valid {
            return Ok(());
        }
        let source: BoxError = format!("invalid schema name {name:?}").into();
        let hint = "use up to 63 of a-z, 0-9 and '_', not beginning with a digit or pg_";
        Err(open_error(location, hint, source))
    }
}
