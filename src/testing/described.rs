//! Sends callbacks as a described network does. It reads the same description, and shares no code with what verifies
//! them.
//!
//! ```
//! use postback::network::{Meaning, preset};
//! use postback::testing::described::DescribedSigner;
//! use postback::{Endpoint, Verified};
//!
//! let lootably = preset("lootably")?.app("my-game").secret("the secret")?;
//! let url = lootably.dashboard_url("https://game.example")?;
//! let endpoint = lootably.build()?;
//!
//! let network = DescribedSigner::new(&preset("lootably")?, url, "the secret");
//! let sent = network.callback().player("p1").transaction("t1").amount("500").sign();
//! let callback = endpoint.verify(&sent.request()).expect("genuine");
//! assert_eq!(callback.player, "p1");
//!
//! let reversal = network.callback().player("p1").amount("500").meaning(Meaning::Reversed, "t1").sign();
//! assert_eq!(endpoint.verify(&reversal.request()).expect("genuine").status.as_deref(), Some("0"));
//! # Ok::<(), postback::network::ConfigError>(())
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::network::described::{BodyFormat, Hash, Order, OriginalForm, Pairs, Part, Place, Position, Scheme};
use crate::network::{Description, Meaning, Role, Shape};
use crate::verify::{Encoding, HashFunction, Request};

/// A described network, with an app's secret and the callback URL from its dashboard.
#[derive(Clone)]
pub struct DescribedSigner {
    description: Description,
    url: String,
    secret: String,
}

impl DescribedSigner {
    /// A signer for a callback URL as typed into the dashboard. It accepts any secret: forgers use it, too.
    pub fn new(description: &Description, url: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { description: description.clone(), url: url.into(), secret: secret.into() }
    }

    /// Begins a callback. It is a completed one until [`CallbackDraft::meaning`] says otherwise.
    pub fn callback(&self) -> CallbackDraft {
        let is_post_only = self.description.methods() == "POST";
        let has_json = self.description.file().request.body.contains(&BodyFormat::Json);
        let format = match (is_post_only, has_json) {
            (false, _) => Format::Query,
            (true, false) => Format::Form,
            (true, true) => Format::Json,
        };
        let draft = CallbackDraft {
            signer: self.clone(),
            values: BTreeMap::new(),
            extra: Vec::new(),
            headers: Vec::new(),
            removed: Vec::new(),
            format,
        };
        draft.meaning(Meaning::Completed, "")
    }
}

/// Shows the network and nothing secret.
impl fmt::Debug for DescribedSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DescribedSigner").field("network", &self.description.name().as_str()).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Query,
    Form,
    Json,
}

/// A callback that is being put together.
#[derive(Clone)]
#[must_use = "`sign` makes the request"]
pub struct CallbackDraft {
    signer: DescribedSigner,
    /// By the names of the description.
    values: BTreeMap<String, String>,
    extra: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    removed: Vec<String>,
    format: Format,
}

impl CallbackDraft {
    /// Sets the player.
    pub fn player(self, value: impl Into<String>) -> Self {
        self.role(Role::Player, value)
    }

    /// Sets the transaction.
    pub fn transaction(self, value: impl Into<String>) -> Self {
        self.role(Role::Transaction, value)
    }

    /// Sets the amount.
    pub fn amount(self, value: impl Into<String>) -> Self {
        self.role(Role::Amount, value)
    }

    /// Sets the value of a role. Without effect if the network has no such role.
    pub fn role(self, role: Role, value: impl Into<String>) -> Self {
        match self.signer.description.names_of(role).first().cloned() {
            Some(name) => self.set(name, value),
            None => self,
        }
    }

