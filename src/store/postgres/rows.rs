//! Records as rows.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};

use super::names::{Sql, Statements};
use crate::event::RecordKey;
use crate::guard::Record;
use crate::store::{StoreError, Stored, Version, json};

/// A row as it is written.
pub(super) struct Row<'a> {
    record: &'a Record,
    key: String,
    expected: Option<i64>,
    version: i64,
    json: String,
}

/// A row as it was read.
pub(super) struct Found {
    version: i64,
    record: String,
}

/// How a swap of rows ended.
pub(super) enum RowSwapped {
    Done,
    Lost(Option<Found>),
}

impl<'a> Row<'a> {
    pub(super) fn new(expected: Option<Version>, record: &'a Record) -> Result<Self, StoreError> {
        let number = |version: Version| {
            i64::try_from(version.number()).map_err(|error| StoreError::Unavailable {
                doing: "write a record down",
                source: Box::new(error),
            })
        };
        Ok(Self {
            key: record.key().to_string(),
            expected: expected.map(number).transpose()?,
            version: number(Version::following(expected))?,
            json: json::write(record)?,
            record,
        })
    }

    /// Compares and swaps: one statement that either changes the row or does not.
    pub(super) async fn swap(
        &self,
        statements: &Statements,
        connection: &mut PgConnection,
    ) -> sqlx::Result<RowSwapped> {
        let record = self.record;
        let statement = match self.expected {
            None => &statements.insert,
            Some(_) => &statements.update,
        };
        let query = sqlx::query(statement.get())
            .bind(&self.key)
            .bind(self.version)
            .bind(record.status().as_str())
            .bind(record.named_player().map(crate::event::PlayerId::as_str))
            .bind(record.settled().to_string())
            .bind(&self.json)
            .bind(i64::try_from(record.last_change().as_millis()).unwrap_or(i64::MAX));
        let query = match self.expected {
            None => query.bind(record.key().source()).bind(record.key().app()),
            Some(expected) => query.bind(expected),
        };
        if let Some(row) = query.fetch_optional(&mut *connection).await? {
            if row.try_get("done")? {
                return Ok(RowSwapped::Done);
            }
            let found = Found::from_row(&row)?;
            if Some(found.version) != self.expected {
                return Ok(RowSwapped::Lost(Some(found)));
            }
        }
        // What won was stored while the statement was under way.
        Ok(RowSwapped::Lost(
            find(&statements.find, connection, &self.key).await?,
        ))
    }
}

/// The row under this key.
pub(super) async fn find(
    find: &Sql,
    connection: &mut PgConnection,
    key: &str,
) -> sqlx::Result<Option<Found>> {
    let row = sqlx::query(find.get())
        .bind(key)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(Found::from_row).transpose()
}

impl Found {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            version: row.try_get("version")?,
            record: row.try_get("record")?,
        })
    }

    /// The record, if it is one that this version can read, and the one that was asked for.
    pub(super) fn parse(self, key: &RecordKey) -> Result<Stored, StoreError> {
        // A version that does not fit is none.
        let version = u64::try_from(self.version).unwrap_or(0);
        json::read(key, version, self.record.as_bytes())
    }
}
