//! The game's side: what carries decisions out.

use std::fmt;
use std::future::Future;

use crate::decision::Decision;

/// Carries decisions out: pays, takes back, bans, shows what is pending.
///
/// It is called at least once for every decision, in order, and after a crash or a failure again with the same
/// [`Decision::id`]. A wallet that is idempotent on that id pays exactly once. If the wallet is in the same database as
/// the store, run the handler inside the store's transaction instead (`store.receiver(closure)`): then there is no
/// second call.
///
/// Any `async fn` (or closure) that takes a [`Decision`] is a handler:
///
/// ```
/// use postback::{Action, Decision, HandlerError, MemoryStore, Receiver};
///
/// async fn pay(decision: Decision) -> Result<(), HandlerError> {
///     if let Action::Reward(reward) = decision.action() {
///         println!("{} gets {}", decision.player(), reward.amount());
///     }
///     Ok(())
/// }
///
/// let receiver = Receiver::new(MemoryStore::new(), pay);
/// # let _ = receiver;
/// ```
pub trait Handler: Send + Sync + 'static {
    /// Carries one decision out.
    ///
    /// # Errors
    /// [`HandlerError::Failed`] (any error, with `?`) leaves the decision pending; it is retried.
    /// [`HandlerError::Declined`] ends it for good.
    fn handle(&self, decision: Decision) -> impl Future<Output = Result<(), HandlerError>> + Send;
}

impl<F, Fut> Handler for F
where
    F: Fn(Decision) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), HandlerError>> + Send,
{
    fn handle(&self, decision: Decision) -> impl Future<Output = Result<(), HandlerError>> + Send {
        self(decision)
    }
}

/// Why a handler did not carry a decision out. Any error becomes [`HandlerError::Failed`] with `?`.
///
/// It does not implement [`Error`](std::error::Error), so that `?` can convert any error into it.
///
/// ```
/// use postback::HandlerError;
///
/// assert_eq!(HandlerError::declined("no such player").to_string(), "declined: no such player");
/// assert_eq!(HandlerError::failed("the wallet is down").to_string(), "failed: the wallet is down");
/// ```
#[non_exhaustive]
pub enum HandlerError {
    /// It failed; whether it took effect is unknown. The decision stays pending and is retried with the same id.
    Failed(Box<dyn std::error::Error + Send + Sync>),
    /// It will never succeed, for example because there is no such player. If the decision moves money, the conversion is
    /// closed: nothing of it moves again, the reason is kept, and the network gets 200.
    Declined(String),
}

impl HandlerError {
    /// A failure with a text.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::Failed(reason.into().into())
    }

    /// Declines for good. The reason is kept in the record, for people.
    pub fn declined(reason: impl Into<String>) -> Self {
        Self::Declined(reason.into())
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(source) => f.debug_tuple("Failed").field(source).finish(),
            Self::Declined(reason) => f.debug_tuple("Declined").field(reason).finish(),
        }
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(source) => write!(f, "failed: {source}"),
            Self::Declined(reason) => write!(f, "declined: {reason}"),
        }
    }
}

impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Lets a function that returns `Box<dyn Error>` call a handler with `?`.
impl From<HandlerError> for Box<dyn std::error::Error> {
    fn from(error: HandlerError) -> Self {
        error.to_string().into()
    }
}
