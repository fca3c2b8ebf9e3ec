//! What is told to logs and to metrics, and under which names.
//!
//! Names, targets and fields are part of the interface: they change as a function's signature would. All receivers
//! ([`Receiver`](crate::receiver::Receiver), those of SQLite and Postgres) and both web adapters tell the same.
//! Never told: a secret, a hash, what was signed, a URL, a player's id.
//!
//! # Log
//!
//! By [`tracing`], under targets that all begin with `postback`:
//!
//! | target | what |
//! |---|---|
//! | `postback::request` | a request was refused: `source`, `app`, `endpoint`, `cause`, `fault`, `error` |
//! | `postback::callback` | what became of a genuine callback: `source`, `app`, `endpoint`, `conversion`, `kind`, `outcome` |
//! | `postback::decision` | a decision that was not carried out: `id`, `error` |
//! | `postback::resume` | open decisions, repeated: `settled`, `busy`, `failed` |
//! | `postback::store` | the store's own troubles |
//!
//! While a callback is at work, the span `callback` (INFO) is entered, with the same fields, so that what a handler
//! logs says of which callback. Requests that are refused are logged at a bounded rate, so that a flood of forged
//! ones cannot fill a disk: see [`limit_refusals`].
//!
//! # Metrics
//!
//! With the feature `metrics`, by the facade of that name: install the exporter of your choice, then call `describe`.
//! Without the feature nothing of it is compiled.
//!
//! | metric | kind | labels |
//! |---|---|---|
//! | `postback_callbacks_total` | counter | `source`, `app`, `kind`, `outcome` |
//! | `postback_requests_refused_total` | counter | `cause`, `fault` |
//! | `postback_callback_seconds` | histogram | `source`, `outcome` |
//! | `postback_handler_seconds` | histogram | `result` |
//! | `postback_store_seconds` | histogram | `operation`, `result` |
//! | `postback_resumed_total` | counter | `result` |
//! | `postback_open_decisions` | gauge | |
//!
//! Labels hold fixed words and the names that you gave to networks and apps, never a player or a transaction: their
//! number is bounded, whatever is sent.
//!
//! Every name and word is listed in `docs/observability.md`.

mod limit;
mod measures;
mod refusals;

#[cfg(feature = "metrics")]
pub use measures::describe;
pub use refusals::{limit_refusals, refused};

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use measures::transaction;
pub(crate) use measures::{Since, callback, handler, left_open, stored};
#[cfg(feature = "actix-web")]
pub(crate) use refusals::not_configured;
pub(crate) use refusals::tell_what_is_due;
