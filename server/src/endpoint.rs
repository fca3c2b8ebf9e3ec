//! Configured endpoints: of any network, behind one type.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use axum::routing::MethodRouter;
use postback::admob::{self, HttpsKeys, PlayerIn, VerificationKeys};
use postback::bitlabs::{App, Family, State};
use postback::network::{
    self, ConfigError, Credential, DescribedBuilder, Description, Endpoint, Meaning, Role, Senders, Shape,
};
use postback::store::StoreError;
use postback::testing::described::DescribedSigner;
use postback::verify::Query;
use postback::{EndpointLabels, Event, ReplaySummary, Request, Secret, Verified, VerifyError};

use zeroize::Zeroizing;

use crate::delivery::ServerReceiver;
use crate::feed::EndpointCounts;
use crate::intake::Intake;

/// The keys that an `[[endpoint]]` table may have.
pub(crate) const KEYS: [&str; 24] = [
    "network",
    "app",
    "secret",
    "url",
    "family",
    "only",
    "acknowledge",
    "allow_macros",
    "state_parameter",
    "endpoint",
    "meaning",
    "parameters",
    "words",
    "shapes",
    "after_reversal",
    "login",
    "header",
    "senders",
    "proxies",
    "enforce_senders",
    "accept_probe",
    "ad_units",
    "keys_file",
    "player_in",
];

/// Those that only BitLabs has.
const BITLABS_KEYS: [&str; 5] = ["family", "only", "acknowledge", "allow_macros", "state_parameter"];

/// Those that only `AdMob` has.
const ADMOB_KEYS: [&str; 3] = ["ad_units", "keys_file", "player_in"];

/// The base of URLs that are not in the configuration.
pub(crate) const BASE: &str = "https://YOUR-HOST";

/// What printed URLs say in the place of the secret.
const PLACEHOLDER: &str = "YOUR_SECRET";

/// The value of a key, as far as options need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OptionValue {
    Text(String),
    Flag(bool),
    List(Vec<String>),
    Table(Vec<(String, String)>),
}

/// What an `[[endpoint]]` table says, with secrets read.
pub(crate) struct EndpointSettings<'c> {
    pub(crate) network: &'c str,
    pub(crate) app: &'c str,
    pub(crate) secret: Option<&'c str>,
    pub(crate) url: Option<&'c str>,
    pub(crate) options: HashMap<&'static str, OptionValue>,
}

impl EndpointSettings<'_> {
    fn text(&self, key: &'static str) -> Result<Option<&str>, EndpointProblem> {
        match self.options.get(key) {
            None => Ok(None),
            Some(OptionValue::Text(text)) => Ok(Some(text)),
            Some(_) => Err(problem(key, "not a text: put it in quotation marks")),
        }
    }

    fn flag(&self, key: &'static str) -> Result<Option<bool>, EndpointProblem> {
        match self.options.get(key) {
            None => Ok(None),
            Some(OptionValue::Flag(flag)) => Ok(Some(*flag)),
            Some(_) => Err(problem(key, "neither true nor false")),
        }
    }

    fn list(&self, key: &'static str) -> Result<&[String], EndpointProblem> {
        match self.options.get(key) {
            None => Ok(&[]),
            Some(OptionValue::List(list)) => Ok(list),
            Some(_) => Err(problem(key, "not a list of texts: write [\"…\", \"…\"]")),
        }
    }

    fn table(&self, key: &'static str) -> Result<&[(String, String)], EndpointProblem> {
        match self.options.get(key) {
            None => Ok(&[]),
            Some(OptionValue::Table(table)) => Ok(table),
            Some(_) => Err(problem(key, "not a table of texts: write { name = \"…\" }")),
        }
    }

    /// Reports the first of these keys that is set.
    fn reject(&self, keys: &[&'static str], fix: &str) -> Result<(), EndpointProblem> {
        match keys.iter().find(|key| self.options.contains_key(*key)) {
            Some(key) => Err(problem(key, format!("not for this network: {fix}"))),
            None => Ok(()),
        }
    }
}

/// Why an endpoint cannot be set up, and the key to change.
#[derive(Debug)]
pub(crate) struct EndpointProblem {
    pub(crate) key: &'static str,
    pub(crate) text: String,
}

