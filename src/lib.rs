//! Receive ad-network callbacks ("postbacks" of offer walls): verified, typed, and paid **exactly once**.
//!
//! An ad network calls your backend: "player X finished offer Y, pay 500 gems". This crate verifies that the callback is
//! genuine, parses it into types, decides what is due, stores that durably, and hands your game one decision at a time.
//! Each reward is paid once, only when final, and exactly what was reversed is taken back. Duplicates, reordering,
//! forgeries, delays and crashes do not change that.
//!
//! ```no_run
//! use postback::bitlabs::App;
//! use postback_sqlite::SqliteStore;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let offers = App::new("my-game", std::env::var("BITLABS_APP_SECRET")?)?.offers(
//!         "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]")?;
//!     let receiver = SqliteStore::open("game.db")?.receiver(|tx, decision| {
//!         // Runs inside the settling transaction: your rows and the record commit together, or not at all.
//!         tx.execute("UPDATE players SET gems = gems + ?2 WHERE id = ?1",
//!             (decision.player().as_str(), decision.balance_change().to_string()))?;
//!         Ok(())
//!     });
//!     let app = axum::Router::new().route(offers.path(), postback::axum::callbacks(&offers, &receiver));
//!     Ok(axum::serve(tokio::net::TcpListener::bind("127.0.0.1:8080").await?, app).await?)
//! }
//! ```
//!
//! # Where to go from here
//!
//! | | |
//! |---|---|
//! | [`bitlabs`] | BitLabs, typed |
//! | [`network`] | every other network, by name or by description; endpoints of your own |
//! | [`Receiver`] | ties a store to your [`Handler`], with recovery |
//! | [`axum`], [`actix`] | routes and the [`Verified`] extractor |
//! | [`store`] | the memory store, and how to write one; `postback-sqlite`, `postback-postgres`, `postback-redis` |
//! | [`Decision`] | what a handler gets |
//! | [`import`] | what an earlier receiver dealt with |
//! | [`guide`] | guides: BitLabs, networks, proxies, handlers, stores, secrets, attacks, testing, migration |
//!
//! # Features
//!
//! None is on by default, and each only adds.
//!
//! | feature | adds |
//! |---|---|
//! | `admob`, `admob-fetch` | Google `AdMob`; fetching its keys over HTTPS |
//! | `axum`, `actix-web` | routes and extractors for axum 0.8, actix-web 4 |
//! | `metrics` | counters, histograms and gauges through the `metrics` facade |
//! | `testing` | signers for test callbacks, a clock set by hand, the conformance suite for stores |
//!
//! # Guarantees
//!
//! - A [`Verified`] callback can only be created by verification; a [`Reward`] only by the guard.
//! - With the wallet in the store's own database, reward and record commit in one transaction: exactly once.
//! - With the wallet elsewhere, a decision is stored before the handler is called, and delivered again with the same
//!   [`id`](Decision::id) after a crash. Make the wallet idempotent on it.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::exit,
    clippy::float_arithmetic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unreachable
)]

#[cfg(any(doc, doctest))]
pub mod guide;
pub mod import;
pub mod network;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod verify;
pub mod web;

mod clock;
mod decimal;
mod decision;
mod error;
mod event;
#[cfg_attr(not(feature = "testing"), allow(unreachable_pub, reason = "`testing` exports it"))]
mod guard;
mod handler;
mod id;
#[cfg_attr(not(feature = "testing"), allow(unreachable_pub, reason = "`testing` exports it"))]
mod protocol;
mod receiver;
mod telemetry;

pub use clock::{Clock, SystemClock, Timestamp};
pub use decision::{Action, ConflictKind, Decision, DecisionId, NothingReason, Reversal, Reward};
pub use error::{ConfigError, Origin};
pub use event::{BanStatus, Effect, Event, EventKind, IgnoreReason, UnusableCallback};
pub use handler::{Handler, HandlerError};
pub use id::{AppName, IdError, MAX_ID_BYTES, NetworkName, PlayerId, RecordKey, TransactionId};
#[cfg(feature = "admob")]
pub use network::admob;
pub use network::{Callback, Endpoint, EndpointLabels, Responses, Verified, bitlabs};
pub use protocol::{Receipt, Timing};
pub use receiver::{Deliver, InTransaction, Receive, ReceiveError, Receiver, Recovery, RecoverySummary, ReplaySummary};
#[doc(no_inline)]
pub use rust_decimal::Decimal;
pub use store::{DedupStore, MemoryStore, StoreError, TransactionalStore};
#[cfg(feature = "metrics")]
pub use telemetry::describe_metrics;
pub use verify::{KeyRing, Request, Secret, VerifyError};
#[cfg(feature = "actix-web")]
pub use web::actix;
#[cfg(feature = "axum")]
pub use web::axum;
