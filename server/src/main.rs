//! The program `postback`: a server that receives ad-network callbacks for a backend in any language, and tools around
//! that.

mod admin;
mod commands;
mod config;
mod delivery;
mod demo;
mod endpoint;
mod environment;
mod feed;
mod http;
mod intake;
mod serve;
mod server;
mod shutdown;
mod store;
mod text;
mod webhook;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::Config;

#[derive(Parser)]
#[command(name = "postback", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Receives callbacks and delivers their decisions to a backend.
    Serve(ServeArguments),
    Check(commands::check::Check),
    Url(commands::check::Url),
    Show(commands::records::Show),
    Retry(commands::records::Retry),
    Replay(commands::records::Replay),
    Import(commands::import::Import),
    Simulate(commands::simulate::Simulate),
    Sign(commands::callback::Sign),
    Verify(commands::callback::Verify),
    Explain(commands::callback::Explain),
}

#[derive(Args)]
struct ServeArguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_FILE)]
    config: PathBuf,
    /// Run without a configuration: a demo network, a SQLite file, and a backend that prints what it is sent.
    #[arg(long, conflicts_with = "config")]
    demo: bool,
    /// The demo's port. The admin page gets the next one.
    #[arg(long, value_name = "PORT", default_value_t = 8080, requires = "demo")]
    demo_port: u16,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(status) => ExitCode::from(status),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            commands::note(format_args!("postback: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// The exit status: 0 if the answer of a command that asks something is yes.
fn run(command: Command) -> anyhow::Result<u8> {
    let is_yes = match command {
        Command::Serve(arguments) if arguments.demo => in_runtime(demo::run(arguments.demo_port)),
        Command::Serve(arguments) => in_runtime(async move {
            serve::run(Config::read(&arguments.config)?).await?;
            Ok(true)
        }),
        Command::Check(check) => check.run(),
        Command::Url(url) => url.run(),
        Command::Show(show) => in_runtime(show.run()),
        Command::Retry(retry) => in_runtime(retry.run()),
        Command::Replay(replay) => in_runtime(replay.run()),
        Command::Import(import) => in_runtime(import.run()),
        Command::Simulate(simulate) => in_runtime(simulate.run()),
        Command::Sign(sign) => sign.run(),
        Command::Verify(verify) => return in_runtime(verify.run()),
        Command::Explain(explain) => explain.run(),
    };
    Ok(u8::from(!is_yes?))
}

/// The reader of standard output went away, as in `postback verify | head`.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn in_runtime<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}
