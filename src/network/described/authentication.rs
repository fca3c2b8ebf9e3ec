//! Whether a request comes from the network.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

use super::format::{Hash, Pairs, Position, is_header_name};
use super::signed_text::{Shape, integer_part};
use crate::network::ConfigError;
use crate::verify::{
    Encoding, HashValue, KeyId, KeyRing, NotGenuine, Occurrence, PreparedMac, Request, Secret, UrlVerifier, decode,
    pairs, values,
};

/// What a sender must know, for networks that authenticate by HTTP credentials. An endpoint accepts any of a set, so
/// that one can be replaced by another.
///
/// ```
/// use postback::Secret;
/// use postback::network::Credential;
///
/// let credential = Credential::basic("network", &Secret::new("a long random password")?)?;
/// assert_eq!(format!("{credential:?}"), "Credential(login and password)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Credential {
    kind: &'static str,
    forms: Vec<Form>,
}

/// One form in which a credential may be sent. Only digests are kept: they have one length, so a comparison does not
/// show how long the secret is.
#[derive(Clone)]
struct Form {
    place: CredentialPlace,
    expected: Hashed,
}

#[derive(Clone, PartialEq, Eq)]
enum CredentialPlace {
    /// `Authorization`, with this scheme.
    Authorization(&'static str),
    Header(String),
    Parameter(String),
}

type Hashed = [u8; 32];

fn hashed(text: &[u8]) -> Hashed {
    Sha256::digest(text).into()
}

const BASIC: &str = "Basic";
const BEARER: &str = "Bearer";
const AUTHORIZATION: &str = "authorization";
const CHALLENGE: &str = "Basic realm=\"callbacks\"";

impl Credential {
    /// A login and a password: `Authorization: Basic base64(login:password)`, RFC 7617.
    ///
    /// # Errors
    /// [`ConfigError::Credential`], if the login is empty or contains a `:` or a control character.
    pub fn basic(login: impl AsRef<str>, password: &Secret) -> Result<Self, ConfigError> {
        let login = login.as_ref();
        if login.is_empty() || login.contains(':') || login.chars().any(char::is_control) {
            return Err(ConfigError::Credential {
                fix: "use a login without ':' and control characters, as in the network's dashboard",
            });
        }
        Ok(Self { kind: "login and password", forms: vec![Form::basic(login.as_bytes(), password.as_bytes())] })
    }

    /// A token: `Authorization: Basic <token>`, `Basic base64(token:)` or `Bearer <token>`. Networks do not document
    /// which of the three they send.
    pub fn token(token: &Secret) -> Self {
        let plain = |scheme| Form { place: CredentialPlace::Authorization(scheme), expected: hashed(token.as_bytes()) };
        Self { kind: "token", forms: vec![plain(BASIC), Form::basic(token.as_bytes(), b""), plain(BEARER)] }
    }

    /// A secret as the value of a request header.
    ///
    /// # Errors
    /// [`ConfigError::Credential`], if no header can have this name.
    pub fn header(name: impl Into<String>, secret: &Secret) -> Result<Self, ConfigError> {
        let name = name.into();
        if !is_header_name(&name) {
            return Err(ConfigError::Credential { fix: "use a header name such as X-Callback-Secret" });
        }
        Ok(Self::at("header", CredentialPlace::Header(name), secret))
    }

    /// A secret as the value of a parameter, in the query or the body. It is not kept with the callback.
    ///
    /// In a GET request it is part of the URL, and so of the access logs of proxies: prefer a header.
    ///
    /// # Errors
    /// [`ConfigError::Credential`], if the name is empty.
    pub fn parameter(name: impl Into<String>, secret: &Secret) -> Result<Self, ConfigError> {
        let name = name.into();
        if name.is_empty() {
            return Err(ConfigError::Credential { fix: "name the parameter as in the network's dashboard" });
        }
        Ok(Self::at("parameter", CredentialPlace::Parameter(name), secret))
    }

