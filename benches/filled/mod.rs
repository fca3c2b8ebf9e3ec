//! Files that hold a history of settled offers, and files that hold none.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement fails by panicking"
)]

use std::path::{Path, PathBuf};
use std::time::Instant;

use postback::store::sqlite::rusqlite::{Connection, params};

use crate::measured::offers::{Offers, Order, kept, this_run};
use crate::measured::words;

/// What a file was filled with.
const FILLED: &str = "CREATE TABLE filled (run INTEGER NOT NULL, made INTEGER NOT NULL, random INTEGER NOT NULL) STRICT";

/// A file with settled offers, and how they were made.
#[derive(Clone)]
pub(crate) struct History {
    pub(crate) file: PathBuf,
    pub(crate) order: Order,
    pub(crate) run: u64,
    pub(crate) made: u64,
}

impl History {
    pub(crate) fn of(file: PathBuf) -> Self {
        let select = "SELECT run, made, random FROM filled";
        let db = Connection::open(&file).unwrap();
        let (run, made, random) = db
            .query_row(select, [], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get(2)?))
            })
            .unwrap();
        let order = if random {
            Order::Random
        } else {
            Order::Ascending
        };
        Self {
            file,
            order,
            run: run.unsigned_abs(),
            made: made.unsigned_abs(),
        }
    }
}

/// A place for each case, so that none finds what another has left; or the one with a history.
pub(crate) struct Place {
    _directory: tempfile::TempDir,
    pub(crate) file: PathBuf,
}

impl Place {
    pub(crate) fn new(history: Option<&History>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let empty = directory.path().join("game.db");
        Self {
            _directory: directory,
            file: history.map_or(empty, |history| history.file.clone()),
        }
    }

    /// How many conversions there are now. Exact where none was removed.
    pub(crate) fn rows(&self) -> u64 {
        let select = "SELECT max(arrival) FROM postback_records";
        let db = Connection::open(&self.file).unwrap();
        let rows: i64 = db.query_row(select, [], |row| row.get(0)).unwrap();
        rows.unsigned_abs()
    }
}

/// Fills a file with settled offers, as the store would have.
pub(crate) async fn fill(file: &Path, count: u32) {
    crate::open(file).await.close().await;
    let db = Connection::open(file).unwrap();
    for (name, value) in [
        ("journal_mode", "OFF"),
        ("synchronous", "OFF"),
        ("locking_mode", "EXCLUSIVE"),
    ] {
        let _: String = db
            .query_row(&format!("PRAGMA {name} = {value}"), [], |row| row.get(0))
            .unwrap_or_default();
    }
    db.pragma_update(None, "cache_size", -3 * 1024 * 1024)
        .unwrap();
    let (order, run) = (words::order(), this_run());
    let offers = Offers::new(order, run);
    let started = Instant::now();
    db.execute_batch("BEGIN").unwrap();
    db.execute_batch(FILLED).unwrap();
    db.execute(
        "INSERT INTO filled VALUES (?1, ?2, ?3)",
        params![i64::try_from(run).unwrap(), count, order == Order::Random],
    )
    .unwrap();
    for number in 1..=count {
        crate::insert(&db, &kept(offers.event())).unwrap();
        if number % 500_000 == 0 {
            println!("{number} after {:.0} s", started.elapsed().as_secs_f64());
        }
    }
    db.execute_batch("COMMIT").unwrap();
}
