//! Wallet and record are committed together, or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use postback::store::{DedupStore as _, SwapOutcome};
use postback::testing::ManualClock;
use postback::{
    Decision, Effect, Event, HandlerError, MemoryStore, Receipt, ReceiveError, Receiver, Timestamp, Verified,
};
use postback_postgres::sqlx::postgres::PgPoolOptions;
use postback_postgres::sqlx::{Connection as _, PgConnection};
use postback_postgres::{PostgresStore, sqlx};
use postback_test_servers::events::{PLAYER, conversion};
use postback_test_servers::{PATIENCE, Postgres};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::game::{
    Result, Then, Wallet, balance, completed, completed_by, database, game, insist, is_pending, is_settled,
    is_unavailable, key, new_game, patient, pool, reversed,
};

/// Whatever the record was like before: absent, pending, settled, closed.
#[tokio::test]
async fn receipts_are_those_of_the_memory_store() {
    let Some((receiver, wallet)) = new_game(4, patient()).await else { return };
    let clock = ManualClock::new(Timestamp::from_millis(1_700_000_000_000));
    let receiver = receiver.clock(clock.clone());
    let model = MemoryStore::new().receiver({
        let wallet = wallet.clone();
        move |tx, decision| {
            tx.add(decision.player(), decision.balance_change());
            wallet.end()
        }
    });
    let model = model.without_recovery().clock(clock.clone());
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..400 {
        let ends = [Then::Succeed, Then::Succeed, Then::Fail, Then::Decline];
        wallet.then(ends[random.usize(..4)]);
        let mut event = any_event(&mut random);
        event.is_test = random.u8(..8) == 0;
        let (key, genuine) = (event.key(), Verified::assume_genuine(event));
        let (ours, theirs) = match random.u8(..8) {
            0 => (receiver.accept(genuine.clone()).await, model.accept(genuine).await),
            1 => (receiver.deliver(key.clone()).await, model.deliver(key).await),
            _ => (receiver.receive(genuine.clone()).await, model.receive(genuine).await),
        };
        let text = |result: Result| result.map_err(|error| error.to_string());
        assert_eq!(text(ours), text(theirs));
        clock.advance(Duration::from_secs(1));
    }
    let balance = balance(&wallet.pool, "player-7").await;
    let player = "player-7".parse().unwrap();
    assert_eq!(balance, model.store().balance(&player).await);
}

