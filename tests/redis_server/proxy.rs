//! A way to the server on which answers can get lost.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

const PASSING: u8 = 0;
const SWALLOWING: u8 = 1;
const RESETTING: u8 = 2;

/// Passes everything on to the server, and its answers back, until told otherwise.
#[derive(Clone)]
pub(crate) struct Proxy {
    port: u16,
    answers: Arc<AtomicU8>,
}

impl Proxy {
    pub(crate) fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            answers: Arc::default(),
        };
        let answers = Arc::clone(&proxy.answers);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", server)))
                else {
                    continue;
                };
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || pass(from, to, &AtomicU8::new(PASSING)));
                let answers = Arc::clone(&answers);
                std::thread::spawn(move || pass(server, client, &answers));
            }
        });
        proxy
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// From now on the server's answers never arrive.
    pub(crate) fn swallow_answers(&self) {
        self.answers.store(SWALLOWING, Ordering::SeqCst);
    }

    /// From now on the connection breaks as soon as the server answers.
    pub(crate) fn reset_at_answers(&self) {
        self.answers.store(RESETTING, Ordering::SeqCst);
    }

    pub(crate) fn pass_answers(&self) {
        self.answers.store(PASSING, Ordering::SeqCst);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, how: &AtomicU8) {
    let mut buffer = [0; 4096];
    while let Ok(read) = from.read(&mut buffer) {
        match how.load(Ordering::SeqCst) {
            _ if read == 0 => break,
            SWALLOWING => {}
            RESETTING => break,
            _ if to.write_all(&buffer[..read]).is_err() => break,
            _ => {}
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
