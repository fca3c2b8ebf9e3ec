//! What waits for a thread.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::store::StoreError;
use crate::sync::{Condvar, Mutex, MutexGuard, wait_for};

/// The end at which things are put in. Bounded, and never blocks. Clones share it.
pub(super) struct Queue<T>(Arc<Shared<T>>);

/// The thread's end. When it is dropped, nothing more is taken, and what still waits is dropped.
pub(super) struct Waiting<T>(Arc<Shared<T>>);

/// When the thread begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// As soon as anything waits.
    AtOnce,
    /// When somebody calls it.
    WhenCalled,
}

impl Begin {
    /// With one core nothing is gained by beginning while others of the same moment are still to come, and whoever
    /// begins too early has the core taken up by small groups.
    pub(super) fn here() -> Self {
        match std::thread::available_parallelism() {
            Ok(cores) if cores.get() == 1 => Self::WhenCalled,
            _ => Self::AtOnce,
        }
    }
}

/// Where something was put.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// How many had been put in by then.
    number: u64,
    /// Nobody need call the thread any more.
    pub(super) is_called: bool,
}

/// What the thread is told when it asks for more.
pub(super) enum Next<T> {
    These(Vec<T>),
    /// Its patience is over.
    Nothing,
    /// Closed, and empty.
    End,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    called: Condvar,
    length: usize,
    begin: Begin,
}

struct State<T> {
    waiting: VecDeque<T>,
    put: u64,
    /// What waits is to be begun with.
    is_called: bool,
    is_asleep: bool,
    is_closed: bool,
}

impl<T> State<T> {
    fn take(&mut self, limit: usize) -> Vec<T> {
        let count = self.waiting.len().min(limit);
        let taken = self.waiting.drain(..count).collect();
        self.is_called &= !self.waiting.is_empty();
        taken
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // Nothing panics while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, mut state: MutexGuard<'_, State<T>>) {
        state.is_called = true;
        let is_asleep = std::mem::take(&mut state.is_asleep);
        drop(state);
        // Waking asks the kernel, even where nobody sleeps.
        if is_asleep {
            self.called.notify_one();
        }
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Queue<T> {
    pub(super) fn new(length: usize, begin: Begin) -> (Self, Waiting<T>) {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                put: 0,
                is_called: false,
                is_asleep: false,
                is_closed: false,
            }),
            called: Condvar::new(),
            length,
            begin,
        });
        (Self(Arc::clone(&shared)), Waiting(shared))
    }

    pub(super) fn put(&self, one: T) -> Result<Place, StoreError> {
        let mut state = self.0.lock();
        if state.is_closed {
            return Err(StoreError::Closed);
        }
        if state.waiting.len() >= self.0.length {
            return Err(StoreError::Overloaded);
        }
        state.waiting.push_back(one);
        state.put = state.put.saturating_add(1);
        let number = state.put;
        let is_called = state.is_called || self.0.begin == Begin::AtOnce;
        if is_called {
            self.0.call(state);
        }
        Ok(Place { number, is_called })
    }

    /// Calls the thread, if what was put there still waits.
    pub(super) fn call(&self, place: Place) {
        let state = self.0.lock();
        let waiting = u64::try_from(state.waiting.len()).unwrap_or(u64::MAX);
        let is_taken = place.number <= state.put.saturating_sub(waiting);
        if !is_taken && !state.is_called {
            self.0.call(state);
        }
    }

    pub(super) fn close(&self) {
        let mut state = self.0.lock();
        state.is_closed = true;
        self.0.call(state);
    }
}

impl<T> Waiting<T> {
    /// Sleeps until it is called, but no longer than its patience, and takes up to so many.
    pub(super) fn next(&self, limit: usize, patience: Option<Duration>) -> Next<T> {
        let mut state = self.0.lock();
        loop {
            if state.waiting.is_empty() {
                if state.is_closed {
                    return Next::End;
                }
            } else if state.is_called || state.is_closed {
                return Next::These(state.take(limit));
            }
            state.is_asleep = true;
            let Some(patience) = patience else {
                let woken = self.0.called.wait(state);
                state = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let (woken, is_over) = wait_for(&self.0.called, &self.0.state, state, patience);
            state = woken;
            if is_over && !state.is_called {
                state.is_asleep = false;
                return Next::Nothing;
            }
        }
    }

    /// Takes up to so many that have come meanwhile, called or not.
    pub(super) fn latecomers(&self, limit: usize) -> Vec<T> {
        self.0.lock().take(limit)
    }
}

impl<T> Drop for Waiting<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_closed = true;
        let dropped = std::mem::take(&mut state.waiting);
        // What is dropped may come back here.
        drop(state);
        drop(dropped);
    }
}
