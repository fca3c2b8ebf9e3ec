//! Several futures at once, in one task.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Drives all of them to their end; the results are in their order.
pub(super) async fn together<T>(futures: impl Iterator<Item: Future<Output = T>>) -> Vec<T> {
    let mut running: Vec<_> = futures
        .map(|future| Running::On(Box::pin(future)))
        .collect();
    poll_fn(|context| {
        let mut all_done = true;
        for running in &mut running {
            if let Running::On(future) = running {
                match future.as_mut().poll(context) {
                    Poll::Ready(output) => *running = Running::Done(output),
                    Poll::Pending => all_done = false,
                }
            }
        }
        if all_done {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    let outputs = running.into_iter().filter_map(|running| match running {
        Running::Done(output) => Some(output),
        Running::On(_) => None,
    });
    outputs.collect()
}

enum Running<F, T> {
    On(Pin<Box<F>>),
    Done(T),
}
