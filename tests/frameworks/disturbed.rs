//! A store that cannot be used, callers who hang up, and the end of the program.

use std::thread;
use std::time::{Duration, Instant};

use crate::backend::{SECRET, command_of, example, run_to_its_end};
use crate::both::{Both, OFFERS, completed, get};
use crate::http::Connection;

/// Longer than the store waits for a locked file.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn while_the_store_is_locked_both_say_when_to_come_again() {
    let both = Both::start();
    let locks = both.each().map(|running| running.place.connect());
    for lock in &locks {
        lock.execute_batch("BEGIN EXCLUSIVE").unwrap();
    }
    let answer = both.answers("locked", &get(completed("o1")), 503, "store unavailable");
    assert!(answer.header("retry-after").is_some());
    for lock in &locks {
        lock.execute_batch("ROLLBACK").unwrap();
    }
    both.answers("unlocked", &get(completed("o1")), 200, "settled");
    assert_eq!(both.balance("p1"), "500");
}

#[test]
fn a_wallet_that_fails_is_a_500_in_both() {
    let both = Both::start();
    let rename = |from: &str, to: &str| {
        for running in both.each() {
            let own = running.place.connect();
            own.execute_batch(&format!("ALTER TABLE {from} RENAME TO {to}"))
                .unwrap();
        }
    };
    rename("game_players", "hidden");
    both.answers("hidden", &get(completed("o1")), 500, "handler failed");
    rename("hidden", "game_players");
    assert_eq!(both.send("shown", &get(completed("o1"))).status, 200);
    both.answers("again", &get(completed("o1")), 200, "duplicate");
    assert_eq!(both.balance("p1"), "500");
}

#[test]
fn the_work_goes_on_when_the_caller_hangs_up() {
    let both = Both::start();
    let locks = both.each().map(|running| running.place.connect());
    for (running, lock) in both.each().iter().zip(&locks) {
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        let mut caller = Connection::open(running.backend.address()).unwrap();
        caller.write(&get(completed("o1"))).unwrap();
        thread::sleep(Duration::from_millis(300));
        drop(caller);
    }
    // Time enough to notice that nobody is there any more.
    thread::sleep(Duration::from_millis(300));
    for lock in &locks {
        lock.execute_batch("ROLLBACK").unwrap();
    }
    let started = Instant::now();
    while both
        .each()
        .iter()
        .any(|one| one.wallet("p1")["balance"] != "500")
    {
        assert!(started.elapsed() < PATIENCE, "the work was dropped");
        thread::sleep(Duration::from_millis(20));
    }
    both.answers("again", &get(completed("o1")), 200, "duplicate");
}

#[cfg(unix)]
#[test]
fn both_print_the_same_and_end_in_good_order_at_ctrl_c() {
    let mut both = Both::start();
    let idle = both.each().map(|running| {
        let address = running.backend.address();
        let mut kept_alive = Connection::open(address).unwrap();
        assert_eq!(kept_alive.get("/health").unwrap().status, 200);
        let mut halfway = Connection::open(address).unwrap();
        halfway.write(b"GET /health HTTP/1.1\r\nHost: ").unwrap();
        (kept_alive, halfway)
    });
    let said = [&mut both.axum, &mut both.actix].map(|running| {
        let backend = &mut running.backend;
        backend.line("Ctrl-C ends it.");
        let started = Instant::now();
        backend.interrupt();
        let status = backend.ended().expect("it does not end");
        assert_eq!(status.code(), Some(0), "{}", backend.said_in_log());
        assert!(started.elapsed() < PATIENCE);
        backend.line("Ended cleanly.");
        let address = backend.address().to_string();
        let file = running.place.file().display().to_string();
        let neutral = |line: &String| line.replace(&address, "ADDRESS").replace(&file, "FILE");
        let lines = backend.lines();
        // The signed lines differ by the second in which the program started; the framework decides
        // whether a client that sent half a request is waited for.
        let same = lines
            .iter()
            .filter(|line| !line.starts_with("curl -i") && !line.starts_with("Some client keeps"));
        same.map(neutral).collect::<Vec<_>>()
    });
    assert_eq!(said[0], said[1]);
    drop(idle);
}

#[test]
fn both_refuse_wrong_settings_with_the_same_words() {
    for (variable, value) in [
        ("BITLABS_OFFERS_URL", OFFERS.replace("[%TX%]", "[%TX]")),
        ("BITLABS_APP_SECRET", format!("{SECRET},")),
        ("POSTBACK_LISTEN", "nonsense".to_owned()),
    ] {
        let place = crate::backend::Place::new();
        let ended = ["axum_receiver", "actix_receiver"].map(|name| {
            let mut command = command_of(&example(name), &place.file());
            command.env(variable, &value);
            run_to_its_end(command)
        });
        for one in &ended {
            assert_eq!(one.status.code(), Some(1), "{one:?}");
            assert!(one.errors.contains(variable), "{one:?}");
        }
        assert_eq!(ended[0].errors, ended[1].errors);
    }
}
