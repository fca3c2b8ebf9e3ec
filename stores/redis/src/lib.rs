#![doc = include_str!("../README.md")]

mod connection;
mod durability;
mod error;
mod keys;
mod options;
mod scripts;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use postback::store::Record;
use postback::store::{KeptCallback, KeptId, MAX_KEPT, Retention, StoreError, Stored, SwapOutcome, Version, json};
use postback::{DedupStore, PlayerId, RecordKey, Timestamp};
/// The driver, for connections of your own.
pub use redis;
use redis::aio::ConnectionLike;
use redis::{Cmd, FromRedisValue, IntoConnectionInfo, RedisError, cmd};

use connection::Connection;
pub use durability::DurabilityRisk;
use error::{unavailable, unexpected_reply, unreadable};
use keys::{Keys, SEPARATOR};
pub use options::RedisOptions;
use scripts::{Script, Scripts};

/// How many members of an index are read at a time.
const CHUNK: usize = 512;

/// Keeps records in Redis or Valkey. Cheap to clone; clones share one connection, over which their operations are
/// pipelined.
#[derive(Clone)]
pub struct RedisStore {
    inner: Arc<Inner>,
}

struct Inner {
    location: String,
    keys: Keys,
    connection: Connection,
    scripts: Scripts,
    risks: Vec<DurabilityRisk>,
}

/// Leaves out user name and password.
impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("location", &self.inner.location)
            .field("prefix", &self.inner.keys.prefix())
            .finish_non_exhaustive()
    }
}

impl RedisStore {
    /// Connects with the default [`RedisOptions`].
    ///
    /// The server is a URL (`redis://user:password@host:6379/0`, `rediss://…` for TLS, `redis+unix:///path?db=0`) or
    /// anything else that the driver makes a connection from. Writes nothing: the first change does.
    ///
    /// # Errors
    /// [`StoreError::Open`], naming the server without its credentials, the cause and the fix; [`StoreError::Newer`], if
    /// a later version of this crate wrote what is there.
    pub async fn connect(server: impl IntoConnectionInfo) -> Result<Self, StoreError> {
        RedisOptions::new().connect(server).await
    }

    /// Opens the store over a connection of your own, with the default [`RedisOptions`]: see
    /// [`RedisOptions::with_connection`].
    ///
    /// # Errors
    /// [`StoreError::Open`] and [`StoreError::Newer`].
    pub async fn new<C>(connection: C) -> Result<Self, StoreError>
    where
        C: ConnectionLike + Clone + Send + Sync + 'static,
    {
        RedisOptions::new().with_connection(connection).await
    }

    /// How the server's settings let it lose records, as found when the store was opened. Empty: in no way that its
    /// settings show.
    pub fn durability_risks(&self) -> &[DurabilityRisk] {
        &self.inner.risks
    }

