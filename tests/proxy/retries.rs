//! nginx asks the next upstream when one does not answer, even though that one may have paid.

use crate::nginx::Nginx;
use crate::receivers::{OFFERS, each, target};
use crate::upstream::{Loser, Loss};

#[test]
fn a_callback_that_nginx_tries_again_is_paid_once() {
    for loss in [Loss::HangUp, Loss::Silence] {
        each(OFFERS, |receiver| {
            let loser = Loser::before(receiver.address(), loss);
            let http = format!(
                "upstream game {{ server {}; server {}; }}",
                loser.address(),
                receiver.address()
            );
            let lines = "location / { proxy_pass http://game; proxy_read_timeout 2s; }";
            let Some(nginx) = Nginx::start_with(&http, "", lines) else {
                return;
            };
            let answer = nginx.get(&target(OFFERS, "o1"));
            assert_eq!(answer.status_and_body(), (200, "duplicate"), "{loss:?}");
            let lost = loser.lost();
            assert_eq!(lost.len(), 1, "nginx asked the loser first");
            assert_eq!(lost[0].status_and_body(), (200, "settled"));
            assert_eq!(receiver.balance("p1"), "500", "{}", receiver.name);
        });
    }
}

#[test]
fn where_nobody_else_is_asked_the_network_repeats_and_it_is_paid_once() {
    each(OFFERS, |receiver| {
        let loser = Loser::before(receiver.address(), Loss::HangUp);
        let lines = format!("location / {{ proxy_pass http://{}; }}", loser.address());
        let Some(nginx) = Nginx::start(&lines) else {
            return;
        };
        // Not 200, so that the network comes again.
        assert_eq!(nginx.get(&target(OFFERS, "o1")).status, 502);
        assert_eq!(nginx.get(&target(OFFERS, "o1")).status, 502);
        let lost = loser.lost();
        let words = lost.iter().map(|answer| answer.body.as_str());
        assert_eq!(words.collect::<Vec<_>>(), ["settled", "duplicate"]);
        assert_eq!(receiver.balance("p1"), "500");
    });
}