fn any_event(random: &mut fastrand::Rng) -> Event {
    let amount = postback::Decimal::from(random.i64(1..4) * 100);
    let effect = match random.u8(..6) {
        0 | 1 => Effect::Completed { amount, milestone: None, reinstates: false },
        2 => Effect::Pending { stage: "PENDING".into(), amount: None },
        3 => Effect::Adjusted { by: -amount, same_transaction: true },
        _ => Effect::Revoked,
    };
    conversion(PLAYER, &format!("t{}", random.u8(..40)), None, effect).into_inner()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_64_identical_callbacks_pays() {
    let Some((_server, url)) = database() else { return };
    // As of two processes: two pools.
    let (one, wallet) = game(&url, 8, patient()).await;
    let (other, _) = game(&url, 8, patient()).await;
    let calls: JoinSet<_> = (0..64)
        .map(|number| {
            let receiver = if number % 2 == 0 { &one } else { &other }.clone();
            async move { receiver.receive(completed("t1", 500)).await }
        })
        .collect();
    let results = calls.join_all().await;
    let settled = results.iter().filter(|result| is_settled(result)).count();
    assert_eq!(settled, 1, "{results:?}");
    let is_duplicate = |result: &&_| matches!(result, Ok(Receipt::Duplicate));
    assert_eq!(results.iter().filter(is_duplicate).count(), 63, "{results:?}");
    assert_eq!(wallet.total().await, (500, 1));
}

#[tokio::test]
async fn failed_handler_leaves_a_pending_decision() {
    let Some((receiver, wallet)) = new_game(4, patient()).await else { return };
    let brief = patient().handler_timeout(Duration::from_millis(300));
    for (paid, (then, options)) in (0..).zip([
        (Then::Fail, patient()),
        (Then::Panic, patient()),
        (Then::Hang, brief.clone()),
        // The handler gives up on a statement that still runs; then the server does.
        (Then::HangInStatement, brief.timeout(Duration::from_secs(2))),
        (Then::IgnoreError, patient()),
        (Then::ViolateDeferred, patient()),
        (Then::RunAndFail("SAVEPOINT postback"), patient()),
        // There is none of that name.
        (Then::Run("ROLLBACK TO SAVEPOINT postback"), patient()),
    ]) {
        let name = format!("t{paid}");
        let store = PostgresStore::with_options(wallet.pool.clone(), options).await.unwrap();
        wallet.then(then);
        let error = wallet.receiver(&store).receive(completed(&name, 500)).await.unwrap_err();
        assert!(matches!(error, ReceiveError::Handler { .. }), "{then:?}: {error:?}");
        assert_eq!(wallet.total().await, (500 * paid, paid), "{then:?}: the work is undone");
        assert!(is_pending(&receiver, &name).await, "{then:?}: the decision is stored");
        wallet.then(Then::Succeed);
        let receipt = receiver.deliver(key(&name)).await.unwrap();
        assert_eq!(receipt, Receipt::NothingPending, "{then:?}");
        let repeated = receiver.receive(completed(&name, 500)).await.unwrap();
        assert_eq!(repeated, Receipt::Duplicate, "{then:?}");
        assert_eq!(wallet.total().await, (500 * (paid + 1), paid + 1), "{then:?}");
    }
}

#[tokio::test]
async fn handler_that_ends_the_transaction_is_detected() {
    // One connection: it must be usable afterwards.
    let Some((receiver, wallet)) = new_game(1, patient()).await else { return };
    for (paid, then) in (0..).zip([
        Then::Run("COMMIT"),
        Then::Run("ROLLBACK"),
        Then::Run("COMMIT; BEGIN"),
        Then::Run("ROLLBACK; BEGIN"),
        Then::Run("ROLLBACK; BEGIN; SAVEPOINT postback"),
        Then::LeakNested,
    ]) {
        let name = format!("t{paid}");
        wallet.then(then);
        let result = receiver.receive(completed(&name, 500)).await;
        assert!(is_unavailable(&result), "{then:?}: {result:?}");
        let (gems, credits) = wallet.total().await;
        let stored = receiver.store().load(&key(&name)).await.unwrap();
        assert_eq!(stored.is_some(), credits == paid + 1, "{then:?}: both are there or neither");
        assert_eq!(gems, 500 * credits);
        wallet.then(Then::Succeed);
        receiver.receive(completed(&name, 500)).await.unwrap();
        assert_eq!(wallet.total().await, (500 * (paid + 1), paid + 1), "{then:?}");
    }
}

#[tokio::test]
async fn nested_transactions_of_the_handler_work() {
    let Some((receiver, wallet)) = new_game(2, patient()).await else { return };
    let nested = receiver.store().receiver(|tx, decision| {
        Box::pin(async move {
            let mut kept = tx.begin().await?;
            crate::game::pay(&mut kept, &decision).await?;
            kept.commit().await?;
            let mut dropped = tx.begin().await?;
            sqlx::raw_sql("DELETE FROM players").execute(&mut *dropped).await?;
            drop(dropped);
            Ok(())
        })
    });
    assert!(is_settled(&nested.receive(completed("t1", 500)).await));
    assert_eq!(wallet.total().await, (500, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_callback_gets_busy_after_the_lock_timeout() {
    let Some((_server, url)) = database() else { return };
    let (slow, wallet) = game(&url, 4, patient()).await;
    let hurried = patient().lock_timeout(Duration::from_millis(200));
    let store = PostgresStore::with_options(wallet.pool.clone(), hurried).await.unwrap();
    let quick = wallet.receiver(&store);
    wallet.then(Then::Hang);
    let hanging = tokio::spawn(async move { slow.receive(completed("t1", 500)).await });
    wallet.called(1).await;
    wallet.then(Then::Succeed);
    let error = quick.receive(completed("t1", 500)).await.unwrap_err();
    assert!(matches!(error, ReceiveError::Busy { .. }), "{error:?}");
    assert!(is_settled(&quick.receive(completed_by("player-8", "t2", 1)).await), "others are paid");
    hanging.abort();
    insist(&quick, &completed("t1", 500)).await;
    assert_eq!(wallet.total().await, (501, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_that_recover_pay_each_decision_once() {
    let Some((_server, url)) = database() else { return };
    let (one, wallet) = game(&url, 8, patient()).await;
    let (other, _) = game(&url, 8, patient()).await;
    for number in 0..100 {
        one.accept(completed(&format!("t{number}"), 1)).await.unwrap();
    }
    let (first, second) = tokio::join!(one.recover(), other.recover());
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.pending() + second.pending(), 0, "{first:?} {second:?}");
    assert_eq!(wallet.total().await, (100, 100));
}

/// A game's own error, which hides the driver's.
#[derive(Debug)]
struct GameError(sqlx::Error);

impl std::fmt::Display for GameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for GameError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

async fn add(tx: &mut PgConnection, player: &str, decision: &Decision) -> std::result::Result<(), GameError> {
    let add = "UPDATE players SET gems = gems + $2::text::numeric WHERE id = $1";
    let query = sqlx::query(add).bind(player).bind(decision.balance_change().to_string());
    query.execute(tx).await.map(drop).map_err(GameError)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlocked_handlers_both_pay_once() {
    let Some((receiver, wallet)) = new_game(4, patient()).await else { return };
    let players = "INSERT INTO players VALUES ('alice', 0), ('bob', 0)";
    sqlx::raw_sql(players).execute(&wallet.pool).await.unwrap();
    // Each handler locks its own player, waits for the other to have done so, and then locks the other's.
    let barrier = Arc::new(Barrier::new(2));
    let attempts = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&attempts);
    let referring = receiver.store().receiver(move |tx, decision| {
        let barrier = Arc::clone(&barrier);
        counted.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            let own = decision.player().as_str();
            let friend = if own == "alice" { "bob" } else { "alice" };
            add(tx, own, &decision).await?;
            // The second attempt is alone.
            let _ = tokio::time::timeout(Duration::from_secs(1), barrier.wait()).await;
            add(tx, friend, &decision).await?;
            Ok(())
        })
    });
    let (first, second) = tokio::join!(
        referring.receive(completed_by("alice", "t1", 500)),
        referring.receive(completed_by("bob", "t2", 500)),
    );
    assert!(is_settled(&first) && is_settled(&second), "{first:?} {second:?}");
    assert_eq!(wallet.total().await.0, 2000);
    assert_eq!(attempts.load(Ordering::SeqCst), 3, "one of them was retried");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serialization_failures_are_retried() {
    let Some(server) = Postgres::shared() else { return };
    let serializable = PgPoolOptions::new()
        .max_connections(8)
        .acquire_timeout(PATIENCE)
        .after_connect(|connection, _| {
            Box::pin(async move {
                let set = "SET default_transaction_isolation = 'serializable'";
                sqlx::raw_sql(set).execute(connection).await.map(drop)
            })
        })
        .connect(&server.create_database())
        .await
        .unwrap();
    let store = PostgresStore::with_options(serializable.clone(), patient()).await.unwrap();
    let wallet = Wallet::create(&serializable).await;
    let receiver = wallet.receiver(&store);
    // All of one player, and each conversion twice at once.
    let calls: JoinSet<_> = (0..32)
        .map(|number| {
            let receiver = receiver.clone();
            async move { insist(&receiver, &completed(&format!("t{}", number / 2), 5)).await }
        })
        .collect();
    calls.join_all().await;
    receiver.recover().await.unwrap();
    assert_eq!(wallet.total().await, (16 * 5, 16));
    assert!(wallet.calls() >= 16);
    // Plain changes of one record at once: each but one finds another version, which is no error.
    let version = store.load(&key("t0")).await.unwrap().unwrap();
    let swaps: JoinSet<_> = (0..8)
        .map(|_| {
            let (store, stored) = (store.clone(), version.clone());
            async move { store.swap(Some(stored.version), &stored.record).await }
        })
        .collect();
    let results = swaps.join_all().await;
    let replaced = results.iter().filter(|result| matches!(result, Ok(SwapOutcome::Replaced(_)))).count();
    assert_eq!((replaced, results.iter().filter(|result| result.is_err()).count()), (1, 0), "{results:?}");
}

#[tokio::test]
async fn receivers_of_both_kinds_can_share_the_tables() {
    let Some((receiver, wallet)) = new_game(4, patient()).await else { return };
    let elsewhere = Receiver::new(receiver.store().clone(), async |_| Ok::<_, HandlerError>(()));
    let elsewhere = elsewhere.without_recovery();
    assert!(is_settled(&elsewhere.receive(completed("t1", 500)).await));
    assert!(is_settled(&receiver.receive(reversed("t1", 200)).await));
    let repeated = elsewhere.receive(reversed("t1", 200)).await.unwrap();
    assert_eq!(repeated, Receipt::Duplicate);
    assert_eq!(wallet.total().await, (-200, 1));
}

#[tokio::test]
async fn acknowledged_changes_are_durable_whatever_is_set() {
    let Some((server, url)) = database() else { return };
    let name = url.rsplit('/').next().unwrap();
    server.sql("postgres", &format!("ALTER DATABASE {name} SET synchronous_commit = off"));
    let (receiver, _) = game(&url, 1, patient()).await;
    let checking = receiver.store().receiver(|tx, _| {
        Box::pin(async move {
            let setting: String = sqlx::query_scalar("SHOW synchronous_commit").fetch_one(tx).await?;
            if setting == "on" { Ok(()) } else { Err(HandlerError::declined(setting)) }
        })
    });
    assert!(is_settled(&checking.receive(completed("t1", 1)).await));
    let pool = pool(&url, 1);
    let outside: String = sqlx::query_scalar("SHOW synchronous_commit").fetch_one(&pool).await.unwrap();
    assert_eq!(outside, "off", "other transactions are left alone");
}

#[tokio::test]
async fn constraints_are_deferred_for_every_decision() {
    let Some((receiver, _wallet)) = new_game(2, patient()).await else { return };
    let child_first = receiver.store().receiver(|tx, decision| {
        Box::pin(async move {
            let player = decision.id().as_str().to_owned();
            sqlx::query("INSERT INTO sponsors VALUES ($1)").bind(&player).execute(&mut *tx).await?;
            sqlx::query("INSERT INTO players VALUES ($1, 0)").bind(&player).execute(&mut *tx).await?;
            Ok(())
        })
    });
    receiver.accept(completed("t1", 500)).await.unwrap();
    receiver.accept(reversed("t1", 200)).await.unwrap();
    let receipt = child_first.deliver(key("t1")).await.unwrap();
    assert_eq!(receipt, Receipt::NothingPending);
    let stored = receiver.store().load(&key("t1")).await.unwrap().unwrap();
    assert_eq!(stored.record.balance(), 300.into());
}
