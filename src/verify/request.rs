//! A request as it arrived.

use std::fmt;
use std::net::IpAddr;

use memchr::memchr;

/// An HTTP request, borrowed byte for byte from the server that received it.
///
/// The library depends on no web framework here: an adapter fills this in.
///
/// ```
/// use postback::Request;
///
/// let headers = vec![("signature", "0a1b")];
/// let request = Request::new("POST", "/callbacks?id=1").with_headers(&headers).with_body(b"{}");
/// assert_eq!(request.query(), Some("id=1"));
/// assert_eq!(request.header("Signature"), Some(&b"0a1b"[..]));
/// ```
#[derive(Clone, Copy)]
pub struct Request<'a> {
    method: &'a str,
    target: &'a str,
    headers: &'a dyn Headers,
    body: &'a [u8],
    peer: Option<IpAddr>,
}

impl<'a> Request<'a> {
    /// A request with its method and its raw target: path and query exactly as in the request line, never rebuilt
    /// from parsed parts.
    pub fn new(method: &'a str, target: &'a str) -> Self {
        Self { method, target, headers: &NoHeaders, body: &[], peer: None }
    }

    /// A GET request.
    pub fn get(target: &'a str) -> Self {
        Self::new("GET", target)
    }

    /// Adds the headers.
    #[must_use]
    pub fn with_headers(mut self, headers: &'a dyn Headers) -> Self {
        self.headers = headers;
        self
    }

    /// Adds the whole body.
    #[must_use]
    pub fn with_body(mut self, body: &'a [u8]) -> Self {
        self.body = body;
        self
    }

    /// Adds the sender's address.
    #[must_use]
    pub fn with_peer(mut self, peer: IpAddr) -> Self {
        self.peer = Some(peer);
        self
    }

    /// The method, in upper case as HTTP has it.
    pub fn method(&self) -> &'a str {
        self.method
    }

    /// The raw request target.
    pub fn target(&self) -> &'a str {
        self.target
    }

    /// The target up to the first `?`.
    pub fn path(&self) -> &'a str {
        let end = memchr(b'?', self.target.as_bytes()).unwrap_or(self.target.len());
        self.target.get(..end).unwrap_or_default()
    }

    /// What follows the first `?` of the target; `None` if there is none.
    pub fn query(&self) -> Option<&'a str> {
        let at = memchr(b'?', self.target.as_bytes())?;
        self.target.get(at + 1..)
    }

    /// The only value of a header; `None` if it is absent or occurs more than once.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        let mut found = None;
        let mut count = 0_usize;
        self.headers.each(name, &mut |value| {
            found = Some(value);
            count += 1;
        });
        if count == 1 { found } else { None }
    }

    /// How often a header occurs.
    pub fn header_count(&self, name: &str) -> usize {
        let mut count = 0;
        self.headers.each(name, &mut |_| count += 1);
        count
    }

    /// The headers.
    pub fn headers(&self) -> &'a dyn Headers {
        self.headers
    }

    /// The body. Empty if there is none.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The sender's address, if the adapter knows it.
    pub fn peer(&self) -> Option<IpAddr> {
        self.peer
    }
}

/// Leaves out target, headers and body: they contain the signature or credentials.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("target_bytes", &self.target.len())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The headers of a request, in whatever type the server keeps them.
pub trait Headers: Sync {
    /// Calls `each` with every value of the header `name`. Names are compared case-insensitively.
    fn each<'h>(&'h self, name: &str, each: &mut dyn FnMut(&'h [u8]));
}

struct NoHeaders;

impl Headers for NoHeaders {
    fn each<'h>(&'h self, _: &str, _: &mut dyn FnMut(&'h [u8])) {}
}

impl<N: AsRef<str> + Sync, V: AsRef<[u8]> + Sync> Headers for Vec<(N, V)> {
    fn each<'h>(&'h self, name: &str, each: &mut dyn FnMut(&'h [u8])) {
        for (header, value) in self {
            if header.as_ref().eq_ignore_ascii_case(name) {
                each(value.as_ref());
            }
        }
    }
}
