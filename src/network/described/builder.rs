//! Building an endpoint from a description and the operator's choices.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use super::authentication::Credential;
use super::description::{Description, UrlFinding};
use super::endpoint::DescribedEndpoint;
use super::format::{Meaning, Place, Role, Scheme};
use super::signed_text::Shape;
use super::url::PLACEHOLDER;
use crate::network::{ConfigError, Senders};
use crate::verify::{HashFunction, KeyId, KeyRing, PreparedMac, Secret, UrlTemplate};

impl Description {
    /// Parses a description.
    ///
    /// # Errors
    /// [`ConfigError::Description`], with the line or the key, and what to write instead.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        Self::checked(text, None)
    }

    /// Reads a description from a file.
    ///
    /// # Errors
    /// [`ConfigError::Unreadable`] or [`ConfigError::Description`], with the file's name.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::checked(&text, Some(&name)),
            Err(error) => Err(ConfigError::Unreadable { file: name, reason: error.to_string() }),
        }
    }

    /// Begins an endpoint for one app, under a name of your choice. It is part of every key in the store: never change
    /// it.
    pub fn app(&self, name: impl Into<String>) -> DescribedBuilder {
        DescribedBuilder::new(self.clone(), name.into())
    }

    /// What is right, wrong or missing in a callback URL for this network.
    pub fn check_url(&self, url: &str) -> Vec<UrlFinding> {
        check_url(self, url)
    }

    fn checked(text: &str, file_name: Option<&str>) -> Result<Self, ConfigError> {
        let description = Self::parse(text, file_name)?;
        description.check_default_url(file_name)?;
        Ok(description)
    }

    /// The default URL must be one that an endpoint can be built from.
    fn check_default_url(&self, file_name: Option<&str>) -> Result<(), ConfigError> {
        let mut builder = self.app("check");
        if self.signs_url() {
            builder = builder.url(self.dashboard_url("https://game.example"));
        }
        match builder.check() {
            Ok(()) => Ok(()),
            Err(error) => Err(ConfigError::Description {
                place: match file_name {
                    Some(name) => format!(" {name}, key request.url"),
                    None => ", key request.url".to_owned(),
                },
                problem: error.to_string(),
            }),
        }
    }
}

/// Builds a [`DescribedEndpoint`].
///
/// Without a URL, the endpoint is at `/callbacks/NAME` and expects the parameters of the default URL, which
/// [`dashboard_url`](Self::dashboard_url) prints for the network's dashboard.
#[derive(Clone)]
#[must_use = "`build` makes the endpoint"]
pub struct DescribedBuilder {
    pub(super) description: Description,
    pub(super) app: String,
    pub(super) endpoint: Option<String>,
    pub(super) keys: Option<KeyRing>,
    pub(super) credentials: Vec<Credential>,
    pub(super) url: Option<String>,
    pub(super) meaning: Option<Meaning>,
    pub(super) names: BTreeMap<Role, String>,
    pub(super) words: Vec<(String, Meaning)>,
    pub(super) shapes: Vec<(Role, Shape)>,
    pub(super) reinstates: Option<bool>,
    pub(super) senders: Option<Senders>,
    pub(super) accepts_probe: Option<bool>,
    pub(super) body_limit: usize,
}

/// The largest body limit.
const MAX_BODY_BYTES: usize = 1 << 20;
const DEFAULT_BODY_BYTES: usize = 64 * 1024;

impl DescribedBuilder {
    fn new(description: Description, app: String) -> Self {
        Self {
            description,
            app,
            endpoint: None,
            keys: None,
            credentials: Vec::new(),
            url: None,
            meaning: None,
            names: BTreeMap::new(),
            words: Vec::new(),
            shapes: Vec::new(),
            reinstates: None,
            senders: None,
            accepts_probe: None,
            body_limit: DEFAULT_BODY_BYTES,
        }
    }

