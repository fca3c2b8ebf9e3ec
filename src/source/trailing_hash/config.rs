//! Describing a network's endpoint.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::endpoint::{Endpoint, Role, Rule, Setup};
use crate::event::{AppName, IdError, SourceName};
use crate::source::signed_url::SignedUrl;
use crate::wire::template::{Parameter, Value};
use crate::wire::{Algorithm, Encoding, KeyRing, Limits, SignatureScheme, Template, TemplateError};

/// What a network's word says of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Meaning {
    /// The reward is final: it is paid.
    Completed,
    /// The reward is not final. Nothing is paid.
    Pending,
    /// The reward is taken back: the stated amount where one is given, else the whole.
    Reversed,
}

/// Why an endpoint cannot be set up. Every message says what to do instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The network's name cannot be one.
    #[error("the network's name cannot be used: choose one of letters, digits, '.', '_' and '-'")]
    SourceName(#[source] IdError),
    /// The app's name cannot be one.
    #[error("the app's name cannot be used: choose one of letters, digits, '.', '_' and '-'")]
    AppName(#[source] IdError),
    /// The callback URL cannot be read.
    #[error("the callback URL cannot be used: {0}")]
    Url(#[source] TemplateError),
    /// It is not said how the URL is signed.
    #[error("it is not said how the URL is signed: add `signed_by`")]
    NoSignature,
    /// The name of the signature's parameter cannot be one.
    #[error(
        "the signature's parameter cannot be called so: choose the network's name, of letters, digits, '.', '_' and '-'"
    )]
    SignatureName(#[source] IdError),
    /// Something is not mapped to a parameter, without which the endpoint cannot be safe.
    #[error("no parameter brings the {what}: add `{method}` with the name of one")]
    Required {
        /// What is missing.
        what: &'static str,
        /// The builder's method.
        method: &'static str,
    },
    /// A mapped parameter is not in the URL.
    #[error(
        "the URL has no parameter {name:?}, which should bring the {what}: type it in, even if the network adds it by itself"
    )]
    NotInUrl {
        /// The parameter's name.
        name: String,
        /// What it should bring.
        what: &'static str,
    },
    /// A mapped parameter has a fixed value in the URL.
    #[error(
        "{name:?} should bring the {what} but has a fixed value in the URL: type the network's macro there"
    )]
    IsStatic {
        /// The parameter's name.
        name: String,
        /// What it should bring.
        what: &'static str,
    },
    /// A parameter is mapped to two things.
    #[error("{name:?} is said to bring both the {first} and the {second}: map it to one of them")]
    MappedTwice {
        /// The parameter's name.
        name: String,
        /// One of the things.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A word is given two meanings.
    #[error("{word:?} is given a meaning twice: words are compared without regard to case")]
    WordTwice {
        /// The word.
        word: String,
    },
    /// It is not said what a callback means.
    #[error(
        "it is not said what a callback means: add `status` and a `word` for each status, or `always`"
    )]
    NoMeaning,
    /// It is said in two ways what a callback means.
    #[error("`always` leaves nothing for `status` and `word` to say: remove one or the other")]
    TwoMeanings,
}

/// Describes an [`Endpoint`].
#[must_use = "an endpoint is made by `build`"]
#[derive(Clone)]
pub struct EndpointBuilder {
    source: String,
    app: String,
    keys: KeyRing,
    url: String,
    signature: Option<(String, Algorithm, Encoding)>,
    names: [Option<String>; Role::COUNT],
    words: Vec<(Box<str>, Meaning)>,
    always: Option<Meaning>,
    limits: Limits,
}

impl EndpointBuilder {
    pub(super) fn new(source: String, app: String, keys: KeyRing, url: String) -> Self {
        Self {
            source,
            app,
            keys,
            url,
            signature: None,
            names: Default::default(),
            words: Vec::new(),
            always: None,
            limits: Limits::default(),
        }
    }

    /// How the URL is signed: the name of the last parameter, the keyed hash, and how that is written.
    pub fn signed_by(
        mut self,
        parameter: impl Into<String>,
        algorithm: Algorithm,
        encoding: Encoding,
    ) -> Self {
        self.signature = Some((parameter.into(), algorithm, encoding));
        self
    }

    /// The parameter that brings the player. Required.
    pub fn player(self, name: impl Into<String>) -> Self {
        self.map(Role::Player, name)
    }

    /// The parameter that brings the transaction. Required.
    pub fn transaction(self, name: impl Into<String>) -> Self {
        self.map(Role::Transaction, name)
    }

    /// The parameter that brings the amount in the app's currency. Required where anything can be completed.
    pub fn amount(self, name: impl Into<String>) -> Self {
        self.map(Role::Amount, name)
    }

    /// The parameter that brings the revenue in US dollars.
    pub fn usd(self, name: impl Into<String>) -> Self {
        self.map(Role::Usd, name)
    }

