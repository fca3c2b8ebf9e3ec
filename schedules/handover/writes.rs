//! Every caller of `write` gets exactly one answer, and it is true.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::Mutex as Notebook;
use std::task::Poll;

use shuttle::future::block_on;
use shuttle::thread::{self, JoinHandle};

use super::game::{Game, Outside, options};
use crate::store::StoreError;
use crate::store::sqlite::{InTransaction, SqliteStore, WorkError, rusqlite};
use crate::sync::checks::explore::{every_schedule, random_schedules};

/// How it ended for one caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Done,
    Overloaded,
    Closed,
    /// He gave up after he had handed his work in.
    GaveUp,
}

/// What happens besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Besides {
    Nothing,
    /// Somebody closes the store.
    Closing,
    /// The first caller gives up.
    GivingUp,
    /// Nobody closes; the handles are dropped.
    Dropping,
}

fn pay(id: String) -> impl FnOnce(&InTransaction<'_>) -> rusqlite::Result<usize> + Send + 'static {
    move |game| game.execute("INSERT INTO wallet VALUES (?1, 1)", [id])
}

async fn end(store: &SqliteStore, id: String, gives_up: bool) -> End {
    let mut work = Box::pin(store.write(pay(id)));
    let result = poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Pending if gives_up => Poll::Ready(None),
        polled => polled.map(Some),
    });
    match result.await {
        None => End::GaveUp,
        Some(Ok(1)) => End::Done,
        Some(Err(WorkError::Store(StoreError::Overloaded))) => End::Overloaded,
        Some(Err(WorkError::Store(StoreError::Closed))) => End::Closed,
        Some(other) => panic!("{other:?}"),
    }
}

fn call(store: SqliteStore, outside: Outside, id: String, gives_up: bool) -> JoinHandle<End> {
    thread::spawn(move || {
        let end = block_on(end(&store, id.clone(), gives_up));
        assert!(
            end != End::Done || outside.paid(&id) == 1,
            "committed before it is answered"
        );
        end
    })
}

fn scene(callers: usize, queue: usize, group: usize, besides: Besides) -> Vec<End> {
    let Game { store, outside } = Game::open_for_writes(&options(queue, group));
    let calls: Vec<_> = (0..callers)
        .map(|caller| {
            let gives_up = besides == Besides::GivingUp && caller == 0;
            call(store.clone(), outside.clone(), caller.to_string(), gives_up)
        })
        .collect();
    let mut alive = store.shared.alive.clone();
    let paid = |caller: usize| outside.paid(&caller.to_string());
    let mut at_close = None;
    let mut ends: Vec<End> = Vec::new();
    if besides == Besides::Closing {
        block_on(store.close());
        at_close = Some((0..callers).map(paid).collect::<Vec<_>>());
    }
    if besides == Besides::Dropping {
        drop(store);
        // The threads end when the last caller has dropped his handle, and wait for nothing else.
        block_on(async { while alive.changed().await.is_ok() {} });
        ends.extend(calls.into_iter().map(|call| call.join().unwrap()));
    } else {
        ends.extend(calls.into_iter().map(|call| call.join().unwrap()));
        block_on(store.close());
    }
    for (caller, end) in ends.iter().enumerate() {
        // What is in the queue of him who gave up is done all the same.
        let times = match end {
            End::Done | End::GaveUp => 1,
            End::Overloaded | End::Closed => 0,
        };
        assert_eq!(paid(caller), times, "{end:?}");
        if let Some(at_close) = &at_close {
            assert_eq!(at_close[caller], times, "when `close` returns, all is done");
        }
    }
    ends
}

/// Every schedule of the small scene, many of the larger one. Each of these ends must be reached.
fn check(name: &str, delays: usize, besides: Besides, queue: usize, must_see: &[End]) {
    let seen = Arc::new(Notebook::new(Vec::new()));
    let noted = Arc::clone(&seen);
    every_schedule(&format!("{name}, two callers"), delays, move || {
        noted.lock().unwrap().extend(scene(2, queue, 2, besides));
    });
    let noted = Arc::clone(&seen);
    random_schedules(&format!("{name}, five callers"), 2_000, move || {
        noted.lock().unwrap().extend(scene(5, queue, 2, besides));
    });
    let seen = seen.lock().unwrap();
    for end in must_see {
        assert!(seen.contains(end), "{end:?} is reached");
    }
}

#[test]
fn every_caller_is_answered_and_paid_once() {
    check("plain", 3, Besides::Nothing, 8, &[End::Done]);
}

#[test]
fn who_is_told_of_an_overload_is_not_paid() {
    check(
        "a queue of one",
        3,
        Besides::Nothing,
        1,
        &[End::Done, End::Overloaded],
    );
}

#[test]
fn closing_answers_everybody_and_ends_the_threads() {
    check("closing", 3, Besides::Closing, 8, &[End::Done, End::Closed]);
}

#[test]
fn a_caller_who_gives_up_harms_nobody() {
    check(
        "giving up",
        3,
        Besides::GivingUp,
        8,
        &[End::Done, End::GaveUp],
    );
}

#[test]
fn the_threads_end_with_the_last_handle() {
    check("dropping", 3, Besides::Dropping, 8, &[End::Done]);
}