    /// The secret that the network signs with or sends, or several while one is being replaced. For a network that
    /// signs nothing, a long random text of your own. A network with HTTP credentials takes it as a
    /// [token](Credential::token).
    ///
    /// # Errors
    /// [`ConfigError::Secret`], if it is empty or has white space around it.
    pub fn secret<K>(mut self, secret: K) -> Result<Self, ConfigError>
    where
        K: TryInto<KeyRing>,
        K::Error: Into<ConfigError>,
    {
        self.keys = Some(secret.try_into().map_err(Into::into)?);
        Ok(self)
    }

    /// Accepts a credential, in addition to those accepted before. For networks with HTTP credentials.
    pub fn credential(mut self, credential: Credential) -> Self {
        self.credentials.push(credential);
        self
    }

    /// The callback URL as typed into the network's dashboard, macros included. A network that signs its URL needs
    /// it. Parameters may have any name: they are known by their macros.
    ///
    /// A static parameter called `secret` (or as the description says) is a second secret: it is compared in constant
    /// time and never kept. Any other static parameter must arrive unchanged.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// What every callback of this endpoint means, where the network has a URL for each meaning.
    pub fn meaning(mut self, meaning: Meaning) -> Self {
        self.meaning = Some(meaning);
        self
    }

    /// The parameter that brings a role, by its name in the request. For networks whose names are chosen in their
    /// dashboard, and to use a static parameter of the URL as the amount.
    pub fn parameter(mut self, role: Role, name: impl Into<String>) -> Self {
        self.names.insert(role, name.into());
        self
    }

    /// What a word of the status means, in addition to the description. Case does not matter.
    pub fn word(mut self, word: impl Into<String>, meaning: Meaning) -> Self {
        self.words.push((word.into(), meaning));
        self
    }

    /// The shape of the values of a role. Where the signature runs its fields together, it shows where a value ends.
    pub fn shape(mut self, role: Role, shape: Shape) -> Self {
        self.shapes.push((role, shape));
        self
    }

    /// Whether a completed callback that arrives after a reversal of the same transaction makes the reward due again.
    /// Default: as the description says, usually no. Then a reversal is final, and neither order nor repetition matters.
    ///
    /// An old callback that is delivered once more after the reversal then pays, too: set it only for a network that is
    /// known to edit statuses back and forth.
    pub fn reinstates(mut self, reinstates: bool) -> Self {
        self.reinstates = Some(reinstates);
        self
    }

    /// The addresses that the network is expected to call from.
    pub fn senders(mut self, senders: Senders) -> Self {
        self.senders = Some(senders);
        self
    }

    /// Whether a `HEAD` or `GET` request without parameters is answered 200, as some dashboards demand before they
    /// save a URL. Nothing is processed. Default: as the description says, usually no.
    pub fn accept_probe(mut self, accepts: bool) -> Self {
        self.accepts_probe = Some(accepts);
        self
    }

    /// The endpoint's name in events, logs and metrics. Default `postbacks`.
    pub fn endpoint(mut self, name: impl Into<String>) -> Self {
        self.endpoint = Some(name.into());
        self
    }