fn problem(key: &'static str, text: impl fmt::Display) -> EndpointProblem {
    EndpointProblem { key, text: text.to_string() }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// [`Endpoint`] for trait objects.
trait AnyEndpoint: Send + Sync {
    fn path(&self) -> &str;
    fn labels(&self) -> EndpointLabels<'_>;
    fn verify(&self, request: &Request<'_>) -> Result<Verified<Event>, VerifyError>;
    fn prepare<'a>(&'a self, request: &'a Request<'a>) -> Boxed<'a, ()>;
    fn reads_bodies(&self) -> bool;
    fn route(&self, intake: &Intake) -> MethodRouter;
    fn replay<'a>(&'a self, receiver: &'a ServerReceiver) -> Boxed<'a, Result<ReplaySummary, StoreError>>;
}

impl<E: Endpoint> AnyEndpoint for E {
    fn path(&self) -> &str {
        Endpoint::path(self)
    }

    fn labels(&self) -> EndpointLabels<'_> {
        Endpoint::labels(self)
    }

    fn verify(&self, request: &Request<'_>) -> Result<Verified<Event>, VerifyError> {
        Endpoint::verify(self, request).map(Verified::<Event>::from)
    }

    fn prepare<'a>(&'a self, request: &'a Request<'a>) -> Boxed<'a, ()> {
        Box::pin(Endpoint::prepare(self, request))
    }

    fn reads_bodies(&self) -> bool {
        self.body_limit() > 0
    }

    fn route(&self, intake: &Intake) -> MethodRouter {
        postback::axum::callbacks(self, intake)
    }

    fn replay<'a>(&'a self, receiver: &'a ServerReceiver) -> Boxed<'a, Result<ReplaySummary, StoreError>> {
        Box::pin(receiver.replay(self))
    }
}

/// One endpoint of the configuration.
pub(crate) struct ConfiguredEndpoint {
    endpoint: Box<dyn AnyEndpoint>,
    /// The URL as it is typed into the network's dashboard.
    pub(crate) url: String,
    /// Whether the configuration leaves the URL out.
    pub(crate) has_default_url: bool,
    /// Numbers of this endpoint: others may have the same labels.
    pub(crate) counts: Arc<EndpointCounts>,
    /// What the network's signature does not cover, although it decides about money.
    pub(crate) uncovered: Vec<String>,
    /// Its secret, for `simulate`. Networks that sign nothing may have none.
    secret: Option<Zeroizing<String>>,
    pub(crate) kind: NetworkKind,
}

/// How a network is implemented, and what `simulate` must know to send its callbacks.
pub(crate) enum NetworkKind {
    Bitlabs,
    Admob {
        player_in: PlayerIn,
        /// The numbers of its ad units.
        ad_units: Vec<String>,
    },
    Described {
        description: Box<Description>,
        /// The login, or the header, of a network with HTTP credentials.
        login: Option<String>,
        header: Option<String>,
        /// The parameters and words of the endpoint's own.
        names: Vec<(Role, String)>,
        words: Vec<(String, Meaning)>,
    },
}

impl fmt::Debug for ConfiguredEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfiguredEndpoint").field("labels", &self.labels()).finish_non_exhaustive()
    }
}

impl ConfiguredEndpoint {
    fn new(endpoint: impl Endpoint, url: &str, kind: NetworkKind) -> Self {
        Self {
            endpoint: Box::new(endpoint),
            url: url.to_owned(),
            has_default_url: false,
            counts: Arc::default(),
            uncovered: Vec::new(),
            secret: None,
            kind,
        }
    }

    /// Sets an endpoint up. `own` is the network's description in the configuration file, if it has one.
    pub(crate) fn build(settings: &EndpointSettings<'_>, own: Option<&Description>) -> Result<Self, EndpointProblem> {
        if settings.url.is_some_and(|url| url.contains(PLACEHOLDER)) {
            let fix = "remove the url, and paste the one that `postback url --config FILE` prints into the dashboard";
            return Err(problem("url", format!("{PLACEHOLDER} stands for the secret: {fix}")));
        }
        let endpoint = Self::build_for_network(settings, own)?;
        let secret = settings.secret.map(|secret| Zeroizing::new(secret.to_owned()));
        Ok(Self { secret, has_default_url: settings.url.is_none(), ..endpoint })
    }

