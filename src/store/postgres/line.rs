//! Who waits for a connection, and who is next.
//!
//! The pool asks the server after each use whether the connection is in order, and that costs as much as a statement.
//! So, while anybody waits, a connection that was left in order goes straight from one to the next.
//!
//! - **Asking**: waiting for the pool, as everybody would without this. As many as the pool has connections to give,
//!   and always one while anybody waits at all: what the game gives back is seen at once.
//! - **In line**: waiting for whoever is done first. Whoever stops asking, for whatever reason, calls the first in line
//!   to ask. Nobody stands in line while nobody asks.
//!
//! Whoever has gone meanwhile is passed over. What is handed to him in that very moment comes back when the message
//! to him is dropped: a connection goes to the pool, and who was to ask calls the next.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};

use tokio::sync::oneshot;

use crate::sync::{Mutex, MutexGuard};

/// Those who wait for a connection `C`.
pub(super) struct Line<C> {
    /// How many connections the pool can give at once.
    room: Box<dyn Fn() -> usize + Send + Sync>,
    state: Mutex<State<C>>,
}

struct State<C> {
    asking: usize,
    waiting: VecDeque<Waiter<C>>,
}

struct Waiter<C> {
    turn: oneshot::Sender<Turn<C>>,
    /// What begins his transaction, if he is going to begin one.
    opening: Option<String>,
}

/// Whoever is next, called before the connection is free. Goes back to the head of the line unless he gets it.
pub(super) struct Next<C> {
    line: Arc<Line<C>>,
    waiter: Option<Waiter<C>>,
}

/// What becomes of somebody who needs a connection.
pub(super) enum Turn<C> {
    /// It is his.
    Take(C),
    /// He is to ask the pool.
    Ask(Asking<C>),
}

/// Somebody asks the pool, as long as this is kept.
pub(super) struct Asking<C>(Arc<Line<C>>);

impl<C> Line<C> {
    pub(super) fn new(room: impl Fn() -> usize + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            room: Box::new(room),
            state: Mutex::new(State {
                asking: 0,
                waiting: VecDeque::new(),
            }),
        })
    }

    /// Waits for a connection, or for the turn to ask the pool for one.
    pub(super) async fn enter(self: &Arc<Self>, opening: Option<String>) -> Turn<C> {
        let turn = {
            let mut state = self.state();
            if state.waiting.is_empty() && state.asking < self.most() {
                state.asking += 1;
                return Turn::Ask(Asking(Arc::clone(self)));
            }
            let (turn, receiver) = oneshot::channel();
            state.waiting.push_back(Waiter { turn, opening });
            receiver
        };
        self.call();
        turn.await.unwrap_or_else(|_| {
            // Cannot be: a waiter is not forgotten before he has been called.
            self.state().asking += 1;
            Turn::Ask(Asking(Arc::clone(self)))
        })
    }

    /// Hands a connection to the first in line. `None`: it is his. Otherwise nobody waits.
    pub(super) fn pass(&self, mut connection: C) -> Option<C> {
        loop {
            let Some(next) = self.state().next() else {
                return Some(connection);
            };
            connection = next.take(connection)?;
        }
    }

    /// The first in line, if he is going to begin a transaction.
    pub(super) fn next(self: &Arc<Self>) -> Option<Next<C>> {
        let mut state = self.state();
        let waiter = state.next()?;
        if waiter.opening.is_none() {
            state.waiting.push_front(waiter);
            return None;
        }
        drop(state);
        Some(Next {
            line: Arc::clone(self),
            waiter: Some(waiter),
        })
    }

    /// Lets the first in line ask the pool, while it has more to give than are asking.
    fn call(self: &Arc<Self>) {
        let most = self.most();
        loop {
            let next = {
                let mut state = self.state();
                if state.asking >= most {
                    return;
                }
                let Some(next) = state.next() else { return };
                state.asking += 1;
                next
            };
            // Should he be gone: what was for him is dropped and calls the next.
            let _ = next.turn.send(Turn::Ask(Asking(Arc::clone(self))));
        }
    }

    fn most(&self) -> usize {
        (self.room)().max(1)
    }

    fn state(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> State<C> {
    /// The first in line who has not gone.
    fn next(&mut self) -> Option<Waiter<C>> {
        loop {
            let next = self.waiting.pop_front()?;
            if !next.turn.is_closed() {
                return Some(next);
            }
        }
    }
}

impl<C> Waiter<C> {
    /// It is his. Comes back if he has gone.
    fn take(self, connection: C) -> Option<C> {
        match self.turn.send(Turn::Take(connection)) {
            Err(Turn::Take(connection)) => Some(connection),
            _ => None,
        }
    }
}

impl<C> Next<C> {
    pub(super) fn opening(&self) -> &str {
        let opening = self
            .waiter
            .as_ref()
            .and_then(|waiter| waiter.opening.as_deref());
        opening.unwrap_or_default()
    }

    /// It is his. Comes back if he has gone.
    pub(super) fn take(mut self, connection: C) -> Option<C> {
        match self.waiter.take() {
            Some(waiter) => waiter.take(connection),
            None => Some(connection),
        }
    }
}

impl<C> Drop for Next<C> {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter.take() {
            self.line.state().waiting.push_front(waiter);
            self.line.call();
        }
    }
}

