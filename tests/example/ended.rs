//! Ctrl-C and what follows.
#![cfg(unix)]

use std::thread;
use std::time::{Duration, Instant};

use crate::backend::{Backend, Place, offer};
use crate::http::Connection;

fn ends_cleanly(mut backend: Backend) {
    let started = Instant::now();
    backend.interrupt();
    let status = backend.ended().expect("it does not end");
    assert_eq!(status.code(), Some(0), "{}", backend.said_in_log());
    assert!(started.elapsed() < Duration::from_secs(15));
    backend.line("Ended cleanly.");
}

#[test]
fn ctrl_c_ends_it_cleanly_and_a_new_start_goes_on() {
    let place = Place::new();
    let backend = Backend::start(&place.file());
    let callback = offer("p1", "o1", "COMPLETED", "500").sign();
    assert_eq!(backend.get(callback.target()).body, "settled");
    ends_cleanly(backend);
    let left: Vec<_> = ["game.db-wal", "game.db-shm"]
        .into_iter()
        .filter(|name| place.directory().join(name).exists())
        .collect();
    assert!(left.is_empty(), "all is in the one file: {left:?}");

    let backend = Backend::start(&place.file());
    assert_eq!(backend.get(callback.target()).body, "duplicate");
    assert_eq!(backend.player("p1")["balance"], "500");
}

#[test]
fn a_client_that_sends_nothing_does_not_keep_it_from_ending() {
    let place = Place::new();
    let backend = Backend::start(&place.file());
    let silent = Connection::open(backend.address()).unwrap();
    let mut idle = Connection::open(backend.address()).unwrap();
    assert_eq!(idle.get("/health").unwrap().status, 200);
    let mut halfway = Connection::open(backend.address()).unwrap();
    halfway.write(b"GET /health HTTP/1.1\r\nHost: ").unwrap();
    thread::sleep(Duration::from_millis(100));
    ends_cleanly(backend);
    drop((silent, idle, halfway));
}

#[test]
fn what_is_under_way_at_ctrl_c_is_answered_first() {
    let place = Place::new();
    let backend = Backend::start(&place.file());
    let own = place.connect();
    own.execute_batch("BEGIN IMMEDIATE").unwrap();
    let address = backend.address();
    let callback = offer("p1", "o1", "COMPLETED", "500").sign();
    let sender = thread::spawn(move || {
        let mut connection = Connection::open(address).unwrap();
        connection.get(callback.target()).unwrap()
    });
    // It waits for the file, which is locked.
    thread::sleep(Duration::from_millis(800));
    backend.interrupt();
    thread::sleep(Duration::from_millis(100));
    own.execute_batch("ROLLBACK").unwrap();
    assert_eq!(sender.join().unwrap().status_and_body(), (200, "settled"));
    ends_cleanly(backend);
}
