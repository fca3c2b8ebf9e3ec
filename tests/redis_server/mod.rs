//! A Redis (or Valkey) server of the test's own: in a temporary directory, on a free loopback port, and ended
//! by its process id. Whatever else runs on the machine is left alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod proxy;

use std::io::ErrorKind;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use postback::store::redis::redis::{self, FromRedisValue};
use postback::store::redis::{RedisOptions, RedisStore};
use tempfile::TempDir;

pub(crate) const PASSWORD: &str = "s3cret/of the:test";

pub(crate) struct Server {
    port: u16,
    directory: TempDir,
    program: &'static str,
    arguments: Vec<String>,
    process: Option<Child>,
}

/// Starts a server that loses nothing; `None`, having said so, where none is installed.
pub(crate) fn start() -> Option<Server> {
    start_with(&["--appendonly", "yes", "--appendfsync", "always"])
}

/// Starts a server with these settings.
pub(crate) fn start_with(arguments: &[&str]) -> Option<Server> {
    let is_there = |program: &&str| {
        let found = Command::new(program).arg("--version").output();
        !found.is_err_and(|error| error.kind() == ErrorKind::NotFound)
    };
    let Some(program) = ["redis-server", "valkey-server"].into_iter().find(is_there) else {
        let text =
            "no redis-server and no valkey-server is installed: apt-get install redis-server";
        assert!(
            std::env::var_os("POSTBACK_REQUIRE_SERVERS").is_none_or(|value| value != "1"),
            "{text}"
        );
        eprintln!("SKIPPED: {text}");
        return None;
    };
    let mut server = Server {
        port: free_port(),
        directory: tempfile::tempdir().unwrap(),
        program,
        arguments: arguments.iter().copied().map(str::to_owned).collect(),
        process: None,
    };
    // Between being found free and being used, a port may have been taken.
    let started = (0..10).any(|_| {
        server.port = free_port();
        server.starts()
    });
    assert!(
        started,
        "{program} ends as soon as it is started: {arguments:?}"
    );
    Some(server)
}

/// Starts a node that is a whole cluster by itself.
pub(crate) fn start_cluster() -> Option<Server> {
    let bus = free_port().to_string();
    let server = start_with(&["--cluster-enabled", "yes", "--cluster-port", &bus])?;
    server.ask::<()>(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    wait("the cluster to be one", || {
        server
            .ask::<String>(&["CLUSTER", "INFO"])
            .contains("cluster_state:ok")
    });
    Some(server)
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

pub(crate) fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "waited for {what}"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Server {
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// A store whose keys have a prefix of their own.
    pub(crate) async fn store(&self, prefix: &str) -> RedisStore {
        let options = RedisOptions::new()
            .prefix(prefix)
            .connect_timeout(Duration::from_millis(500))
            .response_timeout(Duration::from_millis(500));
        options.connect(self.url()).await.unwrap()
    }

    /// Starts it, on the same port and data as before, and waits until it answers.
    pub(crate) fn restart(&mut self) {
        self.kill();
        wait("the server's port to be free again", || self.starts());
    }

    /// Whether it starts and answers; `false` if it ends by itself, as it does when its port is taken.
    fn starts(&mut self) -> bool {
        let process = Command::new(self.program)
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--save", "", "--daemonize", "no", "--loglevel", "warning"])
            .args(&self.arguments)
            .arg("--dir")
            .arg(self.directory.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let process = self.process.insert(process);
        let id = process.id();
        let mut is_alive = true;
        wait("the server to answer", || {
            is_alive = matches!(self.process.as_mut().unwrap().try_wait(), Ok(None));
            // By its process id, lest somebody else's server answers on this port. It answers this before its data
            // is back, when it refuses all else.
            let info = self.try_ask::<String>(&["INFO"]).unwrap_or_default();
            let is_ours = info.contains(&format!("process_id:{id}\r\n"));
            !is_alive || (is_ours && info.contains("\r\nloading:0\r\n"))
        });
        is_alive
    }

    /// Kills it as a crash does: without a chance to write anything.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Asks it over a connection of the tester's own.
    pub(crate) fn try_ask<T: FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let client = redis::Client::open(self.url())?;
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(5))?;
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query(&mut connection)
    }

    pub(crate) fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.try_ask(words)
            .unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Where the record of this key is.
    pub(crate) fn place_of(&self, prefix: &str, key: &str) -> String {
        let pattern = format!("{{{prefix}:*}}:record:{key}");
        let found: (String, Vec<String>) =
            self.ask(&["SCAN", "0", "MATCH", &pattern, "COUNT", "1000000"]);
        found.1.into_iter().next().expect("the record is stored")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}