    fn at(kind: &'static str, place: CredentialPlace, secret: &Secret) -> Self {
        let expected = hashed(secret.as_bytes());
        Self { kind, forms: vec![Form { place, expected }] }
    }

    /// The name of the parameter that contains it, if it is one.
    pub(super) fn parameter_name(&self) -> Option<&str> {
        self.forms.iter().find_map(|form| match &form.place {
            CredentialPlace::Parameter(name) => Some(name.as_str()),
            _ => None,
        })
    }
}

impl Form {
    /// The base64 text itself is compared. So it has one valid form, and nothing that a stranger sent is decoded.
    fn basic(login: &[u8], password: &[u8]) -> Self {
        let plain = Zeroizing::new([login, b":", password].concat());
        let text = Zeroizing::new(STANDARD.encode(&*plain));
        Self { place: CredentialPlace::Authorization(BASIC), expected: hashed(text.as_bytes()) }
    }
}

/// Shows the kind and nothing secret.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({})", self.kind)
    }
}

/// All accepted credentials of an endpoint. Never empty.
pub(super) struct Credentials {
    forms: Vec<Form>,
}

impl Credentials {
    pub(super) fn new(credentials: Vec<Credential>) -> Self {
        let forms = credentials.into_iter().flat_map(|known| known.forms);
        Self { forms: forms.collect() }
    }

    /// The one error for anything that is wrong with the credentials.
    fn rejection(&self) -> NotGenuine {
        let is_basic = |form: &Form| form.place == CredentialPlace::Authorization(BASIC);
        NotGenuine::Credentials { challenge: self.forms.iter().any(is_basic).then_some(CHALLENGE) }
    }

    fn has_parameters(&self) -> bool {
        let is_parameter = |form: &Form| matches!(form.place, CredentialPlace::Parameter(_));
        self.forms.iter().any(is_parameter)
    }

    /// Whether the headers contain an accepted credential. A header that occurs twice is an error.
    fn in_headers(&self, request: &Request<'_>) -> Result<Choice, NotGenuine> {
        let only = |name: &str| match request.header_count(name) {
            0 | 1 => Ok(request.header(name)),
            _ => Err(self.rejection()),
        };
        self.compare(|place| match place {
            CredentialPlace::Authorization(scheme) => {
                let value = only(AUTHORIZATION)?;
                Ok(value.and_then(|value| after_scheme(value, scheme)).map(Cow::Borrowed))
            }
            CredentialPlace::Header(name) => Ok(only(name)?.map(Cow::Borrowed)),
            CredentialPlace::Parameter(_) => Ok(None),
        })
    }

    /// Whether the parameters contain one. A parameter that occurs twice is an error.
    fn in_parameters(&self, query: &str) -> Result<Choice, NotGenuine> {
        self.compare(|place| {
            let CredentialPlace::Parameter(name) = place else {
                return Ok(None);
            };
            let mut found = values(query, name);
            let value = found.next().and_then(decode);
            if found.next().is_some() {
                return Err(self.rejection());
            }
            Ok(value.map(|value| Cow::Owned(value.into_owned().into_bytes())))
        })
    }

    /// Compares every form with what is in its place, without an early exit.
    fn compare<'v>(
        &self,
        value_at: impl Fn(&CredentialPlace) -> Result<Option<Cow<'v, [u8]>>, NotGenuine>,
    ) -> Result<Choice, NotGenuine> {
        let mut matched = Choice::from(0);
        for form in &self.forms {
            let value = value_at(&form.place)?;
            let is_present = Choice::from(u8::from(value.is_some()));
            let given = hashed(value.as_deref().unwrap_or_default());
            matched |= is_present & form.expected.ct_eq(&given);
        }
        Ok(matched)
    }
}

