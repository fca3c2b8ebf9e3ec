//! How fast the SQLite store is, each time beside the bare statements that do the same work.
//!
//! ```sh
//! cargo bench --bench sqlite --features sqlite,testing                          # from an empty file
//! cargo bench --bench sqlite --features sqlite,testing -- fill FILE 10000000    # minutes, some 12 GB
//! cargo bench --bench sqlite --features sqlite,testing -- history FILE
//! ```
//!
//! Figures and what they mean: docs/performance-stores.md.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement fails by panicking"
)]

mod measured;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use measured::callers::{Round, call, grouped};
use measured::figures::Figures;
use measured::offers::{Kept, Offers, kept};
use measured::words;
use postback::decision::Decision;
use postback::handler::HandlerError;
use postback::receiver::{Receive, Receiver};
use postback::steps::Receipt;
use postback::store::sqlite::rusqlite::{self, Connection, params};
use postback::store::sqlite::{InTransaction, SqliteReceiver, SqliteStore};

const WALLET: &str = "CREATE TABLE IF NOT EXISTS credits \
    (id TEXT PRIMARY KEY, player TEXT NOT NULL, amount TEXT NOT NULL) STRICT";
const CREDIT: &str = "INSERT INTO credits VALUES (?1, ?2, ?3)";

/// More than any case can do in its span, a second.
const MOST: u64 = 130_000;

fn most(span: Duration) -> usize {
    usize::try_from(MOST * u64::try_from(span.as_millis()).unwrap() / 1000).unwrap()
}

async fn open(file: &Path) -> SqliteStore {
    let store = SqliteStore::open(file).unwrap();
    store
        .write(|game| game.execute_batch(WALLET))
        .await
        .unwrap();
    store
}

fn receiver(store: &SqliteStore) -> SqliteReceiver {
    store.receiver(|game: &InTransaction<'_>, decision: &Decision| {
        let amount = decision.balance_change().to_string();
        game.prepare_cached(CREDIT)?.execute([
            decision.id().as_str(),
            decision.player().as_str(),
            &amount,
        ])?;
        Ok::<(), HandlerError>(())
    })
}

/// A connection set as the store's own.
fn bare(file: &Path) -> Connection {
    let db = Connection::open(file).unwrap();
    let mode: String = db
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
    db.pragma_update(None, "synchronous", "FULL").unwrap();
    db.pragma_update(None, "fullfsync", true).unwrap();
    db.pragma_update(None, "wal_autocheckpoint", 10_000)
        .unwrap();
    db.pragma_update(None, "cache_size", -64 * 1024).unwrap();
    db.busy_timeout(Duration::from_secs(5)).unwrap();
    db
}

/// The record's row and the wallet's, by statements that are prepared once.
fn insert(db: &Connection, kept: &Kept) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO postback_records \
         (key, version, status, player, source, app, settled, record, updated) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (key) DO NOTHING",
    )?
    .execute(params![
        kept.key,
        1,
        "settled",
        kept.player,
        "bitlabs",
        "game",
        kept.settled,
        kept.record,
        kept.updated
    ])?;
    db.prepare_cached(CREDIT)?
        .execute([&kept.decision, &kept.player, &kept.settled])?;
    Ok(())
}

fn bare_rounds(file: &Path, offers: &Offers, group: usize, span: Duration) -> Round {
    let db = bare(file);
    let count = most(span) / if group == 1 { 10 } else { 1 };
    let jobs: Vec<Kept> = (0..count).map(|_| offers.kept()).collect();
    grouped(&jobs, group, span, |group| {
        db.prepare_cached("BEGIN IMMEDIATE")
            .unwrap()
            .execute([])
            .unwrap();
        for kept in group {
            insert(&db, kept).unwrap();
        }
        db.prepare_cached("COMMIT").unwrap().execute([]).unwrap();
    })
}

async fn first_deliveries(file: &Path, offers: &Offers, callers: usize, span: Duration) -> Round {
    let store = open(file).await;
    let receiver = receiver(&store);
    let round = call(offers.events(most(span)), callers, span, move |event| {
        let receiver = receiver.clone();
        async move {
            let receipt = receiver.receive(event).await.unwrap();
            assert!(matches!(receipt, Receipt::Settled(..)));
        }
    })
    .await;
    store.close().await;
    round
}

/// Of offers that are all known already.
async fn duplicates(file: &Path, offers: &Offers, callers: usize, span: Duration) -> Round {
    let store = open(file).await;
    let receiver = receiver(&store);
    let known = offers.events(20_000);
    let deliver = receiver.clone();
    let hour = Duration::from_secs(3600);
    call(known.clone(), 256, hour, move |event| {
        let receiver = deliver.clone();
        async move {
            receiver.receive(event).await.unwrap();
        }
    })
    .await;
    let again = known.iter().cycle().take(most(span)).cloned().collect();
    let round = call(again, callers, span, move |event| {
        let receiver = receiver.clone();
        async move {
            let receipt = receiver.receive(event).await.unwrap();
            assert_eq!(receipt, Receipt::Duplicate);
        }
    })
    .await;
    store.close().await;
    round
}

