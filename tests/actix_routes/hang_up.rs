//! A client that hangs up does not stop the work.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use postback::decision::Decision;
use postback::handler::HandlerError;
use postback::web::actix::callbacks;

use crate::bitlabs_game::Game;
use crate::http::{self, Connection};
use crate::{completed, serve};

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(10), "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_client_that_hangs_up_midway_leaves_nothing_half_done() {
    let game = Game::new();
    let (begun, wallet) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&game.wallet));
    let calls = Arc::clone(&begun);
    let slow = move |decision: &Decision| {
        calls.fetch_add(1, Ordering::SeqCst);
        let (wallet, decision) = (Arc::clone(&wallet), decision.clone());
        async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            wallet.lock().unwrap().carry_out(&decision);
            Ok::<(), HandlerError>(())
        }
    };
    let receiver = game.receiver.clone().with_handler(slow);
    let offers = game.offers.clone();
    let server = serve(move || callbacks(offers.clone(), receiver.clone()));
    for number in 0..4 {
        let mut connection = Connection::open(server.address()).unwrap();
        let target = completed(&game, &format!("o{number}"));
        // Nobody reads the first answer: so the connection is not closed in good order but reset, which
        // actix-web notices while the handler is at work.
        let request = ["/forged?a=1", &target]
            .map(|target| format!("GET {target} HTTP/1.1\r\nHost: game.example\r\n\r\n"))
            .concat();
        connection.write(request.as_bytes()).unwrap();
        wait_until("the handler is called", || {
            begun.load(Ordering::SeqCst) > number
        });
        drop(connection);
    }
    wait_until("the handler is not stopped", || {
        game.balance() == 2_000.into()
    });
    for number in 0..4 {
        let answer = http::get(server.address(), &completed(&game, &format!("o{number}")));
        assert_eq!(answer.status_and_body(), (200, "duplicate"));
    }
    assert_eq!(begun.load(Ordering::SeqCst), 4);
}
