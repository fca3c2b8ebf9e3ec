//! A network, as described.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use super::format::{
    Evidence, File, GoalScope, Hash, Meaning, Method, Order, OriginalForm, Place, Role, Scheme, TakesBack,
};
use super::signed_text::{Bound, Field, Part, Shape, ambiguous_fields};
use crate::id::{IdError, NetworkName, PlayerId, TransactionId};
use crate::network::ConfigError;
use crate::verify::{EXAMPLE_SECRET, HashFunction};

/// A network: its names, its authentication, and what its callbacks mean. Read from a TOML file; cheap to clone.
///
/// The presets ([`preset`](super::preset)) are descriptions that are compiled in. For another network, write one; every
/// key is documented in [`guide::networks`](crate::guide::networks).
///
/// ```
/// use postback::network::Description;
///
/// let description = Description::from_toml(r#"
///     name = "acme"
///     [parameters]
///     user   = "the player"
///     id     = "the transaction"
///     coins  = "the reward"
///     sig    = "the signature"
///     [fields]
///     player      = "user"
///     transaction = "id"
///     amount      = "coins"
///     [authentication]
///     kind    = "message"
///     hash    = "hmac-sha256"
///     in      = "sig"
///     message = "{user}:{id}:{coins}"
///     [meaning]
///     always = "completed"
/// "#)?;
/// assert_eq!(description.dashboard_url("https://game.example"), "https://game.example/callbacks/acme");
/// let endpoint = description.app("my-game").secret("the secret")?.build()?;
/// # let _ = endpoint;
/// # Ok::<(), postback::network::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Description {
    inner: Arc<Inner>,
}

struct Inner {
    name: NetworkName,
    file: File,
    scheme: Scheme,
}

impl Description {
    pub(super) fn parse(text: &str, file_name: Option<&str>) -> Result<Self, ConfigError> {
        let file = File::parse(text, file_name)?;
        let scheme = file.check().and_then(|()| file.scheme());
        let scheme = scheme.map_err(|(key, problem)| ConfigError::Description {
            place: match file_name {
                Some(name) => format!(" {name}, key {key}"),
                None => format!(", key {key}"),
            },
            problem,
        })?;
        let name = NetworkName::new(&file.name)?;
        Ok(Self { inner: Arc::new(Inner { name, file, scheme }) })
    }

    /// The same network under another name: it is part of every key in the store. For a member of a family, or a second
    /// network on the same platform.
    ///
    /// # Errors
    /// [`ConfigError::Name`], if it cannot be one.
    pub fn named(&self, name: impl AsRef<str>) -> Result<Self, ConfigError> {
        Ok(Self {
            inner: Arc::new(Inner {
                name: NetworkName::new(name)?,
                file: self.inner.file.clone(),
                scheme: self.inner.scheme.clone(),
            }),
        })
    }

    /// The name, as in keys, logs and metrics.
    pub fn name(&self) -> &NetworkName {
        &self.inner.name
    }

    /// The vendor's name for it.
    pub fn title(&self) -> &str {
        let title = &self.file().title;
        if title.is_empty() { self.name().as_str() } else { title }
    }

    /// How well the description is supported.
    pub fn evidence(&self) -> Evidence {
        self.file().evidence
    }

    /// The vendor's documentation; empty if there is none.
    pub fn docs(&self) -> &str {
        &self.file().docs
    }

    /// What else to know; empty if there is nothing.
    pub fn note(&self) -> &str {
        &self.file().note
    }

    /// Other networks with the same protocol: [`preset`](super::preset) knows their names, too.
    pub fn family(&self) -> &[String] {
        &self.file().family
    }

    /// The macros that can be typed into the callback URL, each with its meaning.
    pub fn macros(&self) -> Vec<(String, &str)> {
        let file = self.file();
        let macros = file.macros.iter();
        macros.filter_map(|(name, meaning)| Some((file.macro_text(name)?, meaning.as_str()))).collect()
    }

