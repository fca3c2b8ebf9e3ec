//! Callbacks taken all the way, several at once.

use std::sync::Arc;
use std::sync::Mutex as Notebook;

use shuttle::future::block_on;
use shuttle::thread;

use super::game::{Game, options};
use crate::clock::{Clock, Timestamp};
use crate::decision::Decision;
use crate::event::Event;
use crate::handler::HandlerError;
use crate::receiver::{Receive, ReceiveError, Resumed};
use crate::steps::Receipt;
use crate::store::sqlite::{InTransaction, SqliteReceiver};
use crate::store::{DedupStore, Swapped, Version};
use crate::sync::checks::callbacks::{NOW, completed, open_record};
use crate::sync::checks::explore::{every_schedule, random_schedules};

/// The moment never changes.
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        NOW
    }

    async fn sleep(&self, _: std::time::Duration) {}
}

/// Pays each time it is asked. "bad" takes the whole group's transaction with it.
fn pay(game: &InTransaction<'_>, decision: &Decision) -> Result<(), HandlerError> {
    let id = decision.conversion().to_string();
    if id.contains("bad") {
        game.execute_batch(
            "CREATE TEMP TABLE IF NOT EXISTS once (id INTEGER PRIMARY KEY); INSERT OR ROLLBACK INTO once VALUES (1), (1)",
        )?;
    }
    game.execute("INSERT INTO wallet VALUES (?1, 1)", [id])?;
    Ok(())
}

fn receiver(game: &Game) -> SqliteReceiver {
    game.store.receiver(pay).with_clock(Still)
}

/// All at once. Gives how each was answered.
fn deliver(receiver: &SqliteReceiver, events: Vec<Event>) -> Vec<Result<Receipt, ReceiveError>> {
    let deliveries: Vec<_> = events
        .into_iter()
        .map(|event| {
            let receiver = receiver.clone();
            thread::spawn(move || block_on(receiver.receive(event)))
        })
        .collect();
    deliveries
        .into_iter()
        .map(|delivery| delivery.join().unwrap())
        .collect()
}

fn is_settled(result: &Result<Receipt, ReceiveError>) -> bool {
    matches!(result, Ok(Receipt::Settled(..)))
}

/// The same conversion several times, and others, at once.
fn twins(twins: usize, others: usize) {
    let game = Game::open(&options(8, 2));
    let receiver = receiver(&game);
    let mut events = vec![completed("twin", 5); twins];
    events.extend((0..others).map(|other| completed(&format!("other{other}"), 5)));
    let keys: Vec<String> = events.iter().map(|event| event.key().to_string()).collect();
    let results = deliver(&receiver, events);
    let (same, different) = results.split_at(twins);
    assert_eq!(
        same.iter().filter(|result| is_settled(result)).count(),
        1,
        "{same:?}"
    );
    let is_duplicate =
        |result: &&Result<Receipt, ReceiveError>| matches!(result, Ok(Receipt::Duplicate));
    assert_eq!(
        same.iter().filter(is_duplicate).count(),
        twins - 1,
        "{same:?}"
    );
    assert!(different.iter().all(is_settled), "{different:?}");
    block_on(game.store.close());
    for key in keys {
        assert_eq!(game.outside.paid(&key), 1, "{key}");
    }
}

#[test]
fn of_identical_callbacks_one_pays_and_all_are_answered() {
    every_schedule("deliveries, two twins and another", 2, || twins(2, 1));
    random_schedules("deliveries, four twins and two others", 500, || twins(4, 2));
}

/// A delivery that brings its group's transaction down, and others that may share it.
fn spoilt(others: usize) {
    let game = Game::open(&options(8, 4));
    let receiver = receiver(&game);
    let mut events = vec![completed("bad", 5)];
    events.extend((0..others).map(|other| completed(&format!("other{other}"), 5)));
    let keys: Vec<String> = events.iter().map(|event| event.key().to_string()).collect();
    let results = deliver(&receiver, events);
    assert!(results[0].is_err(), "{results:?}");
    assert!(results[1..].iter().all(is_settled), "{results:?}");
    let left = block_on(game.store.unsettled(None, 10)).unwrap();
    assert_eq!(left.len(), 1, "the decision is written down");
    block_on(game.store.close());
    for (at, key) in keys.iter().enumerate() {
        assert_eq!(game.outside.paid(key), usize::from(at > 0), "{key}");
    }
}

#[test]
fn a_delivery_that_spoils_its_group_harms_nobody_else() {
    every_schedule("a spoilt group, two others", 2, || spoilt(2));
    random_schedules("a spoilt group, five others", 500, || spoilt(5));
}

#[test]
fn an_open_decision_is_repeated_once_by_whoever_comes_first() {
    every_schedule("resuming twice and a delivery", 2, || {
        let game = Game::open(&options(8, 2));
        let record = open_record("open", 5);
        let stored = block_on(game.store.swap(None, &record)).unwrap();
        assert_eq!(stored, Swapped::Done(Version::FIRST));
        let receiver = receiver(&game);
        let other = receiver.clone();
        let resuming = thread::spawn(move || block_on(other.resume()).unwrap());
        let results = deliver(&receiver, vec![completed("open", 5)]);
        let here = block_on(receiver.resume()).unwrap();
        let there = resuming.join().unwrap();
        assert!(results[0].is_ok(), "{results:?}");
        for Resumed { busy, failed, .. } in [here, there] {
            assert_eq!((busy, failed), (0, 0));
        }
        block_on(game.store.close());
        assert_eq!(game.outside.paid(&record.key().to_string()), 1);
    });
}

#[test]
fn of_two_who_expect_the_same_version_one_wins() {
    let winners = Arc::new(Notebook::new([0, 0]));
    let noted = Arc::clone(&winners);
    every_schedule("SQLite store, two claims and a look", 2, move || {
        let game = Game::open(&options(8, 2));
        let claims = [1, 2].map(|amount| {
            let store = game.store.clone();
            thread::spawn(move || block_on(store.swap(None, &open_record("o1", amount))).unwrap())
        });
        let key = open_record("o1", 1).key().clone();
        let seen = block_on(game.store.load(&key)).unwrap();
        let told = claims.map(|claim| claim.join().unwrap());
        let winner = told
            .iter()
            .position(|told| *told == Swapped::Done(Version::FIRST));
        let winner = winner.expect("one wins");
        let Swapped::Lost(Some(current)) = &told[1 - winner] else {
            panic!("{told:?}");
        };
        assert_eq!(current.record, open_record("o1", [1, 2][winner]));
        if let Some(seen) = seen {
            assert_eq!(seen, *current, "only the winner's was ever to be seen");
        }
        noted.lock().unwrap()[winner] += 1;
        block_on(game.store.close());
    });
    assert!(
        winners.lock().unwrap().iter().all(|times| *times > 0),
        "each can win"
    );
}
