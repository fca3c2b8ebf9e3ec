//! What is in Redis, and what happens to it when somebody else changed it.

use postback::store::{Record, SwapOutcome, Version};
use postback::store::{Retention as _, StoreError, erase_player};
use postback::{DedupStore as _, PlayerId};
use postback_redis::RedisStore;
use postback_test_servers::Redis;
use postback_test_servers::events::kept;
use postback_test_servers::log::Warnings;

use crate::fixture::{
    PLAYER, Wallet, chain, completed, completed_by, insist, is_unavailable, open, pending_record, receiver,
    start_durable,
};

const PLACE: &str = "{s}:record:bitlabs/game/conversion/o1";

#[tokio::test]
async fn record_is_readable_with_any_client() {
    let Some(server) = start_durable() else { return };
    let store = open(&server, "s").await;
    let record = pending_record(completed("o1", 500));
    let swapped = store.swap(None, &record).await.unwrap();
    let SwapOutcome::Replaced(version) = swapped else {
        panic!("{swapped:?}");
    };
    let fields = server.ask(&["HMGET", PLACE, "version", "pending", "player", "changed"]);
    assert_eq!(fields, format!("{}\n1\n{PLAYER}\n1700000000123", version.number()));
    let json: serde_json::Value = serde_json::from_str(&server.ask(&["HGET", PLACE, "record"])).unwrap();
    assert_eq!(json["entries"][0]["event"]["player"], PLAYER);
}

#[tokio::test]
async fn removed_record_leaves_nothing_behind() {
    let Some(server) = start_durable() else { return };
    let store = open(&server, "s").await;
    let record = pending_record(completed("o1", 500));
    store.swap(None, &record).await.unwrap();
    let stored = store.load(record.key()).await.unwrap().unwrap();
    assert!(store.remove(record.key(), stored.version).await.unwrap());
    assert_eq!(server.ask(&["KEYS", "*"]), "{s}:layout");
}

/// The index of players is personal data, too.
#[tokio::test]
async fn erased_player_is_in_no_key_and_no_value() {
    let Some(server) = start_durable() else { return };
    let store = open(&server, "s").await;
    let event = completed_by("jane-doe", "o1", 500);
    insist(&receiver(store.clone(), &Wallet::default()), &event).await;
    let mentions = || {
        let keys = server.ask(&["KEYS", "*"]);
        let values = keys.lines().map(|key| match &*server.ask(&["TYPE", key]) {
            "zset" => server.ask(&["ZRANGE", key, "0", "-1"]),
            "hash" => server.ask(&["HVALS", key]),
            _ => server.ask(&["GET", key]),
        });
        let texts: Vec<String> = values.chain([keys.clone()]).collect();
        texts.iter().filter(|text| text.contains("jane-doe")).count()
    };
    assert_eq!(mentions(), 2, "in the record and in the index");
    let player: PlayerId = "jane-doe".parse().unwrap();
    erase_player(&store, &player).await.unwrap();
    assert_eq!(mentions(), 0);
}

#[tokio::test]
async fn stores_with_different_prefixes_are_separate() {
    let Some(server) = start_durable() else { return };
    let (one, other) = (open(&server, "one").await, open(&server, "one:more").await);
    let record = pending_record(completed("o1", 500));
    one.swap(None, &record).await.unwrap();
    assert_eq!(other.load(record.key()).await.unwrap(), None);
    assert_eq!(other.list_pending(None, 10).await.unwrap(), []);
}

/// What is in the record's place. The order of a hash's fields is not part of it.
fn content(server: &Redis) -> String {
    if server.ask(&["TYPE", PLACE]) != "hash" {
        return server.ask(&["DUMP", PLACE]);
    }
    let values = server.ask(&["HMGET", PLACE, "version", "record", "pending", "player", "changed"]);
    values + &server.ask(&["HLEN", PLACE])
}

/// Loading and swapping it are errors, whatever version is expected, and nothing of it changes.
async fn assert_unreadable(server: &Redis, store: &RedisStore, record: &Record, what: &str) {
    let before = content(server);
    let Err(StoreError::Unreadable { key, .. }) = &store.load(record.key()).await else {
        panic!("{what}: loaded");
    };
    assert_eq!(key, record.key());
    for expected in [None, Version::from_number(9)] {
        let result = store.swap(expected, record).await;
        assert!(matches!(result, Err(StoreError::Unreadable { .. })), "{what}: {result:?}");
    }
    assert_eq!(content(server), before, "{what}: unchanged");
}

