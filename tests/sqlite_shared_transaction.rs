//! Whatever one handler does to the transaction that many share harms nobody else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "sqlite")]

mod game;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use game::deliveries::{deliver, game, is_settled};
use game::{Place, completed, credit};
use postback::decision::Decision;
use postback::handler::HandlerError;
use postback::receiver::{Receive, ReceiveError};
use postback::store::sqlite::{InTransaction, WorkError, rusqlite};

/// Every way in which a handler may try to lay hands on the transaction that it shares.
const MEDDLING: [&str; 9] = [
    "COMMIT",
    "END; INSERT INTO credits VALUES ('stray', 'x', '1000')",
    "ROLLBACK",
    "ROLLBACK; INSERT INTO credits VALUES ('stray', 'x', '1000')",
    "BEGIN",
    "RELEASE postback_job",
    "ROLLBACK TO postback_job",
    "DELETE FROM postback_records",
    "DROP TABLE postback_records",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_cannot_lay_hands_on_the_transaction() {
    for statement in MEDDLING {
        for is_ignored in [true, false] {
            let place = Place::new();
            let (receiver, _) = game(&place, move |game| {
                for statement in statement.split(';') {
                    let result = game.execute_batch(statement);
                    assert!(
                        result.is_err() || statement.contains("INSERT"),
                        "{statement} must be refused"
                    );
                    if !is_ignored {
                        result?;
                    }
                }
                Ok(())
            })
            .await;
            let mut events: Vec<_> = (0..20)
                .map(|number| completed(&format!("o{number}"), 1))
                .collect();
            events.insert(10, completed("bad", 500));
            let results = deliver(&receiver, events).await;
            let settled = results.iter().filter(|result| is_settled(result)).count();
            // Where the handler does not mind, the statement was refused and nothing has happened.
            assert_eq!(
                settled,
                if is_ignored { 21 } else { 20 },
                "{statement}: {results:?}"
            );
            let stray = usize::from(is_ignored && statement.contains("INSERT"));
            let (_, rows) = place.wallet();
            assert_eq!(rows, settled + stray, "{statement}");
            assert_eq!(
                place.status("bad").as_deref(),
                Some(if is_ignored { "settled" } else { "open" })
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_brings_the_transaction_down_harms_nobody_else() {
    let place = Place::new();
    let (receiver, switch) = game(&place, |game| {
        // SQLite ends the whole transaction here; what follows would be committed by itself.
        let _ = game.execute_batch("INSERT OR ROLLBACK INTO once VALUES (1)");
        let stray = game.execute_batch("INSERT INTO credits VALUES ('stray', 'x', '1000')");
        assert!(stray.is_err(), "every commit is vetoed");
        Ok(())
    })
    .await;
    receiver
        .store()
        .write(|game| {
            game.execute_batch("CREATE TABLE once (a PRIMARY KEY); INSERT INTO once VALUES (1)")
        })
        .await
        .unwrap();
    let mut events: Vec<_> = (0..20)
        .map(|number| completed(&format!("o{number}"), 1))
        .collect();
    events.insert(10, completed("bad", 500));
    let results = deliver(&receiver, events).await;
    assert_eq!(
        results.iter().filter(|result| is_settled(result)).count(),
        20,
        "{results:?}"
    );
    assert!(
        matches!(&results[10], Err(ReceiveError::Handler { .. })),
        "{:?}",
        results[10]
    );
    assert_eq!(place.wallet(), (20.into(), 20));
    assert_eq!(
        place.status("bad").as_deref(),
        Some("open"),
        "the decision is written down all the same"
    );
    switch.turn_off();
    assert_eq!(receiver.resume().await.unwrap().settled, 1);
    assert_eq!(place.wallet(), (520.into(), 21));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_constraint_that_is_checked_at_the_commit_fails_only_its_own_delivery() {
    let place = Place::new();
    let (receiver, _) = game(&place, |game| {
        game.execute("INSERT INTO players_of (player) VALUES ('nobody')", [])?;
        Ok(())
    })
    .await;
    receiver
        .store()
        .write(|game| {
            game.execute_batch(
                "CREATE TABLE players (id TEXT PRIMARY KEY);
                 CREATE TABLE players_of (player TEXT REFERENCES players (id) DEFERRABLE INITIALLY DEFERRED)",
            )
        })
        .await
        .unwrap();
    let mut events: Vec<_> = (0..20)
        .map(|number| completed(&format!("o{number}"), 1))
        .collect();
    events.insert(10, completed("bad", 500));
    let results = deliver(&receiver, events).await;
    assert_eq!(
        results.iter().filter(|result| is_settled(result)).count(),
        20,
        "{results:?}"
    );
    assert!(
        matches!(&results[10], Err(ReceiveError::Handler { .. })),
        "{:?}",
        results[10]
    );
    assert_eq!(place.wallet(), (20.into(), 20));
    assert_eq!(place.status("bad").as_deref(), Some("open"));
}

#[tokio::test]
async fn savepoints_that_a_handler_leaves_open_do_no_harm() {
    let place = Place::new();
    let (receiver, switch) = game(&place, |game| {
        game.execute_batch(
            "SAVEPOINT mine; INSERT INTO credits VALUES ('half', 'x', '1000'); SAVEPOINT mine",
        )?;
        Err(HandlerError::failed("left it open"))
    })
    .await;
    receiver.receive(completed("bad", 500)).await.unwrap_err();
    assert_eq!(place.wallet(), (0.into(), 0));
    switch.turn_off();
    assert!(is_settled(&receiver.receive(completed("o1", 5)).await));

    let careless = receiver
        .store()
        .receiver(|game: &InTransaction<'_>, decision: &Decision| {
            game.execute_batch("SAVEPOINT mine")?;
            credit(game, decision)
        });
    assert!(is_settled(&careless.receive(completed("o2", 5)).await));
    assert_eq!(place.wallet(), (10.into(), 2));
}

#[tokio::test]
async fn failing_work_of_the_game_does_not_harm_the_deliveries_in_its_group() {
    let place = Place::new();
    let (receiver, _) = game(&place, |_| Err(HandlerError::failed("no"))).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let store = receiver.store().clone();
    let blocked = calls.clone();
    // Holds the writer until everything else is queued behind it.
    let first = tokio::spawn({
        let store = store.clone();
        async move {
            store
                .write(move |_| {
                    while blocked.load(Ordering::SeqCst) == 0 {
                        std::thread::yield_now();
                    }
                    Ok::<(), rusqlite::Error>(())
                })
                .await
        }
    });
    tokio::task::yield_now().await;
    let failing = tokio::spawn({
        let store = store.clone();
        async move {
            store
                .write(|game| {
                    game.execute_batch("INSERT INTO credits VALUES ('x','x','1'); nonsense")
                })
                .await
        }
    });
    let deliveries = deliver(
        &receiver,
        vec![completed("o1", 1), completed("bad", 2), completed("o2", 4)],
    );
    let release = async {
        tokio::task::yield_now().await;
        calls.store(1, Ordering::SeqCst);
    };
    let (results, ()) = tokio::join!(deliveries, release);
    first.await.unwrap().unwrap();
    assert!(matches!(failing.await.unwrap(), Err(WorkError::Work(_))));
    assert_eq!(
        results.iter().map(is_settled).collect::<Vec<_>>(),
        [true, false, true]
    );
    assert_eq!(place.wallet(), (5.into(), 2));
}
