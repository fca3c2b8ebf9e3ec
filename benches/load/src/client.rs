//! The load client: keep-alive connections on one thread, one request at a time on each.
//!
//! Requests are signed as they are sent. Every response is read whole; its status must be the one that the
//! callback calls for, and its body is counted.
//!
//! The client never sleeps: it asks for responses again and again. If it slept, whoever answers would have to wake
//! it, which takes microseconds on a virtual machine, and a slow server would pay for that more often than a fast one.

mod answers;
mod response;

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use serde::{Deserialize, Serialize};

pub use answers::{Answer, Answers};

use crate::callbacks::Request;
use crate::load::{Callback, Load};
use crate::processes::{busy_seconds, cpu_seconds};

/// What the client is to do.
#[derive(Debug, clap::Args)]
pub struct Orders {
    #[arg(long)]
    pub address: SocketAddr,
    #[arg(long)]
    pub load: Load,
    #[arg(long)]
    pub connections: usize,
    #[arg(long)]
    pub warm_up: f64,
    #[arg(long)]
    pub seconds: f64,
    /// End after so many, should that be earlier.
    #[arg(long, default_value_t = u64::MAX)]
    pub callbacks: u64,
    /// The processes of the server; their children are found.
    #[arg(long)]
    pub server: Vec<u32>,
}

/// What the client has seen.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    pub seconds: f64,
    /// Within the measured window.
    pub answers: Answers,
    /// From the first request on, the warm-up included.
    pub answers_in_all: Answers,
    /// How many of those were to genuine callbacks.
    #[serde(default)]
    pub genuine_in_all: u64,
    /// The first answer that was not as the callback calls for.
    pub wrong: Option<String>,
    pub server_cpu: f64,
    pub client_cpu: f64,
    /// How long the client found nothing to do.
    pub client_idle: f64,
    /// What all else on the machine used meanwhile.
    pub others_cpu: f64,
    /// Microseconds, for half of the requests, 99 and 99.9 of 100, and all.
    pub latency: [u32; 4],
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    sent: Instant,
    callback: Callback,
    is_waiting: bool,
}

/// How long the last responses may take once nothing more is sent.
const PATIENCE: Duration = Duration::from_secs(10);

pub fn run(orders: &Orders) -> Result<Seen, Box<dyn Error>> {
    let mut client = Client::connect(orders)?;
    client.start_all()?;
    let begin = Instant::now();
    client.serve(begin + Duration::from_secs_f64(orders.warm_up))?;
    client.answers = Answers::default();
    client.latencies.clear();
    client.idle = Duration::ZERO;
    let before = Used::read(orders)?;
    let begin = Instant::now();
    client.serve(begin + Duration::from_secs_f64(orders.seconds))?;
    let seconds = begin.elapsed().as_secs_f64();
    let client_idle = client.idle.as_secs_f64();
    let after = Used::read(orders)?;
    let (server_cpu, client_cpu) = (after.server - before.server, after.client - before.client);
    let answers = std::mem::take(&mut client.answers);
    let latency = quantiles(&mut client.latencies);
    client.most = client.sent;
    client.serve(Instant::now() + PATIENCE)?;
    if client
        .connections
        .iter()
        .any(|connection| connection.is_waiting)
    {
        return Err("some requests were not answered within 10 s".into());
    }
    Ok(Seen {
        seconds,
        answers,
        answers_in_all: client.answers_in_all,
        genuine_in_all: client.genuine_in_all,
        wrong: client.wrong,
        server_cpu,
        client_cpu,
        client_idle,
        others_cpu: (after.machine - before.machine - server_cpu - client_cpu).max(0.0),
        latency,
    })
}

/// CPU time, in seconds.
struct Used {
    server: f64,
    client: f64,
    machine: f64,
}

impl Used {
    fn read(orders: &Orders) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            server: cpu_seconds(&orders.server)?,
            client: cpu_seconds(&[std::process::id()])?,
            machine: busy_seconds()?,
        })
    }
}

