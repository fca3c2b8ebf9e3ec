//! Records as hashes.

use std::collections::HashMap;

use redis::{FromRedisValue, RedisError};

use super::Shared;
use super::layout::Shard;
use crate::event::RecordKey;
use crate::guard::Record;
use crate::store::{StoreError, Stored, Swapped, Version, json};

/// What a script said.
enum Outcome {
    Done,
    Lost(Option<Stored>),
}

impl Shared {
    pub(super) async fn load(&self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        let doing = "load a record";
        let text = key.to_string();
        let place = self.layout.record(Shard::of(&text), &text);
        // All fields: of a record only this tells one that lacks its fields from one that is absent.
        let answer = match self.link.ask(redis::cmd("HGETALL").arg(place)).await {
            Err(error) if error.code() == Some("WRONGTYPE") => return Err(foreign(key, error)),
            other => other.map_err(|error| unavailable(doing, error))?,
        };
        let fields: HashMap<Vec<u8>, Vec<u8>> =
            HashMap::from_redis_value(answer).map_err(|error| unavailable(doing, error.into()))?;
        if fields.is_empty() {
            return Ok(None);
        }
        let field = |name: &[u8]| fields.get(name).map(Vec::as_slice).unwrap_or_default();
        read(key, field(b"version"), field(b"record")).map(Some)
    }

    pub(super) async fn swap(
        &self,
        expected: Option<Version>,
        record: &Record,
    ) -> Result<Swapped, StoreError> {
        let doing = "swap a record";
        let key = record.key();
        let version = Version::following(expected);
        let player = record.named_player().map(ToString::to_string);
        let arguments = [
            key.as_str(),
            &number(expected),
            &number(Some(version)),
            record.status().as_str(),
            &player.unwrap_or_default(),
            &record.settled().to_string(),
            &record.last_change().as_millis().to_string(),
            key.source(),
            key.app(),
            &json::write(record)?,
        ];
        let keys = self.layout.touched(key);
        let answer = match self.scripts.swap.run(&self.link, &keys, &arguments).await {
            Err(error) if takes_no_writes(&error) => {
                // The script did not even compare. To lose takes no writing: a duplicate is known as one still.
                return match self.load(key).await? {
                    Some(current) if Some(current.version) != expected => {
                        Ok(Swapped::Lost(Some(current)))
                    }
                    _ => Err(unavailable(doing, error)),
                };
            }
            other => other.map_err(|error| unavailable(doing, error))?,
        };
        match outcome(doing, key, &answer)? {
            Outcome::Done => Ok(Swapped::Done(version)),
            Outcome::Lost(current) => Ok(Swapped::Lost(current)),
        }
    }

    pub(super) async fn remove(
        &self,
        key: &RecordKey,
        expected: Version,
    ) -> Result<bool, StoreError> {
        let doing = "remove a record";
        let arguments = [key.as_str(), &number(Some(expected))];
        let keys = self.layout.touched(key);
        let answer = self.scripts.remove.run(&self.link, &keys, &arguments).await;
        let answer = answer.map_err(|error| unavailable(doing, error))?;
        Ok(matches!(outcome(doing, key, &answer)?, Outcome::Done))
    }
}

fn outcome(
    doing: &'static str,
    key: &RecordKey,
    answer: &[Vec<u8>],
) -> Result<Outcome, StoreError> {
    let parts: Vec<&[u8]> = answer.iter().map(Vec::as_slice).collect();
    match parts[..] {
        [b"done"] => Ok(Outcome::Done),
        [b"lost"] => Ok(Outcome::Lost(None)),
        [b"lost", version, record] => Ok(Outcome::Lost(Some(read(key, version, record)?))),
        [b"foreign", found] => Err(foreign(
            key,
            format!("a {} is in its place", String::from_utf8_lossy(found)),
        )),
        [b"spoilt", index, found] => Err(StoreError::Unavailable {
            doing,
            source: format!(
                "a {} is in the place of the index {}: move it away",
                String::from_utf8_lossy(found),
                String::from_utf8_lossy(index)
            )
            .into(),
        }),
        _ => Err(StoreError::Unavailable {
            doing,
            source: "the script gave an answer that is not its own".into(),
        }),
    }
}

/// A version that is no number is none.
fn read(key: &RecordKey, version: &[u8], record: &[u8]) -> Result<Stored, StoreError> {
    let version = std::str::from_utf8(version).ok();
    let version = version.and_then(|version| version.parse().ok());
    json::read(key, version.unwrap_or(0), record)
}

/// As text: Lua's numbers are floats.
fn number(version: Option<Version>) -> String {
    version.map_or_else(String::new, |version| version.number().to_string())
}

fn foreign(
    key: &RecordKey,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Unreadable {
        key: key.clone(),
        source: source.into(),
    }
}

/// Whether a primary refuses for the time being whatever may write: its memory is full, it cannot save, or too few
/// replicas follow it.
fn takes_no_writes(error: &RedisError) -> bool {
    matches!(error.code(), Some("OOM" | "MISCONF" | "NOREPLICAS"))
}

/// The engine's error, with what was being done.
pub(super) fn unavailable(doing: &'static str, error: RedisError) -> StoreError {
    StoreError::Unavailable {
        doing,
        source: Box::new(error),
    }
}
