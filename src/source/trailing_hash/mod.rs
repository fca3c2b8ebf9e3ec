//! Any network that signs its URL with a keyed hash in the last parameter.
//!
//! Many networks differ only in the digest, its encoding, the parameter's name and their words. They need no code:
//! an endpoint is described.
//!
//! ```
//! use postback::source::trailing_hash::{Endpoint, Meaning};
//! use postback::source::{Callback, Source};
//! use postback::wire::{Algorithm, Encoding, KeyRing, Request};
//!
//! let url = "https://game.example/callbacks/acme?user={user}&tx={tx}&coins={coins}&state={state}";
//! let endpoint = Endpoint::builder("acme", "my-game", KeyRing::from_list("the secret")?, url)
//!     .signed_by("verifier", Algorithm::HmacSha256, Encoding::Hex)
//!     .player("user")
//!     .transaction("tx")
//!     .amount("coins")
//!     .status("state")
//!     .word("approved", Meaning::Completed)
//!     .word("waiting", Meaning::Pending)
//!     .word("chargeback", Meaning::Reversed)
//!     .build()?;
//! # use postback::testing::trailing_hash::Signer;
//! # let signer = Signer::new("the secret", "verifier", Algorithm::HmacSha256, Encoding::Hex);
//! # let signed = signer.sign_url("https://game.example/callbacks/acme?user=p1&tx=t1&coins=500&state=approved");
//! # let target = signed.target();
//! // `target` is the path and query of the request, as they came.
//! let postback = endpoint.open(&Request::get(target))?;
//! assert_eq!(postback.player(), "p1");
//! assert_eq!(postback.meaning(), Some(Meaning::Completed));
//! let event = postback.event();
//! # let _ = event;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The URL
//!
//! It is the very URL in the network's dashboard. Scheme, host, port and path are signed as typed. A parameter whose
//! value is a macro of the network's (`{tx}`, `[tx]`, `%tx%`, `$tx` …) is known by its *name*; one with a plain value
//! is static, and must arrive unchanged. Where a network adds parameters by itself, type them into the URL here
//! as well: `&id={id}`.
//!
//! # What it means
//!
//! - [`Meaning::Completed`] pays the amount, once for each transaction.
//! - [`Meaning::Pending`] never pays.
//! - [`Meaning::Reversed`] takes back what the transaction was paid: the one named as the original transaction where
//!   that is mapped and given, else its own. Where an amount is mapped and given, that much is taken back, whatever its
//!   sign; never more than was paid, and nothing if it is zero. Where none is given, the whole.
//! - Any other word is kept, and moves nothing.

mod config;
mod endpoint;
mod postback;

pub use config::{ConfigError, EndpointBuilder, Meaning};
pub use endpoint::Endpoint;
pub use postback::Postback;
