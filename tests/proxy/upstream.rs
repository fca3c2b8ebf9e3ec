//! Two upstreams that are no receivers: one writes down what arrives, one loses what a receiver answers.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::http;

/// Answers everything with 200 and remembers the heads of the requests, byte for byte.
pub(crate) struct Recorder {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    pub(crate) fn start() -> Self {
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let shared = Arc::clone(&heads);
        let address = serve(move |mut stream, head| {
            shared.lock().unwrap().push(head);
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
            let _ = stream.write_all(answer);
        });
        Self { address, heads }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The head of the last request.
    pub(crate) fn head(&self) -> String {
        self.heads.lock().unwrap().last().unwrap().clone()
    }

    /// The target in the last request's line.
    pub(crate) fn target(&self) -> String {
        self.head().split(' ').nth(1).unwrap().to_owned()
    }
}

/// What becomes of the answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loss {
    /// The connection is closed without a byte of it.
    HangUp,
    /// Nothing is said for so long that the proxy gives up.
    Silence,
}

/// Passes a request on to a receiver, waits until that has answered, and loses the answer.
pub(crate) struct Loser {
    address: SocketAddr,
    lost: Arc<Mutex<Vec<http::Answer>>>,
}

impl Loser {
    pub(crate) fn before(receiver: SocketAddr, how: Loss) -> Self {
        let lost = Arc::<Mutex<Vec<http::Answer>>>::default();
        let shared = Arc::clone(&lost);
        let kept = Mutex::new(Vec::new());
        let address = serve(move |stream, head| {
            let answer = http::send(receiver, head.as_bytes()).unwrap();
            shared.lock().unwrap().push(answer);
            if matches!(how, Loss::Silence) {
                kept.lock().unwrap().push(stream);
            }
        });
        Self { address, lost }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The answers that nobody got.
    pub(crate) fn lost(&self) -> Vec<http::Answer> {
        self.lost.lock().unwrap().clone()
    }
}

/// Accepts connections for as long as the tests run, and reads one request's head from each.
fn serve(answer: impl Fn(TcpStream, String) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            stream
                .set_read_timeout(Some(Duration::from_secs(20)))
                .unwrap();
            if let Some(head) = read_head(&stream) {
                answer(stream, head);
            }
        }
    });
    address
}

fn read_head(stream: &TcpStream) -> Option<String> {
    let mut lines = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if lines.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    Some(head)
}
