//! The tables, and how they come to be.

use std::sync::atomic::Ordering;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::names::Names;
use super::session::Session;
use super::{PostgresStore, failure};
use crate::store::StoreError;

/// The form of the tables that this version of the crate knows.
const SCHEMA: u32 = 1;

/// How long a migration may take: it may have to wait for another process' and to build indices.
const MIGRATION: Duration = Duration::from_secs(60);

const DOING: &str = "migrate the tables";

/// What leads to form 1.
///
/// The record is `json`, not `jsonb`: kept as it was written, key order and all, and able to hold the NUL that
/// a callback's text may hold, which `jsonb` refuses. Keys sort by their bytes, whatever the database's own
/// collation is: the store promises that order.
///
/// In the players' index the latest 4096 records are together, so that a new one changes the pages that its neighbours
/// have changed, however many there are already. Whoever looks for a player looks once into each such block.
fn first(names: &Names) -> String {
    let records = names.table("records");
    format!(
        r#"
CREATE TABLE {records} (
    arrival bigint  GENERATED ALWAYS AS IDENTITY,
    key     text COLLATE "C" NOT NULL PRIMARY KEY,
    version bigint  NOT NULL,
    status  text    NOT NULL,
    player  text COLLATE "C",
    source  text    NOT NULL,
    app     text    NOT NULL,
    settled numeric NOT NULL,
    record  json    NOT NULL,
    updated bigint  NOT NULL
);
COMMENT ON COLUMN {records}.arrival IS 'in which order the records came';
COMMENT ON COLUMN {records}.status IS 'open, settled or closed';
COMMENT ON COLUMN {records}.settled IS 'paid less taken back';
COMMENT ON COLUMN {records}.updated IS 'ms since 1970: when something last happened';
CREATE INDEX {open} ON {records} (key) WHERE status = 'open';
CREATE INDEX {player} ON {records} ((arrival >> 12), player);

CREATE VIEW {callbacks} AS
SELECT
    r.key,
    (e.value ->> 'number')::bigint AS number,
    e.value -> 'event' ->> 'player' AS player,
    to_timestamp(least((e.value ->> 'received')::numeric, 253402300799999) / 1000) AS received,
    to_timestamp(least((e.value ->> 'settled')::numeric, 253402300799999) / 1000) AS settled,
    CASE jsonb_typeof(e.value -> 'verdict')
        WHEN 'object' THEN (SELECT word FROM jsonb_object_keys(e.value -> 'verdict') AS word LIMIT 1)
        ELSE e.value ->> 'verdict'
    END AS verdict,
    coalesce((e.value -> 'verdict' -> 'reward' ->> 'amount')::numeric,
             -(e.value -> 'verdict' -> 'reversal' ->> 'amount')::numeric) AS amount,
    e.value -> 'event' ->> 'endpoint' AS endpoint,
    e.value -> 'event' ->> 'signed' AS signed
FROM {records} AS r
CROSS JOIN LATERAL (SELECT replace(r.record::text, '\u0000', '\ufffd')::jsonb -> 'entries' AS entries) AS j
CROSS JOIN LATERAL jsonb_array_elements(
    CASE jsonb_typeof(j.entries) WHEN 'array' THEN j.entries ELSE '[]'::jsonb END) AS e (value);
"#,
        open = names.index("records_open"),
        player = names.index("records_player"),
        callbacks = names.table("callbacks"),
    )
}

