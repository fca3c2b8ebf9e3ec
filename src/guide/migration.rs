//! Moving here from a receiver of your own, without paying twice.
//!
//! The danger is not in the new callbacks but in the old ones. A network repeats what it delivered weeks ago, and
//! takes back months later what your earlier receiver paid. Both must find here what was paid there.
//!
//! # In this order
//!
//! 1. **Bring out a list** of what the earlier receiver has dealt with: transaction, player, amount, whether it was
//!    taken back. What it paid is what counts, not what it received.
//! 2. **Try the import** into a copy or a scratch file, and read what it reports.
//! 3. **Stop the earlier receiver**, or let it answer 503: the network keeps what it cannot deliver, and comes again.
//! 4. **Bring out the list again** and import it into the real store. The rows that are there already change nothing.
//! 5. **Start this receiver** under the same URL, with the same secret. If the URL changes, change it in the
//!    dashboard now.
//! 6. Keep the old list. A row that was reported is settled by a person.
//!
//! If there can be no moment without a receiver, start this one first and import after that. What it has paid by then is
//! left alone; rows that both have paid are reported as `AlreadyReceived`, and reversals that came too early as
//! `Contradicts(Moved)`.
//!
//! # The import, from a CSV file
//!
//! With the feature `cli`, the `postback` command takes a list as it is:
//!
//! ```text
//! $ cat paid.csv
//! transaction,player,amount,taken_back,paid_at
//! o233,player-7,500,,2025-11-30 23:59:59
//! o234,player-8,120,20,
//! o235,player-7,,,
//! $ postback import game.db paid.csv --app my-game
//! line 4: imported without its amount: the conversion is closed
//! would be: 3 imported, 1 imported as closed, 0 imported before, 0 dealt with here, 0 open, 0 contradicting
//! Nothing was written. If that is right, say the same with --write.
//! ```
//!
//! It writes only with `--write`, and only if every line can be read. `env:DATABASE_URL` in the place of the file is a
//! Postgres or Redis URL in the environment. `postback import --help` names the columns.
//!
//! # The import, in your own program
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("game.db");
//! use postback::clock::{Clock, SystemClock};
//! use postback::import::{Importer, Outcome, PastCallback};
//! use postback::store::sqlite::SqliteStore;
//!
//! /// One line of the old list: transaction, player, amount paid, taken back or not.
//! fn row(line: &str) -> Result<Vec<PastCallback>, Box<dyn std::error::Error + Send + Sync>> {
//!     let fields: Vec<_> = line.split(',').collect();
//!     let [transaction, player, amount, state] = fields[..] else {
//!         return Err("four fields are needed".into());
//!     };
//!     let paid = match amount {
//!         "" => PastCallback::paid_unknown_amount(transaction.parse()?),
//!         amount => PastCallback::paid(transaction.parse()?, amount.parse()?),
//!     };
//!     let mut rows = vec![paid.player(player.parse()?)];
//!     if state == "reversed" && !amount.is_empty() {
//!         rows.push(PastCallback::taken_back(transaction.parse()?, amount.parse()?).player(player.parse()?));
//!     }
//!     Ok(rows)
//! }
//!
//! let list = "o1,p1,500,\no2,p2,120,reversed\no3,p1,,\n";
//! let rows = list.lines().flat_map(|line| match row(line) {
//!     Ok(rows) => rows.into_iter().map(Ok).collect(),
//!     Err(error) => vec![Err(error)],
//! });
//!
//! let store = SqliteStore::open(&path)?;
//! // The very names that the endpoints are made with: `bitlabs::App::new("my-game", …)`.
//! let importer = Importer::new(&store, "bitlabs".parse()?, "my-game".parse()?, SystemClock.now());
//! let summary = importer
//!     .import_all(rows, |row, outcome| {
//!         if outcome.needs_a_look() || outcome == Outcome::ImportedClosed {
//!             eprintln!("{row}: {outcome}");
//!         }
//!     })
//!     .await?;
//! println!("{summary}");
//! assert_eq!((summary.imported, summary.imported_closed), (3, 1));
//! # store.close().await;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "sqlite"))]
//! # fn main() {}
//! ```
//!
//! Millions of rows are fine: the iterator is read as the import goes on, and the rows of a group share commits. Should
//! it be interrupted, begin again, or go on after the last row that was reported.
//!
//! # What each row needs
//!
//! - **The transaction as the callback brings it.** For BitLabs, `TX`. For Phonexa, what
//!   `phonexa::Postback::transaction` says of the callback: open a few recorded ones and compare.
//! - **The amount, as stated by the callback**, before any bonus of your own. Without it, the conversion is closed: nothing
//!   is paid again, and nothing is taken back either; what comes is reported as `closed`.
//! - **The player, if you have him.** Then a callback that names another one is a conflict. Without, any fits.
//! - **The time, if you have it** ([`PastCallback::at`](crate::import::PastCallback::at)): records are pruned by
//!   it, if you prune.
//!
//! Leave out what was pending when in doubt: a pending callback never pays.
//!
//! # After it
//!
//! - Send a recorded callback of a row again: the answer is `duplicate`.
//! - `postback history STORE TRANSACTION` (feature `cli`) shows the row.
//! - Watch `conflict` and `closed` for the first weeks ([`monitoring`](super::monitoring)).
//!
//! # If there is no list
//!
//! The transactions are in your web server's access log: `postback verify --access-log FILE --json` reads the genuine
//! callbacks out of it. What it cannot say is whether the earlier receiver paid each; its wallet must.
//!
//! If there is no log either, the repetitions of the last hours are the danger. Keep the earlier receiver running until it
//! has answered all that it was sent, stop it, and start this one. Two things stay open: an old callback that somebody
//! captured pays again, and a reversal of what was paid before finds nothing to take back. It is told as
//! [`Unlinked`](crate::decision::NothingWhy::Unlinked), or as [`Rejected`](crate::decision::Rejected) where it shares the
//! transaction.
