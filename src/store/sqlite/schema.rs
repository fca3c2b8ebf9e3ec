//! The tables, and how they come to be.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

/// The form of the tables that this version of the crate knows.
pub(super) const SCHEMA: u32 = 1;

/// What leads from each form to the next. The file is shared with the game's own tables: hence the prefix,
/// and hence neither `user_version` nor `application_id`, which are the game's.
///
/// `postback_records` has a rowid: a record takes a kilobyte or more, and in a `WITHOUT ROWID` table rows of that
/// size spill to overflow pages. It is named, so that the players' index can begin with it: the latest 4096 records
/// are together there, and a new one changes the pages that its neighbours have changed, however many there are
/// already. Whoever looks for a player looks once into each such block.
const MIGRATIONS: [&str; SCHEMA as usize] = ["
CREATE TABLE postback_records (
    arrival INTEGER PRIMARY KEY,        -- in which order the records came
    key     TEXT    NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    status  TEXT    NOT NULL,           -- open, settled, closed
    player  TEXT,
    source  TEXT    NOT NULL,
    app     TEXT    NOT NULL,
    settled TEXT    NOT NULL,           -- a decimal: paid less taken back
    record  TEXT    NOT NULL,           -- JSON: all that is remembered
    updated INTEGER NOT NULL            -- ms since 1970: when something last happened
) STRICT;

CREATE INDEX postback_records_open ON postback_records (key) WHERE status = 'open';
CREATE INDEX postback_records_player ON postback_records (arrival >> 12, player);

CREATE VIEW postback_callbacks AS
SELECT
    r.key AS key,
    json_extract(e.value, '$.number') AS number,
    json_extract(e.value, '$.event.player') AS player,
    strftime('%Y-%m-%d %H:%M:%f', json_extract(e.value, '$.received') / 1000.0, 'unixepoch') AS received,
    strftime('%Y-%m-%d %H:%M:%f', json_extract(e.value, '$.settled') / 1000.0, 'unixepoch') AS settled,
    CASE json_type(e.value, '$.verdict')
        WHEN 'object' THEN (SELECT v.key FROM json_each(e.value, '$.verdict') AS v)
        ELSE json_extract(e.value, '$.verdict')
    END AS verdict,
    coalesce(json_extract(e.value, '$.verdict.reward.amount'),
             '-' || json_extract(e.value, '$.verdict.reversal.amount')) AS amount,
    json_extract(e.value, '$.event.endpoint') AS endpoint,
    json_extract(e.value, '$.event.signed') AS signed
FROM postback_records AS r,
     json_each(CASE WHEN json_valid(r.record) THEN r.record ELSE '{}' END, '$.entries') AS e;
"];

/// Why the tables cannot be used.
pub(super) enum SchemaError {
    Engine(rusqlite::Error),
    /// They were made by a later version.
    Newer(u32),
    /// The note of their form is gone or makes no sense.
    Unknown,
}

impl From<rusqlite::Error> for SchemaError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Engine(error)
    }
}

/// Creates the tables, or brings them to the present form. In one immediate transaction, so that two
/// processes may open the file at once.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), SchemaError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = found(&transaction)?;
    if found > SCHEMA {
        return Err(SchemaError::Newer(found));
    }
    let known = usize::try_from(found).unwrap_or(usize::MAX);
    for migration in MIGRATIONS.iter().skip(known) {
        transaction.execute_batch(migration)?;
    }
    if found < SCHEMA {
        transaction.execute(
            "INSERT OR REPLACE INTO postback_meta (id, version) VALUES (1, ?1)",
            [SCHEMA],
        )?;
    }
    Ok(transaction.commit()?)
}

/// The form of the tables in the file; 0 where there are none yet.
fn found(connection: &Connection) -> Result<u32, SchemaError> {
    let exists = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'postback_meta'";
    if connection
        .query_row(exists, [], |_| Ok(()))
        .optional()?
        .is_none()
    {
        connection.execute_batch(
            "CREATE TABLE postback_meta (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL) STRICT",
        )?;
        return Ok(0);
    }
    let version = connection
        .query_row(
            "SELECT version FROM postback_meta WHERE id = 1",
            [],
            |row| row.get::<_, i64>(0),
        )
        .optional()?;
    match version.map(u32::try_from) {
        Some(Ok(version)) if version > 0 => Ok(version),
        _ => Err(SchemaError::Unknown),
    }
}
