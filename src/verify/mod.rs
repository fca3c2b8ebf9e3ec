//! Authenticity: requests, secrets, signatures, query parsing, and the URL typed into a dashboard.
//!
//! For an [`Endpoint`](crate::Endpoint) of your own, start with [`UrlVerifier`] (an HMAC at the end of the URL) or
//! [`Secret::matches`] (a shared key in a parameter or header), and read parameters with [`Query`] only after that.

mod amount;
mod encoding;
mod error;
mod hash;
mod query;
mod request;
mod secret;
mod signature;
mod signed_url;
mod url_template;
#[cfg(test)]
mod wycheproof;

pub(crate) use amount::parse_amount;
pub use encoding::Encoding;
pub use error::{BadRequest, NotGenuine, Problem, Unusable, VerifyError};
pub use hash::HashFunction;
pub(crate) use hash::{HashValue, PreparedMac};
pub use query::Query;
pub(crate) use query::{Occurrence, decode, locate, pairs, values};
pub use request::{Headers, Request};
pub(crate) use secret::EXAMPLE_SECRET;
pub use secret::{KeyId, KeyRing, Secret};
pub use signature::UrlVerifier;
pub use signed_url::{MAX_PAID_QUERY_BYTES, MAX_URL_BYTES};
pub(crate) use signed_url::{SignedUrl, check_static, check_target};
pub use url_template::{UrlParameter, UrlTemplate};
