//! The format of a description: the tables of the TOML file, and the checks that need nothing but the file.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::signed_text::{Part, Shape};
use crate::network::ConfigError;
use crate::verify::{Encoding, HashFunction};

/// The TOML file. Unknown keys are errors.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) evidence: Evidence,
    #[serde(default)]
    pub(crate) docs: String,
    #[serde(default)]
    pub(crate) note: String,
    #[serde(default)]
    pub(crate) family: Vec<String>,
    #[serde(default)]
    pub(crate) request: RequestTable,
    #[serde(default)]
    pub(crate) macros: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) parameters: BTreeMap<String, String>,
    #[serde(default, rename = "static")]
    pub(crate) statics: BTreeMap<String, String>,
    pub(crate) fields: BTreeMap<Role, OneOrMany>,
    pub(crate) authentication: AuthenticationTable,
    #[serde(default)]
    pub(crate) shapes: BTreeMap<String, String>,
    pub(crate) meaning: MeaningTable,
    #[serde(default)]
    pub(crate) reversal: ReversalTable,
    #[serde(default)]
    pub(crate) ban: Option<BanTable>,
    #[serde(default)]
    pub(crate) response: ResponseTable,
    #[serde(default)]
    pub(crate) facts: FactsTable,
}

/// How well a description is supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Evidence {
    /// The vendor's own pages or repositories.
    Official,
    /// Copies or quotations of the vendor's pages.
    Copy,
    /// Several public receivers that agree.
    Implementations,
    /// Contradictory or thin. Compare it with the network's dashboard.
    Uncertain,
    /// A description of your own that says nothing about it.
    #[default]
    Unstated,
}

impl Evidence {
    /// One word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Official => "official",
            Self::Copy => "copy",
            Self::Implementations => "implementations",
            Self::Uncertain => "uncertain",
            Self::Unstated => "unstated",
        }
    }
}

/// What a parameter is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// The player.
    Player,
    /// The transaction of the callback.
    Transaction,
    /// The transaction that a reversal takes back.
    Original,
    /// The goal, event or task, if one transaction can have several.
    Goal,
    /// The reward in the app's currency.
    Amount,
    /// The status.
    Status,
    /// The publisher's revenue in US dollars.
    Usd,
    /// The publisher's revenue in US cents.
    UsdCents,
    /// The currency of the amount. If it is `USD`, the amount is also the revenue.
    Currency,
    /// The network's reason for a rejection.
    Reason,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 10] = [
        Self::Player,
        Self::Transaction,
        Self::Original,
        Self::Goal,
        Self::Amount,
        Self::Status,
        Self::Usd,
        Self::UsdCents,
        Self::Currency,
        Self::Reason,
    ];

    /// The roles that money depends on.
    pub(crate) const DECIDING: [Self; 6] =
        [Self::Player, Self::Transaction, Self::Original, Self::Goal, Self::Amount, Self::Status];

    /// The role's key in a description.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Player => "player",
            Self::Transaction => "transaction",
            Self::Original => "original",
            Self::Goal => "goal",
            Self::Amount => "amount",
            Self::Status => "status",
            Self::Usd => "usd",
            Self::UsdCents => "usd_cents",
            Self::Currency => "currency",
            Self::Reason => "reason",
        }
    }
}

/// What a callback means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Meaning {
    /// The reward is final: it is paid.
    Completed,
    /// The reward is not final: nothing is paid.
    Pending,
    /// The reward is taken back.
    Reversed,
    /// The callback is not about a reward: nothing is paid.
    NotAReward,
}

impl Meaning {
    /// The meaning's word in a description.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Pending => "pending",
            Self::Reversed => "reversed",
            Self::NotAReward => "not-a-reward",
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "a name or a list of names")]
pub(crate) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub(crate) fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestTable {
    #[serde(default)]
    pub(crate) methods: Vec<Method>,
    #[serde(default)]
    pub(crate) body: Vec<BodyFormat>,
    #[serde(default, rename = "macro")]
    pub(crate) notation: Option<String>,
    #[serde(default)]
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) reversal_url: Option<String>,
    #[serde(default)]
    pub(crate) path: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Method {
    #[serde(rename = "GET")]
    Get,
    #[serde(rename = "POST")]
    Post,
}

