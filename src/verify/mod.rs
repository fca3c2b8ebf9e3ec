//! Authenticity: requests, secrets, signatures, query parsing, and the URL typed into a dashboard.

mod error;
mod request;

pub use error::{BadRequest, NotGenuine, Problem, Unusable, VerifyError};
pub use request::{Headers, Request};