/// What follows an authorization scheme, which is compared case-insensitively (RFC 9110, 11.1).
fn after_scheme<'v>(value: &'v [u8], scheme: &str) -> Option<&'v [u8]> {
    let (given, rest) = value.split_at_checked(scheme.len())?;
    let rest = rest.strip_prefix(b" ")?.trim_ascii();
    given.eq_ignore_ascii_case(scheme.as_bytes()).then_some(rest)
}

/// The values of a shared secret that are valid now.
pub(super) struct SharedSecret(Vec<(KeyId, Hashed)>);

impl SharedSecret {
    pub(super) fn of_ring(keys: &KeyRing) -> Self {
        let hash = |(id, secret): (&KeyId, &Secret)| (id.clone(), hashed(secret.as_bytes()));
        Self(keys.iter().map(hash).collect())
    }

    pub(super) fn of_texts(texts: impl IntoIterator<Item = (KeyId, String)>) -> Self {
        let hash = |(id, text): (KeyId, String)| (id, hashed(text.as_bytes()));
        Self(texts.into_iter().map(hash).collect())
    }

    /// Whether a text is one of them.
    pub(super) fn matches(&self, presented: &[u8]) -> bool {
        self.key_of(presented).is_some()
    }

    fn key_of(&self, presented: &[u8]) -> Option<&KeyId> {
        let given = hashed(presented);
        let mut found = None;
        for (id, expected) in &self.0 {
            if bool::from(expected.ct_eq(&given)) {
                found = Some(id);
            }
        }
        found
    }
}

/// How something is signed, and the keys.
pub(super) struct Signature {
    hash: Hash,
    encoding: Encoding,
    keys: Keys,
}

enum Keys {
    /// HMAC.
    Macs(Vec<(KeyId, PreparedMac)>),
    /// A digest over a text that contains the secret.
    Digests(Vec<(KeyId, Secret)>),
}

impl Signature {
    pub(super) fn new(hash: Hash, encoding: Encoding, keys: &KeyRing) -> Self {
        if hash.is_keyed {
            return Self::with_prefixes(hash, encoding, keys, [""].into_iter());
        }
        let keys = Keys::Digests(keys.iter().map(|(id, secret)| (id.clone(), secret.clone())).collect());
        Self { hash, encoding, keys }
    }

    /// MACs over a text that begins with any of these.
    fn with_prefixes<'p>(
        hash: Hash,
        encoding: Encoding,
        keys: &KeyRing,
        prefixes: impl Iterator<Item = &'p str>,
    ) -> Self {
        let mut macs = Vec::new();
        for prefix in prefixes {
            for (id, secret) in keys.iter() {
                let mut mac = PreparedMac::new(hash.function, secret.as_bytes());
                mac.update(prefix.as_bytes());
                macs.push((id.clone(), mac));
            }
        }
        Self { hash, encoding, keys: Keys::Macs(macs) }
    }

    fn decode(&self, text: &[u8]) -> Option<HashValue> {
        HashValue::decode(self.hash.function, self.encoding, text)
    }

    /// The key whose signature of the text is among those given. `secret_at` is where the secret belongs in the text of
    /// a digest.
    fn find(&self, text: &[u8], secret_at: usize, given: &[HashValue]) -> Result<&KeyId, NotGenuine> {
        let mut found = None;
        let mut compare = |id, value: &HashValue| {
            if given.iter().any(|given| value.matches(given)) {
                found = Some(id);
            }
        };
        match &self.keys {
            Keys::Macs(macs) => {
                for (id, mac) in macs {
                    compare(id, &mac.finish_with(text));
                }
            }
            Keys::Digests(secrets) => {
                let (before, after) = text.split_at_checked(secret_at).unwrap_or((text, &[]));
                for (id, secret) in secrets {
                    let whole = Zeroizing::new([before, secret.as_bytes(), after].concat());
                    let mut value = self.hash.function.digest(&whole);
                    if self.hash.is_double {
                        value = self.hash.function.digest(value.as_bytes());
                    }
                    compare(id, &value);
                }
            }
        }
        found.ok_or(NotGenuine::SignatureWrong)
    }
}