impl Method {
    /// The value of `Allow`.
    pub(super) fn list(methods: &[Self]) -> &'static str {
        match methods {
            [Self::Get] => "GET",
            [Self::Post] => "POST",
            _ => "GET, POST",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BodyFormat {
    Form,
    Json,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthenticationTable {
    kind: Kind,
    hash: Option<String>,
    encoding: Option<Encoding>,
    #[serde(rename = "in")]
    place: Option<String>,
    message: Option<String>,
    position: Option<Position>,
    pairs: Option<Pairs>,
    order: Option<Order>,
    join: Option<String>,
    #[serde(default)]
    omit_empty: Vec<String>,
    prefix: Option<String>,
    url_secret: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    UrlMac,
    Message,
    SortedMac,
    BodyMac,
    Secret,
    Credentials,
}

/// Where a URL's signature stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Position {
    Last,
    Anywhere,
}

/// How sorted parameters are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Pairs {
    /// `name=value`, decoded.
    #[serde(rename = "key=value")]
    KeyValue,
    /// `name=value`, encoded as PHP's `http_build_query` does.
    #[serde(rename = "php-form")]
    PhpForm,
    /// Values only, decoded.
    #[serde(rename = "values")]
    Values,
}

/// What parameters are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    /// The parameter's name; every parameter is signed.
    Name,
    /// The macro's name; parameters without a macro are not signed.
    Macro,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MeaningTable {
    #[serde(default)]
    pub(crate) always: Option<Meaning>,
    #[serde(default)]
    pub(crate) status: BTreeMap<String, Meaning>,
    #[serde(default)]
    pub(crate) absent: Option<Meaning>,
    #[serde(default)]
    pub(crate) empty: Option<Meaning>,
    #[serde(default)]
    pub(crate) negative: Option<Meaning>,
    #[serde(default)]
    pub(crate) no_amount: Option<Meaning>,
    #[serde(default)]
    pub(crate) goal: GoalScope,
    #[serde(default)]
    pub(crate) reinstates: bool,
    #[serde(default)]
    pub(crate) not_a_reward: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(crate) test: BTreeMap<String, Vec<String>>,
}

/// What a goal does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GoalScope {
    /// Each goal of a transaction pays once; a reversal takes back the transaction with all its goals.
    #[default]
    Milestone,
    /// Each goal is a transaction of its own, with its own reversal.
    Transaction,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReversalTable {
    #[serde(default)]
    pub(crate) original: OriginalForm,
    #[serde(default)]
    pub(crate) takes_back: TakesBack,
}

/// How a reversal names the transaction that it takes back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum OriginalForm {
    /// It has the same transaction.
    #[default]
    SameTransaction,
    /// In a parameter of its own.
    Field,
    /// Its transaction is the original's with this before it.
    Prefix(String),
    /// It does not name it.
    Unknown,
}

impl TryFrom<String> for OriginalForm {
    type Error = String;
    fn try_from(word: String) -> Result<Self, String> {
        match &*word {
            "same-transaction" => Ok(Self::SameTransaction),
            "field" => Ok(Self::Field),
            "unknown" => Ok(Self::Unknown),
            other => match other.strip_prefix("prefix:") {
                Some(prefix) if !prefix.is_empty() => Ok(Self::Prefix(prefix.to_owned())),
                _ => Err(format!(
                    "unknown form {other:?}: use \"same-transaction\", \"field\", \"prefix:…\" or \"unknown\""
                )),
            },
        }
    }
}

