use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use tempfile::TempDir;

use crate::{Running, find_programs, free_port, skip, start_process, wait_until};

/// A Redis (or Valkey) server. Ends when dropped.
#[derive(Debug)]
pub struct Redis {
    program: PathBuf,
    arguments: Vec<String>,
    directory: TempDir,
    port: u16,
    process: Mutex<Option<Running>>,
}

impl Redis {
    /// Arguments of a server that loses nothing it has acknowledged.
    pub const DURABLE: &'static [&'static str] = &["--appendonly", "yes", "--appendfsync", "always"];

    /// Starts a server with these arguments. `None`: it is not installed.
    pub fn start(arguments: &[&str]) -> Option<Self> {
        let names = ["redis-server", "valkey-server"];
        let found = names.iter().find_map(|name| Some(find_programs(&[name], Vec::new())?.join(name)));
        let Some(program) = found else {
            skip("Redis is not installed: `apt-get install redis-server` on Debian");
            return None;
        };
        let server = Self {
            program,
            arguments: arguments.iter().map(ToString::to_string).collect(),
            // On a disk: without its delays, replicas would lag further behind than they do elsewhere.
            directory: tempfile::tempdir().unwrap(),
            port: free_port(),
            process: Mutex::new(None),
        };
        server.restart();
        Some(server)
    }

    /// Starts it again after [`kill`](Self::kill), on the same port and data, and waits until it answers.
    pub fn restart(&self) {
        let mut process = self.process.lock().unwrap();
        assert!(process.is_none(), "the server is running");
        let command = || {
            let mut command = Command::new(&self.program);
            command
                .args(["--bind", "127.0.0.1", "--port", &self.port.to_string()])
                .args(["--save", "", "--daemonize", "no", "--loglevel", "warning"])
                // Replicas of tests come one at a time: no reason to wait for others.
                .args(["--repl-diskless-sync-delay", "0"])
                .args(&self.arguments)
                .arg("--dir")
                .arg(self.directory.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null());
            command
        };
        *process = Some(start_process("Redis answers", command, |_| self.is_ready()));
    }

    /// Whether it answers.
    pub fn is_ready(&self) -> bool {
        self.ping().is_ok_and(|reply| reply.starts_with("+PONG") || reply.starts_with("-NOAUTH"))
    }

    fn ping(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"PING\r\n")?;
        let mut reply = [0; 64];
        let length = stream.read(&mut reply)?;
        Ok(String::from_utf8_lossy(reply.get(..length).unwrap_or_default()).into_owned())
    }

    /// Runs a command with `redis-cli` and returns its output.
    pub fn ask(&self, command: &[&str]) -> String {
        self.try_ask(command).unwrap_or_else(|output| panic!("{command:?}: {output}"))
    }

    /// Runs a command with `redis-cli` and returns its output.
    ///
    /// # Errors
    /// What it printed, if the server or the connection failed.
    pub fn try_ask(&self, command: &[&str]) -> Result<String, String> {
        let output =
            self.client().args(["-e", "-h", "127.0.0.1", "-p", &self.port.to_string()]).args(command).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stdout) + &text(&output.stderr))
        }
    }

    /// `redis-cli`, or `valkey-cli`, next to the server's program.
    fn client(&self) -> Command {
        let name = self.program.file_name().unwrap_or_default();
        let name = name.to_string_lossy().replace("server", "cli");
        Command::new(self.program.with_file_name(name))
    }

    /// Starts a replica of this server with these arguments, and waits until it is in sync.
    #[must_use]
    pub fn start_replica(&self, arguments: &[&str]) -> Self {
        let port = self.port.to_string();
        let mut follow = vec!["--replicaof", "127.0.0.1", &port];
        follow.extend(arguments);
        let replica = Self::start(&follow).expect("it is installed");
        wait_until("the replica is in sync", || {
            replica.ask(&["INFO", "replication"]).contains("master_link_status:up")
        });
        replica
    }

    /// Kills it with `SIGKILL`, as a crash does.
    pub fn kill(&self) {
        *self.process.lock().unwrap() = None;
    }

    /// The process id, if it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.process.lock().unwrap().as_ref().map(|process| process.id())
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:PORT`, without a password.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Where its data are.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

/// A Redis Cluster of three primaries with one replica each. Ends when dropped.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Starts one whose nodes have these arguments. `None`: Redis is not installed.
    pub fn start(arguments: &[&str]) -> Option<Self> {
        let node = || {
            let bus = free_port().to_string();
            let mut cluster = vec!["--cluster-enabled", "yes", "--cluster-port", &bus];
            // A node that does not answer for two seconds is replaced.
            cluster.extend(["--cluster-node-timeout", "2000"]);
            cluster.extend(arguments);
            Redis::start(&cluster)
        };
        let nodes: Vec<Redis> = (0..6).map(|_| node()).collect::<Option<_>>()?;
        let addresses = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port));
        let mut create = nodes.first()?.client();
        create.args(["--cluster", "create"]).args(addresses).args(["--cluster-replicas", "1", "--cluster-yes"]);
        let created = create.output().unwrap();
        assert!(created.status.success(), "create a cluster: {created:?}");
        let cluster = Self { nodes };
        wait_until("the cluster is complete", || {
            cluster.nodes.iter().all(|node| {
                let is_ok = node.ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok");
                let replication = node.ask(&["INFO", "replication"]);
                let has_replica = replication.contains("connected_slaves:1");
                is_ok && (has_replica || replication.contains("master_link_status:up"))
            })
        });
        Some(cluster)
    }

    /// Its nodes.
    pub fn nodes(&self) -> &[Redis] {
        &self.nodes
    }

    /// The URLs of its nodes.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Redis::url).collect()
    }

    /// The running node that is the primary for this key, as a node that is not killed says.
    pub fn primary_of(&self, key: &str) -> Option<&Redis> {
        let running = |node: &&Redis| node.process_id().is_some();
        let node = self.nodes.iter().find(running)?;
        let slot: u16 = node.ask(&["CLUSTER", "KEYSLOT", key]).parse().unwrap();
        self.nodes.iter().filter(running).find(|node| {
            // `id address myself,master - … 0-5460 5462`
            let nodes = node.ask(&["CLUSTER", "NODES"]);
            let mine = nodes.lines().find(|line| line.contains("myself,master"));
            mine.is_some_and(|line| line.split(' ').skip(8).any(|range| contains(range, slot)))
        })
    }
}

/// Whether a range like `0-5460` or `7` contains a slot.
fn contains(range: &str, slot: u16) -> bool {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    match (first.parse::<u16>(), last.parse::<u16>()) {
        (Ok(first), Ok(last)) => (first..=last).contains(&slot),
        _ => false,
    }
}
