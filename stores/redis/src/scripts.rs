//! The scripts: one for each kind of change, so that nothing comes between comparing and writing.
//!
//! `#!lua` without flags makes the server refuse a script that it could not finish before its first command: on a
//! replica, with the memory full, with a failing disk. A script that fails later is not rolled back, so each one checks
//! all its keys before it writes.

use redis::{Cmd, ErrorKind, FromRedisValue, RedisResult, ServerErrorKind, cmd};

use crate::connection::Connection;

/// The code of the error with which a script says that a later version wrote the layout.
pub(crate) const NEWER_LAYOUT: &str = "POSTBACKLAYOUT";

/// The code of the error with which a script says that an index has another type.
pub(crate) const FOREIGN_INDEX: &str = "POSTBACKINDEX";

/// Begins every script. `KEYS[1]`: the layout.
const HEAD: &str = r"#!lua
local layout = redis.call('GET', KEYS[1])
if layout and layout ~= '1' then return redis.error_reply('POSTBACKLAYOUT ' .. layout) end

local function check_index(at, wanted)
    local found = redis.call('TYPE', KEYS[at]).ok
    if found == wanted or found == 'none' then return nil end
    return redis.error_reply('POSTBACKINDEX ' .. KEYS[at] .. ' is a ' .. found)
end
";

/// Compares a record's version. `KEYS`: layout, record, pending, settled, players. `ARGV`: key, expected version (empty:
/// no record).
///
/// Replies with version and record on a conflict, and with nothing if there is no record.
const COMPARE: &str = r"
local key, expected = ARGV[1], ARGV[2]
local version, pending, player, changed =
    unpack(redis.call('HMGET', KEYS[2], 'version', 'pending', 'player', 'changed'))
local exists = version or redis.call('EXISTS', KEYS[2]) == 1
if exists and (expected == '' or version ~= expected) then
    return {version or '', redis.call('HGET', KEYS[2], 'record') or ''}
elseif not exists and expected ~= '' then
    return {}
end
local problem = check_index(3, 'zset') or check_index(4, 'zset') or check_index(5, 'zset')
if problem then return problem end

if exists then
    if pending == '1' then
        redis.call('ZREM', KEYS[3], key)
    else
        redis.call('ZREM', KEYS[4], key .. '\0' .. (changed or ''))
    end
    if player and player ~= '' then redis.call('ZREM', KEYS[5], player .. '\0' .. key) end
end
";

/// Further `ARGV`: record, pending (`1` or `0`), player (empty: none), time of the last change. Replies with the new
/// version.
///
/// A version is the server's time in microseconds, so that it never comes back, not even when a failover lost the
/// record's latest changes: whoever expects a lost version finds a conflict.
const SWAP: &str = r"
local time = redis.call('TIME')
local next_version = math.max((tonumber(expected) or 0) + 1, time[1] * 1000000 + time[2])
next_version = string.format('%.0f', next_version)
redis.call('HSET', KEYS[2], 'version', next_version, 'record', ARGV[3], 'pending', ARGV[4], 'player', ARGV[5],
    'changed', ARGV[6])
if ARGV[4] == '1' then
    redis.call('ZADD', KEYS[3], 0, key)
else
    redis.call('ZADD', KEYS[4], 0, key .. '\0' .. ARGV[6])
end
if ARGV[5] ~= '' then redis.call('ZADD', KEYS[5], 0, ARGV[5] .. '\0' .. key) end
if not layout then redis.call('SET', KEYS[1], '1') end
return {next_version}
";

/// Replies with the version that was removed.
const REMOVE: &str = r"
redis.call('DEL', KEYS[2])
return {expected}
";

/// `KEYS`: layout, unusable, unusable by time. `ARGV`: id, callback, time of arrival, time of the oldest one to keep, how
/// many to keep. Replies with the number that was removed.
const KEEP: &str = r"
local problem = check_index(2, 'hash') or check_index(3, 'zset')
if problem then return problem end
if redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2]) == 1 then
    redis.call('ZADD', KEYS[3], ARGV[3], ARGV[1])
end
local old = #redis.call('ZRANGE', KEYS[3], '-inf', '(' .. ARGV[4], 'BYSCORE')
local excess = redis.call('ZCARD', KEYS[3]) - ARGV[5]
local removed = math.max(old, excess, 0)
for _, id in ipairs(removed > 0 and redis.call('ZRANGE', KEYS[3], 0, removed - 1) or {}) do
    redis.call('HDEL', KEYS[2], id)
    redis.call('ZREM', KEYS[3], id)
end
if not layout then redis.call('SET', KEYS[1], '1') end
return removed
";

/// `ARGV`: id. Replies with the number that was removed.
const REMOVE_KEPT: &str = r"
local problem = check_index(2, 'hash') or check_index(3, 'zset')
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
            remove: Script::new(&[HEAD, COMPARE, REMOVE]),
            keep: Script::new(&[HEAD, KEEP]),
            remove_kept: Script::new(&[HEAD, REMOVE_KEPT]),
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
        assert!(HEAD.contains(NEWER_LAYOUT) && HEAD.contains(FOREIGN_INDEX));
        for script in [SWAP, KEEP] {
            assert!(script.contains(&format!("'SET', KEYS[1], '{LAYOUT}'")));
        }
    }
}
