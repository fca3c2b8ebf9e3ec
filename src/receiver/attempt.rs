//! One call of the handler, whatever it does.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::Poll;

use crate::decision::Decision;
use crate::handler::{Handler, HandlerError};
use crate::steps::Handled;

/// How a call of the handler ended, and why if it failed.
pub(crate) struct Attempt {
    pub(crate) handled: Handled,
    pub(crate) error: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Calls the handler; gives up on it when `limit` is over; takes a panic for a failure.
pub(crate) async fn attempt<H: Handler>(
    handler: &H,
    decision: &Decision,
    limit: Pin<&mut (impl Future<Output = ()> + Send)>,
) -> Attempt {
    // The call itself is inside, for a handler may panic before it returns its future.
    let work = pin!(async { handler.handle(decision).await });
    bounded(work, limit).await
}

/// Does a handler's work; gives up on it when `limit` is over; takes a panic for a failure.
pub(crate) async fn bounded(
    mut work: Pin<&mut (impl Future<Output = Result<(), HandlerError>> + Send)>,
    mut limit: Pin<&mut (impl Future<Output = ()> + Send)>,
) -> Attempt {
    let ended = poll_fn(|context| {
        // After a panic the future is not polled again, so that nothing half-done is seen.
        match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(Poll::Ready(result)) => return Poll::Ready(Ended::Returned(result)),
            Ok(Poll::Pending) => {}
            Err(_) => return Poll::Ready(Ended::Panicked),
        }
        limit.as_mut().poll(context).map(|()| Ended::TimedOut)
    });
    match ended.await {
        Ended::Returned(Ok(())) => Attempt {
            handled: Handled::Done,
            error: None,
        },
        Ended::Returned(Err(HandlerError::Refused(reason))) => Attempt {
            handled: Handled::Refused(reason),
            error: None,
        },
        Ended::Returned(Err(HandlerError::Failed(error))) => Attempt {
            handled: Handled::Failed,
            error: Some(error),
        },
        Ended::Panicked => Attempt {
            handled: Handled::Failed,
            error: Some("the handler panicked".into()),
        },
        Ended::TimedOut => Attempt {
            handled: Handled::Hung,
            error: Some("the handler took longer than its lease allows".into()),
        },
    }
}

enum Ended {
    Returned(Result<(), HandlerError>),
    Panicked,
    TimedOut,
}
