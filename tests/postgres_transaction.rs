//! Wallet and record are committed together in Postgres, or not at all.
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

use std::time::Duration;

use postback::clock::Timestamp;
use postback::receiver::{Receive, ReceiveError, Resumed};
use postback::steps::{Answer, Handled, Happened, Receipt, Step, Steps, Timing};
use postback::store::postgres::PostgresStore;
use postback::store::postgres::sqlx;
use postback::store::{DedupStore, SettleError, StoreError};
use postgres_game::{
    Then, Wallet, completed, create_wallet, deliver, game, is_settled, reconciled, status, wallet,
};
use postgres_server::{pool, shared};

#[tokio::test]
async fn a_whole_life_ends_at_the_right_balance() {
    let Some(server) = shared() else { return };
    let pool = pool(&server.database().await, 4);
    let (receiver, _) = game(pool.clone(), Then::Nothing).await;
    assert!(is_settled(&receiver.receive(completed("o1", 500)).await));
    assert_eq!(wallet(&pool).await, (500.into(), 1));
    assert_eq!(
        receiver.receive(completed("o1", 500)).await.unwrap(),
        Receipt::Duplicate
    );
    assert!(is_settled(&receiver.receive(reconciled("o1", -500)).await));
    assert_eq!(wallet(&pool).await, (0.into(), 2));
    assert_eq!(status(&pool, "o1").await.as_deref(), Some("settled"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_identical_callbacks_at_once_one_pays_and_all_are_answered() {
    let Some(server) = shared() else { return };
    let url = server.database().await;
    // As of two processes: two pools.
    let (one, _) = game(pool(&url, 8), Then::Nothing).await;
    let (other, _) = game(pool(&url, 8), Then::Nothing).await;
    let half = || (0..32).map(|_| completed("o1", 500)).collect();
    let (first, second) = tokio::join!(deliver(&one, half()), deliver(&other, half()));
    let results: Vec<_> = first.into_iter().chain(second).collect();
    let count = |wanted: fn(&Result<Receipt, ReceiveError>) -> bool| {
        results.iter().filter(|result| wanted(result)).count()
    };
    assert_eq!(count(is_settled), 1, "{results:?}");
    let known = count(|result| matches!(result, Ok(Receipt::Duplicate)));
    assert_eq!(known, 63, "{results:?}");
    assert_eq!(wallet(one.store().pool()).await, (500.into(), 1));
}

#[tokio::test]
async fn whatever_goes_wrong_in_a_handler_leaves_an_intent_and_no_wallet_row() {
    let Some(server) = shared() else { return };
    for then in [
        Then::Fail,
        Then::Panic,
        Then::Hang,
        Then::HangInSql,
        Then::Swallow,
        Then::BreakDeferred,
    ] {
        let pool = pool(&server.database().await, 4);
        let (receiver, handler) = game(pool.clone(), then).await;
        sqlx::raw_sql(
            "CREATE TABLE players (id text PRIMARY KEY);
             CREATE TABLE players_of (player text REFERENCES players (id) DEFERRABLE INITIALLY DEFERRED)",
        )
        .execute(&pool)
        .await
        .unwrap();
        let timing = Timing::new().lease(Duration::from_secs(3));
        let receiver = receiver
            .store()
            .receiver(handler.clone())
            .with_timing(timing);
        let failed = receiver.receive(completed("bad", 500)).await;
        let Err(ReceiveError::Handler { id, .. }) = &failed else {
            panic!("{then:?}: {failed:?}")
        };
        assert_eq!(id.as_str(), "bitlabs/game/conversion/bad#1");
        assert_eq!(wallet(&pool).await, (0.into(), 0), "{then:?}");
        assert_eq!(
            status(&pool, "bad").await.as_deref(),
            Some("open"),
            "{then:?}"
        );
        let resumed = receiver.resume().await.unwrap();
        assert_eq!((resumed.settled, resumed.failed), (0, 1), "{then:?}");
        handler.get_along();
        let resumed = receiver.resume().await.unwrap();
        assert_eq!((resumed.settled, resumed.failed), (1, 0), "{then:?}");
        assert_eq!(receiver.resume().await.unwrap(), Resumed::default());
        assert_eq!(
            receiver.receive(completed("bad", 500)).await.unwrap(),
            Receipt::Duplicate
        );
        assert_eq!(wallet(&pool).await, (500.into(), 1), "{then:?}");
    }
}

#[tokio::test]
async fn a_handler_that_lays_hands_on_the_transaction_pays_once_all_the_same() {
    let Some(server) = shared() else { return };
    for then in [
        Then::Run("COMMIT"),
        Then::Run("ROLLBACK"),
        Then::Run("COMMIT; BEGIN"),
        Then::Run("ROLLBACK; BEGIN"),
    ] {
        let pool = pool(&server.database().await, 4);
        let (receiver, handler) = game(pool.clone(), then).await;
        let failed = receiver.receive(completed("bad", 500)).await;
        assert!(failed.is_err(), "{then:?}: {failed:?}");
        handler.get_along();
        let repeated = receiver.receive(completed("bad", 500)).await;
        assert!(repeated.is_ok(), "{then:?}: {repeated:?}");
        assert_eq!(wallet(&pool).await, (500.into(), 1), "{then:?}");
        assert_eq!(status(&pool, "bad").await.as_deref(), Some("settled"));
    }
}

#[tokio::test]
async fn the_next_callback_of_a_conversion_first_repeats_what_is_open() {
    let Some(server) = shared() else { return };
    let pool = pool(&server.database().await, 4);
    let (receiver, handler) = game(pool.clone(), Then::Fail).await;
    receiver.receive(completed("bad", 500)).await.unwrap_err();
    handler.get_along();
    assert!(is_settled(&receiver.receive(reconciled("bad", -200)).await));
    assert_eq!(wallet(&pool).await, (300.into(), 2));
}

#[tokio::test]
async fn a_refusal_closes_the_conversion_and_undoes_what_the_handler_wrote() {
    let Some(server) = shared() else { return };
    let pool = pool(&server.database().await, 4);
    let (receiver, _) = game(pool.clone(), Then::Refuse).await;
    let refused = receiver.receive(completed("bad", 500)).await.unwrap();
    assert!(matches!(refused, Receipt::Refused(_)), "{refused:?}");
    assert_eq!(wallet(&pool).await, (0.into(), 0));
    assert_eq!(status(&pool, "bad").await.as_deref(), Some("closed"));
    assert_eq!(
        receiver.receive(reconciled("bad", -500)).await.unwrap(),
        Receipt::Closed
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_twin_of_a_slow_callback_is_told_to_come_again() {
    let Some(server) = shared() else { return };
    let pool = pool(&server.database().await, 4);
    let (receiver, _) = game(pool.clone(), Then::Hang).await;
    let timing = Timing::new()
        .lease(Duration::from_secs(6))
        .patience(Duration::from_millis(100));
    let receiver = receiver
        .store()
        .receiver(Wallet::new(Then::Hang))
        .with_timing(timing);
    let slow = tokio::spawn({
        let receiver = receiver.clone();
        async move { receiver.receive(completed("bad", 500)).await }
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let twin = receiver.receive(completed("bad", 500)).await;
    assert!(matches!(twin, Err(ReceiveError::Busy { .. })), "{twin:?}");
    assert!(
        is_settled(&receiver.receive(completed("o2", 1)).await),
        "others are taken"
    );
    slow.await.unwrap().unwrap_err();
}

#[tokio::test]
async fn two_processes_that_resume_at_once_settle_each_decision_once() {
    let Some(server) = shared() else { return };
    let url = server.database().await;
    let (receiver, handler) = game(pool(&url, 4), Then::Fail).await;
    let names: Vec<_> = (0..300).map(|number| format!("bad-{number}")).collect();
    let events = names.iter().map(|name| completed(name, 1)).collect();
    deliver(&receiver, events).await;
    handler.get_along();
    let (other, other_handler) = game(pool(&url, 4), Then::Nothing).await;
    other_handler.get_along();
    let (first, second) = tokio::join!(receiver.resume(), other.resume());
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.failed + second.failed, 0);
    assert_eq!(wallet(other.store().pool()).await, (300.into(), 300));
}

/// A receiver of the general kind, which pays and settles in a transaction of its own.
#[tokio::test]
async fn a_sleeper_cannot_settle_in_a_transaction_of_his_own() {
    let Some(server) = shared() else { return };
    let pool = pool(&server.database().await, 4);
    let store = PostgresStore::new(pool.clone());
    store.migrate().await.unwrap();
    create_wallet(&pool).await;
    let timing = Timing::default();
    let start = Timestamp::from_millis(1_700_000_000_000);
    let late = start.after(timing.lease * 2);

    let mut sleeper = Steps::receive(completed("o1", 500), timing);
    to_the_handler(&store, &mut sleeper, start).await;
    let mut successor = Steps::receive(completed("o1", 500), timing);
    to_the_handler(&store, &mut successor, late).await;

    let mut slept = pay(&pool).await;
    let (expected, record) = sleeper.settlement(late).unwrap();
    let taken_over = store.settle_in(&mut slept, expected, &record).await;
    let Err(SettleError::TakenOver {
        current: Some(current),
    }) = taken_over
    else {
        panic!("{taken_over:?}")
    };
    assert!(current.record.open().is_some());
    slept.rollback().await.unwrap();

    let mut paid = pay(&pool).await;
    let (expected, record) = successor.settlement(late).unwrap();
    // Even where commits are not on the disk when they are reported, this one is.
    sqlx::raw_sql("SET LOCAL synchronous_commit = off")
        .execute(&mut *paid)
        .await
        .unwrap();
    store.settle_in(&mut paid, expected, &record).await.unwrap();
    let durable: String = sqlx::query_scalar("SHOW synchronous_commit")
        .fetch_one(&mut *paid)
        .await
        .unwrap();
    assert_eq!(durable, "on");
    paid.commit().await.unwrap();
    assert_eq!(wallet(&pool).await, (500.into(), 1));

    let woken = sleeper.advance(Happened::Handled(Handled::Done), late);
    let Step::Swap { expected, record } = woken else {
        panic!("{woken:?}")
    };
    let swapped = store.swap(expected, &record).await.unwrap();
    let answer = sleeper.advance(Happened::Swapped(swapped), late);
    assert_eq!(answer, Step::Answer(Answer::Receipt(Receipt::Duplicate)));
}

async fn to_the_handler(store: &PostgresStore, steps: &mut Steps, now: Timestamp) {
    let mut step = steps.step();
    loop {
        let happened = match step {
            Step::Load(key) => Happened::Loaded(store.load(&key).await.unwrap()),
            Step::Swap { expected, record } => {
                Happened::Swapped(store.swap(expected, &record).await.unwrap())
            }
            Step::Handle(_) => return,
            other => panic!("{other:?}"),
        };
        step = steps.advance(happened, now);
    }
}

async fn pay(pool: &sqlx::PgPool) -> sqlx::Transaction<'static, sqlx::Postgres> {
    let mut transaction = pool.begin().await.unwrap();
    sqlx::raw_sql("INSERT INTO credits VALUES ('o1', 'player-7', 500)")
        .execute(&mut *transaction)
        .await
        .unwrap();
    transaction
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_never_paid_again() {
    let Some(server) = shared() else { return };
    let pool = pool(&server.database().await, 4);
    let (receiver, _) = game(pool.clone(), Then::Nothing).await;
    receiver.receive(completed("o1", 500)).await.unwrap();
    let damage = r#"UPDATE postback_records SET record = '{"format":1}'"#;
    sqlx::raw_sql(damage).execute(&pool).await.unwrap();
    let unreadable = receiver.receive(completed("o1", 500)).await;
    assert!(
        matches!(
            unreadable,
            Err(ReceiveError::Store(StoreError::Unreadable { .. }))
        ),
        "{unreadable:?}"
    );
    assert!(
        is_settled(&receiver.receive(completed("o2", 1)).await),
        "the others are paid"
    );
    assert_eq!(wallet(&pool).await, (501.into(), 2));
}
