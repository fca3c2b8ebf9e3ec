//! Closing, backups, and what a restored backup means.

use std::path::Path;
use std::time::Duration;

use postback::store::erase_player;
use postback::{DedupStore, Receipt, ReceiveError, StoreError, Verified};
use postback_sqlite::SqliteStore;
use postback_sqlite::rusqlite::backup::Backup;
use postback_sqlite::rusqlite::{Connection, OpenFlags};
use postback_test_servers::events::completed_by;

use crate::fixture::{Game, Holder, completed, eventually, is_settled, paying, start, stored};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_leaves_a_single_file() {
    let game = Game::new();
    for round in 0..50 {
        let store = game.open();
        let receiver = paying(&store);
        let (first, second) = (format!("o{round}"), format!("p{round}"));
        let (received, loaded, listed) = tokio::join!(
            receiver.receive(completed(&first, 1)),
            stored(&store, "absent"),
            store.list_pending(None, 10),
        );
        assert!(is_settled(&received) && loaded.is_none() && listed.unwrap().is_empty());
        if round % 2 == 0 {
            store.close().await;
        } else {
            // Without closing, the last clone does it.
            tokio::select! {
                biased;
                _ = receiver.receive(completed(&second, 1)) => {}
                // The caller goes away after it has queued its work.
                () = std::future::ready(()) => {}
            }
            drop((receiver, store));
            eventually("the files are gone", async || game.files() == ["game.db"]).await;
        }
        assert_eq!(game.files(), ["game.db"], "round {round}");
    }
    assert_eq!(game.wallet(), (75, 75), "what was queued was done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closed_store_finishes_what_is_queued_and_refuses_more() {
    let (game, store, receiver) = Game::start();
    let holder = Holder::new(&store, "holder").await;
    let mut queued = Vec::new();
    for number in 0..10 {
        queued.push(start(receiver.receive(completed(&format!("o{number}"), 1))).await);
    }
    let (one, other) = (store.clone(), store.clone());
    let closing = [start(async move { one.close().await }).await, start(async move { other.close().await }).await];
    let late = receiver.receive(completed("late", 1)).await;
    assert!(matches!(late, Err(ReceiveError::Store(StoreError::Closed))), "{late:?}");
    let late = store.list_pending(None, 1).await;
    assert!(matches!(late, Err(StoreError::Closed)), "{late:?}");
    assert!(is_settled(&holder.release().await));
    for one in queued {
        assert!(is_settled(&one.await));
    }
    for one in closing {
        one.await;
    }
    assert_eq!(game.files(), ["game.db"]);
    assert_eq!(game.wallet(), (11, 11));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_is_moved_into_the_file_although_others_use_it() {
    let game = Game::new();
    let store = game.open();
    paying(&store).receive(completed("o1", 5)).await.unwrap();
    let other = game.connect();
    let count = "SELECT count(*) FROM credits";
    let _: i64 = other.query_row(count, [], |row| row.get(0)).unwrap();
    store.close().await;
    let log = std::fs::metadata(game.directory().join("game.db-wal")).unwrap();
    assert_eq!(log.len(), 0);
}

fn vacuum_into(from: &Path, to: &Path) {
    let db = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    db.busy_timeout(Duration::from_mins(1)).unwrap();
    db.execute("VACUUM INTO ?1", [to.to_str().unwrap()]).unwrap();
}

fn copy_online(from: &Path, to: &Path) {
    let from = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut to = Connection::open(to).unwrap();
    let backup = Backup::new(&from, &mut to).unwrap();
    backup.run_to_completion(100, Duration::from_millis(1), None).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restored_backup_is_consistent_and_goes_on() {
    for copy in [vacuum_into, copy_online] {
        let (game, store, receiver) = Game::start();
        for number in 0..50 {
            let event = completed(&format!("before-{number}"), 1);
            receiver.receive(event).await.unwrap();
        }
        // Callbacks keep coming while the backup is made.
        let busy = tokio::spawn(async move {
            for number in 0..200 {
                let event = completed(&format!("during-{number}"), 1);
                receiver.receive(event).await.unwrap();
            }
        });
        let (from, to) = (game.file(), game.directory().join("backup.db"));
        let backup = to.clone();
        tokio::task::spawn_blocking(move || copy(&from, &backup)).await.unwrap();
        busy.await.unwrap();
        store.close().await;
        assert_eq!(game.wallet(), (250, 250));

        std::fs::rename(&to, game.file()).unwrap();
        let check: String = game.connect().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
        let (sum, rows) = game.wallet();
        let records = "SELECT count(*) FROM postback_records WHERE pending = 0";
        let records: i64 = game.connect().query_row(records, [], |row| row.get(0)).unwrap();
        assert_eq!((sum, rows), (records, records), "wallet and records agree");
        assert!(rows >= 50);

        let store = SqliteStore::builder().open_existing(game.file()).unwrap();
        let receiver = paying(&store);
        let known = receiver.receive(completed("before-0", 1)).await.unwrap();
        assert_eq!(known, Receipt::Duplicate);
        for number in 0..200 {
            let event = completed(&format!("during-{number}"), 1);
            receiver.receive(event).await.unwrap();
        }
        assert_eq!(game.wallet(), (250, 250), "what came after the backup is paid again");
        store.close().await;
    }
}

#[tokio::test]
async fn erased_player_is_not_in_the_file() {
    let game = Game::new();
    let store = game.open();
    let receiver = store.receiver(|_, _| Ok(())).without_recovery();
    for number in 0..20 {
        let mut event = completed_by("jane-doe", &format!("o{number}"), 1).into_inner();
        // Some do not fit into a page.
        event.query = format!("{}&player=jane-doe&ip=203.0.113.9", "x".repeat(number * 1000));
        receiver.receive(Verified::assume_genuine(event)).await.unwrap();
    }
    erase_player(&store, &"jane-doe".parse().unwrap()).await.unwrap();
    drop(receiver);
    store.close().await;
    assert_eq!(game.files(), ["game.db"]);
    let file = std::fs::read(game.file()).unwrap();
    for text in ["jane-doe", "203.0.113.9"] {
        let found = file.windows(text.len()).filter(|bytes| *bytes == text.as_bytes()).count();
        assert_eq!(found, 0, "{text}");
    }
}
