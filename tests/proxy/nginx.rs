//! An nginx of the test's own: an ordinary process in a temporary directory, on a free loopback port, ended by
//! its process id. Whatever else runs on the machine is left alone.

use std::fs;
use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::http;

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Nginx {
    child: Child,
    address: SocketAddr,
    directory: TempDir,
}

/// Whether a program is installed. Where it is not, that is said, and it is a failure where servers are required.
pub(crate) fn is_installed(program: &str, argument: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(argument).stdin(Stdio::null());
    let found = command.output();
    if !found.is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return true;
    }
    let text = format!("{program} is not installed: apt-get install {program}");
    let is_required = std::env::var_os("POSTBACK_REQUIRE_SERVERS").is_some_and(|v| v == "1");
    assert!(!is_required, "{text}");
    // Past the test's captured output, so that it is seen where everything passes.
    let _ = std::io::stderr().write_all(format!("SKIPPED: {text}\n").as_bytes());
    false
}

impl Nginx {
    /// One server with these lines in its block; `None`, having said so, where nginx is not installed.
    pub(crate) fn start(server: &str) -> Option<Self> {
        Self::start_with("", "", server)
    }

    /// The same with lines for the `http` block, and words behind the address that is listened on.
    pub(crate) fn start_with(http: &str, listen: &str, server: &str) -> Option<Self> {
        Self::start_in(tempfile::tempdir().unwrap(), http, listen, server)
    }

    /// The same in a directory that has files for it already.
    pub(crate) fn start_in(
        directory: TempDir,
        http: &str,
        listen: &str,
        server: &str,
    ) -> Option<Self> {
        if !is_installed(program(), "-v") {
            return None;
        }
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            // Somebody may take the port before nginx does; then it ends, and another port is tried.
            let address = free_address();
            write_configuration(directory.path(), address, http, listen, server);
            let mut child = spawn(directory.path());
            let pid_file = directory.path().join("nginx.pid");
            // Written once it listens, and by nobody else.
            let id = child.id().to_string();
            while started.elapsed() < PATIENCE {
                if fs::read_to_string(&pid_file).is_ok_and(|pid| pid.trim() == id) {
                    return Some(Self {
                        child,
                        address,
                        directory,
                    });
                }
                if child.try_wait().unwrap().is_some() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            let _ = child.kill();
            child.wait().unwrap();
        }
        let log = fs::read_to_string(directory.path().join("error.log"));
        panic!("nginx does not start: {}", log.unwrap_or_default());
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A GET for a target that is written as it stands.
    pub(crate) fn get(&self, target: &str) -> http::Answer {
        http::get(self.address, target)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // One process without children: see `master_process`.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Debian keeps it where an ordinary user does not look.
fn program() -> &'static str {
    let sbin = "/usr/sbin/nginx";
    if Path::new(sbin).exists() {
        sbin
    } else {
        "nginx"
    }
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn write_configuration(
    directory: &Path,
    address: SocketAddr,
    http: &str,
    listen: &str,
    server: &str,
) {
    let configuration = format!(
        "daemon off;
        master_process off;
        pid nginx.pid;
        error_log error.log notice;
        events {{ worker_connections 128; }}
        http {{
            access_log off;
            client_body_temp_path body;
            proxy_temp_path proxy;
            fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi;
            scgi_temp_path scgi;
            {http}
            server {{
                listen {address} {listen};
                {server}
            }}
        }}"
    );
    fs::write(directory.join("nginx.conf"), configuration).unwrap();
}

fn spawn(directory: &Path) -> Child {
    let configuration = directory.join("nginx.conf");
    let log = directory.join("error.log");
    Command::new(program())
        .arg("-p")
        .arg(directory)
        .arg("-c")
        .arg(configuration)
        .arg("-e")
        .arg(log)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