/// Where an endpoint finds a signature or secret.
pub(super) enum Found {
    /// A parameter, by its index among the endpoint's slots.
    Slot(usize),
    Header(String),
    /// The segment of the path between these two.
    Path {
        before: String,
        after: String,
    },
}

/// One part of a signed text, with its parameter resolved.
pub(super) enum TextPart {
    Literal(String),
    Secret,
    Field {
        slot: usize,
        is_optional: bool,
        is_integer: bool,
        /// The shape that the description declares.
        shape: Option<Shape>,
    },
}

/// How an endpoint authenticates requests.
pub(super) enum Authenticator {
    /// The signature is the last parameter of the URL.
    UrlEnd(UrlVerifier),
    /// The signature is any parameter of the URL, and signs the URL without it.
    UrlAnywhere {
        signature: Signature,
        parameter: Box<str>,
    },
    Message {
        signature: Signature,
        place: Found,
        parts: Vec<TextPart>,
    },
    Sorted {
        signature: Signature,
        place: Found,
        pairs: Pairs,
        join: String,
        /// The slots in the order of their macros, each with whether it is left out if empty; `None`: all parameters
        /// in the order of their names.
        macros: Option<Vec<(usize, bool)>>,
    },
    Body {
        signature: Signature,
        header: String,
        prefix: String,
    },
    Secret {
        secret: SharedSecret,
        place: Found,
    },
    Credentials(Credentials),
}

/// What was authenticated.
pub(super) struct Authentic<'q> {
    /// The parameters without the signature, if it could be split off.
    pub(super) query: &'q str,
    /// The key, if the network has keys.
    pub(super) key: Option<KeyId>,
}

/// The parameters of a request before they are trusted.
pub(super) struct Untrusted<'s, 'q> {
    pub(super) query: &'q str,
    pub(super) names: &'s [Box<str>],
    /// Empty where the authenticator needs none.
    pub(super) found: &'s [Occurrence<'q>],
}

impl<'q> Untrusted<'_, 'q> {
    fn name(&self, slot: usize) -> &str {
        self.names.get(slot).map_or("", |name| name)
    }

    /// The values of a parameter as sent: usually one. Of a repeated one, the first and the last: a player can add
    /// parameters on one side of the network's own.
    fn raw(&self, slot: usize) -> impl Iterator<Item = &'q str> {
        let (first, last) = match self.found.get(slot) {
            Some(Occurrence::Once(raw)) => (Some(*raw), None),
            Some(Occurrence::Repeated) => {
                let mut all = values(self.query, self.name(slot));
                (all.next(), all.last())
            }
            _ => (None, None),
        };
        first.into_iter().chain(last)
    }

    /// The decoded value of a parameter; of a repeated one, the first or last value.
    fn text(&self, slot: usize, first: bool) -> Option<Cow<'q, str>> {
        let mut raw = self.raw(slot);
        decode(if first { raw.next() } else { raw.last() }?)
    }

    /// Compares a shared secret with every value of its parameter: a player cannot remove the network's.
    fn secret<'k>(&self, slot: usize, secret: &'k SharedSecret) -> Result<&'k KeyId, NotGenuine> {
        let mut found = None;
        for value in self.raw(slot).filter_map(decode) {
            found = secret.key_of(value.as_bytes()).or(found);
        }
        found.ok_or(NotGenuine::Credentials { challenge: None })
    }
}

impl Authenticator {
    /// Whether the parameters' values must be found before a request can be authenticated.
    pub(super) fn needs_values(&self) -> bool {
        match self {
            Self::Message { .. } | Self::Sorted { .. } => true,
            Self::Secret { place, .. } => matches!(place, Found::Slot(_)),
            Self::UrlEnd(_) | Self::UrlAnywhere { .. } | Self::Body { .. } | Self::Credentials(_) => false,
        }
    }

