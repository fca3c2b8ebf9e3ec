//! What arrives, and whether it is genuine.

mod encoding;
mod limits;
pub mod params;
mod request;
mod secret;
mod signature;
pub mod template;

pub use encoding::Encoding;
pub use limits::Limits;
pub use params::Params;
pub use request::{Headers, Request};
pub use secret::{KeyId, KeyRing, KeyRingError, Secret, SecretError};
pub(crate) use signature::KeyNumber;
pub use signature::{Algorithm, SignatureScheme, Signed, Verifier};
pub use template::{Template, TemplateError};
