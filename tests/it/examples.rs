//! The examples, started as their headers say and used from outside.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use postback::Decimal;
use postback::network::preset;
use postback::testing::bitlabs::Signer;
use postback::testing::described::DescribedSigner;
use postback_test_servers::Example;
use sha2::{Digest as _, Sha256};

use crate::common::decimal;

const OFFERS: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]";

#[test]
fn receivers_pay_once_and_survive_being_killed() {
    for name in ["axum_receiver", "actix_receiver"] {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("game.db");
        let environment = [
            ("POSTBACK_DB", database.to_str().unwrap()),
            ("BITLABS_APP_SECRET", "old secret,new secret"),
            ("BITLABS_OFFERS_URL", OFFERS),
        ];
        let offer = |secret: &str, state: &str, gems: &str| {
            let values = [("player", "p1"), ("tx", "o1"), ("state", state), ("gems", gems)];
            Signer::new(secret, OFFERS).sign(&values).target()
        };
        let example = Example::start(name, &environment);
        assert_eq!(example.get("/health"), (200, "ok".into()), "{name}");
        assert_eq!(example.get("/players/p1"), (200, r#"{"balance":"0","banned":false}"#.into()));
        assert_eq!(example.get(&offer("old secret", "COMPLETED", "500")), (200, "settled".into()));
        drop(example);

        let example = Example::start(name, &environment);
        assert_eq!(example.get(&offer("new secret", "COMPLETED", "500")), (200, "duplicate".into()), "{name}");
        assert_eq!(example.get(&offer("new secret", "RECONCILED", "0.5")), (200, "settled".into()));
        assert_eq!(example.get(&offer("guessed secret", "COMPLETED", "500")).0, 403);
        let survey = "https://game.example/callbacks/surveys?player=p1&tx=77&gems=20&usd=0.1&type=COMPLETE&ref=";
        assert_eq!(example.get(&Signer::new("new secret", survey).sign_url(survey).target()).0, 200);
        let ban = "https://game.example/callbacks/bans?player=p1&ban_reason=fraud&ban_status=BANNED";
        assert_eq!(example.get(&Signer::new("new secret", ban).sign_url(ban).target()).0, 200);
        assert_eq!(example.get("/players/p1"), (200, r#"{"balance":"519.5","banned":true}"#.into()));
    }
}

#[test]
fn receivers_do_not_start_without_a_secret() {
    for name in ["axum_receiver", "actix_receiver"] {
        let output = Example::command(name).output().unwrap();
        assert!(!output.status.success());
        assert!(String::from_utf8_lossy(&output.stderr).contains("set BITLABS_APP_SECRET"), "{name}");
    }
}

/// The README's command, its output as printed there, and what the page says about the requests.
#[test]
fn demo_prints_what_the_readme_says() {
    let readme = include_str!("../../README.md");
    let (_, shown) = readme.split_once("--example axum_receiver --features axum\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("game.db");
    let environment = [("POSTBACK_DEMO", "1"), ("POSTBACK_DB", database.to_str().unwrap())];
    let (first, shown) = shown.split_once('\n').unwrap();
    assert_eq!(first, "listening on http://127.0.0.1:8080");
    let example = Example::start_and_read("axum_receiver", &environment, shown.lines().count());
    for (printed, shown) in example.printed.iter().zip(shown.lines()) {
        let printed = printed.replace(&example.address, "127.0.0.1:8080");
        assert_eq!(without_values(&printed, &["tx", "hash"]), without_values(shown, &["tx", "hash"]));
    }
    let requests = example.printed.iter().filter_map(|line| line.strip_prefix("curl -i '")?.strip_suffix('\''));
    let targets: Vec<&str> = requests.map(|url| url.split_once(&example.address).unwrap().1).collect();
    for target in &targets {
        assert_eq!(example.get(target), (200, "settled".into()));
    }
    assert_eq!(targets.len(), 3);
    assert_eq!(example.get(targets[0]), (200, "duplicate".into()));
    assert_eq!(example.get(&targets[0].replace("500", "900")), (403, "forbidden".into()));
    let (_, balance) = readme.split_once("$ curl http://127.0.0.1:8080/players/demo\n").unwrap();
    assert_eq!(example.get("/players/demo").1, balance.lines().next().unwrap());
}

/// A URL without the values that differ at every start.
fn without_values(line: &str, names: &[&str]) -> String {
    let pieces = line.split('&').map(|piece| match piece.split_once('=') {
        Some((name, _)) if names.contains(&name) => name,
        _ => piece,
    });
    pieces.collect::<Vec<_>>().join("&")
}

/// A wallet behind HTTP that books each key once. It fails in turn: it answers 500 and 409, and loses responses.
#[derive(Default)]
struct RestWallet {
    booked: BTreeMap<String, (String, Decimal)>,
    lost_responses: usize,
    requests: usize,
}

impl RestWallet {
    /// Listens, and returns the URL.
    fn start(self) -> (Arc<Mutex<Self>>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/transactions", listener.local_addr().unwrap());
        let wallet = Arc::new(Mutex::new(self));
        let shared = Arc::clone(&wallet);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                shared.lock().unwrap().answer(stream.unwrap());
            }
        });
        (wallet, url)
    }

    fn answer(&mut self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut headers = BTreeMap::new();
        for line in reader.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()) {
            headers.extend(line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())));
        }
        let mut body = vec![0; headers["content-length"].parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let (player, amount) = (body["player"].as_str().unwrap(), body["amount"].as_str().unwrap());

        self.requests += 1;
        // Whether it books before it answers; no status is a lost response.
        let (books, status) = match self.requests % 5 {
            _ if player == "nobody" => (false, Some("422 Unprocessable Content")),
            0 => (false, Some("500 Internal Server Error")),
            1 => (true, None),
            2 => (true, Some("500 Internal Server Error")),
            3 => (false, Some("409 Conflict")),
            _ => (true, Some("204 No Content")),
        };
        if books {
            let booking = (player.to_owned(), decimal(amount));
            let known = self.booked.entry(headers["idempotency-key"].clone()).or_insert_with(|| booking.clone());
            assert_eq!(*known, booking, "one key, one booking");
        }
        match status {
            Some(status) => {
                write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap()
            }
            None => self.lost_responses += 1,
        }
    }

    fn balance(&self, of: &str) -> Decimal {
        self.booked.values().filter(|(player, _)| player == of).map(|(_, amount)| amount).sum()
    }
}