/// Intent first, then a handler whose wallet is idempotent and elsewhere.
async fn intent_first(file: &Path, offers: &Offers, callers: usize, span: Duration) -> Round {
    let store = open(file).await;
    let paid: Arc<Mutex<HashSet<String>>> = Arc::default();
    let receiver = Receiver::new(store.clone()).with_handler(move |decision: &Decision| {
        paid.lock()
            .unwrap()
            .insert(decision.id().as_str().to_owned());
        async { Ok::<(), HandlerError>(()) }
    });
    let round = call(offers.events(most(span)), callers, span, move |event| {
        let receiver = receiver.clone();
        async move {
            let receipt = receiver.receive(event).await.unwrap();
            assert!(matches!(receipt, Receipt::Settled(..)));
        }
    })
    .await;
    store.close().await;
    round
}

/// The same with a wallet in the same file, in a transaction of its own.
async fn intent_first_durable(
    file: &Path,
    offers: &Offers,
    callers: usize,
    span: Duration,
) -> Round {
    let store = open(file).await;
    let wallet = store.clone();
    let receiver = Receiver::new(store.clone()).with_handler(move |decision: &Decision| {
        let credit = [
            decision.id().to_string(),
            decision.player().to_string(),
            decision.balance_change().to_string(),
        ];
        let wallet = wallet.clone();
        async move {
            let insert = "INSERT OR IGNORE INTO credits VALUES (?1, ?2, ?3)";
            let paid = wallet.write(move |game| game.prepare_cached(insert)?.execute(credit));
            paid.await
                .map_err(|error| HandlerError::Failed(error.into()))?;
            Ok::<(), HandlerError>(())
        }
    });
    let round = call(offers.events(most(span)), callers, span, move |event| {
        let receiver = receiver.clone();
        async move {
            let receipt = receiver.receive(event).await.unwrap();
            assert!(matches!(receipt, Receipt::Settled(..)));
        }
    })
    .await;
    store.close().await;
    round
}

/// A place for each case, so that none finds what another has left.
struct Place {
    directory: tempfile::TempDir,
    /// A file with a history, if it is to be used.
    history: Option<PathBuf>,
}

impl Place {
    fn new(history: Option<PathBuf>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory, history }
    }

    fn file(&self) -> PathBuf {
        let file = self.directory.path().join("game.db");
        self.history.clone().unwrap_or(file)
    }
}

async fn measure(history: Option<PathBuf>) {
    let span = words::span();
    let run = 1000 + u64::from(std::process::id());
    let offers = Offers::new(run);
    let mut figures = Figures::default();
    let only = std::env::var("POSTBACK_ONLY").ok();
    let wanted = |name: &str| only.as_ref().is_none_or(|only| name.contains(only));
    for round in 1..=words::rounds() {
        eprintln!("round {round}");
        for callers in [1, 8, 64, 256] {
            let name = format!("store, {callers} callers");
            if wanted(&name) {
                let place = Place::new(history.clone());
                let round = first_deliveries(&place.file(), &offers, callers, span).await;
                figures.add(&name, round);
            }
            let name = format!("(a) bare, {callers} in a group");
            if wanted(&name) {
                let place = Place::new(history.clone());
                open(&place.file()).await.close().await;
                let round = bare_rounds(&place.file(), &offers, callers, span);
                figures.add(&name, round);
            }
        }
        for (name, case) in [
            ("duplicates, 64 callers", 0),
            ("(c) intent first, 64 callers", 1),
            ("(c) with the wallet in the file, 64 callers", 2),
        ] {
            if !wanted(name) {
                continue;
            }
            let place = Place::new(history.clone());
            let file = place.file();
            let round = match case {
                0 => duplicates(&file, &offers, 64, span).await,
                1 => intent_first(&file, &offers, 64, span).await,
                _ => intent_first_durable(&file, &offers, 64, span).await,
            };
            figures.add(name, round);
        }
    }
    figures.print();
    if only.is_none() {
        println!();
        for callers in [1, 8, 64, 256] {
            figures.ratio(
                &format!("store, {callers} callers"),
                &format!("(a) bare, {callers} in a group"),
            );
        }
        // One transaction a request is the bare loop with groups of one.
        figures.ratio("store, 64 callers", "(a) bare, 1 in a group");
        for name in [
            "duplicates, 64 callers",
            "(c) intent first, 64 callers",
            "(c) with the wallet in the file, 64 callers",
        ] {
            figures.ratio(name, "store, 64 callers");
        }
    }
}

/// Fills a file with settled offers, as the store would have.
async fn fill(file: &Path, count: u64) {
    open(file).await.close().await;
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
    let offers = Offers::new(1);
    let started = Instant::now();
    db.execute_batch("BEGIN").unwrap();
    for number in 1..=count {
        insert(&db, &kept(offers.event())).unwrap();
        if number % 500_000 == 0 {
            println!("{number} after {:.0} s", started.elapsed().as_secs_f64());
        }
    }
    db.execute_batch("COMMIT").unwrap();
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let words = words::given();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [] => runtime.block_on(measure(None)),
        ["fill", file, count] => runtime.block_on(fill(Path::new(file), count.parse().unwrap())),
        ["history", file] => runtime.block_on(measure(Some(file.into()))),
        _ => eprintln!("unknown words: {words:?}"),
    }
}
