//! Whatever several threads do with the memory store at once: it is as if they had done it one after the other.

use std::sync::Arc;
use std::sync::Mutex as Notebook;
use std::sync::atomic::{AtomicUsize, Ordering};

use shuttle::future::block_on;
use shuttle::thread;

use super::callbacks::open_record;
use super::explore::{every_schedule, random_schedules};
use crate::event::RecordKey;
use crate::guard::Record;
use crate::store::{DedupStore, MemoryStore, Retention, Stored, Swapped, Version};

/// What is asked of the store, always about the same record.
#[derive(Debug, Clone, Copy)]
enum Ask {
    Load,
    /// A record with this amount, for whoever expects that.
    Swap(Expected, i64),
    Remove(Expected),
    Unsettled,
}

/// The version that a thread expects.
#[derive(Debug, Clone, Copy)]
enum Expected {
    Absent,
    First,
    /// What the thread saw last.
    Seen,
}

#[derive(Debug, Clone, PartialEq)]
enum Told {
    Loaded(Option<Stored>),
    Swapped(Swapped),
    Removed(bool),
    Unsettled(Vec<RecordKey>),
}

/// Something asked, with the exact version, what was told, and when it began and ended.
#[derive(Debug, Clone)]
struct Entry {
    ask: Ask,
    expected: Option<Version>,
    told: Told,
    began: usize,
    ended: usize,
}

fn record(amount: i64) -> Record {
    open_record("o1", amount)
}

fn ask(store: &MemoryStore, ask: Ask, expected: Option<Version>) -> Told {
    match ask {
        Ask::Load => Told::Loaded(block_on(store.load(record(0).key())).unwrap()),
        Ask::Swap(_, amount) => {
            Told::Swapped(block_on(store.swap(expected, &record(amount))).unwrap())
        }
        Ask::Remove(_) => {
            let expected = expected.unwrap_or(Version::FIRST);
            Told::Removed(block_on(store.remove(record(0).key(), expected)).unwrap())
        }
        Ask::Unsettled => Told::Unsettled(block_on(store.unsettled(None, 10)).unwrap()),
    }
}

/// What a store that serves one at a time, and holds `state`, would do.
fn as_promised(state: &mut Option<Stored>, entry: &Entry) -> Told {
    let version = state.as_ref().map(|stored| stored.version);
    match entry.ask {
        Ask::Load => Told::Loaded(state.clone()),
        Ask::Swap(..) if version != entry.expected => Told::Swapped(Swapped::Lost(state.clone())),
        Ask::Swap(_, amount) => {
            let version = entry.expected.map_or(Version::FIRST, Version::next);
            *state = Some(Stored {
                version,
                record: record(amount),
            });
            Told::Swapped(Swapped::Done(version))
        }
        Ask::Remove(_) => {
            let is_expected = version == Some(entry.expected.unwrap_or(Version::FIRST));
            if is_expected {
                *state = None;
            }
            Told::Removed(is_expected)
        }
        Ask::Unsettled => {
            let keys = state.iter().map(|stored| stored.record.key().clone());
            Told::Unsettled(keys.collect())
        }
    }
}

/// Whether some order, in which nothing comes before what had ended when it began, tells everybody the same.
fn is_linearizable(state: Option<&Stored>, rest: &[Entry]) -> bool {
    rest.is_empty()
        || (0..rest.len()).any(|at| {
            let entry = &rest[at];
            let mut state = state.cloned();
            let mut others = rest.to_vec();
            others.remove(at);
            others.iter().all(|other| other.ended > entry.began)
                && as_promised(&mut state, entry) == entry.told
                && is_linearizable(state.as_ref(), &others)
        })
}

fn scene(scripts: &'static [&'static [Ask]]) -> impl Fn() + Send + Sync + 'static {
    move || {
        let store = Arc::new(MemoryStore::new());
        let history = Arc::new(Notebook::new(Vec::new()));
        let time = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = scripts
            .iter()
            .map(|script| {
                let (store, history, time) = (store.clone(), history.clone(), time.clone());
                thread::spawn(move || follow(&store, script, &history, &time))
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let history = history.lock().unwrap();
        assert!(
            is_linearizable(None, &history),
            "no order explains {history:#?}"
        );
    }
}

fn follow(store: &MemoryStore, script: &[Ask], history: &Notebook<Vec<Entry>>, time: &AtomicUsize) {
    let mut seen = None;
    for &asked in script {
        let expected = match asked {
            Ask::Swap(Expected::First, _) | Ask::Remove(Expected::First) => Some(Version::FIRST),
            Ask::Swap(Expected::Seen, _) | Ask::Remove(Expected::Seen) => seen,
            _ => None,
        };
        let began = time.fetch_add(1, Ordering::SeqCst);
        let told = ask(store, asked, expected);
        let ended = time.fetch_add(1, Ordering::SeqCst);
        match &told {
            Told::Loaded(stored) | Told::Swapped(Swapped::Lost(stored)) => {
                seen = stored.as_ref().map(|stored| stored.version);
            }
            Told::Swapped(Swapped::Done(version)) => seen = Some(*version),
            Told::Removed(_) | Told::Unsettled(_) => {}
        }
        history.lock().unwrap().push(Entry {
            ask: asked,
            expected,
            told,
            began,
            ended,
        });
    }
}

#[test]
fn the_memory_store_is_linearizable() {
    use Ask::{Load, Remove, Swap, Unsettled};
    use Expected::{Absent, First, Seen};
    let scripts: &[&[Ask]] = &[
        &[Swap(Absent, 1), Swap(Seen, 2), Load],
        &[Swap(Absent, 3), Remove(First), Unsettled],
        &[Load, Swap(Seen, 4), Swap(First, 5)],
    ];
    every_schedule(
        "memory store, nine operations of three threads",
        4,
        scene(scripts),
    );
    let many: &[&[Ask]] = &[
        &[Swap(Absent, 1), Swap(Seen, 2), Load, Swap(Seen, 6)],
        &[Swap(Absent, 3), Remove(First), Unsettled],
        &[Load, Swap(Seen, 4), Swap(First, 5)],
        &[Load, Remove(Seen), Swap(Absent, 7)],
    ];
    random_schedules(
        "memory store, thirteen operations of four threads",
        5_000,
        scene(many),
    );
}

#[test]
fn of_two_who_expect_the_same_version_one_wins() {
    every_schedule("memory store, two claims", 8, || {
        let store = Arc::new(MemoryStore::new());
        for expected in [None, Some(Version::FIRST)] {
            let claims = [1, 2].map(|amount| {
                let store = store.clone();
                thread::spawn(move || block_on(store.swap(expected, &record(amount))).unwrap())
            });
            let told = claims.map(|claim| claim.join().unwrap());
            let version = Version::following(expected);
            let winner = told.iter().position(|told| *told == Swapped::Done(version));
            let winner = winner.expect("one wins");
            let current = Stored {
                version,
                record: record([1, 2][winner]),
            };
            assert_eq!(
                told[1 - winner],
                Swapped::Lost(Some(current)),
                "the other is told"
            );
        }
    });
}
