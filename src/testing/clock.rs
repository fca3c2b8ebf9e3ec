//! A clock that is set by hand.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::{Clock, Timestamp};

/// A clock that stands still until it is set. Clones show the same time.
///
/// A sleep ends when the clock is set to its end or past it, so a test decides what happens before what.
///
/// ```
/// use std::time::Duration;
/// use postback::testing::ManualClock;
/// use postback::{Clock as _, Timestamp};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let clock = ManualClock::new(Timestamp::from_millis(1_700_000_000_000));
/// let sleep = clock.sleep(Duration::from_secs(30));
/// clock.advance(Duration::from_secs(30));
/// sleep.await;
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ManualClock {
    time: watch::Sender<Timestamp>,
}

impl ManualClock {
    /// A clock that shows this time.
    pub fn new(now: Timestamp) -> Self {
        let (time, _) = watch::channel(now);
        Self { time }
    }

    /// Sets the time, forward or back.
    pub fn set(&self, now: Timestamp) {
        self.time.send_replace(now);
    }

    /// Moves the time forward.
    pub fn advance(&self, span: Duration) {
        self.time.send_modify(|now| *now = now.after(span));
    }

    /// The number of sleeps that have not ended.
    pub fn sleeping(&self) -> usize {
        self.time.receiver_count()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.time.borrow()
    }

    /// Begins when it is called, not when it is first polled.
    fn sleep(&self, span: Duration) -> impl Future<Output = ()> + Send {
        let mut time = self.time.subscribe();
        let end = time.borrow().after(span);
        async move {
            if time.wait_for(|now| *now >= end).await.is_err() {
                // Every clone of the clock was dropped: nobody can set it any more.
                std::future::pending::<()>().await;
            }
        }
    }
}
