//! What a caller must know.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use super::config::ConfigError;
use super::parameters::Parameters;
use crate::source::OpenError;
use crate::wire::{Request, Secret};

/// Something that a caller proves by to be the network. An endpoint accepts any one of a set.
///
/// The network has no signature, so whoever knows the credential can send anything: use long random ones, and TLS.
///
/// ```
/// use postback::source::phonexa::Credential;
/// use postback::wire::Secret;
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

/// One form in which a credential may be sent. Only hashes are kept: they have one length, so that a comparison
/// does not tell how long the secret is.
#[derive(Clone)]
struct Form {
    place: Place,
    expected: Hashed,
}

#[derive(Clone, PartialEq, Eq)]
enum Place {
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

impl Credential {
    /// A login and a password: `Authorization: Basic base64(login:password)`, RFC 7617.
    ///
    /// # Errors
    /// [`ConfigError::Login`], when the login is empty, or holds a `:` or a control character.
    pub fn basic(login: impl AsRef<str>, password: &Secret) -> Result<Self, ConfigError> {
        let login = login.as_ref();
        if login.is_empty() || login.contains(':') || login.chars().any(char::is_control) {
            return Err(ConfigError::Login);
        }
        let forms = vec![Form::basic(login.as_bytes(), password.bytes())];
        Ok(Self {
            kind: "login and password",
            forms,
        })
    }

    /// A token. The network does not document how it is sent, so all three forms are accepted:
    /// `Authorization: Basic <token>`, `Basic base64(token:)` and `Bearer <token>`.
    pub fn token(token: &Secret) -> Self {
        let plain = |scheme| Form {
            place: Place::Authorization(scheme),
            expected: hashed(token.bytes()),
        };
        let forms = vec![plain(BASIC), Form::basic(token.bytes(), b""), plain(BEARER)];
        Self {
            kind: "token",
            forms,
        }
    }

    /// A secret as the value of a request header.
    ///
    /// # Errors
    /// [`ConfigError::HeaderName`], when no header can be called so.
    pub fn header(name: impl Into<String>, secret: &Secret) -> Result<Self, ConfigError> {
        let name = name.into();
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(ConfigError::HeaderName);
        }
        Ok(Self::at("header", Place::Header(name), secret))
    }

    /// A secret as the value of a request parameter, in the query or the body. It is not kept with the postback.
    ///
    /// With GET it stands in the URL, and so in the access logs of proxies. A header is better.
    pub fn parameter(name: impl Into<String>, secret: &Secret) -> Self {
        Self::at("parameter", Place::Parameter(name.into()), secret)
    }

    fn at(kind: &'static str, place: Place, secret: &Secret) -> Self {
        let expected = hashed(secret.bytes());
        Self {
            kind,
            forms: vec![Form { place, expected }],
        }
    }
}

impl Form {
    /// What is compared is the base64 text itself. So it has one valid form, and nothing that a stranger sent is
    /// decoded.
    fn basic(login: &[u8], password: &[u8]) -> Self {
        let plain = Zeroizing::new([login, b":", password].concat());
        let text = Zeroizing::new(STANDARD.encode(&*plain));
        Self {
            place: Place::Authorization(BASIC),
            expected: hashed(text.as_bytes()),
        }
    }
}

/// The kind, and nothing secret.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({})", self.kind)
    }
}

/// All accepted credentials of an endpoint. Never empty.
pub(super) struct Accepted {
    forms: Vec<Form>,
}

impl Accepted {
    pub(super) fn new(credentials: Vec<Credential>) -> Result<Self, ConfigError> {
        if credentials.is_empty() {
            return Err(ConfigError::NoCredentials);
        }
        let forms = credentials.into_iter().flat_map(|known| known.forms);
        Ok(Self {
            forms: forms.collect(),
        })
    }

    /// The names of the parameters that bring secrets.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.forms.iter().filter_map(|form| match &form.place {
            Place::Parameter(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The one error for whatever is wrong with the credentials.
    pub(super) fn refusal(&self) -> OpenError {
        let is_basic = |form: &Form| form.place == Place::Authorization(BASIC);
        OpenError::Credentials {
            challenge: self
                .forms
                .iter()
                .any(is_basic)
                .then_some("Basic realm=\"callbacks\""),
        }
    }

    /// Whether the headers hold an accepted credential. A header that comes twice holds none, and spoils every other.
    pub(super) fn in_headers(&self, request: &Request<'_>) -> Result<Choice, OpenError> {
        self.look(|place| match place {
            Place::Authorization(scheme) => {
                let value = self.only(request, AUTHORIZATION)?;
                Ok(value.and_then(|value| after_scheme(value, scheme)))
            }
            Place::Header(name) => self.only(request, name),
            Place::Parameter(_) => Ok(None),
        })
    }

    /// Whether the parameters hold one. The same holds for a parameter that comes twice.
    pub(super) fn in_parameters(&self, parameters: &Parameters) -> Result<Choice, OpenError> {
        self.look(|place| match place {
            Place::Parameter(name) => match parameters.once(name) {
                Ok(value) => Ok(value.map(str::as_bytes)),
                Err(_) => Err(self.refusal()),
            },
            Place::Authorization(_) | Place::Header(_) => Ok(None),
        })
    }

    /// Compares every form with what stands in its place. No early exit: the time does not tell which came how close.
    fn look<'v>(
        &self,
        value_at: impl Fn(&Place) -> Result<Option<&'v [u8]>, OpenError>,
    ) -> Result<Choice, OpenError> {
        let mut matched = Choice::from(0);
        for form in &self.forms {
            let value = value_at(&form.place)?;
            let is_there = Choice::from(u8::from(value.is_some()));
            let given = hashed(value.unwrap_or_default());
            matched |= is_there & form.expected.ct_eq(&given);
        }
        Ok(matched)
    }

    fn only<'r>(&self, request: &Request<'r>, name: &str) -> Result<Option<&'r [u8]>, OpenError> {
        match request.header_count(name) {
            0 | 1 => Ok(request.header(name)),
            _ => Err(self.refusal()),
        }
    }
}

/// What stands behind an authorization scheme, which is compared without regard to case (RFC 9110, 11.1).
fn after_scheme<'v>(value: &'v [u8], scheme: &str) -> Option<&'v [u8]> {
    let (given, rest) = value.split_at_checked(scheme.len())?;
    let rest = rest.strip_prefix(b" ")?.trim_ascii();
    given
        .eq_ignore_ascii_case(scheme.as_bytes())
        .then_some(rest)
}
