//! The commands beside `serve`.
#![allow(clippy::doc_markdown, reason = "doc comments of arguments are help texts")]

pub(crate) mod callback;
pub(crate) mod check;
mod explain;
pub(crate) mod import;
pub(crate) mod records;
pub(crate) mod simulate;

use std::fmt::Write as _;
use std::io::{BufRead as _, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use zeroize::Zeroizing;

use crate::config::{self, Outline};
use crate::environment;
use crate::store::{AnyStore, StoreUrl};

/// Prints a line on standard output. Control characters in it are escaped, as in JSON: texts of callbacks and backends
/// must not control the terminal, or look like other lines.
pub(crate) fn print(line: impl std::fmt::Display) -> anyhow::Result<()> {
    writeln!(std::io::stdout().lock(), "{}", escaped(&line.to_string()))?;
    Ok(())
}

/// Prints several lines.
pub(crate) fn print_lines(lines: impl std::fmt::Display) -> anyhow::Result<()> {
    lines.to_string().split('\n').try_for_each(print)
}

/// Prints lines on standard error.
pub(crate) fn note(lines: impl std::fmt::Display) {
    for line in lines.to_string().split('\n') {
        // Nobody reads it: there is nothing else to do.
        let _ = writeln!(std::io::stderr().lock(), "{}", escaped(line));
    }
}

fn escaped(line: &str) -> String {
    let mut escaped = String::with_capacity(line.len());
    for c in line.chars() {
        if c.is_control() {
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// The URL that was given, or one a line from standard input.
fn urls(given: Option<&str>) -> Box<dyn Iterator<Item = std::io::Result<String>>> {
    match given {
        Some(url) if url != "-" => Box::new(std::iter::once(Ok(url.to_owned()))),
        _ => {
            let lines = std::io::stdin().lock().lines();
            Box::new(lines.filter(|line| line.as_ref().map_or(true, |line| !line.trim().is_empty())))
        }
    }
}

/// Where a secret is. Never the secret itself: every user of the machine can read arguments.
#[derive(Args)]
struct SecretOption {
    /// Where the secret is: env:NAME or file:PATH. A list separated by commas is tried in turn.
    #[arg(long, value_name = "SOURCE", default_value = "env:BITLABS_APP_SECRET")]
    secret: String,
}

impl SecretOption {
    /// A name for messages.
    fn name(&self) -> String {
        self.secret.clone()
    }

    fn read(&self) -> anyhow::Result<Zeroizing<String>> {
        if !self.secret.starts_with("env:") && !self.secret.starts_with("file:") {
            anyhow::bail!("a secret on the command line can be read by others: write --secret env:NAME or file:PATH");
        }
        environment::resolve(&self.secret).map_err(anyhow::Error::msg)
    }
}

/// The store that a command reads.
#[derive(Args)]
struct StoreOption {
    /// The server's configuration: its store is used.
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_FILE)]
    config: PathBuf,
    /// The store, instead of a configuration: sqlite:PATH, or env:NAME with a postgres:// or redis:// URL.
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
}

impl StoreOption {
    /// The store's place, and the apps that the configuration names.
    fn outline(&self) -> anyhow::Result<Outline> {
        let Some(text) = &self.store else {
            return Outline::read(&self.config);
        };
        let url = environment::resolve(text).map_err(anyhow::Error::msg)?;
        Ok(Outline { store: StoreUrl::parse(&url).map_err(anyhow::Error::msg)?, apps: Vec::new() })
    }
}

async fn open_for_reading(store: &StoreUrl) -> anyhow::Result<AnyStore> {
    store.open_read_only().await.context("cannot read the store")
}
