//! One callback URL of a described network: authenticates requests and types them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, ready};
use std::sync::Arc;

use memchr::memchr;
use rust_decimal::Decimal;

use super::authentication::{Authentic, Authenticator, Untrusted, UrlSecret};
use super::body::{Parameters, body_format, encode, kept_query};
use super::callback::DescribedCallback;
use super::description::{digest_of, with_goal};
use super::format::{BodyFormat, Meaning, Method, OriginalForm, ResponseTable, Role, TakesBack};
use super::signed_text::Shape;
use crate::event::{BanStatus, Effect, Event, EventKind, IgnoreReason, UnusableCallback};
use crate::id::{AppName, IdError, NetworkName, PlayerId, TransactionId};
use crate::network::{Endpoint, EndpointLabels, Responses, Senders, Verified, check_kept_by};
use crate::verify::{
    BadRequest, KeyId, MAX_PAID_QUERY_BYTES, MAX_URL_BYTES, NotGenuine, Occurrence, Problem, Request, Unusable,
    VerifyError, check_static, decode, locate, parse_amount, values,
};

/// One callback URL of an app of a described network. Cheap to clone.
#[derive(Clone)]
pub struct DescribedEndpoint {
    setup: Arc<Setup>,
}

/// What an endpoint consists of.
pub(super) struct Setup {
    pub(super) network: NetworkName,
    pub(super) app: AppName,
    pub(super) endpoint: Cow<'static, str>,
    pub(super) path: String,
    pub(super) methods: Vec<Method>,
    pub(super) bodies: Vec<BodyFormat>,
    pub(super) body_limit: usize,
    /// The names of the slots.
    pub(super) names: Vec<Box<str>>,
    pub(super) slots: Vec<Slot>,
    pub(super) roles: Roles,
    /// Slots with the static value that they must have.
    pub(super) statics: Vec<(usize, Box<str>)>,
    /// The names of parameters that are not kept.
    pub(super) removed: Vec<Box<str>>,
    pub(super) authenticator: Authenticator,
    pub(super) secret: Option<UrlSecret>,
    pub(super) rules: Rules,
    pub(super) checks: Vec<TextCheck>,
    /// Roles that money depends on and that the signature does not cover.
    pub(super) uncovered: Vec<Role>,
    /// Whether kept queries are re-encoded, because the same callback may come in several forms.
    pub(super) is_uniform: bool,
    pub(super) response: ResponseTable,
    pub(super) senders: Option<Senders>,
}

/// A parameter that an endpoint looks for.
#[derive(Clone)]
pub(super) struct Slot {
    pub(super) name: Box<str>,
    pub(super) macro_text: Option<Box<str>>,
    /// The static value, if it has one.
    pub(super) value: Option<Box<str>>,
    pub(super) is_in_url: bool,
}

/// For each role, the slots that may bring it.
#[derive(Debug, Clone, Default)]
pub(super) struct Roles {
    slots: BTreeMap<Role, Vec<usize>>,
    /// The roles that were typed into the URL or named by the operator.
    pub(super) configured: Vec<Role>,
}

impl Roles {
    pub(super) fn get(&self, role: Role) -> &[usize] {
        self.slots.get(&role).map_or(&[], Vec::as_slice)
    }

    pub(super) fn set(&mut self, role: Role, slots: Vec<usize>) {
        self.slots.insert(role, slots);
    }
}

/// What is checked of a value so that the signature proves it.
pub(super) struct TextCheck {
    pub(super) slot: usize,
    pub(super) shape: Option<Shape>,
    pub(super) separators: Vec<Box<str>>,
}

