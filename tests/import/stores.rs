//! An import keeps its promises on every store.

use postback::import::{Outcome, PastCallback, Summary};
use postback::steps::Receipt;
use postback::store::{DedupStore, MemoryStore};

use crate::game::{Game, paid, paid_unknown, shown, taken_back};
use crate::ledger::{completed, decimal, reconciled};

const ROWS: usize = 600;

fn rows() -> impl Iterator<Item = Result<PastCallback, std::io::Error>> {
    (0..ROWS).flat_map(|number| {
        let transaction = format!("o{number}");
        let row = match number % 4 {
            0 => vec![paid(&transaction, "500")],
            // Both of one conversion, in one group.
            1 => vec![taken_back(&transaction, "200"), paid(&transaction, "500")],
            2 => vec![shown(&transaction, "500")],
            _ => vec![paid_unknown(&transaction)],
        };
        row.into_iter().map(Ok)
    })
}

async fn import<S: DedupStore>(game: &Game<S>) -> Summary {
    let mut told = 0;
    let each = |row, _| {
        told += 1;
        assert_eq!(row, told, "in order");
    };
    let importer = game.importer().together(100);
    let summary = importer.import_all(rows(), each).await.unwrap();
    assert_eq!(summary.rows(), told);
    summary
}

/// What every store must keep of an import.
async fn keeps_its_promises<S: DedupStore>(store: S) {
    let game = Game::on(store);
    game.receive(&completed("o0", "500")).await;

    let first = import(&game).await;
    assert_eq!((first.imported, first.imported_closed), (599, 150));
    assert_eq!((first.already_received, first.rows()), (1, 750));
    let again = import(&game).await;
    assert_eq!((again.already_imported, again.already_received), (749, 1));
    assert_eq!(game.store.unsettled(None, 10).await.unwrap(), []);

    let before = game.balance();
    for (transaction, receipt) in [
        ("o0", Receipt::Duplicate),
        ("o1", Receipt::Duplicate),
        ("o4", Receipt::Duplicate),
        ("o3", Receipt::Closed),
    ] {
        let event = completed(transaction, "500");
        assert_eq!(game.receive(&event).await, receipt, "{transaction}");
    }
    assert_eq!(game.balance(), before, "nothing is paid again");
    game.receive(&completed("o2", "500")).await;
    assert_eq!(game.balance() - before, decimal("500"), "was pending");
    game.receive(&reconciled("o4", "900")).await;
    assert_eq!(game.balance(), before, "what was paid is taken back");
    let record = game.record("o4").await.unwrap();
    assert!(record.entries()[0].is_imported());
    assert!(!record.entries()[1].is_imported());

    // Two imports at once, beside the receiver.
    let rows = |from: usize| {
        (from..from + 50).map(|number| Ok::<_, std::io::Error>(paid(&format!("t{number}"), "7")))
    };
    let (one, other) = (game.importer(), game.importer());
    let (one, other, ()) = tokio::join!(
        one.import_all(rows(0), |_, _| ()),
        other.import_all(rows(25), |_, _| ()),
        async {
            for number in (0..75).rev() {
                game.receive(&completed(&format!("t{number}"), "7")).await;
            }
        }
    );
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.contradicting + other.contradicting, 0);
    let mut paid_here = 0;
    for number in 0..75 {
        let record = game.record(&format!("t{number}")).await.unwrap();
        assert_eq!(record.settled(), decimal("7"));
        paid_here += usize::from(!record.entries()[0].is_imported());
    }
    let paid = game.balance() - before;
    assert_eq!(paid, decimal("7") * rust_decimal::Decimal::from(paid_here));
}

#[tokio::test]
async fn memory_store() {
    keeps_its_promises(MemoryStore::new()).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_store() {
    use postback::store::sqlite::SqliteStore;

    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("game.db")).unwrap();
    keeps_its_promises(store).await;
}

/// Wallet and record in one transaction: what was imported beside is known there.
#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_receiver() {
    use std::sync::{Arc, Mutex};

    use postback::decision::Decision;
    use postback::handler::HandlerError;
    use postback::receiver::Receive;
    use postback::store::sqlite::{InTransaction, SqliteStore};

    let directory = tempfile::tempdir().unwrap();
    let game = Game::on(SqliteStore::open(directory.path().join("game.db")).unwrap());
    assert_eq!(game.import(paid("o1", "500")).await, Outcome::Imported);
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let told = Arc::clone(&seen);
    let receiver = game
        .store
        .receiver(move |_: &InTransaction<'_>, decision: &Decision| {
            told.lock()
                .unwrap()
                .push(decision.balance_change().to_string());
            Ok::<(), HandlerError>(())
        });
    for event in [completed("o1", "500"), reconciled("o1", "800")] {
        receiver.receive(event).await.unwrap();
    }
    assert_eq!(*seen.lock().unwrap(), ["-500"]);
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_store() {
    use postback::store::postgres::PostgresStore;

    let Some(server) = crate::postgres_server::shared() else {
        return;
    };
    let url = server.database().await;
    let store = PostgresStore::new(crate::postgres_server::pool(&url, 8));
    store.migrate().await.unwrap();
    keeps_its_promises(store).await;
}

#[cfg(feature = "redis")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_store() {
    use postback::store::redis::RedisOptions;

    let Some(server) = crate::redis_server::start() else {
        return;
    };
    let store = RedisOptions::new().connect(&*server.url()).await.unwrap();
    keeps_its_promises(store).await;
}
