//! The parameters of a request, whichever way they were sent, as one query string.

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::format::BodyFormat;
use crate::verify::{BadRequest, Request, decode, pairs};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
/// How deep objects are read. Nothing that networks send is deeper.
const MAX_DEPTH: usize = 4;

/// What is encoded in a kept query.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(super) fn encode(text: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(text, ESCAPED)
}

/// The format of a request's body, from its only content type; `None` if there is no body and none is stated.
pub(super) fn body_format(request: &Request<'_>, accepted: &[BodyFormat]) -> Result<Option<BodyFormat>, BadRequest> {
    let unsupported = BadRequest::ContentType {
        accepted: match accepted {
            [BodyFormat::Form] => "application/x-www-form-urlencoded, in UTF-8",
            [BodyFormat::Json] => "application/json, in UTF-8",
            _ => "application/x-www-form-urlencoded or application/json, in UTF-8",
        },
    };
    if request.body().is_empty() {
        return Ok(None);
    }
    let value = request.header("content-type").map(std::str::from_utf8);
    let Some(Ok(value)) = value else {
        return Err(unsupported);
    };
    let mut parts = value.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    let format = if media_type.eq_ignore_ascii_case(FORM) {
        BodyFormat::Form
    } else if media_type.eq_ignore_ascii_case(JSON) {
        BodyFormat::Json
    } else {
        return Err(unsupported);
    };
    let is_readable = parts.all(|parameter| is_readable(format, parameter));
    if accepted.contains(&format) && is_readable { Ok(Some(format)) } else { Err(unsupported) }
}

/// Whether a parameter of the content type is not a charset, or one that can be read. Some clients name ISO-8859-1 by
/// default for forms, which are ASCII.
fn is_readable(format: BodyFormat, parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let value = value.trim();
    let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    let is = |charset: &&str| unquoted.eq_ignore_ascii_case(charset);
    !name.trim().eq_ignore_ascii_case("charset")
        || ["utf-8", "utf8", "us-ascii"].iter().any(is)
        || format == BodyFormat::Form && is(&"iso-8859-1")
}

/// The parameters of a request.
pub(super) struct Parameters<'r> {
    /// As a query string: those of the query, then those of the body.
    pub(super) query: Cow<'r, str>,
    /// What is wrong with the body, if it cannot be read.
    pub(super) malformed: Option<&'static str>,
}

impl<'r> Parameters<'r> {
    pub(super) fn of(request: &Request<'r>, format: Option<BodyFormat>) -> Self {
        let query = request.query().unwrap_or_default();
        let body = match format {
            None => {
                return Self { query: query.into(), malformed: None };
            }
            Some(BodyFormat::Form) => Ok(form_text(request.body())),
            Some(BodyFormat::Json) => json_as_form(request.body()),
        };
        match body {
            Ok(body) if query.is_empty() => Self { query: body.into(), malformed: None },
            Ok(body) => Self { query: format!("{query}&{body}").into(), malformed: None },
            Err(reason) => Self { query: query.into(), malformed: Some(reason) },
        }
    }
}

impl Parameters<'_> {
    /// Leaves out the parameters of the query but these.
    pub(super) fn ignore_query(&mut self, request: &Request<'_>, kept: &[&str]) {
        let Some(query) = request.query() else { return };
        let body = self.query.strip_prefix(query).unwrap_or_default().trim_start_matches('&');
        let is_kept = |name: &str| decode(name).is_some_and(|name| kept.iter().any(|kept| **kept == *name));
        let pieces = query.split('&').filter(|piece| is_kept(piece.split('=').next().unwrap_or_default()));
        let all: Vec<&str> = pieces.chain([body]).collect();
        self.query = all.join("&").into();
    }
}

/// A form as text: bytes that are not UTF-8 are percent-encoded.
fn form_text(body: &[u8]) -> String {
    let mut text = String::with_capacity(body.len());
    for chunk in body.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// The fields of a JSON object as a form, those of nested objects as `outer.inner`. Numbers keep the digits that were
/// sent; `null` is empty; arrays are left out.
fn json_as_form(body: &[u8]) -> Result<String, &'static str> {
    const NOT_AN_OBJECT: &str = "not a JSON object";
    let text = std::str::from_utf8(body).map_err(|_| "not UTF-8 text")?;
    let mut form = String::with_capacity(body.len());
    let mut json = serde_json::Deserializer::from_str(text);
    let fields = Fields { form: &mut form, prefix: "", depth: 0 };
    let read = fields.deserialize(&mut json);
    read.and_then(|()| json.end())
        .map_err(|error| if error.is_eof() { "ends before the JSON is complete" } else { NOT_AN_OBJECT })?;
    Ok(form)
}

/// Writes the fields of an object into a form. What is nested too deep is skipped, which costs nothing.
struct Fields<'f> {
    form: &'f mut String,
    prefix: &'f str,
    depth: usize,
}

