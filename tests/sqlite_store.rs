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

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use game::{
    Place, child, completed, create_wallet, credit, file_of_the_parent, impatient, is_open,
    open_record, reconciled, wait_until_closed,
};
use postback::receiver::{Receive, ReceiveError};
use postback::store::sqlite::{SqliteOptions, SqliteStore, rusqlite};
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
        "INSERT INTO postback_records VALUES ('bitlabs/game/conversion/broken', 1, 'open', NULL, '', '', '0', '{oops', 0)",
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
async fn a_lock_at_run_time_is_an_error_and_over_when_it_is_released() {
    let place = Place::new();
    let store = impatient().open(place.file()).unwrap();
    create_wallet(&store).await;
    let receiver = store.receiver(credit);
    receiver.receive(completed("o1", 500)).await.unwrap();
    let other = place.connect();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let locked = receiver.receive(completed("o2", 1)).await;
    assert!(
        matches!(
            locked,
            Err(ReceiveError::Store(StoreError::Unavailable { .. }))
        ),
        "{locked:?}"
    );
    let locked = store.swap(None, &open_record("o3")).await;
    assert!(
        matches!(locked, Err(StoreError::Unavailable { .. })),
        "{locked:?}"
    );
    assert!(
        store
            .load(&completed("o1", 500).key())
            .await
            .unwrap()
            .is_some(),
        "reading goes on"
    );
    other.execute_batch("ROLLBACK").unwrap();
    receiver.receive(completed("o2", 1)).await.unwrap();
    assert_eq!(place.wallet(), (501.into(), 2));
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
        "INSERT INTO postback_records VALUES ('a stray row', 1, 'open', NULL, '', '', '0', '', 0)",
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

#[test]
fn nothing_reported_as_done_is_lost_when_the_process_is_killed() {
    let place = Place::new();
    for _ in 0..3 {
        let mut writing = child("child_writes_for_ever", &place.file())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(writing.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let done: Vec<String> = lines
            .filter_map(|line| line.strip_prefix("done ").map(str::to_owned))
            .take(300)
            .collect();
        writing.kill().unwrap();
        writing.wait().unwrap();
        assert_eq!(done.len(), 300);
        let credited = place.connect();
        for transaction in &done {
            let key = format!("bitlabs/game/conversion/{transaction}#1");
            let rows: i64 = credited
                .query_row("SELECT count(*) FROM credits WHERE id = ?1", [key], |row| {
                    row.get(0)
                })
                .unwrap();
            assert_eq!(
                (rows, place.status(transaction).as_deref()),
                (1, Some("settled")),
                "{transaction}"
            );
        }
        let (settled, wallet): (i64, i64) = credited
            .query_row(
                "SELECT (SELECT count(*) FROM postback_records WHERE settled = '1'), (SELECT count(*) FROM credits)",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .unwrap();
        assert_eq!(settled, wallet, "wallet and records agree");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process that another test kills"]
async fn child_writes_for_ever() {
    let store = SqliteStore::open(file_of_the_parent()).unwrap();
    create_wallet(&store).await;
    let receiver = store.receiver(credit);
    let process = std::process::id();
    let workers: Vec<_> = (0..8)
        .map(|worker| {
            let receiver = receiver.clone();
            tokio::spawn(async move {
                for number in 0.. {
                    let transaction = format!("{process}-{worker}-{number}");
                    receiver.receive(completed(&transaction, 1)).await.unwrap();
                    println!("\ndone {transaction}");
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_an_error_and_over_when_there_is_room() {
    let place = Place::new();
    let disk = place.directory().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(&disk)
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: a small tmpfs cannot be mounted here, so the disk cannot be filled");
        return;
    }
    let mounted = Mounted(disk.clone());
    let ballast = disk.join("ballast");
    std::fs::write(&ballast, vec![0; 300 * 1024]).unwrap();
    let store = SqliteStore::open(disk.join("game.db")).unwrap();
    create_wallet(&store).await;
    let receiver = store.receiver(credit);
    let mut paid = 0;
    let error = loop {
        match receiver.receive(completed(&format!("o{paid}"), 1)).await {
            Ok(_) => paid += 1,
            Err(error) => break error,
        }
    };
    let is_store_error = matches!(error, ReceiveError::Store(StoreError::Unavailable { .. }));
    std::fs::remove_file(&ballast).unwrap();
    let repeated = receiver.receive(completed(&format!("o{paid}"), 1)).await;
    let credits = store
        .read(|game| {
            game.query_row("SELECT count(*) FROM credits", [], |row| {
                row.get::<_, i64>(0)
            })
        })
        .await;
    store.close().await;
    drop(mounted);
    assert!(is_store_error, "{error:?}");
    assert!(repeated.is_ok(), "{repeated:?}");
    assert_eq!(
        credits.unwrap(),
        paid + 1,
        "each exactly once, after {paid} until the disk was full"
    );
}

#[cfg(target_os = "linux")]
struct Mounted(std::path::PathBuf);

#[cfg(target_os = "linux")]
impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily, should the store still be open because the test failed.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