    /// Checks what is in the headers and the path, before the body is read.
    pub(super) fn check_head(&self, request: &Request<'_>) -> Result<(), NotGenuine> {
        match self {
            Self::Message { place, .. } | Self::Sorted { place, .. } => match place {
                Found::Header(name) if request.header(name).is_none() => Err(NotGenuine::SignatureMissing),
                _ => Ok(()),
            },
            Self::Body { header, .. } if request.header(header).is_none() => Err(NotGenuine::SignatureMissing),
            Self::Secret { secret, place } => match place {
                Found::Slot(_) => Ok(()),
                _ => secret_in_head(secret, place, request).map(|_| ()),
            },
            Self::Credentials(credentials) => {
                let in_headers = credentials.in_headers(request)?;
                if credentials.has_parameters() || bool::from(in_headers) {
                    Ok(())
                } else {
                    Err(credentials.rejection())
                }
            }
            _ => Ok(()),
        }
    }

    /// Authenticates a request.
    pub(super) fn authenticate<'q>(
        &self,
        request: &Request<'_>,
        untrusted: &Untrusted<'_, 'q>,
    ) -> Result<Authentic<'q>, NotGenuine> {
        let by = |key: &KeyId| Authentic { query: untrusted.query, key: Some(key.clone()) };
        match self {
            Self::UrlEnd(verifier) => {
                let (query, key) = verifier.verify(untrusted.query)?;
                Ok(Authentic { query, key: Some(key.clone()) })
            }
            Self::UrlAnywhere { signature, parameter } => {
                verify_anywhere(signature, parameter, untrusted.query).map(by)
            }
            Self::Message { signature, place, parts } => {
                let given = signatures(signature, place, request, untrusted)?;
                // Of a repeated parameter, the network signed its own value, which is the first or the last.
                for first in [true, false] {
                    if let Some((text, secret_at)) = message(parts, untrusted, first)
                        && let Ok(key) = signature.find(text.as_bytes(), secret_at, &given)
                    {
                        return Ok(by(key));
                    }
                }
                Err(NotGenuine::SignatureWrong)
            }
            Self::Sorted { signature, place, pairs, join, macros } => {
                let given = signatures(signature, place, request, untrusted)?;
                let text = if let Some(macros) = macros {
                    values_by_macro(macros, join, untrusted).ok_or(NotGenuine::SignatureWrong)?
                } else {
                    let excluded = match place {
                        Found::Slot(slot) => untrusted.name(*slot),
                        _ => "",
                    };
                    sorted(*pairs, join, excluded, untrusted.query).ok_or(NotGenuine::SignatureWrong)?
                };
                signature.find(&text, text.len(), &given).map(by)
            }
            Self::Body { signature, header, prefix } => {
                let value = request.header(header).ok_or(NotGenuine::SignatureMissing)?;
                let given = value
                    .strip_prefix(prefix.as_bytes())
                    .and_then(|value| signature.decode(value))
                    .ok_or(NotGenuine::SignatureMalformed)?;
                let body = request.body();
                signature.find(body, body.len(), &[given]).map(by)
            }
            Self::Secret { secret, place } => {
                let key = match place {
                    Found::Slot(slot) => untrusted.secret(*slot, secret)?,
                    _ => secret_in_head(secret, place, request)?,
                };
                Ok(by(key))
            }
            Self::Credentials(credentials) => {
                let in_headers = credentials.in_headers(request)?;
                let in_parameters = credentials.in_parameters(untrusted.query)?;
                if bool::from(in_headers | in_parameters) {
                    Ok(Authentic { query: untrusted.query, key: None })
                } else {
                    Err(credentials.rejection())
                }
            }
        }
    }
}

/// A static secret in the URL next to a weak signature.
pub(super) struct UrlSecret {
    pub(super) slot: usize,
    pub(super) name: Box<str>,
    pub(super) secret: SharedSecret,
}

