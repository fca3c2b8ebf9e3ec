//! Deliveries that share a commit share no fate: whatever one of them does, each of the others is paid once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, and so does what it tests"
)]
#![cfg(feature = "sqlite")]

mod game;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use game::{Place, completed, create_wallet, credit};
use postback::decision::Decision;
use postback::handler::HandlerError;
use postback::receiver::Receive;
use postback::store::sqlite::{InTransaction, SqliteHandler, SqliteStore, rusqlite};
use proptest::prelude::*;

/// What a member of a group does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Pays,
    /// Its handler writes, and then fails.
    Fails,
    Panics,
    Refuses,
    /// It uses a savepoint as one should.
    Saves,
    /// It leaves a savepoint open.
    LeavesOpen,
    /// It goes back to a savepoint that it never set.
    Strays,
    /// It ends the transaction of all.
    Ends,
    /// The same callback as the delivery before.
    Repeats,
    /// Work of the game, which can be done only once.
    Works,
    FailsAtWork,
}

use Member::{
    Ends, Fails, FailsAtWork, LeavesOpen, Panics, Pays, Refuses, Repeats, Saves, Strays, Works,
};

const MEMBERS: [Member; 11] = [
    Pays,
    Fails,
    Panics,
    Refuses,
    Saves,
    LeavesOpen,
    Strays,
    Ends,
    Repeats,
    Works,
    FailsAtWork,
];

/// The name of the member's conversion says what its handler does.
fn act(game: &InTransaction<'_>, decision: &Decision) -> Result<(), HandlerError> {
    let does = |member: Member| decision.id().as_str().contains(&format!("{member:?}-"));
    if does(Saves) || does(LeavesOpen) {
        game.execute_batch("SAVEPOINT mine")?;
    }
    credit(game, decision)?;
    if does(Saves) {
        game.execute_batch("RELEASE mine")?;
    }
    if does(Strays) {
        game.execute_batch("ROLLBACK TO mine")?;
    }
    if does(Ends) {
        let _ = game.execute_batch("INSERT OR ROLLBACK INTO once VALUES (1)");
    }
    if does(Refuses) {
        return Err(HandlerError::refused("not he"));
    }
    assert!(!does(Panics), "as it should");
    if does(Fails) {
        return Err(HandlerError::failed("the bank is closed"));
    }
    Ok(())
}

/// The conversion that a member is about, if it is a delivery.
fn conversion(members: &[Member], at: usize) -> Option<String> {
    match members[at] {
        Works | FailsAtWork => None,
        Repeats => {
            let before = (0..at).rev().find_map(|at| conversion(members, at));
            before.or_else(|| Some("Pays-first".to_owned()))
        }
        member => Some(format!("{member:?}-{at}")),
    }
}

type Handing<'a> = Pin<Box<dyn Future<Output = bool> + 'a>>;

fn work(store: &SqliteStore, at: usize, fails: bool) -> Handing<'_> {
    Box::pin(async move {
        let done = store.write(move |game| {
            game.execute("INSERT INTO works VALUES (?1)", [at.to_string()])?;
            if fails {
                game.execute_batch("nonsense")?;
            }
            Ok::<(), rusqlite::Error>(())
        });
        done.await.is_ok()
    })
}

/// Hands all of them in behind a delivery that holds the writer, so that they are one group, and gives how each ended.
async fn as_one_group(
    store: &SqliteStore,
    members: &[Member],
    act: impl SqliteHandler,
) -> Vec<bool> {
    static GROUPS: AtomicUsize = AtomicUsize::new(0);
    let (release, told) = channel::<()>();
    let told = Mutex::new(told);
    let deliver = store.receiver(move |game: &InTransaction<'_>, decision: &Decision| {
        if decision.id().as_str().contains("/Holds-") {
            let _ = told.lock().unwrap().recv();
        }
        act.handle(game, decision)
    });
    let holds = format!("Holds-{}", GROUPS.fetch_add(1, Ordering::SeqCst));
    let mut holder = Box::pin(deliver.receive(completed(&holds, 1)));
    assert!(waits(holder.as_mut()).await);
    let mut handed: Vec<Handing<'_>> = Vec::new();
    for (at, member) in members.iter().enumerate() {
        let mut one: Handing<'_> = match (member, conversion(members, at)) {
            (_, Some(conversion)) => {
                let delivery = deliver.receive(completed(&conversion, 1));
                Box::pin(async move { delivery.await.is_ok() })
            }
            (member, None) => work(store, at, *member == FailsAtWork),
        };
        assert!(waits(one.as_mut()).await);
        handed.push(one);
    }
    drop(release);
    let mut ended = Vec::new();
    for one in handed {
        ended.push(one.await);
    }
    assert!(holder.await.is_ok());
    ended
}

