//! What waits for a thread.

use std::sync::PoisonError;

use crate::store::StoreError;
use crate::sync::RwLock;
use crate::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// The end at which operations are put in. Bounded, and never blocks.
pub(super) struct Queue<T> {
    /// `None` once closed: the thread serves what is queued and ends.
    sender: RwLock<Option<SyncSender<T>>>,
}

impl<T> Queue<T> {
    pub(super) fn new(length: usize) -> (Self, Receiver<T>) {
        let (sender, receiver) = sync_channel(length);
        (
            Self {
                sender: RwLock::new(Some(sender)),
            },
            receiver,
        )
    }

    pub(super) fn put(&self, operation: T) -> Result<(), StoreError> {
        // Nothing panics while the lock is held.
        let sender = self.sender.read().unwrap_or_else(PoisonError::into_inner);
        let sender = sender.as_ref().ok_or(StoreError::Closed)?;
        sender.try_send(operation).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Overloaded,
            TrySendError::Disconnected(_) => StoreError::Closed,
        })
    }

    pub(super) fn close(&self) {
        *self.sender.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