    /// Sets a value by its name in the description.
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.values.insert(name.into(), value.into());
        self
    }

    /// Makes it mean this, by whatever means the network has. A reversal takes back the transaction `original`.
    pub fn meaning(mut self, meaning: Meaning, original: &str) -> Self {
        let description = self.signer.description.clone();
        let file = description.file();
        let words = &file.meaning.status;
        let by_word = words.iter().find(|(_, known)| **known == meaning).map(|(word, _)| word.clone());
        let has_status = !description.names_of(Role::Status).is_empty();
        if let Some(word) = by_word {
            self = self.role(Role::Status, word);
        } else if has_status && file.meaning.absent == Some(meaning) {
            self.values.remove(description.names_of(Role::Status).first().map_or("", String::as_str));
        }
        if meaning == Meaning::Reversed {
            if file.meaning.negative.is_some() {
                for role in [Role::Amount, Role::Usd] {
                    let name = description.names_of(role).first().cloned().unwrap_or_default();
                    if let Some(value) = self.values.get_mut(&name)
                        && !value.starts_with('-')
                        && value != "0"
                    {
                        value.insert(0, '-');
                    }
                }
            }
            self = match &file.reversal.original {
                OriginalForm::SameTransaction => self.transaction(original),
                OriginalForm::Field => self.role(Role::Original, original),
                OriginalForm::Prefix(prefix) => self.transaction(format!("{prefix}{original}")),
                OriginalForm::Unknown => self,
            };
        }
        self
    }

    /// Marks it as a test. Without effect if the network has no such mark.
    pub fn test(mut self) -> Self {
        let marks = &self.signer.description.file().meaning.test;
        let mark = marks.iter().find_map(|(name, values)| Some((name.clone(), values.first()?.clone())));
        if let Some((name, value)) = mark {
            self.values.insert(name, value);
        }
        self
    }

    /// Adds a parameter to the query that the description does not know, as a player may.
    pub fn extra(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.extra.push((name.into(), value.into()));
        self
    }

    /// Leaves out a parameter, by its name in the description.
    pub fn without(mut self, name: impl Into<String>) -> Self {
        self.removed.push(name.into());
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds `Authorization: Basic base64(login:password)`.
    pub fn basic(self, login: &str, password: &str) -> Self {
        let text = STANDARD.encode(format!("{login}:{password}"));
        self.header("Authorization", format!("Basic {text}"))
    }

    /// Sends it as a GET request.
    pub fn get(mut self) -> Self {
        self.format = Format::Query;
        self
    }

    /// Sends it as a form.
    pub fn form(mut self) -> Self {
        self.format = Format::Form;
        self
    }

    /// Sends it as JSON.
    pub fn json(mut self) -> Self {
        self.format = Format::Json;
        self
    }

    /// Signs it.
    pub fn sign(self) -> SentCallback {
        let mut message = self.compose();
        let scheme = self.signer.description.scheme();
        let secret = &self.signer.secret;
        match scheme {
            Scheme::Url { hash, encoding, position, .. } => {
                let signature = encode_value(*encoding, &mac(*hash, secret, message.url().as_bytes()));
                let name = message.signature_name.clone();
                // A network that takes any position puts it first, so that tests notice.
                if *position == Position::Anywhere && !message.query.is_empty() {
                    message.query.insert(1, (name, signature));
                } else {
                    message.query.push((name, signature));
                }
            }
            Scheme::Message { hash, encoding, place, parts } => {
                let text = self.signed_text(parts);
                let value =
                    if hash.is_keyed { mac(*hash, secret, text.as_bytes()) } else { digest(*hash, text.as_bytes()) };
                message.add_signature(place, encode_value(*encoding, &value), self.format);
            }
            Scheme::Sorted { hash, encoding, place, pairs, order, join, omit_empty } => {
                let text = match order {
                    Order::Macro => self.values_by_macro(join, omit_empty),
                    Order::Name => message.sorted(*pairs, join),
                };
                let value = if hash.is_keyed {
                    mac(*hash, secret, text.as_bytes())
                } else {
                    digest(*hash, format!("{text}{secret}").as_bytes())
                };
                message.add_signature(place, encode_value(*encoding, &value), self.format);
            }
            Scheme::Body { hash, encoding, header, prefix } => {
                let body = message.body(self.format);
                let signature = encode_value(*encoding, &mac(*hash, secret, &body));
                message.headers.push((header.clone(), format!("{prefix}{signature}")));
            }
            Scheme::Secret { place: Place::Header(name) } => message.headers.push((name.clone(), secret.clone())),
            // A token, unless the draft has a credential in another form.
            Scheme::Credentials if self.headers.is_empty() => {
                message.headers.push(("Authorization".to_owned(), format!("Bearer {secret}")));
            }
            Scheme::Secret { .. } | Scheme::Credentials => {}
        }
        message.finish(self.format, &self.signer.url, &self.headers)
    }

    fn value_of(&self, name: &str) -> Option<String> {
        if self.removed.iter().any(|removed| removed == name) {
            return None;
        }
        self.values.get(name).cloned()
    }

    /// The value of a name that must have one.
    fn sample(&self, name: &str) -> String {
        if let Some(value) = self.value_of(name) {
            return value;
        }
        let is_removed = self.removed.iter().any(|removed| removed == name);
        match self.signer.description.shape_of(name) {
            _ if is_removed => String::new(),
            Some(Shape::Uuid) => "00000000-0000-4000-8000-000000000000".to_owned(),
            Some(Shape::Hex(length) | Shape::Digits(length) | Shape::Length(length)) => "0".repeat(length),
            Some(Shape::Letters) => "Coins".to_owned(),
            None => String::new(),
        }
    }

    /// The request without its signature: the URL's parameters, then those that the network adds.
    fn compose(&self) -> Message {
        let description = &self.signer.description;
        let file = description.file();
        let (_, query) = self.signer.url.split_once('?').unwrap_or((&self.signer.url, ""));
        let signature = match description.scheme() {
            Scheme::Url { parameter, .. } => Some(parameter.as_str()),
            Scheme::Message { place: Place::Parameter(name), .. }
            | Scheme::Sorted { place: Place::Parameter(name), .. } => Some(name.as_str()),
            _ => None,
        };
        let mut message = Message {
            prefix: self.signer.url.split('?').next().unwrap_or_default().to_owned(),
            query: Vec::new(),
            body: Vec::new(),
            headers: Vec::new(),
            signature_name: signature.unwrap_or_default().to_owned(),
        };
        for piece in query.split('&').filter(|piece| !piece.is_empty()) {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            let known = file.macros.keys().find(|known| file.macro_text(known).as_deref() == Some(value));
            match known {
                Some(known) if Some(known.as_str()) == signature => {
                    name.clone_into(&mut message.signature_name);
                }
                Some(known) => {
                    let is_secret = matches!(description.scheme(), Scheme::Secret { place: Place::Parameter(secret) } if secret == known);
                    let value = if is_secret { self.signer.secret.clone() } else { self.sample(known) };
                    if !self.removed.contains(known) {
                        message.query.push((name.to_owned(), encode(&value)));
                    }
                }
                // A macro that the description does not know is sent as it is.
                None => message.query.push((name.to_owned(), value.to_owned())),
            }
        }
        let is_signed = |name: &str| match description.scheme() {
            Scheme::Message { parts, .. } => parts
                .iter()
                .any(|part| matches!(part, Part::Field { name: known, is_optional: false, .. } if known == name)),
            _ => false,
        };
        let added = file.parameters.keys().filter(|name| !file.macros.contains_key(*name));
        for name in added.filter(|name| Some(name.as_str()) != signature) {
            let value = self.value_of(name).or_else(|| is_signed(name).then(|| self.sample(name)));
            let Some(value) = value.filter(|_| !self.removed.contains(name)) else {
                continue;
            };
            match self.format {
                Format::Query => message.query.push((name.clone(), encode(&value))),
                Format::Form | Format::Json => message.body.push((name.clone(), value)),
            }
        }
        // Names that only an operator's endpoint knows.
        for (name, value) in &self.values {
            if !file.is_declared(name) {
                match self.format {
                    Format::Query => message.query.push((name.clone(), encode(value))),
                    Format::Form | Format::Json => message.body.push((name.clone(), value.clone())),
                }
            }
        }
        for (name, value) in &self.extra {
            message.query.push((name.clone(), encode(value)));
        }
        message
    }

    fn signed_text(&self, parts: &[Part]) -> String {
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Secret => text.push_str(&self.signer.secret),
                Part::Field { name, is_integer, .. } => {
                    let value = self.sample(name);
                    let end = if *is_integer { value.find('.') } else { None };
                    text.push_str(value.get(..end.unwrap_or(value.len())).unwrap_or_default());
                }
            }
        }
        text
    }

    fn values_by_macro(&self, join: &str, omit_empty: &[String]) -> String {
        let file = self.signer.description.file();
        let (_, query) = self.signer.url.split_once('?').unwrap_or_default();
        let mut values = BTreeMap::new();
        for (_, value) in query.split('&').filter_map(|piece| piece.split_once('=')) {
            let known = file.macros.keys().find(|known| file.macro_text(known).as_deref() == Some(value));
            if let Some(known) = known {
                values.insert(known.clone(), self.sample(known));
            }
        }
        if let Scheme::Sorted { place: Place::Parameter(name), .. } = self.signer.description.scheme() {
            values.remove(name);
        }
        values.retain(|name, value| !value.is_empty() || !omit_empty.contains(name));
        values.into_values().collect::<Vec<_>>().join(join)
    }
}

