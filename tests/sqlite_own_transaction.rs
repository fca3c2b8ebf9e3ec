//! The game's own transactions and work, beside the store's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "sqlite")]

mod game;

use game::{Place, completed, create_wallet, credit};
use postback::clock::Timestamp;
use postback::event::Event;
use postback::receiver::{Receive, ReceiveError};
use postback::steps::{Handled, Happened, Receipt, Step, Steps, Timing};
use postback::store::sqlite::{SettleError, SqliteStore, WorkError, rusqlite};
use postback::store::{DedupStore, Version};
use rusqlite::TransactionBehavior;

#[tokio::test]
async fn an_intent_that_another_receiver_is_at_work_on_is_left_to_it() {
    let place = Place::new();
    let store = place.open();
    create_wallet(&store).await;
    let receiver = store.receiver(credit);
    let now = Timestamp::from_millis(1_000_000);
    let steps = at_work(receiver.store(), completed("o1", 500), now).await;
    let busy = receiver
        .clone()
        .with_clock(StoppedClock(now))
        .receive(completed("o1", 500))
        .await;
    assert!(matches!(busy, Err(ReceiveError::Busy { .. })), "{busy:?}");
    assert_eq!(place.wallet(), (0.into(), 0));

    let late = receiver.with_clock(StoppedClock(now.after(Timing::default().lease)));
    let repeated = late.receive(completed("o1", 500)).await;
    assert!(
        matches!(repeated, Ok(Receipt::Settled(..))),
        "by repeating the intent: {repeated:?}"
    );
    assert_eq!(place.wallet(), (500.into(), 1));
    drop(steps);
}

struct StoppedClock(Timestamp);

impl postback::clock::Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        self.0
    }

    async fn sleep(&self, _: std::time::Duration) {}
}

/// Somebody who has written his intent down and is at work on it.
async fn at_work(store: &SqliteStore, event: Event, now: Timestamp) -> Steps {
    let mut steps = Steps::receive(event, Timing::default());
    let mut step = steps.step();
    loop {
        let happened = match step {
            Step::Load(key) => Happened::Loaded(store.load(&key).await.unwrap()),
            Step::Swap { expected, record } => {
                Happened::Swapped(store.swap(expected, &record).await.unwrap())
            }
            Step::Handle(_) => return steps,
            other => panic!("{other:?}"),
        };
        step = steps.advance(happened, now);
    }
}

#[tokio::test]
async fn the_caller_settles_in_his_own_transaction() {
    let place = Place::new();
    let store = place.open();
    create_wallet(&store).await;
    let now = Timestamp::from_millis(1_000_000);
    let mut steps = at_work(&store, completed("o1", 500), now).await;
    let Step::Handle(decision) = steps.step() else {
        panic!()
    };
    let (expected, record) = steps.settlement(now).unwrap();

    let mut connection = place.connect();
    for is_committed in [false, true] {
        let own = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .unwrap();
        own.execute(
            "INSERT INTO credits VALUES (?1, 'player-7', '500')",
            [decision.id().as_str()],
        )
        .unwrap();
        SqliteStore::settle_in(&own, expected, &record).unwrap();
        if is_committed {
            own.commit().unwrap();
        } else {
            own.rollback().unwrap();
        }
        let status = place.status("o1");
        assert_eq!(
            status.as_deref(),
            Some(if is_committed { "settled" } else { "open" })
        );
        assert_eq!(place.wallet().1, usize::from(is_committed));
    }
    steps.advance(Happened::SettledOutside, now);
    assert!(matches!(steps.step(), Step::Answer(_)));
}

#[tokio::test]
async fn who_was_overtaken_cannot_settle_in_his_own_transaction() {
    let place = Place::new();
    let store = place.open();
    create_wallet(&store).await;
    let now = Timestamp::from_millis(1_000_000);
    let sleeper = at_work(&store, completed("o1", 500), now).await;
    let late = now.after(Timing::default().lease);
    let mut successor = at_work(&store, completed("o1", 500), late).await;
    let (expected, record) = sleeper.settlement(late).unwrap();

    let mut connection = place.connect();
    let own = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .unwrap();
    let overtaken = SqliteStore::settle_in(&own, expected, &record);
    let Err(SettleError::TakenOver {
        current: Some(current),
    }) = overtaken
    else {
        panic!("{overtaken:?}")
    };
    assert_eq!(current.version, Version::FIRST.next());
    own.rollback().unwrap();
    let step = successor.advance(Happened::Handled(Handled::Done), late);
    let Step::Swap { expected, record } = step else {
        panic!("{step:?}")
    };
    store.swap(expected, &record).await.unwrap();
    assert_eq!(place.status("o1").as_deref(), Some("settled"));
}

fn panicking() -> Result<(), ()> {
    panic!("the work's own panic")
}

#[tokio::test]
async fn the_games_own_work_is_committed_as_a_whole_or_not_at_all() {
    let place = Place::new();
    let store = place.open();
    create_wallet(&store).await;
    let spend = "INSERT INTO credits VALUES ('spent', 'player-7', '-5')";
    let failed = store
        .write(|game| {
            game.execute_batch(spend).unwrap();
            Err::<(), _>("too poor")
        })
        .await;
    assert!(
        matches!(failed, Err(WorkError::Work("too poor"))),
        "{failed:?}"
    );
    let panicked = store
        .write(|game| {
            game.execute_batch(spend).unwrap();
            panicking()
        })
        .await;
    assert!(matches!(panicked, Err(WorkError::Panicked)), "{panicked:?}");
    let ended = store.write(|game| game.execute_batch("COMMIT")).await;
    assert!(matches!(ended, Err(WorkError::Work(_))), "{ended:?}");
    assert_eq!(place.wallet(), (0.into(), 0));
    store.write(|game| game.execute_batch(spend)).await.unwrap();
    assert_eq!(place.wallet(), ((-5).into(), 1));

    let rows = store
        .read(|game| {
            game.query_row("SELECT count(*) FROM credits", [], |row| {
                row.get::<_, i64>(0)
            })
        })
        .await;
    assert_eq!(rows.unwrap(), 1);
    let writing = store
        .read(|game| game.execute_batch("DELETE FROM credits"))
        .await;
    assert!(
        matches!(writing, Err(WorkError::Work(_))),
        "the reader writes nothing: {writing:?}"
    );
    let panicked = store.read(|_| panicking()).await;
    assert!(matches!(panicked, Err(WorkError::Panicked)));
    store
        .read(|game| game.execute_batch("BEGIN; SELECT * FROM credits"))
        .await
        .unwrap();
    store
        .write(move |game| game.execute_batch(spend))
        .await
        .unwrap();
    let rows = store
        .read(|game| {
            game.query_row("SELECT count(*) FROM credits", [], |row| {
                row.get::<_, i64>(0)
            })
        })
        .await;
    assert_eq!(
        rows.unwrap(),
        2,
        "a transaction left open by one reader hides nothing from the next"
    );
}
