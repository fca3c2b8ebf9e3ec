//! Google `AdMob`: server-side verification of rewarded ads.
//!
//! Google signs each callback with ECDSA (P-256, SHA-256) and publishes the public keys, which are the same for all
//! publishers. Neither the callback URL nor the publisher is signed: anybody can create an ad unit whose callbacks go to your
//! URL, with any reward. So the endpoint must know your ad units, and rejects the callbacks of all others:
//!
//! ```
//! use postback::network::admob::{self, VerificationKeys};
//!
//! # let keys = VerificationKeys::new();
//! // Feature `admob-fetch`: `let keys = admob::HttpsKeys::google();`
//! let rewards = admob::app("my-game", keys)
//!     .ad_units(["ca-app-pub-3940256099942544/5224354917"])
//!     .url("https://game.example/callbacks/admob")
//!     .build()?;
//! # let _ = rewards;
//! # Ok::<(), postback::network::ConfigError>(())
//! ```
//!
//! The test call of the console ("verify URL") has the ad unit 1234567890. It is genuine without being listed, and pays
//! nothing.
//!
//! The app must pass the player: the user id or the custom data of the SDK's server-side verification options, set before
//! the ad is shown. A callback without both is kept as unusable with a message that says so. They may contain `&` and `=`,
//! but not followed by the name of one of `AdMob`'s parameters (`&user_id=`): Google signs the decoded query, in which that
//! would be a second one. Such a callback is rejected.
//!
//! A mediation platform and `AdMob` may both report one view, each with a transaction of its own. Switch one of them off.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::pkcs8::DecodePublicKey as _;
use percent_encoding::percent_decode_str;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::clock::{Clock, SystemClock, Timestamp};
use crate::event::{Effect, Event, EventKind, IgnoreReason, UnusableCallback};
use crate::id::{AppName, NetworkName, PlayerId, TransactionId};
use crate::network::{Callback, ConfigError, Endpoint, EndpointLabels, Responses, Senders, Verified, check_kept_by};
use crate::verify::{
    NotGenuine, Occurrence, Problem, Query, Request, Unusable, UrlTemplate, VerifyError, check_target, locate,
    parse_amount,
};

/// How old keys may be before they are fetched again.
const REFRESH_AFTER: Duration = Duration::from_hours(12);
/// How old keys may be at most. Google asks for no more than a day.
const MAX_KEY_AGE: Duration = Duration::from_hours(24);
/// How long to wait between two attempts, so that forged key ids cannot cause a flood of them.
const RETRY_AFTER: Duration = Duration::from_mins(1);
/// How long an attempt may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// Google's keys for verification, by their ids.
#[derive(Clone, Default)]
pub struct VerificationKeys {
    keys: BTreeMap<u64, VerifyingKey>,
}

impl VerificationKeys {
    /// No keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a public key in PEM.
    ///
    /// # Errors
    /// [`ConfigError::Keys`], if it is not a P-256 key.
    pub fn with_pem(mut self, id: u64, pem: &str) -> Result<Self, ConfigError> {
        let key = VerifyingKey::from_public_key_pem(pem).map_err(|_| invalid_key(id))?;
        self.keys.insert(id, key);
        Ok(self)
    }

    /// Adds a public key in base64, as in Google's list (a `SubjectPublicKeyInfo` in DER).
    ///
    /// # Errors
    /// [`ConfigError::Keys`], if it is not a P-256 key.
    pub fn with_base64(mut self, id: u64, text: &str) -> Result<Self, ConfigError> {
        let der = STANDARD.decode(text).map_err(|_| invalid_key(id))?;
        let key = VerifyingKey::from_public_key_der(&der).map_err(|_| invalid_key(id))?;
        self.keys.insert(id, key);
        Ok(self)
    }

    /// Reads Google's list: `{"keys":[{"keyId":1,"pem":"…","base64":"…"}]}`. Keys on other curves are left out.
    ///
    /// # Errors
    /// [`ConfigError::Keys`], if it is not such a list, or has no usable key.
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        #[derive(Deserialize)]
        struct List {
            keys: Vec<Entry>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Entry {
            key_id: u64,
            base64: String,
        }
        let list: List = serde_json::from_str(text)
            .map_err(|error| unusable_keys(format!("invalid list of verification keys: {error}")))?;
        let mut keys = Self::new();
        for entry in list.keys {
            // One unknown kind of key must not cost the others.
            if let Ok(more) = keys.clone().with_base64(entry.key_id, &entry.base64) {
                keys = more;
            }
        }
        if keys.keys.is_empty() {
            return Err(unusable_keys("no P-256 key in the list of verification keys"));
        }
        Ok(keys)
    }

