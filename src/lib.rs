//! Receive ad-network callbacks: verified, typed, and paid exactly once.

pub mod clock;
pub mod event;
pub mod source;
pub mod wire;