    async fn open(options: RedisOptions, location: String, connection: Connection) -> Result<Self, StoreError> {
        let keys = Keys::new(&options.prefix).ok_or_else(|| error::invalid_prefix(&location, &options.prefix))?;
        let layout: Option<Vec<u8>> = connection
            .query(cmd("GET").arg(keys.layout()))
            .await
            .and_then(|value| Ok(FromRedisValue::from_redis_value(value)?))
            .map_err(|error| error::open_failed(&location, error))?;
        if let Some(layout) = layout {
            keys::check_layout(&layout, &location, keys.prefix())?;
        }
        let risks = durability::find_risks(&connection).await;
        for risk in &risks {
            tracing::warn!(target: "postback::store", location, %risk, "Redis may lose records");
        }
        let inner = Inner { location, keys, connection, scripts: Scripts::new(), risks };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Sends a command once and converts the reply.
    async fn query<T: FromRedisValue>(&self, operation: &'static str, command: &Cmd) -> Result<T, StoreError> {
        self.inner
            .connection
            .query(command)
            .await
            .and_then(|value| Ok(T::from_redis_value(value)?))
            .map_err(|error| unavailable(operation, error))
    }

    /// Runs a script that changes a record.
    async fn change_record(
        &self,
        operation: &'static str,
        script: &Script,
        key: &RecordKey,
        arguments: &[&str],
    ) -> Result<Outcome, StoreError> {
        let keys = &self.inner.keys;
        let record = keys.record(key);
        let touched = [keys.layout(), &record, keys.pending(), keys.settled(), keys.players()];
        let reply = script.run(&self.inner.connection, &touched, arguments).await;
        let parts: Vec<Vec<u8>> = match reply {
            Err(error) if error.code() == Some(scripts::FOREIGN_RECORD) => {
                return Err(unreadable(key, error));
            }
            reply => reply.map_err(|error| self.script_failed(operation, error))?,
        };
        let mut parts = parts.into_iter();
        Ok(match (parts.next(), parts.next()) {
            (None, _) => Outcome::Absent,
            (Some(version), None) => Outcome::Done(version),
            (Some(version), Some(record)) => Outcome::Conflict { version, record },
        })
    }

    /// Runs a script that changes the unusable callbacks. Returns how many were removed.
    async fn change_kept(
        &self,
        operation: &'static str,
        script: &Script,
        arguments: &[&str],
    ) -> Result<usize, StoreError> {
        let keys = &self.inner.keys;
        let touched = [keys.layout(), keys.unusable(), keys.unusable_by_time()];
        script
            .run(&self.inner.connection, &touched, arguments)
            .await
            .map_err(|error| self.script_failed(operation, error))
    }

    fn script_failed(&self, operation: &'static str, error: RedisError) -> StoreError {
        let Inner { keys, location, .. } = &*self.inner;
        if error.code() == Some(scripts::NEWER_LAYOUT) {
            let found = error.detail().unwrap_or_default().as_bytes();
            if let Err(error) = keys::check_layout(found, location, keys.prefix()) {
                return error;
            }
        }
        unavailable(operation, error)
    }

    /// The keys of up to `limit` records whose members of a sorted set lie in the range `from` to `to` and are wanted:
    /// `key` returns the key in a member, or `None` to pass it over.
    async fn list(
        &self,
        operation: &'static str,
        index: &str,
        (mut from, to): (Vec<u8>, Vec<u8>),
        limit: usize,
        key: impl Fn(&str) -> Option<&str> + Send,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let mut keys = Vec::new();
        while keys.len() < limit {
            let mut range = cmd("ZRANGE");
            range.arg(index).arg(&from).arg(&to);
            range.arg("BYLEX").arg("LIMIT").arg(0).arg(CHUNK);
            let members: Vec<Vec<u8>> = self.query(operation, &range).await?;
            for member in &members {
                let parsed = match std::str::from_utf8(member).map(&key) {
                    Ok(None) => continue,
                    Ok(Some(text)) => text.parse().ok(),
                    Err(_) => None,
                };
                match parsed {
                    Some(key) if keys.len() < limit => keys.push(key),
                    Some(_) => break,
                    // It must not hide the others.
                    None => {
                        tracing::error!(target: "postback::store", index, "index contains something that is not a record key");
                    }
                }
            }
            match members.last() {
                Some(last) if members.len() == CHUNK => from = keys::after(last),
                _ => break,
            }
        }
        Ok(keys)
    }
}

impl DedupStore for RedisStore {
    async fn load(&self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        let Inner { keys, connection, .. } = &*self.inner;
        // All fields, because a hash without the two below is not an absent record.
        let reply =
            connection.query(cmd("HGETALL").arg(keys.record(key))).await.map_err(|error| match error.code() {
                Some("WRONGTYPE") => unreadable(key, error),
                _ => unavailable("load a record", error),
            })?;
        let fields: HashMap<String, Vec<u8>> =
            FromRedisValue::from_redis_value(reply).map_err(|error| unavailable("load a record", error.into()))?;
        if fields.is_empty() {
            return Ok(None);
        }
        let field = |name| fields.get(name).map(Vec::as_slice).unwrap_or_default();
        read(key, field("version"), field("record")).map(Some)
    }

    async fn swap(&self, expected: Option<Version>, record: &Record) -> Result<SwapOutcome, StoreError> {
        let key = record.key();
        let json = json::write(record)?;
        let version = version_text(expected);
        let changed = record.last_change().as_millis().to_string();
        let arguments = [
            key.as_str(),
            &version,
            &json,
            if record.is_pending() { "1" } else { "0" },
            record.lookup_player().map_or("", PlayerId::as_str),
            &changed,
        ];
        let swap = &self.inner.scripts.swap;
        let outcome = self.change_record("swap a record", swap, key, &arguments).await?;
        match outcome {
            Outcome::Done(version) => parse_number(&version)
                .and_then(Version::from_number)
                .map(SwapOutcome::Replaced)
                .ok_or_else(|| unexpected_reply("swap a record")),
            Outcome::Absent => Ok(SwapOutcome::Conflict(None)),
            Outcome::Conflict { version, record } => {
                read(key, &version, &record).map(|stored| SwapOutcome::Conflict(Some(stored)))
            }
        }
    }

