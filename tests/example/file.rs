//! A file that cannot be used: no start, and a message that names the file and says why.

use std::fs;
use std::path::Path;
use std::process::Command;

use postback::store::sqlite::rusqlite::Connection;

use crate::backend::{Backend, Ended, Place, command, offer, run_to_its_end};

/// The start must fail, and the message name the file as given and hold these words.
fn refuses(ended: &Ended, file: &Path, words: &[&str]) {
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert!(!ended.output.contains("Listening"), "{ended:?}");
    assert!(!ended.errors.contains("panicked"), "{}", ended.errors);
    let name = file.display().to_string();
    for word in words.iter().chain([&name.as_str()]) {
        assert!(ended.errors.contains(word), "no {word:?}: {}", ended.errors);
    }
}

fn start(file: &Path) -> Ended {
    run_to_its_end(command(file))
}

#[test]
fn a_missing_directory_is_named() {
    let place = Place::new();
    let file = place.directory().join("missing").join("game.db");
    refuses(&start(&file), &file, &["directory does not exist"]);
    assert!(!file.parent().unwrap().exists(), "nothing is created");
}

#[test]
fn a_directory_is_not_taken_for_a_file() {
    let place = Place::new();
    refuses(
        &start(place.directory()),
        place.directory(),
        &["it is a directory"],
    );
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let place = Place::new();
    let letter = "Dear player, this is not a database. ".repeat(200);
    fs::write(place.file(), &letter).unwrap();
    refuses(
        &start(&place.file()),
        &place.file(),
        &["not a SQLite database", "restore a backup"],
    );
    assert_eq!(fs::read_to_string(place.file()).unwrap(), letter);
}

#[test]
fn a_damaged_file_is_refused() {
    let place = Place::new();
    let backend = Backend::start(&place.file());
    let callback = offer("p1", "o1", "COMPLETED", "500").sign();
    assert_eq!(backend.get(callback.target()).status, 200);
    drop(backend);
    place
        .connect()
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    let mut bytes = fs::read(place.file()).unwrap();
    // The header stays; the list of tables behind it does not.
    bytes[100..4096].fill(0xAA);
    fs::write(place.file(), bytes).unwrap();
    refuses(
        &start(&place.file()),
        &place.file(),
        &["damaged", "restore a backup"],
    );
}

#[test]
fn a_file_of_a_later_version_is_refused() {
    let place = Place::new();
    drop(Backend::start(&place.file()));
    place
        .connect()
        .execute_batch("UPDATE postback_meta SET version = 99")
        .unwrap();
    refuses(
        &start(&place.file()),
        &place.file(),
        &["99", "upgrade postback"],
    );
}

#[test]
fn a_locked_file_is_waited_for_and_then_refused() {
    let place = Place::new();
    let own = place.connect();
    own.execute_batch("PRAGMA journal_mode = DELETE; CREATE TABLE own (x); BEGIN EXCLUSIVE")
        .unwrap();
    refuses(
        &start(&place.file()),
        &place.file(),
        &["another process holds it locked"],
    );
    own.execute_batch("ROLLBACK").unwrap();
    let backend = Backend::start(&place.file());
    assert_eq!(backend.get("/health").status, 200);
}

#[cfg(unix)]
#[test]
fn a_read_only_file_is_refused_and_left_as_it_is() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let place = Place::new();
    let own = Connection::open(place.file()).unwrap();
    own.execute_batch("CREATE TABLE own (x)").unwrap();
    drop(own);
    let before = fs::read(place.file()).unwrap();
    let Some(command) = unprivileged(&place) else {
        return;
    };
    mode(&place.file(), 0o444);
    mode(place.directory(), 0o555);
    let ended = run_to_its_end(command);
    mode(place.directory(), 0o755);
    refuses(&ended, &place.file(), &["read-only", "writable"]);
    assert_eq!(fs::read(place.file()).unwrap(), before);
}

/// The command of the program for a user whom permissions bind. `None`: said why not.
#[cfg(unix)]
fn unprivileged(place: &Place) -> Option<Command> {
    use std::os::unix::fs::MetadataExt;

    use crate::backend::{bare_command, program};
    let privileged = command(&place.file());
    if fs::metadata(place.file()).unwrap().uid() != 0 {
        return Some(privileged);
    }
    let drop_privileges = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let works = Command::new("setpriv")
        .args(drop_privileges)
        .arg("true")
        .status();
    if !works.is_ok_and(|status| status.success()) {
        eprintln!(
            "SKIPPED: run as root, and setpriv (package util-linux) is missing or cannot drop that"
        );
        return None;
    }
    // The program itself must be within that user's reach.
    let copy = place.directory().join("axum_receiver");
    fs::copy(program(), &copy).unwrap();
    let mut dropped = bare_command(Path::new("setpriv"));
    dropped.args(drop_privileges).arg(&copy);
    let set = privileged.get_envs();
    dropped.envs(set.filter_map(|(name, value)| Some((name, value?))));
    Some(dropped)
}
