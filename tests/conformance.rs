//! Every store keeps every promise.

use postback::store::{MemoryStore, conformance};

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
