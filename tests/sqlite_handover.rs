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
use std::time::Duration;

use postback::store::sqlite::{InTransaction, SqliteOptions, SqliteStore, WorkError};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_look_at_his_answer_keeps_nobody_of_his_group_waiting() {
    for is_dropped in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(directory.path().join("game.db")).unwrap();
        let (release, told) = channel();
        let mut first = Some(Box::pin(store.write(wait(told))));
        assert!(is_waiting(first.as_mut().unwrap().as_mut()).await);
        let mut others: Vec<_> = (0..3)
            .map(|number| Box::pin(store.write(move |_| Ok::<u8, Infallible>(number))))
            .collect();
        for other in &mut others {
            assert!(is_waiting(other.as_mut()).await);
        }
        if is_dropped {
            first = None;
        }
        release.send(()).unwrap();

        // The first of a group tells the others, unless he does not come to it.
        for (number, other) in others.into_iter().enumerate() {
            let told = tokio::time::timeout(Duration::from_secs(10), other).await;
            assert_eq!(usize::from(told.unwrap().unwrap()), number);
        }
        if let Some(first) = first {
            first.await.unwrap();
        }
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_look_at_his_answer_keeps_nobody_of_a_later_group_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("game.db")).unwrap();
    let (release, told) = channel();
    let mut first = Box::pin(store.write(wait(told)));
    assert!(is_waiting(first.as_mut()).await);
    let mut same_group = Box::pin(store.write(|_| Ok::<u8, Infallible>(0)));
    assert!(is_waiting(same_group.as_mut()).await);
    release.send(()).unwrap();
    // Each of these is a group: it is committed while those of the first may not have been told yet.
    for number in 0..100 {
        let later = store.write(move |_| Ok::<u8, Infallible>(number));
        let told = tokio::time::timeout(Duration::from_secs(10), later).await;
        assert_eq!(told.unwrap().unwrap(), number);
    }
    first.await.unwrap();
    assert_eq!(same_group.await.unwrap(), 0);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_tells_everybody_even_if_one_does_not_look_at_his_answer() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("game.db")).unwrap();
    let (release, told) = channel();
    let mut first = Box::pin(store.write(wait(told)));
    assert!(is_waiting(first.as_mut()).await);
    let mut other = Box::pin(store.write(|_| Ok::<u8, Infallible>(1)));
    assert!(is_waiting(other.as_mut()).await);
    release.send(()).unwrap();
    store.close().await;
    assert!(
        !is_waiting(other.as_mut()).await,
        "told before it is closed"
    );
    first.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_more_than_a_group_is_done_in_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteOptions::new().group(2);
    let store = options.open(directory.path().join("game.db")).unwrap();
    let (release, told) = channel();
    let mut first = Box::pin(store.write(wait(told)));
    assert!(is_waiting(first.as_mut()).await);
    let mut others: Vec<_> = (0..6)
        .map(|number| Box::pin(store.write(move |_| Ok::<u8, Infallible>(number))))
        .collect();
    for other in &mut others {
        assert!(is_waiting(other.as_mut()).await);
    }
    release.send(()).unwrap();
    for (number, other) in others.into_iter().enumerate() {
        let told = tokio::time::timeout(Duration::from_secs(10), other).await;
        assert_eq!(usize::from(told.unwrap().unwrap()), number);
    }
    first.await.unwrap();
    store.close().await;
}
