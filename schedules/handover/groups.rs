//! A group is taken from the queue, run, committed and answered, each operation once, and answered only then.

use std::sync::Arc;
use std::sync::Mutex as Notebook;
use std::sync::atomic::{AtomicUsize, Ordering};

use shuttle::future::block_on;
use shuttle::thread;

use super::game::{Game, Outside, options, when_called};
use crate::store::sqlite::SqliteOptions;
use crate::store::sqlite::answer::{Answer, Reply, ask};
use crate::store::sqlite::leash::Leashed;
use crate::store::sqlite::tell::Others;
use crate::store::sqlite::writer::{Cause, GroupError, Operation};
use crate::sync::checks::explore::{every_schedule, random_schedules};

/// An operation that notes what is done with it.
struct Noted {
    number: usize,
    notes: Arc<Notebook<Vec<Note>>>,
    outside: Outside,
    largest: Arc<AtomicUsize>,
    reply: Reply<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Note {
    Ran(usize),
    Answered(usize),
}

impl Operation for Noted {
    fn run(&mut self, leashed: &Leashed) {
        let pay = "INSERT INTO wallet VALUES (?1, 1)";
        let paid = leashed.connection().execute(pay, [self.number.to_string()]);
        assert_eq!(paid, Ok(1));
        let size = self.outside.not_yet_seen(leashed.connection());
        self.largest.fetch_max(size, Ordering::SeqCst);
        self.notes.lock().unwrap().push(Note::Ran(self.number));
    }

    fn can_run_again(&self) -> bool {
        false
    }

    fn blame(&mut self, _: &Cause) -> bool {
        false
    }

    fn answer(self: Box<Self>, group: Result<(), GroupError>, others: Option<Others>) {
        let is_there = self.outside.paid(&self.number.to_string()) == 1;
        assert!(is_there, "committed before it is answered");
        let note = Note::Answered(self.number);
        self.notes.lock().unwrap().push(note);
        self.reply.send(group.is_ok(), others, Box::new(()));
    }
}

/// What else happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Besides {
    Nothing,
    /// The first caller never looks at his answers again, and keeps them until the others have theirs.
    Forgetting,
}

fn answers(
    game: &Game,
    notes: &Arc<Notebook<Vec<Note>>>,
    largest: &Arc<AtomicUsize>,
    numbers: std::ops::Range<usize>,
) -> Vec<Answer<bool>> {
    let ask = |number| {
        let (notes, outside) = (Arc::clone(notes), game.outside.clone());
        let largest = Arc::clone(largest);
        ask(&game.store.shared.writer, "note", |reply| {
            Box::new(Noted {
                number,
                notes,
                outside,
                largest,
                reply,
            })
        })
        .unwrap()
    };
    numbers.map(ask).collect()
}

/// Each caller hands in `each`, then waits. Gives the size of the largest group.
fn hand_in(callers: usize, each: usize, options: &SqliteOptions, besides: Besides) -> usize {
    let game = Arc::new(Game::open_for_writes(options));
    let notes = Arc::new(Notebook::new(Vec::new()));
    let largest = Arc::new(AtomicUsize::new(0));
    let forgotten = match besides {
        Besides::Nothing => Vec::new(),
        Besides::Forgetting => answers(&game, &notes, &largest, 0..each),
    };
    let first = usize::from(besides == Besides::Forgetting);
    let threads: Vec<_> = (first..callers)
        .map(|caller| {
            let (game, notes) = (Arc::clone(&game), Arc::clone(&notes));
            let largest = Arc::clone(&largest);
            thread::spawn(move || {
                let numbers = caller * each..(caller + 1) * each;
                for answer in answers(&game, &notes, &largest, numbers) {
                    assert_eq!(block_on(answer).ok(), Some(true), "committed");
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    drop(forgotten);
    block_on(game.store.close());
    let notes = notes.lock().unwrap();
    for number in 0..callers * each {
        let at = |wanted| {
            let is = |note: &(usize, &Note)| *note.1 == wanted;
            let found: Vec<_> = notes.iter().enumerate().filter(is).collect();
            assert_eq!(found.len(), 1, "{notes:?}");
            found[0].0
        };
        assert!(
            at(Note::Ran(number)) < at(Note::Answered(number)),
            "{notes:?}"
        );
    }
    let size = largest.load(Ordering::SeqCst);
    assert!(size <= options.group, "{notes:?}");
    size
}

#[test]
fn each_operation_is_run_and_answered_once() {
    let seen = Arc::new(AtomicUsize::new(0));
    let largest = Arc::clone(&seen);
    every_schedule(
        "groups, two callers with two operations each",
        3,
        move || {
            let size = hand_in(2, 2, &options(16, 3), Besides::Nothing);
            largest.fetch_max(size, Ordering::SeqCst);
        },
    );
    assert_eq!(seen.load(Ordering::SeqCst), 3, "operations share commits");
    random_schedules(
        "groups, five callers with three operations each",
        2_000,
        || {
            hand_in(5, 3, &options(16, 4), Besides::Nothing);
        },
    );
}

#[test]
fn with_one_core_each_operation_is_run_and_answered_once() {
    every_schedule(
        "groups when called, two callers with two operations each",
        2,
        || {
            hand_in(2, 2, &when_called(options(16, 3)), Besides::Nothing);
        },
    );
    random_schedules(
        "groups when called, five callers with three operations each",
        2_000,
        || {
            hand_in(5, 3, &when_called(options(16, 4)), Besides::Nothing);
        },
    );
}

#[test]
fn who_forgets_to_tell_the_others_keeps_nobody_waiting() {
    every_schedule("groups, the first of three forgets", 2, || {
        hand_in(3, 1, &options(16, 3), Besides::Forgetting);
    });
    random_schedules("groups, the first of five forgets two", 2_000, || {
        hand_in(5, 2, &options(16, 4), Besides::Forgetting);
    });
}
