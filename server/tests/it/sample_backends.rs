//! The sample backends: each verifies with its language's published Standard Webhooks library, and pays once.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use postback_test_servers::{Running, free_port, skip, skip_anyway, wait_until};
use rusqlite::Connection;

use crate::client::Client;
use crate::program::{BACKEND_SECRET, Setup, offer};

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("backends")
}

/// Whether a command runs, which has no other effect; otherwise the test is skipped. Where servers are required, only
/// what PHP and Go need may be missing.
pub(crate) fn is_installed(command: &str) -> bool {
    let (program, arguments) = command.split_once(' ').expect("an argument");
    let status = Command::new(program).args(arguments.split(' ')).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let is_installed = status.is_ok_and(|status| status.success());
    if !is_installed {
        let skip = if matches!(program, "curl" | "node" | "npm" | "python3") { skip } else { skip_anyway };
        skip(&format!("{program} is not installed"));
    }
    is_installed
}

/// Copies the sample, so that nothing is installed into the source tree.
fn copy(name: &str, to: &Path) {
    for entry in fs::read_dir(samples().join(name)).expect("the sample") {
        let entry = entry.expect("a file");
        if entry.file_type().expect("a type").is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).expect("a copy");
        }
    }
}

/// A directory with what a sample needs, which a shell command installs once for each build directory.
fn installed(name: &str, command: &str) -> Option<PathBuf> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sample-backends").join(name);
    fs::create_dir_all(&directory).expect("a directory");
    copy(name, &directory);
    let marker = directory.join(".installed");
    if !marker.exists() {
        let output = Command::new("sh").args(["-c", command]).current_dir(&directory).stdin(Stdio::null()).output();
        let output = output.expect("a shell");
        if !output.status.success() {
            eprintln!("{command}: {}", String::from_utf8_lossy(&output.stderr));
            let skip = if matches!(name, "express" | "fastapi") { skip } else { skip_anyway };
            skip(&format!("the packages for {name} cannot be installed"));
            return None;
        }
        fs::write(marker, "").expect("a marker");
    }
    Some(directory)
}

/// Runs a sample against a server: rewards, duplicates, a reversal, a forged webhook.
fn check(mut command: Command) {
    let setup = Setup::new();
    let ledger = setup.path("sample.db");
    let log = fs::File::create(setup.path("sample.log")).expect("a log");
    command
        .env("PORT", setup.backend.to_string())
        .env("POSTBACK_BACKEND_SECRET", &setup.secret)
        .env("DATABASE", &ledger)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a log"))
        .stderr(log);
    let running = Running::start(&mut command);
    let output = || fs::read_to_string(setup.path("sample.log")).unwrap_or_default();
    let port = setup.backend;
    let began = std::time::Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(began.elapsed().as_secs() < 60, "the sample does not listen: {}", output());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let forged = Client::new(port).send(
        "POST",
        "/decisions",
        &[
            ("content-type", "application/json"),
            ("content-length", "0"),
            ("webhook-id", "x"),
            ("webhook-timestamp", "1700000000"),
            ("webhook-signature", "v1,AAAA"),
        ],
    );
    let status = forged.expect("a response").status;
    assert!((400..500).contains(&status), "{status}: {}", output());
    let server = setup.start();
    for _ in 0..2 {
        server.get(&offer("p1", "o1", "500", "COMPLETED").target());
        server.get(&offer("p1", "o1", "200", "RECONCILED").target());
        server.get(&offer("p2", "o2", "2.5", "COMPLETED").target());
        server.get(&offer("p3", "o3", "70", "PENDING").target());
    }
    wait_until("everything is delivered", || server.admin("/api/pending")["records"] == serde_json::json!([]));
    // Only now, with the sample stopped: node-sqlite3-wasm does not take the locks of other SQLite builds, so that a
    // second connection would take a running transaction's journal for a crashed one's, and roll it back.
    drop(running);
    let database = Connection::open(&ledger).expect("the ledger");
    for (player, expected) in [("p1", "300"), ("p2", "2.5")] {
        let sql = "SELECT CAST(balance AS TEXT) FROM players WHERE id = ?1";
        let balance: String = database.query_row(sql, [player], |row| row.get(0)).expect("a balance");
        assert_eq!(balance.trim_end_matches(".0"), expected, "{player}: {}", output());
    }
}

