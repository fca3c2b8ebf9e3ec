//! What an endpoint is set to, and building it from the dashboard's URL.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::endpoint::{Endpoint, Setup};
use super::family::{BitlabsCallback, Family, PaysExtras, StateByName, Stateful};
use super::macros::{Role, nearest};
use super::words::OfferState;
use super::{App, FLAG, RESERVED, scheme};
use crate::event::IdError;
use crate::source::signed_url::SignedUrl;
use crate::wire::template::{Parameter, Value};
use crate::wire::{Limits, Template, TemplateError};

/// Why an app or an endpoint cannot be set up. Every message says what to do instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The app's name cannot be one.
    #[error("the app's name cannot be used: choose one of letters, digits, '.', '_' and '-'")]
    AppName(#[source] IdError),
    /// The callback URL cannot be read.
    #[error("the {endpoint} URL cannot be used")]
    Url {
        /// The endpoint.
        endpoint: &'static str,
        /// What is wrong with it, and what to type.
        #[source]
        source: TemplateError,
    },
    /// A macro is not one of the network's.
    #[error("{name}=[%{text}%] in the {endpoint} URL is not a macro of BitLabs: {advice}")]
    UnknownMacro {
        /// The endpoint.
        endpoint: &'static str,
        /// The parameter's name.
        name: String,
        /// The macro as typed.
        text: String,
        /// What to type instead.
        advice: String,
    },
    /// Two parameters stand for the same thing, in two spellings.
    #[error(
        "{first:?} and {second:?} in the {endpoint} URL stand for the same thing: keep one of them"
    )]
    SameTwice {
        /// The endpoint.
        endpoint: &'static str,
        /// The first parameter's name.
        first: String,
        /// The second parameter's name.
        second: String,
    },
    /// The URL lacks a parameter without which the endpoint cannot be safe.
    #[error("the {endpoint} URL has no {what}: add {advice}")]
    Required {
        /// The endpoint.
        endpoint: &'static str,
        /// What is missing.
        what: &'static str,
        /// What to type.
        advice: String,
    },
    /// The parameter that should bring the state has a fixed value.
    #[error(
        "{name:?} in the {endpoint} URL must bring the state: type {name}= and the state's macro from the dashboard"
    )]
    StateIsStatic {
        /// The endpoint.
        endpoint: &'static str,
        /// The parameter's name.
        name: String,
    },
}

/// What an endpoint may be set to do.
#[derive(Debug, Clone, Default)]
pub(super) struct Options {
    pub(super) only: Option<OfferState>,
    pub(super) acknowledges_screenouts: bool,
    pub(super) acknowledges_start_bonuses: bool,
    pub(super) delivers_tests: bool,
}

/// Builds an [`Endpoint`] from the URL in the dashboard.
#[must_use = "an endpoint is made by `build`"]
pub struct EndpointBuilder<C> {
    app: App,
    url: String,
    options: Options,
    limits: Limits,
    allowed: Vec<String>,
    state_parameter: Option<String>,
    callback: PhantomData<fn() -> C>,
}

impl<C: BitlabsCallback> EndpointBuilder<C> {
    pub(super) fn new(app: App, url: String) -> Self {
        Self {
            app,
            url,
            options: Options::default(),
            limits: Limits::default(),
            allowed: Vec::new(),
            state_parameter: None,
            callback: PhantomData,
        }
    }

    /// Other limits on the URL's length and the number of parameters.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Accepts a macro that is newer than this crate: `NEW:MACRO`. Its value is reached by the parameter's name.
    pub fn allow_macro(mut self, text: impl Into<String>) -> Self {
        let text = text.into();
        let bare = text
            .strip_prefix("[%")
            .and_then(|text| text.strip_suffix("%]"));
        self.allowed
            .push(bare.map_or_else(|| text.clone(), str::to_owned));
        self
    }

    /// Treats callbacks of the dashboard's tester (`debug=true`) like real ones. For a staging system only.
    pub fn deliver_tests(mut self) -> Self {
        self.options.delivers_tests = true;
        self
    }

    /// Checks everything and makes the endpoint.
    ///
    /// # Errors
    /// [`ConfigError`]: what is wrong with the URL, and what to type instead.
    pub fn build(self) -> Result<Endpoint<C>, ConfigError> {
        let family = C::FAMILY;
        let endpoint = family.name();
        let template = Template::parse(&self.url, &RESERVED)
            .map_err(|source| ConfigError::Url { endpoint, source })?;
        let state_name = self.state_parameter.as_deref().or(family.state_parameter());
        let roles = self.roles(family, template.parameters(), state_name)?;
        self.check_required(family, &roles, state_name)?;
        let url = SignedUrl::new(template, scheme(), &self.app.keys, self.limits, Some(FLAG));
        let setup = Setup::new(self.app, family, url, roles, self.options);
        Ok(Endpoint::from_setup(Arc::new(setup)))
    }