/// How much a reversal takes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TakesBack {
    /// The stated amount, whatever its sign; everything if none is stated.
    #[default]
    Stated,
    /// Everything that was paid, whatever it states.
    Everything,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BanTable {
    pub(crate) field: String,
    #[serde(default)]
    pub(crate) banned: Vec<String>,
    #[serde(default)]
    pub(crate) unbanned: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResponseTable {
    #[serde(default)]
    pub(crate) settled: Option<String>,
    #[serde(default)]
    pub(crate) duplicate: Option<String>,
    #[serde(default)]
    pub(crate) rejected: Option<String>,
    #[serde(default)]
    pub(crate) not_genuine_status: Option<u16>,
    #[serde(default)]
    pub(crate) accept_probe: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FactsTable {
    #[serde(default)]
    pub(crate) reversals: Option<String>,
    #[serde(default)]
    pub(crate) retries: Option<String>,
    #[serde(default)]
    pub(crate) timeout: Option<String>,
    #[serde(default)]
    pub(crate) addresses: Vec<String>,
}

/// A hash, with a key (HMAC) or over a text that contains the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hash {
    pub(crate) function: HashFunction,
    /// HMAC.
    pub(crate) is_keyed: bool,
    /// Hashed twice.
    pub(crate) is_double: bool,
}

impl Hash {
    fn parse(word: &str) -> Option<Self> {
        let (function, is_keyed, is_double) = match word {
            "md5" => (HashFunction::Md5, false, false),
            "sha1" => (HashFunction::Sha1, false, false),
            "sha256" => (HashFunction::Sha256, false, false),
            "sha256d" => (HashFunction::Sha256, false, true),
            "hmac-md5" => (HashFunction::Md5, true, false),
            "hmac-sha1" => (HashFunction::Sha1, true, false),
            "hmac-sha256" => (HashFunction::Sha256, true, false),
            _ => return None,
        };
        Some(Self { function, is_keyed, is_double })
    }
}

/// Where a signature or secret stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A parameter, by its name in the description.
    Parameter(String),
    Header(String),
    /// A segment of the path.
    Path,
}

/// How callbacks are authenticated.
#[derive(Debug, Clone)]
pub(crate) enum Scheme {
    /// A MAC over the URL.
    Url { hash: Hash, encoding: Encoding, parameter: String, position: Position },
    /// A digest or MAC over a text made of values.
    Message { hash: Hash, encoding: Encoding, place: Place, parts: Vec<Part> },
    /// A digest or MAC over the sorted parameters.
    Sorted {
        hash: Hash,
        encoding: Encoding,
        place: Place,
        pairs: Pairs,
        order: Order,
        join: String,
        omit_empty: Vec<String>,
    },
    /// A MAC over the body.
    Body { hash: Hash, encoding: Encoding, header: String, prefix: String },
    /// A shared secret.
    Secret { place: Place },
    /// HTTP credentials that the operator configures.
    Credentials,
}

/// A mistake in a description: the key, and what to write instead.
pub(crate) type Mistake = (String, String);

fn mistake(key: &str, problem: impl Into<String>) -> Mistake {
    (key.to_owned(), problem.into())
}

