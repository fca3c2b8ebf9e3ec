//! The writer's thread outlives whatever its callers leave it with.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, and so does what it tests"
)]
#![cfg(feature = "sqlite")]

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::mpsc::{Receiver, channel};
use std::task::Poll;

use postback::store::sqlite::{InTransaction, SqliteStore, WorkError};

/// Panics when it is dropped.
#[derive(Debug)]
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

/// Work that waits until it is told, so that what comes after it is one group.
fn wait(told: Receiver<()>) -> impl FnOnce(&InTransaction<'_>) -> Result<(), Infallible> + Send {
    move |_| {
        let _ = told.recv();
        Ok(())
    }
}

async fn is_waiting<F: Future>(mut work: Pin<&mut F>) -> bool {
    poll_fn(|context| Poll::Ready(work.as_mut().poll(context).is_pending())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_gone_caller_left_behind_ends_neither_the_writer_nor_his_group() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("game.db")).unwrap();
    let (release, told) = channel();
    let mut first = Box::pin(store.write(wait(told)));
    assert!(is_waiting(first.as_mut()).await);
    let mut left = Box::pin(store.write(|_| Ok::<Bomb, Infallible>(Bomb)));
    assert!(is_waiting(left.as_mut()).await);
    let mut same_group = Box::pin(store.write(|_| Ok::<u8, Infallible>(1)));
    assert!(is_waiting(same_group.as_mut()).await);
    drop(left);
    release.send(()).unwrap();

    first.await.unwrap();
    assert_eq!(same_group.await.unwrap(), 1, "answered all the same");
    let later: Result<u8, WorkError<Infallible>> = store.write(|_| Ok(2)).await;
    assert_eq!(later.unwrap(), 2, "the writer lives");
    store.close().await;
}