    fn build_for_network(settings: &EndpointSettings<'_>, own: Option<&Description>) -> Result<Self, EndpointProblem> {
        match settings.network {
            "bitlabs" => return Self::bitlabs(settings),
            "admob" => return Self::admob(settings),
            _ => {}
        }
        let description = match own {
            Some(description) => description.clone(),
            None => network::preset(settings.network).map_err(|error| match error {
                ConfigError::UnknownNetwork { name, fix } if fix.starts_with("use ") => problem(
                    "network",
                    format!(
                        "unknown network {name:?}: use bitlabs, admob, a preset, or describe it in [networks.{name}]"
                    ),
                ),
                error => problem("network", error),
            })?,
        };
        Self::described(settings, &description)
    }

    fn bitlabs(settings: &EndpointSettings<'_>) -> Result<Self, EndpointProblem> {
        let others: Vec<&'static str> = KEYS.into_iter().skip(4).filter(|key| !BITLABS_KEYS.contains(key)).collect();
        settings.reject(&others, "remove it")?;
        let Some(secret) = settings.secret else {
            return Err(problem("secret", "missing key: add secret = \"env:NAME\" with the App Secret"));
        };
        let Some(url) = settings.url else {
            return Err(problem("url", "missing key: add the URL from the dashboard, macros included"));
        };
        let mut app = App::new(settings.app, secret).map_err(|error| match error {
            ConfigError::Name(_) => problem("app", error),
            _ => problem("secret", error),
        })?;
        if let Some(state) = settings.text("only")? {
            app = app.only(match state {
                "PENDING" => State::Pending,
                "COMPLETED" => State::Completed,
                "RECONCILED" => State::Reconciled,
                _ => {
                    return Err(problem("only", "unknown state: use \"PENDING\", \"COMPLETED\" or \"RECONCILED\""));
                }
            });
        }
        for word in settings.list("acknowledge")? {
            app = match word.as_str() {
                "screenouts" => app.acknowledge_screenouts(),
                "start_bonuses" => app.acknowledge_start_bonuses(),
                _ => {
                    return Err(problem("acknowledge", "unknown word: use \"screenouts\" or \"start_bonuses\""));
                }
            };
        }
        for text in settings.list("allow_macros")? {
            app = app.allow_macro(text);
        }
        if let Some(name) = settings.text("state_parameter")? {
            app = app.state_parameter(name);
        }
        let families = Family::ALL.map(Family::as_str).join(", ");
        let Some(family) = settings.text("family")? else {
            return Err(problem("family", format!("missing key: add family = … with one of {families}")));
        };
        let Some(family) = Family::ALL.into_iter().find(|known| known.as_str() == family) else {
            return Err(problem("family", format!("unknown family: use one of {families}")));
        };
        let built = match family {
            Family::Offers => app.offers(url).map(|endpoint| Self::new(endpoint, url, NetworkKind::Bitlabs)),
            Family::Purchases => app.purchases(url).map(|endpoint| Self::new(endpoint, url, NetworkKind::Bitlabs)),
            Family::Surveys => app.surveys(url).map(|endpoint| Self::new(endpoint, url, NetworkKind::Bitlabs)),
            Family::Receipts => app.receipts(url).map(|endpoint| Self::new(endpoint, url, NetworkKind::Bitlabs)),
            Family::Cashback => app.cashback(url).map(|endpoint| Self::new(endpoint, url, NetworkKind::Bitlabs)),
            Family::Rewards => app.rewards(url).map(|endpoint| Self::new(endpoint, url, NetworkKind::Bitlabs)),
            _ => app.bans(url).map(|endpoint| Self::new(endpoint, url, NetworkKind::Bitlabs)),
        };
        built.map_err(|error| problem("url", error))
    }

