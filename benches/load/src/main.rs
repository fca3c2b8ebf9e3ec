//! Loads the receivers of `postback` and others over HTTP, and compares them.
//!
//! ```sh
//! peers/install.sh                   # Express and FastAPI
//! cargo run --release                # measures all for about seven minutes and prints the tables
//! cargo run --release -- report --docs ../../docs
//! ```
//!
//! The server has one core to itself and the client another. Servers are measured in turn, so that a machine that
//! is slower for a while is so for all of them. Every measurement is appended to a file, so a run may be taken in
//! parts: `run --only floods`, `run --only express --rounds 1`.

mod callbacks;
mod check;
mod client;
mod load;
mod measurement;
mod peers;
mod plan;
mod processes;
mod report;
mod run;
mod scale;
mod server;

use std::error::Error;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use peers::ServerName;

#[derive(Debug, Parser)]
#[command(about = "Loads the receivers of postback and others over HTTP, and compares them")]
struct Arguments {
    /// What to do; to measure and report, if nothing is said.
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measures, and appends each measurement to a file.
    Run(run::Orders),
    /// Makes the tables and the chart of what was measured.
    Report(report::Orders),
    /// Simulates many shards, from what one of them was measured to take.
    Simulate(scale::Assumptions),
    /// Lists the cases, and which cannot be measured here.
    List,
    /// Serves, as one of the servers under load.
    Serve {
        server: ServerName,
        #[arg(long)]
        port: u16,
        /// Where SQLite keeps its file.
        #[arg(long)]
        database: Option<PathBuf>,
    },
    /// Sends callbacks to a server and prints what it saw, as JSON.
    Call(client::Orders),
}

fn main() -> Result<(), Box<dyn Error>> {
    processes::raise_file_limit()?;
    let Some(command) = Arguments::parse().command else {
        let said =
            |words: &[&str]| Arguments::parse_from([&["postback-load"], words].concat()).command;
        let whole = [said(&["run", "--fresh"]), said(&["report"])];
        return whole.into_iter().flatten().try_for_each(obey);
    };
    obey(command)
}

fn obey(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Run(orders) => run::run(&orders),
        Command::Report(orders) => report::write(&orders),
        Command::Simulate(assumed) => {
            scale::simulate(&assumed);
            Ok(())
        }
        Command::List => {
            for case in plan::all() {
                let missing = case
                    .server
                    .missing()
                    .map(|why| format!("  (not here: {why})"));
                println!("{}{}", case.name(), missing.unwrap_or_default());
            }
            Ok(())
        }
        Command::Serve {
            server,
            port,
            database,
        } => server::serve(server, port, database),
        Command::Call(orders) => {
            println!("{}", serde_json::to_string(&client::run(&orders)?)?);
            Ok(())
        }
    }
}
