//! How the store is opened.

use std::time::Duration;

use redis::IntoConnectionInfo;
use redis::aio::ConnectionLike;

use super::{RedisStore, open};
use crate::store::StoreError;

/// How a [`RedisStore`] is opened.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use postback::store::redis::RedisOptions;
///
/// let store = RedisOptions::new()
///     .prefix("game:postback")
///     .response_timeout(Duration::from_secs(1))
///     .connect("redis://:password@127.0.0.1:6379/0")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RedisOptions {
    pub(super) prefix: String,
    pub(super) connect_timeout: Duration,
    pub(super) response_timeout: Duration,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            prefix: "postback".to_owned(),
            connect_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_secs(3),
        }
    }
}

impl RedisOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the store's keys begin with: 1 to 64 of `a-z A-Z 0-9 . _ - :`. `postback` unless set. Stores with
    /// different prefixes know nothing of each other; so a prefix that is changed later makes every record absent.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long making a connection may take. 2 s unless set.
    #[must_use]
    pub fn connect_timeout(mut self, span: Duration) -> Self {
        self.connect_timeout = span;
        self
    }

    /// How long an answer may take before the operation is [`StoreError::Unavailable`]; whether it took effect is
    /// then unknown. 3 s unless set. A callback takes up to four operations.
    #[must_use]
    pub fn response_timeout(mut self, span: Duration) -> Self {
        self.response_timeout = span;
        self
    }

    /// Opens the store: see [`RedisStore::connect`].
    ///
    /// # Errors
    /// [`StoreError::Open`] and [`StoreError::Newer`].
    pub async fn connect(self, server: impl IntoConnectionInfo) -> Result<RedisStore, StoreError> {
        open::connect(&self, server).await
    }

    /// Opens the store over a connection that the caller made: to a cluster, through Sentinel, with certificates
    /// of his own. Reconnecting is up to that connection; the connect timeout is not used. It must read from
    /// primaries only.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use postback::store::redis::{RedisOptions, redis};
    ///
    /// // With a cluster: `redis::cluster::ClusterClient`, feature `cluster-async` of the redis crate.
    /// let client = redis::Client::open("redis://127.0.0.1:6379")?;
    /// let connection = client.get_multiplexed_async_connection().await?;
    /// let store = RedisOptions::new().with_connection(connection).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`StoreError::Open`] and [`StoreError::Newer`].
    pub async fn with_connection<C>(self, connection: C) -> Result<RedisStore, StoreError>
    where
        C: ConnectionLike + Clone + Send + Sync + 'static,
    {
        open::with_connection(&self, connection).await
    }
}
