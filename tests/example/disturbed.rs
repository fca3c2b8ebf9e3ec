//! A store that cannot be used while the program runs: 503, never 200, and all is well when it is back.

use std::thread;

use crate::backend::{Backend, Place, offer};
use crate::http;

#[test]
fn while_the_file_is_locked_the_sender_is_told_to_come_again() {
    let place = Place::new();
    let backend = Backend::start(&place.file());
    let address = backend.address();
    let first = offer("p1", "o1", "COMPLETED", "500").sign();
    assert_eq!(backend.get(first.target()).body, "settled");

    let own = place.connect();
    own.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let targets = ["o1", "o2", "o3", "o4"].map(|tx| {
        let callback = offer("p1", tx, "COMPLETED", "500").sign();
        callback.target().to_owned()
    });
    let senders = targets
        .clone()
        .map(|target| thread::spawn(move || http::get(address, &target)));
    let answers = senders.map(|sender| sender.join().unwrap());
    for answer in &answers {
        assert_eq!(answer.status_and_body(), (503, "store unavailable"));
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
    }
    assert_eq!(backend.get("/health").status, 200);
    assert_eq!(backend.player("p1")["balance"], "500", "reading goes on");

    own.execute_batch("ROLLBACK").unwrap();
    let bodies = targets.map(|target| backend.get(&target).body);
    assert_eq!(bodies, ["duplicate", "settled", "settled", "settled"]);
    assert_eq!(backend.player("p1")["balance"], "2000");
}

#[test]
fn a_record_that_cannot_be_read_is_never_taken_for_absent() {
    let place = Place::new();
    let backend = Backend::start(&place.file());
    let callback = offer("p1", "o1", "COMPLETED", "500").sign();
    assert_eq!(backend.get(callback.target()).body, "settled");
    let own = place.connect();
    let kept: String = own
        .query_row("SELECT record FROM postback_records", [], |row| row.get(0))
        .unwrap();
    own.execute("UPDATE postback_records SET record = '{oops'", [])
        .unwrap();
    let answer = backend.get(callback.target());
    assert_eq!(answer.status_and_body(), (503, "store unavailable"));
    assert!(answer.header("retry-after").is_some());
    // Other conversions are not concerned.
    let other = offer("p1", "o2", "COMPLETED", "1").sign();
    assert_eq!(backend.get(other.target()).body, "settled");

    own.execute(
        "UPDATE postback_records SET record = ?1 WHERE record = '{oops'",
        [kept],
    )
    .unwrap();
    assert_eq!(backend.get(callback.target()).body, "duplicate");
    assert_eq!(backend.player("p1")["balance"], "501");
}

#[test]
fn a_wallet_that_fails_is_a_500_and_paid_once_when_it_works_again() {
    let place = Place::new();
    let backend = Backend::start(&place.file());
    let own = place.connect();
    own.execute_batch("ALTER TABLE game_players RENAME TO hidden")
        .unwrap();
    let callback = offer("p1", "o1", "COMPLETED", "500").sign();
    for _ in 0..3 {
        let answer = backend.get(callback.target());
        assert_eq!(answer.status_and_body(), (500, "handler failed"));
    }
    assert_eq!(place.count("postback_records WHERE status = 'open'"), 1);
    own.execute_batch("ALTER TABLE hidden RENAME TO game_players")
        .unwrap();
    assert_eq!(backend.get(callback.target()).status, 200);
    assert_eq!(backend.get(callback.target()).body, "duplicate");
    assert_eq!(backend.player("p1")["balance"], "500");
}

#[test]
fn what_a_failure_left_open_is_carried_out_at_the_next_start() {
    let place = Place::new();
    let backend = Backend::start(&place.file());
    let own = place.connect();
    own.execute_batch("ALTER TABLE game_players RENAME TO hidden")
        .unwrap();
    let callback = offer("p1", "o1", "COMPLETED", "500").sign();
    assert_eq!(backend.get(callback.target()).status, 500);
    drop(backend);
    own.execute_batch("ALTER TABLE hidden RENAME TO game_players")
        .unwrap();
    let backend = Backend::start(&place.file());
    backend.line("1 settled, 0 failed again");
    assert_eq!(backend.player("p1")["balance"], "500");
    assert_eq!(backend.get(callback.target()).body, "duplicate");
}
