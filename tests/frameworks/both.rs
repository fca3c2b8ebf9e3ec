//! Both examples at once: every request goes to the two of them, and the answers must not differ.

use std::thread;

use serde_json::Value;

use crate::backend::{Backend, Place, SECRET, command_of, example, network};
use crate::http::{self, Answer};

/// The offers' callback of the examples' default settings, cut to what these tests need.
pub(crate) const OFFERS: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&iap_usd=[%OFFER:TASK:IAP:USD%]";
/// As behind a proxy that ends TLS on a port of its own and cuts `/eu/game` off the path.
pub(crate) const REWARDS: &str = "https://edge.example:8443/eu/game/callbacks/rewards\
    ?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&ref=[%REF%]&type=[%TYPE%]&from=bitlabs";

/// The header fields that a sender may go by.
const FIELDS: [&str; 6] = [
    "content-type",
    "content-length",
    "allow",
    "retry-after",
    "www-authenticate",
    "location",
];

/// One of the two, with its file.
pub(crate) struct Running {
    pub(crate) place: Place,
    pub(crate) backend: Backend,
}

impl Running {
    fn start(name: &str) -> Self {
        let place = Place::new();
        let mut command = command_of(&example(name), &place.file());
        command
            .env("RUST_LOG", "warn")
            .env("PHONEXA_LOGIN", "network")
            .env("PHONEXA_PASSWORD", "phonexa-password")
            .env("PHONEXA_TOKEN", "phonexa-token")
            .env("BITLABS_OFFERS_URL", OFFERS)
            .env("BITLABS_REWARDS_URL", REWARDS);
        let backend = Backend::spawn(command, &place.file().with_extension("log"));
        Self { place, backend }
    }

    /// What the player has, without the times.
    pub(crate) fn wallet(&self, player: &str) -> Value {
        let mut wallet = self.backend.player(player);
        for line in wallet["history"].as_array_mut().unwrap() {
            assert!(line["at"].take().is_string());
        }
        wallet
    }
}

/// Both examples, running.
pub(crate) struct Both {
    pub(crate) axum: Running,
    pub(crate) actix: Running,
}

impl Both {
    pub(crate) fn start() -> Self {
        Self {
            axum: Running::start("axum_receiver"),
            actix: Running::start("actix_receiver"),
        }
    }

    pub(crate) fn each(&self) -> [&Running; 2] {
        [&self.axum, &self.actix]
    }

    /// Sends these bytes to both, and returns the answer that both gave.
    pub(crate) fn send(&self, what: &str, request: &[u8]) -> Answer {
        let [axum, actix] = self.send_unlike(request);
        assert_eq!(
            axum.status_and_body(),
            actix.status_and_body(),
            "{what}: axum and actix-web answer otherwise"
        );
        for field in FIELDS {
            assert_eq!(value(&axum, field), value(&actix, field), "{what}: {field}");
        }
        axum
    }

    /// Sends these bytes to both, at the same time; the answers may differ.
    pub(crate) fn send_unlike(&self, request: &[u8]) -> [Answer; 2] {
        let addresses = self.each().map(|running| running.backend.address());
        thread::scope(|scope| {
            addresses
                .map(|address| scope.spawn(move || http::send(address, request).unwrap()))
                .map(|sender| sender.join().unwrap())
        })
    }

    /// Both must give this answer.
    pub(crate) fn answers(&self, what: &str, request: &[u8], status: u16, body: &str) -> Answer {
        let answer = self.send(what, request);
        assert_eq!(answer.status_and_body(), (status, body), "{what}");
        answer
    }

    /// The player's wallet, the same in both.
    pub(crate) fn wallet(&self, player: &str) -> Value {
        let [axum, actix] = self.each().map(|running| running.wallet(player));
        assert_eq!(axum, actix, "the wallets of {player} differ");
        axum
    }

    /// The player's balance, the same in both.
    pub(crate) fn balance(&self, player: &str) -> String {
        self.wallet(player)["balance"].as_str().unwrap().to_owned()
    }

    /// Nothing was written by either.
    pub(crate) fn are_untouched(&self) {
        for running in self.each() {
            for table in ["postback_records", "game_players", "game_history"] {
                assert_eq!(running.place.count(table), 0, "written to {table}");
            }
            let log = running.backend.said_in_log();
            assert!(!log.contains("panicked"), "{log}");
            assert!(!log.contains("hash="), "a URL is in the log: {log}");
            assert!(!log.contains(SECRET), "the secret is in the log: {log}");
        }
    }
}

/// A field's value; lists without the blanks that are free.
fn value(answer: &Answer, field: &str) -> Option<String> {
    Some(answer.header(field)?.replace(", ", ","))
}

/// A request with this method, target, and further lines of the head.
pub(crate) fn request(method: &str, target: impl AsRef<[u8]>, lines: &str) -> Vec<u8> {
    let end = format!(" HTTP/1.1\r\n{lines}\r\n");
    [method.as_bytes(), b" ", target.as_ref(), end.as_bytes()].concat()
}

/// A GET for these bytes as the target.
pub(crate) fn get(target: impl AsRef<[u8]>) -> Vec<u8> {
    request("GET", target, "Host: game.example\r\n")
}

/// An offer's callback for this transaction, unsigned but for `sign`.
pub(crate) fn offer(
    tx: &str,
    state: &str,
    gems: &str,
) -> postback::testing::bitlabs::CallbackBuilder {
    let callback = network().callback(OFFERS).player("p1");
    callback.transaction(tx).state(state).amount(gems)
}

/// The target of a completed offer of 500.
pub(crate) fn completed(tx: &str) -> String {
    offer(tx, "COMPLETED", "500").sign().target().to_owned()
}
