//! Records and kept callbacks as rows.

use postback::store::{KeptCallback, KeptId, MAX_KEPT, Record, Stored, Version, json};
use postback::{PlayerId, RecordKey, StoreError, Timestamp};
use rusqlite::{Connection, OptionalExtension, Params, Rows, params};

/// A record as it was read.
pub(crate) struct RecordRow {
    version: i64,
    json: Vec<u8>,
}

impl RecordRow {
    /// Parses the record.
    pub(crate) fn parse(self, key: &RecordKey) -> Result<Stored, StoreError> {
        // A version below zero is none.
        json::read(key, u64::try_from(self.version).unwrap_or(0), &self.json)
    }
}

/// How a swap of rows ended.
pub(crate) enum RowSwap {
    Replaced,
    /// Another version is stored, or none.
    Conflict(Option<RecordRow>),
}

/// The row of a record.
pub(crate) fn load(db: &Connection, key: &RecordKey) -> rusqlite::Result<Option<RecordRow>> {
    db.prepare_cached("SELECT version, record FROM postback_records WHERE key = ?1")?
        .query_row([key.as_str()], |row| {
            // As bytes: text that is not UTF-8 makes this record unreadable, and is no failure of the store.
            let json = row.get_ref(1)?.as_bytes()?.to_vec();
            Ok(RecordRow { version: row.get(0)?, json })
        })
        .optional()
}

/// Compares and swaps. `json` is the record's JSON.
pub(crate) fn swap(
    db: &Connection,
    expected: Option<Version>,
    record: &Record,
    json: &str,
) -> rusqlite::Result<RowSwap> {
    let (key, version) = (record.key(), number(Version::after(expected).number()));
    let (pending, changed) = (record.is_pending(), millis(record.last_change()));
    let player = record.lookup_player().map(PlayerId::as_str);
    let rows = match expected {
        None => db
            .prepare_cached(
                "INSERT INTO postback_records (key, version, pending, player, changed, record) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (key) DO NOTHING",
            )?
            .execute(params![key.as_str(), version, pending, player, changed, json])?,
        Some(expected) => db
            .prepare_cached(
                "UPDATE postback_records SET version = ?2, pending = ?3, player = ?4, changed = ?5, record = ?6 \
                 WHERE key = ?1 AND version = ?7",
            )?
            .execute(params![key.as_str(), version, pending, player, changed, json, number(expected.number())])?,
    };
    if rows == 1 { Ok(RowSwap::Replaced) } else { Ok(RowSwap::Conflict(load(db, key)?)) }
}

/// Removes a record if its version is the expected one. Returns whether it did.
pub(crate) fn remove(db: &Connection, key: &RecordKey, expected: Version) -> rusqlite::Result<bool> {
    let rows = db
        .prepare_cached("DELETE FROM postback_records WHERE key = ?1 AND version = ?2")?
        .execute(params![key.as_str(), number(expected.number())])?;
    Ok(rows == 1)
}

/// Lists the keys of records with a pending decision, after a key (1).
pub(crate) const PENDING: &str = "SELECT key FROM postback_records WHERE pending = 1 AND key > ?1 ORDER BY key";

/// Lists the keys of records without a pending decision, after a key (1), that did not change since a moment (2).
pub(crate) const UNCHANGED: &str = "SELECT key FROM postback_records \
    WHERE pending <> 1 AND key > ?1 AND changed < ?2 ORDER BY key";

/// Lists the keys of records, after a key (1), of a player (2). Looks once into each block of the index on players, going
/// from one block that is not empty to the next.
pub(crate) const BY_PLAYER: &str = "\
    WITH RECURSIVE block (number) AS (\
        SELECT min(id >> 12) FROM postback_records \
        UNION ALL \
        SELECT (SELECT min(id >> 12) FROM postback_records WHERE id >> 12 > block.number) \
        FROM block WHERE block.number IS NOT NULL) \
    SELECT r.key FROM block CROSS JOIN postback_records AS r ON r.id >> 12 = block.number AND r.player = ?2 \
    WHERE r.key > ?1 ORDER BY r.key";