async fn waits<F: Future + ?Sized>(mut one: Pin<&mut F>) -> bool {
    poll_fn(|context| Poll::Ready(one.as_mut().poll(context).is_pending())).await
}

async fn prepare(place: &Place) -> SqliteStore {
    let store = place.open();
    create_wallet(&store).await;
    let tables = "CREATE TABLE works (id TEXT); CREATE TABLE once (a PRIMARY KEY); INSERT INTO once VALUES (1)";
    store
        .write(move |game| game.execute_batch(tables))
        .await
        .unwrap();
    store
}

fn count(place: &Place, select: &str, of: &str) -> i64 {
    place
        .connect()
        .query_row(select, [of], |row| row.get(0))
        .unwrap()
}

fn paid(place: &Place, conversion: &str) -> i64 {
    // A reward's id begins with its conversion's.
    let select = "SELECT count(*) FROM credits WHERE instr(id, '/' || ?1 || '#') > 0";
    count(place, select, conversion)
}

fn check(place: &Place, members: &[Member], ended: &[bool]) {
    let is_spoilt = members.contains(&Ends);
    for (at, member) in members.iter().enumerate() {
        let Some(conversion) = conversion(members, at) else {
            let done = count(
                place,
                "SELECT count(*) FROM works WHERE id = ?1",
                &at.to_string(),
            );
            assert_eq!(done, i64::from(ended[at]), "{member:?} of {members:?}");
            // Work of the game cannot be repeated, and only then may be told that it shared a lost transaction.
            assert!(
                ended[at] == (*member == Works) || is_spoilt,
                "{member:?} of {members:?}"
            );
            continue;
        };
        let status = place.status(&conversion);
        let is = |member: Member| conversion.starts_with(&format!("{member:?}-"));
        let (times, expected) = if is(Pays) || is(Saves) || is(LeavesOpen) {
            (1, "settled")
        } else if is(Refuses) {
            (0, "closed")
        } else {
            (0, "open")
        };
        assert_eq!(
            paid(place, &conversion),
            times,
            "{conversion} of {members:?}"
        );
        assert_eq!(
            status.as_deref(),
            Some(expected),
            "{conversion} of {members:?}"
        );
        assert_eq!(ended[at], expected != "open", "{conversion} of {members:?}");
    }
}

async fn group(members: &[Member]) {
    let place = Place::new();
    let store = prepare(&place).await;
    let ended = as_one_group(&store, members, act).await;
    check(&place, members, &ended);

    // Whatever is open is paid once, when the handler gets along with it.
    let resumed = store.receiver(credit).resume().await.unwrap();
    assert_eq!(resumed.failed + resumed.busy, 0);
    for at in 0..members.len() {
        if let Some(conversion) = conversion(members, at) {
            let times = i64::from(!conversion.starts_with("Refuses-"));
            assert_eq!(
                paid(&place, &conversion),
                times,
                "{conversion} of {members:?}"
            );
        }
    }
    store.close().await;
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn each_member_of_a_group_meets_its_own_fate(
        members in prop::collection::vec(prop::sample::select(&MEMBERS[..]), 1..12),
    ) {
        runtime().block_on(group(&members));
    }
}

#[test]
fn a_group_with_every_kind_of_member_pays_each_once() {
    for shift in 0..MEMBERS.len() {
        let mut members = MEMBERS.to_vec();
        members.rotate_left(shift);
        runtime().block_on(group(&members));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_fails_has_the_others_of_his_group_called_twice_at_most_and_those_after_it_once() {
    let place = Place::new();
    let store = prepare(&place).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let counting = |calls: &Arc<AtomicUsize>| {
        let calls = Arc::clone(calls);
        move |game: &InTransaction<'_>, decision: &Decision| {
            calls.fetch_add(1, Ordering::SeqCst);
            act(game, decision)
        }
    };
    let mut members = vec![Pays; 20];
    members[10] = Fails;
    as_one_group(&store, &members, counting(&calls)).await;
    let first = calls.swap(0, Ordering::SeqCst);
    let holder = 1;
    assert_eq!(
        first,
        2 * holder + 11 + 20,
        "up to the failure, and all once more"
    );
    as_one_group(&store, &[Refuses; 20], counting(&calls)).await;
    let later = calls.load(Ordering::SeqCst);
    assert_eq!(later, holder + 20, "a failure is expected now");
    for _ in 0..5 {
        as_one_group(&store, &[Pays; 64], act).await;
    }
    calls.store(0, Ordering::SeqCst);
    // The first 64 of these are known by now.
    let mut members = vec![Pays; 64 + 20];
    members[64 + 10] = Fails;
    as_one_group(&store, &members, counting(&calls)).await;
    let much_later = calls.load(Ordering::SeqCst);
    assert_eq!(much_later, first, "and no more after a while");
    store.close().await;
}
