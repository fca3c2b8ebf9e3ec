//! Verify and type, no more.

use axum::extract::{FromRef, FromRequest, Request};

use super::{Rejection, open};
use crate::source::Callback;

/// A genuine callback, typed. Nothing was remembered: it may be a repetition, and it is up to you what it
/// means. The endpoint (`T::Source`) is taken from the router's state.
#[derive(Debug, Clone, Copy)]
pub struct Verified<T>(pub T);

impl<T, S> FromRequest<S> for Verified<T>
where
    T: Callback,
    T::Source: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Rejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Rejection> {
        Ok(Self(open(&T::Source::from_ref(state), request).await?))
    }
}
