//! Runs the program: its commands, and servers with a configuration of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use postback::testing::bitlabs::{SignedCallback, Signer};
use postback_test_servers::{PATIENCE, Running, free_port, send_signal};
use tempfile::TempDir;

use crate::client::{Client, Response, get};

pub(crate) const SECRET: &str = "a-secret-of-the-app";
pub(crate) const BACKEND_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub(crate) const OFFERS: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&usd=[%VALUE:USD%]";

/// The program with these arguments, in a directory, without the settings of this process.
pub(crate) fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postback"));
    command
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .env_remove("POSTBACK_LOG")
        .env_remove("BITLABS_APP_SECRET");
    command
}

/// Runs a command to its end: exit status, standard output, standard error.
pub(crate) fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program prints text");
    (status.code().expect("an exit status"), text(stdout), text(stderr))
}

/// A signed offer callback.
pub(crate) fn offer(player: &str, transaction: &str, gems: &str, state: &str) -> SignedCallback {
    Signer::new(SECRET, OFFERS).sign(&[("player", player), ("tx", transaction), ("gems", gems), ("state", state)])
}

/// What a server is started with.
pub(crate) struct Setup {
    pub(crate) directory: TempDir,
    pub(crate) store: String,
    pub(crate) backend: u16,
    /// The backend's.
    pub(crate) secret: String,
    /// More lines for the top of the file, and for its end.
    pub(crate) top: String,
    pub(crate) backend_keys: String,
    pub(crate) admin_keys: String,
    pub(crate) end: String,
}

impl Setup {
    /// A SQLite store in a directory of its own, one endpoint for offers, and a backend on a port nobody listens on yet.
    pub(crate) fn new() -> Self {
        Self {
            directory: postback_test_servers::directory(),
            store: "sqlite:postback.db".to_owned(),
            backend: free_port(),
            secret: BACKEND_SECRET.to_owned(),
            top: String::new(),
            backend_keys: "timeout = \"5s\"".to_owned(),
            admin_keys: String::new(),
            end: String::new(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The text of the configuration.
    pub(crate) fn text(&self, public: u16, admin: u16) -> String {
        let Self { store, backend, secret, top, backend_keys, admin_keys, end, .. } = self;
        format!(
            "listen = \"127.0.0.1:{public}\"\nstore = \"{store}\"\n{top}\n[backend]\nurl = \"http://127.0.0.1:{backend}/decisions\"\n\
             secret = \"{secret}\"\n{backend_keys}\n[admin]\nlisten = \"127.0.0.1:{admin}\"\n{admin_keys}\n\
             [[endpoint]]\nnetwork = \"bitlabs\"\napp = \"my-game\"\nsecret = \"{SECRET}\"\nfamily = \"offers\"\nurl = \"{OFFERS}\"\n{end}\n"
        )
    }

    /// Writes a configuration with ports of its own.
    pub(crate) fn configure(&self, name: &str) -> (PathBuf, u16, u16) {
        let (public, admin) = (free_port(), free_port());
        let path = self.path(name);
        fs::write(&path, self.text(public, admin)).expect("a configuration");
        (path, public, admin)
    }

    pub(crate) fn start(&self) -> Server {
        self.start_as("postback.toml")
    }

    /// Starts a server with a configuration of this name and ports of its own.
    pub(crate) fn start_as(&self, name: &str) -> Server {
        let (config, public, admin) = self.configure(name);
        let mut server = Server { config, directory: self.directory.path().to_owned(), public, admin, child: None };
        server.start();
        server
    }
}

/// A running server.
pub(crate) struct Server {
    config: PathBuf,
    directory: PathBuf,
    pub(crate) public: u16,
    pub(crate) admin: u16,
    child: Option<Running>,
}

impl Server {
    /// Starts it, and waits until it answers.
    pub(crate) fn start(&mut self) {
        self.spawn();
        let began = Instant::now();
        loop {
            let health = Client::new(self.public).send("GET", "/health", &[]);
            if health.is_some_and(|response| response.status == 200) {
                return;
            }
            let ended = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            assert!(ended.is_none() && began.elapsed() < PATIENCE, "the server does not answer: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Starts it, and does not wait.
    pub(crate) fn spawn(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.log_path()).expect("a log");
        let config = self.config.to_str().expect("a path");
        self.child = Some(Running::start(command(&self.directory, &["serve", "--config", config]).stderr(log)));
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.config.with_extension("log")
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    pub(crate) fn config(&self) -> &Path {
        &self.config
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.as_ref().expect("a running server").id()
    }

    /// Ends it at once, as a crash does.
    pub(crate) fn kill(&mut self) {
        self.child = None;
    }

    /// Asks it to stop, and returns its exit status.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take()?;
        send_signal("TERM", child.id());
        child.wait().ok()?.code()
    }

    /// Memory in use, in MiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("the process runs");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
        let kib: u64 = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number");
        kib / 1024
    }

    pub(crate) fn get(&self, target: &str) -> Response {
        get(self.public, target)
    }

    pub(crate) fn admin(&self, target: &str) -> serde_json::Value {
        get(self.admin, target).json()
    }

    /// Delivers what is pending at once.
    pub(crate) fn retry(&self) {
        Client::new(self.admin).send("POST", "/api/retry", &[("postback-action", "1")]);
    }

    /// Sends a callback that must be taken. Returns the body of the response.
    pub(crate) fn take(&self, callback: &SignedCallback) -> String {
        let response = self.get(&callback.target());
        assert_eq!(response.status, 200, "{}: {}", response.body, callback.target());
        response.body
    }
}
