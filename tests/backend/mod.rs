//! An example (`axum_receiver`, unless another is named) as a process: started on a free port, asked over TCP, ended by its own id.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use postback::store::sqlite::rusqlite::Connection;
use postback::testing::bitlabs::{CallbackBuilder, Network};
use serde_json::Value;
use tempfile::TempDir;

use crate::http;

pub const SECRET: &str = "end-to-end-secret";

pub const OFFERS: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&usd=[%VALUE:USD%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&offer=[%OFFER:ID%]\
    &task=[%OFFER:TASK:ID%]&name=[%OFFER:NAME%]&task_name=[%OFFER:TASK:NAME%]&iap_usd=[%OFFER:TASK:IAP:USD%]\
    &hidden=[%OFFER:TASK:HIDDEN%]&type_id=[%OFFER:TASK:TYPE:ID%]&type_name=[%OFFER:TASK:TYPE:NAME%]\
    &reason=[%OFFER:REJECTION_REASON%]";
pub const SURVEYS: &str = "https://game.example/callbacks/surveys?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]\
    &usd=[%RAW%]&type=[%TYPE%]&ref=[%REF%]";

/// How long a start or an end may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The program that `cargo test` builds beside the tests.
pub fn program() -> PathBuf {
    example("axum_receiver")
}

/// An example that `cargo test` builds beside the tests.
pub fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let profile = tests.ancestors().nth(2).unwrap();
    let program = profile
        .join("examples")
        .join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        program.is_file(),
        "{} is missing. A whole `cargo test --all-features` builds it; before a single test file, run \
         `cargo build --all-features --example {name}` (with `--release`, if the tests are).",
        program.display()
    );
    program
}

/// A command that starts the program on this file and a free port, with nothing else set.
pub fn command(database: &Path) -> Command {
    command_of(&program(), database)
}

/// The same for any program.
pub fn command_of(program: &Path, database: &Path) -> Command {
    let mut command = bare_command(program);
    command
        .env("POSTBACK_DB", database)
        .env("POSTBACK_LISTEN", "127.0.0.1:0")
        .env("BITLABS_APP_SECRET", SECRET);
    command
}

/// A command without any of the program's variables, whatever the tests were started with.
pub fn bare_command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("POSTBACK_") || text.starts_with("BITLABS_") || text == "RUST_LOG" {
            command.env_remove(&name);
        }
    }
    command
}

/// How a program ended, and what it said.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub output: String,
    pub errors: String,
}

/// Runs a program that is expected to end by itself, and ends it when it does not.
pub fn run_to_its_end(mut command: Command) -> Ended {
    command.stdin(Stdio::null());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = wait(&mut child);
    let (mut output, mut errors) = (String::new(), String::new());
    // What it says before it gives up fits into the pipes.
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    out.read_to_string(&mut output).unwrap();
    err.read_to_string(&mut errors).unwrap();
    let Some(status) = status else {
        panic!("the program did not end by itself: {output}\n{errors}");
    };
    Ended {
        status,
        output,
        errors,
    }
}

/// Waits for the end of a child; kills it and says `None` when it does not come.
fn wait(child: &mut Child) -> Option<ExitStatus> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

#[derive(Default)]
struct Output {
    lines: Mutex<(Vec<String>, bool)>,
    changed: Condvar,
}

/// The running program. Killed when dropped.
pub struct Backend {
    child: Child,
    address: SocketAddr,
    output: Arc<Output>,
    log: PathBuf,
}

impl Backend {
    /// Starts it on this file; what it logs goes to a file beside it.
    pub fn start(database: &Path) -> Self {
        let mut command = command(database);
        command.env("RUST_LOG", "warn");
        Self::spawn(command, &database.with_extension("log"))
    }

    /// Starts it and kills it after so long, whether or not it has come to listen.
    pub fn start_and_kill(database: &Path, after: Duration) {
        let mut child = command(database)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn spawn(mut command: Command, log: &Path) -> Self {
        let errors = File::options().create(true).append(true).open(log).unwrap();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap();
        let output = Arc::<Output>::default();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let shared = Arc::clone(&output);
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                shared.lines.lock().unwrap().0.push(line);
                shared.changed.notify_all();
            }
            shared.lines.lock().unwrap().1 = true;
            shared.changed.notify_all();
        });
        let mut backend = Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            output,
            log: log.to_owned(),
        };
        let line = backend.line("Listening on http://");
        let address = line.split(['/', ';', ' ']).nth(4).unwrap();
        backend.address = address.parse().unwrap();
        backend
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The first line that holds this text, as soon as it has been printed.
    pub fn line(&self, text: &str) -> String {
        let has = |lines: &[String]| lines.iter().find(|line| line.contains(text)).cloned();
        let (lines, _) = self
            .output
            .changed
            .wait_timeout_while(
                self.output.lines.lock().unwrap(),
                PATIENCE,
                |(lines, ended)| has(lines).is_none() && !*ended,
            )
            .unwrap();
        has(&lines.0).unwrap_or_else(|| {
            panic!(
                "{text:?} was not printed: {:#?}\n{}",
                lines.0,
                self.said_in_log()
            )
        })
    }

    /// All lines printed so far.
    pub fn lines(&self) -> Vec<String> {
        self.output.lines.lock().unwrap().0.clone()
    }

    /// What it has logged.
    pub fn said_in_log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub fn get(&self, target: &str) -> http::Answer {
        http::get(self.address, target)
    }

    /// What the player has.
    pub fn player(&self, id: &str) -> Value {
        let answer = self.get(&format!("/players/{id}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_str(&answer.body).unwrap()
    }

    /// `kill -9`: it can do nothing about it.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// As Ctrl-C does.
    #[cfg(unix)]
    pub fn interrupt(&self) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args(["-INT", &id]).status().unwrap();
        assert!(status.success());
    }

    /// Waits until it has ended by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        wait(&mut self.child)
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A fresh directory with room for a game's file.
pub struct Place(TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn directory(&self) -> &Path {
        self.0.path()
    }

    pub fn file(&self) -> PathBuf {
        self.0.path().join("game.db")
    }

    /// A connection of the tester's own.
    pub fn connect(&self) -> Connection {
        Connection::open(self.file()).unwrap()
    }

    /// How many rows a query counts.
    pub fn count(&self, from: &str) -> i64 {
        let count = format!("SELECT count(*) FROM {from}");
        self.connect()
            .query_row(&count, [], |row| row.get(0))
            .unwrap()
    }
}

pub fn network() -> Network {
    Network::new(SECRET)
}

/// An offer's callback.
pub fn offer(player: &str, tx: &str, state: &str, gems: &str) -> CallbackBuilder {
    network()
        .callback(OFFERS)
        .player(player)
        .transaction(tx)
        .state(state)
        .amount(gems)
}

/// A survey's callback; `original` may be empty.
pub fn survey(
    player: &str,
    tx: &str,
    call_type: &str,
    gems: &str,
    original: &str,
) -> CallbackBuilder {
    network()
        .callback(SURVEYS)
        .player(player)
        .transaction(tx)
        .call_type(call_type)
        .amount(gems)
        .original(original)
}
