//! The example with a page of metrics, as a process and over TCP: the numbers are exactly right.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(all(feature = "axum", feature = "metrics", feature = "sqlite"))]

mod backend;
mod http;

use std::collections::BTreeMap;

use backend::{Backend, Place, command_of, example, offer};

fn start(place: &Place) -> Backend {
    let mut command = command_of(&example("metrics_receiver"), &place.file());
    command.env("RUST_LOG", "warn");
    Backend::spawn(command, &place.file().with_extension("log"))
}

/// Every series but the sums of seconds, whose values nobody can foretell, and the buckets.
fn page(backend: &Backend) -> BTreeMap<String, String> {
    let answer = backend.get("/metrics");
    assert_eq!(answer.status, 200);
    let lines = answer.body.lines();
    let lines = lines.filter(|line| !line.starts_with('#'));
    let series = lines.filter_map(|line| line.rsplit_once(' '));
    let counts = series.filter(|(name, _)| !name.contains("_sum") && !name.contains("_bucket"));
    counts
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_numbers_are_exactly_right() {
    let place = Place::new();
    let mut backend = start(&place);
    // A player whose balance cannot be read: the handler fails.
    place
        .connect()
        .execute(
            "INSERT INTO game_players VALUES ('broken', 'no number', 0)",
            [],
        )
        .unwrap();
    let send = |player: &str, tx: &str, state: &str, gems: &str| {
        let signed = offer(player, tx, state, gems).sign();
        backend.get(signed.target()).status
    };
    assert_eq!(send("p1", "o1", "COMPLETED", "500"), 200);
    assert_eq!(send("p1", "o1", "COMPLETED", "500"), 200);
    assert_eq!(send("p1", "o1", "COMPLETED", "500"), 200);
    assert_eq!(send("p1", "o2", "COMPLETED", "70"), 200);
    assert_eq!(send("p1", "o3", "PENDING", "30"), 200);
    assert_eq!(send("p1", "o1", "RECONCILED", "500"), 200);
    assert_eq!(send("p1", "o2", "COMPLETED", "71"), 200);
    assert_eq!(send("broken", "o4", "COMPLETED", "5"), 500);
    assert_eq!(send("broken", "o4", "COMPLETED", "5"), 500);
    let genuine = offer("p1", "o5", "COMPLETED", "500").sign();
    let forged = genuine.target().replace("500", "501");
    for _ in 0..25 {
        assert_eq!(backend.get(&forged).status, 403);
    }
    assert_eq!(backend.get("/callbacks/offers").status, 403);
    let posted = http::request(backend.address(), "POST", genuine.target(), &[]);
    assert_eq!(posted.status, 405);

    let mut page = page(&backend);
    let callbacks = |kind, outcome| {
        format!(
            "postback_callbacks_total{{source=\"bitlabs\",app=\"game\",kind=\"{kind}\",outcome=\"{outcome}\"}}"
        )
    };
    let seconds = |outcome| {
        format!("postback_callback_seconds_count{{source=\"bitlabs\",outcome=\"{outcome}\"}}")
    };
    let refused =
        |cause| format!("postback_requests_refused_total{{cause=\"{cause}\",fault=\"sender\"}}");
    let expected = [
        (callbacks("completed", "reward"), "2"),
        (callbacks("completed", "duplicate"), "2"),
        (callbacks("completed", "conflict"), "1"),
        (callbacks("completed", "handler_failed"), "2"),
        (callbacks("pending", "pending"), "1"),
        (callbacks("adjusted", "reversal"), "1"),
        (seconds("reward"), "2"),
        (seconds("duplicate"), "2"),
        (seconds("conflict"), "1"),
        (seconds("handler_failed"), "2"),
        (seconds("pending"), "1"),
        (seconds("reversal"), "1"),
        (refused("signature_wrong"), "25"),
        (refused("signature_missing"), "1"),
        (refused("method"), "1"),
        (
            "postback_handler_seconds_count{result=\"done\"}".to_owned(),
            "5",
        ),
        (
            "postback_handler_seconds_count{result=\"failed\"}".to_owned(),
            "2",
        ),
        (
            "postback_store_seconds_count{operation=\"transaction\",result=\"ok\"}".to_owned(),
            "9",
        ),
        ("postback_open_decisions".to_owned(), "0"),
        ("postback_resumed_total{result=\"settled\"}".to_owned(), "0"),
        ("postback_resumed_total{result=\"busy\"}".to_owned(), "0"),
        ("postback_resumed_total{result=\"failed\"}".to_owned(), "0"),
    ];
    for (series, count) in expected {
        assert_eq!(page.remove(&series).as_deref(), Some(count), "{series}");
    }
    // At the start, and as the first turn of the background task.
    let listed = "postback_store_seconds_count{operation=\"unsettled\",result=\"ok\"}";
    assert_eq!(page.remove(listed).as_deref(), Some("2"));
    assert_eq!(page, BTreeMap::new(), "and nothing else");
    // Ten lines of the flood, and no more.
    let log = backend.said_in_log();
    assert_eq!(log.matches("signature_wrong").count(), 10);
    assert!(!log.contains(&forged));

    // What failed is open still when the next process begins, and is looked at as it starts.
    backend.kill();
    let backend = start(&place);
    let page = self::page(&backend);
    assert_eq!(page["postback_open_decisions"], "1");
}