    /// The longest body that is read, in bytes. Default 64 KiB, at most 1 MiB.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes.min(MAX_BODY_BYTES);
        self
    }

    /// The URL to paste into the network's dashboard, for a base such as `https://game.example`: the one that was set,
    /// or the default one **with its secret**. Treat it like one.
    ///
    /// # Errors
    /// [`ConfigError::NoSecret`], if the default URL needs the secret and none was set.
    pub fn dashboard_url(&self, base: &str) -> Result<String, ConfigError> {
        if let Some(url) = &self.url {
            return Ok(url.clone());
        }
        let is_reversal = self.is_reversal_url();
        let marked = self.description.default_url(base, is_reversal, Some(PLACEHOLDER));
        if !marked.contains(PLACEHOLDER) {
            return Ok(marked);
        }
        let (_, secret) = self.url_secrets()?.pop().ok_or_else(|| self.no_secret())?;
        Ok(self.description.default_url(base, is_reversal, Some(&secret)))
    }

    /// Checks everything and makes the endpoint. Logs what the network's signature does not cover.
    ///
    /// # Errors
    /// [`ConfigError`]: what is wrong, and what to do instead.
    pub fn build(self) -> Result<DescribedEndpoint, ConfigError> {
        let setup = self.compile()?;
        if !setup.uncovered.is_empty() {
            let roles: Vec<&str> = setup.uncovered.iter().map(|role| role.as_str()).collect();
            tracing::warn!(
                target: "postback::endpoint",
                network = setup.network.as_str(),
                app = setup.app.as_str(),
                uncovered = roles.join(","),
                has_static_secret = setup.has_shared_secret(),
                "the network's signature does not cover everything that money depends on: keep the callback URL secret"
            );
        }
        Ok(DescribedEndpoint::new(Arc::new(setup)))
    }

    /// Whether an endpoint can be built, once it has a secret.
    fn check(mut self) -> Result<(), ConfigError> {
        let typed = self.url.as_deref().and_then(|url| self.typed_secret(url));
        self.keys = Some(match typed {
            Some(secret) => Secret::new(secret)?.into(),
            None => KeyRing::try_from("a-secret-to-check-with")?,
        });
        self.compile().map(|_| ())
    }

    /// The secret in a callback URL of a network that signs nothing.
    fn typed_secret(&self, url: &str) -> Option<String> {
        match self.description.scheme() {
            Scheme::Secret { place: Place::Parameter(name) } => {
                let template = UrlTemplate::parse_any(url, &[]).ok()?;
                let mut parameters = template.parameters().iter();
                parameters.find(|parameter| parameter.name() == name)?.static_value().map(str::to_owned)
            }
            Scheme::Secret { place: Place::Path } => {
                let path = self.description.path(false);
                let (_, after) = path.split_once("{secret}")?;
                let before = url.split('?').next()?.strip_suffix(after)?;
                before.rsplit('/').next().map(str::to_owned)
            }
            _ => None,
        }
    }

    /// Whether this endpoint is for the network's second URL.
    pub(super) fn is_reversal_url(&self) -> bool {
        self.meaning == Some(Meaning::Reversed) && self.description.file().request.reversal_url.is_some()
    }

    pub(super) fn no_secret(&self) -> ConfigError {
        ConfigError::NoSecret {
            network: self.description.name().to_string(),
            fix: match self.description.scheme() {
                Scheme::Credentials => "add the credential of its dashboard",
                Scheme::Secret { place: Place::Parameter(name) }
                    if !self.description.file().statics.contains_key(name) =>
                {
                    "add the one of its dashboard"
                }
                Scheme::Secret { .. } => "add a long random text of your own, which the callback URL contains",
                _ => "add the one of its dashboard",
            },
        }
    }

    pub(super) fn ring(&self) -> Result<&KeyRing, ConfigError> {
        self.keys.as_ref().ok_or_else(|| self.no_secret())
    }

    /// What the secret in the URL may be: the secret itself where the network signs nothing, otherwise a text derived
    /// from it, so that the URL does not give the key away.
    pub(super) fn url_secrets(&self) -> Result<Vec<(KeyId, String)>, ConfigError> {
        let is_plain = matches!(self.description.scheme(), Scheme::Secret { .. });
        let text = |secret: &Secret| {
            if is_plain {
                return String::from_utf8_lossy(secret.as_bytes()).into_owned();
            }
            let mut mac = PreparedMac::new(HashFunction::Sha256, secret.as_bytes());
            mac.update(b"postback url secret\n");
            mac.update(self.description.name().as_str().as_bytes());
            mac.update(b"\n");
            let value = mac.finish_with(self.app.as_bytes());
            let mut hex = String::new();
            for byte in value.as_bytes().iter().take(16) {
                let _ = write!(hex, "{byte:02x}");
            }
            hex
        };
        Ok(self.ring()?.iter().map(|(id, secret)| (id.clone(), text(secret))).collect())
    }
}

