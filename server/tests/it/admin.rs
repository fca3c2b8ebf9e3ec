//! The admin port: who may use it, what it shows, and its two actions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postback::testing::bitlabs::Signer;
use postback_test_servers::wait_until;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::json;

use crate::client::{Client, get};
use crate::program::{BACKEND_SECRET, OFFERS, SECRET, Server, Setup, command, offer, run};
use crate::webhook::Recorder;

const TOKEN: &str = "a-long-random-token";
const ACTION: (&str, &str) = ("postback-action", "1");

#[test]
fn token_is_required_everywhere_once_configured() {
    let mut setup = Setup::new();
    setup.admin_keys = format!("token = \"{TOKEN}\"");
    let server = setup.start();
    let basic = |password: &str| format!("Basic {}", STANDARD.encode(format!("any:{password}")));
    let mut client = Client::new(server.admin);
    for target in
        ["/", "/metrics", "/api/status", "/api/events", "/api/search?q=p1", "/api/record?key=a/b/player/c", "/missing"]
    {
        let response = client.send("GET", target, &[]).expect("a response");
        assert_eq!((response.status, response.body.as_str()), (401, "token required"), "{target}");
        assert!(response.head.to_ascii_lowercase().contains("www-authenticate: basic"));
    }
    for wrong in ["Bearer wrong".to_owned(), basic("wrong"), basic(""), "Basic !".to_owned(), format!("Digest {TOKEN}")]
    {
        let response = client.send("GET", "/api/status", &[("authorization", &wrong)]).expect("a response");
        assert_eq!(response.status, 401, "{wrong}");
    }
    assert_eq!(client.send("POST", "/api/retry", &[ACTION]).expect("a response").status, 401);
    for right in [format!("Bearer {TOKEN}"), basic(TOKEN)] {
        let response = client.send("GET", "/api/status", &[("authorization", &right)]).expect("a response");
        assert_eq!(response.status, 200);
    }
    assert_eq!(get(server.public, "/health").status, 200);
}

#[test]
fn without_a_token_only_this_machine_is_answered() {
    let setup = Setup::new();
    let server = setup.start();
    let mut client = Client::new(server.admin);
    for (host, status) in [
        ("127.0.0.1:8081", 200),
        ("localhost", 200),
        ("[::1]:80", 200),
        ("attacker.example", 403),
        ("attacker.example:8081", 403),
        ("10.0.0.1", 403),
        ("localhost.attacker.example", 403),
    ] {
        let response = client.send("GET", "/api/status", &[("host", host)]).expect("a response");
        assert_eq!(response.status, status, "{host}");
    }
    // Other sites' forms cannot add the header.
    for target in ["/api/retry", "/api/replay"] {
        assert_eq!(client.send("POST", target, &[]).expect("a response").status, 403);
        assert_eq!(client.send("GET", target, &[ACTION]).expect("a response").status, 405);
        assert_eq!(client.send("POST", target, &[ACTION]).expect("a response").status, 200);
    }
    let page = get(server.admin, "/");
    let head = page.head.to_ascii_lowercase();
    assert!(head.contains("content-security-policy: default-src 'none'; script-src 'sha256-"));
    assert!(
        !page.body.contains("http://")
            || page.body.matches("http://").count() == page.body.matches("http://www.w3.org").count()
    );
}

