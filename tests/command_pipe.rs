//! The `postback` command when nobody reads its output any more (`postback verify | head`), on real pipes.
#![cfg(feature = "cli")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::io::{PipeWriter, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use postback::store::sqlite::SqliteStore;

const SECRET: &str = "JLOIAUNMHFli7ZJOQVEzm98rzqnm9";
const GENUINE: &str = "https://publisher.com/complete?uid=8cc877ee-af19-488d-b28d-216fb866b996&val=500\
    &hash=dbcd6bb8ca677344592842a52b4fca9bec36cd4b";

/// The end of a pipe that is written to, while the other is closed.
fn nobody() -> PipeWriter {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postback"));
    command
        .args(arguments)
        .env_clear()
        .env("BITLABS_APP_SECRET", SECRET)
        .stdin(Stdio::null());
    command
}

/// A receiver that answers everything with 500, until the test ends.
fn broken_receiver() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(
                b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            );
        }
    });
    format!("http://{address}")
}

#[test]
fn every_command_ends_with_its_usual_status_when_nobody_reads_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("records.db");
    drop(SqliteStore::open(&path).unwrap());
    let records = path.to_str().unwrap();
    let broken = broken_receiver();
    let forged = GENUINE.replace("500", "501");
    let unsigned = GENUINE.split("&hash=").next().unwrap();
    let offers = "https://game.example/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]\
        &state=[%OFFER:TASK:STATE%]&ref=[%REF%]";
    let cases: [(&[&str], i32); 11] = [
        (&["sign", unsigned], 0),
        (&["verify", GENUINE], 0),
        (&["verify", &forged], 1),
        (&["verify", "--json", &forged], 1),
        (&["explain", GENUINE], 0),
        (&["explain", &forged], 1),
        (&["template", offers], 0),
        (&["template", "no URL"], 2),
        (&["history", records, "nobody"], 1),
        (&["unsettled", records], 0),
        (
            &[
                "play",
                "offer-completed",
                "--speed",
                "99999",
                "--to",
                &broken,
            ],
            1,
        ),
    ];
    for (arguments, status) in cases {
        let output = command(arguments).stdout(nobody()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        // Nor where the complaints go into the same pipe: `2>&1 | head`.
        let both = command(arguments)
            .stdout(nobody())
            .stderr(nobody())
            .status()
            .unwrap();
        assert_eq!(both.code(), Some(status), "{arguments:?}");
    }
}

#[test]
fn what_is_read_line_by_line_ends_with_its_reader_and_the_status_until_then() {
    let mut child = command(&["verify"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = child.stdin.take().unwrap();
    let mut shown = child.stdout.take().unwrap();
    writeln!(lines, "{GENUINE}").unwrap();
    let mut word = [0; 7];
    shown.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"genuine");
    drop(shown);
    writeln!(lines, "{GENUINE}").unwrap();
    // Its input stays open, as that of `tail -f access.log | postback verify | head` does.
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(0));
    drop(lines);
}

#[test]
fn the_page_goes_on_when_its_greeting_is_not_read() {
    let address = {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap()
    };
    let mut child = command(&["watch", "--listen", &address.to_string()])
        .stdout(nobody())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let is_up = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        TcpStream::connect(address).is_ok()
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(is_up);
}

#[test]
fn a_full_disk_is_an_error_that_is_told() {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else {
        println!("this system has no /dev/full: nothing is tested");
        return;
    };
    let output = command(&["verify", GENUINE]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("the output cannot be written"), "{said}");
}
