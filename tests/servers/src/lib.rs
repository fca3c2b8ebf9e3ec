//! Starts Postgres and Redis servers, and the examples, for the workspace's own tests: on loopback, in temporary
//! directories, ended when dropped. And kills them: see [`storm`].
//!
//! Where a server is not installed, `start` says which test is skipped and returns `None`; with
//! `POSTBACK_REQUIRE_SERVERS=1` it panics instead.
// The library's examples, which compile this crate as well, also run elsewhere.
#![cfg(unix)]
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and settings come from the environment"
)]

mod disk;
pub mod events;
mod http;
pub mod log;
mod postgres;
mod redis;
pub mod storm;

use std::error::Error;
use std::hash::{BuildHasher as _, RandomState};
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

pub use disk::SmallDisk;
pub use http::{Example, Response, exchange};
pub use postgres::Postgres;
pub use redis::{Redis, RedisCluster};
use tempfile::TempDir;

/// How long to wait for anything. Generous: a slow machine is no reason to fail.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until the condition holds.
///
/// # Panics
/// If it does not within [`PATIENCE`].
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "timed out: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The same with a condition that waits.
///
/// # Panics
/// If it does not within [`PATIENCE`].
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < PATIENCE, "timed out: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A directory for the data of a test. It is in memory if the system has a gigabyte to spare there: what a process has
/// written survives its being killed, and a power cut is not tested.
pub fn directory() -> TempDir {
    static PARENT: LazyLock<PathBuf> = LazyLock::new(|| {
        let free = Command::new("df").args(["-B1M", "--output=avail", "/dev/shm"]).output();
        let free = free.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        let mebibytes: u64 = free.lines().nth(1).and_then(|line| line.trim().parse().ok()).unwrap_or_default();
        if mebibytes >= 1024 { "/dev/shm".into() } else { std::env::temp_dir() }
    });
    tempfile::tempdir_in(&*PARENT).unwrap()
}

/// A process, which is killed when dropped.
#[derive(Debug)]
pub struct Running(pub Child);

impl Running {
    /// Starts it.
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }
}

impl Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a process until one is ready. While a process of a killed server is alive, or its port is not free, it ends by
/// itself.
fn start_process(what: &str, mut spawn: impl FnMut() -> Command, is_ready: impl Fn(&Child) -> bool) -> Running {
    let mut started = None;
    wait_until(what, || {
        let mut child = Running::start(&mut spawn());
        let mut is_running = true;
        wait_until(what, || {
            is_running = matches!(child.try_wait(), Ok(None));
            !is_running || is_ready(&child)
        });
        started = is_running.then_some(child);
        is_running
    });
    started.expect("it was started")
}

/// Everything that an error says, down to its cause.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let (mut text, mut source) = (error.to_string(), error.source());
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Sends a signal (`STOP`, `CONT`, `KILL` …) to a process that the test started.
pub fn send_signal(signal: &str, process: u32) {
    let _ = Command::new("kill").args([&format!("-{signal}"), &process.to_string()]).output();
}

/// A loopback port that nobody listens on, another one at every call. Below the range from which clients get theirs, so
/// that it stays free while its server is down. Test processes that run side by side get different ones.
pub fn free_port() -> u16 {
    /// A UDP socket with the same number reserves a port, and does not keep a server from listening on it.
    static RESERVED: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());
    let first = u16::try_from(RandomState::new().hash_one(()) % 20_000).unwrap();
    let ports = (first..20_000).chain(0..first).map(|offset| (Ipv4Addr::LOCALHOST, 10_000 + offset));
    // Reserved first: trying another process's port could keep its server from listening.
    let reserved = ports.filter_map(|port| Some((port, UdpSocket::bind(port).ok()?)));
    let mut free = reserved.filter(|(port, _)| TcpListener::bind(port).is_ok());
    let (port, reservation) = free.next().expect("a free port");
    RESERVED.lock().unwrap().push(reservation);
    port.1
}

/// Finds a directory that contains all these programs.
fn find_programs(names: &[&str], more: Vec<PathBuf>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = more;
    places.extend(std::env::split_paths(&path));
    let has_all = |place: &PathBuf| names.iter().all(|name| place.join(name).is_file());
    places.into_iter().find(has_all)
}

/// Says that the running test is skipped.
///
/// # Panics
/// With `POSTBACK_REQUIRE_SERVERS=1`.
pub fn skip(reason: &str) {
    let required = std::env::var_os("POSTBACK_REQUIRE_SERVERS").is_some_and(|value| value == "1");
    assert!(!required, "{reason}");
    skip_anyway(reason);
}

/// Says that the running test is skipped, also with `POSTBACK_REQUIRE_SERVERS=1`: for what not every machine can have.
pub fn skip_anyway(reason: &str) {
    let thread = std::thread::current();
    let line = format!("SKIPPED {}: {reason}\n", thread.name().unwrap_or("a test"));
    // Written directly, because the test harness hides what `eprintln!` prints in a test that passes.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// A program that runs without root's rights, which Postgres refuses.
pub fn unprivileged(program: &Path) -> Command {
    let Some((user, group)) = unprivileged_user() else {
        return Command::new(program);
    };
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).args(["--clear-groups", "--"]).arg(program);
    command
}

/// Gives a file to the user that unprivileged programs run as.
fn give_away(path: &Path) {
    if let Some((user, group)) = unprivileged_user() {
        std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
    }
}

/// For root: the user `postgres`, or else `nobody`.
fn unprivileged_user() -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt as _;
    if std::fs::metadata("/proc/self").ok()?.uid() != 0 {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    ["postgres", "nobody"].iter().find_map(|wanted| {
        let line = users.lines().find(|line| line.split(':').next() == Some(wanted))?;
        let mut fields = line.split(':').skip(2).map(str::parse);
        Some((fields.next()?.ok()?, fields.next()?.ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn killed_postgres_comes_back_with_its_data() {
        let Some(server) = Postgres::start(&[]) else { return };
        server.sql("postgres", "CREATE TABLE kept AS SELECT 7 AS number");
        server.kill();
        server.restart();
        let number = server.sql("postgres", "SELECT number FROM kept");
        assert_eq!(number, "7");
    }

    #[test]
    fn killed_redis_comes_back_on_its_port() {
        let Some(server) = Redis::start(Redis::DURABLE) else { return };
        let first = server.process_id();
        server.kill();
        assert_eq!(server.process_id(), None);
        server.restart();
        assert_ne!(server.process_id(), first);
        assert!(server.is_ready());
    }
}
