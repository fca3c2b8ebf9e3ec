//! Connecting to a server, what is said when that fails, and what is found amiss with it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "redis")]

mod ledger;
mod redis_server;

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use ledger::completed;
use postback::clock::Timestamp;
use postback::guard::{Considered, Record, consider};
use postback::store::redis::{DurabilityRisk, RedisOptions, RedisStore};
use postback::store::{DedupStore, Retention, StoreError, Version};
use redis_server::PASSWORD;

fn open_record(transaction: &str) -> Record {
    let event = Arc::new(completed(transaction, "500"));
    let now = Timestamp::from_millis(1_700_000_000_123);
    match consider(&Record::new(event.key()), &event, now) {
        Considered::Decided(record) => record,
        other => panic!("{other:?}"),
    }
}

/// Everything that an error says, down to its cause.
fn said(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

async fn refused(url: &str) -> String {
    let options = RedisOptions::new()
        .connect_timeout(Duration::from_millis(500))
        .response_timeout(Duration::from_millis(500));
    let error = options.connect(url).await.unwrap_err();
    assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
    let said = said(&error);
    for secret in ["s3cret", "wr0ng"] {
        assert!(
            !said.contains(secret) && !format!("{error:?}").contains(secret),
            "{said}"
        );
    }
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_at_open_names_the_server_the_cause_and_the_remedy() {
    let Some(server) = redis_server::start() else {
        return;
    };
    let closed = redis_server::free_port();
    let port = server.port();
    // One that talks, but not Redis' language; and one that says nothing at all.
    let http = TcpListener::bind("127.0.0.1:0").unwrap();
    let (talking, silent) = (
        http.local_addr().unwrap().port(),
        TcpListener::bind("127.0.0.1:0").unwrap(),
    );
    std::thread::spawn(move || {
        for stream in http.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let silent_port = silent.local_addr().unwrap().port();
    let cases = [
        (
            format!("redis://user:wr0ng@127.0.0.1:{closed}/3"),
            format!("redis://127.0.0.1:{closed}/3: nothing listens there"),
        ),
        (
            format!("redis://:wr0ng@127.0.0.1:{port}/0"),
            format!("redis://127.0.0.1:{port}/0: the server refuses this user name or password"),
        ),
        (
            format!("redis://user:wr0ng@127.0.0.1:{port}/0"),
            "refuses this user name or password".to_owned(),
        ),
        (
            format!("redis://127.0.0.1:{port}/77"),
            format!("redis://127.0.0.1:{port}/77: the server has no database of this number"),
        ),
        (
            format!("redis://127.0.0.1:{talking}/0"),
            "what answers there is not a Redis".to_owned(),
        ),
        (
            format!("redis://127.0.0.1:{silent_port}/0"),
            "it does not answer".to_owned(),
        ),
        (
            format!("rediss://127.0.0.1:{port}/0"),
            "built without TLS".to_owned(),
        ),
        (
            "redis+unix:///nowhere/redis.sock".to_owned(),
            "there is no such socket".to_owned(),
        ),
        (
            "redis://name.invalid:6379/0".to_owned(),
            "name resolution".to_owned(),
        ),
        (
            "127.0.0.1:6379".to_owned(),
            "write the URL as redis://".to_owned(),
        ),
        (
            "postgres://user:wr0ng@host/db".to_owned(),
            "write the URL as redis://".to_owned(),
        ),
        (
            "redis://:s3cret/wr0ng@127.0.0.1/0".to_owned(),
            "write the URL as redis://".to_owned(),
        ),
    ];
    for (url, expected) in cases {
        let said = refused(&url).await;
        assert!(said.contains(&expected), "{url}: {said}");
    }
    let _: () = server.ask(&["CONFIG", "SET", "requirepass", PASSWORD]);
    let said = refused(&server.url()).await;
    assert!(said.contains("wants a password"), "{said}");
    let said = refused(&format!("redis://:wr0ng@127.0.0.1:{port}/0")).await;
    assert!(
        said.contains("refuses this user name or password"),
        "{said}"
    );
    let url = format!(
        "redis://:{}@127.0.0.1:{port}/0",
        PASSWORD.replace('/', "%2F")
    );
    let store = RedisStore::connect(&*url).await.unwrap();
    assert!(!format!("{store:?}").contains("s3cret"), "{store:?}");
}

#[tokio::test]
async fn a_layout_of_a_later_version_or_of_somebody_else_is_left_alone() {
    let Some(server) = redis_server::start() else {
        return;
    };
    drop(server.store("mine").await);
    assert_eq!(server.ask::<String>(&["GET", "mine:layout"]), "1");
    drop(server.store("mine").await);
    let _: () = server.ask(&["SET", "mine:layout", "7"]);
    let options = RedisOptions::new().prefix("mine");
    let newer = options.connect(server.url()).await.unwrap_err();
    assert!(
        matches!(&newer, StoreError::Newer { found: 7, known: 1, what } if what.contains("\"mine\"")),
        "{newer:?}"
    );
    for foreign in [
        ["SET", "mine:layout", "seven"],
        ["LPUSH", "mine:layout", "1"],
    ] {
        let _: () = server.ask(&["DEL", "mine:layout"]);
        let _: postback::store::redis::redis::Value = server.ask(&foreign);
        let options = RedisOptions::new().prefix("mine");
        let said = said(&options.connect(server.url()).await.unwrap_err());
        assert!(said.contains("holds something else"), "{said}");
    }
    for prefix in ["", "a{b}", "a b"] {
        let options = RedisOptions::new().prefix(prefix);
        let said = said(&options.connect(server.url()).await.unwrap_err());
        assert!(said.contains("its prefix must be"), "{said}");
    }
}

#[tokio::test]
async fn what_the_server_may_lose_is_said() {
    use DurabilityRisk::{
        Eviction, LastSecond, NeverFlushed, NoPersistence, SnapshotsOnly, Unchecked,
        VolatileEviction,
    };
    let Some(server) = redis_server::start() else {
        return;
    };
    let found = async || server.store("s").await.durability().clone();
    assert!(found().await.is_safe(), "{:?}", found().await);
    let cases = [
        (
            "maxmemory-policy",
            "allkeys-lru",
            Some(Eviction("allkeys-lru".into())),
        ),
        (
            "maxmemory-policy",
            "volatile-lru",
            Some(VolatileEviction("volatile-lru".into())),
        ),
        ("maxmemory-policy", "noeviction", None),
        ("appendfsync", "everysec", Some(LastSecond)),
        ("appendfsync", "no", Some(NeverFlushed)),
        ("appendonly", "no", Some(NoPersistence)),
        ("save", "3600 1", Some(SnapshotsOnly)),
    ];
    for (setting, value, risk) in cases {
        let _: () = server.ask(&["CONFIG", "SET", setting, value]);
        assert_eq!(found().await.risks(), risk.as_slice(), "{setting} {value}");
    }
    let _: () = server.ask(&[
        "ACL", "SETUSER", "game", "on", ">pw", "~*", "+@all", "-config",
    ]);
    let url = format!("redis://game:pw@127.0.0.1:{}/0", server.port());
    let store = RedisStore::connect(&*url).await.unwrap();
    assert_eq!(store.durability().risks(), [Unchecked]);
    assert!(
        store.durability().risks()[0]
            .to_string()
            .contains("could not be read")
    );
}

#[tokio::test]
async fn the_commands_that_the_error_asks_to_grant_are_all_that_are_needed() {
    let Some(server) = redis_server::start() else {
        return;
    };
    let user = [
        "ACL", "SETUSER", "game", "on", ">pw", "~{s:*", "~s:*", "-@all",
    ];
    let _: () = server.ask(&user);
    let url = format!("redis://game:pw@127.0.0.1:{}/0", server.port());
    let said = refused(&url).await;
    let granted = said.split_once("grant him ").unwrap().1;
    let granted = granted
        .split_once(" on its keys")
        .unwrap()
        .0
        .replace(" and ", ", ");
    let granted: Vec<String> = granted
        .split(", ")
        .map(|command| format!("+{}", command.to_lowercase()))
        .collect();
    let mut words = vec!["ACL", "SETUSER", "game", "+config|get"];
    words.extend(granted.iter().map(String::as_str));
    let _: () = server.ask(&words);
    let store = RedisOptions::new()
        .prefix("s")
        .connect(&*url)
        .await
        .unwrap();
    assert!(store.durability().is_safe());
    let record = open_record("o1");
    store.swap(None, &record).await.unwrap();
    assert!(store.load(record.key()).await.unwrap().is_some());
    assert_eq!(store.unsettled(None, 10).await.unwrap().len(), 1);
    assert!(store.remove(record.key(), Version::FIRST).await.unwrap());
}
