//! Servers that are killed, hang, are full or read-only: nothing is paid or lost, and all is well again afterwards.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "postgres")]

mod postgres_game;
mod postgres_server;

use std::time::{Duration, Instant};

use postback::receiver::{Receive, Resume};
use postback::steps::{Receipt, Timing};
use postback::store::postgres::{PostgresOptions, PostgresStore, sqlx};
use postback::store::{DedupStore, StoreError};
use postgres_game::{
    Then, Wallet, completed, create_wallet, deliver, game, insist, is_settled, is_unavailable,
    open_record, wallet,
};
use postgres_server::{Server, pool, shared, signal};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_and_started_again_loses_and_doubles_nothing() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let url = server.database().await;
    let pool = pool(&url, 8);
    let options = PostgresOptions::new().timeout(Duration::from_secs(1));
    let store = options.store(pool.clone());
    store.migrate().await.unwrap();
    create_wallet(&pool).await;
    let receiver = store.receiver(Wallet::new(Then::Nothing));

    let senders: Vec<_> = (0..8)
        .map(|sender| {
            let receiver = receiver.clone();
            tokio::spawn(async move {
                for number in 0..60 {
                    insist(&receiver, &completed(&format!("o{sender}-{number}"), 1)).await;
                }
            })
        })
        .collect();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        server.kill();
        // A backend may live on for a moment after its postmaster, and pays what it answers then.
        let killed = Instant::now();
        let down = loop {
            let down = receiver.receive(completed("meanwhile", 1)).await;
            if down.is_err() || killed.elapsed() > Duration::from_secs(5) {
                break down;
            }
        };
        assert!(is_unavailable(&down), "{down:?}");
        let down = loop {
            let down = receiver.resume().await;
            if down.is_err() || killed.elapsed() > Duration::from_secs(10) {
                break down;
            }
        };
        assert!(
            matches!(down, Err(StoreError::Unavailable { .. })),
            "{down:?}"
        );
        server.restart();
    }
    for sender in senders {
        sender.await.unwrap();
    }
    insist(&receiver, &completed("meanwhile", 1)).await;
    assert_eq!(wallet(&pool).await, (481.into(), 481));
    assert_eq!(
        Resume::resume(&receiver).await.unwrap().settled,
        0,
        "nothing was left open"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_keeps_nobody_for_ever() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let pool = pool(&server.database().await, 1);
    let options = PostgresOptions::new().timeout(Duration::from_millis(500));
    let store = options.store(pool.clone());
    store.migrate().await.unwrap();
    create_wallet(&pool).await;
    let receiver = store.receiver(Wallet::new(Then::Nothing));
    assert!(is_settled(&receiver.receive(completed("o1", 1)).await));

    let process: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&pool)
        .await
        .unwrap();
    signal("-STOP", process);
    let started = Instant::now();
    let hung = receiver.receive(completed("o2", 1)).await;
    assert!(is_unavailable(&hung), "{hung:?}");
    let hung = store.load(&completed("o1", 1).key()).await;
    assert!(
        matches!(hung, Err(StoreError::Unavailable { .. })) || hung.is_ok(),
        "{hung:?}"
    );
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
    signal("-CONT", process);
    insist(&receiver, &completed("o2", 1)).await;
    assert_eq!(wallet(&pool).await, (2.into(), 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_cut_while_the_handler_is_at_work_pays_nothing_by_itself() {
    let Some(server) = shared() else { return };
    let url = server.database().await;
    let (receiver, handler) = game(pool(&url, 4), Then::HangInSql).await;
    let cut = tokio::spawn({
        let receiver = receiver.clone();
        async move { receiver.receive(completed("bad", 500)).await }
    });
    while handler.calls() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)'\
                     AND pid <> pg_backend_pid()";
    server.administer("postgres", terminate).await;
    let cut = cut.await.unwrap();
    assert!(cut.is_err(), "{cut:?}");
    assert_eq!(wallet(receiver.store().pool()).await, (0.into(), 0));
    handler.get_along();
    insist(&receiver, &completed("bad", 500)).await;
    assert_eq!(wallet(receiver.store().pool()).await, (500.into(), 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_cancelled_leaves_neither_lock_nor_transaction() {
    let Some(server) = shared() else { return };
    let pool = pool(&server.database().await, 1);
    let (receiver, handler) = game(pool.clone(), Then::Hang).await;
    let hanging = receiver.receive(completed("bad", 500));
    assert!(
        tokio::time::timeout(Duration::from_millis(500), hanging)
            .await
            .is_err()
    );
    handler.get_along();
    assert!(is_settled(&receiver.receive(completed("bad", 500)).await));
    assert_eq!(wallet(&pool).await, (500.into(), 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_falls_asleep_with_its_transaction_open_is_cut_off_and_cannot_settle() {
    let Some(server) = shared() else { return };
    let url = server.database().await;
    let (other, _) = game(pool(&url, 4), Then::Nothing).await;
    let sleepy = Wallet::new(Then::SleepThrough(Duration::from_secs(4)));
    let options = PostgresOptions::new().timeout(Duration::from_millis(300));
    let timing = Timing::new().lease(Duration::from_millis(900));
    let sleeper = options.store(pool(&url, 1));
    let sleeper = sleeper.receiver(sleepy.clone()).with_timing(timing);
    let slept = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(sleeper.receive(completed("bad", 500)))
    });
    while sleepy.calls() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let started = Instant::now();
    insist(&other, &completed("bad", 500)).await;
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "the server has ended the sleeper's transaction"
    );
    let slept = slept.join().unwrap();
    assert!(slept.is_err(), "{slept:?}");
    assert_eq!(wallet(other.store().pool()).await, (500.into(), 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exhausted_pool_is_an_error_and_over_when_a_connection_is_back() {
    let Some(server) = shared() else { return };
    let pool = pool(&server.database().await, 2);
    // The tables are made without hurry: only who waits for a connection is to run out of time.
    PostgresStore::new(pool.clone()).migrate().await.unwrap();
    create_wallet(&pool).await;
    let options = PostgresOptions::new().timeout(Duration::from_millis(200));
    let store = options.store(pool.clone());
    let receiver = store.receiver(Wallet::new(Then::Nothing));
    let held = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    let none = receiver.receive(completed("o1", 1)).await;
    assert!(is_unavailable(&none), "{none:?}");
    drop(held);
    insist(&receiver, &completed("o1", 1)).await;
    let many = deliver(&receiver, (0..40).map(|_| completed("o1", 1)).collect()).await;
    assert!(
        many.iter()
            .all(|result| matches!(result, Ok(Receipt::Duplicate)) || is_unavailable(result))
    );
    assert_eq!(wallet(&pool).await, (1.into(), 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_read_only_pays_nothing() {
    let Some(server) = shared() else { return };
    let url = server.database().await;
    let database = url.rsplit('/').next().unwrap().to_owned();
    let (receiver, handler) = game(pool(&url, 2), Then::Nothing).await;
    let only = |word: &str| {
        format!("ALTER DATABASE {database} SET default_transaction_read_only = {word}")
    };
    server.administer("postgres", &only("on")).await;
    let (replica, calls) = (pool(&url, 2), handler.calls());
    let store = PostgresOptions::new().store(replica.clone());
    let receiver_there = store.receiver(handler.clone());
    let refused = receiver_there.receive(completed("o1", 1)).await;
    assert!(is_unavailable(&refused), "{refused:?}");
    let refused = store.swap(None, &open_record("o2")).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable { .. })),
        "{refused:?}"
    );
    assert_eq!(handler.calls(), calls, "the handler is not even asked");
    server.administer("postgres", &only("off")).await;
    assert!(is_settled(&receiver.receive(completed("o1", 1)).await));
    assert_eq!(wallet(receiver.store().pool()).await, (1.into(), 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_somebody_keeps_locked_is_an_error_after_the_time_limit() {
    let Some(server) = shared() else { return };
    let pool = pool(&server.database().await, 4);
    let options = PostgresOptions::new().timeout(Duration::from_millis(300));
    let store = options.store(pool.clone());
    store.migrate().await.unwrap();
    create_wallet(&pool).await;
    let receiver = store.receiver(Wallet::new(Then::Nothing));
    assert!(is_settled(&receiver.receive(completed("o1", 5)).await));
    let mut held = pool.begin().await.unwrap();
    sqlx::raw_sql("SELECT FROM postback_records FOR UPDATE")
        .execute(&mut *held)
        .await
        .unwrap();
    let locked = receiver.receive(postgres_game::reconciled("o1", -5)).await;
    assert!(is_unavailable(&locked), "{locked:?}");
    held.rollback().await.unwrap();
    insist(&receiver, &postgres_game::reconciled("o1", -5)).await;
    assert_eq!(wallet(&pool).await, (0.into(), 2));
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_an_error_and_over_when_there_is_room() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let url = server.database().await;
    let Some(disk) = server.small_disk(8) else {
        eprintln!("SKIPPED: a small tmpfs cannot be mounted here, so the disk cannot be filled");
        return;
    };
    let database = url.rsplit('/').next().unwrap();
    let place = disk.place().display().to_string();
    server
        .administer(
            "postgres",
            &format!("CREATE TABLESPACE small LOCATION '{place}'"),
        )
        .await;
    server
        .administer(
            "postgres",
            &format!("ALTER DATABASE {database} SET default_tablespace = small"),
        )
        .await;
    let (receiver, _) = game(pool(&url, 2), Then::Nothing).await;
    let ballast = disk.place().join("ballast");
    let mut size = 8 << 20;
    while size > 4096 && std::fs::write(&ballast, vec![0; size]).is_err() {
        size -= 64 << 10;
    }
    let mut paid = 0;
    let full = loop {
        let result = receiver.receive(completed(&format!("o{paid}"), 1)).await;
        if !is_settled(&result) {
            break result;
        }
        paid += 1;
        assert!(paid < 20_000, "the disk does not fill");
    };
    std::fs::remove_file(&ballast).unwrap();
    assert!(full.is_err(), "{full:?}");
    insist(&receiver, &completed(&format!("o{paid}"), 1)).await;
    let pool = receiver.store().pool();
    assert_eq!(wallet(pool).await, ((paid + 1).into(), paid + 1));
    pool.close().await;
}
