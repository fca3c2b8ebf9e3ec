//! Under load a connection goes straight from one delivery to the next: nobody waits for ever, nobody is harmed by
//! what another one does, and nothing is left behind.
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
mod postgres_wire;

use std::time::{Duration, Instant};

use postback::event::Event;
use postback::receiver::{Receive, ReceiveError};
use postback::steps::{Receipt, Timing};
use postback::store::StoreError;
use postback::store::postgres::PostgresOptions;
use postback::store::postgres::sqlx::{self, PgPool};
use postgres_game::{
    Then, Wallet, completed, create_wallet, deliver, game, insist, is_settled, is_unavailable,
    wallet,
};
use postgres_server::{Server, pool, shared};
use postgres_wire::{Cut, Wire};

fn offers(name: &str, count: usize) -> Vec<Event> {
    (0..count)
        .map(|number| completed(&format!("{name}-{number}"), 1))
        .collect()
}

/// Nobody holds a lock or has a transaction open, once what is on its way back has arrived.
async fn nothing_is_left(url: &str) {
    let observer = pool(url, 1);
    let left = "SELECT (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory') \
                + (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL \
                   AND pid <> pg_backend_pid())";
    let started = Instant::now();
    loop {
        let left: i64 = sqlx::query_scalar(left).fetch_one(&observer).await.unwrap();
        if left == 0 {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(5), "{left} left");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn players(pool: &PgPool) {
    sqlx::raw_sql(
        "CREATE TABLE players (id text PRIMARY KEY);
         CREATE TABLE players_of (player text REFERENCES players (id) DEFERRABLE INITIALLY DEFERRED)",
    )
    .execute(pool)
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_a_delivery_waits_for_the_server_three_times_and_the_server_has_nothing_to_warn_of()
 {
    const COUNT: usize = 400;
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let wire = Wire::to(&server.database().await).await;
    let (receiver, _) = game(pool(&wire.url, 4), Then::Nothing).await;
    deliver(&receiver, offers("warm", 40)).await;
    wire.take();
    let delivered = deliver(&receiver, offers("o", COUNT)).await;
    assert!(delivered.iter().all(is_settled));
    let (messages, turns) = wire.take();
    println!("{COUNT} deliveries: {messages:?}, {turns} turns");
    assert_eq!(
        messages["SET"], COUNT,
        "kept, committed, and the next one begun"
    );
    assert_eq!(messages.get("COMMIT"), None);
    // Two statements each; and a ping, before and after, for each time that a connection was the pool's.
    assert!(messages["Sync"] < COUNT * 5 / 2, "{messages:?}");
    assert!(turns < COUNT * 15 / 4, "{turns} turns");
    assert_eq!(wallet(receiver.store().pool()).await, (440.into(), 440));
    receiver.store().pool().close().await;
    assert!(!server.log().contains("WARNING"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twins_and_others_share_one_connection_and_all_are_answered() {
    let Some(server) = shared() else { return };
    let url = server.database().await;
    let (receiver, _) = game(pool(&url, 1), Then::Nothing).await;
    let mut events = offers("o", 40);
    events.extend((0..40).map(|_| completed("twin", 1)));
    let (twice, last) = (events.clone(), deliver(&receiver, events).await);
    assert_eq!(
        last.iter().filter(|result| is_settled(result)).count(),
        41,
        "{last:?}"
    );
    let again = deliver(&receiver, twice).await;
    assert!(
        again
            .iter()
            .all(|result| matches!(result, Ok(Receipt::Duplicate))),
        "{again:?}"
    );
    assert_eq!(wallet(receiver.store().pool()).await, (41.into(), 41));
    nothing_is_left(&url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_goes_while_he_waits_or_is_at_work_harms_nobody() {
    let Some(server) = shared() else { return };
    let url = server.database().await;
    for connections in [1, 3] {
        let (receiver, _) = game(pool(&url, connections), Then::Nothing).await;
        let name = format!("gone{connections}");
        let senders: Vec<_> = offers(&name, 300)
            .into_iter()
            .enumerate()
            .map(|(number, event)| {
                let receiver = receiver.clone();
                tokio::spawn(async move {
                    let patience = Duration::from_micros(number as u64 * 7919 % 60_000);
                    let receiving = receiver.receive(event.clone());
                    if number % 3 == 0 {
                        assert!(is_settled(&receiving.await));
                    } else if tokio::time::timeout(patience, receiving).await.is_err() {
                        insist(&receiver, &event).await;
                    }
                })
            })
            .collect();
        for sender in senders {
            sender.await.unwrap();
        }
        receiver.store().pool().close().await;
        nothing_is_left(&url).await;
    }
    assert_eq!(wallet(&pool(&url, 1)).await, (600.into(), 600));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_misbehaves_spoils_its_own_delivery_only() {
    let Some(server) = shared() else { return };
    for then in [
        Then::Fail,
        Then::Panic,
        Then::Hang,
        Then::Swallow,
        Then::BreakDeferred,
        Then::Run("COMMIT"),
        Then::Run("ROLLBACK"),
        Then::Run("COMMIT; BEGIN"),
        Then::Run("SELECT pg_terminate_backend(pg_backend_pid())"),
    ] {
        let url = server.database().await;
        let (receiver, handler) = game(pool(&url, 1), then).await;
        players(receiver.store().pool()).await;
        let receiver = receiver
            .store()
            .receiver(handler.clone())
            .with_timing(Timing::new().lease(Duration::from_millis(600)));
        let mut events = offers("o", 30);
        for (number, event) in offers("bad", 3).into_iter().enumerate() {
            events.insert(4 + number * 9, event);
        }
        let results = deliver(&receiver, events.clone()).await;
        for (event, result) in events.iter().zip(&results) {
            let is_bad = event.signed.contains("bad");
            assert_eq!(
                is_settled(result),
                !is_bad,
                "{then:?} {}: {result:?}",
                event.signed
            );
        }
        handler.get_along();
        for event in &events {
            insist(&receiver, event).await;
        }
        assert_eq!(
            wallet(receiver.store().pool()).await,
            (33.into(), 33),
            "{then:?}"
        );
        nothing_is_left(&url).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_savepoint_that_a_handler_forgets_goes_with_its_connection() {
    let Some(server) = shared() else { return };
    let url = server.database().await;
    let (receiver, _) = game(pool(&url, 1), Then::LeaveSavepoints).await;
    let mut events = offers("o", 30);
    events.insert(9, completed("bad", 1));
    let results = deliver(&receiver, events).await;
    assert!(results.iter().all(is_settled), "{results:?}");
    let game = receiver.store().pool();
    let mut begun = game.begin().await.unwrap();
    sqlx::raw_sql("INSERT INTO credits VALUES ('own', 'player-7', 9)")
        .execute(&mut *begun)
        .await
        .unwrap();
    begun.commit().await.unwrap();
    assert_eq!(
        wallet(&pool(&url, 1)).await,
        (40.into(), 32),
        "the game's own commit is one"
    );
    nothing_is_left(&url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_games_own_requests_have_their_turn_however_many_callbacks_come() {
    let Some(server) = shared() else { return };
    let (receiver, _) = game(pool(&server.database().await, 1), Then::Nothing).await;
    let flood: Vec<_> = (0..32)
        .map(|caller| {
            let receiver = receiver.clone();
            tokio::spawn(async move {
                for number in 0_u64.. {
                    receiver
                        .receive(completed(&format!("{caller}-{number}"), 1))
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    for _ in 0..5 {
        let asked =
            tokio::time::timeout(Duration::from_secs(3), wallet(receiver.store().pool())).await;
        asked.expect("a connection within three seconds");
    }
    for caller in flood {
        assert!(!caller.is_finished(), "callbacks are taken all the while");
        caller.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_game_gives_back_is_taken_at_once_by_who_stands_in_line() {
    let Some(server) = shared() else { return };
    let (receiver, handler) = game(pool(&server.database().await, 2), Then::Hang).await;
    let held = receiver.store().pool().acquire().await.unwrap();
    let hanging = tokio::spawn({
        let receiver = receiver.clone();
        async move { receiver.receive(completed("bad", 1)).await }
    });
    while handler.calls() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let waiting = tokio::spawn({
        let receiver = receiver.clone();
        async move { deliver(&receiver, offers("o", 20)).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(handler.calls(), 1, "all the others wait");
    drop(held);
    let taken = tokio::time::timeout(Duration::from_secs(3), waiting).await;
    assert!(
        taken
            .expect("while the first hangs still")
            .unwrap()
            .iter()
            .all(is_settled)
    );
    hanging.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_stands_in_line_longer_than_he_would_wait_for_the_pool() {
    let Some(server) = shared() else { return };
    let pool = pool(&server.database().await, 1);
    let options = PostgresOptions::new().timeout(Duration::from_millis(400));
    let store = options.store(pool.clone());
    store.migrate().await.unwrap();
    create_wallet(&pool).await;
    let receiver = store.receiver(Wallet::new(Then::Nothing));
    let held = pool.acquire().await.unwrap();
    let started = Instant::now();
    let none = deliver(&receiver, offers("o", 20)).await;
    assert!(none.iter().all(is_unavailable), "{none:?}");
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
    drop(held);
    for event in offers("o", 20) {
        insist(&receiver, &event).await;
    }
    assert_eq!(wallet(&pool).await, (20.into(), 20));
    let held = pool.acquire().await.unwrap();
    let waiting = tokio::spawn(async move { deliver(&receiver, offers("late", 20)).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let closing = tokio::spawn(async move { pool.close().await });
    for closed in waiting.await.unwrap() {
        assert!(
            matches!(closed, Err(ReceiveError::Store(StoreError::Closed))),
            "{closed:?}"
        );
    }
    drop(held);
    closing.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_processes_that_end_in_the_middle_lose_and_double_nothing() {
    let Some(server) = shared() else { return };
    let url = server.database().await;
    let (receiver, _) = game(pool(&url, 2), Then::Nothing).await;
    let senders: Vec<_> = (0..16)
        .map(|sender| {
            let receiver = receiver.clone();
            tokio::spawn(async move {
                for event in offers(&format!("sender{sender}"), 20) {
                    insist(&receiver, &event).await;
                }
            })
        })
        .collect();
    let ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let observer = pool(&url, 1);
    while senders.iter().any(|sender| !sender.is_finished()) {
        sqlx::raw_sql(ending).execute(&observer).await.unwrap();
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    for sender in senders {
        sender.await.unwrap();
    }
    assert_eq!(wallet(&observer).await, (320.into(), 320));
    observer.close().await;
    nothing_is_left(&url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_cut_off_after_the_commit_is_one_and_before_it_is_none() {
    let Some(server) = shared() else { return };
    for cut in [Cut::Before, Cut::After] {
        let wire = Wire::to(&server.database().await).await;
        let (receiver, _) = game(pool(&wire.url, 1), Then::Nothing).await;
        assert!(is_settled(&receiver.receive(completed("warm", 1)).await));
        wire.cut(cut);
        let results = deliver(&receiver, offers("o", 20)).await;
        let failed = results.iter().filter(|result| !is_settled(result)).count();
        assert_eq!(
            failed,
            usize::from(cut == Cut::Before),
            "{cut:?}: {results:?}"
        );
        for event in offers("o", 20) {
            assert_eq!(
                insist(&receiver, &event).await,
                Receipt::Duplicate,
                "{cut:?}"
            );
        }
        assert_eq!(
            wallet(receiver.store().pool()).await,
            (21.into(), 21),
            "{cut:?}"
        );
    }
}
