//! What went wrong, and what to do about it.

use postback::RecordKey;
use postback::store::StoreError;
use redis::{ErrorKind, RedisError};

type Source = Box<dyn std::error::Error + Send + Sync>;

/// The store could not be opened.
pub(crate) fn open_failed(location: &str, error: RedisError) -> StoreError {
    let hint = match error.code() {
        Some("WRONGTYPE") => FOREIGN_LAYOUT,
        _ => hint(&error).unwrap_or("unexpected error: see its cause"),
    };
    open_error(location, hint, error)
}

pub(crate) fn invalid_prefix(location: &str, prefix: &str) -> StoreError {
    let hint = "invalid prefix: use 1 to 64 of a-z A-Z 0-9 . _ - :";
    open_error(location, hint, format!("prefix {prefix:?}"))
}

pub(crate) fn foreign_layout(location: &str) -> StoreError {
    open_error(location, FOREIGN_LAYOUT, "the layout is not a number")
}

pub(crate) fn newer_layout(location: &str, prefix: &str, found: u32, known: u32) -> StoreError {
    StoreError::Newer { what: format!("the layout of {location} with prefix {prefix:?}"), found, known }
}

fn open_error(location: &str, hint: &str, source: impl Into<Source>) -> StoreError {
    StoreError::Open { location: location.to_owned(), hint: hint.to_owned(), source: source.into() }
}

/// The server did not do what it was asked to, or did not say so.
pub(crate) fn unavailable(operation: &'static str, error: RedisError) -> StoreError {
    let hint = match error.code() {
        Some("WRONGTYPE") => {
            "a key of the store was overwritten with another type: restore it, or rename it and repair by hand"
        }
        _ => hint(&error).unwrap_or("see the cause and the server's log"),
    };
    StoreError::Unavailable { operation, hint, source: Box::new(error) }
}

/// What is under this key is not a record.
pub(crate) fn unreadable(key: &RecordKey, source: impl Into<Source>) -> StoreError {
    StoreError::Unreadable { key: key.clone(), source: source.into() }
}

/// A value that has no JSON.
pub(crate) fn unwritable(operation: &'static str, error: serde_json::Error) -> StoreError {
    StoreError::Unavailable { operation, hint: "the callback cannot be written as JSON", source: error.into() }
}

/// A reply that no script of this crate gives.
pub(crate) fn unexpected_reply(operation: &'static str) -> StoreError {
    StoreError::Unavailable {
        operation,
        hint: "unexpected reply: check whether the server is Redis 7.0 or later",
        source: "no version in the reply".into(),
    }
}

const WRONG_PASSWORD: &str = "wrong user name or password: correct them, or leave them out if the server has none";
const NOT_REDIS: &str = "the server is not Redis, or wants TLS: check host and port, and use rediss:// for TLS";
const FOREIGN_LAYOUT: &str = "the key of the layout contains something else: use another prefix, or restore that key";
const INVALID_URL: &str = "invalid URL: write it as redis://user:password@host:6379/0, with special characters as %XX";

/// What to do about an error, if that is known.
fn hint(error: &RedisError) -> Option<&'static str> {
    let of_code = match error.code() {
        Some("NOAUTH") => "missing password: write the URL as redis://:password@host:6379/0",
        Some("WRONGPASS") => WRONG_PASSWORD,
        Some("NOPERM") => {
            "missing permissions: grant GET, HGETALL, HKEYS, HMGET and ZRANGE to read, also SET, EXISTS, HGET, HSET, \
             HSETNX, HDEL, DEL, TYPE, TIME, ZADD, ZREM, ZCARD, EVAL and EVALSHA to write, and CONFIG|GET and INFO to \
             check the settings"
        }
        Some("READONLY") => "read-only replica: connect to the primary",
        Some("LOADING") => "the server is still loading its data: retry later",
        Some("OOM") => "out of memory: raise maxmemory or remove other keys",
        Some("MISCONF") => "the server cannot write to its disk: check the disk and the server's log",
        Some("NOREPLICAS") => "too few replicas follow the server: check them and min-replicas-to-write",
        Some("MOVED" | "ASK" | "CROSSSLOT") => {
            "node of a cluster: open the store with RedisOptions::with_connection and a cluster's connection"
        }
        Some("CLUSTERDOWN" | "MASTERDOWN" | "TRYAGAIN") => {
            "the cluster is down or moves the store's slot: check CLUSTER INFO, and retry later"
        }
        _ => "",
    };
    if !of_code.is_empty() {
        return Some(of_code);
    }
    let text = error.to_string();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    Some(match error.kind() {
        // The driver does not pass on the server's word for it.
        ErrorKind::AuthenticationFailed => WRONG_PASSWORD,
        ErrorKind::InvalidClientConfig if says(&["TLS"]) => {
            "built without TLS: enable the feature tls of postback-redis"
        }
        ErrorKind::InvalidClientConfig => INVALID_URL,
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => NOT_REDIS,
        _ if says(&["unknown command", "syntax error"]) => "the server is too old: Redis 7.0 or Valkey is required",
        _ if says(&["out of range", "SELECT is not allowed", "database number"]) => {
            "no database of this number: a cluster has only 0, other servers as many as their setting `databases` says"
        }
        ErrorKind::Io if says(&["No such file"]) => "no such socket: start the server or correct the path",
        ErrorKind::Io if error.is_connection_refusal() => {
            "connection refused: start the server, or correct host and port"
        }
        ErrorKind::Io if error.is_timeout() => "no reply in time: check host, port, firewall and the server's load",
        ErrorKind::Io if error.is_connection_dropped() => {
            "connection closed: the server stopped, is not Redis, or wants TLS (rediss://)"
        }
        ErrorKind::Io => "no connection: check host, port and name resolution",
        ErrorKind::ClusterConnectionNotFound => "no node of the cluster answers: check the nodes",
        _ => return None,
    })
}