impl DescribedBuilder {
    /// The URL that was set, or the default one.
    pub(super) fn typed_url(&self) -> Result<String, ConfigError> {
        match &self.url {
            Some(url) => Ok(self.hide_path_secret(url)),
            None if self.description.signs_url() => {
                Err(ConfigError::NoUrl { network: self.description.name().to_string() })
            }
            None => {
                let is_reversal = self.is_reversal_url();
                let base = "https://localhost";
                Ok(self.description.default_url(base, is_reversal, Some(PLACEHOLDER)))
            }
        }
    }

    /// A secret that was typed into the path, or `{secret}` in its place, is not part of the route.
    fn hide_path_secret(&self, url: &str) -> String {
        if !matches!(self.description.scheme(), Scheme::Secret { place: Place::Path }) {
            return url.to_owned();
        }
        let marked = url.replacen("{secret}", PLACEHOLDER, 1);
        if marked != *url {
            return marked;
        }
        let known = self.keys.iter().flat_map(KeyRing::iter);
        let texts = known.filter_map(|(_, secret)| std::str::from_utf8(secret.as_bytes()).ok());
        let typed = texts.map(|text| format!("/{text}/")).find(|segment| url.contains(segment));
        match typed {
            Some(segment) => url.replacen(&segment, &format!("/{PLACEHOLDER}/"), 1),
            None => url.to_owned(),
        }
    }
}

/// Shows names and nothing secret.
impl fmt::Debug for DescribedBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DescribedBuilder")
            .field("network", &self.description.name().as_str())
            .field("app", &self.app)
            .finish_non_exhaustive()
    }
}

fn check_url(description: &Description, url: &str) -> Vec<UrlFinding> {
    let mut findings = Vec::new();
    let mut find = |is_error: bool, text: String| findings.push(UrlFinding { is_error, text });
    if let Err(error) = description.app("check").url(url).check() {
        find(true, error.to_string());
    }
    let file = description.file();
    let Ok(template) = UrlTemplate::parse_any(url, &[]) else {
        return findings;
    };
    let known = description.macros();
    let secret = match description.scheme() {
        Scheme::Secret { place: Place::Parameter(name) } => name,
        _ => file.url_secret_name(),
    };
    for parameter in template.parameters() {
        let Some(text) = parameter.macro_text().filter(|_| parameter.name() != secret) else {
            continue;
        };
        if known.iter().any(|(known, _)| known == text) {
            continue;
        }
        let nearest = known.iter().min_by_key(|(known, _)| strsim::levenshtein(known, text));
        let fix = match nearest {
            Some((known, _)) if strsim::levenshtein(known, text) <= 3 => {
                format!("did you mean {known}?")
            }
            _ => "compare it with the network's dashboard".to_owned(),
        };
        find(false, format!("unknown macro {text} in parameter {:?}: {fix}", parameter.name()));
    }
    for role in [Role::Usd, Role::UsdCents, Role::Goal, Role::Reason] {
        for name in description.names_of(role) {
            let Some(text) = file.macro_text(name) else {
                continue;
            };
            if !template.parameters().iter().any(|known| known.macro_text() == Some(&*text)) {
                find(false, format!("no {}: add &{name}={text} if you want it", role.as_str()));
            }
        }
    }
    if template.prefix().starts_with("http://") {
        find(false, "http:// sends secrets and players in clear text: use https://".to_owned());
    }
    if description.wants_url_secret() && template.parameters().iter().all(|known| known.name() != secret) {
        find(
            false,
            format!(
                "the signature does not cover everything that money depends on: add &{secret}= with a long random text"
            ),
        );
    }
    findings
}
