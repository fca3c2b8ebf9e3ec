//! Records in Postgres or Redis, read through the store itself. Nothing is created, migrated or changed.
#![cfg_attr(
    not(any(feature = "postgres", feature = "redis")),
    allow(dead_code, reason = "only the stores behind a server need the rest")
)]

use postback::clock::Timestamp;
use postback::event::{PlayerId, RecordKey, Subject};
use postback::guard::Record;
use postback::store::{Retention, StoreError};
use tokio::runtime::Runtime;

use crate::ending::Failure;
use crate::records::Records;

/// How many keys are asked for at a time.
const PAGE: usize = 500;

/// Later than anything that has happened.
const END_OF_TIME: Timestamp = Timestamp::from_millis(253_402_300_799_000);

/// A store behind a server.
struct Served<S> {
    runtime: Runtime,
    store: S,
}

/// What runs behind a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Postgres,
    Redis,
}

impl Engine {
    pub(crate) fn of(url: &str) -> Result<Self, Failure> {
        match url.split_once("://").map(|(scheme, _)| scheme) {
            Some("postgres" | "postgresql") => Ok(Self::Postgres),
            Some("redis" | "rediss") => Ok(Self::Redis),
            // Not the URL itself: it may hold a password.
            _ => Err("STORE is no file and no URL that begins with postgres:// or redis://".into()),
        }
    }

    /// Why it cannot be reached with this build.
    #[cfg(not(all(feature = "postgres", feature = "redis")))]
    pub(crate) fn is_not_built(self) -> Failure {
        match self {
            Self::Postgres => {
                "this build knows no Postgres: build it with --features cli,postgres".into()
            }
            Self::Redis => "this build knows no Redis: build it with --features cli,redis".into(),
        }
    }
}

/// Opens the store that a URL names.
pub(crate) fn open(url: &str) -> Result<Box<dyn Records>, Failure> {
    match Engine::of(url)? {
        Engine::Postgres => postgres(url),
        Engine::Redis => redis(url),
    }
}

#[cfg(feature = "postgres")]
fn postgres(url: &str) -> Result<Box<dyn Records>, Failure> {
    use postback::store::postgres::{PostgresStore, sqlx};
    use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

    let runtime = Runtime::new()?;
    let options: PgConnectOptions = url.parse()?;
    // Whatever a bug might try, the server refuses to write.
    let options = options.options([("default_transaction_read_only", "on")]);
    let pool = {
        let _inside = runtime.enter();
        PgPoolOptions::new()
            .max_connections(1)
            .connect_lazy_with(options)
    };
    Ok(Box::new(Served {
        runtime,
        store: PostgresStore::new(pool),
    }))
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &str) -> Result<Box<dyn Records>, Failure> {
    Err(Engine::Postgres.is_not_built())
}

#[cfg(feature = "redis")]
fn redis(url: &str) -> Result<Box<dyn Records>, Failure> {
    use postback::store::redis::RedisStore;

    let runtime = Runtime::new()?;
    let store = runtime.block_on(RedisStore::connect(url))?;
    Ok(Box::new(Served { runtime, store }))
}

#[cfg(not(feature = "redis"))]
fn redis(_: &str) -> Result<Box<dyn Records>, Failure> {
    Err(Engine::Redis.is_not_built())
}

impl<S: Retention> Records for Served<S> {
    fn find(&self, text: &str) -> Result<Vec<Record>, Failure> {
        Ok(self.runtime.block_on(find(&self.store, text))?)
    }

    fn unsettled(&self) -> Result<Vec<Record>, Failure> {
        Ok(self.runtime.block_on(async {
            let keys = pages(async |after| self.store.unsettled(after, PAGE).await).await?;
            load(&self.store, &keys).await
        })?)
    }
}

async fn find<S: Retention>(store: &S, text: &str) -> Result<Vec<Record>, StoreError> {
    if let Ok(key) = text.parse::<RecordKey>() {
        return load(store, &[key]).await;
    }
    let mut keys = match PlayerId::new(text) {
        Ok(player) => pages(async |after| store.of_player(&player, after, PAGE).await).await?,
        Err(_) => Vec::new(),
    };
    if keys.is_empty() {
        // No store keeps an index of transactions alone: all keys are gone through.
        keys = pages(async |after| store.unchanged_since(END_OF_TIME, after, PAGE).await).await?;
        keys.extend(pages(async |after| store.unsettled(after, PAGE).await).await?);
        keys.retain(|key| key.subject() == Subject::Conversion(text));
    }
    load(store, &keys).await
}

/// Asks for page after page of keys.
async fn pages(
    list: impl AsyncFn(Option<&RecordKey>) -> Result<Vec<RecordKey>, StoreError>,
) -> Result<Vec<RecordKey>, StoreError> {
    let mut keys: Vec<RecordKey> = Vec::new();
    loop {
        let page = list(keys.last()).await?;
        let is_last = page.len() < PAGE;
        keys.extend(page);
        if is_last {
            return Ok(keys);
        }
    }
}

async fn load<S: Retention>(store: &S, keys: &[RecordKey]) -> Result<Vec<Record>, StoreError> {
    let mut records = Vec::new();
    for key in keys {
        records.extend(store.load(key).await?.map(|stored| stored.record));
    }
    Ok(records)
}