/// The first `limit` keys that one of these statements lists.
pub(crate) fn list_keys(
    db: &Connection,
    select: &str,
    params: impl Params,
    limit: usize,
) -> rusqlite::Result<Vec<RecordKey>> {
    let mut statement = db.prepare_cached(select)?;
    collect(statement.query(params)?, limit, |key| std::str::from_utf8(key).ok()?.parse().ok())
}

/// Keeps a callback unless its id is known, and removes the oldest that are too many. Returns how many.
pub(crate) fn keep_unusable(db: &Connection, kept: &KeptCallback, json: &str) -> rusqlite::Result<usize> {
    db.prepare_cached(
        "INSERT INTO postback_unusable (id, received, callback) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO NOTHING",
    )?
    .execute(params![kept.id.as_str(), millis(kept.received), json])?;
    db.prepare_cached(
        "DELETE FROM postback_unusable WHERE rowid IN \
         (SELECT rowid FROM postback_unusable ORDER BY received DESC LIMIT -1 OFFSET ?1)",
    )?
    .execute([i64::try_from(MAX_KEPT).unwrap_or(i64::MAX)])
}

/// Kept callbacks in the order of their ids.
pub(crate) fn list_unusable(db: &Connection, after: &str, limit: usize) -> rusqlite::Result<Vec<KeptCallback>> {
    let select = "SELECT callback FROM postback_unusable WHERE id > ?1 ORDER BY id";
    let mut statement = db.prepare_cached(select)?;
    collect(statement.query([after])?, limit, |json| serde_json::from_slice(json).ok())
}

/// Removes a kept callback. Returns whether it was there.
pub(crate) fn remove_unusable(db: &Connection, id: &KeptId) -> rusqlite::Result<bool> {
    let rows = db.prepare_cached("DELETE FROM postback_unusable WHERE id = ?1")?.execute([id.as_str()])?;
    Ok(rows == 1)
}

/// The first column of up to `limit` rows. A row that cannot be parsed is logged, and does not hide those after it.
fn collect<T>(mut rows: Rows<'_>, limit: usize, parse: impl Fn(&[u8]) -> Option<T>) -> rusqlite::Result<Vec<T>> {
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next()?
    {
        let parsed = parse(row.get_ref(0)?.as_bytes()?);
        if parsed.is_none() {
            tracing::error!(target: "postback::store", "a row of the store cannot be read: repair it by hand");
        }
        found.extend(parsed);
    }
    Ok(found)
}

/// A version as SQLite's integer. None is ever that large.
fn number(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

/// A moment as SQLite's integer.
pub(crate) fn millis(moment: Timestamp) -> i64 {
    i64::try_from(moment.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    #[test]
    fn listings_for_callbacks_and_players_use_an_index() {
        let mut db = Connection::open_in_memory().unwrap();
        schema::create(&mut db).unwrap();
        let plan = |select: &str| -> Vec<String> {
            let mut explain = db.prepare(&format!("EXPLAIN QUERY PLAN {select}")).unwrap();
            let parameters = explain.parameter_count();
            let rows = explain.query_map(rusqlite::params_from_iter(vec![""; parameters]), |row| row.get(3)).unwrap();
            rows.map(Result::unwrap).collect()
        };
        let (pending, player) = (plan(PENDING), plan(BY_PLAYER));
        let uses = |plan: &[String], index: &str| plan.iter().any(|step| step.contains(index));
        assert!(uses(&pending, "INDEX postback_records_pending (key>?)"), "{pending:?}");
        let index = "INDEX postback_records_player (<expr>=? AND player=?)";
        assert!(uses(&player, index), "{player:?}");
        let scans = |step: &String| step.starts_with("SCAN") && !step.ends_with("block");
        assert!(!player.iter().any(scans), "{player:?}");
    }
}
