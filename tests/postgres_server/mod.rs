//! A Postgres server of the tests' own, which may be killed, stopped and started again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(dead_code, reason = "each test file uses a part")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use postback::store::postgres::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use postback::store::postgres::sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, raw_sql};
use tempfile::TempDir;

const USER: &str = "game";
const PASSWORD: &str = "not-a-secret";

/// How long a server may take to start; after a crash it repairs itself first.
const START: Duration = Duration::from_secs(60);

/// A running server. It ends when dropped.
pub(crate) struct Server {
    programs: PathBuf,
    directory: PathBuf,
    /// Removes the directory, unless it is kept.
    temporary: Option<TempDir>,
    port: u16,
    process: Mutex<Option<Child>>,
    databases: AtomicUsize,
}

/// The server that the tests of one file share while they run, each with a database of its own. `None`, loudly,
/// where Postgres is not installed.
pub(crate) fn shared() -> Option<Arc<Server>> {
    static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    let mut shared = SHARED
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(server) = shared.upgrade() {
        return Some(server);
    }
    let server = Arc::new(Server::start(&[])?);
    *shared = Arc::downgrade(&server);
    Some(server)
}

impl Server {
    /// A server that believes everybody: in debug builds, checking a password takes longer than a callback.
    pub(crate) fn trusting() -> Option<Self> {
        let server = Self::start(&[])?;
        std::fs::write(
            server.data().join("pg_hba.conf"),
            "host all all 127.0.0.1/32 trust\n",
        )
        .unwrap();
        server.kill();
        server.restart();
        Some(server)
    }

