//! A fast server that does the wrong thing is not measured.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::callbacks::Request;
use crate::client::Seen;
use crate::peers::ServerName;
use crate::plan::Case;
use crate::server::PAID;

/// A transaction that no load reaches.
const PROBE: u64 = 999_999_999_999;

/// A genuine callback is paid, its repetition is not, and a forged one is refused.
pub fn before(server: ServerName, address: SocketAddr) -> Result<(), Box<dyn Error>> {
    if server == server.hello() {
        return Ok(());
    }
    let expected = match server.pays_once() {
        true => [
            (true, 200, "settled"),
            (true, 200, "duplicate"),
            (false, 403, ""),
        ],
        false => [(true, 200, "OK"), (true, 200, "OK"), (false, 403, "")],
    };
    let mut request = Request::new();
    for (is_genuine, status, word) in expected {
        request.about(PROBE, is_genuine);
        let (given, body) = get(address, request.target())?;
        if given != status || (status == 200 && body != word) {
            let name = server.name();
            return Err(format!("{name}: answered {given} {body:?}, not {status} {word:?}").into());
        }
    }
    Ok(())
}

/// Every answer was what its callback calls for, and each completed transaction was paid once.
pub fn after(case: Case, seen: &Seen, address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let name = case.name();
    let knows_forgeries = case.server != case.server.hello();
    if let Some(wrong) = &seen.wrong
        && knows_forgeries
    {
        return Err(format!("{name}: answered {wrong}").into());
    }
    if !case.server.pays_once() {
        return Ok(());
    }
    let settled = seen.answers_in_all.with_body("settled");
    let due = case.load.transactions(seen.genuine_in_all);
    let (_, paid) = get(address, PAID)?;
    // The probe was paid, too.
    if settled != due || paid.trim().parse() != Ok(settled + 1) {
        return Err(format!(
            "{name}: {due} transactions and the probe were due, {settled} answers say settled, {paid} rewards were paid"
        )
        .into());
    }
    Ok(())
}

fn get(address: SocketAddr, target: &str) -> Result<(u16, String), Box<dyn Error>> {
    let mut stream = TcpStream::connect(address)?;
    write!(
        stream,
        "GET {target} HTTP/1.1\r\nHost: game.example\r\nConnection: close\r\n\r\n"
    )?;
    let mut response = String::new();
    stream.read_to_string(&mut response)?;
    let (head, body) = response
        .split_once("\r\n\r\n")
        .ok_or("a response without an end of its head")?;
    let status = head
        .split(' ')
        .nth(1)
        .ok_or("a response without a status")?;
    Ok((status.parse()?, body.to_owned()))
}
