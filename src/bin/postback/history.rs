//! `postback history`.

use clap::Args;

use crate::ending::{Ending, Outcome};
use crate::output::{note, print};
use crate::records::{as_json, as_text, open};

#[derive(Args)]
#[command(
    after_help = "Example (records of `cargo run --example axum_receiver --features axum,sqlite`):\n  \
    postback history postback.db demo\n\n\
    Nothing is changed; a receiver may be using it. Times are UTC.\n\n\
    Exit status: 0 something was found; 1 nothing; 2 the store cannot be read."
)]
pub(crate) struct History {
    /// One JSON object a record.
    #[arg(long)]
    json: bool,
    /// Where the receiver's records are: a SQLite file, a postgres:// or redis:// URL, or env:NAME for a URL in the
    /// environment.
    store: String,
    /// A player, a transaction, or a record's whole key.
    conversion_or_player: String,
}

impl History {
    pub(crate) fn run(self) -> Outcome {
        let records = open(&self.store)?.find(&self.conversion_or_player)?;
        for record in &records {
            if self.json {
                print(as_json(record))?;
            } else {
                print(as_text(record) + "\n")?;
            }
        }
        if records.is_empty() {
            note(
                "Nothing is known of it: no genuine callback names it. Look into the receiver's log or the access log, \
                 and `postback verify --access-log` it.",
            );
        }
        Ok(Ending::fine_if(!records.is_empty()))
    }
}
