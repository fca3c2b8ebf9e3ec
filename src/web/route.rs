//! What the routes of every framework share.

use std::time::Duration;

use super::CallbackResponse;
use crate::event::{Event, EventKind};
use crate::id::TransactionId;
use crate::network::{Endpoint, Verified};
use crate::receiver::{Receive, ReceiveError, RequestError};
use crate::telemetry;
use crate::verify::{Request, VerifyError};

/// How long a server waits for a request's body.
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Verifies a request whose body was read, and records why it is rejected.
pub(super) fn verify<E: Endpoint>(endpoint: &E, request: &Request<'_>) -> Result<Verified<E::Callback>, VerifyError> {
    endpoint.verify(request).inspect_err(|error| telemetry::record_rejected(endpoint.labels(), error))
}

/// Takes a verified callback, or keeps an unusable one, and says what to respond.
pub(super) async fn respond<E: Endpoint, R: Receive>(
    endpoint: &E,
    receiver: &R,
    verified: Result<Verified<E::Callback>, VerifyError>,
) -> CallbackResponse {
    let responses = endpoint.responses();
    let mut transaction = None;
    let result = match verified {
        Ok(callback) => {
            let event = Verified::<Event>::from(callback);
            if let EventKind::Conversion { transaction: own, .. } = &event.kind {
                transaction = Some(own.clone());
            }
            receiver.receive(event).await.map_err(RequestError::Receive)
        }
        Err(VerifyError::Unusable(unusable)) => match receiver.keep(&unusable).await {
            Ok(()) => Err(VerifyError::Unusable(unusable).into()),
            Err(error) => Err(ReceiveError::Store(error).into()),
        },
        Err(error) => Err(error.into()),
    };
    let transaction = transaction.as_ref().map(TransactionId::as_str);
    CallbackResponse::new(result.as_ref(), responses, transaction)
}

/// Why an extractor has no callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no verified callback in this request: build the route with `verified(&endpoint, handler)`")]
pub struct MissingCallback;