    /// The ids.
    pub fn ids(&self) -> impl Iterator<Item = u64> {
        self.keys.keys().copied()
    }
}

impl fmt::Debug for VerificationKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.ids()).finish()
    }
}

fn unusable_keys(problem: impl Into<String>) -> ConfigError {
    ConfigError::Keys { problem: problem.into() }
}

pub(crate) fn invalid_key(id: u64) -> ConfigError {
    unusable_keys(format!("invalid verification key {id}: use an ECDSA P-256 public key"))
}

/// A future of keys. Its error is logged.
pub type KeyFuture<'a> = Pin<Box<dyn Future<Output = Result<VerificationKeys, FetchError>> + Send + 'a>>;

type FetchError = Box<dyn std::error::Error + Send + Sync>;

/// Where the keys come from: [`VerificationKeys`] themselves, `HttpsKeys` (feature `admob-fetch`), or your own HTTP client.
pub trait KeySource: Send + Sync + 'static {
    /// Keys that never change, if it has such. They are used without a call to [`fetch`](Self::fetch).
    fn fixed(&self) -> Option<VerificationKeys>;

    /// Fetches the current keys. The endpoint caches them, and calls this at most once a minute.
    fn fetch(&self) -> KeyFuture<'_>;
}

impl KeySource for VerificationKeys {
    fn fixed(&self) -> Option<VerificationKeys> {
        Some(self.clone())
    }

    fn fetch(&self) -> KeyFuture<'_> {
        Box::pin(std::future::ready(Ok(self.clone())))
    }
}

/// Fetches keys over HTTPS.
#[cfg(feature = "admob-fetch")]
#[derive(Debug, Clone)]
pub struct HttpsKeys {
    url: String,
    agent: ureq::Agent,
}

#[cfg(feature = "admob-fetch")]
impl HttpsKeys {
    /// Google's list of keys.
    pub fn google() -> Self {
        Self::at("https://www.gstatic.com/admob/reward/verifier-keys.json")
    }

    /// A list of keys in the same form.
    pub fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), agent: Self::agent(ureq::tls::RootCerts::WebPki) }
    }

    /// Trusts only these root certificates, in PEM. For proxies with a certificate authority of their own, and for tests.
    ///
    /// # Errors
    /// [`ConfigError::Keys`], if there is no certificate in it.
    pub fn with_roots(mut self, pem: &[u8]) -> Result<Self, ConfigError> {
        let mut roots = Vec::new();
        for item in ureq::tls::parse_pem(pem) {
            let item = item.map_err(|error| unusable_keys(format!("invalid root certificate: {error}")))?;
            if let ureq::tls::PemItem::Certificate(certificate) = item {
                roots.push(certificate);
            }
        }
        if roots.is_empty() {
            return Err(unusable_keys("no root certificate in the PEM text"));
        }
        self.agent = Self::agent(ureq::tls::RootCerts::Specific(Arc::new(roots)));
        Ok(self)
    }

    fn agent(roots: ureq::tls::RootCerts) -> ureq::Agent {
        let tls = ureq::tls::TlsConfig::builder().root_certs(roots).build();
        let config = ureq::Agent::config_builder()
            .https_only(true)
            .max_redirects(0)
            .timeout_global(Some(FETCH_TIMEOUT))
            .tls_config(tls)
            .build();
        config.new_agent()
    }
}

#[cfg(feature = "admob-fetch")]
impl KeySource for HttpsKeys {
    fn fixed(&self) -> Option<VerificationKeys> {
        None
    }

    fn fetch(&self) -> KeyFuture<'_> {
        const MAX_LIST_BYTES: u64 = 256 * 1024;
        let Self { url, agent } = self.clone();
        let get = move || {
            let mut response = agent.get(&url).call()?;
            let body = response.body_mut().with_config().limit(MAX_LIST_BYTES).read_to_string();
            Ok(VerificationKeys::from_json(&body?)?)
        };
        Box::pin(async move {
            let task = tokio::task::spawn_blocking(get);
            task.await?
        })
    }
}

