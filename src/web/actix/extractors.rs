//! The extractors and answers, in actix-web's terms.

use std::any::type_name;
use std::future::Future;
use std::pin::Pin;

use actix_web::body::BoxBody;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse, Responder, ResponseError};

use super::{Delivery, Rejection, open, respond};
use crate::clock::SystemClock;
use crate::observe;
use crate::receiver::Receiver;
use crate::source::Callback;
use crate::store::DedupStore;
use crate::web::adapter::{Settled, Verified};
use crate::web::{Refusal, Reply};

type Extracting<T> = Pin<Box<dyn Future<Output = Result<T, Rejection>>>>;

impl<T: Callback> FromRequest for Verified<T> {
    type Error = Rejection;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let callback = verified(request, payload);
        Box::pin(async move { Ok(Self(callback.await?)) })
    }
}

impl<T: Callback, S: DedupStore> FromRequest for Delivery<T, S> {
    type Error = Rejection;
    type Future = Extracting<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let callback = verified(request, payload);
        let request = request.clone();
        Box::pin(async move {
            // Looked for first: nothing is remembered of a callback that cannot be handed on.
            let receiver: &Receiver<S, SystemClock> = configured(&request)?;
            Self::begin(callback.await?, receiver).await
        })
    }
}

fn verified<T: Callback>(
    request: &HttpRequest,
    payload: &mut Payload,
) -> impl Future<Output = Result<T, Rejection>> + use<T> {
    let (request, payload) = (request.clone(), payload.take());
    async move {
        let source: &T::Source = configured(&request)?;
        Ok(open(source, &request, payload).await?)
    }
}

/// What the app data hold of a type, wrapped in [`Data`] or bare.
fn configured<T: 'static>(request: &HttpRequest) -> Result<&T, Rejection> {
    let wrapped = request.app_data::<Data<T>>().map(Data::get_ref);
    wrapped.or_else(|| request.app_data()).ok_or_else(|| {
        let refusal = Refusal::NotConfigured {
            missing: type_name::<T>(),
        };
        observe::not_configured(&refusal);
        refusal.into()
    })
}

impl Responder for Settled {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        respond(&Reply::from(&self.0))
    }
}

impl ResponseError for Rejection {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        respond(&self.reply())
    }
}
