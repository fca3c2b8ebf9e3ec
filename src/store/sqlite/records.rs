//! Looks into a file without changing it.

use std::fmt;
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rusqlite::{Connection, OpenFlags};

use super::open::{checked, failed, hint};
use super::operations::unavailable;
use super::rows;
use super::schema::SCHEMA;
use crate::event::RecordKey;
use crate::guard::Record;
use crate::store::StoreError;

/// The records in a SQLite file, for people who look something up: opened read-only, nothing created, nothing
/// migrated, and no receiver that uses the file is held up.
///
/// ```no_run
/// use postback::store::sqlite::SqliteRecords;
///
/// let records = SqliteRecords::open("game.db")?;
/// for record in records.find("player-7")? {
///     println!("{}: {}", record.key(), record.settled());
/// }
/// # Ok::<(), postback::store::StoreError>(())
/// ```
pub struct SqliteRecords {
    connection: Connection,
}

/// What a path may hold in a URI as it is.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_')
    .remove(b'~');

impl SqliteRecords {
    /// Opens a file that a store has made.
    ///
    /// # Errors
    /// [`StoreError::Open`], when there is no such file or no store in it; [`StoreError::Newer`], when a later
    /// version of this crate has used it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = checked(path.as_ref())?;
        let path = path.as_path();
        if let Err(error) = std::fs::File::open(path) {
            return Err(failed(
                path,
                "there is no such file, or it may not be read: correct the path or its permissions",
                error,
            ));
        }
        let connection = connect(path).map_err(|error| failed(path, hint(&error), error))?;
        match form(&connection).map_err(|error| failed(path, hint(&error), error))? {
            Some(found) if found > SCHEMA => Err(StoreError::Newer {
                what: format!("the schema of {}", path.display()),
                found,
                known: SCHEMA,
            }),
            Some(_) => Ok(Self { connection }),
            None => Err(failed(
                path,
                "no receiver has kept records in it: correct the path",
                "it has no table postback_meta",
            )),
        }
    }

    /// The records that a text names: a key (`bitlabs/game/conversion/o233`), a player, or a transaction,
    /// which may be the conversion's or that of any of its callbacks. In the order of their keys' text.
    ///
    /// # Errors
    /// [`StoreError`], when the file cannot be read, or a record in it.
    pub fn find(&self, text: &str) -> Result<Vec<Record>, StoreError> {
        let mut keys: Vec<RecordKey> = text.parse().into_iter().collect();
        if keys.is_empty() {
            keys = self.keys(
                "SELECT key FROM postback_records WHERE player = ?1 \
                 OR (instr(key, '/conversion/') > 0 AND substr(key, instr(key, '/conversion/') + 12) = ?1) \
                 ORDER BY key",
                text,
            )?;
        }
        if keys.is_empty() {
            // Reads every record: only for the transaction of a reversal or the like.
            keys = self.keys(
                "SELECT key FROM postback_records WHERE json_valid(record) AND EXISTS (\
                 SELECT 1 FROM json_each(record, '$.entries') AS e \
                 WHERE json_extract(e.value, '$.event.kind.conversion.transaction') = ?1) ORDER BY key",
                text,
            )?;
        }
        self.load(&keys)
    }

    /// The records with a decision left open, in the order of their keys' text.
    ///
    /// # Errors
    /// [`StoreError`], when the file cannot be read, or a record in it.
    pub fn unsettled(&self) -> Result<Vec<Record>, StoreError> {
        let keys = rows::unsettled(&self.connection, None, usize::MAX)
            .map_err(|error| unavailable("list what is open", error))?;
        self.load(&keys)
    }

    fn keys(&self, select: &str, text: &str) -> Result<Vec<RecordKey>, StoreError> {
        let read = || rows::keys(self.connection.prepare(select)?.query([text])?, usize::MAX);
        read().map_err(|error| unavailable("look a record up", error))
    }

    fn load(&self, keys: &[RecordKey]) -> Result<Vec<Record>, StoreError> {
        let mut records = Vec::with_capacity(keys.len());
        for key in keys {
            let found = rows::find(&self.connection, key.as_str())
                .map_err(|error| unavailable("load a record", error))?;
            // One that was removed meanwhile is left out.
            if let Some(found) = found {
                records.push(found.parse(key)?.record);
            }
        }
        Ok(records)
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut log: PathBuf = path.to_owned();
    log.as_mut_os_string().push("-wal");
    let connection = match path.to_str() {
        // Nobody has it open: without a log there is nothing but the file. Reading it as a database in use
        // would create the log.
        Some(text) if !log.exists() => {
            let text = utf8_percent_encode(text, IN_PATH);
            Connection::open_with_flags(
                format!("file:{text}?immutable=1"),
                read_only | OpenFlags::SQLITE_OPEN_URI,
            )?
        }
        _ => Connection::open_with_flags(path, read_only)?,
    };
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    Ok(connection)
}

/// The form of the tables; `None` where there are none.
fn form(connection: &Connection) -> rusqlite::Result<Option<u32>> {
    let exists =
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'postback_meta'";
    if connection.query_row(exists, [], |row| row.get::<_, i64>(0))? == 0 {
        return Ok(None);
    }
    let select = "SELECT version FROM postback_meta WHERE id = 1";
    connection.query_row(select, [], |row| row.get(0)).map(Some)
}

impl fmt::Debug for SqliteRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteRecords").finish_non_exhaustive()
    }
}