/// Where the player's id is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlayerIn {
    /// In `user_id`.
    UserId,
    /// All of `custom_data` is the id.
    CustomData,
    /// `custom_data` is a query string or a JSON object, and this is the id's name in it.
    CustomDataField(String),
}

/// Begins an endpoint for one app, under a name of your choice. It is part of every key in the store: never change it.
pub fn app(name: impl Into<String>, keys: impl KeySource) -> AdmobBuilder {
    AdmobBuilder {
        app: name.into(),
        ad_units: Vec::new(),
        url: "https://localhost/callbacks/admob".to_owned(),
        source: Arc::new(keys),
        player: PlayerIn::UserId,
        senders: None,
        now: Arc::new(|| SystemClock.now()),
    }
}

/// Builds an [`AdmobEndpoint`].
#[derive(Clone)]
#[must_use = "`build` makes the endpoint"]
pub struct AdmobBuilder {
    app: String,
    ad_units: Vec<String>,
    url: String,
    source: Arc<dyn KeySource>,
    player: PlayerIn,
    senders: Option<Senders>,
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl AdmobBuilder {
    /// Your ad units: their ids as the dashboard shows them (`ca-app-pub-3940256099942544/5224354917`), or the number
    /// after the slash, which is the callback's `ad_unit`. Required. List each in one endpoint only: it is all that a
    /// callback says about where it belongs.
    pub fn ad_units<T: Into<String>>(mut self, ids: impl IntoIterator<Item = T>) -> Self {
        self.ad_units.extend(ids.into_iter().map(Into::into));
        self
    }

    /// The callback URL in the ad unit's settings. Only its path matters: Google signs the query alone. Default path
    /// `/callbacks/admob`.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = url.into();
        self
    }

    /// Where the player's id is. Default: in `user_id`.
    pub fn player(mut self, player: PlayerIn) -> Self {
        self.player = player;
        self
    }

    /// The addresses that Google is expected to call from.
    pub fn senders(mut self, senders: Senders) -> Self {
        self.senders = Some(senders);
        self
    }

    /// Another clock, for the age of the keys.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.now = Arc::new(move || clock.now());
        self
    }

    /// Checks everything and makes the endpoint.
    ///
    /// # Errors
    /// [`ConfigError`]: what is wrong, and what to do instead.
    pub fn build(self) -> Result<AdmobEndpoint, ConfigError> {
        let template = UrlTemplate::parse_any(&self.url, &NAMES)?;
        if self.ad_units.is_empty() {
            let problem = "no ad units for admob: add your own with `ad_units`";
            return Err(ConfigError::AdUnits { problem: problem.to_owned() });
        }
        let ad_units = self.ad_units.iter().map(|id| ad_unit_number(id)).collect::<Result<_, _>>()?;
        let keys = self.source.fixed();
        let cache = Cache {
            is_fixed: keys.is_some(),
            keys: keys.unwrap_or_default(),
            fetched: None,
            attempted: None,
            has_failed: false,
        };
        Ok(AdmobEndpoint {
            setup: Arc::new(Setup {
                network: NetworkName::new("admob")?,
                app: AppName::new(self.app)?,
                ad_units,
                path: template.path().to_owned(),
                source: self.source,
                player: self.player,
                senders: self.senders,
                now: self.now,
                cache: Mutex::new(cache),
                fetching: tokio::sync::Mutex::new(()),
            }),
        })
    }
}

/// The number of an ad unit, which is what callbacks have of its id.
fn ad_unit_number(id: &str) -> Result<String, ConfigError> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = match id.strip_prefix("ca-app-pub-").and_then(|rest| rest.split_once('/')) {
        Some((publisher, number)) if is_number(publisher) => number,
        _ => id,
    };
    // Callbacks have no leading zeros: such a number would match none.
    if is_number(number) && !number.starts_with('0') {
        return Ok(number.to_owned());
    }
    let fix = "use the id that the dashboard shows, ca-app-pub-…/…, or the number after its slash";
    Err(ConfigError::AdUnits { problem: format!("invalid ad unit {id:?}: {fix}") })
}

