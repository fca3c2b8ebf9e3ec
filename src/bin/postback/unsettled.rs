//! `postback unsettled`.

use clap::Args;

use crate::ending::{Ending, Outcome};
use crate::output::print;
use crate::records::{as_json, as_text, open};

#[derive(Args)]
#[command(
    after_help = "Example (records of `cargo run --example axum_receiver --features axum,sqlite`):\n  \
    postback unsettled postback.db\n\n\
    Nothing is changed; a receiver may be using it, so that something may be open for a moment.\n\n\
    Exit status: 0 nothing is open; 1 something is; 2 the store cannot be read."
)]
pub(crate) struct Unsettled {
    /// One JSON object a record.
    #[arg(long)]
    json: bool,
    /// Where the receiver's records are: a SQLite file, a postgres:// or redis:// URL, or env:NAME for a URL in the
    /// environment.
    store: String,
}

impl Unsettled {
    pub(crate) fn run(self) -> Outcome {
        let records = open(&self.store)?.unsettled()?;
        for record in &records {
            if self.json {
                print(as_json(record))?;
            } else {
                print(as_text(record) + "\n")?;
            }
        }
        if !self.json {
            print(format_args!("{} open", records.len()))?;
        }
        Ok(Ending::fine_if(records.is_empty()))
    }
}
