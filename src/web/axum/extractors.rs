//! The extractors and answers, in axum's terms.

use axum::extract::{FromRef, FromRequest, Request};
use axum::response::{IntoResponse, Response};

use super::{Delivery, Rejection, open, respond};
use crate::clock::SystemClock;
use crate::receiver::Receiver;
use crate::source::Callback;
use crate::store::DedupStore;
use crate::web::Reply;
use crate::web::adapter::{Settled, Verified};

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

impl<T, St, S> FromRequest<S> for Delivery<T, St>
where
    T: Callback,
    T::Source: FromRef<S>,
    St: DedupStore,
    Receiver<St, SystemClock>: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Rejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Rejection> {
        let callback = open(&T::Source::from_ref(state), request).await?;
        Self::begin(callback, &Receiver::from_ref(state)).await
    }
}

impl IntoResponse for Settled {
    fn into_response(self) -> Response {
        respond(&Reply::from(&self.0))
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        respond(&self.reply())
    }
}
