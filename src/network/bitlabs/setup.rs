//! What an endpoint is set up with: the checked URL, what its parameters stand for, and reading them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;

use super::macros::{Field, nearest};
use super::words::State;
use super::{App, Family, Options};
use crate::event::{Event, EventKind};
use crate::id::{IdError, PlayerId};
use crate::network::{ConfigError, EndpointLabels};
use crate::verify::{
    Encoding, HashFunction, KeyId, MAX_PAID_QUERY_BYTES, Occurrence, Problem, SignedUrl, Unusable, UrlParameter,
    UrlTemplate, UrlVerifier, VerifyError, decode, parse_amount, values,
};

/// The signature's parameter.
const SIGNATURE: &str = "hash";
/// What the dashboard's tester adds.
const TEST_FLAG: &str = "debug";

/// What the clones of an endpoint share.
pub(super) struct Setup {
    app: App,
    family: Family,
    url: SignedUrl,
    /// For each field, the place of its parameter in the URL.
    places: [Option<usize>; Field::COUNT],
}

impl Setup {
    pub(super) fn new(app: App, family: Family, url: &str) -> Result<Self, ConfigError> {
        let template = UrlTemplate::parse(url, &[SIGNATURE, TEST_FLAG])?;
        app.options.check(family)?;
        let mut places = [None; Field::COUNT];
        for (at, parameter) in template.parameters().iter().enumerate() {
            let Some(field) = app.options.field(family, parameter)? else {
                continue;
            };
            let Some(place) = places.get_mut(field as usize) else {
                continue;
            };
            if let Some(first) = place.and_then(|first: usize| template.parameters().get(first)) {
                return Err(ConfigError::RepeatedField {
                    first: first.name().to_owned(),
                    second: parameter.name().to_owned(),
                });
            }
            *place = Some(at);
        }
        app.options.check_required(family, |field| places.get(field as usize).is_some_and(Option::is_some))?;
        let verifier =
            UrlVerifier::new(SIGNATURE, HashFunction::Sha1, Encoding::Hex, &app.keys, template.signed_prefixes());
        Ok(Self { app, family, url: SignedUrl::new(template, verifier, &[TEST_FLAG]), places })
    }

    pub(super) fn app(&self) -> &App {
        &self.app
    }

    pub(super) fn family(&self) -> Family {
        self.family
    }

    pub(super) fn url(&self) -> &SignedUrl {
        &self.url
    }

    pub(super) fn labels(&self) -> EndpointLabels<'_> {
        EndpointLabels {
            network: self.app.network.as_str(),
            app: self.app.name.as_str(),
            endpoint: self.family.as_str(),
        }
    }

    /// Wraps a problem of a genuine callback with what has to be kept of it.
    pub(super) fn unusable(&self, problem: Problem, query: &str) -> VerifyError {
        let (endpoint, path) = (self.family.as_str().into(), self.url.template().path());
        Unusable::new(&self.app.network, &self.app.name, endpoint, path, problem, query.to_owned()).into()
    }
}

impl Options {
    /// Rejects options that would have no effect although somebody relies on them.
    fn check(&self, family: Family) -> Result<(), ConfigError> {
        let option = |option| Err(ConfigError::Option { option });
        match family {
            _ if self.only.is_some() && !matches!(family, Family::Offers | Family::Purchases) => option("only"),
            _ if self.only.as_ref().is_some_and(|state| !state.is_of_offers()) => option("only"),
            _ if self.state_parameter.is_some() && named_state(family).is_none() => option("state_parameter"),
            _ => Ok(()),
        }
    }

    /// The parameter with the state, where it is found by its name.
    fn state_parameter(&self, family: Family) -> Option<(&str, Field)> {
        let (name, field) = named_state(family)?;
        Some((self.state_parameter.as_deref().unwrap_or(name), field))
    }

    /// What a parameter of the URL contains. `None` for a static one, and for an allowed macro that is not known.
    fn field(&self, family: Family, parameter: &UrlParameter) -> Result<Option<Field>, ConfigError> {
        let state = self.state_parameter(family).filter(|(name, _)| *name == parameter.name());
        let text = match (parameter.macro_name(), state) {
            (None, Some((name, _))) => {
                return Err(ConfigError::StaticValue { name: name.to_owned(), what: "state".to_owned() });
            }
            (None, None) => return Ok(None),
            (Some(_), Some((_, field))) => return Ok(Some(field)),
            (Some(text), None) => text,
        };
        let field = Field::of_macro(text);
        if field.is_none() && !self.allowed_macros.iter().any(|allowed| allowed == text) {
            return Err(ConfigError::UnknownMacro {
                name: parameter.name().to_owned(),
                text: text.to_owned(),
                fix: match nearest(text) {
                    Some(meant) => format!("did you mean [%{meant}%]?"),
                    None => "take one from the dashboard's list, or allow it with `allow_macro`".to_owned(),
                },
            });
        }
        Ok(field)
    }

