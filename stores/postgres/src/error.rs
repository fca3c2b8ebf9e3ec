//! What the server's errors mean, and what to do about them.

use std::borrow::Cow;
use std::error::Error;
use std::time::Duration;

use postback::StoreError;
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgConnectOptions, PgDatabaseError};

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// The server and the database, without credentials.
pub(crate) fn location(options: &PgConnectOptions) -> String {
    let (port, user) = (options.get_port(), options.get_username());
    let database = options.get_database().unwrap_or(user);
    match options.get_socket() {
        Some(socket) => format!("postgres:{}:{port}/{database}", socket.display()),
        None => format!("postgres://{}:{port}/{database}", options.get_host()),
    }
}

pub(crate) fn open_error(location: &str, hint: &str, source: impl Into<BoxError>) -> StoreError {
    StoreError::Open { location: location.to_owned(), hint: hint.to_owned(), source: source.into() }
}

/// An error while the store is being opened.
pub(crate) fn cannot_open(location: &str, error: sqlx::Error) -> StoreError {
    open_error(location, hint(&error), error)
}

/// An error of a store that was opened.
pub(crate) fn unavailable(operation: &'static str, error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::PoolClosed => StoreError::Closed,
        error => StoreError::Unavailable { operation, hint: hint(&error), source: error.into() },
    }
}

/// The server did not answer within a limit.
pub(crate) fn timed_out(operation: &'static str, limit: Duration) -> StoreError {
    StoreError::Unavailable {
        operation,
        hint: "check the server's load, its locks and the size of the pool",
        source: format!("no answer within {limit:?}").into(),
    }
}

/// The server's code of an error (SQLSTATE, appendix A of the Postgres manual).
pub(crate) fn code(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    error.as_database_error()?.code()
}

/// Whether a serialization failure or a deadlock is among an error's sources: the transaction was or must be rolled back,
/// and may succeed when it is run again.
pub(crate) fn is_conflict(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        // A handler may have wrapped the error in one of its own, which may show it or only its source.
        let code = match (error.downcast_ref::<sqlx::Error>(), error.downcast_ref::<PgDatabaseError>()) {
            (Some(error), _) => code(error),
            (None, Some(error)) => Some(error.code().into()),
            (None, None) => error.downcast_ref::<Box<dyn DatabaseError>>().and_then(|error| error.code()),
        };
        if let Some(code) = code {
            return matches!(&*code, "40001" | "40P01");
        }
        next = error.source();
    }
    false
}

fn hint(error: &sqlx::Error) -> &'static str {
    match error {
        sqlx::Error::Configuration(_) => "correct the URL",
        sqlx::Error::Tls(_) => "switch on a TLS feature of sqlx, or correct sslmode and certificates in the URL",
        sqlx::Error::Io(_) => "check that the server runs and that host and port are right",
        sqlx::Error::PoolTimedOut => "check that the server runs, or enlarge the pool",
        error => match code(error).as_deref() {
            Some("28P01" | "28000") => "correct user and password, or the server's pg_hba.conf",
            Some("3D000") => "create the database or correct its name",
            Some("3F000" | "42P01" | "42703") => {
                "the tables are missing or have another form: call PostgresStore::migrate"
            }
            Some("42501") => "grant the user the rights to the store's schema and tables",
            Some("25006") => "the database is read-only: connect to the primary",
            Some("53100") => "the server's disk is full",
            Some("53300") => "the server has too many connections: make the pools smaller",
            Some("55P03") => "a lock was not free in time",
            Some("57014") => "a statement took too long or was canceled",
            Some("25P01" | "3B001") => "the handler must not end the store's transaction",
            _ => "retry later; the source says more",
        },
    }
}
