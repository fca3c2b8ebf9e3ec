//! What threads share, wait on and hand over with. Under `cfg(shuttle)` it is the checker's, which tries the
//! orders in which they may take their steps: docs/testing-concurrency.md.

#[cfg(not(shuttle))]
pub(crate) use std::sync::{Mutex, MutexGuard};
#[cfg(all(feature = "sqlite", not(shuttle)))]
pub(crate) use std::{
    sync::{RwLock, mpsc},
    thread,
};
#[cfg(all(feature = "sqlite", not(shuttle)))]
pub(crate) use tokio::sync::oneshot;

#[cfg(shuttle)]
#[path = "../schedules/stepped.rs"]
mod stepped;
#[cfg(shuttle)]
pub(crate) use stepped::*;

#[cfg(all(test, shuttle))]
#[path = "../schedules/checks.rs"]
pub(crate) mod checks;
