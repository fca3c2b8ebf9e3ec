//! How a store is opened.

use std::time::Duration;

use postback::store::StoreError;
use redis::aio::ConnectionLike;
use redis::{Client, ConnectionAddr, IntoConnectionInfo};

use crate::connection::Connection;
use crate::{RedisStore, error};

/// How a [`RedisStore`] is opened.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use postback_redis::RedisOptions;
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
    pub(crate) prefix: String,
    connect_timeout: Duration,
    response_timeout: Duration,
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

    /// The prefix of the store's keys: 1 to 64 of `a-z A-Z 0-9 . _ - :`, `postback` by default. Stores with different
    /// prefixes are separate, so another prefix makes every record absent. In a cluster, the prefix decides which node
    /// keeps the store.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How long connecting may take. 2 s by default.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a reply may take. After that, the operation is [`StoreError::Unavailable`], and whether it took effect
    /// is unknown. 3 s by default. A callback takes three operations.
    #[must_use]
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// Connects: see [`RedisStore::connect`].
    ///
    /// # Errors
    /// [`StoreError::Open`] and [`StoreError::Newer`].
    pub async fn connect(self, server: impl IntoConnectionInfo) -> Result<RedisStore, StoreError> {
        let server = server.into_connection_info().map_err(|error| error::open_failed("at this URL", error))?;
        let database = server.redis_settings().db();
        let location = match server.addr() {
            ConnectionAddr::Unix(path) => format!("redis+unix://{}?db={database}", path.display()),
            address => format!("redis://{address}/{database}"),
        };
        let client = Client::open(server).map_err(|error| error::open_failed(&location, error))?;
        let connection = Connection::managed(client, self.connect_timeout, self.response_timeout);
        RedisStore::open(self, location, connection).await
    }

    /// Opens the store over a connection of your own: to a cluster, through Sentinel, with certificates. It reconnects
    /// by itself, the connect timeout is not used, and it must read from primaries only.
    ///
    /// The store sends a change once. A cluster's connection may send it again when a node fails; that is safe, because
    /// the second one finds the version changed, but the callback may then be answered 503 until the lease expires.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use postback_redis::{RedisOptions, redis};
    ///
    /// // For a cluster: `redis::cluster::ClusterClient`, with the feature `cluster`.
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
        let connection = Connection::external(connection, self.response_timeout);
        RedisStore::open(self, "redis".to_owned(), connection).await
    }
}
