//! One endpoint: checks who calls, and types what he says.

use std::fmt;
use std::sync::Arc;

use super::body::Format;
use super::config::{DoneAfterRejected, EndpointBuilder};
use super::credential::Accepted;
use super::names::Names;
use super::parameters::Parameters;
use super::postback::ConversionPostback;
use super::status::Status;
use crate::event::{AppName, SourceName};
use crate::source::{EndpointNames, OpenError, Source};
use crate::wire::{Limits, Request};

/// An endpoint for the postbacks of one network, whichever of the three request types it uses. Cheap to clone.
#[derive(Clone)]
pub struct Endpoint {
    setup: Arc<Setup>,
}

/// The endpoint's name in events: there is one kind.
pub(super) const ENDPOINT: &str = "postbacks";

/// What an endpoint is made of; shared with the postbacks that it types.
pub(super) struct Setup {
    pub(super) source: SourceName,
    pub(super) app: AppName,
    pub(super) names: Names,
    pub(super) accepted: Accepted,
    pub(super) status: Option<Status>,
    pub(super) done_after_rejected: DoneAfterRejected,
    pub(super) body_limit: usize,
    pub(super) limits: Limits,
}

impl Endpoint {
    /// Begins an endpoint under a name of the operator's choice, with the names of the parameters.
    ///
    /// The app's name is part of every key in the store: never change it.
    pub fn builder(app: impl Into<String>, names: Names) -> EndpointBuilder {
        EndpointBuilder::new(app.into(), names)
    }

    pub(super) fn from_setup(setup: Arc<Setup>) -> Self {
        Self { setup }
    }

    /// The app's name.
    pub fn app(&self) -> &AppName {
        &self.setup.app
    }
}

impl Source for Endpoint {
    type Callback = ConversionPostback;

    fn open(&self, request: &Request<'_>) -> Result<ConversionPostback, OpenError> {
        let setup = &self.setup;
        let has_body = match request.method() {
            "GET" => false,
            "POST" => true,
            _ => {
                return Err(OpenError::Method {
                    allowed: "GET, POST",
                });
            }
        };
        let parameters = setup.authenticate(request, has_body)?;
        ConversionPostback::read(setup, parameters)
    }

    fn body_limit(&self) -> usize {
        self.setup.body_limit
    }

    fn names(&self) -> EndpointNames<'_> {
        EndpointNames::new(
            self.setup.source.as_str(),
            self.setup.app.as_str(),
            ENDPOINT,
        )
    }
}

impl Setup {
    /// The parameters of a request that holds an accepted credential, without the secret ones.
    fn authenticate(&self, request: &Request<'_>, has_body: bool) -> Result<Parameters, OpenError> {
        let limit = self.limits.most_url_bytes();
        if request.target().len() > limit {
            return Err(OpenError::TooLong { limit });
        }
        if request.target().contains('#') {
            return Err(OpenError::Fragment);
        }
        let in_headers = self.accepted.in_headers(request)?;
        let may_follow = self.accepted.parameters().next().is_some();
        if !may_follow && !bool::from(in_headers) {
            // A stranger learns nothing about what would be read.
            return Err(self.accepted.refusal());
        }
        let format = has_body.then(|| Format::of(request)).transpose()?;
        let limit = self.body_limit;
        if has_body && request.body().len() > limit {
            return Err(OpenError::BodyTooLarge { limit });
        }
        let mut parameters = Parameters::read(request, format, self.limits)?;
        let in_parameters = self.accepted.in_parameters(&parameters)?;
        if !bool::from(in_headers | in_parameters) {
            return Err(self.accepted.refusal());
        }
        for name in self.accepted.parameters() {
            parameters.remove(name);
        }
        Ok(parameters)
    }
}

/// Neither credentials nor names.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("source", &self.setup.source.as_str())
            .field("app", &self.setup.app.as_str())
            .finish_non_exhaustive()
    }
}
