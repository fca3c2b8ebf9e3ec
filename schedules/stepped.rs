//! The checker's types, and what it leaves out.

use std::cell::Cell;
use std::sync::PoisonError;
use std::time::Duration;

pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};
pub(crate) use shuttle::thread;

/// The time is over as soon as it is this thread's turn: the checker's own never is.
pub(crate) fn wait_for<'a, T>(
    _: &Condvar,
    lock: &'a Mutex<T>,
    guard: MutexGuard<'a, T>,
    _: Duration,
) -> (MutexGuard<'a, T>, bool) {
    drop(guard);
    thread::yield_now();
    (lock.lock().unwrap_or_else(PoisonError::into_inner), true)
}

/// Time that passes with each look at it, so that a schedule is the same whenever it is repeated.
#[derive(Clone, Copy)]
pub(crate) struct Instant(Duration);

impl Instant {
    pub(crate) fn now() -> Self {
        thread_local! {
            // The checker runs all of a scene's threads on one of the system's.
            static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
        }
        Self(NOW.with(|now| {
            now.set(now.get() + Duration::from_micros(10));
            now.get()
        }))
    }

    pub(crate) fn elapsed(self) -> Duration {
        Self::now().0 - self.0
    }
}

/// tokio's, each operation of which is one step. (Its inside is checked by tokio itself, with loom.)
pub(crate) mod oneshot {
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll};

    use shuttle::sync::atomic::{AtomicBool, Ordering};
    use tokio::sync::oneshot;
    pub(crate) use tokio::sync::oneshot::error::RecvError;

    /// Any other thread may come before what follows.
    #[derive(Clone)]
    struct Step(Arc<AtomicBool>);

    impl Step {
        fn take(&self) {
            self.0.load(Ordering::SeqCst);
        }
    }

    pub(crate) struct Sender<T> {
        inner: Option<oneshot::Sender<T>>,
        step: Step,
    }

    pub(crate) struct Receiver<T> {
        inner: oneshot::Receiver<T>,
        step: Step,
    }

    pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
        let (sender, receiver) = oneshot::channel();
        let step = Step(Arc::new(AtomicBool::new(false)));
        (
            Sender {
                inner: Some(sender),
                step: step.clone(),
            },
            Receiver {
                inner: receiver,
                step,
            },
        )
    }

    impl<T> Sender<T> {
        pub(crate) fn send(mut self, value: T) -> Result<(), T> {
            self.step.take();
            match self.inner.take() {
                Some(sender) => sender.send(value),
                None => Err(value),
            }
        }
    }

    impl<T> Drop for Sender<T> {
        fn drop(&mut self) {
            if self.inner.is_some() {
                self.step.take();
            }
        }
    }

    impl<T> Future for Receiver<T> {
        type Output = Result<T, RecvError>;

        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
            self.step.take();
            Pin::new(&mut self.inner).poll(context)
        }
    }

    impl<T> Drop for Receiver<T> {
        fn drop(&mut self) {
            self.step.take();
        }
    }
}