impl fmt::Debug for AdmobBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdmobBuilder").field("app", &self.app).finish_non_exhaustive()
    }
}

/// The callback URL of one app. Cheap to clone; clones share the keys.
#[derive(Clone)]
pub struct AdmobEndpoint {
    setup: Arc<Setup>,
}

struct Setup {
    network: NetworkName,
    app: AppName,
    ad_units: BTreeSet<String>,
    path: String,
    source: Arc<dyn KeySource>,
    player: PlayerIn,
    senders: Option<Senders>,
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    cache: Mutex<Cache>,
    /// Held while keys are fetched, so that requests do not fetch them side by side.
    fetching: tokio::sync::Mutex<()>,
}

struct Cache {
    is_fixed: bool,
    keys: VerificationKeys,
    /// When the keys were fetched.
    fetched: Option<Timestamp>,
    /// When they were last asked for.
    attempted: Option<Timestamp>,
    /// Whether that attempt failed.
    has_failed: bool,
}

impl Cache {
    fn age(&self, now: Timestamp) -> Option<Duration> {
        if self.is_fixed {
            return Some(Duration::ZERO);
        }
        Some(self.fetched?.until(now))
    }

    /// Whether keys should be fetched to verify a signature with this key, and may be.
    fn wants(&self, id: u64, now: Timestamp) -> bool {
        let may = self.attempted.is_none_or(|last| last.until(now) >= RETRY_AFTER);
        let is_old = self.age(now).is_none_or(|age| age >= REFRESH_AFTER);
        !self.is_fixed && may && (is_old || !self.keys.keys.contains_key(&id))
    }
}

const ENDPOINT: &str = "rewards";

/// The parameters, in the order in which Google sends them.
const NAMES: [&str; 10] = [
    "ad_network",
    "ad_unit",
    "custom_data",
    "reward_amount",
    "reward_item",
    "timestamp",
    "transaction_id",
    "user_id",
    "signature",
    "key_id",
];

/// Those whose values are the publisher's: they may contain anything, an '&' too.
const FREE_TEXTS: [&str; 3] = ["custom_data", "reward_item", "user_id"];

/// The console's test call, "verify URL", which pays nothing: its ad unit, and its transaction.
const TEST_CALL: (&str, &str) = ("1234567890", "123456789");

/// What stands in for a player in the test call, which may have none.
const TEST_PLAYER: &str = "admob-console-test";

/// A query split at its signature.
struct Signed<'q> {
    query: &'q str,
    signature: &'q str,
    key_id: u64,
}

impl<'q> Signed<'q> {
    /// Signature and key id are the last two parameters: what followed them would not be signed.
    fn split(query: &'q str) -> Result<Self, NotGenuine> {
        let missing = NotGenuine::SignatureMissing;
        let (rest, key_id) = query.rsplit_once("&key_id=").ok_or(missing.clone())?;
        let (query, signature) = rest.rsplit_once("&signature=").ok_or(missing)?;
        if signature.contains('&') || query.is_empty() {
            return Err(NotGenuine::SignatureMissing);
        }
        let is_number = !key_id.is_empty() && key_id.bytes().all(|byte| byte.is_ascii_digit());
        let key_id = key_id.parse().ok().filter(|_| is_number);
        Ok(Self { query, signature, key_id: key_id.ok_or(NotGenuine::SignatureMalformed)? })
    }

    fn verify(&self, key: &VerifyingKey) -> Result<(), NotGenuine> {
        let decoded = URL_SAFE_NO_PAD.decode(self.signature).or_else(|_| URL_SAFE.decode(self.signature));
        let signature = decoded.ok().and_then(|der| Signature::from_der(&der).ok());
        let signature = signature.ok_or(NotGenuine::SignatureMalformed)?;
        // Google signs the query percent-decoded. A '+' stays as it is.
        let message: Cow<'_, [u8]> = percent_decode_str(self.query).into();
        key.verify(&message, &signature).map_err(|_| NotGenuine::SignatureWrong)
    }
}

/// The parameters of a signed query. The signature is of the decoded text, so it does not show which '&' and '=' were
/// escaped: somebody could move the boundaries between parameters. A value counts only if the decoded text alone shows
/// where it begins and ends.
struct Parameters<'q> {
    /// In the order of [`NAMES`].
    sent: Vec<Occurrence<'q>>,
    /// Known names in the decoded text, each with all that follows up to the next known one.
    signed: Vec<(&'static str, String)>,
}

