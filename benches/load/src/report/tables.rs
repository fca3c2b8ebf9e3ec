//! The tables, in Markdown.

use std::fmt::Write;

use super::{Measured, compared};
use crate::load::Load;
use crate::measurement::{Measurement, count, median};
use crate::peers::ServerName;
use crate::plan::{CONNECTIONS, Case, FLOODED, Table};

const OURS: [ServerName; 2] = [ServerName::AxumMemory, ServerName::AxumSqlite];

fn flood(server: ServerName, load: Load) -> Case {
    Case {
        table: Table::Floods,
        server,
        load,
        connections: CONNECTIONS,
    }
}

fn flooded(server: ServerName) -> Case {
    Case {
        connections: FLOODED,
        ..flood(server, Load::Flooded)
    }
}

/// A number with groups of three digits.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

fn marked(measured: &Measured, case: Case, figure: String) -> String {
    figure + measured.mark(case)
}

fn or_dash(value: Option<String>) -> String {
    value.unwrap_or_else(|| "–".to_owned())
}

fn milliseconds(micros: f64) -> String {
    format!("{:.2}", micros / 1000.0)
}

/// Every server under unique callbacks.
pub fn compare(measured: &Measured) -> String {
    let mut table = "| server | what it does | requests/s | of its hello | CPU µs | p50 ms | p99 ms | rounds |\n\
                     |---|---|---:|---:|---:|---:|---:|---:|\n"
        .to_owned();
    for server in ServerName::ALL {
        let case = compared(server);
        let Some(rate) = measured.rate(case) else {
            let _ = writeln!(
                table,
                "| {} | {} | not measured | | | | | |",
                server.title(),
                server.does()
            );
            continue;
        };
        let of_hello = measured
            .ratio(case, compared(server.hello()), Measurement::rate)
            .map(|part| format!("{part:.2}"));
        let latency = |place: usize| {
            or_dash(
                measured
                    .median(case, |one| f64::from(one.seen.latency[place]))
                    .map(milliseconds),
            )
        };
        let cpu = measured
            .median(case, Measurement::cpu_micros)
            .map(|cpu| format!("{cpu:.1}"));
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            server.title(),
            server.does(),
            marked(measured, case, grouped(rate)),
            or_dash(of_hello),
            or_dash(cpu),
            latency(0),
            latency(1),
            measured.of(case).count(),
        );
    }
    table
}

/// The client beside wrk.
pub fn client(measured: &Measured) -> String {
    let case = compared(ServerName::AxumHello);
    let wrk = Case {
        table: Table::Client,
        load: Load::Wrk,
        ..case
    };
    let mut table = "| client | axum hello, requests/s | client's core | server's core |\n|---|---:|---:|---:|\n".to_owned();
    let percent = |what: fn(&Measurement) -> f64| {
        or_dash(
            measured
                .median(case, what)
                .map(|load| format!("{:.0} %", load * 100.0)),
        )
    };
    let rate = |case| or_dash(measured.rate(case).map(grouped));
    let _ = writeln!(
        table,
        "| this one, each request signed anew | {} | {} | {} |",
        rate(case),
        percent(Measurement::client_load),
        percent(Measurement::server_load)
    );
    let _ = writeln!(
        table,
        "| wrk, one request for ever | {} | – | – |",
        rate(wrk)
    );
    table
}

/// First deliveries, duplicates and forgeries.
pub fn floods(measured: &Measured) -> String {
    let mut table = "| receiver | load | requests/s | CPU µs | CPU of a first delivery |\n|---|---|---:|---:|---:|\n".to_owned();
    for server in OURS {
        let first = flood(server, Load::Unique);
        let cases = [
            ("first deliveries", first),
            ("duplicates", flood(server, Load::Duplicates)),
            ("forged", flood(server, Load::Forged)),
            ("90 % forged", flood(server, Load::Mixed)),
        ];
        for (load, case) in cases {
            let cpu = measured.median(case, Measurement::cpu_micros);
            let part = measured
                .ratio(case, first, Measurement::cpu_micros)
                .map(|part| format!("{part:.2}"));
            let _ = writeln!(
                table,
                "| {} | {load} | {} | {} | {} |",
                server.title(),
                or_dash(
                    measured
                        .rate(case)
                        .map(|rate| marked(measured, case, grouped(rate)))
                ),
                or_dash(cpu.map(|cpu| format!("{cpu:.1}"))),
                or_dash(part),
            );
        }
    }
    table
}

