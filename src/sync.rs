//! What threads share, wait on and hand over with. Under `cfg(shuttle)` it is the checker's, which tries the
//! orders in which they may take their steps: docs/testing-concurrency.md.

#[cfg(not(shuttle))]
pub(crate) use std::sync::{Mutex, MutexGuard};
#[cfg(all(feature = "sqlite", not(shuttle)))]
pub(crate) use std::{sync::Condvar, thread, time::Instant};
#[cfg(all(feature = "sqlite", not(shuttle)))]
pub(crate) use tokio::sync::oneshot;

/// Waits to be notified, but no longer than this; says whether the time is over.
#[cfg(all(feature = "sqlite", not(shuttle)))]
pub(crate) fn wait_for<'a, T>(
    condvar: &Condvar,
    _: &Mutex<T>,
    guard: MutexGuard<'a, T>,
    span: std::time::Duration,
) -> (MutexGuard<'a, T>, bool) {
    let (guard, waited) = condvar
        .wait_timeout(guard, span)
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    (guard, waited.timed_out())
}

#[cfg(shuttle)]
#[path = "../schedules/stepped.rs"]
mod stepped;
#[cfg(shuttle)]
pub(crate) use stepped::*;

#[cfg(all(test, shuttle))]
#[path = "../schedules/checks.rs"]
pub(crate) mod checks;