impl<'q> Parameters<'q> {
    /// `query` has no '+': it would be read as a space.
    fn new(query: &'q str) -> Self {
        let names: Vec<Box<str>> = NAMES.iter().map(|name| Box::from(*name)).collect();
        let mut signed: Vec<(&'static str, String)> = Vec::new();
        for piece in percent_decode_str(query).decode_utf8_lossy().split('&') {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            match NAMES.iter().find(|known| **known == name) {
                Some(known) => signed.push((known, value.to_owned())),
                None => {
                    if let Some((_, value)) = signed.last_mut() {
                        value.push('&');
                        value.push_str(piece);
                    }
                }
            }
        }
        Self { sent: locate(query, &names), signed }
    }

    /// Fails unless each known parameter is sent and signed at most once, and as often sent as signed: only then is every
    /// boundary between them one in both. Nothing that is done later can make such a query readable, and anybody can
    /// write one signed text in any number of ways.
    fn check(&self) -> Result<(), NotGenuine> {
        let is_clear = |(name, sent): (&&str, &Occurrence<'_>)| {
            let signed = self.signed.iter().filter(|(known, _)| known == name).count();
            matches!((sent, signed), (Occurrence::Absent, 0) | (Occurrence::Once(_), 1))
        };
        if NAMES.iter().zip(&self.sent).all(is_clear) { Ok(()) } else { Err(NotGenuine::AmbiguousText) }
    }

    /// The value of a parameter; `None` if it is absent or empty.
    fn text(&self, name: &str) -> Result<Option<String>, Problem> {
        let sent = NAMES.iter().zip(&self.sent).find(|(known, _)| **known == name);
        let signed = self.signed.iter().find(|(known, _)| *known == name);
        let (Some((_, sent)), Some((_, signed))) = (sent, signed) else {
            return Ok(None);
        };
        let text = sent.text(name, None)?.filter(|text| !text.is_empty());
        // Only the publisher's own texts may contain an '&', and then all of it.
        let is_clear = match &text {
            Some(text) if !FREE_TEXTS.contains(&name) => !text.contains('&'),
            text => text.as_deref().unwrap_or_default() == signed,
        };
        if is_clear { Ok(text.map(Cow::into_owned)) } else { Err(unclear(name)) }
    }
}

fn unclear(name: &str) -> Problem {
    Problem::Malformed { name: name.to_owned(), reason: "the signed text does not show where it begins or ends" }
}

impl Setup {
    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn labels(&self) -> EndpointLabels<'_> {
        EndpointLabels { network: self.network.as_str(), app: self.app.as_str(), endpoint: ENDPOINT }
    }

