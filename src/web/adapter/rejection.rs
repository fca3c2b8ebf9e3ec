//! An answer other than 200.

use crate::receiver::ReceiveError;
use crate::source::OpenError;
use crate::web::{Refusal, Reply};

/// Why a request was answered with something other than 200.
///
/// It is a response in axum and in actix-web. To answer otherwise, let the handler take
/// `Result<Verified<T>, Rejection>` (or of `Delivery`) and look at [`Rejection::refusal`].
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Rejection(#[from] Refusal);

impl Rejection {
    /// The status of the response.
    pub fn status(&self) -> u16 {
        self.reply().status
    }

    /// The body of the response: a fixed word.
    pub fn body_text(&self) -> &'static str {
        self.reply().body
    }

    /// The whole response, header fields and all.
    pub fn reply(&self) -> Reply {
        Reply::from(&self.0)
    }

    /// The reason.
    pub fn refusal(&self) -> &Refusal {
        &self.0
    }
}

impl From<OpenError> for Rejection {
    fn from(error: OpenError) -> Self {
        Self(error.into())
    }
}

impl From<ReceiveError> for Rejection {
    fn from(error: ReceiveError) -> Self {
        Self(error.into())
    }
}
