//! What the server's errors mean to the store.

use std::time::Duration;

use sqlx::Error;
use sqlx::postgres::PgConnectOptions;

use crate::store::StoreError;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The server and the database, without credentials.
pub(super) fn place(options: &PgConnectOptions) -> String {
    let database = options
        .get_database()
        .unwrap_or_else(|| options.get_username());
    match options.get_socket() {
        Some(socket) => format!(
            "postgres:{}:{}/{database}",
            socket.display(),
            options.get_port()
        ),
        None => format!(
            "postgres://{}:{}/{database}",
            options.get_host(),
            options.get_port()
        ),
    }
}

/// The server's error, as the store's. What an operator has to put right says so; everything else passes.
pub(super) fn of(doing: &'static str, place: &str, error: Error) -> StoreError {
    if matches!(error, Error::PoolClosed) {
        return StoreError::Closed;
    }
    match hint(&error) {
        Some(hint) => open(place, hint, error),
        None => unavailable(doing, error),
    }
}

pub(super) fn open(place: &str, hint: &'static str, source: impl Into<Cause>) -> StoreError {
    StoreError::Open {
        place: place.to_owned(),
        hint,
        source: source.into(),
    }
}

pub(super) fn unavailable(doing: &'static str, source: impl Into<Cause>) -> StoreError {
    StoreError::Unavailable {
        doing,
        source: source.into(),
    }
}

/// The server has not answered in time.
pub(super) fn too_slow(doing: &'static str, limit: Duration) -> StoreError {
    unavailable(doing, format!("no answer within {limit:?}"))
}

/// A URL that cannot be parsed is not repeated: it holds the password.
pub(super) fn wrong_url(source: impl Into<Cause>) -> StoreError {
    open(
        "of that URL",
        "it is not a Postgres URL: expected postgres://USER:PASSWORD@HOST:PORT/DATABASE, special characters \
         percent-encoded",
        source,
    )
}

/// Nobody answers, or not in time.
pub(super) fn no_server(place: &str, source: impl Into<Cause>) -> StoreError {
    open(
        place,
        "no server answers there: start it, or correct host and port",
        source,
    )
}

/// What went wrong with the very first connection.
pub(super) fn at_start(place: &str, error: Error) -> StoreError {
    match error {
        Error::Io(_) => no_server(place, error),
        error => of("connect", place, error),
    }
}

/// The server's own code of the error, five letters and digits.
pub(super) fn code(error: &Error) -> Option<String> {
    let code = error.as_database_error()?.code()?;
    Some(code.into_owned())
}

/// What the operator has to do about it, where it does not pass by itself. By SQLSTATE, Postgres' appendix A.
fn hint(error: &Error) -> Option<&'static str> {
    if matches!(error, Error::Configuration(_)) {
        return Some("the connection's settings are wrong: correct the URL");
    }
    if matches!(error, Error::Tls(_)) {
        return Some(
            "the encrypted connection failed: switch a tls feature of sqlx on, or correct sslmode and certificates",
        );
    }
    Some(match code(error)?.as_str() {
        "28P01" => "the user or the password is wrong: correct the credentials",
        "28000" => {
            "the server does not let this user in: correct the user or the server's pg_hba.conf"
        }
        "3D000" => "the database does not exist: create it or correct the name",
        "42P01" | "3F000" => "its tables are missing: call PostgresStore::migrate at start",
        "42703" => "its tables have another form: call PostgresStore::migrate at start",
        "42501" => {
            "the user lacks a right: grant him schema and tables, or let their owner call migrate"
        }
        _ => return None,
    })
}
