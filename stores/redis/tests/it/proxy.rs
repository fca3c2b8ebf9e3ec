//! A proxy on which replies can get lost.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// What happens to replies.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(crate) enum Replies {
    Pass,
    /// They never arrive.
    Swallow,
    /// The connection is closed instead.
    Reset,
}

/// Passes everything on to a server, and replies back.
#[derive(Clone)]
pub(crate) struct Proxy {
    port: u16,
    replies: Arc<AtomicU8>,
}

impl Proxy {
    pub(crate) fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self { port: listener.local_addr().unwrap().port(), replies: Arc::default() };
        let replies = Arc::clone(&proxy.replies);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", server))) else {
                    continue;
                };
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || pass(from, to, &AtomicU8::default()));
                let replies = Arc::clone(&replies);
                std::thread::spawn(move || pass(server, client, &replies));
            }
        });
        proxy
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn set(&self, replies: Replies) {
        self.replies.store(replies as u8, Ordering::SeqCst);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, replies: &AtomicU8) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let replies = replies.load(Ordering::SeqCst);
        if replies == Replies::Reset as u8 {
            break;
        }
        if replies == Replies::Pass as u8 && to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
