//! The view for people, and a long history.

use std::collections::BTreeSet;

use postback::store::{Retention, erase_player, prune};
use postback::{DedupStore, Effect, HandlerError, PlayerId, Timestamp};
use postback_sqlite::rusqlite::Connection;
use postback_test_servers::events::{PLAYER, banned, completed, conversion, kept, key, pending, reversed};

use crate::fixture::{Game, credit};

#[tokio::test]
async fn history_shows_every_callback() {
    let (game, store, receiver) = Game::start();
    let revoked = conversion(PLAYER, "x1", Some("o1"), Effect::Revoked);
    for callback in [pending("o1"), completed("o1", 500), reversed("o1", 200), revoked, banned()] {
        receiver.receive(callback).await.unwrap();
    }
    let refusing = store
        .receiver(|tx, decision| {
            credit(tx, decision)?;
            Err(HandlerError::declined("no such player"))
        })
        .without_recovery();
    refusing.receive(completed("o2", 7)).await.unwrap();
    refusing.receive(reversed("o2", 7)).await.unwrap();
    receiver.accept(completed("o3", 9)).await.unwrap();

    let select = "SELECT conversion, number, event, action, amount, state, player, received, delivered \
                  FROM postback_history ORDER BY conversion, number";
    let db = game.connect();
    let mut statement = db.prepare(select).unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut lines = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let text = |at: usize| row.get::<_, String>(at).unwrap();
        let number: i64 = row.get(1).unwrap();
        let action: Option<String> = row.get(3).unwrap();
        let key = text(0).replace("bitlabs/game/", "");
        lines.push(format!("{key} {number} {} {} {} {}", text(2), action.as_deref().unwrap_or("-"), text(4), text(5)));
        assert_eq!(text(6), "player-7");
        assert!(text(7).starts_with("20"), "{}", text(7));
        let delivered: Option<String> = row.get(8).unwrap();
        assert_eq!(delivered.is_some(), text(5) == "delivered");
    }
    assert_eq!(
        lines,
        [
            "conversion/o1 1 pending pending 0 delivered",
            "conversion/o1 2 completed reward 500 delivered",
            "conversion/o1 3 adjusted reversal -200 delivered",
            "conversion/o1 4 revoked reversal -300 delivered",
            "conversion/o2 1 completed reward 7 declined",
            "conversion/o2 2 adjusted - 0 closed",
            "conversion/o3 1 completed reward 9 pending",
            "player/player-7 1 ban ban 0 delivered",
        ]
    );
}

#[tokio::test]
async fn history_skips_unreadable_records() {
    let (game, _store, receiver) = Game::start();
    for transaction in ["o1", "o2"] {
        receiver.receive(completed(transaction, 1)).await.unwrap();
    }
    let db = game.connect();
    db.execute("UPDATE postback_records SET record = 'x' WHERE id = 1", []).unwrap();
    let rows: i64 = db.query_row("SELECT count(*) FROM postback_history", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1);
}

/// Settled conversions with consecutive numbers, of players in no order.
fn insert(db: &Connection, from: u32, until: u32) {
    db.execute(
        "INSERT INTO postback_records (key, version, pending, player, changed, record) \
         WITH RECURSIVE n (n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM n WHERE n + 1 < ?2) \
         SELECT printf('bitlabs/game/conversion/o%010d', n), 1, 0, \
         printf('player-%06d', (n * 2654435761) % 999983), 1760000000000, '{}' FROM n",
        [from, until],
    )
    .unwrap();
}

/// How many bytes of log these conversions take, 64 in a transaction.
fn logged(game: &Game, from: u32, until: u32) -> u64 {
    let db = game.connect();
    db.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    for number in (from..until).step_by(64) {
        insert(&db, number, number + 64);
    }
    std::fs::metadata(game.directory().join("game.db-wal")).unwrap().len()
}

#[tokio::test]
async fn long_history_does_not_make_conversions_dearer() {
    let game = Game::without_file();
    game.open().close().await;
    let first = logged(&game, 0, 4096);
    insert(&game.connect(), 4096, 102_400);
    let later = logged(&game, 102_400, 106_496);
    assert!(later < first * 6 / 5, "{later} after {first} bytes");
}

#[tokio::test]
async fn player_is_found_in_a_history_with_gaps() {
    let (game, store, receiver) = Game::start();
    let mut expected = BTreeSet::new();
    for number in [7, 3, 9, 1, 8, 2, 6, 4, 5] {
        let event = completed(&format!("o{number}"), 1);
        expected.insert(event.key());
        receiver.receive(event).await.unwrap();
    }
    let db = game.connect();
    // As if thousands had come before each, and most of them had been removed since.
    db.execute("UPDATE postback_records SET id = id * 7000 - 20000", []).unwrap();
    insert(&db, 0, 100);

    let player: PlayerId = "player-7".parse().unwrap();
    let mut found = Vec::new();
    loop {
        let page = store.list_by_player(&player, found.last(), 4).await.unwrap();
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
    let nobody: PlayerId = "player-8".parse().unwrap();
    assert_eq!(store.list_by_player(&nobody, None, 4).await.unwrap(), []);
}

#[tokio::test]
async fn row_with_a_broken_key_hides_no_others() {
    let (game, store, receiver) = Game::start();
    for transaction in ["o1", "o2", "o3"] {
        receiver.accept(completed(transaction, 1)).await.unwrap();
    }
    let broken = "UPDATE postback_records SET key = 'bitlabs/game/broken' WHERE id = 2";
    game.connect().execute(broken, []).unwrap();
    let listed = store.list_pending(None, 2).await.unwrap();
    assert_eq!(listed, [key("o1"), key("o3")]);
}

#[tokio::test]
async fn unreadable_record_does_not_stop_erasing_and_pruning() {
    let (game, store, receiver) = Game::start();
    for transaction in ["o1", "o2", "o3"] {
        receiver.receive(completed(transaction, 5)).await.unwrap();
    }
    game.connect().execute("UPDATE postback_records SET record = '{}' WHERE key LIKE '%/o1'", []).unwrap();
    let erased = erase_player(&store, &PLAYER.parse().unwrap()).await.unwrap();
    assert_eq!((erased.redacted, erased.unreadable), (2, 1));
    let pruned = prune(&store, Timestamp::from_millis(u64::MAX / 2)).await.unwrap();
    assert_eq!((pruned.removed, pruned.unreadable), (2, 1));
}

#[tokio::test]
async fn damaged_kept_callback_hides_no_others() {
    let game = Game::new();
    let store = game.open();
    for id in ["a", "b", "c"] {
        store.keep_unusable(&kept(id)).await.unwrap();
    }
    game.connect().execute("UPDATE postback_unusable SET callback = '{}' WHERE id = 'b'", []).unwrap();
    assert_eq!(store.list_unusable(None, 2).await.unwrap(), [kept("a"), kept("c")], "a full page");
}
