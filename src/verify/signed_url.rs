//! Callbacks whose whole URL is signed: what every network of that kind shares.

use memchr::memchr;

use super::error::{BadRequest, Problem, VerifyError};
use super::query::{self, Occurrence};
use super::request::Request;
use super::secret::KeyId;
use super::signature::UrlVerifier;
use super::url_template::{UrlParameter, UrlTemplate};

/// The longest request target that endpoints read, in bytes: as much as HTTP libraries accept.
pub const MAX_URL_BYTES: usize = 65_534;

/// The longest query, in bytes, of a callback that pays. Reversals may have any length, but proxies often take no more
/// than 8 KiB, and players can lengthen both with parameters in the offer wall's URL.
pub const MAX_PAID_QUERY_BYTES: usize = 6_000;

/// The configured URL and what verifies requests to it.
#[derive(Debug)]
pub(crate) struct SignedUrl {
    template: UrlTemplate,
    verifier: UrlVerifier,
    /// The names of the configured parameters, then the signature's, then those that the network adds.
    names: Vec<Box<str>>,
}

impl SignedUrl {
    /// `added` are parameters that the network adds to some callbacks, such as a test flag.
    pub(crate) fn new(template: UrlTemplate, verifier: UrlVerifier, added: &[&str]) -> Self {
        let configured = template.parameters().iter().map(UrlParameter::name);
        let names = configured.chain([verifier.parameter()]).chain(added.iter().copied()).map(Box::from).collect();
        Self { template, verifier, names }
    }

    /// The configured URL.
    pub(crate) fn template(&self) -> &UrlTemplate {
        &self.template
    }

    /// Authenticates a request. Returns its query without the signature, and the key that signed it. Allocates nothing.
    pub(crate) fn authenticate<'r>(&self, request: &Request<'r>) -> Result<(&'r str, &KeyId), VerifyError> {
        let query = check_target(request)?;
        Ok(self.verifier.verify(query)?)
    }

    /// Finds the parameters in an authenticated query: the configured ones in the order of the URL, the signature, and
    /// those that the network adds. Checks the static ones.
    pub(crate) fn locate<'q>(&self, query: &'q str) -> Result<Vec<Occurrence<'q>>, Problem> {
        let found = query::locate(query, &self.names);
        // Players can add parameters to the offer wall's URL, and those are signed like the others. The network's own
        // signature is already split off.
        let signature = found.get(self.template.parameters().len());
        if signature.is_some_and(|signature| *signature != Occurrence::Absent) {
            let name = self.verifier.parameter().to_owned();
            return Err(Problem::Repeated { name });
        }
        for (parameter, occurrence) in self.template.parameters().iter().zip(&found) {
            if let Some(expected) = parameter.static_value() {
                check_static(query, parameter.name(), expected, *occurrence)?;
            }
        }
        Ok(found)
    }
}

/// Checks everything about a signed GET request that needs no key. Returns the query.
pub(crate) fn check_target<'r>(request: &Request<'r>) -> Result<&'r str, BadRequest> {
    if request.method() != "GET" {
        return Err(BadRequest::Method { allowed: "GET" });
    }
    if request.target().len() > MAX_URL_BYTES {
        return Err(BadRequest::UrlTooLong { limit: MAX_URL_BYTES });
    }
    if memchr(b'#', request.target().as_bytes()).is_some() {
        return Err(BadRequest::Fragment);
    }
    request.query().filter(|query| !query.is_empty()).ok_or(BadRequest::Empty)
}

/// A player can add a parameter of the same name but not remove the network's own: one right value is enough.
pub(crate) fn check_static(query: &str, name: &str, expected: &str, occurrence: Occurrence<'_>) -> Result<(), Problem> {
    let is_right = |raw: &str| query::decode(raw).is_some_and(|value| value == expected);
    let is_found = match occurrence {
        Occurrence::Absent => {
            return Err(Problem::Missing { name: name.to_owned() });
        }
        Occurrence::Once(raw) => is_right(raw),
        Occurrence::Repeated => query::values(query, name).any(is_right),
    };
    if is_found { Ok(()) } else { Err(Problem::StaticMismatch { name: name.to_owned() }) }
}
