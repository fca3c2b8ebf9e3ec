//! The same names, under shuttle's control.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

pub(crate) use shuttle::{
    sync::{RwLock, mpsc},
    thread,
};

/// The time limit was exceeded.
#[derive(Debug)]
pub(crate) struct Elapsed;

/// A limit of zero may be exceeded at any moment, and no other one ever is.
pub(crate) async fn timeout<F: Future>(limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut timer = limit.is_zero().then(|| shuttle::future::spawn(async {}));
    let mut future = pin!(future);
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        match &mut timer {
            Some(timer) => Pin::new(timer).poll(context).map(|_| Err(Elapsed)),
            None => Poll::Pending,
        }
    })
    .await
}

/// tokio's channel, with a point at which another thread may run after a value was sent.
pub(crate) mod oneshot {
    pub(crate) use tokio::sync::oneshot::Receiver;

    pub(crate) struct Sender<T>(tokio::sync::oneshot::Sender<T>);

    pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        (Sender(sender), receiver)
    }

    impl<T> Sender<T> {
        pub(crate) fn send(self, value: T) -> Result<(), T> {
            let sent = self.0.send(value);
            shuttle::thread::yield_now();
            sent
        }
    }
}