    fn check_head<'r>(&self, request: &Request<'r>) -> Result<&'r str, VerifyError> {
        let query = check_target(request)?;
        Senders::check(self.senders.as_ref(), request)?;
        Ok(query)
    }

    fn key(&self, id: u64) -> Result<VerifyingKey, VerifyError> {
        let cache = self.cache();
        let now = (self.now)();
        let is_current = cache.age(now).is_some_and(|age| age < MAX_KEY_AGE);
        match cache.keys.keys.get(&id) {
            Some(key) if is_current => Ok(*key),
            // After a successful fetch, an unknown key is none of Google's.
            None if is_current && !cache.has_failed => Err(NotGenuine::SignatureWrong.into()),
            _ => Err(VerifyError::KeysUnavailable),
        }
    }

    async fn prepare(&self, id: u64) {
        if !self.cache().wants(id, (self.now)()) {
            return;
        }
        let _fetching = self.fetching.lock().await;
        {
            let mut cache = self.cache();
            let now = (self.now)();
            if !cache.wants(id, now) {
                return;
            }
            cache.attempted = Some(now);
        }
        let result = tokio::time::timeout(FETCH_TIMEOUT, self.source.fetch()).await;
        let mut cache = self.cache();
        match result.unwrap_or_else(|_| Err("timeout".into())) {
            Ok(keys) => {
                cache.keys = keys;
                cache.fetched = Some((self.now)());
                cache.has_failed = false;
            }
            Err(error) => {
                cache.has_failed = true;
                tracing::warn!(target: "postback::endpoint", network = "admob", app = self.app.as_str(), %error, "verification keys cannot be fetched");
            }
        }
    }

    fn unusable(&self, problem: Problem, query: &str) -> VerifyError {
        Unusable::new(&self.network, &self.app, ENDPOINT.into(), &self.path, problem, query.to_owned()).into()
    }

    fn player(&self, user_id: Option<&str>, custom_data: Option<&str>, is_test: bool) -> Result<PlayerId, Problem> {
        let player = match &self.player {
            PlayerIn::UserId => user_id.map(str::to_owned),
            PlayerIn::CustomData => custom_data.map(str::to_owned),
            PlayerIn::CustomDataField(name) => custom_data.and_then(|data| field(data, name)),
        };
        let player = player.or_else(|| is_test.then(|| TEST_PLAYER.to_owned()));
        let (name, fix) = match self.player {
            PlayerIn::UserId => {
                ("user_id", "set the user id in the SDK's server-side verification options before the ad is shown")
            }
            _ => (
                "custom_data",
                "set the custom data in the SDK's server-side verification options before the ad is shown",
            ),
        };
        let player = player.ok_or(Problem::NoPlayer { fix })?;
        PlayerId::new(player).map_err(|error| Problem::Identifier { name: name.to_owned(), error })
    }

    fn read(&self, query: &str, key_id: Option<u64>) -> Result<AdmobCallback, VerifyError> {
        // Not form-encoded: a '+' is signed as itself.
        let unformed = query.replace('+', "%2B");
        let parameters = Parameters::new(&unformed);
        parameters.check()?;
        let known = |name| parameters.text(name).ok().flatten().unwrap_or_default();
        let (ad_unit, transaction) = (known("ad_unit"), known("transaction_id"));
        let is_test = (ad_unit.as_str(), transaction.as_str()) == TEST_CALL;
        let is_own = self.ad_units.contains(&ad_unit);
        // Anybody can have Google sign these: nothing is kept of them.
        if !is_own && !is_test {
            return Err(NotGenuine::OtherAdUnit.into());
        }
        self.read_own(&parameters, query, key_id, is_test)
            .map_err(|problem| if is_own { self.unusable(problem, query) } else { NotGenuine::OtherAdUnit.into() })
    }

    fn read_own(
        &self,
        parameters: &Parameters<'_>,
        query: &str,
        key_id: Option<u64>,
        is_test: bool,
    ) -> Result<AdmobCallback, Problem> {
        let text = |name: &str| parameters.text(name);
        let informational = |name: &str| {
            text(name).unwrap_or_else(|problem| {
                tracing::warn!(
                    target: "postback::endpoint",
                    network = self.network.as_str(),
                    app = self.app.as_str(),
                    endpoint = ENDPOINT,
                    %problem,
                    "a parameter that decides nothing cannot be read: it counts as absent"
                );
                None
            })
        };
        let identifier = |name: &'static str| move |error| Problem::Identifier { name: name.to_owned(), error };
        let transaction = text("transaction_id")?.ok_or(Problem::Missing { name: "transaction_id".to_owned() })?;
        let transaction = TransactionId::new(transaction).map_err(identifier("transaction_id"))?;
        let (user_id, custom_data) = match self.player {
            PlayerIn::UserId => (text("user_id")?, informational("custom_data")),
            _ => (informational("user_id"), text("custom_data")?),
        };
        let player = self.player(user_id.as_deref(), custom_data.as_deref(), is_test)?;
        let amount = text("reward_amount")?;
        let amount = amount
            .map(|amount| parse_amount(&amount))
            .transpose()
            .map_err(|reason| Problem::Malformed { name: "reward_amount".to_owned(), reason })?;
        let effect = match amount {
            Some(amount) => Effect::Completed { amount, milestone: None, reinstates: false },
            None if is_test => Effect::Ignored { status: Cow::Borrowed("test"), reason: IgnoreReason::NotAReward },
            None => {
                return Err(Problem::Missing { name: "reward_amount".to_owned() });
            }
        };
        let timestamp = informational("timestamp").and_then(|millis| millis.parse().ok());
        let kind = EventKind::Conversion { transaction: transaction.clone(), original: None, effect };
        let mut event = Event::new(self.network.clone(), self.app.clone(), player.clone(), kind);
        event.endpoint = ENDPOINT.into();
        event.is_test = is_test;
        query.clone_into(&mut event.query);
        Ok(AdmobCallback {
            player,
            transaction,
            amount,
            ad_network: informational("ad_network"),
            ad_unit: text("ad_unit")?,
            reward_item: informational("reward_item"),
            user_id,
            custom_data,
            timestamp: timestamp.map(Timestamp::from_millis),
            key_id,
            event,
        })
    }
}

