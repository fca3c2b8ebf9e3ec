//! Two processes on one file, killed again and again: see [`postback_test_servers::storm`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use postback::{Decision, HandlerError, Receiver, Timing};
use postback_sqlite::SqliteStore;
use postback_sqlite::rusqlite::{Connection, TransactionBehavior};
use postback_test_servers::storm;

use crate::fixture::{Game, recover};

const LEASE: Duration = Duration::from_millis(400);
const TABLES: &str = "
    CREATE TABLE credits (id TEXT, conversion TEXT, amount INTEGER);
    CREATE TABLE elsewhere (id TEXT PRIMARY KEY, conversion TEXT, amount INTEGER);";

/// The conversion's transaction, from the end of its key.
fn name(decision: &Decision) -> &str {
    decision.conversion().as_str().rsplit('/').next().unwrap()
}

/// Whether the wallet of a conversion is not in the transaction.
fn is_elsewhere(name: &str) -> bool {
    name.starts_with("10-") || name.starts_with("11-")
}

/// Pays inside the transaction, except for conversions whose wallet is elsewhere.
fn pay(db: &Connection, decision: &Decision) -> Result<(), HandlerError> {
    let name = name(decision);
    let insert = if is_elsewhere(name) {
        // Its handler may be called again with the same id.
        "INSERT OR IGNORE INTO elsewhere VALUES (?1, ?2, ?3)"
    } else {
        "INSERT INTO credits VALUES (?1, ?2, ?3)"
    };
    db.execute(insert, (decision.id().as_str(), name, decision.balance_change().to_string()))?;
    Ok(())
}

/// Not a test by itself: the process that the storm starts and kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storm_process() {
    let Some(file) = storm::location() else { return };
    let store = SqliteStore::open(&file).unwrap();
    let within = store.receiver(|tx, decision| pay(tx, decision));
    let wallet = Connection::open(&file).unwrap();
    wallet.busy_timeout(Duration::from_mins(1)).unwrap();
    let wallet = Arc::new(Mutex::new(wallet));
    let elsewhere = Receiver::new(store, move |decision: Decision| {
        let wallet = Arc::clone(&wallet);
        async move {
            let paid = tokio::task::spawn_blocking(move || {
                let mut wallet = wallet.lock().unwrap();
                let transaction = wallet.transaction_with_behavior(TransactionBehavior::Immediate)?;
                pay(&transaction, &decision)?;
                Ok(transaction.commit()?)
            });
            paid.await?
        }
    })
    .timing(Timing::default().lease(LEASE).max_lease(LEASE))
    // The other receiver's recovery delivers these, too.
    .without_recovery();
    storm::serve(move |number, callback| {
        let (within, elsewhere) = (within.clone(), elsewhere.clone());
        async move {
            let is_elsewhere = is_elsewhere(callback.key().as_str().rsplit('/').next().unwrap());
            // Some are stored now and paid later.
            let received = match (is_elsewhere, number % 10 == 3) {
                (false, false) => within.receive(callback).await,
                (false, true) => within.accept(callback).await,
                (true, false) => elsewhere.receive(callback).await,
                (true, true) => elsewhere.accept(callback).await,
            };
            received.is_ok()
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_loses_nothing_and_pays_nothing_twice() {
    let game = Game::without_file();
    game.connect().execute_batch(TABLES).unwrap();
    let conversions = storm::run("storm::storm_process", game.file().to_str().unwrap(), None).await;

    // Whatever was accepted, or cut off while it was paid, is paid now. A lease must expire first.
    tokio::time::sleep(LEASE).await;
    let store = game.open();
    let within = store.receiver(|tx, decision| pay(tx, decision)).without_recovery();
    let summary = recover(&within).await;
    assert_eq!(summary.pending(), 0, "{summary:?}");
    store.close().await;
    assert_eq!(game.files(), ["game.db"]);

    let db = game.connect();
    let number = |select: &str| -> i64 { db.query_row(select, [], |row| row.get(0)).unwrap() };
    assert_eq!(number("SELECT count(*) - count(DISTINCT id) FROM credits"), 0, "paid twice");
    assert_eq!(number("SELECT count(*) FROM postback_records WHERE pending = 1"), 0);
    let sums = "SELECT conversion, sum(amount) FROM \
                (SELECT conversion, amount FROM credits UNION ALL SELECT conversion, amount FROM elsewhere) \
                GROUP BY conversion";
    let mut statement = db.prepare(sums).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let paid: HashMap<String, i64> = rows.map(Result::unwrap).collect();
    for conversion in &conversions {
        assert_eq!(paid.get(&conversion.name).copied().unwrap_or(0), conversion.owed, "{conversion:?}");
    }
}
