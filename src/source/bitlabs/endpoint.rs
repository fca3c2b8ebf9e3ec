//! One endpoint of an app: verifies requests and types them.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::App;
use super::config::Options;
use super::family::{BitlabsCallback, Family};
use super::macros::Role;
use super::received::Received;
use crate::source::signed_url::SignedUrl;
use crate::source::{EndpointNames, OpenError, Source};
use crate::wire::Request;
use crate::wire::template::Parameter;

/// An endpoint for one family of callbacks of one app. Cheap to clone.
///
/// Made by [`App::offers`] and its like.
pub struct Endpoint<C> {
    setup: Arc<Setup>,
    callback: PhantomData<fn() -> C>,
}

impl<C: BitlabsCallback> Endpoint<C> {
    pub(super) fn from_setup(setup: Arc<Setup>) -> Self {
        Self {
            setup,
            callback: PhantomData,
        }
    }

    /// The family of its callbacks.
    pub fn family(&self) -> Family {
        self.setup.family
    }

    /// Its name: `offers`, `surveys` …
    pub fn name(&self) -> &'static str {
        self.setup.family.name()
    }

    /// The app that it belongs to.
    pub fn app(&self) -> &App {
        &self.setup.app
    }

    /// Scheme, host, port and path of the configured URL, as typed.
    pub fn url_prefix(&self) -> &str {
        self.setup.url.template().prefix()
    }

    /// The path of the configured URL: where a router mounts the endpoint, unless a proxy changes paths.
    /// `/` where none was typed.
    pub fn path(&self) -> &str {
        match self.setup.url.template().path() {
            "" => "/",
            path => path,
        }
    }
}

impl<C: BitlabsCallback> Source for Endpoint<C> {
    type Callback = C;

    fn open(&self, request: &Request<'_>) -> Result<C, OpenError> {
        C::read(Received::open(&self.setup, request)?)
    }

    fn names(&self) -> EndpointNames<'_> {
        let app = &self.setup.app;
        EndpointNames::new(app.source().as_str(), app.name().as_str(), self.name())
    }
}

impl<C> Clone for Endpoint<C> {
    fn clone(&self) -> Self {
        Self {
            setup: Arc::clone(&self.setup),
            callback: PhantomData,
        }
    }
}

/// Neither secrets nor the URL.
impl<C> fmt::Debug for Endpoint<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("app", &self.setup.app)
            .field("endpoint", &self.setup.family.name())
            .finish_non_exhaustive()
    }
}

/// What an endpoint is made of; shared with the callbacks that it types.
pub(super) struct Setup {
    pub(super) app: App,
    pub(super) family: Family,
    pub(super) options: Options,
    pub(super) url: SignedUrl,
    roles: Vec<Option<Role>>,
    /// For each role, which parameter of the template has it.
    slots: [Option<usize>; Role::COUNT],
}

impl Setup {
    pub(super) fn new(
        app: App,
        family: Family,
        url: SignedUrl,
        roles: Vec<Option<Role>>,
        options: Options,
    ) -> Self {
        let mut slots = [None; Role::COUNT];
        for (slot, role) in roles.iter().enumerate() {
            if let Some(place) = role.and_then(|role| slots.get_mut(role as usize)) {
                *place = Some(slot);
            }
        }
        Self {
            app,
            family,
            options,
            url,
            roles,
            slots,
        }
    }

    /// The configured parameters.
    pub(super) fn parameters(&self) -> &[Parameter] {
        self.url.template().parameters()
    }

    /// What the configured parameters stand for, in the same order.
    pub(super) fn roles(&self) -> &[Option<Role>] {
        &self.roles
    }

    /// Which configured parameter has this role.
    pub(super) fn slot(&self, role: Role) -> Option<usize> {
        self.slots.get(role as usize).copied().flatten()
    }

    /// The name of the parameter with this role, for errors.
    pub(super) fn name(&self, role: Role) -> String {
        let parameter = self.slot(role).and_then(|slot| self.parameters().get(slot));
        parameter
            .map_or(role.macro_text(), Parameter::name)
            .to_owned()
    }
}