/// What genuine callbacks keep among nine times as many forged ones.
pub fn mixed(measured: &Measured) -> String {
    let mut table =
        "| receiver | connections | genuine/s | forged/s | genuine per CPU second left | alone | kept |\n\
                     |---|---|---:|---:|---:|---:|---:|\n"
            .to_owned();
    let cases = OURS.into_iter().flat_map(|server| {
        [
            ("64 genuine, 576 forge", flooded(server)),
            ("64, each of both", flood(server, Load::Mixed)),
        ]
    });
    for (connections, case) in cases {
        let per_second = |status: u16| {
            let rate = move |one: &Measurement| {
                count(one.seen.answers.with_status(status)) / one.seen.seconds
            };
            or_dash(measured.median(case, rate).map(grouped))
        };
        let kept: Vec<Kept> = measured
            .of(case)
            .filter_map(|one| kept(measured, one))
            .collect();
        let median = |what: fn(&Kept) -> f64| median(kept.iter().map(what));
        let range = median(|kept| kept.left / kept.alone).map(|middle| {
            let all = || kept.iter().map(|kept| kept.left / kept.alone);
            let lowest = all().fold(middle, f64::min);
            let highest = all().fold(middle, f64::max);
            format!("{middle:.2} ({lowest:.2}–{highest:.2})")
        });
        let _ = writeln!(
            table,
            "| {} | {connections} | {} | {} | {} | {} | {} |",
            case.server.title(),
            per_second(200),
            per_second(403),
            or_dash(median(|kept| kept.left).map(|left| marked(measured, case, grouped(left)))),
            or_dash(median(|kept| kept.alone).map(grouped)),
            or_dash(range),
        );
    }
    table
}

/// Genuine callbacks per second of the server's CPU time.
#[derive(Clone, Copy)]
struct Kept {
    /// Of the time that forged ones leave, at what those cost alone.
    left: f64,
    alone: f64,
}

/// By what was measured in the same round.
fn kept(measured: &Measured, one: &Measurement) -> Option<Kept> {
    let alone = |load| {
        let case = flood(one.case.server, load);
        Some(measured.in_round(case, one.round)?.cpu_micros())
    };
    let answers = &one.seen.answers;
    let forged = count(answers.with_status(403)) * alone(Load::Forged)? / 1e6;
    Some(Kept {
        left: count(answers.with_status(200)) / (one.seen.server_cpu - forged),
        alone: 1e6 / alone(Load::Unique)?,
    })
}

/// The same with fewer and with more connections.
pub fn connections(measured: &Measured) -> String {
    let servers = [
        ServerName::AxumHello,
        ServerName::AxumMemory,
        ServerName::AxumSqlite,
    ];
    let numbers = [1, 8, CONNECTIONS, 256, 1024];
    let mut table =
        "| server | | 1 | 8 | 64 | 256 | 1024 |\n|---|---|---:|---:|---:|---:|---:|\n".to_owned();
    for server in servers {
        let case = |connections| match connections {
            CONNECTIONS => compared(server),
            _ => Case {
                table: Table::Connections,
                connections,
                ..compared(server)
            },
        };
        let mut row = |title: &str, what: &str, cell: &dyn Fn(Case) -> Option<String>| {
            let cells = numbers.map(|connections| or_dash(cell(case(connections))));
            let _ = writeln!(table, "| {title} | {what} | {} |", cells.join(" | "));
        };
        row(server.title(), "requests/s", &|case| {
            measured
                .rate(case)
                .map(|rate| marked(measured, case, grouped(rate)))
        });
        row("", "CPU µs", &|case| {
            measured
                .median(case, Measurement::cpu_micros)
                .map(|cpu| format!("{cpu:.1}"))
        });
        row("", "p99 ms", &|case| {
            measured
                .median(case, |one| f64::from(one.seen.latency[1]))
                .map(milliseconds)
        });
    }
    table
}
