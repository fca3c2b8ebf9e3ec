//! How a caller waits for the writer.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::gone;
use super::queue::{Place, Queue};
use super::tell::Others;
use super::writer::Operation;
use crate::store::StoreError;
use crate::sync::{Instant, oneshot};

/// After so many turns in his runtime's queue a caller calls the writer. Whoever else the runtime has at hand has put
/// in by then what he wants written, and shares the commit.
const TURNS: u32 = 8;

/// A turn that took so long was one among others: the runtime is busy. One that is woken from another thread waits
/// behind all of them there, perhaps for a hundred turns.
const BUSY: Duration = Duration::from_micros(50);

/// So many turns at most. Many callers who wait for a slow disk would otherwise keep each other, and the core, busy.
const MOST_TURNS: u32 = 32;

/// The operation's end.
pub(super) struct Reply<T>(oneshot::Sender<Told<T>>);

/// The caller's end. If it is dropped, the operation is carried out all the same.
pub(super) struct Answer<T> {
    told: oneshot::Receiver<Told<T>>,
    doing: &'static str,
    queue: Queue<Box<dyn Operation>>,
    /// Until the writer need not be called.
    place: Option<Place>,
    turns: u32,
    polled: Instant,
}

struct Told<T> {
    value: T,
    others: Option<Others>,
    /// What is left of the operation, for him to drop who made it.
    _remains: Box<dyn Send>,
}

impl<T> Reply<T> {
    pub(super) fn send(self, value: T, others: Option<Others>, remains: Box<dyn Send>) {
        // The caller may have gone; the others are told when what he was sent is dropped.
        let _ = self.0.send(Told {
            value,
            others,
            _remains: remains,
        });
    }
}

/// Hands an operation in.
pub(super) fn ask<T>(
    queue: &Queue<Box<dyn Operation>>,
    doing: &'static str,
    operation: impl FnOnce(Reply<T>) -> Box<dyn Operation>,
) -> Result<Answer<T>, StoreError> {
    let (reply, told) = oneshot::channel();
    let place = queue.put(operation(Reply(reply)))?;
    Ok(Answer {
        told,
        doing,
        queue: queue.clone(),
        place: Some(place).filter(|place| !place.is_called),
        turns: 0,
        polled: Instant::now(),
    })
}

impl<T> Answer<T> {
    fn call(&mut self) {
        if let Some(place) = self.place.take() {
            self.queue.call(place);
        }
    }

    /// Whether the caller takes another turn in his runtime's queue, instead of sleeping until he is woken.
    fn takes_another_turn(&mut self) -> bool {
        if self.turns >= TURNS {
            self.call();
        }
        self.turns = self.turns.saturating_add(1);
        let took = self.polled.elapsed();
        self.polled = Instant::now();
        self.place.is_some() || (took >= BUSY && self.turns < MOST_TURNS)
    }
}

impl<T> Future for Answer<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Poll::Ready(told) = Pin::new(&mut self.told).poll(context) else {
            if self.takes_another_turn() {
                context.waker().wake_by_ref();
            }
            return Poll::Pending;
        };
        self.place = None;
        let Ok(Told {
            value,
            others,
            _remains,
        }) = told
        else {
            return Poll::Ready(Err(gone(self.doing)));
        };
        drop(others);
        Poll::Ready(Ok(value))
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        self.call();
    }
}

#[cfg(not(shuttle))]
#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};
    use std::time::Instant;

    use super::*;
    use crate::store::sqlite::queue::Begin;
    use crate::store::sqlite::{InTransaction, SqliteOptions, SqliteStore, rusqlite};

    /// A game's file, opened as on a machine with one core, and a look into it from outside.
    struct Game {
        _directory: tempfile::TempDir,
        file: std::path::PathBuf,
        store: SqliteStore,
    }

    impl Game {
        fn open() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("game.db");
            let mut options = SqliteOptions::new();
            options.begin = Begin::WhenCalled;
            let store = options.open(&file).unwrap();
            let table = "CREATE TABLE done (at INTEGER)";
            rusqlite::Connection::open(&file)
                .unwrap()
                .execute_batch(table)
                .unwrap();
            Self {
                _directory: directory,
                file,
                store,
            }
        }

        fn committed(&self) -> usize {
            let count = "SELECT count(*) FROM done";
            let db = rusqlite::Connection::open(&self.file).unwrap();
            let rows: i64 = db.query_row(count, [], |row| row.get(0)).unwrap();
            rows.try_into().unwrap()
        }
    }

    fn note(game: &InTransaction<'_>) -> rusqlite::Result<usize> {
        game.execute("INSERT INTO done VALUES (1)", [])
    }

    #[tokio::test]
    async fn with_one_core_callers_of_the_same_moment_share_a_commit() {
        let game = Arc::new(Game::open());
        let callers: Vec<_> = (0..20)
            .map(|_| {
                let game = Arc::clone(&game);
                tokio::spawn(async move {
                    let look = Arc::clone(&game);
                    let work = game.store.write(move |transaction| {
                        note(transaction)?;
                        Ok::<usize, rusqlite::Error>(look.committed())
                    });
                    work.await.unwrap()
                })
            })
            .collect();
        for caller in callers {
            assert_eq!(
                caller.await.unwrap(),
                0,
                "nothing is committed before all are in"
            );
        }
        assert_eq!(game.committed(), 20);
    }

    struct Turns(AtomicUsize);

    impl Wake for Turns {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn who_waits_long_in_a_busy_runtime_takes_no_more_turns_than_some_dozens() {
        let game = Game::open();
        let (release, told) = std::sync::mpsc::channel::<()>();
        let work = game.store.write(move |transaction| {
            let _ = told.recv();
            note(transaction)
        });
        let mut work = Box::pin(work);
        let turns = Arc::new(Turns(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&turns));
        for _ in 0..200 {
            let polled = work.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
            std::thread::sleep(2 * BUSY);
        }
        let taken = turns.0.load(Ordering::SeqCst);
        assert!(
            taken > 2 * usize::try_from(TURNS).unwrap(),
            "{taken}: among others"
        );
        assert!(
            taken < usize::try_from(MOST_TURNS).unwrap(),
            "{taken}: and then sleeps"
        );
        release.send(()).unwrap();
        let started = Instant::now();
        while turns.0.load(Ordering::SeqCst) == taken {
            assert!(
                started.elapsed() < Duration::from_secs(10),
                "nobody wakes him"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[tokio::test]
    async fn with_one_core_too_what_was_handed_in_is_done_though_its_caller_has_gone() {
        let game = Game::open();
        let mut work = Box::pin(game.store.write(note));
        let polled = poll_fn(|context| Poll::Ready(work.as_mut().poll(context).is_pending()));
        assert!(polled.await);
        drop(work);
        let started = Instant::now();
        while game.committed() == 0 {
            assert!(
                started.elapsed() < Duration::from_secs(10),
                "nobody has called the writer"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
