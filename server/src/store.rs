//! The store that the configuration names.

use std::path::PathBuf;

use postback::store::{KeptCallback, KeptId, MemoryStore, Record, Retention, StoreError, Stored, SwapOutcome, Version};
use postback::{DedupStore, PlayerId, RecordKey, Timestamp};
use postback_postgres::{PostgresOptions, PostgresStore};
use postback_redis::RedisStore;
use postback_sqlite::SqliteStore;
use zeroize::Zeroizing;

/// Where records are kept.
#[derive(Clone)]
pub(crate) enum StoreUrl {
    /// `memory`: lost when the program ends. For tests.
    Memory,
    /// `sqlite:PATH`.
    Sqlite(PathBuf),
    /// `postgres://…`.
    Postgres(Zeroizing<String>),
    /// `redis://…`.
    Redis(Zeroizing<String>),
}

/// Without the URL, which may contain a password.
impl std::fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind())
    }
}

impl StoreUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let scheme = text.split_once(':').map_or(text, |(scheme, _)| scheme);
        match scheme {
            "memory" => Ok(Self::Memory),
            "sqlite" => {
                let path = text.strip_prefix("sqlite:").unwrap_or_default();
                let path = path.strip_prefix("//").unwrap_or(path);
                if path.is_empty() {
                    Err("no file: write \"sqlite:PATH\"".to_owned())
                } else {
                    Ok(Self::Sqlite(path.into()))
                }
            }
            "postgres" | "postgresql" => Ok(Self::Postgres(Zeroizing::new(text.to_owned()))),
            "redis" | "rediss" => Ok(Self::Redis(Zeroizing::new(text.to_owned()))),
            _ => Err("unknown store: write \"sqlite:PATH\", \"postgres://…\" or \"redis://…\", or \"env:NAME\" for a \
                 variable with one of these"
                .to_owned()),
        }
    }

    /// One word, without credentials.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
            Self::Redis(_) => "redis",
        }
    }

    /// Opens the store. A SQLite file, and tables in Postgres, are created if they are missing.
    pub(crate) async fn open(&self) -> anyhow::Result<AnyStore> {
        Ok(match self {
            Self::Memory => AnyStore::Memory(MemoryStore::new()),
            Self::Sqlite(path) => AnyStore::Sqlite(SqliteStore::open(path)?),
            Self::Postgres(url) => AnyStore::Postgres(PostgresStore::connect(url).await?),
            Self::Redis(url) => AnyStore::Redis(RedisStore::connect(url.as_str()).await?),
        })
    }

    /// Opens a store that exists.
    pub(crate) async fn open_existing(&self) -> anyhow::Result<AnyStore> {
        match self {
            Self::Sqlite(path) => Ok(AnyStore::Sqlite(SqliteStore::builder().open_existing(path)?)),
            _ => self.open().await,
        }
    }

    /// Opens a store that exists, and changes nothing in it.
    pub(crate) async fn open_read_only(&self) -> anyhow::Result<AnyStore> {
        Ok(match self {
            Self::Sqlite(path) => AnyStore::Sqlite(SqliteStore::builder().open_read_only(path)?),
            Self::Postgres(url) => {
                let options = PostgresOptions::default().without_migration();
                AnyStore::Postgres(PostgresStore::connect_with(url, options).await?)
            }
            // Connecting to Redis writes nothing.
            _ => self.open().await?,
        })
    }
}

/// A store of any kind.
#[derive(Debug, Clone)]
pub(crate) enum AnyStore {
    Memory(MemoryStore),
    Sqlite(SqliteStore),
    Postgres(PostgresStore),
    Redis(RedisStore),
}

macro_rules! dispatch {
    ($self:ident, $store:ident => $call:expr) => {
        match $self {
            AnyStore::Memory($store) => $call,
            AnyStore::Sqlite($store) => $call,
            AnyStore::Postgres($store) => $call,
            AnyStore::Redis($store) => $call,
        }
    };
}

impl AnyStore {
    /// Waits until everything is written, and closes the store.
    pub(crate) async fn close(&self) {
        match self {
            Self::Memory(_) | Self::Redis(_) => {}
            Self::Sqlite(store) => store.close().await,
            Self::Postgres(store) => store.pool().close().await,
        }
    }
}

impl DedupStore for AnyStore {
    async fn load(&self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        dispatch!(self, store => store.load(key).await)
    }

    async fn swap(&self, expected: Option<Version>, record: &Record) -> Result<SwapOutcome, StoreError> {
        dispatch!(self, store => store.swap(expected, record).await)
    }

    async fn list_pending(&self, after: Option<&RecordKey>, limit: usize) -> Result<Vec<RecordKey>, StoreError> {
        dispatch!(self, store => store.list_pending(after, limit).await)
    }

    async fn keep_unusable(&self, kept: &KeptCallback) -> Result<usize, StoreError> {
        dispatch!(self, store => store.keep_unusable(kept).await)
    }

    async fn list_unusable(&self, after: Option<&KeptId>, limit: usize) -> Result<Vec<KeptCallback>, StoreError> {
        dispatch!(self, store => store.list_unusable(after, limit).await)
    }

    async fn remove_unusable(&self, id: &KeptId) -> Result<bool, StoreError> {
        dispatch!(self, store => store.remove_unusable(id).await)
    }
}

impl Retention for AnyStore {
    async fn remove(&self, key: &RecordKey, expected: Version) -> Result<bool, StoreError> {
        dispatch!(self, store => store.remove(key, expected).await)
    }

    async fn list_unchanged_since(
        &self,
        moment: Timestamp,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        dispatch!(self, store => store.list_unchanged_since(moment, after, limit).await)
    }

    async fn list_by_player(
        &self,
        player: &PlayerId,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        dispatch!(self, store => store.list_by_player(player, after, limit).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_sqlite_files_are_taken_as_they_are() {
        for (text, expected) in [
            ("sqlite:game.db", "game.db"),
            ("sqlite:/var/game.db", "/var/game.db"),
            ("sqlite://game.db", "game.db"),
            ("sqlite:///var/game.db", "/var/game.db"),
            ("sqlite:////var/game.db", "//var/game.db"),
        ] {
            let Ok(StoreUrl::Sqlite(path)) = StoreUrl::parse(text) else { panic!("{text}") };
            assert_eq!(path.as_os_str(), expected, "{text}");
        }
    }
}
