//! An import that ends early goes on where it ended.

use std::sync::atomic::{AtomicUsize, Ordering};

use postback::event::RecordKey;
use postback::guard::Record;
use postback::import::{ImportError, PastCallback};
use postback::store::{DedupStore, MemoryStore, StoreError, Stored, Swapped, Version};

use crate::game::{Game, paid};

/// Takes so many swaps, then is down.
struct Failing {
    store: MemoryStore,
    swaps: AtomicUsize,
}

impl DedupStore for Failing {
    async fn load(&self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        self.store.load(key).await
    }

    async fn swap(
        &self,
        expected: Option<Version>,
        record: &Record,
    ) -> Result<Swapped, StoreError> {
        tokio::task::yield_now().await;
        let left = self
            .swaps
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        if left.is_err() {
            return Err(StoreError::Unavailable {
                doing: "swap a record",
                source: "the plug was pulled".into(),
            });
        }
        self.store.swap(expected, record).await
    }

    async fn unsettled(
        &self,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        self.store.unsettled(after, limit).await
    }
}

fn rows() -> impl Iterator<Item = Result<PastCallback, std::io::Error>> {
    (0..100).map(|number| Ok(paid(&format!("o{number}"), "5")))
}

#[tokio::test]
async fn a_store_that_fails_says_up_to_where_it_is_done() {
    let game = Game::on(Failing {
        store: MemoryStore::new(),
        swaps: AtomicUsize::new(45),
    });
    let importer = game.importer().together(10);
    let mut last = 0;
    let error = importer.import_all(rows(), |row, _| last = row).await;
    let Err(ImportError::Store { done, .. }) = error else {
        panic!("the store failed")
    };
    assert_eq!((done, last), (45, 45), "rows in order, and no further");
    game.store.swaps.store(1_000, Ordering::SeqCst);
    let skipped = usize::try_from(done).unwrap();
    let rest = importer
        .import_all(rows().skip(skipped), |_, _| ())
        .await
        .unwrap();
    assert_eq!((rest.imported, rest.rows()), (55, 55));
    let all = importer.import_all(rows(), |_, _| ()).await.unwrap();
    assert_eq!((all.already_imported, all.rows()), (100, 100));
}

#[tokio::test]
async fn a_row_that_cannot_be_read_ends_it_after_the_rows_before_it() {
    let game = Game::on(MemoryStore::new());
    let rows = rows().enumerate().map(|(number, row)| match number {
        37 => Err(std::io::Error::other("line 38 is cut off")),
        _ => row,
    });
    let mut told = 0;
    let importer = game.importer().together(10);
    let error = importer.import_all(rows, |_, _| told += 1).await;
    let Err(ImportError::Row { row, source }) = error else {
        panic!("a row was unreadable")
    };
    assert_eq!((row, told), (38, 37));
    assert_eq!(source.to_string(), "line 38 is cut off");
    assert!(game.record("o36").await.is_some());
    assert!(game.record("o38").await.is_none());
}

#[tokio::test]
async fn rows_are_read_as_the_import_goes_on() {
    let game = Game::on(MemoryStore::new());
    let read = AtomicUsize::new(0);
    let rows = rows().inspect(|_| {
        read.fetch_add(1, Ordering::SeqCst);
    });
    let importer = game.importer().together(8);
    let mut furthest = 0;
    importer
        .import_all(rows, |row, _| {
            let ahead = read.load(Ordering::SeqCst) - usize::try_from(row).unwrap();
            furthest = furthest.max(ahead);
        })
        .await
        .unwrap();
    assert_eq!(furthest, 7, "no more than one group is held");
}
