//! Authenticity: requests, secrets, signatures, query parsing, and the URL typed into a dashboard.

mod error;

pub use error::{BadRequest, NotGenuine, Problem, Unusable, VerifyError};
