use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use tempfile::TempDir;

use crate::{find_programs, free_port, report_missing, wait_until};

/// A Redis (or Valkey) server. Ends when dropped.
#[derive(Debug)]
pub struct Redis {
    program: PathBuf,
    arguments: Vec<String>,
    directory: TempDir,
    port: u16,
    process: Mutex<Option<Child>>,
}

impl Redis {
    /// Arguments of a server that loses nothing it has acknowledged.
    pub const DURABLE: &'static [&'static str] =
        &["--appendonly", "yes", "--appendfsync", "always"];

    /// Starts a server with these arguments. `None`: it is not installed.
    pub fn start(arguments: &[&str]) -> Option<Self> {
        let names = ["redis-server", "valkey-server"];
        let found = names
            .iter()
            .find_map(|name| Some(find_programs(&[name], Vec::new())?.join(name)));
        let Some(program) = found else {
            report_missing("Redis", "redis-server");
            return None;
        };
        let server = Self {
            program,
            arguments: arguments.iter().map(ToString::to_string).collect(),
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
        wait_until("Redis starts", || {
            let mut child = Command::new(&self.program)
                .args(["--bind", "127.0.0.1", "--port", &self.port.to_string()])
                .args(["--save", "", "--daemonize", "no", "--loglevel", "warning"])
                .args(&self.arguments)
                .arg("--dir")
                .arg(self.directory.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            // It ends by itself while its port is not free.
            let mut is_running = true;
            wait_until("Redis answers", || {
                is_running = matches!(child.try_wait(), Ok(None));
                !is_running || self.is_ready()
            });
            if is_running {
                *process = Some(child);
            }
            is_running
        });
    }

    /// Whether it answers.
    pub fn is_ready(&self) -> bool {
        self.ping()
            .is_ok_and(|reply| reply.starts_with("+PONG") || reply.starts_with("-NOAUTH"))
    }

    fn ping(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"PING\r\n")?;
        let mut reply = [0; 64];
        let length = stream.read(&mut reply)?;
        Ok(String::from_utf8_lossy(reply.get(..length).unwrap_or_default()).into_owned())
    }

    /// Kills it with `SIGKILL`, as a crash does.
    pub fn kill(&self) {
        if let Some(mut process) = self.process.lock().unwrap().take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// The process id, if it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.process.lock().unwrap().as_ref().map(Child::id)
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

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