/// What callbacks mean.
#[allow(clippy::struct_excessive_bools, reason = "each is a choice of its own in the description")]
pub(super) struct Rules {
    pub(super) fixed: Option<Meaning>,
    pub(super) checks_status: bool,
    pub(super) requires_status: bool,
    pub(super) words: Vec<(Box<str>, Meaning)>,
    pub(super) absent: Option<Meaning>,
    pub(super) empty: Option<Meaning>,
    pub(super) negative_reverses: bool,
    pub(super) allows_no_amount: bool,
    pub(super) has_goal_transactions: bool,
    pub(super) has_transactions_of_players: bool,
    pub(super) requires_goal: bool,
    pub(super) reinstates: bool,
    pub(super) original: OriginalForm,
    /// The network adds the reference to reversals, and rewards have none.
    pub(super) only_reversals_refer: bool,
    pub(super) takes_back: TakesBack,
    /// Slots with the values that mark a test.
    pub(super) tests: Vec<(usize, Vec<String>)>,
    /// Slots with the values that say that nothing is paid.
    pub(super) not_rewards: Vec<(usize, Vec<String>)>,
    /// The slot of the event, with the words for banned and unbanned.
    pub(super) ban: Option<(usize, Vec<String>, Vec<String>)>,
}

impl Rules {
    pub(super) fn may_be(&self, meaning: Meaning) -> bool {
        match self.fixed {
            Some(fixed) => fixed == meaning,
            None => {
                self.words.iter().any(|(_, known)| *known == meaning)
                    || self.absent == Some(meaning)
                    || self.empty == Some(meaning)
            }
        }
    }

    /// The configured word and its meaning.
    fn of_word(&self, word: &str) -> Option<(&str, Meaning)> {
        let known = self.words.iter().find(|(known, _)| known.eq_ignore_ascii_case(word))?;
        Some((&*known.0, known.1))
    }
}

impl Setup {
    /// Whether a secret in the request proves the sender.
    pub(super) fn has_shared_secret(&self) -> bool {
        self.secret.is_some()
            || matches!(self.authenticator, Authenticator::Secret { .. } | Authenticator::Credentials(_))
    }

