//! Opening the file, and what is said when that fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "sqlite")]

mod game;

use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};

use game::{Place, child, file_of_the_parent, impatient, open_record, wait_until_closed};
use postback::store::sqlite::SqliteStore;
use postback::store::{DedupStore, StoreError};

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

#[test]
fn an_error_at_open_names_the_file_the_cause_and_the_remedy() {
    let place = Place::new();
    let directory = place.directory();
    std::fs::write(
        directory.join("text.db"),
        "dear diary, this is not a database at all ".repeat(50),
    )
    .unwrap();
    std::fs::write(directory.join("file"), "").unwrap();
    drop(SqliteStore::open(directory.join("damaged.db")).unwrap());
    let damaged = directory.join("damaged.db");
    wait_until_closed(&damaged);
    let mut bytes = std::fs::read(&damaged).unwrap();
    bytes[100..4000].fill(0x5a);
    std::fs::write(&damaged, bytes).unwrap();
    let absent = directory.join("absent").join("game.db");
    let cases = [
        (absent, "directory does not exist: create it"),
        (directory.to_owned(), "it is a directory"),
        (directory.join("file").join("game.db"), "correct the path"),
        (directory.join("text.db"), "not a SQLite database"),
        (damaged, "it is damaged: restore a backup"),
        (":memory:".into(), "MemoryStore"),
        ("".into(), "name a file"),
    ];
    for (path, expected) in cases {
        let error = impatient().open(&path).unwrap_err();
        assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
        let said = said(&error);
        assert!(
            said.contains(expected) && said.contains(path.to_str().unwrap()),
            "{}: {said}",
            path.display()
        );
    }
}

#[test]
fn a_file_locked_by_somebody_else_is_an_error_at_open() {
    let place = Place::new();
    drop(place.open());
    wait_until_closed(&place.file());
    let other = place.connect();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let said = said(&impatient().open(place.file()).unwrap_err());
    assert!(said.contains("another process holds it locked"), "{said}");
    other.execute_batch("ROLLBACK").unwrap();
    impatient().open(place.file()).unwrap();
}

#[test]
fn a_file_that_is_being_read_is_waited_for_before_it_is_turned_to_wal() {
    let place = Place::new();
    let game = place.connect();
    game.execute_batch(
        "CREATE TABLE players (id); INSERT INTO players VALUES (1); BEGIN; SELECT * FROM players",
    )
    .unwrap();
    let reading: i64 = game
        .query_row("SELECT count(*) FROM players", [], |row| row.get(0))
        .unwrap();
    let said = said(&impatient().open(place.file()).unwrap_err());
    assert!(said.contains("another process holds it locked"), "{said}");
    let file = place.file();
    let opening = std::thread::spawn(move || SqliteStore::open(file));
    std::thread::sleep(std::time::Duration::from_millis(200));
    game.execute_batch("COMMIT").unwrap();
    opening.join().unwrap().unwrap();
    assert_eq!(reading, 1);
}

#[test]
fn a_new_file_may_be_opened_by_many_at_once() {
    for _ in 0..20 {
        let place = Place::new();
        let start = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    SqliteStore::open(place.file())
                        .unwrap_or_else(|error| panic!("{}", said(&error)))
                });
            }
        });
    }
}

#[tokio::test]
async fn a_schema_of_a_later_version_is_refused() {
    let place = Place::new();
    place.open().close().await;
    place
        .connect()
        .execute_batch("UPDATE postback_meta SET version = 9")
        .unwrap();
    let error = SqliteStore::open(place.file()).unwrap_err();
    let StoreError::Newer {
        what,
        found: 9,
        known: 1,
    } = &error
    else {
        panic!("{error:?}")
    };
    assert!(what.contains("game.db"), "{what}");
    place
        .connect()
        .execute_batch("DELETE FROM postback_meta")
        .unwrap();
    let said = said(&SqliteStore::open(place.file()).unwrap_err());
    assert!(said.contains("postback_meta"), "{said}");
}

#[test]
fn several_processes_may_open_a_new_file_at_once() {
    let place = Place::new();
    let children: Vec<_> = (0..6)
        .map(|_| {
            child("child_opens", &place.file())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
    let records = "SELECT count(*) FROM postback_records";
    assert_eq!(
        place
            .connect()
            .query_row(records, [], |row| row.get::<_, i64>(0))
            .unwrap(),
        6
    );
}

#[tokio::test]
#[ignore = "a process that another test starts"]
async fn child_opens() {
    let store =
        SqliteStore::open(file_of_the_parent()).unwrap_or_else(|error| panic!("{}", said(&error)));
    store
        .swap(None, &open_record(&format!("o{}", std::process::id())))
        .await
        .unwrap();
}

#[cfg(unix)]
#[test]
fn a_read_only_file_or_directory_is_an_error_at_open() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    drop(place.open());
    wait_until_closed(&place.file());
    let allow = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let reachable = Place::new();
    allow(reachable.directory(), 0o755);
    let fresh = place.directory().join("fresh.db");
    let file = place.file();
    // (mode of the directory, mode of the file, which file, what is said)
    let cases = [
        (
            0o777,
            0o444,
            &file,
            "read-only: make the file and its directory writable",
        ),
        (0o555, 0o444, &file, "writable"),
        (0o555, 0o666, &file, "writable"),
        (0o555, 0o666, &fresh, "writable"),
        (0o777, 0o000, &file, "accessible and writable"),
    ];
    for (directory_mode, file_mode, path, expected) in cases {
        allow(&file, file_mode);
        allow(place.directory(), directory_mode);
        let Some(mut command) =
            without_privileges(child("child_opens", path), reachable.directory())
        else {
            return;
        };
        let output = command.output().unwrap();
        allow(place.directory(), 0o777);
        let all = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&all);
        assert!(
            !output.status.success(),
            "{directory_mode:o} {file_mode:o}: {said}"
        );
        assert!(
            said.contains(expected) && said.contains(path.to_str().unwrap()),
            "{directory_mode:o} {file_mode:o}: {said}"
        );
    }
}

/// As somebody whom file permissions bind. `None`, and said aloud, where that is not possible.
#[cfg(unix)]
fn without_privileges(command: Command, reachable: &Path) -> Option<Command> {
    use std::os::unix::fs::MetadataExt;
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return Some(command);
    }
    // The program itself must be reachable for that user.
    let program = reachable.join("program");
    if !program.exists() {
        std::fs::copy(command.get_program(), &program).unwrap();
    }
    let mut dropped = Command::new("setpriv");
    dropped
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .args(command.get_args());
    dropped.envs(
        command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let works = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "true"])
        .status();
    if works.is_ok_and(|status| status.success()) {
        return Some(dropped);
    }
    eprintln!("SKIPPED: run as root, and setpriv (package util-linux) cannot drop that");
    None
}
