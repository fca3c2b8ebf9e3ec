//! Verify and type, no more.

/// A genuine callback, typed. Nothing was remembered: it may be a repetition, and it is up to you what it
/// means.
///
/// The endpoint (`T::Source`) is taken from the router's state (axum) or the app data (actix-web).
#[derive(Debug, Clone, Copy)]
pub struct Verified<T>(pub T);