/// A field of custom data that is a JSON object or a query string.
fn field(data: &str, name: &str) -> Option<String> {
    if data.trim_start().starts_with('{') {
        let json: serde_json::Value = serde_json::from_str(data).ok()?;
        return match json.get(name)? {
            serde_json::Value::String(text) => Some(text.clone()),
            serde_json::Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
        .filter(|text| !text.is_empty());
    }
    let value = Query::new(data).get(name)?;
    (!value.is_empty()).then(|| value.into_owned())
}

impl AdmobEndpoint {
    /// The path to route to this endpoint: that of the configured URL.
    pub fn path(&self) -> &str {
        &self.setup.path
    }
}

impl Endpoint for AdmobEndpoint {
    type Callback = AdmobCallback;

    fn path(&self) -> &str {
        self.path()
    }

    fn labels(&self) -> EndpointLabels<'_> {
        self.setup.labels()
    }

    fn verify(&self, request: &Request<'_>) -> Result<Verified<AdmobCallback>, VerifyError> {
        let setup = &*self.setup;
        let signed = Signed::split(setup.check_head(request)?)?;
        signed.verify(&setup.key(signed.key_id)?)?;
        let callback = setup.read(signed.query, Some(signed.key_id))?;
        Senders::report(setup.senders.as_ref(), setup.labels(), request);
        Ok(Verified::new(callback))
    }

    fn replay(&self, kept: &UnusableCallback) -> Result<AdmobCallback, VerifyError> {
        let unusable = |problem| self.setup.unusable(problem, &kept.query);
        check_kept_by(self, kept).map_err(unusable)?;
        self.setup.read(&kept.query, None).map_err(|error| match error {
            VerifyError::NotGenuine(NotGenuine::AmbiguousText) => unusable(unclear("custom_data")),
            VerifyError::NotGenuine(_) => unusable(Problem::Malformed {
                name: "ad_unit".to_owned(),
                reason: "not one of this endpoint's ad units",
            }),
            error => error,
        })
    }

    fn body_limit(&self) -> usize {
        0
    }

    fn check_head(&self, request: &Request<'_>) -> Result<(), VerifyError> {
        self.setup.check_head(request).map(|_| ())
    }

    /// Fetches keys if the request's is unknown or the known ones are old; at most once a minute.
    async fn prepare(&self, request: &Request<'_>) {
        let query = self.setup.check_head(request).ok();
        let signed = query.and_then(|query| Signed::split(query).ok());
        if let Some(signed) = signed {
            self.setup.prepare(signed.key_id).await;
        }
    }

    fn responses(&self) -> Responses<'_> {
        Responses::default()
    }
}

impl fmt::Debug for AdmobEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdmobEndpoint").field("app", &self.setup.app.as_str()).finish_non_exhaustive()
    }
}

/// A genuine callback about a rewarded ad.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AdmobCallback {
    /// The player.
    pub player: PlayerId,
    /// The view's transaction.
    pub transaction: TransactionId,
    /// The reward in the app's currency. Absent from the console's test call.
    #[serde(skip_serializing_if = "Option::is_none", with = "crate::decimal::option")]
    pub amount: Option<Decimal>,
    /// The id of the network that showed the ad.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ad_network: Option<String>,
    /// The ad unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ad_unit: Option<String>,
    /// The name of the reward.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reward_item: Option<String>,
    /// The user id that the app passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The custom data that the app passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_data: Option<String>,
    /// When the reward was earned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
    /// The key that it was signed with; `None` after a replay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<u64>,
    /// What it means: its effect, the app, whether it is the console's test call, and the query with all parameters.
    pub event: Event,
}

impl Callback for AdmobCallback {
    fn to_event(&self) -> Event {
        self.event.clone()
    }
}