impl PostgresStore {
    /// Creates the tables, or brings them to the present form: `postback_records`, `postback_meta` and the
    /// view `postback_callbacks`. To be called at start. Safe in several processes at once, and does nothing
    /// where nothing is to be done.
    ///
    /// # Errors
    /// [`StoreError::Open`] names server and database, the cause and what to do; [`StoreError::Newer`]: a
    /// later version of this crate has used the tables; [`StoreError::Unavailable`], when the server does not
    /// answer.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let mut session = self.unchecked_session(DOING).await?;
        let work = self.migrate_on(session.connection());
        match tokio::time::timeout(MIGRATION, work).await {
            Ok(done) => done?,
            Err(_) => return Err(failure::too_slow(DOING, MIGRATION)),
        }
        self.give_back(session);
        self.shared.is_checked.store(true, Ordering::Release);
        Ok(())
    }

    async fn migrate_on(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let failed = |error| self.failed(DOING, error);
        let place = &self.shared.place;
        let names = &self.options().names;
        check_server(connection, place)
            .await
            .map_err(|error| match error {
                Unfit::Server(error) => failed(error),
                Unfit::Encoding(found) => failure::open(
                    place,
                    "it cannot hold every text: create the database with ENCODING 'UTF8'",
                    format!("the database's encoding is {found}"),
                ),
            })?;
        let mut transaction = connection
            .begin_with(
                "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0",
            )
            .await
            .map_err(failed)?;
        // Whoever comes second waits here, and then finds the work done.
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(names.lock("migrate"))
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        let found = prepare(names, &mut transaction).await.map_err(failed)?;
        let found = self.known(found)?;
        if found < SCHEMA {
            let meta = names.table("meta");
            let migration = format!(
                "{}; INSERT INTO {meta} (id, version) VALUES (1, {SCHEMA}) \
                 ON CONFLICT (id) DO UPDATE SET version = excluded.version",
                first(names)
            );
            // Nothing but words of this file and checked names.
            sqlx::raw_sql(AssertSqlSafe(migration))
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    /// Looks once whether the tables are there, and of a form that this version knows.
    pub(super) async fn check_form(
        &self,
        doing: &'static str,
        session: &mut Session,
    ) -> Result<(), StoreError> {
        if self.shared.is_checked.load(Ordering::Acquire) {
            return Ok(());
        }
        let form = sqlx::query(self.sql().form.get()).fetch_optional(session.connection());
        let row = self.bounded(doing, form).await?;
        let form = row.map(|row| row.try_get::<i64, _>(0)).transpose();
        let form = form.map_err(|error| self.failed(doing, error))?;
        if self.known(Found::Form(form.unwrap_or(-1)))? == SCHEMA {
            self.shared.is_checked.store(true, Ordering::Release);
        }
        Ok(())
    }

    fn known(&self, found: Found) -> Result<u32, StoreError> {
        let place = &self.shared.place;
        match found {
            Found::Nothing => Ok(0),
            Found::Form(number) => match u32::try_from(number) {
                Ok(form @ 1..=SCHEMA) => Ok(form),
                Ok(found) if found > SCHEMA => Err(StoreError::Newer {
                    what: format!("the schema of {place}"),
                    found,
                    known: SCHEMA,
                }),
                _ => Err(failure::open(
                    place,
                    "the table that notes the form of its tables does not say which: restore it from a backup",
                    "no usable version in the meta table",
                )),
            },
        }
    }
}

/// What is in the database.
#[derive(Clone, Copy)]
enum Found {
    Nothing,
    /// Tables, and the number that notes their form.
    Form(i64),
}

/// Makes sure of schema and meta table, under the lock, and reads what form the tables have.
async fn prepare(names: &Names, connection: &mut PgConnection) -> sqlx::Result<Found> {
    if let Some(schema) = names.schema() {
        // Not `IF NOT EXISTS`, which asks for the right to create schemas even where it exists.
        let exists: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)")
                .bind(schema)
                .fetch_one(&mut *connection)
                .await?;
        if !exists {
            let create = format!("CREATE SCHEMA \"{schema}\"");
            sqlx::raw_sql(AssertSqlSafe(create))
                .execute(&mut *connection)
                .await?;
        }
    }
    let meta = names.table("meta");
    let exists: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(&meta)
        .fetch_one(&mut *connection)
        .await?;
    if !exists {
        let create = format!(
            "CREATE TABLE {meta} (id bigint PRIMARY KEY CHECK (id = 1), version bigint NOT NULL)"
        );
        sqlx::raw_sql(AssertSqlSafe(create))
            .execute(&mut *connection)
            .await?;
        return Ok(Found::Nothing);
    }
    let select = format!("SELECT version FROM {meta} WHERE id = 1");
    let form: Option<i64> = sqlx::query_scalar(AssertSqlSafe(select))
        .fetch_optional(&mut *connection)
        .await?;
    Ok(Found::Form(form.unwrap_or(-1)))
}

enum Unfit {
    Server(sqlx::Error),
    Encoding(String),
}

async fn check_server(connection: &mut PgConnection, place: &str) -> Result<(), Unfit> {
    let settings: (String, String) =
        sqlx::query_as("SELECT current_setting('server_encoding'), current_setting('fsync')")
            .fetch_one(connection)
            .await
            .map_err(Unfit::Server)?;
    let (encoding, fsync) = settings;
    if fsync != "on" {
        tracing::warn!(
            target: "postback::store",
            place,
            "the server runs with fsync off: a crash of its machine can lose what was paid"
        );
    }
    if encoding == "UTF8" {
        Ok(())
    } else {
        Err(Unfit::Encoding(encoding))
    }
}
