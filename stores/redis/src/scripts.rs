//! The scripts: one for each kind of change, so that nothing comes between comparing and writing.
//!
//! `#!lua` without flags makes the server refuse a script that it could not finish before its first command: on a
//! replica, with the memory full, with a failing disk. What is left is a key of another type, which somebody else wrote.
//! A script that fails at one is not rolled back, so the scripts check for it or write in an order that does no harm.

use redis::{Cmd, ErrorKind, FromRedisValue, RedisResult, ServerErrorKind, cmd};

use crate::connection::Connection;

/// The code of the error with which a script says that a later version wrote the layout.
pub(crate) const NEWER_LAYOUT: &str = "POSTBACKLAYOUT";

/// The code of the error with which a script says that the record's key has another type.
pub(crate) const FOREIGN_RECORD: &str = "POSTBACKRECORD";

/// Begins every script. `KEYS[1]`: the layout.
const HEAD: &str = r"#!lua
local layout = redis.call('GET', KEYS[1])
if layout and layout ~= '1' then return redis.error_reply('POSTBACKLAYOUT ' .. layout) end
";

/// Defines a check of a key's type.
const CHECK: &str = r"
local function check(at, wanted)
    local found = redis.call('TYPE', KEYS[at]).ok
    if found == wanted or found == 'none' then return nil end
    return redis.error_reply('WRONGTYPE ' .. KEYS[at] .. ' is a ' .. found)
end
";

/// Compares a record's version, and defines where a record is listed. Replies with version and record on a conflict, and
/// with nothing if there is no record.
///
/// `KEYS`: layout, record, pending, settled, players. `ARGV`: key, expected version (empty: no record).
const COMPARE: &str = r"
local key, expected = ARGV[1], ARGV[2]
local fields = redis.pcall('HMGET', KEYS[2], 'version', 'pending', 'player', 'changed')
if fields.err then return redis.error_reply('POSTBACKRECORD ' .. fields.err) end
local version, pending, player, changed = unpack(fields)
local exists = version or redis.call('EXISTS', KEYS[2]) == 1
if exists and (expected == '' or version ~= expected) then
    return {version or '', redis.call('HGET', KEYS[2], 'record') or ''}
elseif not exists and expected ~= '' then
    return {}
end

local function place(pending, changed)
    if pending == '1' then return KEYS[3], key end
    return KEYS[4], key .. '\0' .. (changed or '')
end
local old_index, old_member
if exists then old_index, old_member = place(pending, changed) end
";

/// Further `ARGV`: record, pending (`1` or `0`), player (empty: none), time of the last change. Replies with the new
/// version.
///
/// A version is the server's time in microseconds, so that it never comes back, not even when a failover lost the
/// record's latest changes: a change that expects a lost version finds a conflict.
///
/// The record is written after its new places in the indexes and before the old ones are removed, so that it is always
/// listed. A place too many does no harm, because listed records are loaded anyway.
const SWAP: &str = r"
local new_player = ARGV[5]
local index, member = place(ARGV[4], ARGV[6])
local moves = index ~= old_index or member ~= old_member
if new_player ~= '' and new_player ~= player then redis.call('ZADD', KEYS[5], 0, new_player .. '\0' .. key) end
if moves then redis.call('ZADD', index, 0, member) end

local time = redis.call('TIME')
local next_version = math.max((tonumber(expected) or 0) + 1, time[1] * 1000000 + time[2])
next_version = string.format('%.0f', next_version)
redis.call('HSET', KEYS[2], 'version', next_version, 'record', ARGV[3], 'pending', ARGV[4], 'player', new_player,
    'changed', ARGV[6])

if exists and moves then redis.call('ZREM', old_index, old_member) end
if player and player ~= '' and player ~= new_player then redis.call('ZREM', KEYS[5], player .. '\0' .. key) end
if not layout then redis.call('SET', KEYS[1], '1') end
return {next_version}
";

/// Replies with the version that was removed.
const REMOVE: &str = r"
local problem = check(3, 'zset') or check(4, 'zset') or check(5, 'zset')
if problem then return problem end
redis.call('ZREM', old_index, old_member)
if player then redis.call('ZREM', KEYS[5], player .. '\0' .. key) end
redis.call('DEL', KEYS[2])
return {expected}
";

/// `KEYS`: layout, unusable, unusable by time. `ARGV`: id, callback, time of arrival, how many to keep. Replies with
/// the number that was removed.
const KEEP: &str = r"
local problem = check(2, 'hash') or check(3, 'zset')
if problem then return problem end
if redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2]) == 1 then
    redis.call('ZADD', KEYS[3], ARGV[3], ARGV[1])
end
local removed = math.max(redis.call('ZCARD', KEYS[3]) - ARGV[4], 0)
for _, id in ipairs(removed > 0 and redis.call('ZRANGE', KEYS[3], 0, removed - 1) or {}) do
    redis.call('HDEL', KEYS[2], id)
    redis.call('ZREM', KEYS[3], id)
end
if not layout then redis.call('SET', KEYS[1], '1') end
return removed
";

/// `ARGV`: id. Replies with the number that was removed.
const REMOVE_KEPT: &str = r"
local problem = check(2, 'hash') or check(3, 'zset')
if problem then return problem end
redis.call('ZREM', KEYS[3], ARGV[1])
return redis.call('HDEL', KEYS[2], ARGV[1])
";

pub(crate) struct Scripts {
    pub(crate) swap: Script,
    pub(crate) remove: Script,
    pub(crate) keep: Script,
    pub(crate) remove_kept: Script,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            swap: Script::new(&[HEAD, COMPARE, SWAP]),
            remove: Script::new(&[HEAD, CHECK, COMPARE, REMOVE]),
            keep: Script::new(&[HEAD, CHECK, KEEP]),
            remove_kept: Script::new(&[HEAD, CHECK, REMOVE_KEPT]),
        }
    }
}

pub(crate) struct Script {
    text: String,
    hash: String,
}

impl Script {
    fn new(parts: &[&str]) -> Self {
        let text = parts.concat();
        let hash = redis::Script::new(&text).get_hash().to_owned();
        Self { text, hash }
    }

    /// Runs it by its hash, or by its text if the server does not have it: it keeps none over a restart or failover.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        connection: &Connection,
        keys: &[&str],
        arguments: &[&str],
    ) -> RedisResult<T> {
        let evaluate = |name, script: &str| -> Cmd {
            let mut command = cmd(name);
            command.arg(script).arg(keys.len()).arg(keys).arg(arguments);
            command
        };
        let reply = match connection.query(&evaluate("EVALSHA", &self.hash)).await {
            // Sent again only because it certainly did not run.
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                connection.query(&evaluate("EVAL", &self.text)).await?
            }
            reply => reply?,
        };
        Ok(T::from_redis_value(reply)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::LAYOUT;

    #[test]
    fn scripts_check_the_layout_that_is_known() {
        assert!(HEAD.contains(&format!("layout ~= '{LAYOUT}'")));
        assert!(HEAD.contains(NEWER_LAYOUT) && COMPARE.contains(FOREIGN_RECORD));
        for script in [SWAP, KEEP] {
            assert!(script.contains(&format!("'SET', KEYS[1], '{LAYOUT}'")));
        }
    }
}
