//! A thread that is gone answers nobody, and keeps nobody waiting.

use std::sync::Arc;
use std::sync::Mutex as Notebook;

use shuttle::future::block_on;
use shuttle::thread;

use crate::store::StoreError;
use crate::store::sqlite::InTransaction;
use crate::store::sqlite::answer::ask;
use crate::store::sqlite::operations::Working;
use crate::store::sqlite::queue::{Begin, Queue};
use crate::store::sqlite::writer::Operation;
use crate::sync::checks::explore::every_schedule;

#[derive(Debug, PartialEq)]
enum Told {
    Closed,
    /// Accepted; the reply was dropped, which the store turns into an error.
    Lost,
}

fn hand_in(queue: &Queue<Box<dyn Operation>>) -> Told {
    let work = |_: &InTransaction<'_>| Ok::<(), ()>(());
    let asked = ask(queue, "work", |reply| Box::new(Working::new(work, reply)));
    let answer = match asked {
        Err(StoreError::Closed) => return Told::Closed,
        other => other.expect("accepted"),
    };
    assert!(block_on(answer).is_err(), "nobody ran it");
    Told::Lost
}

#[test]
fn a_thread_that_is_gone_keeps_nobody_waiting() {
    let seen = Arc::new(Notebook::new(Vec::new()));
    for begin in [Begin::AtOnce, Begin::WhenCalled] {
        let noted = Arc::clone(&seen);
        every_schedule("a dead writer, three callers", 4, move || {
            let (queue, operations) = Queue::new(8, begin);
            let callers: Vec<_> = (0..3)
                .map(|_| {
                    let queue = queue.clone();
                    thread::spawn(move || hand_in(&queue))
                })
                .collect();
            drop(operations);
            let told = callers.into_iter().map(|caller| caller.join().unwrap());
            noted.lock().unwrap().extend(told);
        });
    }
    let seen = seen.lock().unwrap();
    assert!(seen.contains(&Told::Closed) && seen.contains(&Told::Lost));
}