#[tokio::test]
async fn unreadable_record_is_never_absent() {
    let Some(server) = start_durable() else { return };
    let store = open(&server, "s").await;
    let (record, other) = (pending_record(completed("o1", 500)), pending_record(completed("other", 500)));
    let json = serde_json::to_string(&record).unwrap();
    store.swap(None, &other).await.unwrap();
    store.swap(None, &record).await.unwrap();
    let set = |field: &str, value: &str| server.ask(&["HSET", PLACE, field, value]);
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
        assert_unreadable(&server, &store, &record, &format!("{field} {value}")).await;
        set("record", &json);
        set("version", "1");
        let stored = store.load(record.key()).await.unwrap().unwrap();
        assert_eq!(stored.record, record, "readable again when repaired");
    }
    for field in ["record", "version"] {
        server.ask(&["HDEL", PLACE, field]);
        assert_unreadable(&server, &store, &record, &format!("no {field}")).await;
    }
    for newer in [json.replace("\"format\":1", "\"format\":8"), r#"{"format":8,"shape":[]}"#.to_owned()] {
        set("record", &newer);
        set("version", "1");
        let result = store.load(record.key()).await;
        let is_newer = matches!(result, Err(StoreError::Newer { found: 8, known: 1, .. }));
        assert!(is_newer, "{result:?}");
    }
    for foreign in [["SET", PLACE, "text"], ["LPUSH", PLACE, "item"]] {
        server.ask(&["DEL", PLACE]);
        server.ask(&foreign);
        assert_unreadable(&server, &store, &record, foreign[0]).await;
    }
    assert!(store.load(other.key()).await.unwrap().is_some(), "other records are fine");
}

/// Somebody else's key in the place of an index: an error, and no record that a listing does not find.
#[tokio::test]
async fn index_of_another_type_hides_no_record() {
    let Some(server) = start_durable() else { return };
    let store = open(&server, "s").await;
    let record = pending_record(completed("o1", 500));
    let mut expected = None;
    for name in ["pending", "players"] {
        let index = format!("{{s}}:{name}");
        server.ask(&["SET", &index, "text"]);
        let swapped = store.swap(None, &record).await;
        assert!(is_unavailable(&swapped), "{name}: {swapped:?}");
        let text = chain(&swapped.unwrap_err());
        assert!(text.contains("overwritten with another type"), "{text}");
        assert_eq!(store.load(record.key()).await.unwrap(), None, "{name}");
        server.ask(&["DEL", &index]);
    }
    for name in ["settled", "pending", "players"] {
        if let SwapOutcome::Replaced(version) = store.swap(expected, &record).await.unwrap() {
            expected = Some(version);
        }
        let index = format!("{{s}}:{name}");
        let _ = server.try_ask(&["RENAME", &index, "aside"]);
        server.ask(&["SET", &index, "text"]);
        let removed = store.remove(record.key(), expected.unwrap()).await;
        assert!(is_unavailable(&removed), "{name}: {removed:?}");
        assert!(store.load(record.key()).await.unwrap().is_some(), "{name}");
        server.ask(&["DEL", &index]);
        let _ = server.try_ask(&["RENAME", "aside", &index]);
        let listed = store.list_pending(None, 10).await.unwrap();
        assert_eq!(listed, [record.key().clone()], "{name}");
    }
}

#[tokio::test]
async fn one_bad_record_does_not_stop_recovery() {
    let Some(server) = start_durable() else { return };
    let store = open(&server, "s").await;
    // More than one page of stray members, before the records and between them.
    let strays = (0..600).flat_map(|number| ["0".to_owned(), format!("a-stray-{number}")]);
    let strays: Vec<String> = ["ZADD", "{s}:pending"].map(str::to_owned).into_iter().chain(strays).collect();
    server.ask(&strays.iter().map(String::as_str).collect::<Vec<_>>());
    for name in ["o1", "o2", "o3"] {
        let record = pending_record(completed(name, 5));
        store.swap(None, &record).await.unwrap();
    }
    server.ask(&["HSET", PLACE, "record", "{}"]);
    let recovered = receiver(store, &Wallet::default()).recover().await.unwrap();
    assert_eq!((recovered.delivered, recovered.failed), (2, 1));
}

#[tokio::test]
async fn damaged_kept_callback_hides_no_others_and_is_not_logged() {
    let Some(server) = start_durable() else { return };
    let store = open(&server, "s").await;
    for id in ["a", "b", "c"] {
        store.keep_unusable(&kept(id)).await.unwrap();
    }
    server.ask(&["HSET", "{s}:unusable", "b", r#"{"id":4915112345678}"#]);
    let log = Warnings::default();
    let recording = tracing::subscriber::set_default(log.clone());
    assert_eq!(store.list_unusable(None, 2).await.unwrap(), [kept("a"), kept("c")], "a full page");
    drop(recording);
    let lines = log.lines().concat();
    assert!(lines.contains("cannot be read") && !lines.contains("4915112345678"), "{lines}");
    let erased = erase_player(&store, &PLAYER.parse().unwrap()).await.unwrap();
    assert_eq!(erased.kept, 2);
}
