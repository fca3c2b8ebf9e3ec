//! Lists keys over all shards, in order.

use std::collections::VecDeque;
use std::sync::Arc;

use redis::{Cmd, FromRedisValue, RedisResult};
use tokio::task::JoinSet;

use super::Shared;
use super::layout::{Index, SEPARATOR, SHARDS, Shard};
use super::records::unavailable;
use crate::clock::Timestamp;
use crate::event::RecordKey;
use crate::store::StoreError;

/// Which records.
#[derive(Debug, Clone)]
pub(super) enum Wanted {
    Open,
    /// In which nothing has happened since, open ones left out.
    UnchangedSince(Timestamp),
    OfPlayer(String),
}

/// What follows the separator in order: greater than every member that has the separator here.
const PAST: &[u8] = b"\x01";

/// How far one shard has been read.
struct Cursor {
    shard: Shard,
    /// The key to go on after.
    after: Option<Vec<u8>>,
    /// What was read and is wanted.
    waiting: VecDeque<Vec<u8>>,
    is_at_end: bool,
}

impl Shared {
    /// The keys of up to `limit` records, in the order of their bytes, beginning after `after`.
    pub(super) async fn list(
        self: &Arc<Self>,
        doing: &'static str,
        wanted: Wanted,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        let after = after.map(|key| key.to_string().into_bytes());
        let mut cursors: Vec<Cursor> = Shard::all()
            .map(|shard| Cursor {
                shard,
                after: after.clone(),
                waiting: VecDeque::new(),
                is_at_end: false,
            })
            .collect();
        let mut keys = Vec::new();
        while keys.len() < limit {
            self.fill(&wanted, &mut cursors, wanted.chunk(limit))
                .await
                .map_err(|error| unavailable(doing, error))?;
            let next = cursors
                .iter_mut()
                .filter(|cursor| !cursor.waiting.is_empty())
                .min_by(|one, other| one.waiting.front().cmp(&other.waiting.front()));
            let Some(text) = next.and_then(|cursor| cursor.waiting.pop_front()) else {
                break;
            };
            let key = std::str::from_utf8(&text).ok();
            let key = key.and_then(|text| text.parse().ok());
            if key.is_none() {
                // Nobody can ask for it, and it must not keep the others from being found.
                tracing::error!(target: "postback::store", "an index in Redis holds what is not a record's key");
            }
            keys.extend(key);
        }
        Ok(keys)
    }

    /// Reads on in every shard of which nothing is waiting, all at once.
    async fn fill(
        self: &Arc<Self>,
        wanted: &Wanted,
        cursors: &mut [Cursor],
        chunk: usize,
    ) -> RedisResult<()> {
        loop {
            let mut reading = JoinSet::new();
            for (at, cursor) in cursors.iter().enumerate() {
                if cursor.waiting.is_empty() && !cursor.is_at_end {
                    let command = self.range(wanted, cursor, chunk);
                    let shared = Arc::clone(self);
                    reading.spawn(async move { (at, shared.link.ask(&command).await) });
                }
            }
            if reading.is_empty() {
                return Ok(());
            }
            while let Some(read) = reading.join_next().await {
                let (at, answer) = read.map_err(std::io::Error::other)?;
                let members: Vec<Vec<u8>> = Vec::from_redis_value(answer?)?;
                if let Some(cursor) = cursors.get_mut(at) {
                    cursor.take(wanted, &members, chunk);
                }
            }
        }
    }

    fn range(&self, wanted: &Wanted, cursor: &Cursor, chunk: usize) -> Cmd {
        let (from, to) = wanted.bounds(cursor.after.as_deref());
        let mut command = redis::cmd("ZRANGE");
        command
            .arg(self.layout.index(cursor.shard, wanted.index()))
            .arg(from)
            .arg(to)
            .arg("BYLEX")
            .arg("LIMIT")
            .arg(0)
            .arg(chunk);
        command
    }
}

impl Cursor {
    fn take(&mut self, wanted: &Wanted, members: &[Vec<u8>], chunk: usize) {
        self.is_at_end = members.len() < chunk;
        for member in members {
            let (key, is_wanted) = wanted.split(member);
            self.after = Some(key.to_vec());
            if is_wanted {
                self.waiting.push_back(key.to_vec());
            }
        }
    }
}

impl Wanted {
    fn index(&self) -> Index {
        match self {
            Self::Open => Index::Open,
            Self::UnchangedSince(_) => Index::Done,
            Self::OfPlayer(_) => Index::Players,
        }
    }

    /// How many members of a shard to read at a time. Of a page, each shard has its share, and some have more.
    fn chunk(&self, limit: usize) -> usize {
        let share = limit / usize::from(SHARDS);
        match self {
            Self::Open | Self::OfPlayer(_) => share.saturating_mul(2).clamp(8, 512),
            // Most may be too young.
            Self::UnchangedSince(_) => 512,
        }
    }

    /// From where to where, in the words of `ZRANGE … BYLEX`.
    fn bounds(&self, after: Option<&[u8]>) -> (Vec<u8>, Vec<u8>) {
        let mut separator = [0; 4];
        let separator = SEPARATOR.encode_utf8(&mut separator).as_bytes();
        match (self, after) {
            (Self::Open | Self::UnchangedSince(_), None) => (b"-".to_vec(), b"+".to_vec()),
            (Self::Open, Some(key)) => ([b"(", key].concat(), b"+".to_vec()),
            (Self::UnchangedSince(_), Some(key)) => ([b"(", key, PAST].concat(), b"+".to_vec()),
            (Self::OfPlayer(player), after) => {
                let player = player.as_bytes();
                let from = [b"(", player, separator, after.unwrap_or_default()].concat();
                (from, [b"(", player, PAST].concat())
            }
        }
    }

    /// The key in a member, and whether it is wanted.
    fn split<'a>(&self, member: &'a [u8]) -> (&'a [u8], bool) {
        let mut parts = member.splitn(2, |byte| char::from(*byte) == SEPARATOR);
        let first = parts.next().unwrap_or_default();
        let second = parts.next().unwrap_or_default();
        match self {
            Self::Open => (member, true),
            Self::OfPlayer(_) => (second, true),
            Self::UnchangedSince(moment) => {
                let updated = std::str::from_utf8(second)
                    .ok()
                    .and_then(|text| text.parse().ok());
                let is_old =
                    updated.is_some_and(|updated| Timestamp::from_millis(updated) < *moment);
                (first, is_old)
            }
        }
    }
}