    fn labels(&self) -> EndpointLabels<'_> {
        EndpointLabels { network: self.network.as_str(), app: self.app.as_str(), endpoint: &self.endpoint }
    }

    /// Checks everything that needs no body. Returns whether the request has one.
    fn check_head(&self, request: &Request<'_>) -> Result<bool, VerifyError> {
        let has_query = request.query().is_some_and(|query| !query.is_empty());
        let may_be_probe = matches!(request.method(), "HEAD" | "GET") && !has_query;
        if self.response.accept_probe && may_be_probe {
            return Err(BadRequest::Empty.into());
        }
        let has_body = match request.method() {
            "GET" if self.methods.contains(&Method::Get) => false,
            "POST" if self.methods.contains(&Method::Post) => true,
            _ => {
                return Err(BadRequest::Method { allowed: Method::list(&self.methods) }.into());
            }
        };
        if request.target().len() > MAX_URL_BYTES {
            return Err(BadRequest::UrlTooLong { limit: MAX_URL_BYTES }.into());
        }
        if memchr(b'#', request.target().as_bytes()).is_some() {
            return Err(BadRequest::Fragment.into());
        }
        Senders::check(self.senders.as_ref(), request)?;
        if !has_body && !has_query {
            return Err(BadRequest::Empty.into());
        }
        self.authenticator.check_head(request)?;
        Ok(has_body)
    }

    fn verify(&self, request: &Request<'_>) -> Result<Verified<DescribedCallback>, VerifyError> {
        let has_body = self.check_head(request)?;
        let format = if has_body {
            if request.body().len() > self.body_limit {
                return Err(BadRequest::BodyTooLarge { limit: self.body_limit }.into());
            }
            body_format(request, &self.bodies)?
        } else {
            None
        };
        if let Authenticator::Body { .. } = self.authenticator {
            // Nothing of the body is parsed before it is authenticated.
            let nothing = Untrusted { query: "", names: &[], found: &[] };
            self.authenticator.authenticate(request, &nothing)?;
        }
        let mut parameters = Parameters::of(request, format);
        if let Authenticator::Body { .. } = self.authenticator {
            // The URL is not signed: of its query, only what must be as configured counts.
            let typed = self.statics.iter().filter_map(|(slot, _)| self.names.get(*slot));
            let secret = self.secret.iter().map(|secret| &secret.name);
            parameters.ignore_query(request, &typed.chain(secret).map(|name| &**name).collect::<Vec<_>>());
        }
        let query = &*parameters.query;
        let needs_values = self.authenticator.needs_values() || self.secret.is_some();
        let mut found = Vec::new();
        if needs_values {
            if let Some(reason) = parameters.malformed {
                return Err(NotGenuine::MalformedBody { reason }.into());
            }
            found = locate(query, &self.names);
        }
        let untrusted = Untrusted { query, names: &self.names, found: &found };
        if let Some(secret) = &self.secret {
            secret.check(&untrusted)?;
        }
        let authentic = self.authenticator.authenticate(request, &untrusted).map_err(|error| {
            // Credentials may have been in the body that cannot be read.
            match parameters.malformed {
                Some(reason) if !matches!(error, NotGenuine::Credentials { .. }) => {
                    NotGenuine::MalformedBody { reason }
                }
                _ => error,
            }
        })?;
        let Authentic { query: signed, key } = authentic;
        if !needs_values || signed.len() != query.len() {
            found = locate(signed, &self.names);
        }
        let kept = if self.removed.is_empty() && !self.is_uniform {
            signed.to_owned()
        } else {
            kept_query(signed, &self.removed, self.is_uniform)
        };
        if let Some(reason) = parameters.malformed {
            let problem = Problem::Malformed { name: "body".to_owned(), reason };
            let body = String::from_utf8_lossy(request.body());
            let separator = if kept.is_empty() { "" } else { "&" };
            return Err(self.unusable(problem, format!("{kept}{separator}body={}", encode(&body))));
        }
        let is_repeated_signature =
            matches!(self.authenticator, Authenticator::UrlEnd(_)).then(|| self.repeated_signature(&found)).flatten();
        let callback = match is_repeated_signature {
            Some(problem) => Err(problem),
            None => Reader { setup: self, query: signed, found: &found }.read(key.as_ref(), &kept),
        };
        let callback = callback.map_err(|problem| self.unusable(problem, kept))?;
        Senders::report(self.senders.as_ref(), self.labels(), request);
        Ok(Verified::new(callback))
    }

    /// A player can add a parameter of the signature's name. The network's own is split off already.
    fn repeated_signature(&self, found: &[Occurrence<'_>]) -> Option<Problem> {
        let Authenticator::UrlEnd(verifier) = &self.authenticator else {
            return None;
        };
        let at = self.names.iter().position(|name| **name == *verifier.parameter())?;
        (*found.get(at)? != Occurrence::Absent).then(|| Problem::Repeated { name: verifier.parameter().to_owned() })
    }

    fn unusable(&self, problem: Problem, query: String) -> VerifyError {
        Unusable::new(&self.network, &self.app, self.endpoint.clone(), &self.path, problem, query).into()
    }
}

impl DescribedEndpoint {
    pub(super) fn new(setup: Arc<Setup>) -> Self {
        Self { setup }
    }

    /// The path to route to this endpoint: that of the configured URL.
    pub fn path(&self) -> &str {
        &self.setup.path
    }

    /// What money depends on and the network's signature does not cover.
    pub fn uncovered(&self) -> &[Role] {
        &self.setup.uncovered
    }

    /// Whether a shared secret in the request proves the sender, alone or next to a signature.
    pub fn has_shared_secret(&self) -> bool {
        self.setup.has_shared_secret()
    }
}

impl Endpoint for DescribedEndpoint {
    type Callback = DescribedCallback;

    fn path(&self) -> &str {
        self.path()
    }