impl UrlSecret {
    pub(super) fn check(&self, untrusted: &Untrusted<'_, '_>) -> Result<(), NotGenuine> {
        untrusted.secret(self.slot, &self.secret).map(|_| ())
    }
}

fn secret_in_head<'s>(secret: &'s SharedSecret, place: &Found, request: &Request<'_>) -> Result<&'s KeyId, NotGenuine> {
    let presented = match place {
        Found::Header(name) => request.header(name),
        Found::Path { before, after } => {
            request.path().strip_prefix(&**before).and_then(|rest| rest.strip_suffix(&**after)).map(str::as_bytes)
        }
        Found::Slot(_) => None,
    };
    // An absent secret is compared like a wrong one.
    secret.key_of(presented.unwrap_or_default()).ok_or(NotGenuine::Credentials { challenge: None })
}

/// The signatures in a request: usually one. A player may have added a parameter of the same name.
fn signatures(
    signature: &Signature,
    place: &Found,
    request: &Request<'_>,
    untrusted: &Untrusted<'_, '_>,
) -> Result<Vec<HashValue>, NotGenuine> {
    let found: Vec<HashValue> = match place {
        Found::Slot(slot) => {
            if untrusted.raw(*slot).all(str::is_empty) {
                return Err(NotGenuine::SignatureMissing);
            }
            // Base64 may be percent-encoded. A '+' stands for itself in it.
            let unescaped = untrusted.raw(*slot).map(|raw| Cow::from(percent_decode_str(raw)));
            unescaped.filter_map(|text| signature.decode(&text)).collect()
        }
        Found::Header(name) => {
            let value = request.header(name).ok_or(NotGenuine::SignatureMissing)?;
            signature.decode(value).into_iter().collect()
        }
        Found::Path { .. } => Vec::new(),
    };
    if found.is_empty() {
        return Err(NotGenuine::SignatureMalformed);
    }
    Ok(found)
}

/// The signed text without the secret, and where that belongs. `None` if a value is missing, or cannot be what was
/// signed.
fn message(parts: &[TextPart], untrusted: &Untrusted<'_, '_>, first: bool) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut secret_at = 0;
    for part in parts {
        match part {
            TextPart::Literal(literal) => text.push_str(literal),
            TextPart::Secret => secret_at = text.len(),
            TextPart::Field { slot, is_optional, is_integer, .. } => match untrusted.text(*slot, first) {
                Some(value) if *is_integer => text.push_str(integer_part(&value)?),
                Some(value) => text.push_str(&value),
                None if *is_optional && untrusted.raw(*slot).next().is_none() => {}
                None => return None,
            },
        }
    }
    Some((text, secret_at))
}

fn values_by_macro(macros: &[(usize, bool)], join: &str, untrusted: &Untrusted<'_, '_>) -> Option<Vec<u8>> {
    let mut text = String::new();
    let mut is_first = true;
    for (slot, is_left_out_if_empty) in macros {
        let value = untrusted.text(*slot, true)?;
        if value.is_empty() && *is_left_out_if_empty {
            continue;
        }
        if !is_first {
            text.push_str(join);
        }
        is_first = false;
        text.push_str(&value);
    }
    Some(text.into_bytes())
}