#[test]
fn json_shows_callbacks_records_and_what_needs_attention() {
    let setup = Setup::new();
    let backend = Recorder::accepting(setup.backend);
    let server = setup.start();
    for callback in [
        offer("p1", "o1", "500", "COMPLETED"),
        offer("p1", "o1", "200", "RECONCILED"),
        offer("p1", "o2", "100", "COMPLETED"),
        offer("p2", "o3", "100", "COMPLETED"),
        offer("p2", "o3", "900", "COMPLETED"),
    ] {
        server.take(&callback);
    }
    let unlinked =
        Signer::new(SECRET, OFFERS).sign(&[("player", "p3"), ("tx", "or9"), ("gems", "-500"), ("state", "NONE")]);
    server.take(&unlinked);
    backend.wait_for(6);
    wait_until("everything is settled", || server.admin("/api/pending")["records"] == json!([]));

    let callbacks = server.admin("/api/callbacks");
    assert_eq!(callbacks["callbacks"].as_array().expect("a list").len(), 6);
    assert_eq!(callbacks["callbacks"][1]["balance_change"], "-200");
    assert_eq!(server.admin("/api/callbacks?after=5")["callbacks"].as_array().expect("a list").len(), 1);

    let found = |query: &str| {
        let found = server.admin(&format!("/api/search?{query}"));
        let records = found["records"].as_array().expect("a list").clone();
        records.iter().map(|record| record["key"].as_str().expect("a key").to_owned()).collect::<Vec<_>>()
    };
    let key = |transaction: &str| format!("bitlabs/my-game/conversion/{transaction}");
    assert_eq!(found("q=p1"), [key("o1"), key("o2")]);
    assert_eq!(found("q=o3"), [key("o3")]);
    assert_eq!(found(&format!("q={}", key("o2"))), [key("o2")]);
    assert_eq!(found("q=p1&network=notik"), Vec::<String>::new());
    assert_eq!(found("network=bitlabs").len(), 4);
    assert_eq!(found("q=nobody"), Vec::<String>::new());

    let record = server.admin(&format!("/api/record?key={}", key("o1")));
    assert_eq!((&record["balance"], &record["status"]), (&json!("300"), &json!("settled")));
    assert_eq!(record["timeline"][0]["in_words"], "pay 500");
    assert_eq!(record["timeline"][1]["in_words"], "take back 200");
    assert_eq!(record["timeline"][1]["balance"], "300");
    assert_eq!(get(server.admin, "/api/record?key=bitlabs/my-game/conversion/none").status, 404);

    let attention = server.admin("/api/attention");
    let reasons: Vec<_> =
        attention["records"].as_array().expect("a list").iter().map(|record| &record["attention"]).collect();
    assert_eq!(reasons, ["conflict", "reversal_without_reward"]);
    let status = server.admin("/api/status");
    assert_eq!(status["endpoints"][0]["genuine"], 6);
    assert!(status["endpoints"][0]["last_genuine"].is_string());
}

#[test]
fn callbacks_are_listed_after_a_number_of_an_earlier_process() {
    let setup = Setup::new();
    let _backend = Recorder::accepting(setup.backend);
    let mut server = setup.start();
    server.take(&offer("p1", "o1", "500", "COMPLETED"));
    server.take(&offer("p1", "o2", "500", "COMPLETED"));
    let listed = |server: &Server| {
        let callbacks = server.admin("/api/callbacks?after=2")["callbacks"].clone();
        let transactions = callbacks.as_array().expect("a list").iter().map(|item| item["transaction"].clone());
        transactions.collect::<Vec<_>>()
    };
    assert_eq!(listed(&server), Vec::<serde_json::Value>::new());
    assert_eq!(server.stop(), Some(0));
    server.start();
    server.take(&offer("p1", "o3", "500", "COMPLETED"));
    assert_eq!(listed(&server), ["o3"]);
}

#[test]
fn unusable_callbacks_are_kept_and_replayed_after_the_fix() {
    let mut setup = Setup::new();
    let backend = Recorder::accepting(setup.backend);
    // The endpoint is for completed offers only, and the dashboard sends pending ones, too.
    setup.end = "only = \"COMPLETED\"".to_owned();
    let mut server = setup.start();
    let pending = offer("p1", "o1", "500", "PENDING");
    let response = server.get(&pending.target());
    assert_eq!((response.status, response.body.as_str()), (400, "unusable callback"));
    assert_eq!(server.get(&pending.target()).status, 400);
    let kept = server.admin("/api/unusable");
    assert_eq!(kept["unusable"].as_array().expect("a list").len(), 1);
    assert!(kept["unusable"][0]["problem"].as_str().expect("a problem").contains("COMPLETED only"));
    assert!(!kept.to_string().contains(pending.hash()));
    let mut client = Client::new(server.admin);
    let replayed = client.send("POST", "/api/replay", &[ACTION]).expect("a response").json();
    assert_eq!(replayed, json!({ "replayed": 0, "unusable": 1, "failed": 0 }));
    assert_eq!(server.stop(), Some(0));

    // The configuration is fixed; the command replays, and the server delivers.
    let config = server.config().to_owned();
    let text = std::fs::read_to_string(&config).expect("the configuration");
    let fixed = text.replace("only = \"COMPLETED\"", "");
    let directory = setup.directory.path();
    // At another path, it could mean something else.
    std::fs::write(&config, fixed.replace("/offers?", "/other?")).expect("the configuration");
    let (status, out, err) = run(command(directory, &["replay", "--config"]).arg(&config));
    assert_eq!((status, out.as_str()), (1, "0 replayed, 0 still unusable, 0 failed\n"), "{err}");
    assert!(err.contains("kept at paths that no endpoint has"), "{err}");
    std::fs::write(&config, fixed).expect("the configuration");
    let config = config.to_str().expect("a path");
    let (status, out, _) = run(&mut command(directory, &["show", "--config", config, "--unusable"]));
    assert!(status == 0 && out.contains("bitlabs/my-game offers"), "{out}");
    let (status, out, err) = run(&mut command(directory, &["replay", "--config", config]));
    assert_eq!((status, out.as_str()), (0, "1 replayed, 0 still unusable, 0 failed\n"), "{err}");
    server.start();
    assert_eq!(backend.wait_for(1)[0].body["type"], "pending");
    assert_eq!(server.admin("/api/unusable")["unusable"], json!([]));
    assert_eq!(server.take(&pending), "duplicate");
}

