//! Locks, kills and full disks: nothing is lost, and all is well again afterwards.
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

use game::{
    Place, child, completed, create_wallet, credit, file_of_the_parent, impatient, open_record,
};
use postback::receiver::{Receive, ReceiveError};
use postback::store::sqlite::SqliteStore;
use postback::store::{DedupStore, StoreError};

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