    fn labels(&self) -> EndpointLabels<'_> {
        self.setup.labels()
    }

    fn verify(&self, request: &Request<'_>) -> Result<Verified<DescribedCallback>, VerifyError> {
        self.setup.verify(request)
    }

    fn replay(&self, kept: &UnusableCallback) -> Result<DescribedCallback, VerifyError> {
        let setup = &*self.setup;
        let query = kept_query(&kept.query, &setup.removed, false);
        let found = locate(&query, &setup.names);
        let reader = Reader { setup, query: &query, found: &found };
        let callback = check_kept_by(self, kept).and_then(|()| reader.read(None, &query));
        callback.map_err(|problem| setup.unusable(problem, query.clone()))
    }

    fn body_limit(&self) -> usize {
        self.setup.body_limit
    }

    fn check_head(&self, request: &Request<'_>) -> Result<(), VerifyError> {
        self.setup.check_head(request).map(|_| ())
    }

    fn prepare(&self, _: &Request<'_>) -> impl Future<Output = ()> + Send {
        ready(())
    }

    fn responses(&self) -> Responses<'_> {
        let response = &self.setup.response;
        Responses {
            settled: response.settled.as_deref(),
            duplicate: response.duplicate.as_deref(),
            rejected: response.rejected.as_deref(),
            not_genuine_status: response.not_genuine_status,
            accept_probe: response.accept_probe,
        }
    }
}

/// Shows names and nothing secret.
impl fmt::Debug for DescribedEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DescribedEndpoint")
            .field("network", &self.setup.network.as_str())
            .field("app", &self.setup.app.as_str())
            .field("endpoint", &self.setup.endpoint)
            .finish_non_exhaustive()
    }
}

/// Types an authenticated query.
struct Reader<'s, 'q> {
    setup: &'s Setup,
    query: &'q str,
    found: &'s [Occurrence<'q>],
}

/// The value of a role.
enum Value<'q> {
    Absent,
    Empty,
    Text(Cow<'q, str>),
}

/// What networks write instead of leaving a value empty.
const NULL: &str = "null";

impl<'q> Value<'q> {
    /// The text, unless it is empty or `null`.
    fn non_null(self) -> Option<Cow<'q, str>> {
        match self {
            Self::Text(text) if !text.eq_ignore_ascii_case(NULL) => Some(text),
            _ => None,
        }
    }
}