#[test]
fn neither_logs_nor_page_contain_secrets_hashes_or_players() {
    for format in ["text", "json"] {
        let mut setup = Setup::new();
        setup.top = format!("log = \"{format}\"");
        let backend = Recorder::start(setup.backend, |_| (500, String::new()));
        let server = setup.start();
        let callback = offer("player-with-a-name", "o1", "500", "COMPLETED");
        server.take(&callback);
        let forged = callback.target().replace("gems=500", "gems=501");
        assert_eq!(server.get(&forged).status, 403);
        backend.wait_for(1);
        wait_until("the failure is logged", || server.log().contains("backend responded 500"));
        let log = server.log();
        for hidden in [SECRET, BACKEND_SECRET, callback.hash(), "player-with-a-name", "gems=500"] {
            assert!(!log.contains(hidden), "{hidden}: {log}");
        }
        if format == "json" {
            for line in log.lines() {
                let _: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            }
        }
        for target in [
            "/",
            "/api/status",
            "/api/callbacks",
            "/api/search?q=player-with-a-name",
            "/api/record?key=bitlabs/my-game/conversion/o1",
            "/metrics",
        ] {
            let body = get(server.admin, target).body;
            for hidden in [SECRET, BACKEND_SECRET, callback.hash()] {
                assert!(!body.contains(hidden), "{target}");
            }
        }
    }
}

/// The targets of the admin port, and what else is put into requests.
const TARGETS: &str = "/ /metrics /api/status /api/callbacks?after= /api/search?q= /api/search?network=bitlabs&after= \
                       /api/record?key= /api/pending?limit= /api/attention?after= /api/unusable?after= /api/retry \
                       /api/replay /api/";
const PIECES: &str = "bitlabs/my-game/conversion/o1 p1 1 -1 99999999999999999999 % %00 %FF & ? /../ + ' \u{e9} <b>";

#[test]
fn no_request_fails_or_passes_without_the_token() {
    let mut setup = Setup::new();
    setup.admin_keys = format!("token = \"{TOKEN}\"");
    let server = setup.start();
    server.take(&offer("p1", "o1", "500", "COMPLETED"));
    let bearer = format!("Bearer {TOKEN}");
    let text = prop::collection::vec(prop::sample::select(PIECES.split(' ').collect::<Vec<_>>()), 0..4);
    let method = prop::sample::select(&["GET", "POST", "PUT", "OPTIONS", "get"][..]);
    let requests = (method, prop::sample::select(TARGETS.split(' ').collect::<Vec<_>>()), text.clone(), text);
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    let tested = TestRunner::new(config).run(&requests, |(method, target, query, authorization)| {
        let target = format!("{target}{}", query.concat());
        let send = |headers: &[(&str, &str)]| {
            let response = Client::new(server.admin).send(method, &target, headers);
            response.map_or(400, |response| response.status)
        };
        let wrong = format!("Bearer {}", authorization.concat());
        for headers in [&[ACTION][..], &[ACTION, ("authorization", &wrong)]] {
            let status = send(headers);
            prop_assert!((400..500).contains(&status), "{status} {method} {target} {wrong}");
        }
        let status = send(&[ACTION, ("authorization", &bearer)]);
        prop_assert!(status < 500, "{status} {method} {target}");
        Ok(())
    });
    tested.expect("every request is answered");
    assert!(!server.log().contains("panicked"), "{}", server.log());
    assert_eq!(get(server.public, "/health").status, 200);
}