struct Client {
    poll: Poll,
    connections: Vec<Connection>,
    request: Request,
    load: Load,
    /// How many callbacks have been sent.
    sent: u64,
    answers: Answers,
    answers_in_all: Answers,
    genuine_in_all: u64,
    wrong: Option<String>,
    latencies: Vec<u32>,
    idle: Duration,
    /// How many are sent at most.
    most: u64,
}

impl Client {
    fn connect(orders: &Orders) -> Result<Self, Box<dyn Error>> {
        let poll = Poll::new()?;
        let mut connections = Vec::new();
        for number in 0..orders.connections {
            let stream = std::net::TcpStream::connect(orders.address)?;
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry()
                .register(&mut stream, Token(number), Interest::READABLE)?;
            connections.push(Connection {
                stream,
                received: Vec::with_capacity(2048),
                sent: Instant::now(),
                callback: orders.load.callback(0, number),
                is_waiting: false,
            });
        }
        Ok(Self {
            poll,
            connections,
            request: Request::new(),
            load: orders.load,
            sent: 0,
            answers: Answers::default(),
            answers_in_all: Answers::default(),
            genuine_in_all: 0,
            wrong: None,
            latencies: Vec::new(),
            idle: Duration::ZERO,
            most: orders.callbacks,
        })
    }

    fn start_all(&mut self) -> Result<(), Box<dyn Error>> {
        (0..self.connections.len()).try_for_each(|number| self.send(number, Instant::now()))
    }

    /// Answers every response with the next request, until then or until no more are to be sent.
    fn serve(&mut self, until: Instant) -> Result<(), Box<dyn Error>> {
        let mut events = Events::with_capacity(1024);
        loop {
            let now = Instant::now();
            let is_done =
                self.sent >= self.most && self.connections.iter().all(|one| !one.is_waiting);
            if now >= until || is_done {
                return Ok(());
            }
            match self.poll.poll(&mut events, Some(Duration::ZERO)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            }
            if events.is_empty() {
                self.idle += now.elapsed();
            }
            for event in &events {
                self.receive(event.token().0)?;
            }
        }
    }

    fn send(&mut self, number: usize, now: Instant) -> Result<(), Box<dyn Error>> {
        let connection = &mut self.connections[number];
        connection.callback = self.load.callback(self.sent, number);
        self.sent += 1;
        let Callback {
            transaction,
            is_genuine,
        } = connection.callback;
        let request = self.request.about(transaction, is_genuine);
        connection.sent = now;
        connection.is_waiting = true;
        // The server has read all that was sent before, so there is room for it.
        if connection.stream.write(request)? < request.len() {
            return Err("a request did not fit into the socket's buffer".into());
        }
        Ok(())
    }

    fn receive(&mut self, number: usize) -> Result<(), Box<dyn Error>> {
        let connection = &mut self.connections[number];
        let mut chunk = [0; 2048];
        match connection.stream.read(&mut chunk) {
            Ok(0) => return Err("the server closed a connection".into()),
            Ok(length) => connection.received.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let Some(response) = response::whole(&connection.received)? else {
            return Ok(());
        };
        let now = Instant::now();
        let expected = if connection.callback.is_genuine {
            200
        } else {
            403
        };
        self.answers.count(response.status, response.body);
        self.answers_in_all.count(response.status, response.body);
        self.genuine_in_all += u64::from(connection.callback.is_genuine);
        if response.status != expected && self.wrong.is_none() {
            let body = String::from_utf8_lossy(response.body);
            self.wrong = Some(format!(
                "{} {body:?} instead of {expected}",
                response.status
            ));
        }
        let took = now.duration_since(connection.sent).as_micros();
        self.latencies.push(u32::try_from(took).unwrap_or(u32::MAX));
        connection.received.clear();
        connection.is_waiting = false;
        if self.sent >= self.most {
            Ok(())
        } else {
            self.send(number, now)
        }
    }
}

fn quantiles(latencies: &mut [u32]) -> [u32; 4] {
    latencies.sort_unstable();
    [(1, 2), (99, 100), (999, 1000), (1, 1)].map(|(part, of)| {
        let behind = (latencies.len() * part).div_ceil(of).max(1) - 1;
        latencies.get(behind).copied().unwrap_or_default()
    })
}
