//! Requests over sockets, and the examples as programs that answer them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::{Command, Stdio};

use crate::{PATIENCE, Running};

/// What a server answered.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Status line and headers, in lower case.
    pub head: String,
    /// The body.
    pub body: String,
}

/// Sends these bytes and reads until the server closes the connection.
pub fn exchange(address: impl ToSocketAddrs, request: &[u8]) -> Response {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Response { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

/// A running example. Killed when dropped.
#[derive(Debug)]
pub struct Example {
    _process: Running,
    /// Where it listens.
    pub address: String,
    /// What it printed after that, as far as it was asked for.
    pub printed: Vec<String>,
}

impl Example {
    /// The program, without settings from the environment of the tests. Examples are built next to the tests.
    pub fn command(name: &str) -> Command {
        let tests = std::env::current_exe().unwrap();
        let path = tests.ancestors().nth(2).unwrap().join("examples").join(name);
        assert!(path.exists(), "build the examples first: cargo build --workspace --examples --all-features");
        let mut command = Command::new(path);
        for variable in ["POSTBACK_DEMO", "POSTBACK_DB", "BITLABS_APP_SECRET", "BITLABS_OFFERS_URL"] {
            command.env_remove(variable);
        }
        command
    }

    /// Starts it with these settings and waits until it listens.
    pub fn start(name: &str, environment: &[(&str, &str)]) -> Self {
        Self::start_and_read(name, environment, 0)
    }

    /// The same, and reads this many more lines.
    pub fn start_and_read(name: &str, environment: &[(&str, &str)], count: usize) -> Self {
        let mut command = Self::command(name);
        command.envs(environment.iter().copied()).env("POSTBACK_LISTEN", "127.0.0.1:0");
        let mut process = Running::start(command.stdout(Stdio::piped()));
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let address = lines.find_map(|line| Some(line.split_once("listening on http://")?.1.to_owned()));
        let address = address.expect("the example ended early");
        let printed = lines.by_ref().take(count).collect();
        // Whatever else it prints must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { _process: process, address, printed }
    }

    /// Status and body.
    pub fn get(&self, target: &str) -> (u16, String) {
        let request = format!("GET {target} HTTP/1.1\r\nhost: game.example\r\nconnection: close\r\n\r\n");
        let response = exchange(&*self.address, request.as_bytes());
        (response.status, response.body)
    }
}
