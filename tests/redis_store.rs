//! The Redis store on a real server: opening it, what is found there, and what of it is refused.
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

use std::collections::HashMap;
use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use ledger::completed;
use postback::clock::Timestamp;
use postback::decision::Decision;
use postback::guard::{Considered, Record, consider};
use postback::handler::HandlerError;
use postback::receiver::Receiver;
use postback::store::redis::{DurabilityRisk, RedisOptions, RedisStore};
use postback::store::{DedupStore, Retention, StoreError, Swapped, Version};
use redis_server::{PASSWORD, Server};

const KEY: &str = "bitlabs/game/conversion/o1";

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_stored_is_there_after_the_server_was_killed() {
    let Some(mut server) = redis_server::start() else {
        return;
    };
    let store = server.store("s").await;
    let record = open_record("o1");
    store.swap(None, &record).await.unwrap();
    tokio::task::block_in_place(|| server.restart());
    let found = server.store("s").await.load(record.key()).await.unwrap();
    assert_eq!(found.unwrap().record, record);
}

#[tokio::test]
async fn the_support_desk_reads_a_record_with_any_client() {
    let Some(server) = redis_server::start() else {
        return;
    };
    let store = server.store("s").await;
    store.swap(None, &open_record("o1")).await.unwrap();
    let mut fields: HashMap<String, String> = server.ask(&["HGETALL", &server.place_of("s", KEY)]);
    let json: serde_json::Value = serde_json::from_str(&fields.remove("record").unwrap()).unwrap();
    assert_eq!(json["entries"][0]["event"]["player"], "p1");
    let expected = [
        ("version", "1"),
        ("status", "open"),
        ("player", "p1"),
        ("source", "bitlabs"),
        ("app", "game"),
        ("settled", "0"),
        ("updated", "1700000000123"),
    ];
    assert_eq!(
        fields,
        expected
            .map(|(name, value)| (name.into(), value.into()))
            .into()
    );
}

#[tokio::test]
async fn nothing_is_left_of_a_record_that_was_removed() {
    let Some(server) = redis_server::start() else {
        return;
    };
    let store = server.store("s").await;
    let record = open_record("o1");
    store.swap(None, &record).await.unwrap();
    assert!(store.remove(record.key(), Version::FIRST).await.unwrap());
    assert_eq!(server.ask::<Vec<String>>(&["KEYS", "*"]), ["s:layout"]);
}

/// The index of players is personal data, too.
#[tokio::test]
async fn a_forgotten_player_is_in_no_key_and_no_value() {
    let Some(server) = redis_server::start() else {
        return;
    };
    let store = server.store("s").await;
    let event = ledger::of_player(completed("o1", "500"), "jane-doe");
    let handler = |_: &Decision| async { Ok::<(), HandlerError>(()) };
    let receiver = Receiver::new(store.clone());
    receiver.receive(event.clone(), &handler).await.unwrap();
    let mentions = || {
        let keys: Vec<String> = server.ask(&["KEYS", "*"]);
        let values = keys
            .iter()
            .map(|key| match server.ask::<String>(&["TYPE", key]).as_str() {
                "zset" => server.ask::<Vec<String>>(&["ZRANGE", key, "0", "-1"]),
                "hash" => server.ask::<Vec<String>>(&["HVALS", key]),
                _ => vec![server.ask::<String>(&["GET", key])],
            });
        let texts: Vec<String> = values.flatten().chain(keys.clone()).collect();
        texts
            .iter()
            .filter(|text| text.contains("jane-doe"))
            .count()
    };
    assert_eq!(mentions(), 3, "in the record, its field and the index");
    postback::store::forget(&store, &event.player)
        .await
        .unwrap();
    assert_eq!(mentions(), 0);
}

#[tokio::test]
async fn stores_with_different_prefixes_know_nothing_of_each_other() {
    let Some(server) = redis_server::start() else {
        return;
    };
    let (one, other) = (server.store("one").await, server.store("one:more").await);
    let record = open_record("o1");
    one.swap(None, &record).await.unwrap();
    assert_eq!(other.load(record.key()).await.unwrap(), None);
    assert_eq!(other.unsettled(None, 10).await.unwrap(), []);
}

/// Loading it and swapping it are refused, whatever version is expected; and nothing of it changes.
async fn is_unreadable(server: &Server, store: &RedisStore, record: &Record, what: &str) {
    let place = server.place_of("s", KEY);
    let dump = || server.ask::<Vec<u8>>(&["DUMP", &place]);
    let before = dump();
    let Err(StoreError::Unreadable { key, .. }) = &store.load(record.key()).await else {
        panic!("{what}: not loaded")
    };
    assert_eq!(key, record.key());
    for expected in [None, Version::from_number(9)] {
        let result = store.swap(expected, record).await;
        assert!(
            matches!(result, Err(StoreError::Unreadable { .. })),
            "{what}: {result:?}"
        );
    }
    assert_eq!(dump(), before, "{what}: it is left as it was");
}

