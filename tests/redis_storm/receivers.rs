//! Receivers as processes of their own: the example, killed and started again.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::conversions::{OFFERS, SECRET, SURVEYS};

/// Builds the example as this test was built, and says where it is.
pub(crate) fn build() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().unwrap().parent().unwrap();
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--example", "redis_receiver"]);
    // As in a run of everything, so that what that built need not be built again.
    if cfg!(feature = "sqlite") {
        command.arg("--all-features");
    } else {
        command.args(["--features", "axum,redis"]);
    }
    if profile.ends_with("release") {
        command.arg("--release");
    }
    command.arg("--target-dir").arg(profile.parent().unwrap());
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    assert!(command.status().unwrap().success(), "the example is built");
    profile.join("examples").join("redis_receiver")
}

pub(crate) struct Receiver {
    program: PathBuf,
    redis: String,
    port: u16,
    process: Child,
}

impl Receiver {
    pub(crate) fn start(program: &Path, redis: &str, port: u16) -> Self {
        Self {
            program: program.to_owned(),
            redis: redis.to_owned(),
            port,
            process: spawn(program, redis, port),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again, if it has ended.
    pub(crate) fn keep_alive(&mut self) {
        if self.process.try_wait().unwrap().is_some() {
            self.process = spawn(&self.program, &self.redis, self.port);
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(program: &Path, redis: &str, port: u16) -> Child {
    Command::new(program)
        .env("REDIS_URL", redis)
        .env("POSTBACK_LISTEN", format!("127.0.0.1:{port}"))
        .env("POSTBACK_LEASE_MS", crate::LEASE.as_millis().to_string())
        .env("BITLABS_APP_SECRET", SECRET)
        .env("BITLABS_OFFERS_URL", OFFERS)
        .env("BITLABS_SURVEYS_URL", SURVEYS)
        .env("RUST_LOG", "off")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// One request on a connection of its own; the status and the body of the answer.
pub(crate) async fn get(port: u16, target: &str) -> std::io::Result<(u16, String)> {
    let asked = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: game.example\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let cut_off = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(cut_off)?;
        let status = head.get(9..12).and_then(|status| status.parse().ok());
        Ok((status.ok_or_else(cut_off)?, body.to_owned()))
    };
    tokio::time::timeout(Duration::from_secs(10), asked).await?
}
