//! The Redis store on a real server: what is found there, and what of it is refused.
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
use std::sync::Arc;

use ledger::completed;
use postback::clock::Timestamp;
use postback::decision::Decision;
use postback::guard::{Considered, Record, consider};
use postback::handler::HandlerError;
use postback::receiver::Receiver;
use postback::store::redis::RedisStore;
use postback::store::{DedupStore, Retention, StoreError, Swapped, Version};
use redis_server::Server;

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
        let lost = store.swap(None, &record).await.unwrap();
        assert!(
            matches!(lost, Swapped::Lost(Some(_))),
            "who loses needs no index"
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