impl<C> Drop for Asking<C> {
    fn drop(&mut self) {
        self.0.state().asking -= 1;
        self.0.call();
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        reason = "a test fails by panicking"
    )]

    use std::pin::{Pin, pin};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use tokio::sync::Semaphore;

    use super::*;

    type Entering<'a> = Pin<Box<dyn Future<Output = Turn<u32>> + 'a>>;

    fn enter(line: &Arc<Line<u32>>) -> (Entering<'_>, Option<Turn<u32>>) {
        let mut entering: Entering<'_> = Box::pin(line.enter(Some("opening".to_owned())));
        let turn = look(&mut entering);
        (entering, turn)
    }

    fn look(entering: &mut Entering<'_>) -> Option<Turn<u32>> {
        match entering
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(turn) => Some(turn),
            Poll::Pending => None,
        }
    }

    fn is_to_ask(turn: Option<&Turn<u32>>) -> bool {
        matches!(turn, Some(Turn::Ask(_)))
    }

    #[test]
    fn as_many_ask_as_the_pool_can_give_and_the_others_stand_in_line() {
        let line = Line::new(|| 3);
        let asking: Vec<_> = (0..3).map(|_| enter(&line)).collect();
        assert!(asking.iter().all(|(_, turn)| is_to_ask(turn.as_ref())));
        let (mut fourth, turn) = enter(&line);
        assert!(turn.is_none());
        drop(asking);
        assert!(is_to_ask(look(&mut fourth).as_ref()));
    }

    #[test]
    fn nobody_stands_in_line_while_nobody_asks() {
        let line = Line::new(|| 0);
        let (_, first) = enter(&line);
        let (mut second, none) = enter(&line);
        assert!(none.is_none() && is_to_ask(first.as_ref()));
        let (mut third, none) = enter(&line);
        drop(first);
        let second = look(&mut second);
        assert!(none.is_none() && is_to_ask(second.as_ref()) && look(&mut third).is_none());
        drop(second);
        assert!(is_to_ask(look(&mut third).as_ref()));
    }

    #[test]
    fn what_comes_back_to_the_pool_is_asked_for_by_who_stands_in_line() {
        let room = Arc::new(AtomicUsize::new(0));
        let line = Line::new({
            let room = Arc::clone(&room);
            move || room.load(Ordering::SeqCst)
        });
        let (_asking, first) = enter(&line);
        let (mut second, _) = enter(&line);
        room.store(3, Ordering::SeqCst);
        let (_, third) = enter(&line);
        let second = look(&mut second);
        assert!(
            is_to_ask(first.as_ref()) && is_to_ask(second.as_ref()) && is_to_ask(third.as_ref())
        );
    }

    #[test]
    fn a_connection_goes_to_who_has_waited_longest_and_is_there_still() {
        let line = Line::new(|| 0);
        let (_asking, _first) = enter(&line);
        let (gone, _) = enter(&line);
        let (mut second, _) = enter(&line);
        let (mut third, _) = enter(&line);
        drop(gone);
        assert!(line.pass(7).is_none());
        assert!(matches!(look(&mut second), Some(Turn::Take(7))));
        assert!(look(&mut third).is_none());
        drop(third);
        assert_eq!(line.pass(8), Some(8), "nobody waits");
    }

    #[test]
    fn who_goes_when_it_is_his_turn_to_ask_calls_the_next() {
        let line = Line::new(|| 0);
        let (_asking, first) = enter(&line);
        let (second, _) = enter(&line);
        let (mut third, _) = enter(&line);
        drop(first); // The second has been called, and goes without having seen it.
        drop(second);
        assert!(is_to_ask(look(&mut third).as_ref()));
    }

    #[test]
    fn who_is_called_and_gets_nothing_is_at_the_head_of_the_line_again() {
        let line = Line::new(|| 0);
        let (_asking, _first) = enter(&line);
        let (mut second, _) = enter(&line);
        let (mut third, _) = enter(&line);
        let next = line.next().unwrap();
        assert_eq!(next.opening(), "opening");
        drop(next);
        assert!(line.next().unwrap().take(7).is_none());
        assert!(matches!(look(&mut second), Some(Turn::Take(7))));
        let next = line.next().unwrap();
        assert!(look(&mut third).is_none());
        drop(third);
        assert_eq!(next.take(8), Some(8), "gone meanwhile");
        assert!(line.next().is_none());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn everybody_has_his_turn_whoever_goes_meanwhile() {
        let pool = Arc::new(Semaphore::new(2));
        let line = Line::new({
            let pool = Arc::clone(&pool);
            move || pool.available_permits()
        });
        let callers: Vec<_> = (0..16_u64)
            .map(|caller| {
                let (line, pool) = (Arc::clone(&line), Arc::clone(&pool));
                tokio::spawn(async move {
                    for number in 0..500_u64 {
                        let patience = Duration::from_micros((caller * 7 + number * 13) % 400);
                        let wait = async {
                            let opening = (number % 3 > 0).then(String::new);
                            match line.enter(opening).await {
                                Turn::Take(connection) => connection,
                                Turn::Ask(_asking) => {
                                    Arc::clone(&pool).acquire_owned().await.unwrap()
                                }
                            }
                        };
                        // Every other caller goes when he has waited too long.
                        let got = if caller % 2 == 0 {
                            Some(pin!(wait).await)
                        } else {
                            tokio::time::timeout(patience, wait).await.ok()
                        };
                        tokio::task::yield_now().await;
                        // Now and then the connection is broken.
                        let Some(connection) = got.filter(|_| number % 10 != 0) else {
                            continue;
                        };
                        match line.next() {
                            // Now and then nothing comes of it.
                            Some(next) if number % 7 == 0 => drop(next),
                            Some(next) => drop(next.take(connection)),
                            None => drop(line.pass(connection)),
                        }
                    }
                })
            })
            .collect();
        for caller in callers {
            let ended = tokio::time::timeout(Duration::from_secs(60), caller).await;
            ended.expect("nobody waits for ever").unwrap();
        }
        let mut state = line.state();
        assert!(state.asking == 0 && state.next().is_none());
        assert_eq!(pool.available_permits(), 2);
    }
}