    /// Rejects a URL without a parameter that the family's rules need.
    fn check_required(&self, family: Family, has: impl Fn(Field) -> bool) -> Result<(), ConfigError> {
        let typed = |name: &str, field: Field| format!("{name}=[%{}%]", field.macro_text());
        let missing = |what: &str, fix| Err(ConfigError::MissingParameter { what: what.to_owned(), fix });
        if !has(Field::Player) {
            return missing("player", typed("player", Field::Player));
        }
        if family == Family::Bans {
            if !has(Field::BanStatus) {
                return missing("ban status", typed("ban_status", Field::BanStatus));
            }
            return Ok(());
        }
        if !has(Field::Transaction) {
            return missing("transaction", typed("tx", Field::Transaction));
        }
        if !has(Field::Amount) && self.only != Some(State::Pending) {
            return missing("amount", typed("amount", Field::Amount));
        }
        match family {
            // With the dashboard's switch for stateful callbacks on, only the state distinguishes a pending reward from
            // a final one. The type does not (rule 1).
            Family::Offers | Family::Purchases if !has(Field::OfferState) && self.only.is_none() => {
                let state = typed("state", Field::OfferState);
                let reference = if has(Field::Original) {
                    String::new()
                } else {
                    format!(", best with {}", typed("ref", Field::Original))
                };
                missing(
                    "state",
                    format!(
                        "{state}{reference}, or pending rewards would be paid (the state is NONE while stateful \
                         callbacks are off, so it suits either setting), or set the one state of this URL with `only`"
                    ),
                )
            }
            Family::Purchases if !has(Field::PurchaseUsd) => {
                missing("in-app purchase amount", typed("iap_usd", Field::PurchaseUsd))
            }
            Family::Surveys if !has(Field::CallbackType) => {
                missing("callback type", typed("type", Field::CallbackType))
            }
            Family::Surveys | Family::Rewards if !has(Field::Original) => {
                missing("original transaction", typed("ref", Field::Original))
            }
            _ => match self.state_parameter(family) {
                Some((name, field)) if !has(field) => missing(
                    "state",
                    format!(
                        "{name}= and the state's macro from the dashboard, or name the parameter with `state_parameter`"
                    ),
                ),
                _ => Ok(()),
            },
        }
    }
}

/// The default name of the parameter with the state, for families whose state macro is not documented.
fn named_state(family: Family) -> Option<(&'static str, Field)> {
    match family {
        Family::Receipts => Some(("magic_receipt_state", Field::ReceiptState)),
        Family::Cashback => Some(("cashback_state", Field::CashbackState)),
        _ => None,
    }
}

/// A genuine callback with its parameters found.
pub struct Received<'r> {
    setup: &'r Setup,
    query: &'r str,
    key_id: Option<&'r KeyId>,
    /// The configured parameters, the signature, the test flag.
    occurrences: Vec<Occurrence<'r>>,
}

impl<'r> Received<'r> {
    pub(super) fn new(setup: &'r Setup, query: &'r str, key_id: Option<&'r KeyId>) -> Result<Self, Problem> {
        Ok(Self { setup, query, key_id, occurrences: setup.url.locate(query)? })
    }

