//! The same callback many times at once.

use std::sync::Barrier;
use std::thread;

use crate::backend::{Backend, Place, offer};
use crate::http::{Answer, Connection};

const TWINS: usize = 64;

/// Opens all connections first, so that all of them are sent in the same moment.
fn all_at_once(backend: &Backend, target: &str) -> Vec<Answer> {
    let start = Barrier::new(TWINS);
    thread::scope(|scope| {
        let twins: Vec<_> = (0..TWINS)
            .map(|_| {
                scope.spawn(|| {
                    let connection = Connection::open(backend.address());
                    start.wait();
                    connection.unwrap().get(target).unwrap()
                })
            })
            .collect();
        twins.into_iter().map(|twin| twin.join().unwrap()).collect()
    })
}

#[test]
fn sixty_four_identical_callbacks_at_once_are_credited_once() {
    let place = Place::new();
    let backend = Backend::start(&place.file());
    for number in 0..5 {
        let (player, tx) = (format!("p{number}"), format!("o{number}"));
        let callback = offer(&player, &tx, "COMPLETED", "500").sign();
        let answers = all_at_once(&backend, callback.target());
        assert!(
            answers
                .iter()
                .all(|answer| matches!(answer.status, 200 | 503)),
            "{answers:?}"
        );
        let settled = answers
            .iter()
            .filter(|answer| answer.body == "settled")
            .count();
        assert_eq!(settled, 1, "one of them was paid, the others were not");

        for answer in all_at_once(&backend, callback.target()) {
            assert_eq!(answer.status_and_body(), (200, "duplicate"));
        }
        let account = backend.player(&player);
        assert_eq!(account["balance"], "500");
        assert_eq!(account["history"].as_array().unwrap().len(), 1);
    }
    assert_eq!(place.count("postback_records WHERE status = 'open'"), 0);
}
