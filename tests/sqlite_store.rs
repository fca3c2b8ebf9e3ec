//! The SQLite store on real files, among real processes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "sqlite")]

mod game;

use std::time::Duration;

use game::{
    Place, completed, create_wallet, credit, is_open, open_record, reconciled, wait_until_closed,
};
use postback::receiver::Receive;
use postback::store::sqlite::{SqliteOptions, rusqlite};
use postback::store::{DedupStore, StoreError, Stored, Swapped, Version};

#[tokio::test]
async fn what_was_stored_is_there_after_a_restart() {
    let place = Place::new();
    let record = open_record("o1");
    let store = place.open();
    assert_eq!(
        store.swap(None, &record).await.unwrap(),
        Swapped::Done(Version::FIRST)
    );
    store.close().await;
    let stored = place.open().load(record.key()).await.unwrap();
    assert_eq!(
        stored,
        Some(Stored {
            version: Version::FIRST,
            record
        })
    );
}

#[tokio::test]
async fn the_file_commits_durably() {
    let place = Place::new();
    let store = place.open();
    let pragmas = store
        .write(|game| {
            let pragma = |name| {
                game.query_row(&format!("PRAGMA {name}"), [], |row| {
                    row.get::<_, rusqlite::types::Value>(0)
                })
            };
            Ok::<_, rusqlite::Error>((pragma("journal_mode")?, pragma("synchronous")?))
        })
        .await
        .unwrap();
    assert_eq!(pragmas, ("wal".to_owned().into(), 2.into()), "WAL, FULL");
}

#[tokio::test]
async fn what_belongs_to_the_game_in_the_file_is_left_alone() {
    let place = Place::new();
    let own = place.connect();
    own.execute_batch(
        "PRAGMA user_version = 42; PRAGMA application_id = 7; CREATE TABLE records (key)",
    )
    .unwrap();
    place.open().close().await;
    let number = |pragma: &str| {
        own.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!((number("user_version"), number("application_id")), (42, 7));
    let foreign: i64 = own
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'postback\\_%' ESCAPE '\\' \
             AND tbl_name NOT LIKE 'postback\\_%' ESCAPE '\\'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(foreign, 1, "only the game's own table has another name");
}

#[tokio::test]
async fn the_support_desk_sees_every_callback_in_plain_sql() {
    let place = Place::new();
    let store = place.open();
    create_wallet(&store).await;
    let receiver = store.receiver(credit);
    receiver.receive(completed("o1", 500)).await.unwrap();
    receiver.receive(reconciled("o1", -200)).await.unwrap();
    receiver.receive(completed("o2", 0)).await.unwrap();
    store.swap(None, &open_record("o3")).await.unwrap();
    let own = place.connect();
    own.execute_batch(
        "INSERT INTO postback_records VALUES (NULL, 'bitlabs/game/conversion/broken', 1, 'open', NULL, '', '', '0', '{oops', 0)",
    )
    .unwrap();
    let select = "SELECT key, number, player, received IS NOT NULL, settled IS NOT NULL, verdict, amount, signed \
                  FROM postback_callbacks ORDER BY key, number";
    let mut statement = own.prepare(select).unwrap();
    let lines: Vec<String> = statement
        .query_map([], |row| {
            let text = |at| {
                row.get::<_, Option<String>>(at)
                    .map(|text| text.unwrap_or_else(|| "-".to_owned()))
            };
            let number = |at| row.get::<_, i64>(at);
            Ok(format!(
                "{} {} {} {}{} {} {} {}",
                text(0)?.rsplit('/').next().unwrap(),
                number(1)?,
                text(2)?,
                number(3)?,
                number(4)?,
                text(5)?,
                text(6)?,
                text(7)?
            ))
        })
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(
        lines,
        [
            "o1 1 player-7 11 reward 500 player=player-7&tx=o1",
            "o1 2 player-7 11 reversal -200 player=player-7&tx=o1",
            "o2 1 player-7 11 nothing_to_pay - player=player-7&tx=o2",
            "o3 1 player-7 10 reward 500 player=player-7&tx=o3",
        ]
    );
    let row = own
        .query_row("SELECT version, status, player, source, app, settled, updated FROM postback_records WHERE key LIKE '%/o3'", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?))
        })
        .unwrap();
    let text = |text: &str| text.to_owned();
    assert_eq!(
        row,
        (
            1,
            text("open"),
            text("player-7"),
            text("bitlabs"),
            text("game"),
            text("0"),
            1_700_000_000_123_i64
        )
    );
}

