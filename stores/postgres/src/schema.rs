//! The tables, and how they come to be.

use postback::StoreError;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::error::{cannot_open, open_error};

/// The version of the tables that this version of the crate uses.
const SCHEMA_VERSION: u32 = 1;

/// Creates what is missing, brings the tables to the present version, and checks that this crate can use them. One
/// process at a time; the others wait and then find the work done.
pub(crate) async fn migrate(
    connection: &mut PgConnection,
    location: &str,
    schema: &str,
    lock: i64,
) -> Result<(), StoreError> {
    let failed = |error| cannot_open(location, error);
    check_server(connection, location).await?;
    // What others have set for their own statements must not stop a migration.
    let begin = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
         SELECT pg_advisory_xact_lock({lock})"
    );
    let opened = connection.begin_with(AssertSqlSafe(begin)).await;
    let mut transaction = opened.map_err(failed)?;
    let found = read_version(&mut transaction, schema).await;
    let found = found.map_err(failed)?;
    if found.is_none() {
        create(&mut transaction, schema).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)?;
    check_version(location, found.or(Some(SCHEMA_VERSION.into())))
}

/// Checks that the tables are there and that this crate can use them.
pub(crate) async fn check(connection: &mut PgConnection, location: &str, schema: &str) -> Result<(), StoreError> {
    check_server(connection, location).await?;
    let found = read_version(connection, schema).await;
    check_version(location, found.map_err(|error| cannot_open(location, error))?)
}

fn check_version(location: &str, found: Option<i64>) -> Result<(), StoreError> {
    let open = |hint, problem: &str| Err(open_error(location, hint, problem));
    match found {
        Some(version) if version == i64::from(SCHEMA_VERSION) => Ok(()),
        Some(version) if version > i64::from(SCHEMA_VERSION) => Err(StoreError::Newer {
            what: format!("store {location}"),
            found: u32::try_from(version).unwrap_or(u32::MAX),
            known: SCHEMA_VERSION,
        }),
        Some(_) => open(
            "restore the table meta from a backup: it must name the version of the tables",
            "invalid version of the tables",
        ),
        None => open("call PostgresStore::migrate as a user who may create tables", "the tables are missing"),
    }
}

/// The version of the tables. `None`: there are none. Zero: unknown.
async fn read_version(connection: &mut PgConnection, schema: &str) -> sqlx::Result<Option<i64>> {
    let exists: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = $1 AND c.relname = 'meta')",
    )
    .bind(schema)
    .fetch_one(&mut *connection)
    .await?;
    if !exists {
        return Ok(None);
    }
    let select = format!("SELECT version FROM \"{schema}\".meta WHERE id = 1");
    let version: Option<i64> = sqlx::query_scalar(AssertSqlSafe(select)).fetch_optional(&mut *connection).await?;
    Ok(Some(version.unwrap_or(0)))
}

async fn create(connection: &mut PgConnection, schema: &str) -> sqlx::Result<()> {
    // `CREATE SCHEMA IF NOT EXISTS` asks for the right to create schemas even where it exists.
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)")
        .bind(schema)
        .fetch_one(&mut *connection)
        .await?;
    let create_schema = if exists { "" } else { "CREATE SCHEMA postback;" };
    let statements =
        format!("{create_schema} {TABLES} INSERT INTO postback.meta (id, version) VALUES (1, {SCHEMA_VERSION})");
    let statements = in_schema(&statements, schema);
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(connection).await.map(drop)
}

/// Puts the schema's name, which was checked, into statements that are written for the schema `postback`.
pub(crate) fn in_schema(statements: &str, schema: &str) -> String {
    statements
        .replace("SCHEMA postback;", &format!("SCHEMA \"{schema}\";"))
        .replace("postback.", &format!("\"{schema}\"."))
}

/// Version 1.
///
/// A record is `json`, not `jsonb`, so that it comes back exactly as it was written, and because `jsonb` rejects the NUL
/// that a text may contain. Keys are ordered by their bytes, whatever the database's collation is.
const TABLES: &str = r#"
CREATE TABLE postback.meta (id bigint PRIMARY KEY CHECK (id = 1), version bigint NOT NULL);
CREATE TABLE postback.records (
    key     text COLLATE "C" PRIMARY KEY,
    version bigint  NOT NULL,
    record  json    NOT NULL,
    pending boolean NOT NULL,
    player  text COLLATE "C",
    changed bigint  NOT NULL
);
COMMENT ON COLUMN postback.records.pending IS 'whether a decision waits to be delivered';
COMMENT ON COLUMN postback.records.changed IS 'when something last happened, in ms since 1970';
CREATE INDEX records_pending ON postback.records (key) WHERE pending;
CREATE INDEX records_player ON postback.records (player);
CREATE TABLE postback.unusable (
    id       text COLLATE "C" PRIMARY KEY,
    received bigint NOT NULL,
    callback json   NOT NULL
);
COMMENT ON COLUMN postback.unusable.received IS 'in ms since 1970';
CREATE INDEX unusable_received ON postback.unusable (received, id);

CREATE VIEW postback.callbacks AS
SELECT
    r.key,
    (e.value ->> 'number')::bigint AS number,
    e.value -> 'event' ->> 'player' AS player,
    e.value -> 'event' ->> 'endpoint' AS endpoint,
    to_timestamp(least((e.value ->> 'received')::numeric, 253402300799999) / 1000) AS received,
    e.value -> 'action' ->> 'type' AS action,
    CASE e.value -> 'action' ->> 'type'
        WHEN 'reward' THEN (e.value -> 'action' ->> 'amount')::numeric
        WHEN 'reversal' THEN -(e.value -> 'action' ->> 'amount')::numeric
        ELSE 0
    END AS balance_change,
    to_timestamp(least((e.value ->> 'delivered')::numeric, 253402300799999) / 1000) AS delivered,
    e.value ->> 'declined' AS declined,
    e.value -> 'event' ->> 'query' AS query
FROM postback.records AS r
CROSS JOIN LATERAL (SELECT replace(r.record::text, '\u0000', '\ufffd')::jsonb -> 'entries' AS entries) AS j
CROSS JOIN LATERAL jsonb_array_elements(
    CASE jsonb_typeof(j.entries) WHEN 'array' THEN j.entries ELSE '[]'::jsonb END) AS e (value);
COMMENT ON VIEW postback.callbacks IS 'every message of every conversion, for people';
"#;

async fn check_server(connection: &mut PgConnection, location: &str) -> Result<(), StoreError> {
    let settings: sqlx::Result<(String, String)> =
        sqlx::query_as("SELECT current_setting('server_encoding'), current_setting('fsync')")
            .fetch_one(connection)
            .await;
    let (encoding, fsync) = settings.map_err(|error| cannot_open(location, error))?;
    if fsync != "on" {
        tracing::warn!(
            target: "postback::store",
            location,
            "the server runs with fsync off: a crash of its machine can lose what was paid"
        );
    }
    if encoding == "UTF8" {
        return Ok(());
    }
    let problem = format!("the encoding of the database is {encoding}");
    Err(open_error(location, "create the database with ENCODING 'UTF8'", problem))
}
