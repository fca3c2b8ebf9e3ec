//! What goes between the store and its server, read along the way: counted, or cut off.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Where to cut the connection when the server has committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The answer to `COMMIT` does not arrive.
    Before,
    /// It does, and nothing after it.
    After,
}

/// Stands between a pool and its server.
pub(crate) struct Wire {
    pub(crate) url: String,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    /// What was sent, by its first word; `Sync` for what ends a prepared statement, and a ping.
    messages: BTreeMap<String, usize>,
    /// So many times the client sent something and waited.
    turns: usize,
    cut: Option<Cut>,
}

impl Wire {
    /// To the server that this URL names.
    pub(crate) async fn to(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (_, rest) = url.split_once('@').unwrap();
        let (server, _) = rest.split_once('/').unwrap();
        let here = listener.local_addr().unwrap().to_string();
        let wire = Self {
            url: url.replace(server, &here),
            seen: Arc::default(),
        };
        let (server, seen) = (server.to_owned(), Arc::clone(&wire.seen));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(listen(from_client, to_server, Arc::clone(&seen)));
                tokio::spawn(answer(from_server, to_client, Arc::clone(&seen)));
            }
        });
        wire
    }

    /// Cuts the next connection whose transaction the server commits.
    pub(crate) fn cut(&self, cut: Cut) {
        self.seen.lock().unwrap().cut = Some(cut);
    }

    /// What was sent since the last time, and how often the client waited.
    pub(crate) fn take(&self) -> (BTreeMap<String, usize>, usize) {
        let mut seen = self.seen.lock().unwrap();
        let turns = std::mem::take(&mut seen.turns);
        (std::mem::take(&mut seen.messages), turns)
    }
}

async fn listen(mut client: OwnedReadHalf, mut server: OwnedWriteHalf, seen: Arc<Mutex<Seen>>) {
    let (mut buffer, mut at, mut is_started) = (Vec::new(), 0, false);
    while let Ok(1..) = client.read_buf(&mut buffer).await {
        let sent = buffer.len();
        // A connection's first message has no letter before its length.
        let mut read = 0;
        loop {
            let head = usize::from(is_started);
            let Some(length) = buffer.get(read + head..read + head + 4) else {
                break;
            };
            let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
            let Some(body) = buffer.get(read + head + 4..read + head + length) else {
                break;
            };
            if is_started {
                seen.lock().unwrap().note(buffer[read], body);
            }
            is_started = true;
            read += head + length;
        }
        seen.lock().unwrap().turns += 1;
        if server.write_all(&buffer[at..sent]).await.is_err() {
            return;
        }
        buffer.drain(..read);
        at = buffer.len();
    }
}

async fn answer(mut server: OwnedReadHalf, mut client: OwnedWriteHalf, seen: Arc<Mutex<Seen>>) {
    const COMMITTED: &[u8] = b"C\0\0\0\x0bCOMMIT\0";
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = server.read(&mut buffer).await {
        let answer = &buffer[..read];
        let committed = answer
            .windows(COMMITTED.len())
            .position(|part| part == COMMITTED);
        let cut = committed.and_then(|at| {
            let cut = seen.lock().unwrap().cut.take()?;
            Some(if cut == Cut::Before {
                at
            } else {
                at + COMMITTED.len()
            })
        });
        if client
            .write_all(&answer[..cut.unwrap_or(read)])
            .await
            .is_err()
            || cut.is_some()
        {
            return;
        }
    }
}

impl Seen {
    fn note(&mut self, letter: u8, body: &[u8]) {
        let word = match letter {
            b'Q' => {
                let text = String::from_utf8_lossy(body);
                let end = |letter: char| !letter.is_ascii_alphabetic();
                text.split(end).next().unwrap().to_owned()
            }
            b'S' => "Sync".to_owned(),
            _ => return,
        };
        *self.messages.entry(word).or_default() += 1;
    }
}