/// Shows the network.
impl fmt::Debug for CallbackDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackDraft")
            .field("network", &self.signer.description.name().as_str())
            .finish_non_exhaustive()
    }
}

struct Message {
    prefix: String,
    /// Names and values as sent.
    query: Vec<(String, String)>,
    /// Names and decoded values.
    body: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    signature_name: String,
}

impl Message {
    fn url(&self) -> String {
        let pieces: Vec<String> = self.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if pieces.is_empty() { self.prefix.clone() } else { format!("{}?{}", self.prefix, pieces.join("&")) }
    }

    fn add_signature(&mut self, place: &Place, signature: String, format: Format) {
        match place {
            Place::Header(name) => self.headers.push((name.clone(), signature)),
            _ if format == Format::Query => {
                self.query.push((self.signature_name.clone(), encode(&signature)));
            }
            _ => self.body.push((self.signature_name.clone(), signature)),
        }
    }

    fn sorted(&self, form: Pairs, join: &str) -> String {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let mut all: Vec<(String, String)> =
            self.query.iter().map(|(name, value)| (decoded(name), decoded(value))).collect();
        all.sort();
        let php = |text: &str| {
            const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b' ');
            utf8_percent_encode(text, KEPT).to_string().replace(' ', "+")
        };
        let pieces: Vec<String> = all
            .iter()
            .map(|(name, value)| match form {
                Pairs::Values => value.clone(),
                Pairs::KeyValue => format!("{name}={value}"),
                Pairs::PhpForm => format!("{}={}", php(name), php(value)),
            })
            .collect();
        pieces.join(join)
    }

    fn body(&self, format: Format) -> Vec<u8> {
        match format {
            Format::Query => Vec::new(),
            Format::Form => {
                let pieces = self.body.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
                pieces.collect::<Vec<_>>().join("&").into_bytes()
            }
            Format::Json => json(&self.body).into_bytes(),
        }
    }

    fn finish(mut self, format: Format, url: &str, headers: &[(String, String)]) -> SentCallback {
        let body = self.body(format);
        let media_type = match format {
            Format::Query => None,
            Format::Form => Some("application/x-www-form-urlencoded"),
            Format::Json => Some("application/json"),
        };
        if let Some(media_type) = media_type {
            self.headers.push(("Content-Type".to_owned(), media_type.to_owned()));
        }
        self.headers.extend_from_slice(headers);
        let whole = self.url();
        let (_, rest) = url.split_once("://").unwrap_or(("", url));
        let authority = rest.len() - rest.find(['/', '?']).map_or(0, |at| rest.len() - at);
        let (_, sent) = whole.split_once("://").unwrap_or(("", &whole));
        let target = sent.get(authority..).unwrap_or_default();
        SentCallback {
            method: if format == Format::Query { "GET" } else { "POST" },
            target: if target.starts_with('/') { target.to_owned() } else { format!("/{target}") },
            headers: self.headers,
            body,
        }
    }
}

