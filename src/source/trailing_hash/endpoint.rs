//! One endpoint of a network that was described.

use std::fmt;
use std::sync::Arc;

use super::config::{EndpointBuilder, Meaning};
use super::postback::Postback;
use crate::event::{AppName, SourceName};
use crate::source::signed_url::SignedUrl;
use crate::source::{EndpointNames, OpenError, Source};
use crate::wire::template::Parameter;
use crate::wire::{KeyRing, Request};

/// What a parameter brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Player,
    Transaction,
    Amount,
    Usd,
    Original,
    Status,
}

impl Role {
    pub(super) const COUNT: usize = 6;
    pub(super) const ALL: [Self; Self::COUNT] = [
        Self::Player,
        Self::Transaction,
        Self::Amount,
        Self::Usd,
        Self::Original,
        Self::Status,
    ];

    /// In words.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Player => "player",
            Self::Transaction => "transaction",
            Self::Amount => "amount",
            Self::Usd => "revenue in US dollars",
            Self::Original => "original transaction",
            Self::Status => "status",
        }
    }

    /// The builder's method, which is also the key when a postback is serialised.
    pub(super) fn method(self) -> &'static str {
        match self {
            Self::Player => "player",
            Self::Transaction => "transaction",
            Self::Amount => "amount",
            Self::Usd => "usd",
            Self::Original => "original",
            Self::Status => "status",
        }
    }
}

/// What a callback means.
pub(super) enum Rule {
    /// The same, whatever it says.
    Always(Meaning),
    /// What its status says.
    ByWord(Vec<(Box<str>, Meaning)>),
}

impl Rule {
    /// The configured word and its meaning; `None` for a word that is not known.
    pub(super) fn of_word(&self, word: &str) -> Option<(&str, Meaning)> {
        match self {
            Self::Always(meaning) => Some(("", *meaning)),
            Self::ByWord(words) => words
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(word))
                .map(|(known, meaning)| (&**known, *meaning)),
        }
    }

    pub(super) fn may_complete(&self) -> bool {
        match self {
            Self::Always(meaning) => *meaning == Meaning::Completed,
            Self::ByWord(words) => words
                .iter()
                .any(|(_, meaning)| *meaning == Meaning::Completed),
        }
    }
}

/// The endpoint's name in events: there is one kind.
pub(super) const ENDPOINT: &str = "postbacks";

/// What an endpoint is made of; shared with the postbacks that it types.
pub(super) struct Setup {
    pub(super) source: SourceName,
    pub(super) app: AppName,
    pub(super) url: SignedUrl,
    /// For each role, which parameter of the URL has it.
    pub(super) slots: [Option<usize>; Role::COUNT],
    pub(super) rule: Rule,
}

impl Setup {
    pub(super) fn slot(&self, role: Role) -> Option<usize> {
        self.slots.get(role as usize).copied().flatten()
    }

    /// The name of the parameter with this role, for errors.
    pub(super) fn name(&self, role: Role) -> String {
        let parameters = self.url.template().parameters();
        self.slot(role)
            .and_then(|slot| parameters.get(slot))
            .map_or(role.what(), Parameter::name)
            .to_owned()
    }
}

/// An endpoint of a network that signs its URL with a trailing keyed hash. Cheap to clone.
#[derive(Clone)]
pub struct Endpoint {
    setup: Arc<Setup>,
}

impl Endpoint {
    /// Begins to describe an endpoint: the network's name and the app's, both of the operator's choice, the keys,
    /// and the URL as it stands in the network's dashboard.
    ///
    /// Both names are part of every key in the store: never change them.
    pub fn builder(
        source: impl Into<String>,
        app: impl Into<String>,
        keys: impl Into<KeyRing>,
        url: impl Into<String>,
    ) -> EndpointBuilder {
        EndpointBuilder::new(source.into(), app.into(), keys.into(), url.into())
    }

    pub(super) fn from_setup(setup: Arc<Setup>) -> Self {
        Self { setup }
    }

    /// The network's name.
    pub fn source(&self) -> &SourceName {
        &self.setup.source
    }

    /// The app's name.
    pub fn app(&self) -> &AppName {
        &self.setup.app
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

impl Source for Endpoint {
    type Callback = Postback;

    fn open(&self, request: &Request<'_>) -> Result<Postback, OpenError> {
        Postback::read(&self.setup, self.setup.url.open(request)?)
    }

    fn names(&self) -> EndpointNames<'_> {
        EndpointNames::new(
            self.setup.source.as_str(),
            self.setup.app.as_str(),
            ENDPOINT,
        )
    }
}

/// Neither secrets nor the URL.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("source", &self.setup.source.as_str())
            .field("app", &self.setup.app.as_str())
            .finish_non_exhaustive()
    }
}
