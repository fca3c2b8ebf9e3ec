//! A thread that is gone answers nobody, and keeps nobody waiting.

use std::sync::Arc;
use std::sync::Mutex as Notebook;

use shuttle::future::block_on;
use shuttle::thread;

use crate::store::StoreError;
use crate::store::sqlite::operations::Working;
use crate::store::sqlite::queue::Queue;
use crate::store::sqlite::writer::Operation;
use crate::store::sqlite::{InTransaction, WorkError};
use crate::sync::checks::explore::every_schedule;
use crate::sync::oneshot;

#[derive(Debug, PartialEq)]
enum Told {
    Closed,
    /// Accepted; the reply was dropped, which the store turns into an error.
    Lost,
}

fn hand_in(queue: &Queue<Box<dyn Operation>>) -> Told {
    let (reply, answer) = oneshot::channel::<Result<(), WorkError<()>>>();
    let work = |_: &InTransaction<'_>| Ok(());
    match queue.put(Box::new(Working::new(work, reply))) {
        Err(StoreError::Closed) => return Told::Closed,
        other => other.expect("accepted"),
    }
    assert!(block_on(answer).is_err(), "nobody ran it");
    Told::Lost
}

#[test]
fn a_thread_that_is_gone_keeps_nobody_waiting() {
    let seen = Arc::new(Notebook::new(Vec::new()));
    let noted = Arc::clone(&seen);
    every_schedule("a dead writer, three callers", 4, move || {
        let (queue, operations) = Queue::new(8);
        let queue = Arc::new(queue);
        let callers: Vec<_> = (0..3)
            .map(|_| {
                let queue = Arc::clone(&queue);
                thread::spawn(move || hand_in(&queue))
            })
            .collect();
        drop(operations);
        let told = callers.into_iter().map(|caller| caller.join().unwrap());
        noted.lock().unwrap().extend(told);
    });
    let seen = seen.lock().unwrap();
    assert!(seen.contains(&Told::Closed) && seen.contains(&Told::Lost));
}
