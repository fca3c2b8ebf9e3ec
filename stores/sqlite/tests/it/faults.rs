//! Locks, kills, hangs and failing disks: nothing is lost, and everything works again afterwards.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use postback::store::RecordStatus;
use postback::{DedupStore, Receipt, ReceiveError, StoreError};
use postback_sqlite::SqliteStore;
use postback_sqlite::rusqlite::Connection;
use postback_test_servers::log::Warnings;
use postback_test_servers::{SmallDisk, skip_anyway, unprivileged};

use crate::fixture::{
    Calls, Game, Holder, PATIENCE, Received, chain, child, child_file, completed, credit, eventually, impatient,
    is_settled, paying, record, start, status, stored,
};

fn is_unavailable(received: &Received) -> bool {
    matches!(received, Err(ReceiveError::Store(StoreError::Unavailable { .. })))
}

fn is_overloaded(received: &Received) -> bool {
    matches!(received, Err(ReceiveError::Store(StoreError::Overloaded)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lock_of_another_process_is_an_error_until_released() {
    let game = Game::new();
    let store = impatient().open(game.file()).unwrap();
    let receiver = paying(&store);
    receiver.receive(completed("o1", 500)).await.unwrap();
    let other = game.connect();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (one, two) = tokio::join!(receiver.receive(completed("o2", 1)), receiver.accept(completed("o3", 1)),);
    assert!(is_unavailable(&one) && is_unavailable(&two), "{one:?} {two:?}");
    let text = chain(&one.unwrap_err());
    assert!(text.contains("holds the file locked"), "{text}");
    assert!(stored(&store, "o1").await.is_some(), "reading goes on");
    assert_eq!(stored(&store, "o2").await, None);
    other.execute_batch("ROLLBACK").unwrap();
    for transaction in ["o2", "o3"] {
        let again = receiver.receive(completed(transaction, 1)).await;
        assert!(is_settled(&again), "{again:?}");
    }
    assert_eq!(game.wallet(), (502, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_waits_neither_for_the_writer_nor_for_listings() {
    let (_game, store, receiver) = Game::start();
    receiver.receive(completed("o1", 5)).await.unwrap();
    let holder = Holder::new(&store, "holder").await;
    assert_eq!(status(&store, "o1").await, RecordStatus::Settled);
    assert_eq!(store.list_pending(None, 10).await.unwrap(), []);
    assert_eq!(stored(&store, "holder").await, None, "not committed yet");
    holder.release().await.unwrap();
    assert_eq!(status(&store, "holder").await, RecordStatus::Settled);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hanging_handler_makes_callers_time_out_and_loses_nothing() {
    let game = Game::new();
    let timeout = Duration::from_millis(100);
    let store = SqliteStore::builder().timeout(timeout).queue(64).open(game.file()).unwrap();
    let receiver = paying(&store);
    let holder = Holder::new(&store, "holder").await;
    for number in 0..3 {
        let late = receiver.receive(completed(&format!("o{number}"), 1)).await;
        assert!(is_overloaded(&late), "{late:?}");
    }
    // Up to the length of the queue they wait; beyond that they get the error at once.
    let mut waiting = Vec::new();
    for number in 3..64 {
        waiting.push(start(receiver.receive(completed(&format!("o{number}"), 1))).await);
    }
    let start = Instant::now();
    let full = receiver.receive(completed("beyond", 1)).await;
    assert!(is_overloaded(&full), "{full:?}");
    assert!(start.elapsed() < PATIENCE);
    for one in waiting {
        assert!(is_overloaded(&one.await));
    }
    assert_eq!(stored(&store, "o0").await, None);

    // The caller of the handler that hangs got the error, too. All of them are paid once it returns.
    assert!(is_overloaded(&holder.release().await));
    eventually("everything queued is done", async || game.wallet() == (65, 65)).await;
    for number in 0..64 {
        let again = receiver.receive(completed(&format!("o{number}"), 1)).await;
        assert!(matches!(again, Ok(Receipt::Duplicate)), "{again:?}");
    }
    let again = receiver.receive(completed("beyond", 1)).await;
    assert!(is_settled(&again), "{again:?}");
    assert_eq!(game.wallet(), (66, 66));
}

#[tokio::test]
async fn unreadable_record_is_an_error_and_never_absent() {
    let broken =
        [("{\"format\":1", "unreadable"), ("{\"format\":9}", "newer"), ("\u{feff}", "unreadable"), ("", "unreadable")];
    let (game, store, receiver) = Game::start();
    receiver.receive(completed("o1", 500)).await.unwrap();
    let intact = record(&store, "o1").await;
    for (json, word) in broken {
        let update = "UPDATE postback_records SET record = ?1 WHERE key LIKE '%/o1'";
        game.connect().execute(update, [json]).unwrap();
        let received = receiver.receive(completed("o1", 500)).await;
        let Err(ReceiveError::Store(error)) = &received else { panic!("{json}: {received:?}") };
        assert_eq!(error.as_str(), word, "{json}");
        let loaded = store.load(intact.key()).await.unwrap_err();
        assert_eq!(loaded.as_str(), word, "{json}");
        let swapped = store.swap(None, &intact).await.unwrap_err();
        assert_eq!(swapped.as_str(), word, "{json}");
    }
    let bytes = "UPDATE postback_records SET record = CAST(x'ff' AS TEXT)";
    game.connect().execute(bytes, []).unwrap();
    let received = receiver.receive(completed("o1", 500)).await;
    assert!(matches!(received, Err(ReceiveError::Store(StoreError::Unreadable { .. }))));
    assert!(is_settled(&receiver.receive(completed("o2", 1)).await));
    assert_eq!(game.wallet(), (501, 2), "the others are paid");
}

#[tokio::test]
async fn damaged_file_is_an_error_with_advice() {
    let (game, store, receiver) = Game::start();
    for number in 0..200 {
        receiver.receive(completed(&format!("o{number}"), 1)).await.unwrap();
    }
    store.close().await;
    let mut bytes = std::fs::read(game.file()).unwrap();
    // The first pages hold the schema; those after it the rows.
    bytes[16 * 4096..].fill(0x5a);
    std::fs::write(game.file(), bytes).unwrap();

    let store = game.open();
    let receiver = paying(&store);
    let mut errors = Vec::new();
    for number in 0..200 {
        let received = receiver.receive(completed(&format!("o{number}"), 1)).await;
        match received {
            Ok(Receipt::Duplicate) => {}
            Ok(other) => panic!("known before: {other:?}"),
            Err(error) => errors.push(chain(&error)),
        }
    }
    let advice = "the file is damaged: restore a backup";
    assert!(errors.iter().any(|error| error.contains(advice)), "{errors:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_disk_is_an_error_until_there_is_space() {
    let game = Game::without_file();
    // `failing_writes_lose_nothing` runs without privileges.
    let Some(disk) = SmallDisk::mount(game.directory().join("disk"), 1) else { return };
    let ballast = disk.fill_but(700);
    let file = disk.directory().join("game.db");
    let store = SqliteStore::open(&file).unwrap();
    let db = Connection::open(&file).unwrap();
    db.execute_batch("CREATE TABLE credits (id TEXT, player TEXT, amount TEXT)").unwrap();
    let receiver = paying(&store);
    let mut paid: i64 = 0;
    let error = loop {
        // Several at a time, so that a batch fails.
        let mut calls = tokio::task::JoinSet::new();
        for part in 0..8 {
            let receiver = receiver.clone();
            let event = completed(&format!("o{paid}-{part}"), 1);
            calls.spawn(async move { receiver.receive(event).await });
        }
        let received = calls.join_all().await;
        paid += i64::try_from(received.iter().filter(|one| is_settled(one)).count()).unwrap();
        if let Some(error) = received.into_iter().find_map(Result::err) {
            break error;
        }
        assert!(paid < 100_000, "the disk must become full");
    };
    let text = chain(&error);
    assert!(text.contains("the disk is full: free some space"), "{text}");
    let count = || -> i64 { db.query_row("SELECT count(*) FROM credits", [], |row| row.get(0)).unwrap() };
    assert_eq!(count(), paid, "no more and no less than what was settled");
    std::fs::remove_file(&ballast).unwrap();
    let again = receiver.receive(completed("afterwards", 1)).await;
    assert!(is_settled(&again), "{again:?}");
    assert_eq!(count(), paid + 1);
    store.close().await;
    drop(db);
}

#[cfg(target_os = "linux")]
#[test]
fn failing_writes_lose_nothing() {
    let game = Game::new();
    // The process may write 300 KiB to a file, and gets an error instead of a signal beyond that.
    let test = child("faults::process_pays_what_it_reads", &game.file());
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "trap '' XFSZ; ulimit -S -f 600; exec \"$0\" \"$@\""])
        .arg(test.get_program())
        .args(test.get_args())
        .envs(test.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut process = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut orders = process.stdin.take().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut pay = |number: i64| {
        writeln!(orders, "{number}").unwrap();
        let answer = lines.find_map(|line| Some(line.split_once("answer: ")?.1.to_owned()));
        answer.expect("the process must go on")
    };
    let mut paid = 0;
    let failed = loop {
        let answer = pay(paid);
        if answer != "settled" {
            break answer;
        }
        paid += 1;
        assert!(paid < 100_000, "writing must fail");
    };
    assert!(failed.contains("failed"), "{failed}");
    assert!(failed.contains("ERROR postback::store: message=a transaction was rolled back"), "logged: {failed}");
    assert_eq!(game.wallet(), (paid, paid));

    let unlimited = Command::new("prlimit").args(["--fsize=unlimited:", "--pid", &process.id().to_string()]).status();
    assert!(unlimited.unwrap().success());
    let again = pay(paid);
    assert!(["settled", "duplicate"].contains(&again.as_str()), "{again}");
    drop(orders);
    assert!(process.wait().unwrap().success());
    assert_eq!(game.wallet(), (paid + 1, paid + 1));
}

/// Makes every sync to the disk slow, and lets none return while a file exists.
#[cfg(target_os = "linux")]
const SLOW_SYNC: &str = r#"
    #include <stdlib.h>
    #include <sys/syscall.h>
    #include <unistd.h>
    static int slow(long number, int file) {
        usleep(20000);
        while (access(getenv("POSTBACK_TEST_STUCK"), F_OK) == 0) usleep(1000);
        return syscall(number, file);
    }
    int fsync(int file) { return slow(SYS_fsync, file); }
    int fdatasync(int file) { return slow(SYS_fdatasync, file); }
"#;

#[cfg(target_os = "linux")]
#[test]
fn slow_disk_makes_callers_time_out_and_loses_nothing() {
    let game = Game::new();
    let [source, library, stuck] = ["slow.c", "slow.so", "stuck"].map(|name| game.directory().join(name));
    std::fs::write(&source, SLOW_SYNC).unwrap();
    let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    if !compiled.is_ok_and(|status| status.success()) {
        skip_anyway("no C compiler to make a slow disk with");
        return;
    }
    let mut process = child("faults::process_pays_on_a_slow_disk", &game.file());
    let output = process.env("LD_PRELOAD", library).env("POSTBACK_TEST_STUCK", stuck).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(game.wallet(), (101, 101));
}

/// Runs in a process whose syncs are slow.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::disallowed_methods, reason = "a test passes it to its own child process")]
async fn process_pays_on_a_slow_disk() {
    let Some(stuck) = std::env::var_os("POSTBACK_TEST_STUCK") else { return };
    let file = child_file().unwrap();
    let store = SqliteStore::builder().timeout(Duration::from_millis(100)).open(&file).unwrap();
    let calls = Calls::default();
    let called = Arc::clone(&calls);
    let receiver = store
        .receiver(move |tx, decision| {
            called.lock().unwrap().push(decision.id().to_string());
            credit(tx, decision)
        })
        .without_recovery();
    let receive_all = async || {
        let mut received = tokio::task::JoinSet::new();
        for number in 0..100 {
            let (receiver, event) = (receiver.clone(), completed(&format!("o{number}"), 1));
            received.spawn(async move { receiver.receive(event).await });
        }
        received.join_all().await
    };
    std::fs::write(&stuck, "").unwrap();
    // The network repeats what is still on its way.
    for _ in 0..2 {
        let received = receive_all().await;
        assert!(received.iter().all(is_overloaded), "{received:?}");
    }
    let count = |select| -> i64 { Connection::open(&file).unwrap().query_row(select, [], |row| row.get(0)).unwrap() };
    assert_eq!(count("SELECT count(*) FROM postback_records"), 0, "nothing is committed");
    std::fs::remove_file(&stuck).unwrap();
    eventually("all of them are known", async || {
        receive_all().await.iter().all(|one| matches!(one, Ok(Receipt::Duplicate)))
    })
    .await;
    eventually("a new one is paid", async || receiver.receive(completed("new", 1)).await.is_ok()).await;
    store.close().await;
    assert_eq!(calls.lock().unwrap().len(), 101, "each is handled once");
}

/// Runs in a process that another test starts.
#[tokio::test]
async fn process_pays_what_it_reads() {
    let Some(file) = child_file() else { return };
    let log = Warnings::default();
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    let store = SqliteStore::open(file).unwrap();
    let receiver = paying(&store);
    for line in std::io::stdin().lines() {
        let received = receiver.receive(completed(&line.unwrap(), 1)).await;
        let answer = received
            .map_or_else(|error| format!("{}; {:?}", chain(&error), log.lines()), |receipt| receipt.as_str().into());
        println!("\nanswer: {answer}");
    }
    store.close().await;
}

#[cfg(unix)]
#[test]
fn missing_permission_is_an_error_at_open() {
    use std::os::unix::fs::PermissionsExt;
    let game = Game::new();
    drop(game.open());
    let allow = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    // The program must be reachable for a user whom file permissions bind.
    let reachable = Game::without_file();
    allow(reachable.directory(), 0o755);
    let program = reachable.directory().join("program");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let (file, fresh) = (game.file(), game.directory().join("fresh.db"));
    // Mode of the directory, mode of the file, the file, part of the error.
    let cases = [
        (0o777, 0o444, &file, "the file is read-only: make it and its directory writable"),
        (0o555, 0o444, &file, "writable"),
        (0o555, 0o666, &file, "writable"),
        (0o555, 0o666, &fresh, "writable"),
        (0o777, 0o000, &file, "no access to the file"),
    ];
    for (directory_mode, file_mode, path, expected) in cases {
        allow(&file, file_mode);
        allow(game.directory(), directory_mode);
        let opens = child("faults::process_opens_a_file", path);
        let environment = opens.get_envs().filter_map(|(name, value)| Some((name, value?)));
        let output = unprivileged(&program).args(opens.get_args()).envs(environment).output().unwrap();
        allow(game.directory(), 0o777);
        let text = String::from_utf8_lossy(&output.stdout);
        let context = format!("{directory_mode:o} {file_mode:o}: {text}");
        assert!(output.status.success(), "{context}");
        assert!(text.contains(expected) && text.contains(path.to_str().unwrap()), "{context}");
    }
}

/// Runs in a process that another test starts.
#[tokio::test]
async fn process_opens_a_file() {
    let Some(file) = child_file() else { return };
    match SqliteStore::open(file) {
        Ok(_) => println!("opened"),
        Err(error) => println!("{}", chain(&error)),
    }
}
