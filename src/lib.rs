//! Receive ad-network callbacks: verified, typed, and paid exactly once.

pub mod clock;
pub mod event;
pub mod source;
#[cfg(feature = "testing")]
pub mod testing;
pub mod wire;
