//! `postback import`: takes over what an earlier receiver has paid.

mod rehearsal;
mod rows;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use clap::Args;
use postback::clock::{Clock, SystemClock};
use postback::event::{AppName, SourceName};
use postback::import::{Importer, Outcome as Became, PastCallback, Summary};
use postback::store::DedupStore;
use postback::store::sqlite::SqliteStore;
use rehearsal::Rehearsal;
use rows::{BadLine, Line};

use crate::ending::{Ending, Failure, Outcome};
use crate::output::{note, print};
use crate::records::Place;
use crate::served::Engine;

/// How many bad lines are told at most.
const TOLD: usize = 20;

#[derive(Args)]
#[command(after_help = "The file's first line names its columns:\n  \
    transaction  the callback's own (BitLabs: TX); needed\n  \
    amount       what was paid; empty: nobody knows, so the conversion is closed; needed\n  \
    player       whose it was\n  \
    taken_back   how much of it was taken back since, by a message of the same transaction\n  \
    original     the line is a reversal with a transaction of its own: amount was taken back of this one\n  \
    milestone    COMPLETE, SCREENOUT, START_BONUS, where one transaction may pay several\n  \
    paid_at      2026-11-30 23:59:59 (UTC), or seconds or milliseconds since 1970\n\n\
    Example (writes nothing):\n  \
    printf 'transaction,player,amount\\no233,player-7,500\\n' > paid.csv; postback import game.db paid.csv --app my-game\n\n\
    Nothing is written without --write, nor if any line cannot be read. No money is moved in any case, and no handler \
    is called. A file that was imported may be imported again: what is known changes nothing.\n\n\
    Exit status: 0 every line is, or would be, taken over; 1 a person should look at some; 2 nothing was imported, or \
    not all of it.")]
pub(crate) struct Import {
    /// Where the receiver's records are, or are to be: a SQLite file, a postgres:// or redis:// URL, or env:NAME for a
    /// URL in the environment.
    store: String,
    /// The list, as CSV.
    file: PathBuf,
    /// The app's name: the very one that the endpoints are made with. It is part of every record's key.
    #[arg(long, value_name = "NAME")]
    app: AppName,
    /// The network's name.
    #[arg(long, value_name = "NAME", default_value = "bitlabs")]
    source: SourceName,
    /// Write. Otherwise it is only said what would become of each line.
    #[arg(long)]
    write: bool,
}

impl Import {
    pub(crate) fn run(self) -> Outcome {
        let place = Place::named(&self.store)?;
        self.refuse_bad_lines()?;
        if self.write {
            return tokio::runtime::Runtime::new()?.block_on(self.write(&place));
        }
        let is_new = matches!(&place, Place::File(path) if !Path::new(path).exists());
        let real = if is_new { None } else { Some(place.look()?) };
        let summary = at_once(self.import(&Rehearsal::on(real)))??;
        print(format_args!("would be: {summary}"))?;
        print("Nothing was written. If that is right, say the same with --write.")?;
        Ok(ending(summary))
    }

    /// Before anything is written, so that a list is taken over whole or not at all.
    fn refuse_bad_lines(&self) -> Result<(), Failure> {
        let mut bad = 0_usize;
        let mut good = 0_usize;
        for line in rows::read(&self.file)? {
            match line {
                Ok(_) => good += 1,
                Err(error) => {
                    bad += 1;
                    if bad <= TOLD {
                        note(error);
                    }
                }
            }
        }
        match (bad, good) {
            (0, 0) => Err("the file has no line below its header".into()),
            (0, _) => Ok(()),
            _ => Err(format!("{bad} lines cannot be read: nothing was imported").into()),
        }
    }

    async fn write(&self, place: &Place) -> Outcome {
        let summary = match place {
            Place::File(path) => {
                let store = SqliteStore::open(path)?;
                let summary = self.import(&store).await;
                store.close().await;
                summary?
            }
            Place::Server(url) => match Engine::of(url)? {
                Engine::Postgres => self.write_to_postgres(url).await?,
                Engine::Redis => self.write_to_redis(url).await?,
            },
        };
        print(summary)?;
        print(
            "Next: send a recorded callback of one of these lines to the receiver: it must be answered \"duplicate\", or \
             --app or --source is not the endpoint's. `postback history` shows a line. Watch for the outcomes conflict \
             and closed in the first weeks.",
        )?;
        Ok(ending(summary))
    }

    #[cfg(feature = "postgres")]
    async fn write_to_postgres(&self, url: &str) -> Result<Summary, Failure> {
        let store = postback::store::postgres::PostgresStore::connect(url).await?;
        self.import(&store).await
    }

    #[cfg(not(feature = "postgres"))]
    #[expect(clippy::unused_async, reason = "as the one that writes")]
    async fn write_to_postgres(&self, _: &str) -> Result<Summary, Failure> {
        Err(Engine::Postgres.is_not_built())
    }

    #[cfg(feature = "redis")]
    async fn write_to_redis(&self, url: &str) -> Result<Summary, Failure> {
        let store = postback::store::redis::RedisStore::connect(url).await?;
        self.import(&store).await
    }

    #[cfg(not(feature = "redis"))]
    #[expect(clippy::unused_async, reason = "as the one that writes")]
    async fn write_to_redis(&self, _: &str) -> Result<Summary, Failure> {
        Err(Engine::Redis.is_not_built())
    }

    /// Takes every line over, and tells of those that a person should look at.
    async fn import<S: DedupStore>(&self, store: &S) -> Result<Summary, Failure> {
        // The lines of the rows that are on their way.
        let numbers = RefCell::new(VecDeque::new());
        let rows = rows::read(&self.file)?.flat_map(|line| -> Vec<Result<PastCallback, BadLine>> {
            match line {
                Ok(Line { number, callbacks }) => {
                    let rows = callbacks.into_iter();
                    rows.inspect(|_| numbers.borrow_mut().push_back(number))
                        .map(Ok)
                        .collect()
                }
                Err(error) => vec![Err(error)],
            }
        });
        let moment = SystemClock.now();
        let importer = Importer::new(store, self.source.clone(), self.app.clone(), moment);
        let mut unprinted = None;
        let summary = importer.import_all(rows, |_, became| {
            let number = numbers.borrow_mut().pop_front().unwrap_or_default();
            if became.needs_a_look() || became == Became::ImportedClosed {
                let told = print(format_args!("line {number}: {became}"));
                unprinted = unprinted.take().or(told.err());
            }
        });
        let summary = summary.await?;
        unprinted.map_or(Ok(summary), Err)
    }
}

fn ending(summary: Summary) -> Ending {
    Ending::fine_if(summary.already_received + summary.open + summary.contradicting == 0)
}

/// A rehearsal waits for nothing outside itself: its store's reader blocks. So it is not run within a runtime, where
/// that reader's own could not run.
fn at_once<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => {
            Err("the rehearsal waits for something: this is a fault of postback".into())
        }
    }
}
