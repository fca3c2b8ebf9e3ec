//! Ties guard, store and handler together.

use std::future::Future;

use crate::decision::DecisionId;
use crate::event::Event;
use crate::source::Fault;
use crate::steps::Receipt;
use crate::store::StoreError;

/// Takes genuine callbacks all the way: remembered, carried out by the game, settled.
///
/// The web adapters ask for no more than this, so that every way of settling fits behind them.
pub trait Receive: Send + Sync + 'static {
    /// Takes one callback all the way. When it returns Ok, the network need not call again.
    ///
    /// # Errors
    /// [`ReceiveError`]: the network should call again, and nothing is lost if it does not, as far as
    /// the callback had been written down.
    fn receive(&self, event: Event) -> impl Future<Output = Result<Receipt, ReceiveError>> + Send;
}

/// Why a genuine callback could not be taken all the way.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The store failed. Answer 503.
    #[error("the callback could not be remembered")]
    Store(#[from] StoreError),
    /// Another delivery of the same conversion is at work. Answer 503.
    #[error("another delivery of this conversion is at work")]
    Busy {
        /// When it is over at the latest.
        retry_after: std::time::Duration,
    },
    /// The game's handler did not carry the decision out. It is written down and will be repeated. Answer 500.
    #[error("the handler did not carry out decision {id}, which stays open and is repeated")]
    Handler {
        /// The decision.
        id: DecisionId,
        /// What the handler said; `None`: it panicked, took too long, or was dropped.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

impl ReceiveError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Store(_) | Self::Busy { .. } => Fault::Store,
            Self::Handler { .. } => Fault::Handler,
        }
    }
}
