//! The names of the tables, and the statements with those names in them.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use sqlx::AssertSqlSafe;

/// A name cannot be used for the store's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// It is empty.
    #[error("a schema's name cannot be empty: leave it out to use the search path")]
    Empty,
    /// It is too long for Postgres, which would cut it silently.
    #[error("it is longer than {limit} bytes")]
    TooLong {
        /// The most that it may have.
        limit: usize,
    },
    /// It holds something other than `a-z 0-9 _`, or begins with a digit.
    #[error("it may only hold a-z, 0-9 and '_', and must not begin with a digit")]
    Character,
    /// Postgres keeps names that begin with `pg_` for itself.
    #[error("names that begin with pg_ are Postgres' own")]
    Reserved,
}

/// What Postgres allows, in bytes.
const MAX_NAME: usize = 63;
/// Leaves room for the longest of the store's own words behind it.
const MAX_PREFIX: usize = 40;

fn check(name: &str, limit: usize) -> Result<(), NameError> {
    let is_fit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.len() > limit {
        Err(NameError::TooLong { limit })
    } else if !name.bytes().all(is_fit) || name.starts_with(|first: char| first.is_ascii_digit()) {
        Err(NameError::Character)
    } else if name.starts_with("pg_") {
        Err(NameError::Reserved)
    } else {
        Ok(())
    }
}

/// Where the tables are. Checked, so that it can stand in a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    /// `None`: wherever the connection's search path leads.
    schema: Option<String>,
    prefix: String,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            schema: None,
            prefix: "postback_".to_owned(),
        }
    }
}

impl Names {
    pub(super) fn in_schema(mut self, schema: &str) -> Result<Self, NameError> {
        if schema.is_empty() {
            return Err(NameError::Empty);
        }
        check(schema, MAX_NAME)?;
        self.schema = Some(schema.to_owned());
        Ok(self)
    }

    pub(super) fn with_prefix(mut self, prefix: &str) -> Result<Self, NameError> {
        check(prefix, MAX_PREFIX)?;
        prefix.clone_into(&mut self.prefix);
        Ok(self)
    }

    pub(super) fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// One of the store's own tables, quoted.
    pub(super) fn table(&self, word: &str) -> String {
        let name = self.index(word);
        match &self.schema {
            Some(schema) => format!("\"{schema}\".{name}"),
            None => name,
        }
    }

    /// An index takes its table's schema and is named without one.
    pub(super) fn index(&self, word: &str) -> String {
        format!("\"{}{word}\"", self.prefix)
    }

    /// The advisory lock that stands for a text. The same in every process and version.
    pub(super) fn lock(&self, text: &str) -> i64 {
        let mut hash = Sha256::new();
        for part in [
            "postback",
            self.schema().unwrap_or_default(),
            &self.prefix,
            text,
        ] {
            hash.update(part);
            hash.update([0]);
        }
        hash.finalize()
            .iter()
            .take(8)
            .fold(0, |number: i64, byte| (number << 8) | i64::from(*byte))
    }
}

/// A statement with checked names in it.
#[derive(Debug, Clone)]
pub(super) struct Sql(Arc<str>);

impl Sql {
    /// Nothing but the store's own words and checked names may go in here.
    pub(super) fn new(text: String) -> Self {
        Self(text.into())
    }

    pub(super) fn get(&self) -> AssertSqlSafe<Arc<str>> {
        AssertSqlSafe(Arc::clone(&self.0))
    }
}

/// What the store asks, made once.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) find: Sql,
    pub(super) find_locked: Sql,
    pub(super) insert: Sql,
    pub(super) update: Sql,
    pub(super) remove: Sql,
    pub(super) unsettled: Sql,
    pub(super) unchanged: Sql,
    pub(super) of_player: Sql,
    pub(super) form: Sql,
}

/// A server may be set to report commits that are not on its disk yet. Not these: for the transaction that it
/// stands in, a commit is one. Whatever else is set (replicas to wait for) stays.
const DURABLE: &str = "(SELECT CASE WHEN current_setting('synchronous_commit') = 'off' \
                       THEN set_config('synchronous_commit', 'on', true) END) AS durable";

impl Statements {
    pub(super) fn new(names: &Names) -> Self {
        let records = names.table("records");
        // The current row comes with the answer. It is as old as the statement, though: one that was stored
        // meanwhile is missing, or still looks as expected. Then it is asked for once more.
        let current = format!(
            "SELECT true AS done, NULL::bigint AS version, NULL::text AS record FROM swapped \
             UNION ALL SELECT false, version, record::text FROM {records} \
             WHERE key = $1 AND NOT EXISTS (SELECT FROM swapped)"
        );
        let list = |condition: &str| {
            Sql::new(format!(
                "SELECT key FROM {records} WHERE {condition} AND key > $1 ORDER BY key LIMIT $2"
            ))
        };
        Self {
            find: Sql::new(format!(
                "SELECT version, record::text AS record FROM {records} WHERE key = $1"
            )),
            find_locked: Sql::new(format!(
                "SELECT version, record::text AS record FROM {records} WHERE key = $1 FOR UPDATE"
            )),
            insert: Sql::new(format!(
                "WITH swapped AS (INSERT INTO {records} \
                 (key, version, status, player, settled, record, updated, source, app) \
                 SELECT $1, $2, $3, $4, $5::text::numeric, $6::text::json, $7, $8, $9 FROM {DURABLE} \
                 ON CONFLICT (key) DO NOTHING RETURNING 1) {current}"
            )),
            update: Sql::new(format!(
                "WITH swapped AS (UPDATE {records} SET version = $2, status = $3, player = $4, \
                 settled = $5::text::numeric, record = $6::text::json, updated = $7 FROM {DURABLE} \
                 WHERE key = $1 AND version = $8 RETURNING 1) {current}"
            )),
            remove: Sql::new(format!(
                "DELETE FROM {records} USING {DURABLE} WHERE key = $1 AND version = $2"
            )),
            unsettled: list("status = 'open'"),
            unchanged: list("status <> 'open' AND updated < $3"),
            // Looks once into each block of the players' index, from one that is not empty to the next.
            of_player: Sql::new(format!(
                "WITH RECURSIVE block (n) AS (\
                 (SELECT arrival >> 12 FROM {records} ORDER BY arrival >> 12 LIMIT 1) UNION ALL \
                 SELECT (SELECT arrival >> 12 FROM {records} WHERE arrival >> 12 > block.n \
                 ORDER BY arrival >> 12 LIMIT 1) FROM block WHERE block.n IS NOT NULL) \
                 SELECT r.key FROM block JOIN {records} AS r ON r.arrival >> 12 = block.n AND r.player = $3 \
                 WHERE r.key > $1 ORDER BY r.key LIMIT $2"
            )),
            form: Sql::new(format!(
                "SELECT version FROM {} WHERE id = 1",
                names.table("meta")
            )),
        }
    }
}