    async fn list_pending(&self, after: Option<&RecordKey>, limit: usize) -> Result<Vec<RecordKey>, StoreError> {
        let from = after.map_or_else(|| b"-".to_vec(), |key| keys::after(key.as_str().as_bytes()));
        let range = (from, b"+".to_vec());
        let index = self.inner.keys.pending();
        self.list("list pending records", index, range, limit, |member| Some(member)).await
    }

    async fn keep_unusable(&self, kept: &KeptCallback) -> Result<usize, StoreError> {
        let operation = "keep an unusable callback";
        let json = serde_json::to_string(kept).map_err(|error| error::unwritable(operation, error))?;
        let arguments = [kept.id.as_str(), &json, &kept.received.as_millis().to_string(), &MAX_KEPT.to_string()];
        self.change_kept(operation, &self.inner.scripts.keep, &arguments).await
    }

    async fn list_unusable(&self, after: Option<&KeptId>, limit: usize) -> Result<Vec<KeptCallback>, StoreError> {
        let operation = "list unusable callbacks";
        let index = self.inner.keys.unusable();
        // Their number is bounded, so all ids are sorted here.
        let mut ids: Vec<String> = self.query(operation, cmd("HKEYS").arg(index)).await?;
        ids.retain(|id| after.is_none_or(|after| id.as_str() > after.as_str()));
        ids.sort_unstable();
        let mut found = Vec::new();
        while found.len() < limit && !ids.is_empty() {
            let page: Vec<String> = ids.drain(..ids.len().min(limit - found.len())).collect();
            let values: Vec<Option<Vec<u8>>> = self.query(operation, cmd("HMGET").arg(index).arg(&page)).await?;
            for (id, json) in page.iter().zip(values) {
                // One without a value was removed meanwhile.
                match json.map(|json| serde_json::from_slice(&json)) {
                    None => {}
                    Some(Ok(kept)) => found.push(kept),
                    // It must not hide the others. The error repeats values of the callback.
                    Some(Err(error)) => {
                        let message = "a kept callback cannot be read: repair it by hand";
                        let (line, column) = (error.line(), error.column());
                        tracing::error!(target: "postback::store", id, line, column, "{message}");
                    }
                }
            }
        }
        Ok(found)
    }

    async fn remove_unusable(&self, id: &KeptId) -> Result<bool, StoreError> {
        let operation = "remove an unusable callback";
        let removed = self.change_kept(operation, &self.inner.scripts.remove_kept, &[id.as_str()]).await?;
        Ok(removed > 0)
    }
}

impl Retention for RedisStore {
    async fn remove(&self, key: &RecordKey, expected: Version) -> Result<bool, StoreError> {
        let operation = "remove a record";
        let arguments = [key.as_str(), &version_text(Some(expected))];
        let remove = &self.inner.scripts.remove;
        let outcome = self.change_record(operation, remove, key, &arguments).await?;
        Ok(matches!(outcome, Outcome::Done(_)))
    }

    async fn list_unchanged_since(
        &self,
        moment: Timestamp,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let from = after.map_or_else(|| b"-".to_vec(), |key| keys::after_all_of(key.as_str()));
        let range = (from, b"+".to_vec());
        let index = self.inner.keys.settled();
        self.list("list old records", index, range, limit, |member| {
            let (key, changed) = member.split_once(SEPARATOR).unwrap_or((member, "0"));
            let changed = parse_number(changed.as_bytes()).unwrap_or_default();
            (Timestamp::from_millis(changed) < moment).then_some(key)
        })
        .await
    }

    async fn list_by_player(
        &self,
        player: &PlayerId,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let start = [player.as_str(), SEPARATOR, after.map_or("", RecordKey::as_str)].concat();
        let range = (keys::after(start.as_bytes()), keys::after_all_of(player.as_str()));
        let index = self.inner.keys.players();
        self.list("list a player's records", index, range, limit, |member| {
            Some(member.split_once(SEPARATOR).map_or(member, |(_, key)| key))
        })
        .await
    }
}

/// The result of a change of a record.
enum Outcome {
    /// It was made. The version that it led to, or that was removed.
    Done(Vec<u8>),
    /// There is no record, although one was expected.
    Absent,
    /// Another version than the expected one is stored.
    Conflict { version: Vec<u8>, record: Vec<u8> },
}

/// A version that is not a number is none, and no record has that.
fn read(key: &RecordKey, version: &[u8], record: &[u8]) -> Result<Stored, StoreError> {
    json::read(key, parse_number(version).unwrap_or_default(), record)
}

/// As text, because numbers in Lua are floats. Empty: no record.
fn version_text(version: Option<Version>) -> String {
    version.map_or_else(String::new, |version| version.number().to_string())
}

fn parse_number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