#[tokio::test]
async fn a_record_that_does_not_fit_is_unreadable_and_never_absent() {
    let json = serde_json::to_string(&open_record("o1")).unwrap();
    let cases = [
        ("record", "''".to_owned()),
        ("record", "'{\"format\":1}'".to_owned()),
        ("record", format!("'{}'", &json[..json.len() - 1])),
        ("record", "CAST(x'ff' AS TEXT)".to_owned()),
        (
            "record",
            format!("'{}'", json.replace("\"format\":1", "\"format\":0")),
        ),
        (
            "record",
            format!("'{}'", json.replace("conversion/o1", "conversion/o2")),
        ),
        ("version", "0".to_owned()),
        ("version", "-1".to_owned()),
    ];
    let place = Place::new();
    let store = place.open();
    let (record, other) = (open_record("o1"), open_record("other"));
    store.swap(None, &record).await.unwrap();
    store.swap(None, &other).await.unwrap();
    let own = place.connect();
    for (column, value) in cases {
        let update = format!(
            "UPDATE postback_records SET {column} = {value} WHERE key = 'bitlabs/game/conversion/o1'"
        );
        assert_eq!(own.execute(&update, []).unwrap(), 1);
        for result in [
            store.load(record.key()).await.map(drop),
            store.swap(None, &record).await.map(drop),
        ] {
            let Err(StoreError::Unreadable { key, .. }) = &result else {
                panic!("{value}: {result:?}")
            };
            assert_eq!(key, record.key());
        }
        assert!(
            store.load(other.key()).await.unwrap().is_some(),
            "other records are fine"
        );
        let restore = "UPDATE postback_records SET record = ?1, version = 1 WHERE key = 'bitlabs/game/conversion/o1'";
        own.execute(restore, [&json]).unwrap();
        assert_eq!(
            store.load(record.key()).await.unwrap().unwrap().record,
            record,
            "readable again when repaired"
        );
    }
    for newer in [
        json.replace("\"format\":1", "\"format\":8"),
        "{\"format\":8,\"shape\":[]}".to_owned(),
    ] {
        own.execute(
            "UPDATE postback_records SET record = ?1 WHERE key = 'bitlabs/game/conversion/o1'",
            [&newer],
        )
        .unwrap();
        let result = store.load(record.key()).await;
        assert!(
            matches!(
                result,
                Err(StoreError::Newer {
                    found: 8,
                    known: 1,
                    ..
                })
            ),
            "{result:?}"
        );
    }
}

#[tokio::test]
async fn one_unreadable_record_does_not_keep_the_others_from_being_resumed() {
    let place = Place::new();
    let store = place.open();
    create_wallet(&store).await;
    for name in ["o1", "o2", "o3"] {
        store.swap(None, &open_record(name)).await.unwrap();
    }
    let own = place.connect();
    own.execute(
        "UPDATE postback_records SET record = '{}' WHERE key LIKE '%/o2'",
        [],
    )
    .unwrap();
    own.execute_batch(
        "INSERT INTO postback_records VALUES (NULL, 'a stray row', 1, 'open', NULL, '', '', '0', '', 0)",
    )
    .unwrap();
    let resumed = store.receiver(credit).resume().await.unwrap();
    assert_eq!((resumed.settled, resumed.failed), (2, 1));
    assert_eq!(place.wallet(), (1000.into(), 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_is_told_and_drains() {
    let place = Place::new();
    let store = SqliteOptions::new().queue(2).open(place.file()).unwrap();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (entered, is_entered) = tokio::sync::oneshot::channel();
    let blocking = tokio::spawn({
        let store = store.clone();
        async move {
            store
                .write(move |_| {
                    let _ = entered.send(());
                    released.recv()
                })
                .await
        }
    });
    is_entered.await.unwrap();
    let records = ["o1", "o2"].map(open_record);
    let waiting: Vec<_> = records
        .iter()
        .cloned()
        .map(|record| {
            let store = store.clone();
            tokio::spawn(async move { store.swap(None, &record).await })
        })
        .collect();
    let refused = loop {
        // Until the two that wait have filled the queue.
        if let Err(error) = tokio::time::timeout(
            Duration::from_millis(50),
            store.swap(None, &open_record("o3")),
        )
        .await
        .unwrap_or(Ok(Swapped::Lost(None)))
        {
            break error;
        }
    };
    assert!(matches!(refused, StoreError::Overloaded), "{refused:?}");
    release.send(()).unwrap();
    blocking.await.unwrap().unwrap();
    let mut done = 0;
    for waiting in waiting {
        done += usize::from(waiting.await.unwrap().is_ok());
    }
    assert!(done >= 1, "what was queued is done");
    store.swap(None, &open_record("o4")).await.unwrap();
}

#[tokio::test]
async fn closing_does_what_is_queued_and_takes_nothing_more() {
    let place = Place::new();
    let store = place.open();
    let clone = store.clone();
    let record = open_record("o1");
    let queued = store.swap(None, &record);
    let mut queued = Box::pin(queued);
    // Polled once: it is in the queue.
    assert!(
        std::future::poll_fn(|context| std::task::Poll::Ready(
            queued.as_mut().poll(context).is_pending()
        ))
        .await
    );
    store.close().await;
    assert_eq!(queued.await.unwrap(), Swapped::Done(Version::FIRST));
    assert!(!is_open(&place.file()), "the file is closed");
    assert!(matches!(
        clone.load(record.key()).await,
        Err(StoreError::Closed)
    ));
    assert!(matches!(
        clone.swap(None, &record).await,
        Err(StoreError::Closed)
    ));
    store.close().await;
    assert!(place.open().load(record.key()).await.unwrap().is_some());
}

#[tokio::test]
async fn dropping_the_last_handle_ends_the_threads() {
    let place = Place::new();
    let store = place.open();
    create_wallet(&store).await;
    let receiver = store.receiver(credit);
    drop(store);
    receiver.receive(completed("o1", 1)).await.unwrap();
    assert!(is_open(&place.file()), "a receiver is a handle, too");
    drop(receiver);
    wait_until_closed(&place.file());
}
