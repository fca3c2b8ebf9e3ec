//! Receive ad-network callbacks ("postbacks" of offer walls): verified, typed, and paid **exactly once**.
//!
//! An ad network calls your backend: "player X finished offer Y, pay 500 gems". This crate makes sure that
//! the call is genuine, says in types what it means, and sees to it that your game pays each reward once,
//! only when it is final, and takes back exactly what was reversed — whatever is repeated, reordered,
//! forged, delayed, or cut off by a crash.
//!
//! ```text
//! request ─▶ source ─▶ event ─▶ guard ◀─▶ store ─▶ delivery ─▶ your handler ─▶ settled ─▶ 200
//! (bytes)   genuine?  what does  what is   what we  decision   pays, takes
//!            typed    it mean?   due now?  remember            back, bans
//! ```
//!
//! # In twenty lines
//!
//! ```
//! # #[cfg(feature = "tokio")] {
//! use postback::bitlabs::App;
//! use postback::decision::Decision;
//! use postback::handler::HandlerError;
//! use postback::receiver::Receiver;
//! use postback::source::{Callback, Source};
//! use postback::store::MemoryStore;
//! use postback::wire::{KeyRing, Request};
//!
//! # async fn example(target: &str) -> Result<(), Box<dyn std::error::Error>> {
//! // The URL is the very one that you typed into the network's dashboard.
//! let app = App::new("my-game", KeyRing::from_list("the App Secret")?)?;
//! let offers = app
//!     .offers("https://game.example/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]")
//!     .build()?;
//! let receiver = Receiver::new(MemoryStore::new()); // for tests; keep real records in SQLite
//!
//! let callback = offers.open(&Request::get(target))?; // genuine, or an error
//! let receipt = receiver
//!     .receive(callback.event(), &|decision: &Decision| {
//!         match decision {
//!             Decision::Reward(reward) => println!("{} gets {}", reward.player(), reward.amount()),
//!             Decision::Reversal(reversal) => println!("{} loses {}", reversal.player(), reversal.amount()),
//!             other => println!("{}: {}", other.player(), other.kind()),
//!         }
//!         async { Ok::<(), HandlerError>(()) }
//!     })
//!     .await?; // settled: answer 200
//! # let _ = receipt;
//! # Ok(())
//! # }
//! # }
//! ```
//!
//! # Where to go from here
//!
//! | room | what is in it |
//! |---|---|
//! | [`source`] | the networks: [`bitlabs`], Phonexa, any with a [`trailing_hash`](source::trailing_hash); how to add one |
//! | [`wire`] | secrets, signatures, templates of dashboard URLs, parameters |
//! | [`event`] | what any source says, in one vocabulary |
//! | [`guard`] | what is due: pure functions over what is remembered |
//! | [`decision`] | what the game is told: [`Reward`](decision::Reward), [`Reversal`](decision::Reversal) … |
//! | [`store`] | where it is remembered: memory, SQLite, Postgres, Redis, your own |
//! | [`receiver`], [`delivery`], [`handler`] | ties all that to your wallet |
//! | [`import`] | takes over what an earlier receiver has paid |
//! | [`observe`] | what is told to logs and metrics, and under which names |
//! | [`steps`] | the protocol behind the receiver, as pure steps |
//! | `explain` | why a signature does not match (feature `explain`) |
//! | [`web`] | statuses and bodies; extractors and a route for axum and for actix-web |
//! | [`guide`] | guides: setting a network up, proxies, stores, handlers, attacks … |
//!
//! # Features
//!
//! None is on by default, and each only adds.
//!
//! | feature | what it adds |
//! |---|---|
//! | `actix-web` | extractors and a route for actix-web 4 |
//! | `axum` | extractors and a route for axum 0.8 |
//! | `phonexa` | the source for Phonexa's callbacks and postbacks |
//! | `postgres` | the Postgres store (sqlx 0.9, Rust 1.94): many processes, wallet and record in one transaction |
//! | `sqlite` | the SQLite store (bundled): group commit, wallet and record in one transaction |
//! | `explain` | finds out why a signature does not match |
//! | `metrics` | counters, histograms and a gauge by the `metrics` facade: see [`observe`] |
//! | `cli` | the `postback` command: sign, verify, explain, rehearse, look into a store, import into one |
//! | `json` | records as JSON, for stores of your own; switched on by the stores of this crate |
//! | `redis` | the Redis store: several processes share one server; one script for each change |
//! | `tokio` | [`clock::SystemClock`] with tokio's timer; switched on by `actix-web`, `axum` and the stores |
//! | `testing` | the signer that builds callbacks as the network sends them, and the suite for stores |
//!
//! # What is guaranteed
//!
//! - A callback's type cannot be had without verification; a [`Reward`](decision::Reward) cannot be had
//!   without the guard.
//! - With the wallet in the store's own SQLite file or Postgres database, reward and record are committed in one
//!   transaction: exactly once, with nothing for the handler to do.
//! - With a wallet elsewhere, a decision is written down before the handler is called. No crash loses it,
//!   and should it be repeated, it has the same [`id`](decision::Decision::id): make the wallet idempotent
//!   on that.
//!
//! Not guaranteed: that the network calls. What it never delivers nobody can know of. And a callback carries
//! no time: whoever captures one can replay it for ever. Here that is a duplicate.

#![cfg_attr(docsrs, feature(doc_cfg))]
// What a library must not do; a test, a benchmark and the command may. Lints that hold for them, too, are in Cargo.toml.
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

pub mod clock;
pub mod decision;
pub mod delivery;
pub mod event;
#[cfg(feature = "explain")]
pub mod explain;
pub mod guard;
#[cfg(any(doc, doctest))]
pub mod guide;
pub mod handler;
pub mod import;
pub mod observe;
pub mod receiver;
pub mod source;
pub mod steps;
pub mod store;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;
pub mod web;
pub mod wire;

#[doc(no_inline)]
pub use rust_decimal::Decimal;
pub use source::bitlabs;
#[cfg(feature = "phonexa")]
pub use source::phonexa;

/// The README's code compiles.
#[cfg(all(doctest, feature = "actix-web", feature = "axum", feature = "sqlite"))]
#[doc = include_str!("../README.md")]
struct Readme;
