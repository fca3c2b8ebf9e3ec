//! Work that is carried to its end, whoever still waits for it.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tracing::{Instrument, Span};

/// A future that does not end when it is dropped: what is left of it becomes a task of its own.
///
/// A framework drops what it was doing for a caller who hangs up, and a decision must not be left half
/// carried out. Callers seldom do, so there is a task only for those who did.
///
/// `None`: the work panicked.
pub(super) struct Carried<F: Future<Output: Send> + Send + 'static> {
    /// Until it has ended.
    work: Option<Pin<Box<F>>>,
    /// The runtime that it began on; it may be dropped elsewhere.
    runtime: Option<Handle>,
    /// The request's, where the application has one: a task of its own is outside of it.
    span: Span,
}

impl<F: Future<Output: Send> + Send + 'static> Carried<F> {
    pub(super) fn new(work: F) -> Self {
        Self {
            work: Some(Box::pin(work)),
            runtime: Handle::try_current().ok(),
            span: Span::current(),
        }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for Carried<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.work else {
            return Poll::Ready(None);
        };
        // After a panic the work is not polled again, so that nothing half-done is seen.
        let ended = match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Some(output),
            Err(_) => None,
        };
        self.work = None;
        Poll::Ready(ended)
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for Carried<F> {
    fn drop(&mut self) {
        if let (Some(work), Some(runtime)) = (self.work.take(), &self.runtime) {
            runtime.spawn(work.instrument(self.span.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a test fails by panicking"
    )]

    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::Poll;
    use std::time::Duration;

    use tokio::runtime::Runtime;

    use super::Carried;

    fn runtime() -> Runtime {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    }

    /// Work that takes a while, and a mark that it has ended.
    fn work() -> (impl Future<Output = u8> + Send + 'static, Arc<AtomicBool>) {
        let is_done = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&is_done);
        let work = async move {
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            done.store(true, Ordering::SeqCst);
            7
        };
        (work, is_done)
    }

    /// Polls it once: it is under way, and not at its end.
    async fn begin(carried: &mut (impl Future + Unpin)) {
        poll_fn(|context| {
            assert!(pin!(&mut *carried).poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
    }

    #[test]
    fn work_that_is_waited_for_ends_where_it_began() {
        let (work, is_done) = work();
        assert_eq!(
            runtime().block_on(async { Carried::new(work).await }),
            Some(7)
        );
        assert!(is_done.load(Ordering::SeqCst));
    }

    #[test]
    fn work_that_nobody_waits_for_any_more_ends_all_the_same() {
        let (work, is_done) = work();
        runtime().block_on(async {
            let mut carried = Carried::new(work);
            begin(&mut carried).await;
            drop(carried);
            assert!(!is_done.load(Ordering::SeqCst));
            tokio::time::timeout(Duration::from_secs(5), async {
                while !is_done.load(Ordering::SeqCst) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            })
            .await
            .unwrap();
        });
    }

    #[test]
    fn what_is_left_of_the_work_stays_within_the_request_s_span() {
        let subscriber = tracing_subscriber::fmt().with_writer(std::io::sink);
        let within = tracing::subscriber::with_default(subscriber.finish(), || {
            runtime().block_on(async {
                let (tell, told) = tokio::sync::oneshot::channel();
                let work = async move {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    let span = tracing::Span::current();
                    let _ = tell.send(span.metadata().map(tracing::Metadata::name));
                };
                let mut carried = tracing::info_span!("request").in_scope(|| Carried::new(work));
                begin(&mut carried).await;
                drop(carried);
                tokio::time::timeout(Duration::from_secs(5), told).await
            })
        });
        assert_eq!(within.unwrap().unwrap(), Some("request"));
    }

    #[test]
    fn work_dropped_on_a_thread_without_a_runtime_ends_on_the_one_where_it_began() {
        let (work, is_done) = work();
        runtime().block_on(async {
            let mut carried = Carried::new(work);
            begin(&mut carried).await;
            std::thread::spawn(move || drop(carried)).join().unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
        });
        assert!(is_done.load(Ordering::SeqCst));
    }

    #[test]
    fn a_panic_ends_the_work_and_nobody_else_s() {
        let carried = async { Carried::new(async { panic!("deliberately") }).await };
        let ended: Option<()> = runtime().block_on(carried);
        assert_eq!(ended, None);
    }
}
