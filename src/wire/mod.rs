//! What arrives, and whether it is genuine.

mod request;
pub mod params;

pub use request::{Headers, Request};