/// All parameters but one, sorted by name. Of a repeated name, the last value counts, as in PHP. `None`: two names that
/// differ are the same to PHP, so that one of them would not be signed.
fn sorted(form: Pairs, join: &str, excluded: &str, query: &str) -> Option<Vec<u8>> {
    let mut all: BTreeMap<Vec<u8>, (Vec<u8>, Vec<u8>)> = BTreeMap::new();
    for (name, value) in pairs(query) {
        let sent = form_decode(name);
        if sent == excluded.as_bytes() {
            continue;
        }
        let mut name = sent.clone();
        if form == Pairs::PhpForm {
            for byte in &mut name {
                if matches!(*byte, b'.' | b' ') {
                    *byte = b'_';
                }
            }
        }
        let replaced = all.insert(name, (sent.clone(), form_decode(value)));
        if replaced.is_some_and(|(other, _)| other != sent) {
            return None;
        }
    }
    let mut text = Vec::with_capacity(query.len());
    for (at, (name, (_, value))) in all.iter().enumerate() {
        if at > 0 {
            text.extend_from_slice(join.as_bytes());
        }
        match form {
            Pairs::Values => text.extend_from_slice(value),
            Pairs::KeyValue => {
                text.extend_from_slice(name);
                text.push(b'=');
                text.extend_from_slice(value);
            }
            Pairs::PhpForm => {
                php_encode(name, &mut text);
                text.push(b'=');
                php_encode(value, &mut text);
            }
        }
    }
    Some(text)
}

/// Decodes as servers do that never refuse: what is no escape stands for itself, and the result may be any bytes.
fn form_decode(text: &str) -> Vec<u8> {
    let spaced: Cow<'_, str> = if text.contains('+') { text.replace('+', " ").into() } else { text.into() };
    percent_decode_str(&spaced).collect()
}

/// PHP's `urlencode`.
fn php_encode(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        match byte {
            b' ' => out.push(b'+'),
            b'-' | b'_' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => out.push(*byte),
            other => out.extend_from_slice(format!("%{other:02X}").as_bytes()),
        }
    }
}

fn verify_anywhere<'k>(signature: &'k Signature, parameter: &str, query: &str) -> Result<&'k KeyId, NotGenuine> {
    let is_signature = |piece: &&str| piece.strip_prefix(parameter).is_some_and(|rest| rest.starts_with('='));
    // The network adds its own after whatever the URL contained.
    let last = query.split('&').rfind(is_signature).and_then(|piece| piece.split_once('='));
    let (_, given) = last.filter(|(_, given)| !given.is_empty()).ok_or(NotGenuine::SignatureMissing)?;
    let given = signature.decode(given.as_bytes()).ok_or(NotGenuine::SignatureMalformed)?;
    let rest: Vec<&str> = query.split('&').filter(|piece| !is_signature(piece)).collect();
    signature.find(rest.join("&").as_bytes(), 0, &[given])
}

/// A MAC over a URL: at its end, or anywhere in it.
pub(super) fn url_authenticator<'p>(
    hash: Hash,
    encoding: Encoding,
    position: Position,
    parameter: &str,
    keys: &KeyRing,
    prefixes: impl Iterator<Item = &'p str>,
) -> Authenticator {
    if position == Position::Last {
        let verifier = UrlVerifier::new(parameter, hash.function, encoding, keys, prefixes);
        return Authenticator::UrlEnd(verifier);
    }
    let prefixes: Vec<String> = prefixes.map(|prefix| format!("{prefix}?")).collect();
    let signature = Signature::with_prefixes(hash, encoding, keys, prefixes.iter().map(String::as_str));
    Authenticator::UrlAnywhere { signature, parameter: parameter.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn php_form_is_decoded_sorted_and_encoded_again() {
        let query = "b=x%20y&a=%7E%2A&c.d=%C3%A9+1&empty&z%5B%5D=%zz&b=last&mac=1";
        let text = sorted(Pairs::PhpForm, "&", "mac", query).unwrap();
        // php > $_GET = [...]; ksort($_GET, SORT_STRING); echo http_build_query($_GET, '', '&');
        assert_eq!(String::from_utf8(text).unwrap(), "a=%7E%2A&b=last&c_d=%C3%A9+1&empty=&z%5B%5D=%25zz");
        let text = sorted(Pairs::KeyValue, ",", "hmac", "sid=1&oid=2%20a&hmac=x").unwrap();
        assert_eq!(text, b"oid=2 a,sid=1");
        let text = sorted(Pairs::Values, "", "v", "b=2&a=1&v=x").unwrap();
        assert_eq!(text, b"12");
    }
}
