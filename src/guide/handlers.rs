//! Writing the handler: the code that pays, so that it cannot pay twice.
//!
//! # What it is given
//!
//! One [`Decision`](crate::decision::Decision) at a time, with a stable [`id`](crate::decision::Decision::id):
//!
//! | decision | what to do |
//! |---|---|
//! | `Reward` | add [`amount`](crate::decision::Reward::amount), which is above zero |
//! | `Reversal` | subtract [`amount`](crate::decision::Reversal::amount), above zero too and never more than was paid |
//! | `Pending` | show it, if you like. No money |
//! | `Rejected` | no longer show it |
//! | `Ban`, `Unban` | your policy |
//! | `Purchase`, `NothingToPay` | keep it, or ignore it |
//! | `Conflict` | keep it and have somebody look. No money |
//!
//! [`balance_change`](crate::decision::Decision::balance_change) says the same for the balance alone: above zero,
//! below, or zero. A player who has spent what is taken back goes below zero; what then is your policy, not an error.
//!
//! # How it may end
//!
//! | it returns | what becomes of the decision | the network gets |
//! |---|---|---|
//! | `Ok(())` | settled | 200 |
//! | an error, by `?` or [`HandlerError::failed`](crate::handler::HandlerError::failed); or it panics, or takes too long | stays open, and is repeated with the same id and amount by the next delivery or by `resume` | 500 |
//! | [`HandlerError::refused`](crate::handler::HandlerError::refused): no such player | the conversion is closed for good; the reason is kept | 200 |
//!
//! Refuse only what can never succeed. "The database is down" is a failure.
//!
//! # Wallet and records in one SQLite file
//!
//! What the handler writes is committed together with the record, or not at all. It needs no check of its own:
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use postback::bitlabs::App;
//! # use postback::source::{Callback, Source};
//! # use postback::testing::bitlabs::Network;
//! # use postback::wire::{KeyRing, Request};
//! use postback::decision::Decision;
//! use postback::handler::HandlerError;
//! use postback::receiver::Receive;
//! use postback::store::sqlite::{InTransaction, SqliteStore};
//!
//! # let directory = tempfile::tempdir()?;
//! let store = SqliteStore::open(directory.path().join("game.db"))?;
//! store.write(|db| db.execute_batch(
//!     "CREATE TABLE players (id TEXT PRIMARY KEY, gems INTEGER NOT NULL) STRICT;
//!      INSERT INTO players VALUES ('p1', 0);")).await?;
//!
//! let receiver = store.receiver(|db: &InTransaction<'_>, decision: &Decision| -> Result<(), HandlerError> {
//!     // Gems are whole; another amount than that is a mistake in the dashboard, to be seen and corrected there.
//!     let change = decision.balance_change();
//!     let gems: i64 = change.is_integer().then(|| change.try_into()).ok_or("half a gem")??;
//!     let found = db.execute("UPDATE players SET gems = gems + ?2 WHERE id = ?1", (decision.player().as_str(), gems))?;
//!     if found == 0 {
//!         return Err(HandlerError::refused("no such player"));
//!     }
//!     Ok(())
//! });
//!
//! # let url = "https://game.example/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]";
//! # let offers = App::new("my-game", KeyRing::from_list("secret")?)?.offers(url).build()?;
//! # let network = Network::new("secret");
//! # let sent = |state: &str, gems: &str| network.callback(url).player("p1").transaction("o1").state(state).amount(gems).sign();
//! # let event = |state: &str, gems: &str| offers.open(&Request::get(sent(state, gems).target())).map(|callback| callback.event());
//! // COMPLETED of 500 arrives three times, then RECONCILED of 200.
//! for _ in 0..3 {
//!     receiver.receive(event("COMPLETED", "500")?).await?;
//! }
//! receiver.receive(event("RECONCILED", "200")?).await?;
//! let gems: i64 = store.read(|db| db.query_row("SELECT gems FROM players", [], |row| row.get(0))).await?;
//! assert_eq!(gems, 300);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "sqlite"))]
//! # fn main() {}
//! ```
//!
//! It runs on the thread that writes: short, no other services, nothing outside the transaction. Send the push
//! message afterwards, from a table that the transaction wrote to.
//!
//! # Wallet and records in one Postgres database
//!
//! The same, with a connection that is inside the transaction:
//!
//! ```no_run
//! # #[cfg(feature = "postgres")]
//! # mod game {
//! use postback::decision::Decision;
//! use postback::handler::HandlerError;
//! use postback::store::postgres::PostgresHandler;
//! use postback::store::postgres::sqlx::{self, PgConnection};
//!
//! struct Wallet;
//!
//! impl PostgresHandler for Wallet {
//!     async fn handle(&self, db: &mut PgConnection, decision: &Decision) -> Result<(), HandlerError> {
//!         let found = sqlx::query("UPDATE players SET gems = gems + $2::text::numeric WHERE id = $1")
//!             .bind(decision.player().as_str())
//!             .bind(decision.balance_change().to_string()) // decimals as text: exact, whatever sqlx's features
//!             .execute(db)
//!             .await?;
//!         if found.rows_affected() == 0 {
//!             return Err(HandlerError::refused("no such player"));
//!         }
//!         Ok(())
//!     }
//! }
//! # }
//! # fn main() {}
//! ```
//!
//! An error of a statement that is swallowed leaves the transaction aborted; that is found out, and counts as a
//! failure.
//!
//! # A wallet elsewhere
//!
//! No transaction spans two systems. So the decision is written down first, then the wallet is called, then it is
//! settled. If anything dies in between, the wallet is called *again, with the same id*. It has to know the id:
//!
//! ```
//! # #[cfg(feature = "tokio")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use postback::bitlabs::App;
//! # use postback::source::{Callback, Source};
//! # use postback::testing::bitlabs::Network;
//! # use postback::wire::{KeyRing, Request};
//! # use postback::store::MemoryStore;
//! use std::collections::BTreeMap;
//! use std::sync::{Arc, Mutex};
//!
//! use postback::decision::Decision;
//! use postback::handler::{Handler, HandlerError};
//! use postback::receiver::Receiver;
//! use rust_decimal::Decimal;
//!
//! /// A ledger, as a service keeps it: one entry for an id, whoever asks how often.
//! #[derive(Clone, Default)]
//! struct Ledger(Arc<Mutex<BTreeMap<String, (String, Decimal)>>>);
//!
//! impl Ledger {
//!     /// What `PUT /ledger/{id}` does. In SQL: `INSERT … ON CONFLICT (id) DO NOTHING`.
//!     async fn put(&self, id: &str, player: &str, change: Decimal) -> Result<(), std::io::Error> {
//!         # let poisoned = |_| std::io::Error::other("poisoned");
//!         let mut entries = self.0.lock().map_err(poisoned)?;
//!         entries.entry(id.to_owned()).or_insert_with(|| (player.to_owned(), change));
//!         Ok(())
//!     }
//! #   fn balance(&self) -> Decimal { self.0.lock().unwrap().values().map(|(_, change)| *change).sum() }
//! }
//!
//! impl Handler for Ledger {
//!     async fn handle(&self, decision: &Decision) -> Result<(), HandlerError> {
//!         let change = decision.balance_change();
//!         if !change.is_zero() {
//!             self.put(decision.id().as_str(), decision.player().as_str(), change).await?;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! /// A ledger whose answers get lost: it takes effect, and the caller hears of a failure.
//! struct Flaky(Ledger);
//! # impl Handler for Flaky {
//! #     async fn handle(&self, decision: &Decision) -> Result<(), HandlerError> {
//! #         self.0.handle(decision).await?;
//! #         Err(HandlerError::failed("the answer was lost"))
//! #     }
//! # }
//!
//! # let url = "https://game.example/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]";
//! # let offers = App::new("my-game", KeyRing::from_list("secret")?)?.offers(url).build()?;
//! # let sent = Network::new("secret").callback(url).player("p1").transaction("o1").state("COMPLETED").amount("500").sign();
//! # let event = offers.open(&Request::get(sent.target()))?.event();
//! let ledger = Ledger::default();
//! let receiver = Receiver::new(MemoryStore::new()); // for the example; keep real records in SQLite
//!
//! let lost = receiver.receive(event, &Flaky(ledger.clone())).await;
//! assert!(lost.is_err()); // answered 500; the network comes again, and if not:
//! receiver.resume(&ledger).await?; // at start, and from time to time
//! assert_eq!(ledger.balance(), 500.into());
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "tokio"))]
//! # fn main() {}
//! ```
//!
//! - The id is text like `bitlabs/my-game/conversion/o233#1`, of 800 bytes at most. It holds `/` and `#`:
//!   percent-encode it in a path, or send it in a header or the body.
//! - Keep ids for as long as you keep the records.
//! - The service must note the id *in the same transaction* as the balance. "Look whether I know it, then pay, then
//!   note it" pays twice.
//! - Limit the call's time yourself, well below the 25 s after which the handler is given up on. A call that was
//!   given up on may still take effect: the repetition has the same id.
//! - Answers of 4xx that will never change (no such player) are `refused`; everything else is `failed`.
//!
//! # Resume
//!
//! Call `resume` at start and every minute ([`spawn_resume`](crate::receiver::spawn_resume) does): what a crash left
//! open must not wait for a network that has given up. It is safe in several processes at once.
