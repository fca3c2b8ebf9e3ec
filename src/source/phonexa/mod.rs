//! Phonexa: the callbacks and postbacks of its affiliate networks.
//!
//! Feature `phonexa`. The network's admin types in parameters, headers and credentials; nothing has a fixed name. One
//! endpoint takes all three request types (GET, POST form, POST JSON).
//!
//! ```
//! use postback::source::phonexa::{Credential, Endpoint, Names};
//! use postback::source::{Callback, Source};
//! use postback::wire::{Request, Secret};
//!
//! let names = Names::new("player", "conversion_id").goal("goal").payout("payout").status("status");
//! let endpoint = Endpoint::builder("my-network", names)
//!     .accept(Credential::basic("network", &Secret::new("a long random password")?)?)
//!     .accept(Credential::token(&Secret::new("a long random token")?))
//!     .build()?;
//!
//! # use postback::testing::phonexa::Postback;
//! # let sent = Postback::new().set("player", "p1").set("conversion_id", "c1").set("payout", "500")
//! #     .set("status", "Done").basic("network", "a long random password").json();
//! # let (headers, body) = (sent.headers(), sent.body());
//! let request = Request::new("POST", "/callbacks/phonexa").with_headers(headers).with_body(body);
//! let postback = endpoint.open(&request)?;
//! assert_eq!(postback.player(), "p1");
//! assert_eq!(postback.status().as_str(), "Done");
//! let event = postback.event();
//! # let _ = event;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it means
//!
//! The unit is one *(conversion, goal)*: [`ConversionPostback::transaction`] says how the two make one transaction.
//! `Done` pays the payout once for each. `Pending` never pays. `Rejected` takes back what was paid; where nothing was, a
//! `Done` that comes later does not pay, unless [`DoneAfterRejected`] says otherwise. Any other status is kept, and
//! moves nothing. A `Done` without a payout is an error: there is no default reward.
//!
//! # How far it can be trusted
//!
//! The network signs nothing: whoever knows the credential can send anything. TLS is required, and a credential
//! belongs into a header rather than into a parameter.

mod body;
mod config;
mod credential;
mod endpoint;
mod json;
mod names;
mod parameters;
mod postback;
mod status;

pub use config::{ConfigError, DoneAfterRejected, EndpointBuilder};
pub use credential::Credential;
pub use endpoint::Endpoint;
pub use names::Names;
pub use postback::ConversionPostback;
pub use status::Status;