/// Dotted names become nested objects. Numbers and booleans are sent as such.
fn json(fields: &[(String, String)]) -> String {
    let mut root = serde_json::Map::new();
    for (name, value) in fields {
        let mut place = &mut root;
        let mut parts = name.split('.').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                let is_plain_number = value.parse::<i64>().is_ok_and(|number| number.to_string() == *value);
                let json = match &**value {
                    "null" => serde_json::Value::Null,
                    "true" => true.into(),
                    "false" => false.into(),
                    _ if is_plain_number => value.parse::<i64>().unwrap_or_default().into(),
                    text => text.into(),
                };
                place.insert(part.to_owned(), json);
                break;
            }
            let inner = place.entry(part).or_insert_with(|| serde_json::Map::new().into());
            match inner {
                serde_json::Value::Object(map) => place = map,
                _ => break,
            }
        }
    }
    serde_json::Value::Object(root).to_string()
}

/// A request of a network.
#[derive(Clone, PartialEq, Eq)]
pub struct SentCallback {
    method: &'static str,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl SentCallback {
    /// The request.
    pub fn request(&self) -> Request<'_> {
        Request::new(self.method, &self.target).with_headers(&self.headers).with_body(&self.body)
    }

    /// The method.
    pub fn method(&self) -> &str {
        self.method
    }

    /// Path and query.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The headers.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The same with another target, as a forger or a misconfigured proxy sends it.
    #[must_use]
    pub fn with_target(mut self, target: impl Into<String>) -> Self {
        self.target = target.into();
        self
    }

    /// The same with another body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

