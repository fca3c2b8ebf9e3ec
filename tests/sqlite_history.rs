//! What stays as it is, however many conversions are in the file already.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "sqlite")]

mod game;

use std::collections::BTreeSet;

use game::{Place, open_record};
use postback::event::PlayerId;
use postback::store::sqlite::rusqlite::Connection;
use postback::store::{DedupStore, Retention};

/// Conversions with numbers that grow, of players in no order.
fn insert(db: &Connection, from: u32, until: u32) {
    db.execute(
        "INSERT INTO postback_records (key, version, status, player, source, app, settled, record, updated) \
         WITH RECURSIVE n (n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM n WHERE n + 1 < ?2) \
         SELECT printf('bitlabs/game/conversion/o%010d', n), 1, 'settled', \
         printf('player-%06d', (n * 2654435761) % 999983), 'bitlabs', 'game', '500', '{}', 1760000000000 FROM n",
        [from, until],
    )
    .unwrap();
}

/// How many bytes are logged for these conversions, 64 in a transaction.
fn logged(place: &Place, from: u32, until: u32) -> u64 {
    let db = place.connect();
    db.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    let () = db
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    for number in (from..until).step_by(64) {
        insert(&db, number, number + 64);
    }
    let mut log = place.file().into_os_string();
    log.push("-wal");
    std::fs::metadata(log).unwrap().len()
}

#[tokio::test]
async fn new_conversions_change_no_more_pages_with_a_history() {
    let place = Place::new();
    place.open().close().await;
    let at_first = logged(&place, 0, 4096);
    insert(&place.connect(), 4096, 102_400);
    let later = logged(&place, 102_400, 106_496);
    assert!(later < at_first * 6 / 5, "{later} after {at_first} bytes");
}

#[tokio::test]
async fn a_players_records_are_found_wherever_they_are_in_a_long_history() {
    let place = Place::new();
    let store = place.open();
    let mut expected = BTreeSet::new();
    for number in [7, 3, 9, 1, 8, 2, 6, 4, 5] {
        let record = open_record(&format!("o{number}"));
        expected.insert(record.key().to_string());
        store.swap(None, &record).await.unwrap();
    }
    let db = place.connect();
    // As if thousands had come before each, and most of them had been removed since.
    db.execute(
        "UPDATE postback_records SET arrival = arrival * 7000 - 20000",
        [],
    )
    .unwrap();
    insert(&db, 0, 100);

    let player: PlayerId = "player-7".parse().unwrap();
    let mut found = Vec::new();
    loop {
        let page = store.of_player(&player, found.last(), 4).await.unwrap();
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
    let nobody: PlayerId = "player-8".parse().unwrap();
    let none = store.of_player(&nobody, None, 4).await.unwrap();
    assert!(none.is_empty(), "{none:?}");
}
