use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tempfile::TempDir;

use crate::{
    Running, directory, find_programs, free_port, give_away, send_signal, skip, start_process, unprivileged, wait_until,
};

/// A Postgres server. Ends when dropped.
///
/// It trusts everybody on loopback, except members of a role named `secured`, who need their password. Its data are
/// where [`directory`] puts them.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    directory: TempDir,
    port: u16,
    process: Mutex<Option<Running>>,
    databases: AtomicUsize,
}

/// The superuser.
const USER: &str = "postgres";

impl Postgres {
    /// The server that the tests of one program share while they run, each with a database of its own. It is not there
    /// to be killed. `None`: it is not installed.
    pub fn shared() -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return Some(server);
        }
        // Tables of tests are too new for statistics, without which plans sort them instead of using their indexes.
        let server = Arc::new(Self::start(&["max_connections = 300", "enable_seqscan = off"])?);
        *shared = Arc::downgrade(&server);
        Some(server)
    }

    /// Starts a server with these lines in its configuration. `None`: it is not installed.
    pub fn start(settings: &[&str]) -> Option<Self> {
        let server = Self::new()?;
        let data = server.data();
        let made = unprivileged(&server.programs.join("initdb"))
            .args(["--no-sync", "--encoding=UTF8", "--locale=C", "--auth=trust"])
            .args(["--username", USER, "-D"])
            .arg(&data)
            .current_dir("/")
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {made:?}");
        let access = "host all +secured 127.0.0.1/32 scram-sha-256\n\
                      host all all 127.0.0.1/32 trust\n\
                      host replication all 127.0.0.1/32 trust\n";
        std::fs::write(data.join("pg_hba.conf"), access).unwrap();
        server.configure(&["fsync = off"]);
        server.configure(settings);
        server.restart();
        Some(server)
    }

    fn new() -> Option<Self> {
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
        let places = versions.into_iter().rev().map(|(_, place)| place).collect();
        let names = ["postgres", "initdb", "psql", "pg_basebackup"];
        let Some(programs) = find_programs(&names, places) else {
            skip("Postgres is not installed: `apt-get install postgresql` on Debian");
            return None;
        };
        let directory = directory();
        give_away(directory.path());
        Some(Self { programs, directory, port: free_port(), process: Mutex::new(None), databases: AtomicUsize::new(0) })
    }

    /// Appends lines to its configuration; they take effect when it starts.
    pub fn configure(&self, settings: &[&str]) {
        let file = self.data().join("postgresql.conf");
        let mut configuration = std::fs::read_to_string(&file).unwrap();
        for setting in settings {
            configuration.push('\n');
            configuration.push_str(setting);
        }
        configuration.push('\n');
        std::fs::write(file, configuration).unwrap();
    }

    /// Starts it again after [`kill`](Self::kill), on the same port and data, and waits until it is ready.
    pub fn restart(&self) {
        let mut process = self.process.lock().unwrap();
        assert!(process.is_none(), "the server is running");
        *process = Some(start_process("Postgres is ready", || self.command(), |child| self.is_ready(child.id())));
    }

    fn command(&self) -> Command {
        let log =
            std::fs::OpenOptions::new().create(true).append(true).open(self.directory.path().join("log")).unwrap();
        let mut command = unprivileged(&self.programs.join("postgres"));
        command
            .arg("-D")
            .arg(self.data())
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-k", ""])
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        command
    }

    /// Whether its lock file says that this process is ready (a standby: that it takes queries).
    fn is_ready(&self, process: u32) -> bool {
        let lock = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let lines: Vec<&str> = lock.lines().map(str::trim).collect();
        lines.first() == Some(&process.to_string().as_str()) && lines.get(7) == Some(&"ready")
    }

    /// Kills it and every process of it with `SIGKILL`, as a power cut does.
    pub fn kill(&self) {
        let Some(mut process) = self.process.lock().unwrap().take() else { return };
        let id = process.id();
        // Stopped first, so that it starts no more.
        send_signal("STOP", id);
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        for child in children.unwrap_or_default().split_whitespace() {
            send_signal("KILL", child.parse().unwrap());
        }
        let _ = process.kill();
        let _ = process.wait();
    }

    /// The process id, if it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.process.lock().unwrap().as_ref().map(|process| process.id())
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a database, as its superuser.
    pub fn url(&self, database: &str) -> String {
        self.url_as(USER, database)
    }

    /// The URL of a database for this user (or `user:password`).
    pub fn url_as(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// The URL of a new, empty database.
    pub fn create_database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// Runs a statement as the superuser and returns its output: a line for each row, fields separated by `|`.
    pub fn sql(&self, database: &str, statement: &str) -> String {
        let output = Command::new(self.programs.join("psql"))
            .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement])
            .arg(self.url(database))
            .output()
            .unwrap();
        assert!(output.status.success(), "{statement}: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Starts a standby of this server, and waits until it has caught up. It replicates asynchronously until the primary
    /// is set to wait for it: see [`wait_for_standbys`](Self::wait_for_standbys).
    #[must_use]
    pub fn start_standby(&self) -> Self {
        let standby = Self::new().expect("it is installed, as the primary is");
        let source = format!("host=127.0.0.1 port={} user={USER}", self.port);
        let copied = unprivileged(&self.programs.join("pg_basebackup"))
            .args(["-d", &source, "-R", "-X", "stream", "-c", "fast", "--no-sync", "-D"])
            .arg(standby.data())
            .current_dir("/")
            .output()
            .unwrap();
        assert!(copied.status.success(), "pg_basebackup: {copied:?}");
        standby.restart();
        wait_until("the standby streams", || {
            let count = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
            self.sql("postgres", count) != "0"
        });
        standby
    }

    /// Makes every commit wait until a standby has it.
    pub fn wait_for_standbys(&self) {
        let set = "ALTER SYSTEM SET synchronous_standby_names = '*'";
        self.sql("postgres", set);
        self.sql("postgres", "SELECT pg_reload_conf()");
        wait_until("the standby is synchronous", || {
            let count = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
            self.sql("postgres", count) != "0"
        });
    }

    /// Makes a standby the primary, and waits until it is.
    pub fn promote(&self) {
        let promoted = self.sql("postgres", "SELECT pg_promote(true, 60)");
        assert_eq!(promoted, "t", "the standby is promoted");
    }

    /// What it wrote to its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Its temporary directory, owned by the user that it runs as.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}
