//! Opening a store: what is said when that fails, that it writes nothing, and what it warns about.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use postback::DedupStore as _;
use postback::store::{Retention as _, StoreError};
use postback_redis::DurabilityRisk::{
    AsynchronousReplication, Eviction, FlushedEverySecond, NoPersistence, NotFlushed, NotFlushedDuringRewrite, Replica,
    ReplicationUnknown, SettingsUnknown, SnapshotsOnly,
};
use postback_redis::{RedisOptions, RedisStore};
use postback_test_servers::free_port;
use postback_test_servers::log::Warnings;

use crate::fixture::{PLAYER, chain, completed, is_unavailable, open, pending_record, start_durable};

async fn open_error(url: &str) -> String {
    let options = RedisOptions::new().prefix("s").connect_timeout(Duration::from_secs(2));
    let error = options.connect(url).await.unwrap_err();
    assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
    let text = chain(&error);
    for secret in ["s3cret", "wr0ng"] {
        assert!(!text.contains(secret), "{text}");
        assert!(!format!("{error:?}").contains(secret), "{error:?}");
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_error_names_server_cause_and_fix() {
    let Some(server) = start_durable() else { return };
    let (port, closed) = (server.port(), free_port());
    // One that speaks HTTP, and one that says nothing.
    let http = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let http_port = http.local_addr().unwrap().port();
    let silent_port = silent.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in http.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    // The server does not speak TLS, and neither does the store without the feature.
    let without_tls = if cfg!(feature = "tls") { "no reply in time" } else { "built without TLS" };
    let cases = [
        (
            format!("redis://user:wr0ng@127.0.0.1:{closed}/3"),
            format!("redis://127.0.0.1:{closed}/3: connection refused"),
        ),
        (
            format!("redis://:wr0ng@127.0.0.1:{port}/0"),
            format!("redis://127.0.0.1:{port}/0: wrong user name or password"),
        ),
        (format!("redis://user:wr0ng@127.0.0.1:{port}/0"), "wrong user name or password".to_owned()),
        (format!("redis://127.0.0.1:{port}/77"), format!("redis://127.0.0.1:{port}/77: no database of this number")),
        (format!("redis://127.0.0.1:{http_port}/0"), "the server is not Redis".to_owned()),
        (format!("redis://127.0.0.1:{silent_port}/0"), "no reply in time".to_owned()),
        (format!("rediss://127.0.0.1:{port}/0"), without_tls.to_owned()),
        ("redis+unix:///nowhere/redis.sock".to_owned(), "no such socket".to_owned()),
        ("redis://name.invalid:6379/0".to_owned(), "name resolution".to_owned()),
        ("127.0.0.1:6379".to_owned(), "invalid URL: write it as redis://".to_owned()),
        ("postgres://user:wr0ng@host/db".to_owned(), "invalid URL: write it as redis://".to_owned()),
        ("redis://:s3cret/wr0ng@127.0.0.1/0".to_owned(), "invalid URL: write it as redis://".to_owned()),
    ];
    for (url, expected) in cases {
        let text = open_error(&url).await;
        assert!(text.contains(&expected), "{url}: {text}");
    }
    server.ask(&["CONFIG", "SET", "requirepass", "s3cret/of"]);
    let text = open_error(&server.url()).await;
    assert!(text.contains("missing password"), "{text}");
    let url = format!("redis://:s3cret%2Fof@127.0.0.1:{port}/0");
    let store = RedisStore::connect(&*url).await.unwrap();
    assert!(!format!("{store:?}").contains("s3cret"), "{store:?}");
}

#[tokio::test]
async fn foreign_or_newer_layout_is_an_error() {
    let Some(server) = start_durable() else { return };
    let store = open(&server, "s").await;
    let record = pending_record(completed("o1", 5));
    store.swap(None, &record).await.unwrap();
    assert_eq!(server.ask(&["GET", "{s}:layout"]), "1");
    server.ask(&["SET", "{s}:layout", "7"]);
    let opened = RedisOptions::new().prefix("s").connect(server.url()).await;
    let newer =
        |error: &StoreError| matches!(error, StoreError::Newer { found: 7, known: 1, what } if what.contains("\"s\""));
    assert!(opened.as_ref().is_err_and(newer), "{opened:?}");
    let swapped = store.swap(None, &pending_record(completed("o2", 5))).await;
    assert!(swapped.as_ref().is_err_and(newer), "a store that is open must not write into a newer layout: {swapped:?}");
    for foreign in [&["SET", "{s}:layout", "seven"], &["LPUSH", "{s}:layout", "1"]] {
        server.ask(&["DEL", "{s}:layout"]);
        server.ask(foreign);
        let text = open_error(&server.url()).await;
        assert!(text.contains("contains something else"), "{text}");
    }
    for prefix in ["", "a{b}", "a b"] {
        let options = RedisOptions::new().prefix(prefix);
        let text = chain(&options.connect(server.url()).await.unwrap_err());
        assert!(text.contains("invalid prefix"), "{text}");
    }
}

#[tokio::test]
async fn read_only_user_inspects_and_opening_writes_nothing() {
    let Some(server) = start_durable() else { return };
    drop(open(&server, "s").await);
    assert_eq!(server.ask(&["DBSIZE"]), "0", "opening must write nothing");

    let record = pending_record(completed("o1", 5));
    let writer = open(&server, "s").await;
    writer.swap(None, &record).await.unwrap();
    let user = ["ACL", "SETUSER", "reader", "on", ">pw", "%R~*", "+@read"];
    server.ask(&user);
    let url = format!("redis://reader:pw@127.0.0.1:{}/0", server.port());
    let options = RedisOptions::new().prefix("s");
    let reader = options.connect(&*url).await.unwrap();
    assert_eq!(reader.durability_risks(), [SettingsUnknown, ReplicationUnknown]);
    let stored = reader.load(record.key()).await.unwrap().unwrap();
    assert_eq!(stored.record, record);
    assert_eq!(reader.list_pending(None, 10).await.unwrap().len(), 1);
    assert_eq!(reader.list_unusable(None, 10).await.unwrap(), []);
    let player = PLAYER.parse().unwrap();
    assert_eq!(reader.list_by_player(&player, None, 10).await.unwrap().len(), 1);
    let swapped = reader.swap(Some(stored.version), &record).await;
    assert!(is_unavailable(&swapped), "{swapped:?}");
    assert!(chain(&swapped.unwrap_err()).contains("missing permissions: grant"));
}

#[tokio::test]
async fn granting_what_the_error_names_is_enough() {
    let Some(server) = start_durable() else { return };
    server.ask(&["ACL", "SETUSER", "game", "on", ">pw", "~{s}:*", "-@all"]);
    let url = format!("redis://game:pw@127.0.0.1:{}/0", server.port());
    let text = open_error(&url).await;
    let named = text.split_once("missing permissions: grant").unwrap().1;
    let named = named.split_once(" to check").unwrap().0;
    let commands = named
        .split([' ', ','])
        .filter(|word| word.len() > 2 && word.chars().all(|c| c.is_ascii_uppercase() || c == '|'));
    let mut grant: Vec<String> = ["ACL", "SETUSER", "game"].map(str::to_owned).to_vec();
    grant.extend(commands.map(|command| format!("+{}", command.to_lowercase())));
    server.ask(&grant.iter().map(String::as_str).collect::<Vec<_>>());
    let options = RedisOptions::new().prefix("s");
    let store = options.connect(&*url).await.unwrap();
    assert_eq!(store.durability_risks(), []);
    let record = pending_record(completed("o1", 5));
    store.swap(None, &record).await.unwrap();
    let stored = store.load(record.key()).await.unwrap().unwrap();
    assert_eq!(store.list_pending(None, 10).await.unwrap().len(), 1);
    assert_eq!(store.list_unusable(None, 10).await.unwrap(), []);
    assert!(store.remove(record.key(), stored.version).await.unwrap());
}

#[tokio::test]
async fn risky_settings_are_found() {
    let Some(server) = start_durable() else { return };
    let risks = async || open(&server, "s").await.durability_risks().to_vec();
    assert_eq!(risks().await, []);
    let eviction = |policy: &str| Some(Eviction { policy: policy.to_owned() });
    let cases = [
        ("maxmemory-policy", "allkeys-lru", eviction("allkeys-lru")),
        ("maxmemory-policy", "volatile-lru", eviction("volatile-lru")),
        ("maxmemory-policy", "noeviction", None),
        ("no-appendfsync-on-rewrite", "yes", Some(NotFlushedDuringRewrite)),
        ("appendfsync", "everysec", Some(FlushedEverySecond)),
        ("appendfsync", "no", Some(NotFlushed)),
        ("appendonly", "no", Some(NoPersistence)),
        ("save", "3600 1", Some(SnapshotsOnly)),
    ];
    for (setting, value, risk) in cases {
        server.ask(&["CONFIG", "SET", setting, value]);
        assert_eq!(risks().await, risk.as_slice(), "{setting} {value}");
    }
}

#[tokio::test]
async fn replication_is_a_risk() {
    let Some(server) = start_durable() else { return };
    let replica = server.start_replica(&["--appendonly", "yes", "--appendfsync", "always"]);
    let store = open(&server, "s").await;
    assert_eq!(store.durability_risks(), [AsynchronousReplication]);
    let store = open(&replica, "s").await;
    assert_eq!(store.durability_risks(), [Replica]);
}

#[tokio::test]
async fn risks_are_logged_with_their_fix() {
    let Some(server) = start_durable() else { return };
    server.ask(&["CONFIG", "SET", "appendfsync", "everysec"]);
    let log = Warnings::default();
    let guard = tracing::subscriber::set_default(log.clone());
    drop(open(&server, "s").await);
    drop(guard);
    let text = log.lines().concat();
    for expected in ["WARN postback::store", "everysec", "set appendfsync always"] {
        assert!(text.contains(expected), "{text}");
    }
}
