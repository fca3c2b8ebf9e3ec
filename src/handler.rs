//! The game's side: what carries a decision out.

use std::fmt;
use std::future::Future;

use crate::decision::Decision;

/// Carries decisions out: pays, takes back, bans, shows what is pending.
///
/// It is called at least once for every decision and, after a crash or a failure, again with the same
/// [`Decision::id`]. A wallet that is idempotent on that id pays exactly once; where wallet and store are
/// one database, settle in its transaction instead and there is no second call to guard against.
///
/// A closure that takes `&Decision` and returns a future is a handler, too. The future must own what it
/// uses; a decision is cheap to clone:
///
/// ```
/// use postback::decision::Decision;
/// use postback::handler::{Handler, HandlerError};
///
/// fn wallet() -> impl Handler {
///     |decision: &Decision| {
///         let decision = decision.clone();
///         async move {
///             if let Decision::Reward(reward) = &decision {
///                 println!("{} gets {}", reward.player(), reward.amount());
///             }
///             Ok::<(), HandlerError>(())
///         }
///     }
/// }
/// ```
pub trait Handler: Send + Sync {
    /// Carries one decision out.
    ///
    /// # Errors
    /// [`HandlerError::Failed`] (any error, by `?`) leaves the decision open, to be repeated.
    /// [`HandlerError::Refused`] closes the conversion for good.
    fn handle(&self, decision: &Decision) -> impl Future<Output = Result<(), HandlerError>> + Send;
}

impl<F, Fut> Handler for F
where
    F: Fn(&Decision) -> Fut + Send + Sync,
    Fut: Future<Output = Result<(), HandlerError>> + Send,
{
    fn handle(&self, decision: &Decision) -> impl Future<Output = Result<(), HandlerError>> + Send {
        self(decision)
    }
}

/// Why a handler did not carry a decision out.
///
/// Any error becomes [`HandlerError::Failed`] with `?`. It is no [`Error`](std::error::Error) itself, for that would
/// not go together; it can be shown:
///
/// ```
/// use postback::handler::HandlerError;
///
/// assert_eq!(HandlerError::refused("no such player").to_string(), "refused: no such player");
/// assert_eq!(HandlerError::failed("the wallet is down").to_string(), "failed: the wallet is down");
/// ```
#[non_exhaustive]
pub enum HandlerError {
    /// It failed; whether it took effect is unknown. The decision stays open and is repeated with the
    /// same id and amount.
    Failed(Box<dyn std::error::Error + Send + Sync>),
    /// It will never succeed (no such player). The conversion is closed: nothing of it moves again, the
    /// reason is kept, and the network is told that all is well.
    Refused(String),
}

impl HandlerError {
    /// It failed for a reason that is told in words.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self::Failed(reason.into().into())
    }

    /// It will never succeed. The reason is kept in the record, for people.
    pub fn refused(reason: impl Into<String>) -> Self {
        Self::Refused(reason.into())
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(source) => f.debug_tuple("Failed").field(source).finish(),
            Self::Refused(reason) => f.debug_tuple("Refused").field(reason).finish(),
        }
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(source) => write!(f, "failed: {source}"),
            Self::Refused(reason) => write!(f, "refused: {reason}"),
        }
    }
}

// Not an `Error` itself, so that every error can become one by `?`.
impl<E: Into<Box<dyn std::error::Error + Send + Sync>>> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}