    /// `AdMob` signs with keys that Google publishes, so there is no secret.
    fn admob(settings: &EndpointSettings<'_>) -> Result<Self, EndpointProblem> {
        let own = ["senders", "proxies", "enforce_senders"];
        let is_other = |key: &&str| !ADMOB_KEYS.contains(key) && !own.contains(key);
        let others: Vec<&'static str> = KEYS.into_iter().skip(4).filter(is_other).collect();
        settings.reject(&others, "remove it")?;
        if settings.secret.is_some() {
            return Err(problem("secret", "AdMob has no secret: remove it"));
        }
        let mut builder = match settings.text("keys_file")? {
            None => admob::app(settings.app, HttpsKeys::google()),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| problem("keys_file", format!("cannot read file {path}: {error}")))?;
                let keys = VerificationKeys::from_json(&text);
                admob::app(settings.app, keys.map_err(|error| problem("keys_file", error))?)
            }
        };
        let ad_units = settings.list("ad_units")?;
        if ad_units.is_empty() {
            let fix = "add ad_units = [\"…\"] with the ids that the dashboard shows, ca-app-pub-…/…";
            return Err(problem("ad_units", format!("missing key: {fix}")));
        }
        builder = builder.ad_units(ad_units);
        let default_url = format!("{BASE}/callbacks/admob");
        let url = settings.url.unwrap_or(&default_url);
        if settings.url.is_some() {
            builder = builder.url(url);
        }
        let place = settings.text("player_in")?.unwrap_or("user_id");
        let player_in = match (place, place.strip_prefix("custom_data.")) {
            ("user_id", _) => PlayerIn::UserId,
            ("custom_data", _) => PlayerIn::CustomData,
            (_, Some(name)) => PlayerIn::CustomDataField(name.to_owned()),
            _ => {
                let fix = "unknown place: use \"user_id\", \"custom_data\" or \"custom_data.NAME\"";
                return Err(problem("player_in", fix));
            }
        };
        builder = builder.player(player_in.clone());
        if let Some(senders) = Self::senders(settings)? {
            builder = builder.senders(senders);
        }
        let endpoint = builder.build().map_err(|error| {
            let key = match error {
                ConfigError::Name(_) => "app",
                ConfigError::AdUnits { .. } => "ad_units",
                _ => "url",
            };
            problem(key, error)
        })?;
        let numbers = ad_units.iter().filter_map(|id| id.rsplit('/').next());
        let ad_units = numbers.map(str::to_owned).collect();
        Ok(Self::new(endpoint, url, NetworkKind::Admob { player_in, ad_units }))
    }

    fn described(settings: &EndpointSettings<'_>, description: &Description) -> Result<Self, EndpointProblem> {
        settings.reject(&BITLABS_KEYS, "only BitLabs has it")?;
        settings.reject(&ADMOB_KEYS, "only AdMob has it")?;
        let mut builder = description.app(settings.app);
        if let Some(url) = settings.url {
            builder = builder.url(url);
        }
        builder = Self::authenticate(builder, settings)?;
        if let Some(name) = settings.text("endpoint")? {
            builder = builder.endpoint(name);
        }
        if let Some(word) = settings.text("meaning")? {
            builder = builder.meaning(meaning("meaning", word)?);
        }
        let (mut names, mut words) = (Vec::new(), Vec::new());
        for (word, meant) in settings.table("words")? {
            let meant = meaning("words", meant)?;
            builder = builder.word(word, meant);
            words.push((word.clone(), meant));
        }
        for (name, parameter) in settings.table("parameters")? {
            let role = role("parameters", name)?;
            builder = builder.parameter(role, parameter);
            names.push((role, parameter.clone()));
        }
        for (name, shape) in settings.table("shapes")? {
            let shape = Shape::parse(shape).map_err(|error| problem("shapes", error))?;
            builder = builder.shape(role("shapes", name)?, shape);
        }
        if let Some(word) = settings.text("after_reversal")? {
            builder = builder.reinstates(match word {
                "ignore" => false,
                "reinstate" => true,
                _ => {
                    return Err(problem("after_reversal", "unknown word: use \"ignore\" or \"reinstate\""));
                }
            });
        }
        if let Some(accepts) = settings.flag("accept_probe")? {
            builder = builder.accept_probe(accepts);
        }
        if let Some(senders) = Self::senders(settings)? {
            builder = builder.senders(senders);
        }
        let url = builder.dashboard_url(BASE).unwrap_or_default();
        let endpoint = builder.build().map_err(|error| {
            let key = match &error {
                ConfigError::Name(_) => "app",
                ConfigError::Secret { .. } | ConfigError::NoSecret { .. } | ConfigError::PathSecret => "secret",
                ConfigError::NoMeaning => "meaning",
                _ => "url",
            };
            problem(key, error)
        })?;
        let uncovered = endpoint.uncovered().iter().map(|role| role.as_str().to_owned());
        let kind = NetworkKind::Described {
            description: Box::new(description.clone()),
            login: settings.text("login")?.map(str::to_owned),
            header: settings.text("header")?.map(str::to_owned),
            names,
            words,
        };
        Ok(Self { uncovered: uncovered.collect(), ..Self::new(endpoint, &url, kind) })
    }

    /// Adds the secret, or the credential that is made with it.
    fn authenticate(
        builder: DescribedBuilder,
        settings: &EndpointSettings<'_>,
    ) -> Result<DescribedBuilder, EndpointProblem> {
        let (login, header) = (settings.text("login")?, settings.text("header")?);
        let Some(text) = settings.secret else {
            return match (login, header) {
                (None, None) => Ok(builder),
                _ => Err(problem("secret", "missing key: add secret = \"env:NAME\"")),
            };
        };
        match (login, header) {
            (None, None) => return builder.secret(text).map_err(|error| problem("secret", error)),
            (Some(_), Some(_)) => return Err(problem("header", "both login and header: remove one of the two")),
            _ => {}
        }
        // Each of the listed secrets is accepted.
        text.split(',').try_fold(builder, |builder, part| {
            let secret = Secret::new(part).map_err(|error| problem("secret", error))?;
            let credential = match (login, header) {
                (Some(login), _) => Credential::basic(login, &secret).map_err(|error| problem("login", error))?,
                (_, name) => {
                    Credential::header(name.unwrap_or_default(), &secret).map_err(|error| problem("header", error))?
                }
            };
            Ok(builder.credential(credential))
        })
    }

    fn senders(settings: &EndpointSettings<'_>) -> Result<Option<Senders>, EndpointProblem> {
        let listed = settings.list("senders")?;
        if listed.is_empty() {
            settings.reject(&["proxies", "enforce_senders"], "add senders = [\"…\"], too")?;
            return Ok(None);
        }
        let mut senders = Senders::new(listed)
            .map_err(|error| problem("senders", error))?
            .behind_proxies(settings.list("proxies")?)
            .map_err(|error| problem("proxies", error))?;
        if settings.flag("enforce_senders")? == Some(true) {
            senders = senders.enforce();
        }
        Ok(Some(senders))
    }

    /// The path at which it answers. A secret in it is `{secret}`.
    pub(crate) fn path(&self) -> &str {
        self.endpoint.path()
    }

    /// Whether a request with this path is for it.
    pub(crate) fn answers_at(&self, path: &str) -> bool {
        let Some((before, after)) = self.path().split_once("{secret}") else {
            return self.path() == path;
        };
        let segment = path.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        segment.is_some_and(|secret| !secret.is_empty() && !secret.contains('/'))
    }

    pub(crate) fn labels(&self) -> EndpointLabels<'_> {
        self.endpoint.labels()
    }

    /// If a genuine callback of the other endpoint, which has another app, would be paid at this one, too: how to
    /// change the URLs against it. Empty: that cannot help.
    pub(crate) fn fix_for_callbacks_of(&self, other: &Self) -> Option<String> {
        let (NetworkKind::Described { description, .. }, own, others) = (&self.kind, self.labels(), other.labels())
        else {
            return None;
        };
        let mut common = self.secrets().filter(|secret| other.secrets().any(|known| known == *secret));
        let how = description.authentication();
        let is_safe = own.network != others.network || own.app == others.app || how.ends_with(" of the URL");
        if is_safe || common.next().is_none() {
            return None;
        }
        // All that such a network sends is the secret.
        if how.contains("secret") {
            return Some(String::new());
        }
        let default_url = description.dashboard_url(BASE);
        let secret = parameters(&default_url).find(|(_, value)| value == PLACEHOLDER);
        let secret = secret.map_or(Cow::Borrowed("secret"), |(name, _)| name);
        let signs_added = signs_added_parameters(description, &self.url);
        for (name, value) in parameters(&self.url) {
            let others = parameters(&other.url).find(|(known, _)| *known == name);
            let Some((_, others)) = others else { continue };
            let is_static = !is_macro(&value) && !is_macro(&others);
            // A macro in the secret's place stands for one that depends on the app.
            let is_other_secret = name == secret && (value != others || is_macro(&value));
            if is_other_secret || (signs_added && is_static && value != others) {
                return None;
            }
        }
        Some(if signs_added {
            format!(", or add a parameter to both URLs with a value of its own in each, such as &app={}", own.app)
        } else {
            format!(", or add a parameter to both URLs with a long random text of its own in each, &{secret}=…")
        })
    }

    fn secrets(&self) -> impl Iterator<Item = &str> {
        self.secret.iter().flat_map(|secret| secret.split(','))
    }

    /// An ad unit that both endpoints list.
    pub(crate) fn common_ad_unit(&self, other: &Self) -> Option<&str> {
        match (&self.kind, &other.kind) {
            (NetworkKind::Admob { ad_units, .. }, NetworkKind::Admob { ad_units: others, .. }) => {
                ad_units.iter().find(|ad_unit| others.contains(ad_unit)).map(String::as_str)
            }
            _ => None,
        }
    }

    pub(crate) fn has_secret(&self) -> bool {
        self.secret.is_some() || matches!(self.kind, NetworkKind::Admob { .. })
    }

    /// The first secret of its list.
    pub(crate) fn signing_secret(&self) -> Option<&str> {
        self.secret.as_ref()?.split(',').next()
    }

    /// Verifies a request without storing anything.
    pub(crate) fn verify(&self, request: &Request<'_>) -> Result<Verified<Event>, VerifyError> {
        self.endpoint.verify(request)
    }

    /// Gets what verifying this request needs, such as keys that the network publishes.
    pub(crate) async fn prepare(&self, request: &Request<'_>) {
        self.endpoint.prepare(request).await;
    }

    pub(crate) fn reads_bodies(&self) -> bool {
        self.endpoint.reads_bodies()
    }

    pub(crate) fn route(&self, intake: Intake) -> MethodRouter {
        self.endpoint.route(&Intake { counts: Some(Arc::clone(&self.counts)), ..intake })
    }

    /// Replays the unusable callbacks that were kept for it.
    pub(crate) async fn replay(&self, receiver: &ServerReceiver) -> Result<ReplaySummary, StoreError> {
        self.endpoint.replay(receiver).await
    }
}