    pub(super) fn options(&self) -> &'r Options {
        &self.setup.app.options
    }

    /// The field with the state.
    pub(super) fn state_field(&self) -> Field {
        named_state(self.setup.family).map_or(Field::OfferState, |(_, field)| field)
    }

    pub(super) fn key_id(&self) -> Option<KeyId> {
        self.key_id.cloned()
    }

    /// The value of a field that decides about money, without white space around it; `None` if the URL does not have
    /// it.
    #[inline]
    pub(super) fn deciding(&self, field: Field) -> Result<Option<Cow<'r, str>>, Problem> {
        let Some((parameter, occurrence)) = self.find(field) else {
            return Ok(None);
        };
        match occurrence.text(parameter.name(), parameter.macro_text())? {
            Some(text) => Ok(Some(text)),
            None => Err(self.missing(field)),
        }
    }

    /// The same for a field that must have a value.
    #[inline]
    pub(super) fn required(&self, field: Field) -> Result<Cow<'r, str>, Problem> {
        match self.deciding(field)? {
            Some(text) if text.is_empty() => Err(Problem::Empty { name: self.name(field).to_owned() }),
            Some(text) => Ok(text),
            None => Err(self.missing(field)),
        }
    }

    /// An identifier that must be there.
    pub(super) fn identifier<T: FromStr<Err = IdError>>(&self, field: Field) -> Result<T, Problem> {
        self.parse_identifier(field, &self.required(field)?)
    }

    pub(super) fn parse_identifier<T: FromStr<Err = IdError>>(&self, field: Field, text: &str) -> Result<T, Problem> {
        text.parse().map_err(|error| Problem::Identifier { name: self.name(field).to_owned(), error })
    }

    /// An amount that must be there.
    pub(super) fn amount(&self, field: Field) -> Result<Decimal, Problem> {
        parse_amount(&self.required(field)?).map_err(|reason| self.malformed(field, reason))
    }

    /// A field for information: `None` if it is absent, empty or cannot be read.
    #[inline]
    pub(super) fn text(&self, field: Field) -> Option<Cow<'r, str>> {
        let (parameter, occurrence) = self.find(field)?;
        let text = self.optional(occurrence.text(parameter.name(), parameter.macro_text()))?;
        text.filter(|text| !text.is_empty())
    }

    /// A parsed field for information: `None` if it is absent, empty or malformed.
    #[inline]
    pub(super) fn parsed<T>(&self, field: Field, parse: impl Fn(&str) -> Result<T, &'static str>) -> Option<T> {
        let text = self.text(field)?;
        self.optional(parse(&text).map_err(|reason| self.malformed(field, reason)))
    }

    /// Drops what is wrong with a field that decides nothing, with a warning unless it is merely absent or empty.
    #[inline]
    pub(super) fn optional<T>(&self, field: Result<T, Problem>) -> Option<T> {
        match field {
            Ok(value) => Some(value),
            Err(Problem::Missing { .. } | Problem::Empty { .. }) => None,
            Err(problem) => {
                let labels = self.setup.labels();
                tracing::warn!(
                    target: "postback::endpoint",
                    network = labels.network,
                    app = labels.app,
                    endpoint = labels.endpoint,
                    problem = %problem,
                    "parameter ignored: it does not decide about money"
                );
                None
            }
        }
    }

    /// The event, without what only some families have.
    pub(super) fn event(&self, player: PlayerId, kind: EventKind) -> Event {
        let mut event = Event::new(self.setup.app.network.clone(), self.setup.app.name.clone(), player, kind);
        event.endpoint = Cow::Borrowed(self.setup.family.as_str());
        event.is_test = self.is_test();
        self.query.clone_into(&mut event.query);
        event
    }

    /// What cannot be reversed is not paid: see [`MAX_PAID_QUERY_BYTES`].
    pub(super) fn check_length(&self) -> Result<(), Problem> {
        if self.query.len() > MAX_PAID_QUERY_BYTES {
            return Err(Problem::TooLong { limit: MAX_PAID_QUERY_BYTES });
        }
        Ok(())
    }

    /// A player may add a second flag to the offer wall's URL: a callback is a test if any of them says so.
    fn is_test(&self) -> bool {
        let says_so = |raw: &str| {
            decode(raw).is_some_and(|value| value.trim().eq_ignore_ascii_case("true") || value.trim() == "1")
        };
        match self.occurrences.last() {
            Some(Occurrence::Once(raw)) => says_so(raw),
            Some(Occurrence::Repeated) => values(self.query, TEST_FLAG).any(says_so),
            Some(Occurrence::Absent) | None => false,
        }
    }

    #[inline]
    fn find(&self, field: Field) -> Option<(&'r UrlParameter, Occurrence<'r>)> {
        let place = self.setup.places.get(field as usize).copied().flatten()?;
        let parameter = self.setup.url.template().parameters().get(place)?;
        Some((parameter, *self.occurrences.get(place)?))
    }

    fn name(&self, field: Field) -> &'r str {
        self.find(field).map_or(field.macro_text(), |(parameter, _)| parameter.name())
    }

    fn missing(&self, field: Field) -> Problem {
        Problem::Missing { name: self.name(field).to_owned() }
    }

    fn malformed(&self, field: Field, reason: &'static str) -> Problem {
        Problem::Malformed { name: self.name(field).to_owned(), reason }
    }
}

impl fmt::Debug for Received<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received").finish_non_exhaustive()
    }
}
