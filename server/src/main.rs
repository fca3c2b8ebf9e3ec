//! The program `postback`: a server that receives ad-network callbacks for a backend in any language, and tools around
//! that.

mod admin;
mod config;
mod delivery;
mod endpoint;
mod environment;
mod feed;
mod http;
mod serve;
mod shutdown;
mod store;
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
}

#[derive(Args)]
struct ServeArguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_FILE)]
    config: PathBuf,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Serve(arguments) => {
            in_runtime(async move { serve::run(Config::read(&arguments.config)?).await })
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("postback: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn in_runtime<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(work)
}
