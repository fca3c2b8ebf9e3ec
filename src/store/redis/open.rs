//! Opens the store, and says what to do when that fails.

use std::sync::Arc;

use redis::aio::ConnectionLike;
use redis::{Client, ConnectionAddr, ErrorKind, FromRedisValue, IntoConnectionInfo, RedisError};

use super::durability::Durability;
use super::layout::{LAYOUT, Layout};
use super::link::Link;
use super::options::RedisOptions;
use super::scripts::Scripts;
use super::{RedisStore, Shared};
use crate::store::StoreError;

pub(super) async fn connect(
    options: &RedisOptions,
    server: impl IntoConnectionInfo,
) -> Result<RedisStore, StoreError> {
    let info = server
        .into_connection_info()
        .map_err(|error| failed("at this URL", url_hint(&error), error))?;
    let database = info.redis_settings().db();
    let place = match info.addr() {
        ConnectionAddr::Unix(path) => format!("redis+unix://{}?db={database}", path.display()),
        address => format!("redis://{address}/{database}"),
    };
    let client = Client::open(info).map_err(|error| failed(&place, hint(&error), error))?;
    let link = Link::own(client, options.connect_timeout, options.response_timeout);
    open(options, place, link).await
}

pub(super) async fn with_connection<C>(
    options: &RedisOptions,
    connection: C,
) -> Result<RedisStore, StoreError>
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    let link = Link::given(connection, options.response_timeout);
    let place = "redis (over a connection of the caller's)".to_owned();
    open(options, place, link).await
}

async fn open(options: &RedisOptions, place: String, link: Link) -> Result<RedisStore, StoreError> {
    let layout = Layout::new(&options.prefix).ok_or_else(|| {
        let hint = "its prefix must be 1 to 64 of a-z A-Z 0-9 . _ - : and nothing else";
        failed(&place, hint, "the prefix cannot be used")
    })?;
    check_form(&place, &layout, &link).await?;
    let durability = Durability::of(&link).await;
    durability.log(&place);
    let scripts = Scripts::new();
    Ok(RedisStore {
        shared: Arc::new(Shared {
            place,
            layout,
            link,
            scripts,
            durability,
        }),
    })
}

/// Notes the form of the layout, or finds that another one is noted.
async fn check_form(place: &str, layout: &Layout, link: &Link) -> Result<(), StoreError> {
    let mut command = redis::cmd("SET");
    command.arg(layout.form()).arg(LAYOUT).arg("NX").arg("GET");
    let answer = link
        .ask(&command)
        .await
        .map_err(|error| failed(place, hint(&error), error))?;
    let found: Option<Vec<u8>> = FromRedisValue::from_redis_value(answer)
        .map_err(|error| failed(place, NOT_REDIS, error))?;
    let Some(found) = found else { return Ok(()) };
    let form = std::str::from_utf8(&found)
        .ok()
        .and_then(|text| text.parse().ok());
    match form {
        Some(LAYOUT) => Ok(()),
        Some(form) if form > LAYOUT => Err(StoreError::Newer {
            what: format!(
                "the layout of {place} under the prefix {:?}",
                layout.prefix()
            ),
            found: form,
            known: LAYOUT,
        }),
        _ => Err(failed(
            place,
            FOREIGN_PREFIX,
            "no form of a layout in the key prefix:layout",
        )),
    }
}

const WRONG_PASSWORD: &str =
    "the server refuses this user name or password: correct them, or leave them out if it has none";
const NOT_REDIS: &str = "what answers there is not a Redis: check host and port, and whether the server wants TLS (rediss://)";
const FOREIGN_PREFIX: &str =
    "the key prefix:layout holds something else: choose another prefix, or restore that key";

fn hint(error: &RedisError) -> &'static str {
    match error.code() {
        Some("NOAUTH") => return "the server wants a password: redis://:password@host:6379/0",
        Some("WRONGPASS") => return WRONG_PASSWORD,
        Some("NOPERM") => {
            return "this user may not do what the store needs: grant him GET, SET, HGETALL, HMGET, HSET, HDEL, DEL, \
                    TYPE, ZADD, ZREM, ZRANGE, EVAL and EVALSHA on its keys, and, to have its settings checked, \
                    CONFIG|GET";
        }
        Some("READONLY") => return "it is a read-only replica: connect to the primary",
        Some("LOADING") => return "it is still loading its data: try again when it is done",
        Some("OOM") => return "its memory is full: raise maxmemory or make room",
        Some("MISCONF") => {
            return "it cannot write to its disk: check the disk and the server's log";
        }
        Some("WRONGTYPE") => return FOREIGN_PREFIX,
        Some("MOVED" | "CLUSTERDOWN") => {
            return "it is a node of a cluster: give RedisOptions::with_connection a cluster's connection";
        }
        _ => {}
    }
    let said = error.to_string();
    match error.kind() {
        // redis-rs keeps the server's word to itself.
        ErrorKind::AuthenticationFailed => WRONG_PASSWORD,
        ErrorKind::InvalidClientConfig => url_hint(error),
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType => NOT_REDIS,
        _ if said.contains("syntax error") => "it is too old: Redis 7.0 or Valkey is needed",
        _ if said.contains("out of range")
            || said.contains("SELECT is not allowed")
            || said.contains("database number") =>
        {
            "the server has no database of this number: a cluster has only 0, others have as many as `databases` says"
        }
        ErrorKind::Io => io_hint(error, &said),
        _ => "the server cannot be used",
    }
}

fn url_hint(error: &RedisError) -> &'static str {
    if error.to_string().contains("TLS") {
        "this program is built without TLS: switch on the feature tokio-rustls-comp of the redis crate"
    } else {
        "write the URL as redis://user:password@host:6379/0, with special characters as %XX"
    }
}

fn io_hint(error: &RedisError, said: &str) -> &'static str {
    if said.contains("No such file") {
        "there is no such socket: start the server, or correct the path"
    } else if error.is_connection_refusal() {
        "nothing listens there: start the server, or correct host and port"
    } else if error.is_timeout() {
        "it does not answer: check host, port and firewall, and whether the server is stuck"
    } else if error.is_connection_dropped() {
        NOT_REDIS
    } else {
        "it cannot be reached: check host, port and name resolution"
    }
}

fn failed(
    place: &str,
    hint: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> StoreError {
    StoreError::Open {
        place: place.to_owned(),
        hint,
        source: source.into(),
    }
}
