//! Threads, locks, queues, replies and time limits. With `cfg(shuttle)`, a test decides which thread runs next: see
//! `stores/sqlite/schedules`.

#[cfg(not(shuttle))]
pub(crate) use std::{
    sync::{RwLock, mpsc},
    thread,
};
#[cfg(not(shuttle))]
pub(crate) use tokio::{sync::oneshot, time::timeout};

#[cfg(shuttle)]
mod scheduled;
#[cfg(shuttle)]
pub(crate) use scheduled::{RwLock, mpsc, oneshot, thread, timeout};
