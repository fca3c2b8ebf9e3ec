//! Every store keeps every promise.

use postback::store::{MemoryStore, Version, conformance};

#[test]
fn a_version_is_kept_as_a_number_and_comes_back() {
    assert_eq!(Version::from_number(0), None);
    let mut version = Version::FIRST;
    for number in 1..=3 {
        assert_eq!(version.number(), number);
        assert_eq!(Version::from_number(number), Some(version));
        version = version.next();
    }
}

#[tokio::test]
async fn memory_store() {
    conformance::all(async || MemoryStore::new()).await;
    conformance::retention(async || MemoryStore::new()).await;
    let store = std::sync::Arc::new(MemoryStore::new());
    conformance::shared(&store, &store.clone()).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_store() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use postback::store::sqlite::SqliteStore;

    let directory = tempfile::tempdir().unwrap();
    let count = AtomicUsize::new(0);
    let file = || {
        directory
            .path()
            .join(format!("{}.db", count.fetch_add(1, Ordering::Relaxed)))
    };
    conformance::all(async || SqliteStore::open(file()).unwrap()).await;
    conformance::retention(async || SqliteStore::open(file()).unwrap()).await;

    let place = file();
    let (one, other) = (
        SqliteStore::open(&place).unwrap(),
        SqliteStore::open(&place).unwrap(),
    );
    conformance::shared(&one, &other).await;
}

#[cfg(feature = "postgres")]
mod postgres_server;

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_store() {
    use postback::store::postgres::{PostgresOptions, PostgresStore};
    use std::sync::atomic::{AtomicUsize, Ordering};

    let Some(server) = postgres_server::shared() else {
        return;
    };
    // In a database that sorts texts by language, not by bytes.
    let url = server
        .database_like("TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en'")
        .await;
    let pool = postgres_server::pool(&url, 8);
    let count = AtomicUsize::new(0);
    let open = async || {
        let schema = format!("store_{}", count.fetch_add(1, Ordering::Relaxed));
        let options = PostgresOptions::new().schema(&schema).unwrap();
        let store = options.store(pool.clone());
        store.migrate().await.unwrap();
        store
    };
    conformance::all(open).await;
    conformance::retention(open).await;

    let one = PostgresStore::new(pool.clone());
    one.migrate().await.unwrap();
    let other = PostgresStore::new(postgres_server::pool(&url, 2));
    conformance::shared(&one, &other).await;
}
