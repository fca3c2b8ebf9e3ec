//! A small game whose wallet lives in the store's database.

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex as Notebook;

use rusqlite::Connection;
use tempfile::TempDir;

use crate::store::sqlite::open::Connections;
use crate::store::sqlite::queue::Begin;
use crate::store::sqlite::{SqliteOptions, SqliteStore, schema};

/// The store, and a look into its database from outside.
pub(super) struct Game {
    pub(super) store: SqliteStore,
    pub(super) outside: Outside,
}

/// Not seen by the checker: a look is no step.
#[derive(Clone)]
pub(super) struct Outside(Arc<(Notebook<Connection>, TempDir)>);

impl Game {
    /// A database of its own, with an empty wallet and no records.
    pub(super) fn open(options: &SqliteOptions) -> Self {
        let directory = directory();
        let (mut writer, reader, outside) = connections(&directory);
        schema::migrate(&mut writer).unwrap_or_else(|_| panic!("the tables"));
        Self::start(directory, writer, reader, outside, options)
    }

    /// The same without the store's own tables, which takes a tenth of the time.
    pub(super) fn open_for_writes(options: &SqliteOptions) -> Self {
        let directory = directory();
        let (writer, reader, outside) = connections(&directory);
        Self::start(directory, writer, reader, outside, options)
    }

    fn start(
        directory: TempDir,
        writer: Connection,
        reader: Connection,
        outside: Connection,
        options: &SqliteOptions,
    ) -> Self {
        writer
            .execute_batch("CREATE TABLE wallet (id TEXT, amount INTEGER)")
            .unwrap();
        let connections = Connections { writer, reader };
        let store = SqliteStore::start(Path::new("memory"), connections, options).unwrap();
        Self {
            store,
            outside: Outside(Arc::new((Notebook::new(outside), directory))),
        }
    }
}

impl Outside {
    /// How often this was paid.
    pub(super) fn paid(&self, id: &str) -> usize {
        payments(&self.0.0.lock().unwrap(), "id = ?1", id)
    }

    /// How many payments of this transaction are not to be seen from outside yet.
    pub(super) fn not_yet_seen(&self, inside: &Connection) -> usize {
        let all = |connection: &Connection| payments(connection, "?1 = ''", "");
        all(inside) - all(&self.0.0.lock().unwrap())
    }
}

fn payments(connection: &Connection, which: &str, of: &str) -> usize {
    let select = format!("SELECT count(*) FROM wallet WHERE {which}");
    let count: i64 = connection
        .query_row(&select, [of], |row| row.get(0))
        .unwrap();
    count.try_into().unwrap()
}

/// With several cores, whatever machine this is.
pub(super) fn options(queue: usize, group: usize) -> SqliteOptions {
    let mut options = SqliteOptions::new().queue(queue).group(group);
    options.begin = Begin::AtOnce;
    options
}

/// With one core.
pub(super) fn when_called(mut options: SqliteOptions) -> SqliteOptions {
    options.begin = Begin::WhenCalled;
    options
}

/// In memory where the system has such a place: thousands of databases come and go.
fn directory() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

/// In a file, as in a program: whoever looks is not locked out while a group is at work. What is synced to the disk is
/// no matter of schedules, so nothing is.
fn connections(directory: &TempDir) -> (Connection, Connection, Connection) {
    let connect = || {
        let connection = Connection::open(directory.path().join("game.db")).unwrap();
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .unwrap();
        connection
            .pragma_update(None, "synchronous", "OFF")
            .unwrap();
        connection
    };
    (connect(), connect(), connect())
}
