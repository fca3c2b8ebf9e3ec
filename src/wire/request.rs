//! A request as it came, borrowed.

use std::fmt;

use memchr::memchr;

/// An HTTP request, borrowed from whatever server received it, byte for byte.
///
/// The core knows no web framework and no version of any HTTP crate: an adapter fills this in.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    method: &'a str,
    target: &'a str,
    headers: &'a dyn Headers,
    body: &'a [u8],
}

impl<'a> Request<'a> {
    /// A request with a method and the raw request target: path and query as they stood in the request
    /// line, never re-serialised. What stands before the `?` is not looked at.
    pub fn new(method: &'a str, target: &'a str) -> Self {
        Self {
            method,
            target,
            headers: &NoHeaders,
            body: &[],
        }
    }

    /// A GET request.
    pub fn get(target: &'a str) -> Self {
        Self::new("GET", target)
    }

    /// With its headers.
    #[must_use]
    pub fn with_headers(mut self, headers: &'a dyn Headers) -> Self {
        self.headers = headers;
        self
    }

    /// With its whole body.
    #[must_use]
    pub fn with_body(mut self, body: &'a [u8]) -> Self {
        self.body = body;
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

    /// What stands behind the first `?` of the target; `None` where there is none.
    pub fn query(&self) -> Option<&'a str> {
        let at = memchr(b'?', self.target.as_bytes())?;
        self.target.get(at + 1..)
    }

    /// The only value of a header; `None` when it is absent or occurs more than once.
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

    /// The body.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }
}

/// Neither target nor headers nor body are shown: they carry the hash or credentials.
impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("target_bytes", &self.target.len())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// A request's headers, whatever type the server keeps them in.
pub trait Headers: Sync {
    /// Calls `each` with every value of the header called `name`, compared without regard to case.
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