    /// What each parameter of the URL stands for.
    fn roles(
        &self,
        family: Family,
        parameters: &[Parameter],
        state_name: Option<&str>,
    ) -> Result<Vec<Option<Role>>, ConfigError> {
        let endpoint = family.name();
        let mut roles: Vec<Option<Role>> = Vec::with_capacity(parameters.len());
        for parameter in parameters {
            let name = parameter.name();
            let brings_state = state_name == Some(name);
            let role = match parameter.value() {
                Value::Static(_) if brings_state => {
                    return Err(ConfigError::StateIsStatic {
                        endpoint,
                        name: name.to_owned(),
                    });
                }
                Value::Static(_) => None,
                Value::Macro(_) if brings_state => family.state_role(),
                Value::Macro(text) if self.allowed.iter().any(|allowed| **allowed == **text) => {
                    Role::of_macro(text)
                }
                Value::Macro(text) => Some(Role::of_macro(text).ok_or_else(|| {
                    ConfigError::UnknownMacro {
                        endpoint,
                        name: name.to_owned(),
                        text: text.to_string(),
                        advice: match nearest(text) {
                            Some(meant) => format!("did you mean [%{meant}%]?"),
                            None => {
                                "take one from the dashboard's list, or allow it with `allow_macro`"
                                    .to_owned()
                            }
                        },
                    }
                })?),
            };
            let twin = role.and_then(|role| roles.iter().position(|known| *known == Some(role)));
            if let Some(first) = twin.and_then(|twin| parameters.get(twin)) {
                return Err(ConfigError::SameTwice {
                    endpoint,
                    first: first.name().to_owned(),
                    second: name.to_owned(),
                });
            }
            roles.push(role);
        }
        Ok(roles)
    }

    /// Without these parameters the endpoint would pay what it must not, or could not be told apart.
    fn check_required(
        &self,
        family: Family,
        roles: &[Option<Role>],
        state_name: Option<&str>,
    ) -> Result<(), ConfigError> {
        let endpoint = family.name();
        let has = |role: Role| roles.contains(&Some(role));
        let typed = |name: &str, role: Role| format!("{name}=[%{}%]", role.macro_text());
        let missing = |what, advice| {
            Err(ConfigError::Required {
                endpoint,
                what,
                advice,
            })
        };
        if !has(Role::Player) {
            return missing("player", typed("player", Role::Player));
        }
        if family == Family::Bans {
            if !has(Role::BanStatus) {
                return missing("ban status", typed("ban_status", Role::BanStatus));
            }
            return Ok(());
        }
        if !has(Role::Transaction) {
            return missing("transaction", typed("tx", Role::Transaction));
        }
        if !has(Role::Amount) && self.options.only != Some(OfferState::Pending) {
            return missing("amount", typed("amount", Role::Amount));
        }
        let has_state = has(Role::OfferState) || self.options.only.is_some();
        match family {
            // With the dashboard's switch on, PENDING and COMPLETED would look alike; the type tells neither from the
            // other (protocol page, rule 4.1).
            Family::Offers | Family::Purchases if !has_state => missing(
                "state, so that a pending reward could not be told from a final one",
                format!(
                    "{}{} (the state is NONE while stateful callbacks are off, so this suits either setting), or set \
                     the one state of this URL with `only`",
                    typed("state", Role::OfferState),
                    if has(Role::Original) {
                        String::new()
                    } else {
                        format!(", best with {}", typed("ref", Role::Original))
                    }
                ),
            ),
            Family::Purchases if !has(Role::Purchase) => {
                missing("in-app purchase amount", typed("iap_usd", Role::Purchase))
            }
            Family::Surveys if !has(Role::CallType) => {
                missing("callback type", typed("type", Role::CallType))
            }
            Family::Surveys | Family::Rewards if !has(Role::Original) => {
                missing("original transaction", typed("ref", Role::Original))
            }
            Family::Receipts | Family::Cashback
                if family.state_role().is_none_or(|role| !has(role)) =>
            {
                let name = state_name.unwrap_or_default();
                missing(
                    "state",
                    format!(
                        "{name}= and the state's macro from the dashboard (or name it with `state_parameter`)"
                    ),
                )
            }
            _ => Ok(()),
        }
    }
}

impl<C: Stateful> EndpointBuilder<C> {
    /// Receives one state only, where the dashboard has a URL for each. No state macro is needed then; where there
    /// is one that says otherwise, the callback is refused.
    pub fn only(mut self, state: OfferState) -> Self {
        self.options.only = Some(state);
        self
    }
}

impl<C: PaysExtras> EndpointBuilder<C> {
    /// Acknowledges SCREENOUT callbacks without paying.
    pub fn acknowledge_screenouts(mut self) -> Self {
        self.options.acknowledges_screenouts = true;
        self
    }

    /// Acknowledges START_BONUS callbacks without paying: BitLabs does not pay the publisher for them.
    #[expect(clippy::doc_markdown, reason = "the network's word")]
    pub fn acknowledge_start_bonuses(mut self) -> Self {
        self.options.acknowledges_start_bonuses = true;
        self
    }
}

impl<C: StateByName> EndpointBuilder<C> {
    /// The name of the parameter that brings the state, if it is not `magic_receipt_state` or `cashback_state`.
    /// Whatever macro stands there is accepted: the vendor's pages do not give its spelling.
    pub fn state_parameter(mut self, name: impl Into<String>) -> Self {
        self.state_parameter = Some(name.into());
        self
    }
}

/// Neither secrets nor the URL.
impl<C: BitlabsCallback> fmt::Debug for EndpointBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointBuilder")
            .field("app", &self.app)
            .field("endpoint", &C::FAMILY.name())
            .finish_non_exhaustive()
    }
}