/// Checks a sample, if these commands run. The others are for the shell, in the sample's directory, which is returned.
fn pays_once(name: &str, needed: &[&str], install: &str, start: &str) -> Option<PathBuf> {
    if !needed.iter().all(|command| is_installed(command)) {
        return None;
    }
    let directory = installed(name, install)?;
    let mut command = Command::new("sh");
    command.args(["-c", &format!("exec {start}")]).current_dir(&directory);
    check(command);
    Some(directory)
}

#[test]
fn express_pays_once() {
    let install = "npm install --no-audit --no-fund";
    pays_once("express", &["node --version", "npm --version"], install, "node server.js");
}

#[test]
fn fastapi_pays_once() {
    let install = "python3 -m venv venv && venv/bin/pip install --quiet -r requirements.txt";
    pays_once("fastapi", &["python3 --version"], install, "venv/bin/python server.py");
}

#[test]
fn php_pays_once() {
    let needed = ["php --ri pdo_sqlite", "composer --version"];
    let install = "composer install --no-interaction --quiet";
    pays_once("php", &needed, install, "php -d display_errors=1 -S 127.0.0.1:$PORT server.php");
}

/// Instead of the Standard Webhooks library, which may not be installable here.
const PHP_LIBRARY: &str = r"<?php
namespace StandardWebhooks;
class Webhook {
    public function __construct($secret) {}
    public function verify($body, $headers) {
        return ['data' => ['id' => 'd1', 'player' => 'p1', 'balance_change' => '500']];
    }
}
";

#[test]
fn php_that_fails_before_it_has_booked_responds_500() {
    if !is_installed("php --ri pdo_sqlite") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    copy("php", directory.path());
    let port = free_port();
    // Shown errors are the default of a PHP without a php.ini. They make its status 200, unless another one is set.
    let mut command = Command::new("php");
    command
        .args(["-d", "display_errors=1", "-S", &format!("127.0.0.1:{port}"), "server.php"])
        .current_dir(directory.path())
        .env("POSTBACK_BACKEND_SECRET", BACKEND_SECRET)
        .env("DATABASE", "missing/game.db")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let _running = Running::start(&mut command);
    wait_until("PHP listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    let status = || {
        let response = Client::new(port).send("POST", "/decisions", &[("content-length", "0")]);
        response.expect("a response").status
    };
    assert_eq!(status(), 500, "without the library");
    fs::create_dir(directory.path().join("vendor")).expect("a directory");
    fs::write(directory.path().join("vendor/autoload.php"), PHP_LIBRARY).expect("the library");
    assert_eq!(status(), 500, "without a database");
    fs::create_dir(directory.path().join("missing")).expect("a directory");
    assert_eq!(status(), 204);
}

#[test]
fn go_pays_once_and_by_default_from_a_file() {
    let install = "go mod tidy && go build -o sample .";
    let Some(directory) = pays_once("go", &["go version"], install, "./sample") else { return };
    let elsewhere = tempfile::tempdir().expect("a directory");
    let port = free_port();
    let mut command = Command::new(directory.join("sample"));
    command
        .current_dir(elsewhere.path())
        .env("PORT", port.to_string())
        .env("POSTBACK_BACKEND_SECRET", BACKEND_SECRET)
        .env_remove("DATABASE")
        .stdin(Stdio::null());
    let _running = Running::start(&mut command);
    wait_until("the sample listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    assert!(elsewhere.path().join("game.db").exists());
}