#[tokio::test]
async fn a_record_that_does_not_fit_is_unreadable_and_never_absent() {
    let Some(server) = redis_server::start() else {
        return;
    };
    let store = server.store("s").await;
    let (record, other) = (open_record("o1"), open_record("other"));
    let json = serde_json::to_string(&record).unwrap();
    store.swap(None, &other).await.unwrap();
    store.swap(None, &record).await.unwrap();
    let place = server.place_of("s", KEY);
    let set = |field: &str, value: &str| {
        let _: i64 = server.ask(&["HSET", &place, field, value]);
    };
    let cases = [
        ("record", String::new()),
        ("record", "{\"format\":1}".to_owned()),
        ("record", json[..json.len() - 1].to_owned()),
        ("record", json.replace("\"format\":1", "\"format\":0")),
        ("record", json.replace("conversion/o1", "conversion/o2")),
        ("version", "0".to_owned()),
        ("version", "-1".to_owned()),
        ("version", "one".to_owned()),
        ("version", String::new()),
    ];
    for (field, value) in cases {
        set(field, &value);
        is_unreadable(&server, &store, &record, &format!("{field} {value}")).await;
        set("record", &json);
        set("version", "1");
        let stored = store.load(record.key()).await.unwrap().unwrap();
        assert_eq!(stored.record, record, "readable again when repaired");
    }
    for field in ["record", "version"] {
        let _: i64 = server.ask(&["HDEL", &place, field]);
        is_unreadable(&server, &store, &record, &format!("no {field}")).await;
    }
    for newer in [
        json.replace("\"format\":1", "\"format\":8"),
        "{\"format\":8,\"shape\":[]}".to_owned(),
    ] {
        set("record", &newer);
        set("version", "1");
        let result = store.load(record.key()).await;
        let is_newer = matches!(
            result,
            Err(StoreError::Newer {
                found: 8,
                known: 1,
                ..
            })
        );
        assert!(is_newer, "{result:?}");
    }
    let _: i64 = server.ask(&["DEL", &place]);
    for foreign in [["SET", &place, "text"], ["LPUSH", &place, "item"]] {
        let _: postback::store::redis::redis::Value = server.ask(&foreign);
        is_unreadable(&server, &store, &record, foreign[0]).await;
        let _: i64 = server.ask(&["DEL", &place]);
    }
    assert!(
        store.load(other.key()).await.unwrap().is_some(),
        "other records are fine"
    );
}

/// A script that stumbled over an index after it had written the record would leave it unlisted for ever.
#[tokio::test]
async fn an_index_of_another_type_stops_a_change_before_it_begins() {
    let Some(server) = redis_server::start() else {
        return;
    };
    let store = server.store("s").await;
    let record = open_record("o1");
    store.swap(None, &record).await.unwrap();
    let place = server.place_of("s", KEY);
    let shard = place.split_once(":record:").unwrap().0;
    for name in ["open", "done", "players"] {
        let index = format!("{shard}:{name}");
        let _: i64 = server.ask(&["DEL", &index]);
        let _: () = server.ask(&["SET", &index, "text"]);
        let result = store.swap(Some(Version::FIRST), &record).await;
        let Err(error @ StoreError::Unavailable { .. }) = result else {
            panic!("{name}: {result:?}")
        };
        assert!(said(&error).contains(&index), "{}", said(&error));
        let removed = store.remove(record.key(), Version::FIRST).await;
        assert!(
            matches!(removed, Err(StoreError::Unavailable { .. })),
            "{removed:?}"
        );
        assert_eq!(
            store.load(record.key()).await.unwrap().unwrap().version,
            Version::FIRST,
            "the record was not touched"
        );
        let _: i64 = server.ask(&["DEL", &index]);
    }
    let swapped = store.swap(Some(Version::FIRST), &record).await.unwrap();
    assert_eq!(swapped, Swapped::Done(Version::FIRST.next()));
    assert_eq!(
        store.unsettled(None, 10).await.unwrap().len(),
        1,
        "and it is listed again"
    );
}

#[tokio::test]
async fn one_unreadable_record_does_not_keep_the_others_from_being_resumed() {
    let Some(server) = redis_server::start() else {
        return;
    };
    let store = server.store("s").await;
    for name in ["o1", "o2", "o3"] {
        store.swap(None, &open_record(name)).await.unwrap();
    }
    let place = server.place_of("s", KEY);
    let _: i64 = server.ask(&["HSET", &place, "record", "{}"]);
    let open = place.replace(&format!("record:{KEY}"), "open");
    let _: i64 = server.ask(&["ZADD", &open, "0", "a stray member"]);
    let handler = |_: &Decision| async { Ok::<(), HandlerError>(()) };
    let resumed = Receiver::new(store).resume(&handler).await.unwrap();
    assert_eq!((resumed.settled, resumed.failed), (2, 1));
}
