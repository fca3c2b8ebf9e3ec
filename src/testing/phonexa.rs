//! Phonexa's side of the wire: one postback in any of the three request types, with any credential.
//!
//! ```
//! use postback::testing::phonexa::Postback;
//!
//! let postback = Postback::new()
//!     .set("player", "p1")
//!     .set("conversion_id", "c1")
//!     .number("payout", "500.50")
//!     .set("status", "Done")
//!     .bearer("my token");
//! assert_eq!(postback.get().target(), "/?player=p1&conversion_id=c1&payout=500.50&status=Done");
//! assert_eq!(
//!     postback.json().body(),
//!     br#"{"player":"p1","conversion_id":"c1","payout":500.50,"status":"Done"}"#
//! );
//! ```

use std::fmt;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::base64::{STANDARD, encode_padded};
use crate::wire::Request;

/// A postback as the network's admin set it up.
#[derive(Clone, Default)]
#[must_use = "a postback is made into a request by `get`, `form` or `json`"]
pub struct Postback {
    path: String,
    parameters: Vec<Parameter>,
    headers: Vec<(String, String)>,
}

#[derive(Clone)]
struct Parameter {
    name: String,
    value: String,
    is_number: bool,
}

impl Postback {
    /// Without parameters and credentials.
    pub fn new() -> Self {
        Self {
            path: "/".to_owned(),
            ..Self::default()
        }
    }

    /// Sends it to this path, with a query if it has one.
    pub fn to(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Sets a parameter; in JSON a string.
    pub fn set(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.put(name.into(), value.into(), false)
    }

    /// Sets a parameter; in JSON a number, with these very digits.
    pub fn number(self, name: impl Into<String>, digits: impl Into<String>) -> Self {
        self.put(name.into(), digits.into(), true)
    }

    /// Leaves a parameter out.
    pub fn without(mut self, name: &str) -> Self {
        self.parameters.retain(|known| known.name != name);
        self
    }

    /// With a login and a password.
    pub fn basic(self, login: &str, password: &str) -> Self {
        let text = encode_padded(format!("{login}:{password}").as_bytes(), STANDARD);
        self.header("Authorization", format!("Basic {text}"))
    }

    /// With a token, as `Basic <token>`.
    pub fn basic_token(self, token: &str) -> Self {
        self.header("Authorization", format!("Basic {token}"))
    }

    /// With a token, as `Bearer <token>`.
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    /// With one more header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// As GET: the parameters stand in the query.
    pub fn get(&self) -> Sent {
        let form = self.as_form();
        let joint = if self.path.contains('?') { '&' } else { '?' };
        Sent {
            method: "GET",
            target: format!("{}{joint}{form}", self.path),
            headers: self.headers.clone(),
            body: Vec::new(),
        }
    }

    /// As POST(FORM).
    pub fn form(&self) -> Sent {
        self.post("application/x-www-form-urlencoded", self.as_form())
    }

    /// As POST(JSON).
    pub fn json(&self) -> Sent {
        let fields: Vec<String> = self
            .parameters
            .iter()
            .map(
                |Parameter {
                     name,
                     value,
                     is_number,
                 }| {
                    let text = |text: &str| serde_json::Value::from(text).to_string();
                    let value = if *is_number {
                        value.clone()
                    } else {
                        text(value)
                    };
                    format!("{}:{value}", text(name))
                },
            )
            .collect();
        self.post("application/json", format!("{{{}}}", fields.join(",")))
    }

    /// As POST with any content type and body.
    pub fn post(&self, content_type: &str, body: impl Into<Vec<u8>>) -> Sent {
        let mut headers = self.headers.clone();
        headers.push(("Content-Type".to_owned(), content_type.to_owned()));
        Sent {
            method: "POST",
            target: self.path.clone(),
            headers,
            body: body.into(),
        }
    }

    fn put(mut self, name: String, value: String, is_number: bool) -> Self {
        let parameter = Parameter {
            name,
            value,
            is_number,
        };
        match self
            .parameters
            .iter_mut()
            .find(|known| known.name == parameter.name)
        {
            Some(known) => *known = parameter,
            None => self.parameters.push(parameter),
        }
        self
    }

    fn as_form(&self) -> String {
        let encode = |text: &str| {
            utf8_percent_encode(text, NON_ALPHANUMERIC)
                .to_string()
                .replace("%2E", ".")
                .replace("%5F", "_")
                .replace("%2D", "-")
                .replace("%20", "+")
        };
        let pieces: Vec<String> = self
            .parameters
            .iter()
            .map(|parameter| format!("{}={}", encode(&parameter.name), encode(&parameter.value)))
            .collect();
        pieces.join("&")
    }
}

/// Credentials are not shown.
impl fmt::Debug for Postback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postback").finish_non_exhaustive()
    }
}

/// A request, ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Sent {
    method: &'static str,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Sent {
    /// The method.
    pub fn method(&self) -> &'static str {
        self.method
    }

    /// The request target: path and query.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The headers.
    pub fn headers(&self) -> &Vec<(String, String)> {
        &self.headers
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The request, for an endpoint to open.
    pub fn request(&self) -> Request<'_> {
        Request::new(self.method, &self.target)
            .with_headers(&self.headers)
            .with_body(&self.body)
    }
}

/// Not shown: it holds credentials.
impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sent").finish_non_exhaustive()
    }
}
