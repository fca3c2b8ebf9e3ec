//! How fast the SQLite store is, each time beside the bare statements that do the same work.
//!
//! ```sh
//! cargo bench --bench sqlite --features sqlite,testing                          # from an empty file
//! cargo bench --bench sqlite --features sqlite,testing -- fill FILE 10000000    # minutes, some 12 GB
//! cargo bench --bench sqlite --features sqlite,testing -- history FILE
//! ```
//!
//! `POSTBACK_ORDER=random`, of the first two: transactions that come in no order. A history goes on as it was filled.
//!
//! Figures and what they mean: docs/performance-stores.md.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement fails by panicking"
)]

mod filled;
mod measured;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use filled::{History, Place, fill};
use measured::callers::{Round, call, grouped};
use measured::figures::Figures;
use measured::io;
use measured::offers::{Kept, Offers, this_run};
use measured::words;
use postback::decision::Decision;
use postback::event::Event;
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

/// Adds what was written meanwhile.
async fn noted(work: impl Future<Output = Round>) -> Round {
    let before = io::written();
    work.await.having_written(io::written() - before)
}

fn bare_rounds(file: &Path, offers: &Offers, group: usize, span: Duration) -> Round {
    let db = bare(file);
    let count = most(span) / if group == 1 { 10 } else { 1 };
    let jobs: Vec<Kept> = (0..count).map(|_| offers.kept()).collect();
    let before = io::written();
    let round = grouped(&jobs, group, span, |group| {
        db.prepare_cached("BEGIN IMMEDIATE")
            .unwrap()
            .execute([])
            .unwrap();
        for kept in group {
            insert(&db, kept).unwrap();
        }
        db.prepare_cached("COMMIT").unwrap().execute([]).unwrap();
    });
    round.having_written(io::written() - before)
}

async fn first_deliveries(file: &Path, offers: &Offers, callers: usize, span: Duration) -> Round {
    let store = open(file).await;
    let receiver = receiver(&store);
    let settling = call(offers.events(most(span)), callers, span, move |event| {
        let receiver = receiver.clone();
        async move {
            let receipt = receiver.receive(event).await.unwrap();
            assert!(matches!(receipt, Receipt::Settled(..)));
        }
    });
    let round = noted(settling).await;
    store.close().await;
    round
}

/// Of the latest offers, as networks repeat what was not answered.
async fn duplicates(file: &Path, offers: &Offers, callers: usize, span: Duration) -> Round {
    let store = open(file).await;
    let deliver = receiver(&store);
    let known = offers.events(20_000);
    let hour = Duration::from_secs(3600);
    call(known.clone(), 256, hour, move |event| {
        let receiver = deliver.clone();
        async move {
            receiver.receive(event).await.unwrap();
        }
    })
    .await;
    let again = known.iter().cycle().take(most(span)).cloned().collect();
    let round = repeat(&store, again, callers, span).await;
    store.close().await;
    round
}

async fn repeat(store: &SqliteStore, known: Vec<Event>, callers: usize, span: Duration) -> Round {
    let receiver = receiver(store);
    let repeating = call(known, callers, span, move |event| {
        let receiver = receiver.clone();
        async move {
            let receipt = receiver.receive(event).await.unwrap();
            assert_eq!(receipt, Receipt::Duplicate);
        }
    });
    noted(repeating).await
}

/// Of offers of any age: those that the file was filled with.
async fn old_duplicates(history: &History, callers: usize, span: Duration) -> Round {
    let store = open(&history.file).await;
    let filled = Offers::new(history.order, history.run);
    let known = filled.of_any_age(most(span), history.made);
    let round = repeat(&store, known, callers, span).await;
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
    let settling = call(offers.events(most(span)), callers, span, move |event| {
        let receiver = receiver.clone();
        async move {
            let receipt = receiver.receive(event).await.unwrap();
            assert!(matches!(receipt, Receipt::Settled(..)));
        }
    });
    let round = noted(settling).await;
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
    let settling = call(offers.events(most(span)), callers, span, move |event| {
        let receiver = receiver.clone();
        async move {
            let receipt = receiver.receive(event).await.unwrap();
            assert!(matches!(receipt, Receipt::Settled(..)));
        }
    });
    let round = noted(settling).await;
    store.close().await;
    round
}

async fn measure(history: Option<PathBuf>) {
    let span = words::span();
    let history = history.map(History::of);
    let order = history
        .as_ref()
        .map_or_else(words::order, |history| history.order);
    let offers = Offers::new(order, this_run());
    let mut figures = Figures::default();
    let only = std::env::var("POSTBACK_ONLY").ok();
    let wanted = |name: &str| only.as_ref().is_none_or(|only| name.contains(only));
    for round in 1..=words::rounds() {
        eprintln!("round {round}");
        for callers in [1, 8, 64, 256] {
            let name = format!("store, {callers} callers");
            if wanted(&name) {
                let place = Place::new(history.as_ref());
                let mut round = first_deliveries(&place.file, &offers, callers, span).await;
                round.rows = Some(place.rows());
                figures.add(&name, round);
            }
            let name = format!("(a) bare, {callers} in a group");
            if wanted(&name) {
                let place = Place::new(history.as_ref());
                open(&place.file).await.close().await;
                let mut round = bare_rounds(&place.file, &offers, callers, span);
                round.rows = Some(place.rows());
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
            let place = Place::new(history.as_ref());
            let mut round = match case {
                0 => duplicates(&place.file, &offers, 64, span).await,
                1 => intent_first(&place.file, &offers, 64, span).await,
                _ => intent_first_durable(&place.file, &offers, 64, span).await,
            };
            round.rows = Some(place.rows());
            figures.add(name, round);
        }
        let name = "duplicates of any age, 64 callers";
        if let Some(history) = history.as_ref().filter(|_| wanted(name)) {
            figures.add(name, old_duplicates(history, 64, span).await);
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