/// Shows the method.
impl fmt::Debug for SentCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SentCallback").field("method", &self.method).finish_non_exhaustive()
    }
}

fn encode(text: &str) -> String {
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, ESCAPED).to_string()
}

fn digest(hash: Hash, text: &[u8]) -> Vec<u8> {
    let once = |text: &[u8]| -> Vec<u8> {
        match hash.function {
            HashFunction::Md5 => Md5::digest(text).to_vec(),
            HashFunction::Sha1 => Sha1::digest(text).to_vec(),
            HashFunction::Sha256 => Sha256::digest(text).to_vec(),
        }
    };
    let value = once(text);
    if hash.is_double { once(&value) } else { value }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn mac(hash: Hash, key: &str, text: &[u8]) -> Vec<u8> {
    const ANY: &str = "HMAC takes keys of any length";
    let key = key.as_bytes();
    match hash.function {
        HashFunction::Md5 => {
            Hmac::<Md5>::new_from_slice(key).expect(ANY).chain_update(text).finalize().into_bytes().to_vec()
        }
        HashFunction::Sha1 => {
            Hmac::<Sha1>::new_from_slice(key).expect(ANY).chain_update(text).finalize().into_bytes().to_vec()
        }
        HashFunction::Sha256 => {
            Hmac::<Sha256>::new_from_slice(key).expect(ANY).chain_update(text).finalize().into_bytes().to_vec()
        }
    }
}

fn encode_value(encoding: Encoding, value: &[u8]) -> String {
    match encoding {
        Encoding::Hex | Encoding::HexAnyCase => value.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        }),
        Encoding::Base64 => STANDARD.encode(value),
        Encoding::Base64Escaped => encode(&STANDARD.encode(value)),
        Encoding::Base64Url => URL_SAFE_NO_PAD.encode(value),
        Encoding::Base64UrlPadded => URL_SAFE.encode(value),
    }
}
