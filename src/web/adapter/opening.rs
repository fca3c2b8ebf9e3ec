//! From a request to a typed callback, or to a refusal that log and metrics are told of.

use crate::observe;
use crate::source::{OpenError, Source};
use crate::wire::Request;

/// Opens a request at an endpoint, and tells why not. The body comes as the adapter read it, or could not.
pub(in crate::web) fn open<S: Source, B: AsRef<[u8]>>(
    source: &S,
    request: Request<'_>,
    body: Result<B, OpenError>,
) -> Result<S::Callback, OpenError> {
    body.and_then(|body| source.open(&request.with_body(body.as_ref())))
        .inspect_err(|error| observe::refused(source.names(), error))
}
