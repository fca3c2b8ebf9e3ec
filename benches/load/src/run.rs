//! Takes the measurements, one server at a time, in turn.

use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::callbacks::{HEADERS, Request};
use crate::check;
use crate::client::{Answer, Answers, Seen};
use crate::load::Load;
use crate::measurement::{Measurement, append};
use crate::peers::is_installed;
use crate::plan::{self, Case};
use crate::processes::{Cores, busy_seconds, cpu_seconds, ended_children_cpu_seconds, pinned};

/// How to measure.
#[derive(Debug, clap::Args)]
pub struct Orders {
    /// How often each server is measured in the comparison, and under floods; other tables take two fifths of that.
    #[arg(long, default_value_t = 5)]
    pub rounds: usize,
    /// How long one measurement lasts.
    #[arg(long, default_value_t = 3.0)]
    pub seconds: f64,
    /// How long a server is warmed up before.
    #[arg(long, default_value_t = 1.0)]
    pub warm_up: f64,
    /// Only these: a table (compare, client, floods, connections), a server, or a case. May be repeated.
    #[arg(long)]
    pub only: Vec<String>,
    /// Another number of connections than the cases have.
    #[arg(long)]
    pub connections: Option<usize>,
    /// Forget what was measured before.
    #[arg(long)]
    pub fresh: bool,
    /// Where each measurement is appended.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/measurements.jsonl"))]
    pub into: PathBuf,
}

/// The cases that are meant, without those whose server is missing. Those are said loudly.
pub fn cases(orders: &Orders) -> Vec<Case> {
    let is_meant = |case: &Case| {
        orders.only.is_empty() || orders.only.iter().any(|only| case.is_meant_by(only))
    };
    let mut cases: Vec<_> = plan::all().into_iter().filter(is_meant).collect();
    if let Some(connections) = orders.connections {
        cases
            .iter_mut()
            .for_each(|case| case.connections = connections);
        cases.sort();
        cases.dedup();
    }
    cases.retain(|case| {
        let missing = match case.load {
            Load::Wrk if !is_installed("wrk") => Some("wrk is not installed".to_owned()),
            _ => case.server.missing(),
        };
        if let Some(why) = &missing {
            eprintln!("!!! {} IS NOT MEASURED: {why} !!!", case.name());
        }
        missing.is_none()
    });
    cases
}

pub fn run(orders: &Orders) -> Result<(), Box<dyn Error>> {
    let cores = Cores::find()?;
    let cases = cases(orders);
    if cases.is_empty() {
        return Err("there is nothing of that name to measure: see `list`".into());
    }
    if orders.fresh && orders.into.exists() {
        std::fs::remove_file(&orders.into)?;
    }
    for round in 0..orders.rounds {
        for case in &cases {
            if round >= case.rounds(orders.rounds) {
                continue;
            }
            let measurement = Measurement {
                case: *case,
                round,
                seen: measure(*case, orders, cores)?,
            };
            println!(
                "{:32} {:>9.0}/s  server {:>4.0} %  client {:>4.0} %  p99 {:>6} µs",
                case.name(),
                measurement.rate(),
                measurement.server_load() * 100.0,
                measurement.client_load() * 100.0,
                measurement.seen.latency[1],
            );
            if measurement.is_disturbed() {
                let percent = measurement.disturbance() * 100.0;
                eprintln!("!!! SOMETHING ELSE USED {percent:.0} % OF A CORE MEANWHILE !!!");
            }
            append(&orders.into, &measurement)?;
        }
    }
    Ok(())
}

fn measure(case: Case, orders: &Orders, cores: Cores) -> Result<Seen, Box<dyn Error>> {
    let room = tempfile::tempdir()?;
    let (running, address) = case.server.start(cores.server, room.path())?;
    check::before(case.server, address)?;
    if case.load == Load::Wrk {
        return wrk(case, orders, cores, address, &running.ids());
    }
    let mut client = pinned(cores.client, std::env::current_exe()?);
    client.args(["call", "--load", case.load.name()]);
    client.arg("--address").arg(address.to_string());
    client
        .arg("--connections")
        .arg(case.connections.to_string());
    client.arg("--warm-up").arg(orders.warm_up.to_string());
    client.arg("--seconds").arg(orders.seconds.to_string());
    for id in running.ids() {
        client.arg("--server").arg(id.to_string());
    }
    let output = client.stderr(std::process::Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{}: the client failed", case.name()).into());
    }
    let seen: Seen = serde_json::from_slice(&output.stdout)?;
    check::after(case, &seen, address)?;
    Ok(seen)
}

/// wrk sends the same bytes, one signature for all of them.
fn wrk(
    case: Case,
    orders: &Orders,
    cores: Cores,
    address: SocketAddr,
    server: &[u32],
) -> Result<Seen, Box<dyn Error>> {
    let mut request = Request::new();
    request.about(0, true);
    let url = format!("http://{address}{}", request.target());
    let call = |seconds: f64| -> Result<f64, Box<dyn Error>> {
        let mut wrk = pinned(cores.client, "wrk");
        wrk.arg("-t1")
            .arg(format!("-c{}", case.connections))
            .arg(format!("-d{seconds:.0}s"));
        HEADERS.iter().for_each(|header| {
            wrk.args(["-H", header]);
        });
        let output = String::from_utf8(wrk.arg(&url).output()?.stdout)?;
        let rate = output
            .lines()
            .find_map(|line| line.strip_prefix("Requests/sec:"));
        Ok(rate
            .ok_or_else(|| format!("wrk said {output}"))?
            .trim()
            .parse()?)
    };
    call(orders.warm_up.max(1.0))?;
    let seconds = orders.seconds.round().max(1.0);
    let before = (
        busy_seconds()?,
        cpu_seconds(server)?,
        ended_children_cpu_seconds()?,
    );
    let rate = call(seconds)?;
    let server_cpu = cpu_seconds(server)? - before.1;
    let client_cpu = ended_children_cpu_seconds()? - before.2;
    let others_cpu = (busy_seconds()? - before.0 - server_cpu - client_cpu).max(0.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of requests"
    )]
    let count = (rate * seconds) as u64;
    let answers = Answers(vec![Answer {
        status: 200,
        body: "OK".to_owned(),
        count,
    }]);
    Ok(Seen {
        seconds,
        answers_in_all: answers.clone(),
        answers,
        genuine_in_all: count,
        wrong: None,
        server_cpu,
        client_cpu,
        client_idle: (seconds - client_cpu).max(0.0),
        others_cpu,
        latency: [0; 4],
    })
}
