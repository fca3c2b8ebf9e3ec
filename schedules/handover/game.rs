//! A small game whose wallet lives in the store's database.

use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex as Notebook;
use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::{Connection, OpenFlags};

use crate::store::sqlite::open::Connections;
use crate::store::sqlite::{SqliteOptions, SqliteStore, schema};

/// The store, and a look into its database from outside.
pub(super) struct Game {
    pub(super) store: SqliteStore,
    pub(super) outside: Outside,
}

/// Not seen by the checker: a look is no step.
#[derive(Clone)]
pub(super) struct Outside(Arc<Notebook<Connection>>);

impl Game {
    /// A database of its own, in memory, with an empty wallet and no records.
    pub(super) fn open(options: &SqliteOptions) -> Self {
        let (mut writer, reader, outside) = connections();
        schema::migrate(&mut writer).unwrap_or_else(|_| panic!("the tables"));
        Self::start(writer, reader, outside, options)
    }

    /// The same without the store's own tables, which takes a tenth of the time.
    pub(super) fn open_for_writes(options: &SqliteOptions) -> Self {
        let (writer, reader, outside) = connections();
        Self::start(writer, reader, outside, options)
    }

    fn start(
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
            outside: Outside(Arc::new(Notebook::new(outside))),
        }
    }
}

impl Outside {
    /// How often this was paid.
    pub(super) fn paid(&self, id: &str) -> usize {
        let outside = self.0.lock().unwrap();
        let count: i64 = outside
            .query_row("SELECT count(*) FROM wallet WHERE id = ?1", [id], |row| {
                row.get(0)
            })
            .unwrap();
        count.try_into().unwrap()
    }
}

pub(super) fn options(queue: usize, group: usize) -> SqliteOptions {
    SqliteOptions::new().queue(queue).group(group)
}

fn connections() -> (Connection, Connection, Connection) {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let connect = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags(format!("file:/{number}?vfs=memdb"), flags).unwrap()
    };
    (connect(), connect(), connect())
}