    /// A server of one's own, to be killed. `None`, loudly, where Postgres is not installed.
    pub(crate) fn start(settings: &[&str]) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let mut server = Self::new(directory.path())?;
        server.temporary = Some(directory);
        server.make(settings);
        server.restart();
        Some(server)
    }

    /// A server whose data are kept in this directory, from one run to the next.
    pub(crate) fn kept(directory: &Path, settings: &[&str]) -> Option<Self> {
        let server = Self::new(directory)?;
        if !server.data().exists() {
            std::fs::create_dir_all(directory).unwrap();
            server.make(settings);
        }
        server.restart();
        Some(server)
    }

    fn new(directory: &Path) -> Option<Self> {
        Some(Self {
            programs: programs()?,
            directory: directory.to_owned(),
            temporary: None,
            port: free_port(),
            process: Mutex::new(None),
            databases: AtomicUsize::new(0),
        })
    }

    fn make(&self, settings: &[&str]) {
        own(&self.directory);
        let password = self.directory.join("password");
        std::fs::write(&password, PASSWORD).unwrap();
        own(&password);
        let data = self.data();
        let mut initdb = unprivileged(&self.programs.join("initdb"));
        initdb
            .args(["--no-sync", "--encoding=UTF8", "--locale=C"])
            .args(["--auth=scram-sha-256", "--username", USER, "--pwfile"])
            .arg(&password)
            .arg("-D")
            .arg(&data);
        let made = initdb.current_dir("/").output().unwrap();
        assert!(made.status.success(), "initdb: {made:?}");
        let mut configuration = std::fs::read_to_string(data.join("postgresql.conf")).unwrap();
        for setting in settings {
            configuration.push('\n');
            configuration.push_str(setting);
        }
        std::fs::write(data.join("postgresql.conf"), configuration).unwrap();
    }

    /// Starts it, on the same port, and waits until it is ready.
    pub(crate) fn restart(&self) {
        let started = Instant::now();
        let mut process = self.process.lock().unwrap();
        assert!(process.is_none(), "it is running");
        loop {
            let mut child = self.spawn();
            while child.try_wait().unwrap().is_none() {
                if self.is_ready(child.id()) {
                    *process = Some(child);
                    return;
                }
                std::thread::sleep(Duration::from_millis(10));
                assert!(started.elapsed() < START, "no server:\n{}", self.log());
            }
            // While a process of the killed server is about, Postgres refuses to start.
            assert!(started.elapsed() < START, "no server:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn spawn(&self) -> Child {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.directory.join("log"))
            .unwrap();
        unprivileged(&self.programs.join("postgres"))
            .arg("-D")
            .arg(self.data())
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-k"])
            .arg(&self.directory)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    /// Postgres notes in its lock file who it is and when it is ready.
    fn is_ready(&self, process: u32) -> bool {
        let lock = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let lines: Vec<&str> = lock.lines().map(str::trim).collect();
        lines.first() == Some(&process.to_string().as_str()) && lines.get(7) == Some(&"ready")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(&self) {
        let mut process = self.process.lock().unwrap().take().expect("it runs");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// An URL for this database.
    pub(crate) fn url(&self, database: &str) -> String {
        format!(
            "postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{database}",
            self.port
        )
    }

    /// Runs statements as the owner of everything.
    pub(crate) async fn administer(&self, database: &str, statements: &str) {
        let mut connection = PgConnection::connect(&self.url(database)).await.unwrap();
        raw_sql(AssertSqlSafe(statements.to_owned()))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    }

    /// The URL of the first database that was made in a directory that is kept.
    pub(crate) fn first_database(&self) -> String {
        self.url("test_0")
    }

    /// The URL of a new, empty database.
    pub(crate) async fn database(&self) -> String {
        self.database_like("").await
    }

    /// The same with options of `CREATE DATABASE`.
    pub(crate) async fn database_like(&self, options: &str) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.administer("postgres", &format!("CREATE DATABASE {name} {options}"))
            .await;
        self.url(&name)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(mut process) = self.process.lock().unwrap().take() else {
            return;
        };
        // Its own ways to end at once, and to end so that it finds everything in order; it takes its children with it.
        let way = if self.temporary.is_some() {
            "-QUIT"
        } else {
            "-INT"
        };
        let patience = Duration::from_secs(if self.temporary.is_some() { 10 } else { 300 });
        let asked = Command::new("kill")
            .args([way, &process.id().to_string()])
            .status();
        let started = Instant::now();
        while asked.as_ref().is_ok_and(std::process::ExitStatus::success)
            && started.elapsed() < patience
        {
            if let Ok(Some(_)) = process.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = process.kill();
        let _ = process.wait();
    }
}

/// Stops a process that serves a client (`-STOP`), or lets it go on: a server that hangs.
pub(crate) fn signal(signal: &str, process: i32) {
    let done = Command::new("kill")
        .arg(signal)
        .arg(process.to_string())
        .status();
    assert!(done.unwrap().success());
}

/// A pool on this database.
pub(crate) fn pool(url: &str, connections: u32) -> PgPool {
    let options: PgConnectOptions = url.parse().unwrap();
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .connect_lazy_with(options)
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Where `postgres` and `initdb` are: in the PATH, or where Debian puts its versions.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort();
    places.extend(versions.into_iter().rev().map(|(_, place)| place));
    let found = places
        .into_iter()
        .find(|place| place.join("postgres").is_file() && place.join("initdb").is_file());
    if found.is_none() {
        let hint = "Postgres is not installed: on Debian, `apt-get install postgresql` brings `postgres` and `initdb`";
        assert!(
            std::env::var_os("POSTBACK_REQUIRE_SERVERS").is_none_or(|value| value != "1"),
            "{hint}"
        );
        eprintln!("SKIPPED: {hint}");
    }
    found
}

/// Postgres refuses to run as root.
fn unprivileged(program: &Path) -> Command {
    let Some((user, group)) = unprivileged_user() else {
        return Command::new(program);
    };
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={user}"))
        .arg(format!("--regid={group}"))
        .args(["--clear-groups", "--"])
        .arg(program);
    command
}

/// Gives a file to whom the server runs as.
fn own(path: &Path) {
    if let Some((user, group)) = unprivileged_user() {
        std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
    }
}

/// For root: the user `postgres`, or else `nobody`.
fn unprivileged_user() -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    ["postgres", "nobody"].iter().find_map(|wanted| {
        let line = users
            .lines()
            .find(|line| line.split(':').next() == Some(wanted))?;
        let mut fields = line.split(':').skip(2).map(str::parse);
        Some((fields.next()?.ok()?, fields.next()?.ok()?))
    })
}

/// A small disk that the server may write to; unmounted when dropped.
pub(crate) struct SmallDisk(PathBuf);

impl SmallDisk {
    pub(crate) fn place(&self) -> PathBuf {
        self.0.join("space")
    }
}

impl Server {
    /// A disk of so many MiB. `None` where none can be mounted.
    pub(crate) fn small_disk(&self, mebibytes: u32) -> Option<SmallDisk> {
        let place = self.directory.join("disk");
        std::fs::create_dir(&place).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs"])
            .arg(&place)
            .output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            return None;
        }
        let disk = SmallDisk(place);
        std::fs::create_dir(disk.place()).unwrap();
        own(&disk.place());
        Some(disk)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the server still has files on it open.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
