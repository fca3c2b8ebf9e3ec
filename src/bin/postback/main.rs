//! The `postback` command: sign, verify, explain, rehearse, look into a store, move into one.

// They panic where nobody reads any more: `output` does not.
#![warn(clippy::print_stderr, clippy::print_stdout)]

mod access_log;
mod dashboard;
mod ending;
mod endpoint;
mod explain;
mod history;
mod import;
mod input;
mod output;
mod play;
mod records;
mod secret;
mod served;
mod sign;
mod template;
mod time;
mod unsettled;
mod verify;
mod watch;
mod words;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ending::Ending;

/// Tools around receiving ad-network callbacks: sign and verify URLs, find out why a hash does not match,
/// rehearse the network's callbacks against your receiver, and look into its records.
#[derive(Parser)]
#[command(name = "postback", version, after_help = ENDINGS)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const ENDINGS: &str = "Exit status: 0 all is well; 1 the answer is negative (not genuine, not as expected, nothing \
    found); 2 the command could not be carried out as given.\n\n\
    Secrets are never arguments: they are read from the environment (--secret-env) or a file (--secret-file).";

#[derive(Subcommand)]
enum Command {
    /// Signs a URL as BitLabs would, and prints it.
    Sign(sign::Sign),
    /// Says whether URLs are genuine, and what they mean.
    Verify(verify::Verify),
    /// Finds out why a URL's hash does not match.
    Explain(explain::Explain),
    /// Checks a dashboard URL: macros, what is missing, which endpoints can use it.
    Template(template::Template),
    /// Acts as the network against a running receiver, and checks answers and balances.
    Play(play::Play),
    /// Every callback of a conversion or a player, and what became of it, from a receiver's records.
    History(history::History),
    /// What a receiver has decided and not carried out yet.
    Unsettled(unsettled::Unsettled),
    /// Takes over what an earlier receiver has paid, from a list, so that nothing of it is paid again.
    Import(import::Import),
    /// A development receiver with a live page of what arrives and what it means.
    Watch(watch::Watch),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Sign(command) => command.run(),
        Command::Verify(command) => command.run(),
        Command::Explain(command) => command.run(),
        Command::Template(command) => command.run(),
        Command::Play(command) => command.run(),
        Command::History(command) => command.run(),
        Command::Unsettled(command) => command.run(),
        Command::Import(command) => command.run(),
        Command::Watch(command) => command.run(),
    };
    match result {
        Ok(Ending::Fine) => ExitCode::SUCCESS,
        Ok(Ending::Negative) => ExitCode::from(1),
        Err(error) => {
            ending::print(&*error);
            ExitCode::from(2)
        }
    }
}
