//! Opening a file, and what an error says.

use std::process::Stdio;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use postback::{DedupStore, StoreError};
use postback_sqlite::SqliteStore;

use crate::fixture::{Game, chain, child, completed, impatient, is_settled, paying, stored};

#[tokio::test]
async fn error_names_the_file_the_cause_and_the_remedy() {
    let game = Game::without_file();
    let directory = game.directory();
    std::fs::write(directory.join("text.db"), "dear diary, not a database ".repeat(50)).unwrap();
    std::fs::write(directory.join("file"), "").unwrap();
    let damaged = directory.join("damaged.db");
    SqliteStore::open(&damaged).unwrap().close().await;
    let mut bytes = std::fs::read(&damaged).unwrap();
    bytes[100..4000].fill(0x5a);
    std::fs::write(&damaged, bytes).unwrap();
    let cases = [
        (directory.join("absent").join("game.db"), "directory does not exist: create it"),
        (directory.to_owned(), "it is a directory"),
        (directory.join("file").join("game.db"), "its directory is a file"),
        (directory.join("text.db"), "not a SQLite database"),
        (damaged, "the file is damaged: restore a backup"),
        (":memory:".into(), "MemoryStore"),
        ("".into(), "name a file"),
    ];
    for (path, expected) in cases {
        let error = impatient().open(&path).unwrap_err();
        assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
        let text = chain(&error);
        let names_both = text.contains(expected) && text.contains(path.to_str().unwrap());
        assert!(names_both, "{}: {text}", path.display());
    }
    let missing = SqliteStore::builder().open_existing(directory.join("missing.db")).unwrap_err();
    assert!(chain(&missing).contains("no such file"), "{missing}");
    assert!(!directory.join("missing.db").exists());
}

#[tokio::test]
async fn odd_file_names_are_taken_literally() {
    let game = Game::without_file();
    for name in ["file:game.db?mode=memory", "100% gems.db", "spiel-ü.db"] {
        let path = game.directory().join(name);
        let store = SqliteStore::open(&path).unwrap();
        store.close().await;
        assert!(path.exists(), "{name}");
        SqliteStore::builder().open_existing(&path).unwrap().close().await;
        SqliteStore::builder().open_read_only(&path).unwrap().close().await;
    }
    assert_eq!(game.files().len(), 3);
}

#[tokio::test]
async fn locked_file_is_an_error_at_open() {
    let game = Game::new();
    game.open().close().await;
    let other = game.connect();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let text = chain(&impatient().open(game.file()).unwrap_err());
    assert!(text.contains("another process holds the file locked"), "{text}");
    other.execute_batch("ROLLBACK").unwrap();
    impatient().open(game.file()).unwrap();
}

#[test]
fn open_waits_for_a_reader_before_it_changes_the_journal() {
    let game = Game::new();
    let reader = game.connect();
    reader.execute_batch("BEGIN").unwrap();
    let _: i64 = reader.query_row("SELECT count(*) FROM credits", [], |row| row.get(0)).unwrap();
    let text = chain(&impatient().open(game.file()).unwrap_err());
    assert!(text.contains("another process holds the file locked"), "{text}");
    let file = game.file();
    let patient = SqliteStore::builder().busy_timeout(Duration::from_mins(1));
    let opening = thread::spawn(move || patient.open(file));
    thread::sleep(Duration::from_millis(100));
    reader.execute_batch("COMMIT").unwrap();
    opening.join().unwrap().unwrap();
}

#[test]
fn many_may_open_a_new_file_at_the_same_time() {
    let patient = SqliteStore::builder().busy_timeout(Duration::from_mins(1));
    for _ in 0..10 {
        let game = Game::without_file();
        let barrier = Barrier::new(8);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    barrier.wait();
                    patient.open(game.file()).unwrap_or_else(|error| panic!("{}", chain(&error)))
                });
            }
        });
    }
    let game = Game::without_file();
    let processes: Vec<_> = (0..4)
        .map(|_| {
            let mut process = child("faults::process_opens_a_file", &game.file());
            process.stdout(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for process in processes {
        let output = process.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("opened"), "{text}");
    }
}

#[tokio::test]
async fn newer_or_unknown_schema_is_an_error() {
    let game = Game::new();
    game.open().close().await;
    let set = |sql: &str| game.connect().execute_batch(sql).unwrap();
    set("UPDATE postback_schema SET version = 9");
    let open = |is_read_only| {
        if is_read_only { SqliteStore::builder().open_read_only(game.file()) } else { SqliteStore::open(game.file()) }
    };
    for is_read_only in [false, true] {
        let error = open(is_read_only).unwrap_err();
        let StoreError::Newer { what, found: 9, known: 1 } = &error else { panic!("{error:?}") };
        assert!(what.contains("game.db"), "{what}");
        assert!(error.to_string().contains("upgrade postback"), "{error}");
    }
    set("DELETE FROM postback_schema");
    for is_read_only in [false, true] {
        let text = chain(&open(is_read_only).unwrap_err());
        assert!(text.contains("postback_schema contains no version"), "{text}");
    }
}

#[tokio::test]
async fn read_only_store_reads_and_changes_nothing() {
    let game = Game::new();
    let text = chain(&SqliteStore::builder().open_read_only(game.file()).unwrap_err());
    assert!(text.contains("no receiver has stored records"), "{text}");
    let store = game.open();
    assert!(format!("{store:?}").contains("game.db"));
    let receiver = paying(&store);
    receiver.receive(completed("o1", 5)).await.unwrap();

    // While the game runs, and afterwards.
    for is_running in [true, false] {
        if !is_running {
            store.close().await;
        }
        let view = SqliteStore::builder().open_read_only(game.file()).unwrap();
        let found = stored(&view, "o1").await.unwrap();
        assert_eq!(view.list_pending(None, 10).await.unwrap(), []);
        let denied = view.swap(Some(found.version), &found.record).await.unwrap_err();
        assert!(chain(&denied).contains("opened read-only"), "{denied}");
        let denied = paying(&view).receive(completed("o2", 5)).await;
        assert!(denied.is_err(), "{denied:?}");
        view.close().await;
    }
    assert_eq!(game.files(), ["game.db"]);
    let store = game.open();
    assert!(is_settled(&paying(&store).receive(completed("o2", 5)).await));
}