impl Fields<'_> {
    fn write(&mut self, name: &str, raw: &str) {
        let name = format!("{}{name}", self.prefix);
        let value = match raw.as_bytes().first() {
            Some(b'{') => {
                if self.depth < MAX_DEPTH {
                    let inner = Fields { form: &mut *self.form, prefix: &format!("{name}."), depth: self.depth + 1 };
                    // It was skipped over as valid JSON. A field that is no text is undecodable below.
                    let _ = inner.deserialize(&mut serde_json::Deserializer::from_str(raw));
                }
                return;
            }
            Some(b'[') => return,
            Some(b'n') => Some(Cow::Borrowed("")),
            Some(b'"') => serde_json::from_str::<String>(raw).ok().map(Cow::Owned),
            _ => Some(Cow::Borrowed(raw)),
        };
        if !self.form.is_empty() {
            self.form.push('&');
        }
        let _ = match value {
            Some(value) => write!(self.form, "{}={}", encode(&name), encode(&value)),
            // A lone surrogate is no text. This is no text either, and counts as such if anything reads it.
            None => write!(self.form, "{}=%FF", encode(&name)),
        };
    }
}

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((name, raw)) = map.next_entry::<String, &RawValue>()? {
            self.write(&name, raw.get());
        }
        Ok(())
    }
}

/// The parameters without those of these names. With `is_uniform`, the rest is encoded in one way, so that the same
/// callback is kept alike whichever way it was sent.
pub(super) fn kept_query(query: &str, removed: &[Box<str>], is_uniform: bool) -> String {
    let mut kept = String::with_capacity(query.len());
    for (raw_name, raw_value) in pairs(query) {
        let name = decode(raw_name);
        if name.as_deref().is_some_and(|name| removed.iter().any(|removed| **removed == *name)) {
            continue;
        }
        if !kept.is_empty() {
            kept.push('&');
        }
        let value = if is_uniform { decode(raw_value) } else { None };
        let _ = match (name, value) {
            (Some(name), Some(value)) => write!(kept, "{}={}", encode(&name), encode(&value)),
            _ => write!(kept, "{raw_name}={raw_value}"),
        };
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_fields_get_dotted_names_and_numbers_keep_their_digits() {
        let json =
            r#" {"a":"x y","n":1.50,"t":true,"null":null,"list":[1,{"b":2}],"o":{"p":{"q":"é"},"a.b":0},"\u0061":2} "#;
        assert_eq!(json_as_form(json.as_bytes()).unwrap(), "a=x%20y&n=1.50&t=true&null=&o.p.q=%C3%A9&o.a.b=0&a=2");
        let surrogate = r#"{"a":"\ud800","b":"\u0000"}"#;
        assert_eq!(json_as_form(surrogate.as_bytes()).unwrap(), "a=%FF&b=%00");
        let deep = format!("{{\"x\":{}1{}}}", "{\"a\":".repeat(9000), "}".repeat(9000));
        assert_eq!(json_as_form(deep.as_bytes()).unwrap(), "");
    }

    #[test]
    fn what_is_not_a_json_object_is_malformed() {
        for (body, reason) in [
            ("", "ends before the JSON is complete"),
            ("{\"a\":1", "ends before the JSON is complete"),
            ("{\"x\":[[[[", "ends before the JSON is complete"),
            ("{\"a\":1}x", "not a JSON object"),
            ("{'a':1}", "not a JSON object"),
            ("{\"a\":01}", "not a JSON object"),
            ("[]", "not a JSON object"),
            ("null", "not a JSON object"),
            ("a=1", "not a JSON object"),
            ("\u{feff}{}", "not a JSON object"),
        ] {
            assert_eq!(json_as_form(body.as_bytes()), Err(reason), "{body}");
        }
        assert_eq!(json_as_form(b"{\"a\":\"\xff\"}"), Err("not UTF-8 text"));
    }

    #[test]
    fn content_types_ignore_case_and_accept_only_utf_8() {
        let both = [BodyFormat::Form, BodyFormat::Json];
        let format = |values: &[&str], accepted: &[BodyFormat]| {
            let headers: Vec<_> = values.iter().map(|value| ("Content-Type", *value)).collect();
            body_format(&Request::new("POST", "/").with_headers(&headers).with_body(b"x"), accepted)
        };
        for value in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json ; charset=\"Utf-8\" ; v=1",
            "application/json; charset=utf8",
            "application/json;",
        ] {
            assert_eq!(format(&[value], &both), Ok(Some(BodyFormat::Json)), "{value}");
            assert!(format(&[value], &[BodyFormat::Form]).is_err());
        }
        let form = "application/X-WWW-form-urlencoded;charset=utf-8";
        assert_eq!(format(&[form], &both), Ok(Some(BodyFormat::Form)));
        let latin = "application/x-www-form-urlencoded; charset=ISO-8859-1";
        assert_eq!(format(&[latin], &both), Ok(Some(BodyFormat::Form)));
        for values in [
            [].as_slice(),
            &[""],
            &["text/plain"],
            &["application/jsonx"],
            &["application/json, application/json"],
            &["application/json; charset=latin1"],
            &["application/json; charset=iso-8859-1"],
            &["application/json; charset"],
            &["application/json; charset=utf-8; charset=utf-16"],
            &["multipart/form-data; boundary=x"],
            &["application/json", "application/json"],
        ] {
            assert!(format(values, &both).is_err(), "{values:?}");
        }
    }
}