    /// The parameter that brings the transaction that a reversal takes back, where reversals have transactions of
    /// their own.
    pub fn original(self, name: impl Into<String>) -> Self {
        self.map(Role::Original, name)
    }

    /// The parameter that brings the status.
    pub fn status(self, name: impl Into<String>) -> Self {
        self.map(Role::Status, name)
    }

    /// What a word of the status means. Compared without regard to case.
    pub fn word(mut self, word: impl Into<String>, meaning: Meaning) -> Self {
        self.words.push((word.into().into_boxed_str(), meaning));
        self
    }

    /// What every callback of this endpoint means, where the network sends no status: there is a URL for each.
    pub fn always(mut self, meaning: Meaning) -> Self {
        self.always = Some(meaning);
        self
    }

    /// Other limits on the URL's length and the number of parameters.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Checks everything and makes the endpoint.
    ///
    /// # Errors
    /// [`ConfigError`]: what is wrong, and what to do instead.
    pub fn build(mut self) -> Result<Endpoint, ConfigError> {
        let source =
            SourceName::new(std::mem::take(&mut self.source)).map_err(ConfigError::SourceName)?;
        let app = AppName::new(std::mem::take(&mut self.app)).map_err(ConfigError::AppName)?;
        let (parameter, algorithm, encoding) =
            self.signature.take().ok_or(ConfigError::NoSignature)?;
        // The same rule as for every other plain name.
        let parameter = AppName::new(parameter).map_err(ConfigError::SignatureName)?;
        let scheme = SignatureScheme::trailing(parameter.as_str(), algorithm, encoding);
        let template = Template::parse_any_macros(&self.url, &[parameter.as_str()])
            .map_err(ConfigError::Url)?;
        let rule = self.rule()?;
        let slots = self.slots(template.parameters())?;
        self.check_required(&rule)?;
        Ok(Endpoint::from_setup(Arc::new(Setup {
            source,
            app,
            url: SignedUrl::new(template, scheme, &self.keys, self.limits, None),
            slots,
            rule,
        })))
    }

    fn map(mut self, role: Role, name: impl Into<String>) -> Self {
        if let Some(place) = self.names.get_mut(role as usize) {
            *place = Some(name.into());
        }
        self
    }

    fn name(&self, role: Role) -> Option<&str> {
        self.names.get(role as usize)?.as_deref()
    }

    fn rule(&self) -> Result<Rule, ConfigError> {
        for (number, (word, _)) in self.words.iter().enumerate() {
            let mut before = self.words.iter().take(number);
            if before.any(|(known, _)| known.eq_ignore_ascii_case(word)) {
                return Err(ConfigError::WordTwice {
                    word: word.to_string(),
                });
            }
        }
        let has_status = self.name(Role::Status).is_some();
        match (self.always, has_status, self.words.is_empty()) {
            (Some(meaning), false, true) => Ok(Rule::Always(meaning)),
            (Some(_), _, _) => Err(ConfigError::TwoMeanings),
            (None, true, false) => Ok(Rule::ByWord(self.words.clone())),
            (None, _, _) => Err(ConfigError::NoMeaning),
        }
    }

    /// For each role, which parameter of the URL has it.
    fn slots(&self, parameters: &[Parameter]) -> Result<[Option<usize>; Role::COUNT], ConfigError> {
        let mut slots = [None; Role::COUNT];
        for (role, place) in Role::ALL.into_iter().zip(&mut slots) {
            let Some(name) = self.name(role) else {
                continue;
            };
            let what = role.what();
            let twin = Role::ALL
                .into_iter()
                .take(role as usize)
                .find(|other| self.name(*other) == Some(name));
            if let Some(twin) = twin {
                return Err(ConfigError::MappedTwice {
                    name: name.to_owned(),
                    first: twin.what(),
                    second: what,
                });
            }
            let slot = parameters
                .iter()
                .position(|parameter| parameter.name() == name);
            *place = match slot
                .and_then(|slot| parameters.get(slot))
                .map(Parameter::value)
            {
                Some(Value::Macro(_)) => slot,
                Some(Value::Static(_)) => {
                    return Err(ConfigError::IsStatic {
                        name: name.to_owned(),
                        what,
                    });
                }
                None => {
                    return Err(ConfigError::NotInUrl {
                        name: name.to_owned(),
                        what,
                    });
                }
            };
        }
        Ok(slots)
    }

    fn check_required(&self, rule: &Rule) -> Result<(), ConfigError> {
        let missing = |role: Role| ConfigError::Required {
            what: role.what(),
            method: role.method(),
        };
        for role in [Role::Player, Role::Transaction] {
            self.name(role).ok_or_else(|| missing(role))?;
        }
        if rule.may_complete() {
            self.name(Role::Amount)
                .ok_or_else(|| missing(Role::Amount))?;
        }
        Ok(())
    }
}

/// Neither secrets nor the URL.
impl fmt::Debug for EndpointBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointBuilder")
            .field("source", &self.source)
            .field("app", &self.app)
            .finish_non_exhaustive()
    }
}
