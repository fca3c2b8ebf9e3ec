//! How many callbacks a second the store settles, next to the bare statements that write the same rows.
//!
//! ```sh
//! cargo bench -p postback-sqlite                  # from an empty file
//! cargo bench -p postback-sqlite -- 10000000      # with that many conversions stored before (about 10 GB)
//! ```
//!
//! The file is created in `$TMPDIR`; on a disk without a real sync the figures say little.
//!
//! - *store*: N callers, each with one callback at a time, the wallet in the transaction.
//! - *grouped*: one thread that inserts finished rows of the same size into the same tables, N in a transaction. No
//!   queue, no lookup, no savepoint, no decision, no reply.
//! - *single*: the same with one transaction for each row.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a measurement fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use postback::store::json;
use postback::{DedupStore, Effect, Event, EventKind, InTransaction, Receipt, Receiver, Verified};
use postback_sqlite::SqliteStore;
use postback_sqlite::rusqlite::{Connection, params};

const SPAN: Duration = Duration::from_secs(1);
const ROUNDS: usize = 5;
const WALLET: &str = "CREATE TABLE IF NOT EXISTS credits \
    (id TEXT PRIMARY KEY, player TEXT NOT NULL, amount TEXT NOT NULL) STRICT";
const CREDIT: &str = "INSERT INTO credits VALUES (?1, ?2, ?3)";

type Wallet = Receiver<SqliteStore, InTransaction<SqliteStore>>;

/// Numbers every conversion of the whole run.
static NEXT: AtomicU64 = AtomicU64::new(1);

fn event(number: u64) -> Event {
    let kind = EventKind::Conversion {
        // Networks number their transactions.
        transaction: format!("o{number:012}").parse().unwrap(),
        original: None,
        effect: Effect::Completed { amount: 500.into(), milestone: None, reinstates: false },
    };
    let id = player(number).parse().unwrap();
    let names = ("bitlabs".parse().unwrap(), "my-game".parse().unwrap());
    let mut event = Event::new(names.0, names.1, id, kind);
    event.endpoint = "offers".into();
    event.query = format!(
        "player={}&tx=o{number:012}&gems=500&state=COMPLETED&ref=&usd=1.25&offer=4711&task=17&country=DE",
        player(number)
    );
    event
}

fn player(number: u64) -> String {
    format!("player-{:06}", number.wrapping_mul(2_654_435_761) % 999_983)
}

fn wallet(store: &SqliteStore) -> Wallet {
    store
        .receiver(|tx, decision| {
            tx.prepare_cached(CREDIT)?.execute((
                decision.id().as_str(),
                decision.player().as_str(),
                decision.balance_change().to_string(),
            ))?;
            Ok(())
        })
        .without_recovery()
}

/// Callbacks a second, and the waits in ascending order.
async fn settle(receiver: &Wallet, callers: usize) -> (f64, Vec<Duration>) {
    let start = Instant::now();
    let calls: Vec<_> = (0..callers)
        .map(|_| {
            let receiver = receiver.clone();
            tokio::spawn(async move {
                let mut waits = Vec::new();
                while start.elapsed() < SPAN {
                    let callback = event(NEXT.fetch_add(1, Ordering::Relaxed));
                    let call = Instant::now();
                    let receipt = receiver.receive(Verified::assume_genuine(callback)).await;
                    assert!(matches!(receipt, Ok(Receipt::Settled(_))), "{receipt:?}");
                    waits.push(call.elapsed());
                }
                waits
            })
        })
        .collect();
    let mut waits = Vec::new();
    for call in calls {
        waits.extend(call.await.unwrap());
    }
    waits.sort_unstable();
    (rate(waits.len(), start), waits)
}

#[allow(clippy::cast_precision_loss, reason = "a figure for people")]
fn rate(count: usize, start: Instant) -> f64 {
    count as f64 / start.elapsed().as_secs_f64()
}

/// Finished rows with the content of a settled conversion.
struct Rows {
    json: String,
    decision: String,
}

