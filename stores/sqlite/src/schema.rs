//! The store's tables.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

/// The version of the tables that this version of the crate uses.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// Leads from each version to the next. The file may be the game's own, so all names have a prefix, and `PRAGMA
/// user_version` and `application_id` are left to the game.
///
/// `id` counts the records in order of arrival. The index on players begins with the block of 4096 records: new records
/// then change few pages of the index, however many there are. With the player first, each one changes a page at a random
/// place, and with ten million records the store keeps a fifth of its rate.
const MIGRATIONS: [&str; SCHEMA_VERSION as usize] = ["
CREATE TABLE postback_records (
    id      INTEGER PRIMARY KEY,
    key     TEXT    NOT NULL UNIQUE,
    version INTEGER NOT NULL,
    pending INTEGER NOT NULL,       -- 1: a decision waits to be delivered
    player  TEXT,
    changed INTEGER NOT NULL,       -- milliseconds since 1970
    record  TEXT    NOT NULL        -- JSON
) STRICT;
CREATE INDEX postback_records_pending ON postback_records (key) WHERE pending = 1;
CREATE INDEX postback_records_player ON postback_records (id >> 12, player);

CREATE TABLE postback_unusable (
    id       TEXT    NOT NULL PRIMARY KEY,
    received INTEGER NOT NULL,      -- milliseconds since 1970
    callback TEXT    NOT NULL       -- JSON
) STRICT;
CREATE INDEX postback_unusable_received ON postback_unusable (received);

CREATE VIEW postback_history AS
SELECT
    r.key AS conversion,
    e.value ->> '$.number' AS number,
    e.value ->> '$.event.player' AS player,
    strftime('%Y-%m-%d %H:%M:%f', (e.value ->> '$.received') / 1000.0, 'unixepoch') AS received,
    CASE
        WHEN e.value -> '$.event.kind.ban' IS NOT NULL THEN 'ban'
        WHEN json_type(e.value, '$.event.kind.conversion.effect') = 'object'
            THEN (SELECT key FROM json_each(e.value, '$.event.kind.conversion.effect'))
        ELSE e.value ->> '$.event.kind.conversion.effect'
    END AS event,
    e.value ->> '$.action.type' AS action,
    CASE e.value ->> '$.action.type'
        WHEN 'reward' THEN e.value ->> '$.action.amount'
        WHEN 'reversal' THEN '-' || (e.value ->> '$.action.amount')
        ELSE '0'
    END AS amount,
    CASE
        WHEN e.value ->> '$.number' > r.record ->> '$.cursor' THEN 'pending'
        WHEN e.value ->> '$.declined' IS NOT NULL THEN 'declined'
        WHEN e.value ->> '$.delivered' IS NOT NULL THEN 'delivered'
        ELSE 'closed'
    END AS state,
    strftime('%Y-%m-%d %H:%M:%f', (e.value ->> '$.delivered') / 1000.0, 'unixepoch') AS delivered
FROM postback_records AS r,
     json_each(CASE WHEN json_valid(r.record) THEN r.record ELSE '{}' END, '$.entries') AS e;
"];

/// Why the tables cannot be used.
#[derive(Debug)]
pub(crate) enum SchemaError {
    Sqlite(rusqlite::Error),
    /// A later version created them.
    Newer(u32),
    /// There are none.
    Missing,
    /// Their version is missing or makes no sense.
    Unknown,
}

impl From<rusqlite::Error> for SchemaError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// Creates the tables or brings them to the present version, in one transaction, so that several processes may open a
/// file at the same time.
pub(crate) fn create(connection: &mut Connection) -> Result<(), SchemaError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    match found {
        Some(SCHEMA_VERSION) => return Ok(()),
        Some(newer) if newer > SCHEMA_VERSION => return Err(SchemaError::Newer(newer)),
        Some(_) => {}
        None => transaction.execute_batch(
            "CREATE TABLE postback_schema (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL) STRICT",
        )?,
    }
    let known = usize::try_from(found.unwrap_or(0)).unwrap_or(usize::MAX);
    for migration in MIGRATIONS.iter().skip(known) {
        transaction.execute_batch(migration)?;
    }
    transaction.execute(
        "INSERT INTO postback_schema (id, version) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET version = ?1",
        [SCHEMA_VERSION],
    )?;
    Ok(transaction.commit()?)
}

/// The version of the tables in a file. `None` if there are none.
pub(crate) fn version(connection: &Connection) -> Result<Option<u32>, SchemaError> {
    let tables = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'postback_schema'";
    if connection.query_row(tables, [], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(None);
    }
    let version = "SELECT version FROM postback_schema WHERE id = 1";
    let version: Option<i64> = connection.query_row(version, [], |row| row.get(0)).optional()?;
    match version.map(u32::try_from) {
        Some(Ok(version)) if version > 0 => Ok(Some(version)),
        _ => Err(SchemaError::Unknown),
    }
}
