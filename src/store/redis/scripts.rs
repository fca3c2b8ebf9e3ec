//! What changes records: one script for each kind of change, so that no other command comes between comparing and
//! writing.
//!
//! `#!lua` without flags has the server refuse a script before its first command where it could not write: on a
//! replica, with its memory full, with its disk failing. And in a cluster it refuses keys of another slot. A
//! script that fails in its middle is not rolled back; so each looks at all its keys before it writes any.

use std::fmt::Write;

use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult, ServerErrorKind};
use sha1::{Digest, Sha1};

use super::link::Link;

/// Compares the version, then looks at the types of the indexes. Both scripts begin so.
///
/// `KEYS`: the record, then its shard's indexes: open, done, players.
/// `ARGV`: the record's key, the expected version (empty: none is stored yet).
///
/// Who loses needs the record and no index; who wins, the indexes and not the record.
macro_rules! compared {
    ($rest:literal) => {
        concat!(
            r"#!lua
local key, expected = ARGV[1], ARGV[2]
local function kind(at) return redis.call('TYPE', KEYS[at])['ok'] end

local found = kind(1)
if found ~= 'none' and found ~= 'hash' then return {'foreign', found} end
local version, status, player, updated = false, false, false, false
if found == 'hash' then
    local function lost(fields) return {'lost', fields[1] or '', fields[2] or ''} end
    if expected == '' then return lost(redis.call('HMGET', KEYS[1], 'version', 'record')) end
    local fields = redis.call('HMGET', KEYS[1], 'version', 'status', 'player', 'updated')
    version, status, player, updated = fields[1], fields[2], fields[3], fields[4]
    if version ~= expected then return lost(redis.call('HMGET', KEYS[1], 'version', 'record')) end
elseif expected ~= '' then
    return {'lost'}
end
for at = 2, 4 do
    local index = kind(at)
    if index ~= 'none' and index ~= 'zset' then return {'spoilt', KEYS[at], index} end
end

local function unlist(staying)
    if status == 'open' then
        redis.call('ZREM', KEYS[2], key)
    else
        redis.call('ZREM', KEYS[3], key .. '\0' .. (updated or ''))
    end
    if player and player ~= staying then redis.call('ZREM', KEYS[4], player .. '\0' .. key) end
end
",
            $rest
        )
    };
}

/// Further `ARGV`: version, status, player (empty: none), settled, updated, source, app, record.
const SWAP: &str = compared!(
    r"
if found == 'hash' then unlist(ARGV[5]) end
if ARGV[5] == '' then
    redis.call('HSET', KEYS[1], 'version', ARGV[3], 'status', ARGV[4], 'settled', ARGV[6], 'updated', ARGV[7],
        'source', ARGV[8], 'app', ARGV[9], 'record', ARGV[10])
    redis.call('HDEL', KEYS[1], 'player')
else
    redis.call('HSET', KEYS[1], 'version', ARGV[3], 'status', ARGV[4], 'settled', ARGV[6], 'updated', ARGV[7],
        'source', ARGV[8], 'app', ARGV[9], 'record', ARGV[10], 'player', ARGV[5])
    if player ~= ARGV[5] then redis.call('ZADD', KEYS[4], 0, ARGV[5] .. '\0' .. key) end
end
if ARGV[4] == 'open' then
    redis.call('ZADD', KEYS[2], 0, key)
else
    redis.call('ZADD', KEYS[3], 0, key .. '\0' .. ARGV[7])
end
return {'done'}
"
);

const REMOVE: &str = compared!(
    r"
unlist()
redis.call('DEL', KEYS[1])
return {'done'}
"
);

/// The scripts of a store.
#[derive(Debug)]
pub(super) struct Scripts {
    pub(super) swap: Script,
    pub(super) remove: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            swap: Script::new(SWAP),
            remove: Script::new(REMOVE),
        }
    }
}

#[derive(Debug)]
pub(super) struct Script {
    text: &'static str,
    digest: String,
}

impl Script {
    fn new(text: &'static str) -> Self {
        let mut digest = String::with_capacity(40);
        for byte in Sha1::digest(text.as_bytes()) {
            // Writing to a string cannot fail.
            let _ = write!(digest, "{byte:02x}");
        }
        Self { text, digest }
    }

    /// Runs it by its digest; with its text, where the server has forgotten it (it keeps none over a restart).
    pub(super) async fn run(
        &self,
        link: &Link,
        keys: &[String],
        arguments: &[&str],
    ) -> RedisResult<Vec<Vec<u8>>> {
        let value = match link
            .ask(&command("EVALSHA", &self.digest, keys, arguments))
            .await
        {
            // Sent again only because it certainly did not run.
            Err(error) if is_unknown_script(&error) => {
                link.ask(&command("EVAL", self.text, keys, arguments))
                    .await?
            }
            other => other?,
        };
        Ok(Vec::from_redis_value(value)?)
    }
}

fn command(name: &str, script: &str, keys: &[String], arguments: &[&str]) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(keys.len()).arg(keys).arg(arguments);
    command
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}
