//! Servers that crash, hang, are full or read-only, and callers that go away: nothing is lost and nothing is paid twice.

use std::time::{Duration, Instant};

use postback::store::DedupStore as _;
use postback::{Decision, Receipt, Receiver, StoreError};
use postback_postgres::{PostgresOptions, PostgresStore, sqlx};
use postback_test_servers::{PATIENCE, Postgres, SmallDisk, send_signal};
use tokio::task::JoinSet;

use crate::game::{
    Then, Wallet, assert_unavailable, completed, database, eventually, game, insist, is_settled, is_unavailable, key,
    new_game, patient, pool, reversed, spawn,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_killed_mid_transaction_pays_nothing_by_itself() {
    let Some(server) = Postgres::start(&[]) else { return };
    let (receiver, wallet) = game(&server.create_database(), 4, patient()).await;
    assert!(is_settled(&receiver.receive(completed("t1", 5)).await));
    wallet.then(Then::HangInStatement);
    let cut_off = spawn(&receiver, completed("t2", 500));
    wallet.called(2).await;
    server.kill();
    assert_unavailable(&cut_off.await.unwrap());
    server.restart();
    wallet.then(Then::Succeed);
    insist(&receiver, &completed("t2", 500)).await;
    let repeated = insist(&receiver, &completed("t1", 5)).await;
    assert_eq!(repeated, Receipt::Duplicate, "what was acknowledged is there");
    assert_eq!(wallet.total().await, (505, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_that_is_down_is_an_error() {
    let Some(server) = Postgres::start(&[]) else { return };
    let url = server.create_database();
    let hurried = PostgresOptions::default().timeout(Duration::from_secs(1));
    let (receiver, wallet) = game(&url, 2, hurried).await;
    server.kill();
    assert_unavailable(&receiver.receive(completed("t1", 5)).await);
    assert!(receiver.recover().await.is_err());
    assert!(PostgresStore::connect(&url).await.is_err());
    server.restart();
    insist(&receiver, &completed("t1", 5)).await;
    assert_eq!(wallet.total().await, (5, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_that_hangs_blocks_nobody_for_long() {
    let Some(server) = Postgres::start(&[]) else { return };
    let hurried = patient().timeout(Duration::from_millis(500));
    let (receiver, wallet) = game(&server.create_database(), 1, hurried).await;
    let process: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&wallet.pool).await.unwrap();
    let process = u32::try_from(process).unwrap();
    send_signal("STOP", process);
    let started = Instant::now();
    assert_unavailable(&receiver.receive(completed("t1", 1)).await);
    assert!(started.elapsed() < PATIENCE / 2, "{:?}", started.elapsed());
    send_signal("CONT", process);
    insist(&receiver, &completed("t1", 1)).await;
    assert_eq!(wallet.total().await, (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn canceled_call_leaves_neither_lock_nor_transaction() {
    let Some(server) = Postgres::shared() else { return };
    for then in [Then::Hang, Then::HangInStatement] {
        let hurried = patient().timeout(Duration::from_secs(2));
        let (receiver, wallet) = game(&server.create_database(), 1, hurried).await;
        wallet.then(then);
        let call = spawn(&receiver, completed("t1", 500));
        wallet.called(1).await;
        call.abort();
        wallet.then(Then::Succeed);
        insist(&receiver, &completed("t1", 500)).await;
        assert_eq!(wallet.total().await, (500, 1), "{then:?}");
    }
}

/// Every point at which a call can be dropped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_dropped_anywhere_pay_once() {
    let Some((receiver, wallet)) = new_game(4, patient()).await else { return };
    for number in 0..60_u64 {
        let callback = completed(&format!("t{number}"), 5);
        let limit = Duration::from_micros(number * 150);
        let _ = tokio::time::timeout(limit, receiver.receive(callback.clone())).await;
        insist(&receiver, &callback).await;
    }
    assert_eq!(wallet.total().await, (300, 60));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn process_that_hangs_loses_its_transaction() {
    let Some((_server, url)) = database() else { return };
    let (other, wallet) = game(&url, 4, patient()).await;
    let sleepy = Wallet::create(&wallet.pool).await;
    sleepy.then(Then::Block);
    let slept = std::thread::spawn({
        let (sleepy, url) = (sleepy.clone(), url.clone());
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let hurried = PostgresOptions::default()
                    .timeout(Duration::from_millis(500))
                    .handler_timeout(Duration::from_millis(500));
                let store = PostgresStore::with_options(pool(&url, 1), hurried).await.unwrap();
                sleepy.receiver(&store).receive(completed("t1", 500)).await
            })
        }
    });
    sleepy.called(1).await;
    insist(&other, &completed("t1", 500)).await;
    sleepy.then(Then::Succeed);
    let slept = slept.join().unwrap();
    assert!(slept.is_err(), "its session was ended by the server: {slept:?}");
    assert_eq!(wallet.total().await, (500, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exhausted_pool_is_an_error_until_it_is_free() {
    let hurried = patient().timeout(Duration::from_millis(300));
    let Some((receiver, wallet)) = new_game(2, hurried).await else { return };
    let held = (wallet.pool.acquire().await.unwrap(), wallet.pool.acquire().await.unwrap());
    assert_unavailable(&receiver.receive(completed("t1", 1)).await);
    drop(held);
    let calls: JoinSet<_> = (0..40)
        .map(|_| {
            let receiver = receiver.clone();
            async move { insist(&receiver, &completed("t1", 1)).await }
        })
        .collect();
    calls.join_all().await;
    assert_eq!(wallet.total().await, (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closed_pool_is_reported_as_closed() {
    let Some((receiver, wallet)) = new_game(2, patient()).await else { return };
    wallet.pool.close().await;
    let error = receiver.store().load(&key("t1")).await.unwrap_err();
    assert!(matches!(error, StoreError::Closed), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_only_database_pays_nothing() {
    let Some((server, url)) = database() else { return };
    let (receiver, wallet) = game(&url, 2, patient()).await;
    let database = url.rsplit('/').next().unwrap();
    let set = |value: &str| {
        let alter = format!("ALTER DATABASE {database} SET default_transaction_read_only = {value}");
        server.sql("postgres", &alter);
    };
    set("on");
    let store = PostgresStore::with_options(pool(&url, 2), patient()).await.unwrap();
    let result = wallet.receiver(&store).receive(completed("t1", 1)).await;
    assert!(is_unavailable(&result), "{result:?}");
    assert!(format!("{result:?}").contains("connect to the primary"), "{result:?}");
    assert_eq!(wallet.calls(), 0, "the handler is not called");
    set("off");
    assert!(is_settled(&receiver.receive(completed("t1", 1)).await));
    assert_eq!(wallet.total().await, (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_locked_by_others_is_an_error_in_time() {
    let hurried = patient().lock_timeout(Duration::from_millis(300));
    let Some((receiver, wallet)) = new_game(4, hurried).await else { return };
    assert!(is_settled(&receiver.receive(completed("t1", 5)).await));
    let mut held = wallet.pool.begin().await.unwrap();
    let lock = "SELECT FROM postback.records FOR UPDATE";
    sqlx::raw_sql(lock).execute(&mut *held).await.unwrap();
    assert_unavailable(&receiver.receive(reversed("t1", 5)).await);
    held.rollback().await.unwrap();
    insist(&receiver, &reversed("t1", 5)).await;
    assert_eq!(wallet.total().await, (0, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_that_wait_for_a_lock_do_not_outgrow_the_pool() {
    let Some((_server, url)) = database() else { return };
    let small = pool(&url, 2);
    // So that opening the store does not have to wait for a connection.
    drop(small.acquire().await.unwrap());
    let hurried = PostgresOptions::default().timeout(Duration::from_millis(300));
    let store = PostgresStore::with_options(small, hurried).await.unwrap();
    let receiver = Receiver::new(store, |_: Decision| async { Ok(()) }).without_recovery();
    let observer = pool(&url, 2);
    let mut held = observer.begin().await.unwrap();
    let lock = "LOCK TABLE postback.records IN ACCESS EXCLUSIVE MODE";
    sqlx::raw_sql(lock).execute(&mut *held).await.unwrap();
    for number in 0..6 {
        assert_unavailable(&receiver.receive(completed(&format!("t{number}"), 5)).await);
        let dropped = receiver.receive(completed("dropped", 5));
        let _ = tokio::time::timeout(Duration::from_millis(50), dropped).await;
    }
    let count = "SELECT count(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()";
    eventually("no connections are left but the pool's two and the one that holds the lock", async || {
        let count: i64 = sqlx::query_scalar(count).fetch_one(&observer).await.unwrap();
        count <= 3
    })
    .await;
    held.rollback().await.unwrap();
    insist(&receiver, &completed("t1", 5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn terminated_backend_is_an_error_and_pays_nothing() {
    let Some((receiver, wallet)) = new_game(4, patient()).await else { return };
    wallet.then(Then::HangInStatement);
    let cut_off = spawn(&receiver, completed("t1", 500));
    let terminate = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE datname = current_database() AND query LIKE '%pg_sleep(600)' AND pid <> pg_backend_pid()";
    eventually("the handler's statement runs", async || {
        let ended: i64 = sqlx::query_scalar(terminate).fetch_one(&wallet.pool).await.unwrap();
        ended > 0
    })
    .await;
    assert_unavailable(&cut_off.await.unwrap());
    assert_eq!(wallet.total().await, (0, 0));
    wallet.then(Then::Succeed);
    insist(&receiver, &completed("t1", 500)).await;
    assert_eq!(wallet.total().await, (500, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_disk_is_an_error_until_there_is_space() {
    let Some(server) = Postgres::start(&[]) else { return };
    let Some(disk) = SmallDisk::mount(server.directory().join("disk"), 8) else { return };
    let url = server.create_database();
    let database = url.rsplit('/').next().unwrap();
    let place = disk.directory();
    server.sql("postgres", &format!("CREATE TABLESPACE small LOCATION '{}'", place.display()));
    server.sql("postgres", &format!("ALTER DATABASE {database} SET default_tablespace = small"));
    let (receiver, wallet) = game(&url, 2, patient()).await;
    let ballast = disk.fill_but(0);
    let mut paid = 0;
    let result = loop {
        let result = receiver.receive(completed(&format!("t{paid}"), 1)).await;
        if !is_settled(&result) {
            break result;
        }
        paid += 1;
        assert!(paid < 20_000, "the disk does not fill");
    };
    assert!(result.is_err(), "{result:?}");
    std::fs::remove_file(ballast).unwrap();
    insist(&receiver, &completed(&format!("t{paid}"), 1)).await;
    assert_eq!(wallet.total().await, (paid + 1, paid + 1));
    wallet.pool.close().await;
}
