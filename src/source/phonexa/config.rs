//! What an endpoint is set to.

use std::sync::Arc;

use super::credential::{Accepted, Credential};
use super::endpoint::{Endpoint, Setup};
use super::names::Names;
use super::status::Status;
use crate::event::{AppName, IdError, SourceName};
use crate::wire::Limits;

/// What a `Done` means that arrives after a `Rejected` of the same conversion and goal.
///
/// The network does not say. It may be an old `Done` that was held up or is repeated, or the status may have been
/// edited back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DoneAfterRejected {
    /// It pays nothing: a rejection is final. The default, for then neither order nor repetition matters.
    #[default]
    Ignore,
    /// It makes the reward due again. The price: an old `Done` that is delivered once more after the rejection pays,
    /// too. To be chosen only where the network is known to edit statuses back.
    Reinstates,
}

/// Why an endpoint cannot be set up. Every message says what to do instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The app's name cannot be one.
    #[error("the app's name cannot be used: choose one of letters, digits, '.', '_' and '-'")]
    AppName(#[source] IdError),
    /// No credential is accepted.
    #[error(
        "no credential is accepted, so that nothing would be: add one with `accept`, for nothing is signed here"
    )]
    NoCredentials,
    /// A login cannot be sent with Basic.
    #[error(
        "the login is empty or holds a ':' or a control character: take the very one from the network's dashboard"
    )]
    Login,
    /// A header cannot be called so.
    #[error("the header's name cannot be one: choose one such as X-Callback-Secret")]
    HeaderName,
    /// A parameter's name is empty.
    #[error("the name of the parameter for the {what} is empty: give the one in the dashboard")]
    NoName {
        /// What it should bring.
        what: &'static str,
    },
    /// Two things have one name.
    #[error("{name:?} is the name of two parameters: give each its own")]
    NameTwice {
        /// The name.
        name: String,
    },
    /// It is not said what status a postback has.
    #[error(
        "it is not said what status a postback has: name its parameter with `Names::status`, or set the one of this endpoint with `status`"
    )]
    NoStatus,
    /// A `Done` may come, and there is no payout to pay.
    #[error(
        "no parameter brings the payout, so that a Done could not be paid: name one with `Names::payout`"
    )]
    NoPayout,
}

/// Builds an [`Endpoint`].
#[must_use = "an endpoint is made by `build`"]
#[derive(Debug, Clone)]
pub struct EndpointBuilder {
    app: String,
    names: Names,
    credentials: Vec<Credential>,
    status: Option<Status>,
    done_after_rejected: DoneAfterRejected,
    body_limit: usize,
    limits: Limits,
}

/// The longest body that is ever read.
const MOST_BODY_BYTES: usize = 1 << 20;

impl EndpointBuilder {
    pub(super) fn new(app: String, names: Names) -> Self {
        Self {
            app,
            names,
            credentials: Vec::new(),
            status: None,
            done_after_rejected: DoneAfterRejected::default(),
            body_limit: 64 * 1024,
            limits: Limits::default(),
        }
    }

    /// Accepts a credential, beside those accepted before. At least one is needed; several serve while one is
    /// being changed.
    pub fn accept(mut self, credential: Credential) -> Self {
        self.credentials.push(credential);
        self
    }

    /// The one status of this endpoint, where there is a URL for each. No parameter needs to bring it then; where one
    /// is named, and says otherwise, the postback is refused.
    pub fn status(mut self, status: Status) -> Self {
        self.status = Some(status);
        self
    }

    /// What a `Done` after a `Rejected` means; nothing unless set.
    pub fn done_after_rejected(mut self, meaning: DoneAfterRejected) -> Self {
        self.done_after_rejected = meaning;
        self
    }

    /// The longest body that is read, in bytes; 64 KiB unless set. At most 1 MiB.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes.min(MOST_BODY_BYTES);
        self
    }

    /// Other limits on the URL's length and on the number of parameters, in query and body together.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Checks everything and makes the endpoint.
    ///
    /// # Errors
    /// [`ConfigError`]: what is wrong, and what to do instead.
    pub fn build(self) -> Result<Endpoint, ConfigError> {
        let source = SourceName::new("phonexa").map_err(ConfigError::AppName)?;
        let app = AppName::new(self.app).map_err(ConfigError::AppName)?;
        let accepted = Accepted::new(self.credentials)?;
        check_names(&self.names, &accepted)?;
        if self.names.status.is_none() && self.status.is_none() {
            return Err(ConfigError::NoStatus);
        }
        let may_be_done = self
            .status
            .as_ref()
            .is_none_or(|status| *status == Status::Done);
        if may_be_done && self.names.payout.is_none() {
            return Err(ConfigError::NoPayout);
        }
        Ok(Endpoint::from_setup(Arc::new(Setup {
            source,
            app,
            names: self.names,
            accepted,
            status: self.status,
            done_after_rejected: self.done_after_rejected,
            body_limit: self.body_limit,
            limits: self.limits,
        })))
    }
}

fn check_names(names: &Names, accepted: &Accepted) -> Result<(), ConfigError> {
    let mut known: Vec<&str> = Vec::new();
    for (what, name) in names.iter() {
        if name.is_empty() {
            return Err(ConfigError::NoName { what });
        }
        if known.contains(&name) {
            return Err(ConfigError::NameTwice {
                name: name.to_owned(),
            });
        }
        known.push(name);
    }
    for name in accepted.parameters() {
        if name.is_empty() {
            return Err(ConfigError::NoName { what: "secret" });
        }
        // Two secrets may share a name while one is being changed.
        if known.contains(&name) {
            return Err(ConfigError::NameTwice {
                name: name.to_owned(),
            });
        }
    }
    Ok(())
}
