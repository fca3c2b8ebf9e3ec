//! Who calls: one folder a network.
//!
//! A [`Source`] is one endpoint of one network's app. It turns a raw request into the network's own typed
//! callback, or refuses it; a [`Callback`] says what it means as an [`Event`]. A new network is a new
//! implementation of these two traits and touches nothing else.

use std::fmt::Debug;

use crate::event::Event;
use crate::wire::Request;

mod amount;
pub mod bitlabs;
mod field;
mod open_error;
#[cfg(feature = "phonexa")]
pub mod phonexa;
mod signed_url;
pub mod trailing_hash;

pub use field::Field;
pub use open_error::{Fault, OpenError};

/// One endpoint of a network: verifies requests and types them.
///
/// Synchronous, without I/O, and the only way to a callback: what it returns is genuine.
pub trait Source: Send + Sync + 'static {
    /// What the endpoint receives.
    type Callback: Callback;

    /// Verifies the request and types it.
    ///
    /// # Errors
    /// [`OpenError`]: what is wrong with the request and whose fault that is. Nothing was remembered.
    fn open(&self, request: &Request<'_>) -> Result<Self::Callback, OpenError>;

    /// The most bytes of a body that [`open`](Self::open) looks at. Zero, unless a source says otherwise:
    /// then an adapter does not read the body at all.
    fn body_limit(&self) -> usize {
        0
    }
}

/// A genuine callback of some network, typed.
pub trait Callback: Debug + Send + Sync + 'static {
    /// The kind of endpoint that receives it.
    type Source: Source<Callback = Self>;

    /// What it means, in the vocabulary that all networks share.
    fn event(&self) -> Event;
}
