//! Callbacks per second over HTTP on one core, next to the framework's own empty handler, and how many genuine ones are
//! left in a flood of forgeries.
//!
//! ```console
//! $ cargo bench -p postback-benches --bench http
//! ```
//!
//! The server is a process of its own on core 0 (`taskset`), the client uses core 1: 64 connections, each sends a request
//! and waits for its response. Rounds alternate between the servers; medians are printed.
//!
//! The processor time of the server's process for a request says what the server can do at most, however slow the client
//! is. In a flood, nine forged requests arrive for each genuine one. Printed are the part of its rate that a server keeps,
//! and the part of the rate that is left when the time for the forgeries alone is subtracted.
#![allow(
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement fails by panicking"
)]
#![allow(missing_docs, reason = "a program")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::routing::get;
use postback::MemoryStore;
use postback_benches::{forged, genuine, offers};
use postback_sqlite::SqliteStore;

const KINDS: [&str; 5] = ["axum-hello", "axum-memory", "axum-sqlite", "actix-hello", "actix-memory"];
const CONNECTIONS: usize = 64;
const ROUNDS: usize = 5;
/// Forged requests for each genuine callback in a flood.
const FLOOD: u64 = 9;
const LENGTH: Duration = Duration::from_secs(4);

/// What the clients send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Load {
    Genuine,
    Forged,
    /// Both, and only the genuine ones are counted.
    Flood,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, kind] = arguments.as_slice()
        && word == "serve"
    {
        return serve(kind);
    }
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    let genuine = KINDS.map(|kind| (kind, Load::Genuine));
    let forged =
        ["axum-memory", "axum-sqlite"].into_iter().flat_map(|kind| [(kind, Load::Forged), (kind, Load::Flood)]);
    let cases: Vec<_> = genuine.into_iter().chain(forged).collect();
    let mut figures: BTreeMap<(&str, Load), [Vec<f64>; 2]> = BTreeMap::new();
    for round in 0..ROUNDS {
        for (kind, load) in &cases {
            let (rate, micros) = measure(kind, round, *load);
            let [rates, times] = figures.entry((kind, *load)).or_default();
            rates.push(rate);
            times.push(micros);
        }
    }
    let medians: BTreeMap<_, [f64; 2]> =
        figures.into_iter().map(|(case, figures)| (case, figures.map(median))).collect();
    println!("| server | requests | /s | µs of processor for each |\n|---|---|--:|--:|");
    for ((kind, load), [rate, micros]) in &medians {
        println!("| {kind} | {load:?} | {rate:.0} | {micros:.1} |");
    }
    for kind in ["axum-memory", "axum-sqlite"] {
        let [genuine, forged, flood] = [Load::Genuine, Load::Forged, Load::Flood].map(|load| medians[&(kind, load)][1]);
        let of_rest = genuine / (flood - FLOOD as f64 * forged);
        println!("{kind} keeps {:.2} of its rate in a flood, {of_rest:.2} of what forgeries leave", genuine / flood);
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// The processor time that a process has used, in microseconds.
fn processor_time(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // User and system time in hundredths of a second, counted from behind the program's name.
    let fields = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
    fields.map(|ticks| ticks.parse::<f64>().unwrap() * 10_000.0).sum()
}

/// Requests per second, and the server's processor time for each in microseconds.
fn measure(kind: &str, round: usize, load: Load) -> (f64, f64) {
    let (mut child, address) = start(kind);
    let stop = Arc::new(AtomicBool::new(false));
    let taken = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|connection| {
            let (stop, taken, address) = (Arc::clone(&stop), Arc::clone(&taken), address.clone());
            std::thread::spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
                let mut buffer = [0; 2048];
                let junk = forged("o1");
                for number in 0_u64.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    if load == Load::Forged {
                        send(&mut stream, &junk, &mut buffer, 403);
                        taken.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                    for _ in 0..if load == Load::Flood { FLOOD } else { 0 } {
                        send(&mut stream, &junk, &mut buffer, 403);
                    }
                    let target = genuine(&format!("o{round}-{connection}-{number}"));
                    send(&mut stream, &target, &mut buffer, 200);
                    taken.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    std::thread::sleep(LENGTH);
    stop.store(true, Ordering::Relaxed);
    let (count, elapsed) = (taken.load(Ordering::Relaxed) as f64, began.elapsed().as_secs_f64());
    let micros = processor_time(child.id()) / count;
    for client in clients {
        client.join().unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    (count / elapsed, micros)
}

fn send(stream: &mut TcpStream, target: &str, buffer: &mut [u8], status: u16) {
    stream.write_all(format!("GET {target} HTTP/1.1\r\nhost: bench\r\n\r\n").as_bytes()).unwrap();
    let read = stream.read(buffer).unwrap();
    let response = String::from_utf8_lossy(&buffer[..read]);
    assert!(response.starts_with(&format!("HTTP/1.1 {status}")), "{response}");
}

fn start(kind: &str) -> (Child, String) {
    let mut child = Command::new("taskset")
        .args(["-c", "0"])
        .arg(std::env::current_exe().unwrap())
        .args(["serve", kind])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
    (child, address.trim().to_owned())
}

fn serve(kind: &str) {
    let directory = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let endpoint = offers().unwrap();
        let memory = MemoryStore::new().receiver(|tx, decision| {
            tx.add(decision.player(), decision.balance_change());
            Ok(())
        });
        let path = endpoint.path().to_owned();
        if kind.starts_with("actix") {
            let is_hello = kind == "actix-hello";
            let server = actix_web::HttpServer::new(move || {
                let route = if is_hello {
                    actix_web::web::get().to(async || "ok")
                } else {
                    postback::actix::callbacks(&endpoint, &memory)
                };
                actix_web::App::new().route(&path, route)
            })
            .workers(1)
            .bind("127.0.0.1:0")
            .unwrap();
            println!("{}", server.addrs()[0]);
            return server.run().await.unwrap();
        }
        let route = match kind {
            "axum-hello" => get(async || "ok"),
            "axum-memory" => postback::axum::callbacks(&endpoint, &memory),
            "axum-sqlite" => {
                let file = directory.path().join("game.db");
                let store = SqliteStore::open(&file).unwrap();
                let sql = "CREATE TABLE players (id TEXT PRIMARY KEY, gems INTEGER NOT NULL)";
                postback_sqlite::rusqlite::Connection::open(&file).unwrap().execute_batch(sql).unwrap();
                let receiver = store.receiver(|tx, decision| {
                    let player = decision.player().as_str();
                    let add = "INSERT INTO players VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET gems = gems + ?2";
                    tx.execute(add, (player, decision.balance_change().to_string()))?;
                    Ok(())
                });
                postback::axum::callbacks(&endpoint, &receiver)
            }
            other => panic!("unknown server {other}"),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        axum::serve(listener, axum::Router::new().route(&path, route)).await.unwrap();
    });
}
