//! Wallet and record are committed together, or not at all.
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
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use game::{Place, completed, create_wallet, credit, open_record, reconciled};
use postback::decision::Decision;
use postback::event::Event;
use postback::handler::HandlerError;
use postback::receiver::{Receive, ReceiveError, Resumed};
use postback::steps::Receipt;
use postback::store::sqlite::{InTransaction, SqliteOptions, SqliteReceiver, WorkError, rusqlite};
use postback::store::{DedupStore, StoreError};

/// A switch that a test throws while the game runs.
#[derive(Clone, Default)]
struct Switch(Arc<AtomicBool>);

impl Switch {
    fn on() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    fn turn_off(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    fn is_on(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// A game whose handler first credits, and then does this to the decisions about a transaction named `bad…`.
async fn game(
    place: &Place,
    then: impl Fn(&InTransaction<'_>) -> Result<(), HandlerError> + Send + Sync + 'static,
) -> (SqliteReceiver, Switch) {
    let store = place.open();
    create_wallet(&store).await;
    let is_bad = Switch::on();
    let switch = is_bad.clone();
    let receiver = store.receiver(move |game: &InTransaction<'_>, decision: &Decision| {
        credit(game, decision)?;
        if is_bad.is_on() && decision.id().as_str().contains("/bad") {
            then(game)
        } else {
            Ok(())
        }
    });
    (receiver, switch)
}

/// Delivers all of them at once, so that they meet in one group.
async fn deliver(
    receiver: &SqliteReceiver,
    events: Vec<Event>,
) -> Vec<Result<Receipt, ReceiveError>> {
    let deliveries: Vec<_> = events
        .into_iter()
        .map(|event| {
            let receiver = receiver.clone();
            tokio::spawn(async move { receiver.receive(event).await })
        })
        .collect();
    let mut results = Vec::new();
    for delivery in deliveries {
        results.push(delivery.await.unwrap());
    }
    results
}

fn is_settled(result: &Result<Receipt, ReceiveError>) -> bool {
    matches!(result, Ok(Receipt::Settled(..)))
}

#[tokio::test]
async fn a_whole_life_ends_at_the_right_balance() {
    let place = Place::new();
    let (receiver, _) = game(&place, |_| Ok(())).await;
    assert!(is_settled(&receiver.receive(completed("o1", 500)).await));
    assert_eq!(place.wallet(), (500.into(), 1));
    assert_eq!(
        receiver.receive(completed("o1", 500)).await.unwrap(),
        Receipt::Duplicate
    );
    assert!(is_settled(&receiver.receive(reconciled("o1", -500)).await));
    assert_eq!(place.wallet(), (0.into(), 2));
    assert_eq!(place.status("o1").as_deref(), Some("settled"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_identical_callbacks_at_once_one_pays_and_all_are_answered() {
    let place = Place::new();
    let (receiver, _) = game(&place, |_| Ok(())).await;
    let results = deliver(&receiver, (0..64).map(|_| completed("o1", 500)).collect()).await;
    assert_eq!(
        results.iter().filter(|result| is_settled(result)).count(),
        1
    );
    assert_eq!(
        results
            .iter()
            .filter(|result| matches!(result, Ok(Receipt::Duplicate)))
            .count(),
        63
    );
    assert_eq!(place.wallet(), (500.into(), 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_on_one_file_pay_once() {
    let place = Place::new();
    let (one, _) = game(&place, |_| Ok(())).await;
    let (other, _) = game(&place, |_| Ok(())).await;
    for round in 0..20 {
        let name = format!("o{round}");
        let (first, second) = tokio::join!(
            one.receive(completed(&name, 5)),
            other.receive(completed(&name, 5))
        );
        assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    }
    assert_eq!(place.wallet(), (100.into(), 20));
}

#[tokio::test]
async fn a_failing_handler_leaves_an_intent_and_no_wallet_row_and_resume_settles_once() {
    let place = Place::new();
    let (receiver, switch) =
        game(&place, |_| Err(HandlerError::failed("the bank is closed"))).await;
    let failed = receiver.receive(completed("bad", 500)).await.unwrap_err();
    let ReceiveError::Handler { id, source } = &failed else {
        panic!("{failed:?}")
    };
    assert_eq!(id.as_str(), "bitlabs/game/conversion/bad#1");
    assert!(format!("{source:?}").contains("the bank is closed"));
    assert_eq!(place.wallet(), (0.into(), 0));
    assert_eq!(place.status("bad").as_deref(), Some("open"));

    let resumed = receiver.resume().await.unwrap();
    assert_eq!((resumed.settled, resumed.failed), (0, 1));
    switch.turn_off();
    let resumed = receiver.resume().await.unwrap();
    assert_eq!((resumed.settled, resumed.failed), (1, 0));
    assert_eq!(receiver.resume().await.unwrap(), Resumed::default());
    assert_eq!(
        receiver.receive(completed("bad", 500)).await.unwrap(),
        Receipt::Duplicate
    );
    assert_eq!(place.wallet(), (500.into(), 1));
}

#[tokio::test]
async fn the_next_callback_of_a_conversion_first_repeats_what_is_open() {
    let place = Place::new();
    let (receiver, switch) =
        game(&place, |_| Err(HandlerError::failed("the bank is closed"))).await;
    receiver.receive(completed("bad", 500)).await.unwrap_err();
    switch.turn_off();
    assert!(is_settled(&receiver.receive(reconciled("bad", -200)).await));
    assert_eq!(place.wallet(), (300.into(), 2));
}

#[tokio::test]
async fn one_failing_intent_does_not_keep_the_others_from_being_resumed() {
    let place = Place::new();
    let (receiver, _) = game(&place, |_| Err(HandlerError::failed("the bank is closed"))).await;
    // More than a page, all open; then the handler gets along with half of them.
    let names: Vec<_> = (0..150)
        .map(|number| format!("bad-{}", 1000 + number))
        .collect();
    deliver(
        &receiver,
        names.iter().map(|name| completed(name, 1)).collect(),
    )
    .await;
    let half = receiver
        .store()
        .receiver(|game: &InTransaction<'_>, decision: &Decision| {
            let number: u32 = decision
                .id()
                .as_str()
                .split(['-', '#'])
                .nth(1)
                .unwrap()
                .parse()
                .unwrap();
            if number.is_multiple_of(2) {
                credit(game, decision)
            } else {
                Err(HandlerError::failed("odd"))
            }
        });
    let resumed = half.resume().await.unwrap();
    assert_eq!((resumed.settled, resumed.busy, resumed.failed), (75, 0, 75));
    assert_eq!(place.wallet(), (75.into(), 75));
}

#[tokio::test]
async fn resuming_gets_along_with_a_short_queue() {
    let place = Place::new();
    let store = SqliteOptions::new().queue(2).open(place.file()).unwrap();
    create_wallet(&store).await;
    for number in 0..20 {
        store
            .swap(None, &open_record(&format!("o{number}")))
            .await
            .unwrap();
    }
    assert_eq!(store.receiver(credit).resume().await.unwrap().settled, 20);
    assert_eq!(place.wallet(), (10_000.into(), 20));
}

#[tokio::test]
async fn a_panicking_handler_leaves_an_intent_and_a_working_store() {
    let place = Place::new();
    let (receiver, switch) = game(&place, |_| panic!("the handler's own panic")).await;
    let failed = receiver.receive(completed("bad", 500)).await.unwrap_err();
    assert!(matches!(failed, ReceiveError::Handler { .. }), "{failed:?}");
    assert_eq!(place.wallet(), (0.into(), 0));
    assert_eq!(place.status("bad").as_deref(), Some("open"));
    switch.turn_off();
    assert_eq!(receiver.resume().await.unwrap().settled, 1);
    assert_eq!(place.wallet(), (500.into(), 1));
}

#[tokio::test]
async fn a_panic_of_the_writer_itself_is_an_error_and_harms_nothing() {
    struct BrokenClock;
    impl postback::clock::Clock for BrokenClock {
        fn now(&self) -> postback::clock::Timestamp {
            panic!("the clock's own panic")
        }

        async fn sleep(&self, _: std::time::Duration) {}
    }
    let place = Place::new();
    let (receiver, _) = game(&place, |_| Ok(())).await;
    let failed = receiver
        .clone()
        .with_clock(BrokenClock)
        .receive(completed("o1", 500))
        .await;
    assert!(
        matches!(
            failed,
            Err(ReceiveError::Store(StoreError::Unavailable { .. }))
        ),
        "{failed:?}"
    );
    assert!(is_settled(&receiver.receive(completed("o1", 500)).await));
    assert_eq!(place.wallet(), (500.into(), 1));
}

#[tokio::test]
async fn a_refusal_closes_the_conversion_and_undoes_what_the_handler_wrote() {
    let place = Place::new();
    let (receiver, _) = game(&place, |_| Err(HandlerError::refused("no such player"))).await;
    let refused = receiver.receive(completed("bad", 500)).await.unwrap();
    assert!(matches!(refused, Receipt::Refused(_)), "{refused:?}");
    assert_eq!(place.wallet(), (0.into(), 0));
    assert_eq!(place.status("bad").as_deref(), Some("closed"));
    assert_eq!(
        receiver.receive(reconciled("bad", -500)).await.unwrap(),
        Receipt::Closed
    );
    let stored = receiver
        .store()
        .load(&completed("bad", 500).key())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.record.closed().unwrap().reason, "no such player");
}

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

#[tokio::test]
async fn a_record_that_cannot_be_read_is_never_paid_again() {
    let place = Place::new();
    let (receiver, _) = game(&place, |_| Ok(())).await;
    receiver.receive(completed("o1", 500)).await.unwrap();
    place
        .connect()
        .execute("UPDATE postback_records SET record = '{\"format\":1'", [])
        .unwrap();
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
    assert_eq!(place.wallet(), (501.into(), 2));
}