impl File {
    /// Parses a description. `file` is its name for errors, if it has one.
    pub(crate) fn parse(text: &str, file: Option<&str>) -> Result<Self, ConfigError> {
        let at = |place: String| match file {
            Some(file) => format!(" {file}{place}"),
            None => place,
        };
        toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            ConfigError::Description { place: at(format!(", line {line}")), problem: error.message().to_owned() }
        })
    }

    /// Whether a name is declared in one of the three tables of names.
    pub(crate) fn is_declared(&self, name: &str) -> bool {
        self.macros.contains_key(name) || self.parameters.contains_key(name) || self.statics.contains_key(name)
    }

    pub(crate) fn methods(&self) -> &[Method] {
        if self.request.methods.is_empty() { &[Method::Get] } else { &self.request.methods }
    }

    /// The macro of this name as it is typed into a URL; `None` if the network has no such macro.
    pub(crate) fn macro_text(&self, name: &str) -> Option<String> {
        let notation = self.request.notation.as_deref()?;
        self.macros.contains_key(name).then(|| notation.replace("NAME", name))
    }

    /// The name of the static parameter that is added to a URL whose signature covers too little.
    pub(crate) fn url_secret_name(&self) -> &str {
        self.authentication.url_secret.as_deref().unwrap_or("secret")
    }

    /// Checks everything that TOML's own types do not say.
    pub(crate) fn check(&self) -> Result<(), Mistake> {
        crate::id::NetworkName::new(&self.name).map_err(|error| mistake("name", error.to_string()))?;
        for name in &self.family {
            crate::id::NetworkName::new(name).map_err(|error| mistake("family", error.to_string()))?;
        }
        self.check_request()?;
        self.check_fields()?;
        self.check_meaning()?;
        for (name, shape) in &self.shapes {
            self.check_declared("shapes", name)?;
            Shape::parse(shape).map_err(|problem| mistake(&format!("shapes.{name}"), problem))?;
        }
        if let Some(ban) = &self.ban {
            self.check_declared("ban.field", &ban.field)?;
        }
        if let Some(status) = self.response.not_genuine_status
            && !(400..600).contains(&status)
        {
            return Err(mistake("response.not_genuine_status", "not a 4xx or 5xx status"));
        }
        for (key, body) in [
            ("response.settled", &self.response.settled),
            ("response.duplicate", &self.response.duplicate),
            ("response.rejected", &self.response.rejected),
        ] {
            if body.as_ref().is_some_and(|body| body.len() > 256) {
                return Err(mistake(key, "longer than 256 bytes"));
            }
        }
        for entry in &self.facts.addresses {
            crate::network::AddressRange::parse(entry)
                .map_err(|error| mistake("facts.addresses", error.to_string()))?;
        }
        Ok(())
    }

    fn check_declared(&self, key: &str, name: &str) -> Result<(), Mistake> {
        if self.is_declared(name) {
            return Ok(());
        }
        let declared = self.macros.keys().chain(self.parameters.keys()).chain(self.statics.keys());
        let nearest = declared.min_by_key(|known| strsim::levenshtein(known, name));
        let fix = match nearest {
            Some(known) => format!("declare it in [macros] or [parameters], or use {known:?}"),
            None => "declare it in [macros] or [parameters]".to_owned(),
        };
        Err(mistake(key, format!("undeclared name {name:?}: {fix}")))
    }

    fn check_request(&self) -> Result<(), Mistake> {
        let request = &self.request;
        match &request.notation {
            Some(notation) if notation.matches("NAME").count() != 1 || notation == "NAME" => {
                return Err(mistake(
                    "request.macro",
                    "write how the network writes a macro called NAME, such as \"{NAME}\"",
                ));
            }
            None if !self.macros.is_empty() => {
                return Err(mistake(
                    "request.macro",
                    "missing, although there are [macros]: write for example macro = \"{NAME}\"",
                ));
            }
            _ => {}
        }
        let may_post = self.methods().contains(&Method::Post);
        if may_post == request.body.is_empty() {
            return Err(mistake(
                "request.body",
                "name the formats of the body, \"form\" or \"json\", if and only if the methods include \"POST\"",
            ));
        }
        for (key, url) in [("request.url", Some(&request.url)), ("request.reversal_url", request.reversal_url.as_ref())]
        {
            if url.is_some_and(|url| !url.is_empty() && !url.starts_with('?')) {
                return Err(mistake(key, "write the query only, beginning with '?'"));
            }
        }
        if let Some(path) = &request.path
            && !path.starts_with('/')
        {
            return Err(mistake("request.path", "begin with '/'"));
        }
        Ok(())
    }

    fn check_fields(&self) -> Result<(), Mistake> {
        for (role, names) in &self.fields {
            let key = format!("fields.{}", role.as_str());
            if names.names().is_empty() {
                return Err(mistake(&key, "name at least one parameter"));
            }
            for name in names.names() {
                self.check_declared(&key, name)?;
            }
        }
        for role in [Role::Player, Role::Transaction] {
            if !self.fields.contains_key(&role) {
                return Err(mistake(
                    &format!("fields.{}", role.as_str()),
                    "missing: a callback without it cannot be paid exactly once",
                ));
            }
        }
        Ok(())
    }

    fn check_meaning(&self) -> Result<(), Mistake> {
        let meaning = &self.meaning;
        let has_words = !meaning.status.is_empty();
        let has_status = self.fields.contains_key(&Role::Status);
        match (meaning.always, has_status, has_words) {
            (Some(_), false, false) if meaning.absent.is_none() && meaning.empty.is_none() => {}
            (None, true, true) => {}
            (Some(_), _, _) => {
                return Err(mistake(
                    "meaning.always",
                    "leaves nothing to say for fields.status, status, absent and empty: remove one or the other",
                ));
            }
            (None, _, _) => {
                return Err(mistake("meaning.status", "say what each word of fields.status means, or set always"));
            }
        }
        for (at, word) in meaning.status.keys().enumerate() {
            let is_same = |other: &String| other.eq_ignore_ascii_case(word);
            if word.is_empty() || meaning.status.keys().skip(at + 1).any(is_same) {
                return Err(mistake(
                    "meaning.status",
                    format!(
                        "word {word:?} is empty or occurs twice: case does not matter; use the key empty for an empty status"
                    ),
                ));
            }
        }
        let may_complete = [meaning.always, meaning.absent, meaning.empty]
            .into_iter()
            .flatten()
            .chain(meaning.status.values().copied())
            .any(|meaning| meaning == Meaning::Completed);
        if may_complete && !self.fields.contains_key(&Role::Amount) {
            return Err(mistake("fields.amount", "missing: a completed callback has nothing to pay"));
        }
        if meaning.negative.is_some_and(|meaning| meaning != Meaning::Reversed) {
            return Err(mistake("meaning.negative", "a negative amount can only mean \"reversed\""));
        }
        if meaning.no_amount.is_some_and(|meaning| meaning != Meaning::NotAReward) {
            return Err(mistake("meaning.no_amount", "a missing amount can only mean \"not-a-reward\""));
        }
        for (key, conditions) in [("meaning.test", &meaning.test), ("meaning.not_a_reward", &meaning.not_a_reward)] {
            for name in conditions.keys() {
                self.check_declared(key, name)?;
            }
        }
        if self.reversal.original == OriginalForm::Field && !self.fields.contains_key(&Role::Original) {
            return Err(mistake("fields.original", "missing, although reversal.original is \"field\""));
        }
        Ok(())
    }

    /// The authentication, checked.
    #[allow(clippy::too_many_lines, reason = "one arm for each kind")]
    pub(crate) fn scheme(&self) -> Result<Scheme, Mistake> {
        let table = &self.authentication;
        let key = |key: &str| format!("authentication.{key}");
        let missing = |name: &str, what: &str| mistake(&key(name), format!("missing: {what}"));
        let hash = || {
            let word = table.hash.as_deref().unwrap_or_default();
            Hash::parse(word).ok_or_else(|| {
                mistake(
                    &key("hash"),
                    format!(
                        "unknown hash {word:?}: use \"md5\", \"sha1\", \"sha256\", \"sha256d\", \"hmac-md5\", \
                         \"hmac-sha1\" or \"hmac-sha256\""
                    ),
                )
            })
        };
        let keyed = || {
            let hash = hash()?;
            if hash.is_keyed {
                Ok(hash)
            } else {
                Err(mistake(&key("hash"), "use \"hmac-md5\", \"hmac-sha1\" or \"hmac-sha256\" here"))
            }
        };
        let encoding = table.encoding.unwrap_or(Encoding::Hex);
        let place = || -> Result<Place, Mistake> {
            let text = table.place.as_deref().ok_or_else(|| missing("in", "name the parameter or \"header:NAME\""))?;
            if let Some(header) = text.strip_prefix("header:") {
                return if is_header_name(header) {
                    Ok(Place::Header(header.to_owned()))
                } else {
                    Err(mistake(&key("in"), format!("invalid header name {header:?}")))
                };
            }
            if text == "path" && !self.is_declared("path") {
                return Ok(Place::Path);
            }
            self.check_declared(&key("in"), text)?;
            Ok(Place::Parameter(text.to_owned()))
        };
        self.check_unused_keys()?;
        Ok(match table.kind {
            Kind::UrlMac if self.methods() != [Method::Get] => {
                return Err(mistake("request.methods", "\"url-mac\" signs a URL: use \"GET\" alone"));
            }
            Kind::BodyMac if !self.macros.is_empty() || self.methods() != [Method::Post] => {
                return Err(mistake(
                    "request.methods",
                    "\"body-mac\" signs a body and not the URL: use \"POST\" alone, and [parameters] instead of [macros]",
                ));
            }
            Kind::UrlMac => Scheme::Url {
                hash: keyed()?,
                encoding,
                parameter: match place()? {
                    Place::Parameter(name) => name,
                    _ => return Err(mistake(&key("in"), "name a parameter")),
                },
                position: table.position.unwrap_or(Position::Last),
            },
            Kind::Message => {
                let hash = hash()?;
                let text = table
                    .message
                    .as_deref()
                    .ok_or_else(|| missing("message", "write the signed text, such as \"{user}:{id}:{secret}\""))?;
                let parts = Part::parse(text).map_err(|problem| mistake(&key("message"), problem))?;
                for part in &parts {
                    if let Part::Field { name, .. } = part {
                        self.check_declared(&key("message"), name)?;
                    }
                }
                let secrets = parts.iter().filter(|part| matches!(part, Part::Secret)).count();
                if secrets != usize::from(!hash.is_keyed) {
                    return Err(mistake(
                        &key("message"),
                        "write {secret} exactly once for a digest, and not at all for an HMAC, whose key it is",
                    ));
                }
                Scheme::Message { hash, encoding, place: signature_place(place()?)?, parts }
            }
            Kind::SortedMac => {
                for name in &table.omit_empty {
                    self.check_declared(&key("omit_empty"), name)?;
                }
                Scheme::Sorted {
                    hash: hash()?,
                    encoding,
                    place: signature_place(place()?)?,
                    pairs: table
                        .pairs
                        .ok_or_else(|| missing("pairs", "use \"key=value\", \"php-form\" or \"values\""))?,
                    order: table.order.unwrap_or(Order::Name),
                    join: table.join.clone().unwrap_or_default(),
                    omit_empty: table.omit_empty.clone(),
                }
            }
            Kind::BodyMac => Scheme::Body {
                hash: keyed()?,
                encoding,
                header: match place()? {
                    Place::Header(name) => name,
                    _ => return Err(mistake(&key("in"), "use \"header:NAME\"")),
                },
                prefix: table.prefix.clone().unwrap_or_default(),
            },
            Kind::Secret => Scheme::Secret { place: place()? },
            Kind::Credentials => Scheme::Credentials,
        })
    }

    /// A key that the kind does not read would be believed to have an effect.
    fn check_unused_keys(&self) -> Result<(), Mistake> {
        let table = &self.authentication;
        let used: &[&str] = match table.kind {
            Kind::UrlMac => &["hash", "encoding", "in", "position"],
            Kind::Message => &["hash", "encoding", "in", "message"],
            Kind::SortedMac => &["hash", "encoding", "in", "pairs", "order", "join", "omit_empty"],
            Kind::BodyMac => &["hash", "encoding", "in", "prefix"],
            Kind::Secret => &["in"],
            Kind::Credentials => &[],
        };
        for (name, is_set) in [
            ("hash", table.hash.is_some()),
            ("encoding", table.encoding.is_some()),
            ("in", table.place.is_some()),
            ("message", table.message.is_some()),
            ("position", table.position.is_some()),
            ("pairs", table.pairs.is_some()),
            ("order", table.order.is_some()),
            ("join", table.join.is_some()),
            ("omit_empty", !table.omit_empty.is_empty()),
            ("prefix", table.prefix.is_some()),
        ] {
            if is_set && !used.contains(&name) {
                return Err(mistake(
                    &format!("authentication.{name}"),
                    "this kind of authentication does not use it: remove it",
                ));
            }
        }
        Ok(())
    }
}

fn signature_place(place: Place) -> Result<Place, Mistake> {
    match place {
        Place::Path => Err(mistake("authentication.in", "name a parameter or \"header:NAME\"")),
        place => Ok(place),
    }
}

pub(crate) fn is_header_name(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token)
}