#[test]
fn rest_wallet_is_paid_once_although_it_fails() {
    let (wallet, wallet_url) = RestWallet::default().start();
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("records.db");
    let environment =
        [("POSTBACK_DB", database.to_str().unwrap()), ("BITLABS_APP_SECRET", "secret"), ("WALLET_URL", &wallet_url)];
    let offer = |player: &str, transaction: &str, state: &str, gems: &str| {
        let values = [("player", player), ("tx", transaction), ("state", state), ("gems", gems)];
        Signer::new("secret", OFFERS).sign(&values).target()
    };
    let mut callbacks = Vec::new();
    for number in 1..=12 {
        let transaction = format!("o{number}");
        callbacks.push(offer("p1", &transaction, "COMPLETED", "500"));
        callbacks.push(offer("p1", &transaction, "RECONCILED", "0.5"));
    }
    callbacks.push(offer("nobody", "o13", "COMPLETED", "500"));

    let example = Example::start("rest_wallet", &environment);
    let statuses: Vec<u16> = callbacks.iter().map(|callback| example.get(callback).0).collect();
    assert!(statuses.contains(&200) && statuses.contains(&500), "{statuses:?}");
    drop(example);

    // The network repeats what was not answered 200, and a wallet that failed is tried again.
    let example = Example::start("rest_wallet", &environment);
    for callback in &callbacks {
        assert!((0..100).any(|_| example.get(callback).0 == 200), "{callback}");
    }
    let wallet = wallet.lock().unwrap();
    assert_eq!(wallet.balance("p1"), decimal("5994"), "{:?}", wallet.booked);
    assert_eq!(wallet.balance("nobody"), decimal("0"));
    assert_eq!(wallet.booked.len(), 24);
    assert!(wallet.lost_responses > 0 && wallet.requests > 24, "it failed at times");
}

#[test]
fn verify_only_calls_its_handlers_for_genuine_callbacks() {
    let secrets = [("BITLABS_APP_SECRET", "secret"), ("LOOTABLY_SECRET", "lootably secret")];
    let example = Example::start("verify_only", &secrets);
    for query in [
        "offers?player=p1&tx=o1&gems=500&state=COMPLETED&ref=&name=",
        "surveys?player=p1&tx=77&gems=500&type=COMPLETE&ref=",
        "bans?player=p1&status=BANNED&reason=",
    ] {
        let url = format!("https://game.example/{query}");
        let target = Signer::new("secret", &url).sign_url(&url).target();
        assert_eq!(example.get(&target), (200, "ok".into()), "{query}");
        assert_eq!(example.get(&target.replace("p1", "p2")).0, 403, "{query}");
    }
    let lootably = preset("lootably").unwrap();
    let url = lootably.app("my-game").secret("lootably secret").unwrap().dashboard_url("https://game.example").unwrap();
    let signer = DescribedSigner::new(&lootably, &url, "lootably secret");
    let sent = signer.callback().player("p1").transaction("t1").amount("500").sign();
    assert_eq!(example.get(sent.target()), (200, "1".into()));
    assert_eq!(example.get(&sent.target().replace("p1", "p2")).0, 403);
}

#[test]
fn custom_network_pays_and_takes_back() {
    let example = Example::start("custom_network", &[("ACME_SECRET", "acme secret")]);
    let target = |status: &str| {
        let digest = Sha256::digest(format!("p1:t1:500:{status}:acme secret"));
        let sig: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("/callbacks/acme?user=p1&tx=t1&coins=500&status={status}&sig={sig}")
    };
    assert_eq!(example.get(&target("1")), (200, "OK".into()));
    assert_eq!(example.get(&target("1")), (200, "DUP".into()));
    assert_eq!(example.get(&target("2")), (200, "OK".into()));
    assert_eq!(example.get(&target("1").replace("coins=500", "coins=900")).0, 403);
}

#[test]
fn custom_store_keeps_every_promise() {
    let output = Example::command("custom_store").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("the store keeps every promise"));
}
