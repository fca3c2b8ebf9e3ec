//! A group is taken from the queue, run, committed and answered, each operation once.

use std::sync::Arc;
use std::sync::Mutex as Notebook;
use std::sync::atomic::{AtomicUsize, Ordering};

use shuttle::future::block_on;
use shuttle::thread;

use super::game::{Game, options};
use crate::store::sqlite::leash::Leashed;
use crate::store::sqlite::writer::{Cause, GroupError, Operation};
use crate::sync::checks::explore::{every_schedule, random_schedules};
use crate::sync::oneshot;

/// An operation that notes what is done with it.
struct Noted {
    number: usize,
    notes: Arc<Notebook<Vec<Note>>>,
    reply: oneshot::Sender<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Note {
    Ran(usize),
    Answered(usize),
}

impl Operation for Noted {
    fn run(&mut self, _: &Leashed) {
        self.notes.lock().unwrap().push(Note::Ran(self.number));
    }

    fn blame(&mut self, _: &Cause) -> bool {
        false
    }

    fn answer(self: Box<Self>, group: Result<(), GroupError>) {
        let note = Note::Answered(self.number);
        self.notes.lock().unwrap().push(note);
        let _ = self.reply.send(group.is_ok());
    }
}

/// The sizes of the groups. Each must have run whole before it is answered whole.
fn groups(notes: &[Note]) -> Vec<usize> {
    let number = |note: &Note| match note {
        Note::Ran(number) | Note::Answered(number) => *number,
    };
    let is_run = |note: &&Note| matches!(note, Note::Ran(_));
    let mut rest = notes;
    let mut sizes = Vec::new();
    while !rest.is_empty() {
        let size = rest.iter().take_while(is_run).count();
        assert!(size > 0 && rest.len() >= 2 * size, "{notes:?}");
        let (group, later) = rest.split_at(2 * size);
        let (ran, answered) = group.split_at(size);
        assert!(!answered.iter().any(|note| is_run(&note)), "{notes:?}");
        assert!(
            ran.iter().map(number).eq(answered.iter().map(number)),
            "{notes:?}"
        );
        sizes.push(size);
        rest = later;
    }
    sizes
}

/// Each caller hands in `each`, then waits. Gives the size of the largest group.
fn hand_in(callers: usize, each: usize, group: usize) -> usize {
    let game = Game::open_for_writes(&options(16, group));
    let notes = Arc::new(Notebook::new(Vec::new()));
    let threads: Vec<_> = (0..callers)
        .map(|caller| {
            let (store, notes) = (game.store.clone(), notes.clone());
            thread::spawn(move || {
                let answers: Vec<_> = (0..each)
                    .map(|at| {
                        let (reply, answer) = oneshot::channel();
                        let number = caller * each + at;
                        let notes = notes.clone();
                        let operation = Noted {
                            number,
                            notes,
                            reply,
                        };
                        store.submit(Box::new(operation)).unwrap();
                        answer
                    })
                    .collect();
                for answer in answers {
                    assert!(block_on(answer).expect("an answer"), "committed");
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    block_on(game.store.close());
    let notes = notes.lock().unwrap();
    for number in 0..callers * each {
        let times = |wanted| notes.iter().filter(|note| **note == wanted).count();
        assert_eq!(times(Note::Ran(number)), 1, "{notes:?}");
        assert_eq!(times(Note::Answered(number)), 1, "{notes:?}");
    }
    let sizes = groups(&notes);
    assert!(sizes.iter().all(|size| *size <= group), "{sizes:?}");
    sizes.into_iter().max().unwrap_or(0)
}

#[test]
fn each_operation_is_run_and_answered_once() {
    let largest = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&largest);
    every_schedule(
        "groups, two callers with two operations each",
        3,
        move || {
            seen.fetch_max(hand_in(2, 2, 3), Ordering::SeqCst);
        },
    );
    assert_eq!(
        largest.load(Ordering::SeqCst),
        3,
        "operations share commits"
    );
    random_schedules(
        "groups, five callers with three operations each",
        2_000,
        || {
            hand_in(5, 3, 4);
        },
    );
}
