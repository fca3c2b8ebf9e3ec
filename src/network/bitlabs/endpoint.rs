//! One endpoint of an app: verifies requests and types them.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use super::App;
use super::callback::BitlabsCallback;
use super::setup::{Received, Setup};
use crate::event::UnusableCallback;
use crate::network::{ConfigError, Endpoint, EndpointLabels, Responses, Verified, check_kept_by};
use crate::verify::{KeyId, Request, UrlTemplate, VerifyError, check_target};

/// An endpoint for one family of callbacks of one app. Cheap to clone.
///
/// Made by [`App::offers`] and its like.
pub struct BitlabsEndpoint<C> {
    setup: Arc<Setup>,
    callback: PhantomData<fn() -> C>,
}

impl<C: BitlabsCallback> BitlabsEndpoint<C> {
    pub(super) fn new(app: App, url: &str) -> Result<Self, ConfigError> {
        let setup = Setup::new(app, C::FAMILY, url)
            .map_err(|error| ConfigError::Endpoint { endpoint: C::FAMILY.as_str(), error: Box::new(error) })?;
        Ok(Self { setup: Arc::new(setup), callback: PhantomData })
    }

    /// The path to route to this endpoint: that of the configured URL, or `/` if it has none.
    pub fn path(&self) -> &str {
        self.setup.url().template().path()
    }

    /// The configured URL.
    pub fn url(&self) -> &UrlTemplate {
        self.setup.url().template()
    }

    fn read(&self, query: &str, key_id: Option<&KeyId>) -> Result<C, VerifyError> {
        let result = Received::new(&self.setup, query, key_id).and_then(|received| C::read(&received));
        result.map_err(|problem| self.setup.unusable(problem, query))
    }
}

impl<C: BitlabsCallback> Endpoint for BitlabsEndpoint<C> {
    type Callback = C;

    fn path(&self) -> &str {
        self.path()
    }

    fn labels(&self) -> EndpointLabels<'_> {
        self.setup.labels()
    }

    fn verify(&self, request: &Request<'_>) -> Result<Verified<C>, VerifyError> {
        let (query, key_id) = self.setup.url().authenticate(request)?;
        self.read(query, Some(key_id)).map(Verified::new)
    }

    fn replay(&self, kept: &UnusableCallback) -> Result<C, VerifyError> {
        check_kept_by(self, kept).map_err(|problem| self.setup.unusable(problem, &kept.query))?;
        self.read(&kept.query, None)
    }

    fn body_limit(&self) -> usize {
        0
    }

    fn check_head(&self, request: &Request<'_>) -> Result<(), VerifyError> {
        check_target(request)?;
        Ok(())
    }

    fn prepare(&self, _: &Request<'_>) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    fn responses(&self) -> Responses<'_> {
        Responses::default()
    }
}

impl<C> Clone for BitlabsEndpoint<C> {
    fn clone(&self) -> Self {
        Self { setup: Arc::clone(&self.setup), callback: PhantomData }
    }
}

/// Leaves out secrets and the URL.
impl<C> fmt::Debug for BitlabsEndpoint<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BitlabsEndpoint")
            .field("app", self.setup.app())
            .field("family", &self.setup.family())
            .finish_non_exhaustive()
    }
}
