//! Records as rows.

use rusqlite::{Connection, OptionalExtension, params};

use crate::event::RecordKey;
use crate::guard::Record;
use crate::store::{StoreError, Stored, Version, json};

/// A row as it is written. Made by the caller's thread, so that the writer has only SQL to do.
pub(super) struct Row {
    key: String,
    expected: Option<i64>,
    version: i64,
    status: &'static str,
    player: Option<String>,
    source: String,
    app: String,
    settled: String,
    record: String,
    updated: i64,
}

/// A row as it was read.
pub(super) struct Found {
    version: i64,
    record: Vec<u8>,
}

/// How a swap of rows ended.
pub(super) enum RowSwapped {
    Done,
    Lost(Option<Found>),
}

impl Row {
    pub(super) fn new(expected: Option<Version>, record: &Record) -> Result<Self, StoreError> {
        let doing = "write a record down";
        let number = |version: Version| {
            i64::try_from(version.number()).map_err(|error| StoreError::Unavailable {
                doing,
                source: Box::new(error),
            })
        };
        let json = json::write(record)?;
        let player = record.named_player();
        Ok(Self {
            key: record.key().to_string(),
            expected: expected.map(number).transpose()?,
            version: number(Version::following(expected))?,
            status: record.status().as_str(),
            player: player.map(ToString::to_string),
            source: record.key().source().to_owned(),
            app: record.key().app().to_owned(),
            settled: record.settled().to_string(),
            record: json,
            updated: i64::try_from(record.last_change().as_millis()).unwrap_or(i64::MAX),
        })
    }

    /// Compares and swaps: one statement that either changes the row or does not.
    pub(super) fn swap(&self, connection: &Connection) -> rusqlite::Result<RowSwapped> {
        let changed = match self.expected {
            None => connection
                .prepare_cached(
                    "INSERT INTO postback_records \
                     (key, version, status, player, source, app, settled, record, updated) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (key) DO NOTHING",
                )?
                .execute(params![
                    self.key,
                    self.version,
                    self.status,
                    self.player,
                    self.source,
                    self.app,
                    self.settled,
                    self.record,
                    self.updated
                ])?,
            Some(expected) => connection
                .prepare_cached(
                    "UPDATE postback_records \
                     SET version = ?2, status = ?3, player = ?4, settled = ?5, record = ?6, updated = ?7 \
                     WHERE key = ?1 AND version = ?8",
                )?
                .execute(params![
                    self.key,
                    self.version,
                    self.status,
                    self.player,
                    self.settled,
                    self.record,
                    self.updated,
                    expected
                ])?,
        };
        if changed == 1 {
            Ok(RowSwapped::Done)
        } else {
            Ok(RowSwapped::Lost(find(connection, &self.key)?))
        }
    }
}

/// The row under this key.
pub(super) fn find(connection: &Connection, key: &str) -> rusqlite::Result<Option<Found>> {
    connection
        .prepare_cached("SELECT version, record FROM postback_records WHERE key = ?1")?
        .query_row([key], |row| {
            // As bytes: text that is not UTF-8 is the record's fault, not the connection's.
            let record = row.get_ref(1)?.as_bytes()?.to_vec();
            Ok(Found {
                version: row.get(0)?,
                record,
            })
        })
        .optional()
}

/// The keys of up to `limit` open records after `after`.
pub(super) fn unsettled(
    connection: &Connection,
    after: Option<&str>,
    limit: usize,
) -> rusqlite::Result<Vec<RecordKey>> {
    let mut statement = connection.prepare_cached(
        "SELECT key FROM postback_records WHERE status = 'open' AND key > ?1 ORDER BY key",
    )?;
    keys(statement.query([after.unwrap_or_default()])?, limit)
}

/// Reads up to `limit` keys.
pub(super) fn keys(mut rows: rusqlite::Rows<'_>, limit: usize) -> rusqlite::Result<Vec<RecordKey>> {
    let mut keys = Vec::new();
    while keys.len() < limit {
        let Some(row) = rows.next()? else { break };
        let key = row
            .get_ref(0)?
            .as_str()
            .ok()
            .and_then(|key| key.parse().ok());
        if key.is_none() {
            // Nobody can ask for it, and it must not keep the others from being found.
            tracing::error!(target: "postback::store", "postback_records holds a row whose key is not a record key");
        }
        keys.extend(key);
    }
    Ok(keys)
}

/// Removes a row if its version is the expected one; says whether it did.
pub(super) fn remove(connection: &Connection, key: &str, expected: i64) -> rusqlite::Result<bool> {
    let mut statement = connection
        .prepare_cached("DELETE FROM postback_records WHERE key = ?1 AND version = ?2")?;
    Ok(statement.execute(params![key, expected])? == 1)
}

impl Found {
    /// The record, if it is one that this version can read, and the one that was asked for.
    pub(super) fn parse(self, key: &RecordKey) -> Result<Stored, StoreError> {
        // A version that does not fit is none.
        json::read(key, u64::try_from(self.version).unwrap_or(0), &self.record)
    }
}