    /// The parameters that the network adds by itself, each with its meaning. Those of a JSON body have dotted names.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        let parameters = self.file().parameters.iter();
        parameters.map(|(name, meaning)| (name.as_str(), meaning.as_str()))
    }

    /// The names that bring a role, in the order in which they are tried.
    pub fn names_of(&self, role: Role) -> &[String] {
        self.file().fields.get(&role).map_or(&[], |names| names.names())
    }

    /// Addresses that the network was seen to call from. They are other people's data and change without notice:
    /// nothing trusts them.
    pub fn addresses(&self) -> &[String] {
        &self.file().facts.addresses
    }

    /// How the network retries, if known.
    pub fn retries(&self) -> Option<&str> {
        self.file().facts.retries.as_deref()
    }

    /// How long the network waits for a response, if known.
    pub fn timeout(&self) -> Option<&str> {
        self.file().facts.timeout.as_deref()
    }

    /// The HTTP methods.
    pub fn methods(&self) -> &'static str {
        Method::list(self.file().methods())
    }

    /// In one phrase, how callbacks are authenticated.
    pub fn authentication(&self) -> String {
        let hash = |hash: &Hash| {
            let function = match hash.function {
                HashFunction::Md5 => "MD5",
                HashFunction::Sha1 => "SHA-1",
                HashFunction::Sha256 => "SHA-256",
            };
            match (hash.is_keyed, hash.is_double) {
                (true, _) => format!("HMAC-{function}"),
                (false, true) => format!("double {function}"),
                (false, false) => function.to_owned(),
            }
        };
        match &self.inner.scheme {
            Scheme::Url { hash: h, .. } => format!("{} of the URL", hash(h)),
            Scheme::Message { hash: h, .. } => format!("{} of values", hash(h)),
            Scheme::Sorted { hash: h, .. } => format!("{} of the sorted parameters", hash(h)),
            Scheme::Body { hash: h, .. } => format!("{} of the body", hash(h)),
            Scheme::Secret { place: Place::Path } => "secret in the path".to_owned(),
            Scheme::Secret { place: Place::Header(_) } => "secret in a header".to_owned(),
            Scheme::Secret { .. } => "secret in a parameter".to_owned(),
            Scheme::Credentials => "HTTP credentials, or a secret in a header or parameter".to_owned(),
        }
    }

    /// In one phrase, how reversals are sent.
    pub fn reversals(&self) -> String {
        let file = self.file();
        if let Some(fact) = &file.facts.reversals {
            return fact.clone();
        }
        let meaning = &file.meaning;
        let mut signs = Vec::new();
        let words: Vec<String> = meaning
            .status
            .iter()
            .filter(|(_, meaning)| **meaning == Meaning::Reversed)
            .map(|(word, _)| format!("`{word}`"))
            .collect();
        if !words.is_empty() {
            let names = self.names_of(Role::Status).join(", ");
            signs.push(format!("{names} {}", words.join(" or ")));
        }
        if meaning.negative.is_some() {
            signs.push("negative amount".to_owned());
        }
        if file.request.reversal_url.is_some() {
            signs.push("URL of its own".to_owned());
        }
        if signs.is_empty() {
            return "none".to_owned();
        }
        let original = match &file.reversal.original {
            OriginalForm::SameTransaction => "same transaction".to_owned(),
            OriginalForm::Field => {
                format!("original in {}", self.names_of(Role::Original).join(", "))
            }
            OriginalForm::Prefix(prefix) => format!("transaction with `{prefix}` before it"),
            OriginalForm::Unknown => "does not name the original".to_owned(),
        };
        let amount = match file.reversal.takes_back {
            _ if file.reversal.original == OriginalForm::Unknown => "takes back nothing",
            TakesBack::Stated => "takes back the stated amount",
            TakesBack::Everything => "takes back everything",
        };
        format!("{}; {original}; {amount}", signs.join(", "))
    }

    /// In one phrase, what is sent in response.
    pub fn response(&self) -> String {
        let response = &self.file().response;
        let mut bodies = Vec::new();
        for (what, body) in
            [("settled", &response.settled), ("duplicate", &response.duplicate), ("rejected", &response.rejected)]
        {
            if let Some(body) = body {
                bodies.push(format!("{what} `{body}`"));
            }
        }
        if bodies.is_empty() { "status only".to_owned() } else { bodies.join(", ") }
    }

    /// The roles that the network's signature covers in its default URL, and those that it does not.
    pub fn coverage(&self) -> (Vec<Role>, Vec<Role>) {
        let roles = Role::ALL.into_iter().filter(|role| self.file().fields.contains_key(role));
        roles.partition(|role| {
            let mut names = self.names_of(*role).iter();
            // A static parameter must be the one of the configured URL.
            names.all(|name| self.is_covered(name) || self.file().statics.contains_key(name))
        })
    }

    pub(super) fn is_covered(&self, name: &str) -> bool {
        match &self.inner.scheme {
            Scheme::Url { .. } | Scheme::Body { .. } | Scheme::Sorted { order: Order::Name, .. } => true,
            Scheme::Sorted { order: Order::Macro, .. } => self.file().macros.contains_key(name),
            Scheme::Message { parts, .. } => {
                parts.iter().any(|part| matches!(part, Part::Field { name: covered, .. } if covered == name))
            }
            Scheme::Secret { .. } | Scheme::Credentials => false,
        }
    }

    /// The URL to paste into the network's dashboard, for a base such as `https://game.example`. Where a secret belongs,
    /// it says `YOUR_SECRET`: [`DescribedBuilder::dashboard_url`](super::DescribedBuilder::dashboard_url) fills it in.
    pub fn dashboard_url(&self, base: &str) -> String {
        self.default_url(base, false, Some(EXAMPLE_SECRET))
    }

    /// The URL for reversals, if the network sends them to a URL of their own. Its endpoint needs
    /// [`DescribedBuilder::meaning`](super::DescribedBuilder::meaning).
    pub fn reversal_url(&self, base: &str) -> Option<String> {
        self.file().request.reversal_url.as_ref()?;
        Some(self.default_url(base, true, Some(EXAMPLE_SECRET)))
    }

    pub(crate) fn file(&self) -> &File {
        &self.inner.file
    }

    pub(crate) fn scheme(&self) -> &Scheme {
        &self.inner.scheme
    }

    /// How to add a parameter for a name to the callback URL.
    pub(super) fn fix_for(&self, name: &str) -> String {
        match self.file().macro_text(name) {
            Some(text) => format!("&{name}={text}"),
            None => format!("&{name}=… with your own value"),
        }
    }

    pub(super) fn signs_url(&self) -> bool {
        matches!(self.inner.scheme, Scheme::Url { .. })
    }

    /// Whether each goal of a conversion is a transaction of its own: see [`stored_transaction`](Self::stored_transaction).
    pub fn has_goal_transactions(&self) -> bool {
        self.file().meaning.goal == GoalScope::Transaction
    }

    /// Whether the player's id takes the place of a goal: transactions are unique for one player only.
    pub fn has_transactions_of_players(&self) -> bool {
        self.names_of(Role::Goal) == self.names_of(Role::Player) && !self.names_of(Role::Goal).is_empty()
    }

    /// The transaction under which a callback is stored, for imports and searches. Mostly the network's own. Where each
    /// goal is a transaction of its own, both in one: `c1:install`.
    ///
    /// ```
    /// let mychips = postback::network::preset("mychips")?;
    /// let stored = mychips.stored_transaction(&"c1".parse()?, None, Some("install"))?;
    /// assert_eq!(stored.as_str(), "c1:install");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`IdError`], if both together are too long.
    pub fn stored_transaction(
        &self,
        transaction: &TransactionId,
        player: Option<&PlayerId>,
        goal: Option<&str>,
    ) -> Result<TransactionId, IdError> {
        if !self.has_goal_transactions() {
            Ok(transaction.clone())
        } else if self.has_transactions_of_players() {
            with_goal(transaction, player.map(|player| digest_of(player.as_str())).as_deref())
        } else {
            with_goal(transaction, goal)
        }
    }

    pub(super) fn path(&self, is_reversal: bool) -> String {
        let path = match &self.file().request.path {
            Some(path) => path.clone(),
            None => format!("/callbacks/{}", self.name()),
        };
        if is_reversal { format!("{path}/reversals") } else { path }
    }

    /// The shape that the description declares for a name.
    pub(crate) fn shape_of(&self, name: &str) -> Option<Shape> {
        let text = self.file().shapes.get(name)?;
        Shape::parse(text).ok()
    }

    /// The names that the signed text runs together, as far as money depends on them.
    pub(super) fn ambiguous_names(&self, shape_of: impl Fn(&str) -> Option<Shape>) -> Vec<String> {
        let Scheme::Message { parts, .. } = self.scheme() else {
            return Vec::new();
        };
        let is_role = |name: &str, roles: &[Role]| {
            roles.iter().any(|role| self.names_of(*role).iter().any(|known| known == name))
        };
        let mut fields = Vec::new();
        let mut is_separated = true;
        for part in parts {
            match part {
                Part::Literal(_) | Part::Secret => is_separated = true,
                Part::Field { name, is_optional, .. } => {
                    let is_number = is_role(name, &[Role::Amount, Role::Usd, Role::UsdCents]);
                    // A callback without its player or transaction is not used.
                    let is_required = is_role(name, &[Role::Player, Role::Transaction]);
                    fields.push(Field {
                        name,
                        bound: Bound::of(shape_of(name), is_number, *is_optional && !is_required),
                        is_separated,
                    });
                    is_separated = false;
                }
            }
        }
        let names = ambiguous_fields(&fields);
        if names.iter().any(|name| is_role(name, &Role::DECIDING)) {
            names.into_iter().map(str::to_owned).collect()
        } else {
            Vec::new()
        }
    }

    /// Whether the default URL has a static secret, because the signature leaves something out that money depends on.
    pub(super) fn wants_url_secret(&self) -> bool {
        let (_, uncovered) = self.coverage();
        matches!(self.scheme(), Scheme::Message { .. })
            && (uncovered.iter().any(|role| Role::DECIDING.contains(role))
                || !self.ambiguous_names(|name| self.shape_of(name)).is_empty())
    }

    /// The default URL, with a secret where one belongs.
    pub(super) fn default_url(&self, base: &str, is_reversal: bool, secret: Option<&str>) -> String {
        let request = &self.file().request;
        let query = match &request.reversal_url {
            Some(query) if is_reversal => query,
            _ => &request.url,
        };
        let secret = secret.unwrap_or_default();
        let path = self.path(is_reversal).replace("{secret}", secret);
        let mut url = format!("{}{path}{query}", base.trim_end_matches('/'));
        let secret_name = match self.scheme() {
            Scheme::Secret { place: Place::Parameter(name) } if self.file().statics.contains_key(name) => {
                Some(name.as_str())
            }
            _ if self.wants_url_secret() => Some(self.file().url_secret_name()),
            _ => None,
        };
        if let Some(name) = secret_name {
            let separator = if url.contains('?') { '&' } else { '?' };
            let _ = write!(url, "{separator}{name}={}", super::body::encode(secret));
        }
        url
    }
}

/// Shows the name.
impl fmt::Debug for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Description").field("name", &self.name().as_str()).finish_non_exhaustive()
    }
}

/// A transaction and its goal in one text, so that no two pairs give the same: `c1:install`. A `%` or `:` of the
/// transaction is escaped, so the first `:` always ends it.
pub(super) fn with_goal(transaction: &TransactionId, goal: Option<&str>) -> Result<TransactionId, IdError> {
    let escaped = transaction.as_str().replace('%', "%25").replace(':', "%3A");
    TransactionId::new(match goal {
        None => escaped,
        Some(goal) => format!("{escaped}:{goal}"),
    })
}

/// Stands for a player's id in a transaction, which is logged and outlives the erasure of the player.
pub(super) fn digest_of(player: &str) -> String {
    HashFunction::Sha256.digest(player.as_bytes()).as_bytes().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// One thing to know about a callback URL.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UrlFinding {
    /// Whether the URL cannot be used because of it.
    pub is_error: bool,
    /// What it is, and what to do.
    pub text: String,
}