/// The parameters of a callback URL, decoded.
fn parameters(url: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    Query::new(url.split_once('?').map_or("", |(_, query)| query)).parameters()
}

fn is_macro(value: &str) -> bool {
    value.contains(['[', ']', '{', '}', '<', '>', '$'])
}

/// Whether the network signs a parameter that is in the URL as typed, so that nobody can change it.
fn signs_added_parameters(description: &Description, url: &str) -> bool {
    let sent = |value| DescribedSigner::new(description, url, PLACEHOLDER).callback().extra("added", value).sign();
    let (one, other) = (sent("one"), sent("other"));
    (one.target().replace("added=one", "added=other"), one.headers()) != (other.target().to_owned(), other.headers())
}

fn meaning(key: &'static str, word: &str) -> Result<Meaning, EndpointProblem> {
    let all = [Meaning::Completed, Meaning::Pending, Meaning::Reversed, Meaning::NotAReward];
    let words = all.map(Meaning::as_str).join(", ");
    let found = all.into_iter().find(|known| known.as_str() == word);
    found.ok_or_else(|| problem(key, format!("unknown meaning {word:?}: use one of {words}")))
}

fn role(key: &'static str, name: &str) -> Result<Role, EndpointProblem> {
    let names = Role::ALL.map(Role::as_str).join(", ");
    let found = Role::ALL.into_iter().find(|known| known.as_str() == name);
    found.ok_or_else(|| problem(key, format!("unknown role {name:?}: use one of {names}")))
}

/// A network that the configuration file describes in a table of its own.
pub(crate) fn describe(name: &str, table: &toml::Table) -> Result<Description, String> {
    let mut table = table.clone();
    table.entry("name").or_insert_with(|| toml::Value::String(name.to_owned()));
    let text = toml::to_string(&table).map_err(|error| error.to_string())?;
    let description = Description::from_toml(&text).map_err(|error| error.to_string())?;
    if description.name() != name {
        return Err(format!(
            "the name is {:?}: remove it, or use the same in [networks.{name}]",
            description.name().as_str()
        ));
    }
    Ok(description)
}
