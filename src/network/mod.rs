//! Ad networks: from a raw request to a verified, typed callback.
//!
//! An [`Endpoint`] is one callback URL of one network's app. It verifies requests and creates
//! [`Verified`] callbacks; a [`Callback`] can be converted into the [`Event`] that the rest of the crate works with.

#[cfg(feature = "admob")]
pub mod admob;
pub mod bitlabs;

pub(crate) mod described;
mod senders;

pub use described::{
    Credential, DescribedBuilder, DescribedCallback, DescribedEndpoint, Description, Evidence, Meaning, Role, Shape,
    UrlFinding, preset, presets,
};
pub(crate) use senders::AddressRange;
pub use senders::Senders;

use std::fmt;
use std::future::Future;
use std::ops::Deref;

pub use crate::error::ConfigError;
use crate::event::{Event, UnusableCallback};
use crate::id::TransactionId;
use crate::verify::{Problem, Request, VerifyError};

/// Proof that a value was authenticated: only endpoints create one.
///
/// It dereferences to the value. Everything that pays takes a `Verified`:
///
/// ```compile_fail,E0277
/// async fn forge(receiver: &impl postback::Receive, event: postback::Event) {
///     receiver.receive(event).await;
/// }
/// ```
///
/// ```compile_fail,E0451
/// fn forge<T>(value: T) -> postback::Verified<T> {
///     postback::Verified { value }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T> {
    value: T,
}

impl<T> Verified<T> {
    /// Endpoints call this after authentication.
    pub(crate) fn new(value: T) -> Self {
        Self { value }
    }

    /// Declares a value genuine **without any proof**. For an [`Endpoint`] of your own, right after it has
    /// authenticated the request, and for tests.
    pub fn assume_genuine(value: T) -> Self {
        Self { value }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<C: Callback> From<Verified<C>> for Verified<Event> {
    fn from(callback: Verified<C>) -> Self {
        Self::new(callback.value.to_event())
    }
}

/// A network's own typed callback.
pub trait Callback: Clone + fmt::Debug + Send + Sync + 'static {
    /// What it means, in the vocabulary that all networks share.
    fn to_event(&self) -> Event;

    /// The transaction as the network states it, where the event has another form of it. Some responses repeat it.
    fn stated_transaction(&self) -> Option<&TransactionId> {
        None
    }
}

/// One callback URL of one network's app. Cheap to clone.
pub trait Endpoint: Clone + Send + Sync + 'static {
    /// What it receives.
    type Callback: Callback;

    /// The path to route to this endpoint: that of the configured URL.
    fn path(&self) -> &str;

    /// Names for logs, metrics and kept callbacks.
    fn labels(&self) -> EndpointLabels<'_>;

    /// Verifies a request and types it. No I/O.
    ///
    /// # Errors
    /// [`VerifyError`]: why it is not accepted. An [`Unusable`](VerifyError::Unusable) callback must be kept.
    fn verify(&self, request: &Request<'_>) -> Result<Verified<Self::Callback>, VerifyError>;

    /// Types a callback that was authenticated and kept earlier, under the present configuration.
    ///
    /// # Errors
    /// [`VerifyError::Unusable`], if it still cannot be used, or another endpoint kept it.
    fn replay(&self, kept: &UnusableCallback) -> Result<Self::Callback, VerifyError>;

    /// The largest body that [`verify`](Self::verify) looks at, in bytes. Zero: no body is read.
    fn body_limit(&self) -> usize;

    /// Checks what can be checked before the body is read, so that strangers cannot make the server wait for one.
    ///
    /// # Errors
    /// [`VerifyError`]: the request would be rejected whatever its body is.
    fn check_head(&self, request: &Request<'_>) -> Result<(), VerifyError>;

    /// Gets ready to verify a request: an endpoint whose network publishes its keys may fetch them here.
    fn prepare(&self, request: &Request<'_>) -> impl Future<Output = ()> + Send;

    /// What the network expects to read in a response.
    fn responses(&self) -> Responses<'_>;
}

/// Names of an endpoint, the same as in its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "third-party endpoints build it")]
pub struct EndpointLabels<'a> {
    /// The network.
    pub network: &'a str,
    /// The app of that network.
    pub app: &'a str,
    /// The endpoint: `offers`, `postbacks` …
    pub endpoint: &'a str,
}

/// Fails unless a callback was kept by this endpoint. Its query alone does not say what it means: of two endpoints of one
/// network, one may pay what the other takes back.
pub(crate) fn check_kept_by(endpoint: &impl Endpoint, kept: &UnusableCallback) -> Result<(), Problem> {
    let labels = EndpointLabels { network: kept.network.as_str(), app: kept.app.as_str(), endpoint: &kept.endpoint };
    if labels == endpoint.labels() && kept.path == endpoint.path() {
        return Ok(());
    }
    Err(Problem::Malformed { name: "endpoint".to_owned(), reason: "callback of another endpoint" })
}

/// What a network expects to read in a response. `None`: the receiver's own fixed word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::exhaustive_structs, reason = "third-party endpoints build it")]
pub struct Responses<'a> {
    /// The body for a callback that was taken. `{transaction}` is replaced by its transaction, as the network states it.
    pub settled: Option<&'a str>,
    /// The body for a duplicate.
    pub duplicate: Option<&'a str>,
    /// The body for a rejected request.
    pub rejected: Option<&'a str>,
    /// The status for a request that is not genuine. Default 403 (401 for missing credentials).
    pub not_genuine_status: Option<u16>,
    /// Whether a `HEAD` or `GET` request without parameters is answered 200, as some dashboards demand before they
    /// save a URL. Nothing is processed.
    pub accept_probe: bool,
}
