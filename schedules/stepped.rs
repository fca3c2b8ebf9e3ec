//! The checker's types, and what it leaves out.

pub(crate) use shuttle::sync::{Mutex, MutexGuard, RwLock};
pub(crate) use shuttle::thread;

/// The checker's queue. In the standard library, what still waits is dropped with the receiver; here, too.
pub(crate) mod mpsc {
    pub(crate) use shuttle::sync::mpsc::{RecvError, SyncSender, TryRecvError, TrySendError};

    pub(crate) struct Receiver<T>(shuttle::sync::mpsc::Receiver<T>);

    pub(crate) fn sync_channel<T>(length: usize) -> (SyncSender<T>, Receiver<T>) {
        let (sender, receiver) = shuttle::sync::mpsc::sync_channel(length);
        (sender, Receiver(receiver))
    }

    impl<T> Receiver<T> {
        pub(crate) fn recv(&self) -> Result<T, RecvError> {
            self.0.recv()
        }

        pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
            self.0.try_recv()
        }
    }

    impl<T> Drop for Receiver<T> {
        fn drop(&mut self) {
            // Nobody can put anything in between the last look and the end: neither is followed by a step.
            while self.0.try_recv().is_ok() {}
        }
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