impl Rows {
    /// Takes the content from a conversion that the store settled.
    async fn of(receiver: &Wallet) -> Self {
        let sample = event(NEXT.fetch_add(1, Ordering::Relaxed));
        let key = sample.key();
        let receipt = receiver.receive(Verified::assume_genuine(sample)).await.unwrap();
        let Receipt::Settled(decision) = receipt else { unreachable!("a new conversion is settled") };
        let stored = receiver.store().load(&key).await.unwrap().unwrap();
        Self { json: json::write(&stored.record).unwrap(), decision: decision.id().to_string() }
    }

    fn insert(&self, db: &Connection, number: u64) {
        let (key, player) = (format!("bitlabs/my-game/conversion/o{number:012}"), player(number));
        let record = "INSERT INTO postback_records (key, version, pending, player, changed, record) \
                      VALUES (?1, 1, 0, ?2, 1760000000000, ?3) ON CONFLICT (key) DO NOTHING";
        let mut record = db.prepare_cached(record).unwrap();
        record.execute(params![key, player, self.json]).unwrap();
        let id = format!("{key}{}", self.decision.rsplit_once('#').map_or("", |(_, end)| end));
        let mut credit = db.prepare_cached(CREDIT).unwrap();
        credit.execute(params![id, player, "500"]).unwrap();
    }
}

/// A connection with the store's settings.
fn connect(file: &Path) -> Connection {
    let db = Connection::open(file).unwrap();
    db.pragma_update(None, "synchronous", "FULL").unwrap();
    db.pragma_update(None, "fullfsync", true).unwrap();
    db.pragma_update(None, "wal_autocheckpoint", 10_000).unwrap();
    db.pragma_update(None, "cache_size", -64 * 1024).unwrap();
    db.busy_timeout(Duration::from_secs(5)).unwrap();
    db
}

/// Rows a second, this many in a transaction.
fn insert(db: &Connection, rows: &Rows, group: usize) -> f64 {
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < SPAN {
        db.prepare_cached("BEGIN IMMEDIATE").unwrap().execute([]).unwrap();
        for _ in 0..group {
            rows.insert(db, NEXT.fetch_add(1, Ordering::Relaxed));
        }
        db.prepare_cached("COMMIT").unwrap().execute([]).unwrap();
        count += group;
    }
    rate(count, start)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn quantile(waits: &[Duration], permille: usize) -> f64 {
    let at = waits.len().saturating_sub(1) * permille / 1000;
    waits[at].as_secs_f64() * 1000.0
}

fn main() {
    let stored = std::env::args().find_map(|argument| argument.parse::<u64>().ok());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure(stored.unwrap_or(0)));
}

async fn measure(stored: u64) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("game.db");
    let store = SqliteStore::open(&file).unwrap();
    let db = connect(&file);
    db.execute_batch(WALLET).unwrap();
    let receiver = wallet(&store);
    let rows = Arc::new(Rows::of(&receiver).await);

    let mut left = stored;
    while left > 0 {
        let part = left.min(10_000);
        db.execute_batch("BEGIN IMMEDIATE").unwrap();
        for _ in 0..part {
            rows.insert(&db, NEXT.fetch_add(1, Ordering::Relaxed));
        }
        db.execute_batch("COMMIT").unwrap();
        left -= part;
    }
    println!("{stored} conversions stored before; median of {ROUNDS} rounds of {SPAN:?}\n");
    println!("| callers | store/s | grouped/s | single/s | store : grouped | store : single | p50 ms | p99 ms |");
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|");
    for callers in [1, 8, 64, 256] {
        let (mut settled, mut grouped, mut single) = (Vec::new(), Vec::new(), Vec::new());
        let mut waits = Vec::new();
        for _ in 0..ROUNDS {
            let (rate, waited) = settle(&receiver, callers).await;
            settled.push(rate);
            waits.extend(waited);
            grouped.push(insert(&db, &rows, callers));
            single.push(insert(&db, &rows, 1));
        }
        waits.sort_unstable();
        let (settled, grouped, single) = (median(settled), median(grouped), median(single));
        println!(
            "| {callers} | {settled:.0} | {grouped:.0} | {single:.0} | {:.2} | {:.1} | {:.2} | {:.2} |",
            settled / grouped,
            settled / single,
            quantile(&waits, 500),
            quantile(&waits, 990),
        );
    }
    store.close().await;
}