impl<'q> Reader<'_, 'q> {
    fn read(&self, key: Option<&KeyId>, kept: &str) -> Result<DescribedCallback, Problem> {
        let setup = self.setup;
        let rules = &setup.rules;
        for (slot, expected) in &setup.statics {
            check_static(self.query, self.name(*slot), expected, self.occurrence(*slot))?;
        }
        let player: PlayerId = self.required(Role::Player)?;
        self.check_texts()?;
        let callback = |kind: EventKind| {
            let mut event = Event::new(setup.network.clone(), setup.app.clone(), player.clone(), kind);
            event.endpoint.clone_from(&setup.endpoint);
            event.reason = self.informational(Role::Reason);
            event.is_test = self.matches_any(&rules.tests);
            kept.clone_into(&mut event.query);
            DescribedCallback {
                player: player.clone(),
                transaction: None,
                original: None,
                goal: None,
                amount: None,
                status: None,
                key: key.cloned(),
                event,
            }
        };
        if let Some(status) = self.ban() {
            return Ok(callback(EventKind::Ban(status)));
        }
        let transaction: TransactionId = self.required(Role::Transaction)?;
        let goal = self.goal()?;
        let status = self.status()?;
        let amount = self.value(Role::Amount).and_then(|value| self.amount(value));
        let usd = self.usd(&amount);
        let (word, meaning) = self.meaning(&status)?;
        let stated_status = match &status {
            Value::Text(text) => Some(text.clone().into_owned()),
            _ => None,
        };

        let mut original = None;
        let effect = match meaning {
            Err(reason) => Effect::Ignored { status: word.into_owned().into(), reason },
            Ok(Meaning::NotAReward) => not_a_reward(word),
            Ok(Meaning::Pending) => {
                Effect::Pending { stage: word.into_owned().into(), amount: amount.clone().ok().flatten() }
            }
            Ok(Meaning::Completed) if self.is_negative(&amount, usd) => {
                self.reversal(&transaction, &mut original, amount.clone().ok().flatten())?
            }
            Ok(Meaning::Completed) if self.is_reversal_id(&transaction) => {
                Effect::Ignored { status: word.into_owned().into(), reason: IgnoreReason::Contradictory }
            }
            Ok(Meaning::Completed) => self.completed(word, amount.clone()?, goal.as_deref())?,
            Ok(Meaning::Reversed) => {
                let stated = match rules.takes_back {
                    TakesBack::Everything => amount.clone().ok().flatten(),
                    TakesBack::Stated => amount.clone()?,
                };
                self.reversal(&transaction, &mut original, stated)?
            }
        };
        let stored = |id: &TransactionId| self.stored(id, &player, goal.as_deref());
        let kind = EventKind::Conversion {
            transaction: stored(&transaction)?,
            original: original.as_ref().map(stored).transpose()?,
            effect,
        };
        let mut callback = DescribedCallback {
            transaction: Some(transaction),
            original,
            goal,
            amount: amount.ok().flatten(),
            status: stated_status,
            ..callback(kind)
        };
        callback.event.usd = usd;
        Ok(callback)
    }

    fn name(&self, slot: usize) -> &str {
        self.setup.names.get(slot).map_or("", |name| name)
    }

    fn occurrence(&self, slot: usize) -> Occurrence<'q> {
        self.found.get(slot).copied().unwrap_or(Occurrence::Absent)
    }

    fn text(&self, slot: usize) -> Result<Option<Cow<'q, str>>, Problem> {
        let known = self.setup.slots.get(slot);
        let macro_text = known.and_then(|slot| slot.macro_text.as_deref());
        self.occurrence(slot).text(self.name(slot), macro_text)
    }

    /// The value of a role: that of the first parameter that has one.
    fn value(&self, role: Role) -> Result<Value<'q>, Problem> {
        let is_none = |text: &str| match role {
            Role::Player => text.eq_ignore_ascii_case(NULL),
            Role::Transaction => text == "0" || text.eq_ignore_ascii_case(NULL),
            _ => false,
        };
        let mut value = Value::Absent;
        for slot in self.setup.roles.get(role) {
            match self.text(*slot)? {
                None => {}
                Some(text) if text.is_empty() || is_none(&text) => value = Value::Empty,
                Some(text) => return Ok(Value::Text(text)),
            }
        }
        Ok(value)
    }

    /// The first name of a role, for errors.
    fn role_name(&self, role: Role) -> String {
        let slot = self.setup.roles.get(role).first();
        slot.map_or(role.as_str(), |slot| self.name(*slot)).to_owned()
    }

    fn required<T: std::str::FromStr<Err = IdError>>(&self, role: Role) -> Result<T, Problem> {
        let name = || self.role_name(role);
        match self.value(role)? {
            Value::Absent => Err(Problem::Missing { name: name() }),
            Value::Empty => Err(Problem::Empty { name: name() }),
            Value::Text(text) => text.parse().map_err(|error| Problem::Identifier { name: name(), error }),
        }
    }

    /// The value of a role that decides nothing. One that cannot be read is absent.
    fn informational(&self, role: Role) -> Option<String> {
        match self.value(role) {
            Ok(value) => value.non_null().map(Cow::into_owned),
            Err(problem) => {
                self.warn(&problem);
                None
            }
        }
    }

    fn warn(&self, problem: &Problem) {
        tracing::warn!(
            target: "postback::endpoint",
            network = self.setup.network.as_str(),
            app = self.setup.app.as_str(),
            endpoint = &*self.setup.endpoint,
            %problem,
            "a parameter that decides nothing cannot be read: it counts as absent"
        );
    }

    /// Whether every signed value ends where it must. Of several values, only one is signed.
    fn check_texts(&self) -> Result<(), Problem> {
        for check in &self.setup.checks {
            let raw = match self.occurrence(check.slot) {
                Occurrence::Absent => continue,
                Occurrence::Once(raw) => raw,
                Occurrence::Repeated => {
                    return Err(Problem::Repeated { name: self.name(check.slot).to_owned() });
                }
            };
            let Some(text) = decode(raw) else { continue };
            let reason = if check.shape.is_some_and(|shape| !shape.fits(&text)) {
                "does not have the declared shape, so the signature does not prove it"
            } else if check.separators.iter().any(|separator| text.contains(&**separator)) {
                "contains the separator of the signed text, so the signature does not prove it"
            } else {
                continue;
            };
            return Err(Problem::Malformed { name: self.name(check.slot).to_owned(), reason });
        }
        Ok(())
    }

    /// Whether any of the parameters has one of its values, also among several values.
    fn matches_any(&self, conditions: &[(usize, Vec<String>)]) -> bool {
        conditions.iter().any(|(slot, words)| {
            let is_word =
                |raw: &str| decode(raw).is_some_and(|value| words.iter().any(|word| word.eq_ignore_ascii_case(&value)));
            match self.occurrence(*slot) {
                Occurrence::Absent => false,
                Occurrence::Once(raw) => is_word(raw),
                Occurrence::Repeated => values(self.query, self.name(*slot)).any(is_word),
            }
        })
    }

    fn ban(&self) -> Option<BanStatus> {
        let (slot, banned, unbanned) = self.setup.rules.ban.as_ref()?;
        let Occurrence::Once(raw) = self.occurrence(*slot) else {
            return None;
        };
        let word = decode(raw)?;
        let is_in = |words: &[String]| words.iter().any(|known| known.eq_ignore_ascii_case(&word));
        if is_in(banned) {
            Some(BanStatus::Banned)
        } else if is_in(unbanned) {
            Some(BanStatus::Active)
        } else {
            None
        }
    }

    /// The status. A player can add another one to the offer wall's URL. That must not hide a reversal.
    fn status(&self) -> Result<Value<'q>, Problem> {
        let status = self.value(Role::Status);
        if !matches!(status, Err(Problem::Repeated { .. })) {
            return status;
        }
        let slots = self.setup.roles.get(Role::Status).iter();
        let mut texts = slots.flat_map(|slot| values(self.query, self.name(*slot))).filter_map(decode);
        let is_reversal = |text: &Cow<'_, str>| {
            self.setup.rules.of_word(text).is_some_and(|(_, meaning)| meaning == Meaning::Reversed)
        };
        texts.find(is_reversal).map_or(status, |text| Ok(Value::Text(text)))
    }

    /// The goal. Empty and `null` are none; an absent one is a mistake in the dashboard if the URL has a goal.
    fn goal(&self) -> Result<Option<String>, Problem> {
        match self.value(Role::Goal)? {
            Value::Absent if self.setup.rules.requires_goal => {
                Err(Problem::Missing { name: self.role_name(Role::Goal) })
            }
            value => Ok(value.non_null().map(Cow::into_owned)),
        }
    }

    /// An amount; `None` if none is stated.
    fn amount(&self, value: Value<'_>) -> Result<Option<Decimal>, Problem> {
        let Value::Text(text) = value else {
            return Ok(None);
        };
        if self.setup.rules.allows_no_amount && text.eq_ignore_ascii_case(NULL) {
            return Ok(None);
        }
        parse_amount(&text)
            .map(Some)
            .map_err(|reason| Problem::Malformed { name: self.role_name(Role::Amount), reason })
    }

    fn usd(&self, amount: &Result<Option<Decimal>, Problem>) -> Option<Decimal> {
        let parse = |role: Role| {
            let text = self.informational(role)?;
            match parse_amount(&text) {
                Ok(usd) => Some(usd),
                Err(reason) => {
                    self.warn(&Problem::Malformed { name: self.role_name(role), reason });
                    None
                }
            }
        };
        if let Some(usd) = parse(Role::Usd) {
            return Some(usd);
        }
        if let Some(cents) = parse(Role::UsdCents) {
            return cents.checked_div(Decimal::ONE_HUNDRED);
        }
        let is_usd = self.informational(Role::Currency).is_some_and(|currency| currency.eq_ignore_ascii_case("USD"));
        amount.as_ref().ok().copied().flatten().filter(|_| is_usd)
    }

    fn is_negative(&self, amount: &Result<Option<Decimal>, Problem>, usd: Option<Decimal>) -> bool {
        let is_below_zero = |amount: &Decimal| *amount < Decimal::ZERO;
        let amount = amount.as_ref().ok().copied().flatten();
        self.setup.rules.negative_reverses && (amount.iter().chain(&usd)).any(is_below_zero)
    }

    /// The status word and its meaning, or why it has none.
    #[allow(clippy::type_complexity, reason = "read in one place")]
    fn meaning<'v>(&'v self, status: &'v Value<'q>) -> Result<(Cow<'v, str>, Result<Meaning, IgnoreReason>), Problem> {
        let rules = &self.setup.rules;
        if self.matches_any(&rules.not_rewards) {
            return Ok(("".into(), Ok(Meaning::NotAReward)));
        }
        let text = match status {
            Value::Text(text) if text.eq_ignore_ascii_case(NULL) && rules.empty.is_some() => "",
            Value::Text(text) => text,
            Value::Empty | Value::Absent => "",
        };
        let known = rules.of_word(text);
        if let Some(fixed) = rules.fixed {
            if rules.checks_status
                && !matches!(status, Value::Absent)
                && known.is_none_or(|(_, meaning)| meaning != fixed)
            {
                return Err(Problem::StateMismatch { expected: fixed.as_str().to_owned() });
            }
            let is_missing = rules.requires_status && rules.absent.is_none() && matches!(status, Value::Absent);
            if rules.checks_status && is_missing {
                return Err(Problem::Missing { name: self.role_name(Role::Status) });
            }
            let word = known.map_or(fixed.as_str(), |(word, _)| word);
            return Ok((word.into(), Ok(fixed)));
        }
        Ok(match (status, known) {
            (Value::Absent, _) => match rules.absent {
                Some(meaning) => (meaning.as_str().into(), Ok(meaning)),
                None => {
                    return Err(Problem::Missing { name: self.role_name(Role::Status) });
                }
            },
            (_, _) if text.is_empty() => match rules.empty {
                Some(meaning) => (meaning.as_str().into(), Ok(meaning)),
                None => ("".into(), Err(IgnoreReason::EmptyState)),
            },
            (_, Some((word, meaning))) => (word.into(), Ok(meaning)),
            (_, None) => (text.into(), Err(IgnoreReason::UnknownState)),
        })
    }

    fn completed(&self, word: Cow<'_, str>, amount: Option<Decimal>, goal: Option<&str>) -> Result<Effect, Problem> {
        let rules = &self.setup.rules;
        if rules.original == OriginalForm::Field {
            self.check_has_no_reference()?;
        }
        if self.query.len() > MAX_PAID_QUERY_BYTES {
            return Err(Problem::TooLong { limit: MAX_PAID_QUERY_BYTES });
        }
        let Some(amount) = amount else {
            if rules.allows_no_amount {
                return Ok(not_a_reward(word));
            }
            let name = self.role_name(Role::Amount);
            return Err(match self.value(Role::Amount)? {
                Value::Absent => Problem::Missing { name },
                _ => Problem::Empty { name },
            });
        };
        Ok(Effect::Completed {
            amount,
            milestone: goal.filter(|_| !rules.has_goal_transactions).map(|goal| goal.to_owned().into()),
            reinstates: rules.reinstates,
        })
    }

    /// The other transaction that a reversal refers to. Of several values, one that refers to none may be a player's.
    fn reference(&self, own: &TransactionId) -> Result<Option<TransactionId>, Problem> {
        let name = || self.role_name(Role::Original);
        let mut texts: Vec<Cow<'q, str>> = match self.value(Role::Original) {
            Err(Problem::Repeated { .. }) => {
                let slots = self.setup.roles.get(Role::Original).iter();
                slots.flat_map(|slot| values(self.query, self.name(*slot))).filter_map(decode).collect()
            }
            value => value?.non_null().into_iter().collect(),
        };
        texts.retain(|text| is_reference(text, own));
        texts.dedup();
        match texts.as_slice() {
            [] => Ok(None),
            [text] => TransactionId::new(text).map(Some).map_err(|error| Problem::Identifier { name: name(), error }),
            _ => Err(Problem::Repeated { name: name() }),
        }
    }

    /// A reference that a player adds to the offer wall's URL would make the reversal unusable. What cannot be reversed is
    /// not paid.
    fn check_has_no_reference(&self) -> Result<(), Problem> {
        for slot in self.setup.roles.get(Role::Original) {
            let name = || self.name(*slot).to_owned();
            match self.occurrence(*slot) {
                Occurrence::Once(_) if self.setup.rules.only_reversals_refer => {
                    return Err(Problem::Malformed { name: name(), reason: "only reversals refer to a transaction" });
                }
                Occurrence::Repeated => return Err(Problem::Repeated { name: name() }),
                Occurrence::Absent | Occurrence::Once(_) => {}
            }
        }
        Ok(())
    }

    /// Whether only reversals have such transactions.
    fn is_reversal_id(&self, transaction: &TransactionId) -> bool {
        match &self.setup.rules.original {
            OriginalForm::Prefix(prefix) => transaction.as_str().starts_with(&**prefix),
            _ => false,
        }
    }

    /// What a reversal does, and which other transaction it takes back.
    fn reversal(
        &self,
        own: &TransactionId,
        original: &mut Option<TransactionId>,
        stated: Option<Decimal>,
    ) -> Result<Effect, Problem> {
        let rules = &self.setup.rules;
        let taken = |same_transaction| match stated {
            // Networks write it with either sign.
            Some(amount) => Effect::Adjusted { by: -amount.abs(), same_transaction },
            None => Effect::Revoked,
        };
        let is_linked = match &rules.original {
            OriginalForm::SameTransaction => true,
            OriginalForm::Unknown => false,
            OriginalForm::Prefix(prefix) => {
                if let Some(rest) = own.as_str().strip_prefix(&**prefix) {
                    let name = self.role_name(Role::Transaction);
                    let id = TransactionId::new(rest).map_err(|error| Problem::Identifier { name, error })?;
                    *original = Some(id);
                }
                true
            }
            OriginalForm::Field => {
                *original = self.reference(own)?;
                original.is_some()
            }
        };
        Ok(match (is_linked, rules.takes_back) {
            (true, TakesBack::Everything) => Effect::Revoked,
            (true, TakesBack::Stated) => taken(original.is_none()),
            // It takes back nothing unless its own transaction was paid, and shows up as a reversal without a reward.
            (false, _) => taken(false),
        })
    }

    /// The transaction under which the callback is stored.
    fn stored(&self, id: &TransactionId, player: &PlayerId, goal: Option<&str>) -> Result<TransactionId, Problem> {
        let rules = &self.setup.rules;
        let stored = if !rules.has_goal_transactions {
            return Ok(id.clone());
        } else if rules.has_transactions_of_players {
            with_goal(id, Some(&digest_of(player.as_str())))
        } else {
            with_goal(id, goal)
        };
        stored.map_err(|error| Problem::Identifier { name: self.role_name(Role::Goal), error })
    }
}

/// Whether a text refers to another transaction. Empty, `0`, `null` and the callback's own do not.
fn is_reference(text: &str, own: &TransactionId) -> bool {
    !matches!(text, "" | "0") && !text.eq_ignore_ascii_case(NULL) && *own != *text
}

fn not_a_reward(word: Cow<'_, str>) -> Effect {
    Effect::Ignored { status: word.into_owned().into(), reason: IgnoreReason::NotAReward }
}
