//! The callback URL as typed into a network's dashboard. It is the configuration of an endpoint: the signed prefix,
//! the parameters' names, their macros, and static values.

use std::fmt;

use super::query::decode;
use crate::error::ConfigError;

/// A callback URL as typed into a dashboard.
///
/// ```
/// use postback::verify::UrlTemplate;
///
/// let url = "https://game.example/callbacks?player=[%USER:UID%]&tx=[%TX%]&source=bitlabs";
/// let template = UrlTemplate::parse(url, &["hash"])?;
/// assert_eq!(template.prefix(), "https://game.example/callbacks");
/// assert_eq!(template.path(), "/callbacks");
/// let [_, tx, source] = template.parameters() else { panic!() };
/// assert_eq!((tx.name(), tx.macro_name()), ("tx", Some("TX")));
/// assert_eq!((source.name(), source.static_value()), ("source", Some("bitlabs")));
/// # Ok::<(), postback::ConfigError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct UrlTemplate {
    prefix: String,
    path_at: usize,
    parameters: Vec<UrlParameter>,
}

/// One parameter of a [`UrlTemplate`].
#[derive(Clone, PartialEq, Eq)]
pub struct UrlParameter {
    name: Box<str>,
    value: Value,
}

#[derive(Clone, PartialEq, Eq)]
enum Value {
    /// A macro as typed, and its name.
    Macro { typed: Box<str>, name: Box<str> },
    /// The publisher's own text, decoded.
    Static(Box<str>),
}

impl UrlTemplate {
    /// Parses a URL as typed, with macros of the form `[%NAME%]`: anything that resembles a macro of another form is an
    /// error. White space around the URL is dropped.
    ///
    /// `reserved` are names that the network itself adds to every callback.
    ///
    /// # Errors
    /// [`ConfigError::Url`]: what is wrong and what to type instead.
    pub fn parse(typed: &str, reserved: &[&str]) -> Result<Self, ConfigError> {
        let template = Self::of(typed, UrlParameter::parse_percent, reserved)?;
        if template.parameters.is_empty() {
            return Err(invalid(
                "no parameters in callback URL: type them after a '?', such as ?player=[%USER:UID%]&tx=[%TX%]",
            ));
        }
        for (at, parameter) in template.parameters.iter().enumerate() {
            let mut before = template.parameters.iter().take(at);
            if let Some(text) = parameter.macro_text()
                && let Some(first) = before.find(|known| known.macro_text() == Some(text))
            {
                let (first, second) = (first.name(), parameter.name());
                return Err(invalid(format!("{text} is the value of both {first:?} and {second:?}: type it once")));
            }
        }
        Ok(template)
    }

    /// Parses a URL with macros of any form (`{tx}`, `[tx]`, `%tx%`, `$tx` …): a value is a macro if it contains a
    /// bracket, a `$`, or a `%` that is no escape. It may have no parameters, for networks that add them all.
    pub(crate) fn parse_any(typed: &str, reserved: &[&str]) -> Result<Self, ConfigError> {
        Self::of(typed, UrlParameter::parse_any, reserved)
    }

    fn of(
        typed: &str,
        parse: impl Fn(&str) -> Result<UrlParameter, ConfigError>,
        reserved: &[&str],
    ) -> Result<Self, ConfigError> {
        let typed = typed.trim();
        let (prefix, query) = split(typed)?;
        let path_at = check_prefix(prefix)?;
        let query = query.unwrap_or_default();
        if query.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(invalid(WHITE_SPACE));
        }
        let mut parameters: Vec<UrlParameter> = Vec::new();
        for piece in query.split('&').filter(|_| !query.is_empty()) {
            let parameter = parse(piece)?;
            let name = parameter.name();
            if reserved.contains(&name) {
                return Err(invalid(format!(
                    "the network itself adds {name:?} to every callback: type the URL without it, or use another name"
                )));
            }
            if parameters.iter().any(|known| known.name == parameter.name) {
                return Err(invalid(format!(
                    "two parameters named {name:?} in callback URL: type another name for one of them"
                )));
            }
            parameters.push(parameter);
        }
        Ok(Self { prefix: prefix.to_owned(), path_at, parameters })
    }

    /// Scheme, host, port and path as typed.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Every form of the prefix that may have been signed. There is one, except for the path `/`: networks may drop
    /// that slash.
    pub fn signed_prefixes(&self) -> impl Iterator<Item = &str> {
        let without_slash = self.prefix.strip_suffix('/').filter(|_| self.typed_path() == "/");
        std::iter::once(self.prefix.as_str()).chain(without_slash)
    }

    /// The path for a router: as typed, or `/` if none was typed.
    pub fn path(&self) -> &str {
        match self.typed_path() {
            "" => "/",
            path => path,
        }
    }

    fn typed_path(&self) -> &str {
        self.prefix.get(self.path_at..).unwrap_or_default()
    }

    /// The parameters in the order of the URL.
    pub fn parameters(&self) -> &[UrlParameter] {
        &self.parameters
    }
}

/// Shows parameters without static values, which may be secret. Leaves out the rest of the URL.
impl fmt::Debug for UrlTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UrlTemplate").field("parameters", &self.parameters).finish_non_exhaustive()
    }
}

impl UrlParameter {
    /// The name that the publisher chose, decoded.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text that the network sends as it is, decoded; `None` for a macro.
    pub fn static_value(&self) -> Option<&str> {
        match &self.value {
            Value::Static(text) => Some(text),
            Value::Macro { .. } => None,
        }
    }

    /// The macro's name: the text between `[%` and `%]`. All of it for a macro of another form; `None` for a static
    /// value.
    pub fn macro_name(&self) -> Option<&str> {
        match &self.value {
            Value::Macro { name, .. } => Some(name),
            Value::Static(_) => None,
        }
    }

    /// The macro exactly as typed (`[%TX%]`); `None` for a static value. A callback that contains it was sent
    /// with the macro not replaced.
    pub fn macro_text(&self) -> Option<&str> {
        match &self.value {
            Value::Macro { typed, .. } => Some(typed),
            Value::Static(_) => None,
        }
    }

    /// One parameter in a URL whose macros have the form `[%NAME%]`.
    fn parse_percent(piece: &str) -> Result<Self, ConfigError> {
        let (name, value) = split_name(piece)?;
        if let Some(suggestion) = macro_meant_by(name) {
            return Err(invalid(format!("macro without a parameter name in callback URL: type name={suggestion}")));
        }
        let name = decode_name(name)?;
        if let Some(text) = percent_macro(value) {
            return Ok(Self { name, value: Value::Macro { typed: value.into(), name: text.into() } });
        }
        if let Some(suggestion) = macro_meant_by(value) {
            return Err(invalid(format!(
                "the value of {name:?} in the callback URL is not a macro by itself: type {suggestion}"
            )));
        }
        match decode(value) {
            Some(text) => Ok(Self { name, value: Value::Static(text.into()) }),
            None => Err(invalid(format!(
                "the value of {name:?} in the callback URL is not percent-encoded text: use letters and digits, %20 for a space"
            ))),
        }
    }

    /// One parameter in a URL whose macros may have any form.
    fn parse_any(piece: &str) -> Result<Self, ConfigError> {
        let (name, value) = split_name(piece)?;
        let name = decode_name(name)?;
        let is_static = |text: &str| !text.contains(['[', ']', '{', '}', '<', '>', '$']);
        Ok(match decode(value).filter(|text| is_static(text)) {
            Some(text) => Self { name, value: Value::Static(text.into()) },
            None => Self { name, value: Value::Macro { typed: value.into(), name: value.into() } },
        })
    }
}

impl fmt::Debug for UrlParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Value::Macro { name: text, .. } if text.bytes().all(is_name_byte) => {
                write!(f, "{}=[%{text}%]", self.name)
            }
            Value::Macro { .. } => write!(f, "{}=(macro)", self.name),
            Value::Static(_) => write!(f, "{}=…", self.name),
        }
    }
}

const WHITE_SPACE: &str = "space or control character in callback URL: remove it, or type %20 for a space";
const MACRO_IN_PREFIX: &str =
    "macro before the '?' of the callback URL: type every macro as a parameter, such as ?tx=[%TX%]";

fn invalid(problem: impl Into<String>) -> ConfigError {
    ConfigError::Url { problem: problem.into() }
}

fn split(typed: &str) -> Result<(&str, Option<&str>), ConfigError> {
    if typed.is_empty() {
        return Err(invalid("empty callback URL: paste the URL from the network's dashboard, macros included"));
    }
    if typed.starts_with(['<', '"', '\'', '`', '(']) {
        return Err(invalid("brackets or quotation marks around the callback URL: remove them"));
    }
    // Before the '#' is looked for: HTML also writes characters as &#38;.
    if ["&amp;", "&#38;", "&#x26;"].iter().any(|escape| typed.contains(escape)) {
        return Err(invalid(
            "\"&amp;\" in callback URL: it was copied from HTML, so type a plain & between the parameters",
        ));
    }
    if typed.contains('#') {
        return Err(invalid(
            "'#' in callback URL: what follows it is never sent, so remove it (or type %23 within a value)",
        ));
    }
    Ok(match typed.split_once('?') {
        Some((prefix, query)) => (prefix, Some(query)),
        None => (typed, None),
    })
}

/// Checks scheme, host, port and path. Returns where the path begins.
fn check_prefix(prefix: &str) -> Result<usize, ConfigError> {
    if prefix.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(invalid("space or control character in the host or path of the callback URL: remove it"));
    }
    if !prefix.is_ascii() {
        return Err(invalid(
            "characters beyond ASCII in the host or path of the callback URL: type the host in punycode (xn--…), and in \
             the path letters a-z, digits, '-' and '_' instead",
        ));
    }
    let rest = match prefix.split_once("://") {
        None => {
            return Err(invalid(
                "no scheme in callback URL: type https:// or http://, whichever the dashboard has, before the host",
            ));
        }
        Some(("http" | "https", rest)) => rest,
        Some(_) => {
            return Err(invalid("unsupported scheme in callback URL: begin with https:// or http:// in lower case"));
        }
    };
    let (authority, path) = rest.split_at(rest.find(['/', '\\']).unwrap_or(rest.len()));
    check_authority(authority)?;
    if path.contains(['[', ']', '{', '}', '<', '>']) {
        return Err(invalid(MACRO_IN_PREFIX));
    }
    // Percent escapes match in some routers only as typed, in others only decoded; `*` and `/:` are their patterns.
    if path.contains(['\\', '"', '^', '`', '|', '%', '*']) || path.contains("/:") {
        return Err(invalid(
            "the path of the callback URL contains a character that routers do not match as typed (one of \\ \" ^ ` | % *, \
             or a ':' after a '/'): type letters a-z, digits, '-' and '_' instead",
        ));
    }
    Ok(prefix.len() - path.len())
}

fn check_authority(authority: &str) -> Result<(), ConfigError> {
    if authority.contains('@') {
        return Err(invalid(
            "user name or password in callback URL: type https://game.example/… without the part up to the @",
        ));
    }
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) if host.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.')) => (host, port),
        Some(_) => return Err(invalid(MACRO_IN_PREFIX)),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if host.is_empty() {
        return Err(invalid(
            "no host in callback URL: type one after the scheme, as in https://game.example/callbacks?…",
        ));
    }
    if host.contains(['%', '[', ']', '{', '}', '<', '>']) {
        return Err(invalid(MACRO_IN_PREFIX));
    }
    if !host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':')) {
        return Err(invalid("invalid host in callback URL: type it as in https://game.example/callbacks?…"));
    }
    let is_port =
        |digits: &str| digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok_and(|port| port != 0);
    if port.is_empty() || port.strip_prefix(':').is_some_and(is_port) {
        Ok(())
    } else {
        Err(invalid(
            "invalid port in callback URL: type a number from 1 to 65535 as in https://game.example:8443/…, or no port",
        ))
    }
}

fn split_name(piece: &str) -> Result<(&str, &str), ConfigError> {
    let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
    if name.is_empty() {
        Err(invalid(
            "parameter without a name in callback URL: type name=[%MACRO%] between two '&', and no '&' at the end",
        ))
    } else {
        Ok((name, value))
    }
}

fn decode_name(name: &str) -> Result<Box<str>, ConfigError> {
    decode(name).map(Box::from).ok_or_else(|| invalid("invalid parameter name in callback URL: use letters and digits"))
}

/// The name in a value that is exactly `[%NAME%]`.
fn percent_macro(value: &str) -> Option<&str> {
    let name = value.strip_prefix("[%")?.strip_suffix("%]")?;
    (!name.is_empty() && name.bytes().all(is_name_byte)).then_some(name)
}

/// What to type instead of a text that resembles a macro: `%TX%`, `[TX]`, `{TX}`, `id-[%TX%]`, or a percent-encoded
/// one. `None` for plain text.
fn macro_meant_by(text: &str) -> Option<String> {
    // Decodes what can be decoded, so that `%TX%` stays as it is.
    let plain = percent_encoding::percent_decode_str(text).decode_utf8_lossy();
    if !plain.contains(['[', ']', '{', '}', '%', '<', '>']) {
        return None;
    }
    let words = || plain.split(|c: char| !c.is_ascii() || !is_name_byte(c as u8)).filter(|word| !word.is_empty());
    // Macros are in upper case: the longest such word was meant, whatever surrounds it.
    let meant = words()
        .filter(|word| !word.bytes().any(|b| b.is_ascii_lowercase()))
        .max_by_key(|word| word.len())
        .or_else(|| words().next());
    Some(format!("[%{}%]", meant.unwrap_or("TX")))
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(typed: &str) -> Result<UrlTemplate, ConfigError> {
        UrlTemplate::parse(typed, &["hash", "debug"])
    }

    #[test]
    fn prefix_is_signed_as_typed() {
        for (typed, prefix, path) in [
            ("https://a.example/cb?x=[%TX%]", "https://a.example/cb", "/cb"),
            ("  http://A.example:8080/c/d/?x=[%TX%]\n", "http://A.example:8080/c/d/", "/c/d/"),
            ("https://a.example?x=[%TX%]", "https://a.example", "/"),
            ("http://127.0.0.1:80?x=1", "http://127.0.0.1:80", "/"),
            ("http://[::1]:80/c?x=1", "http://[::1]:80/c", "/c"),
            ("https://a.example/~bob?x=1", "https://a.example/~bob", "/~bob"),
        ] {
            let template = parse(typed).unwrap();
            assert_eq!((template.prefix(), template.path()), (prefix, path), "{typed}");
            assert_eq!(template.signed_prefixes().collect::<Vec<_>>(), [prefix], "{typed}");
        }
        let template = parse("https://a.example/?x=[%TX%]").unwrap();
        let forms: Vec<_> = template.signed_prefixes().collect();
        assert_eq!(forms, ["https://a.example/", "https://a.example"]);
    }

    #[test]
    fn macros_and_static_values_are_distinguished() {
        let values = |template: UrlTemplate| {
            let texts = |p: &UrlParameter| {
                [Some(p.name()), p.static_value(), p.macro_name(), p.macro_text()].map(|text| text.map(str::to_owned))
            };
            template.parameters().iter().map(texts).collect::<Vec<_>>()
        };
        let is_macro = |name: &str, text: &str, typed: &str| {
            [Some(name), None, Some(text), Some(typed)].map(|text| text.map(str::to_owned))
        };
        let is_static =
            |name: &str, text: &str| [Some(name), Some(text), None, None].map(|text| text.map(str::to_owned));
        let typed = "https://a.example?o%3At=[%OFFER:TASK:ID%]&s=Lords%20Mobile+x&flag&e=";
        assert_eq!(
            values(parse(typed).unwrap()),
            [
                is_macro("o:t", "OFFER:TASK:ID", "[%OFFER:TASK:ID%]"),
                is_static("s", "Lords Mobile x"),
                is_static("flag", ""),
                is_static("e", "")
            ]
        );
        let typed = "https://a.example/cb?p={user_id}&t=%TX%&t2=%TX%&d=$x&s=a%20network";
        assert_eq!(
            values(UrlTemplate::parse_any(typed, &[]).unwrap()),
            [
                is_macro("p", "{user_id}", "{user_id}"),
                is_macro("t", "%TX%", "%TX%"),
                is_macro("t2", "%TX%", "%TX%"),
                is_macro("d", "$x", "$x"),
                is_static("s", "a network")
            ]
        );
    }

    #[test]
    fn every_error_says_what_to_type() {
        let cases = [
            ("", "paste the URL"),
            (" \n", "paste the URL"),
            ("<https://a.example?x=[%TX%]>", "remove them"),
            ("\"https://a.example?x=[%TX%]\"", "remove them"),
            ("https://a.example?x=[%TX%]&amp;y=[%REF%]", "plain &"),
            ("https://a.example?x=[%TX%]&#38;y=[%REF%]", "plain &"),
            ("https://a.example/a&amp;b?x=1", "plain &"),
            ("a.example/cb?x=[%TX%]", "type https://"),
            ("//a.example/cb?x=[%TX%]", "type https://"),
            ("ftp://a.example?x=1", "https:// or http://"),
            ("HTTPS://a.example?x=1", "lower case"),
            ("https://?x=1", "type one after the scheme"),
            ("https:///cb?x=1", "type one after the scheme"),
            ("https://:80?x=1", "type one after the scheme"),
            ("https://a!b?x=1", "https://game.example"),
            ("https://a.example:?x=1", "or no port"),
            ("https://a.example:0?x=1", "or no port"),
            ("https://a.example:99999/c?x=1", "or no port"),
            ("https://a.example:+80/c?x=1", "or no port"),
            ("https://u:p@a.example?x=1", "without the part up to the @"),
            ("https://a.example/c?x=1#top", "never sent"),
            ("https://a.example/c d?x=1", "path of the callback URL: remove it"),
            ("https://a.example/c?x=1 2", "%20"),
            ("https://a.example/c\0?x=1", "path of the callback URL: remove it"),
            ("https://ä.example/c?x=1", "punycode"),
            ("https://a.example/caf\u{e9}?x=1", "letters a-z"),
            ("https://a.example/c|d?x=1", "letters a-z"),
            ("https://a.example/caf%C3%A9?x=1", "letters a-z"),
            ("https://a.example/a%20b?x=1", "letters a-z"),
            ("https://a.example/%7Ebob?x=1", "letters a-z"),
            ("https://a.example/c/*?x=1", "letters a-z"),
            ("https://a.example/*c?x=1", "letters a-z"),
            ("https://a.example/c/:d?x=1", "letters a-z"),
            ("https://a.example/[%TX%]?x=1", "?tx=[%TX%]"),
            ("https://[%TX%]/?x=1", "?tx=[%TX%]"),
            ("https://[host]/c?x=[%TX%]", "before the '?'"),
            ("https://[::1]8443/c?x=[%TX%]", "invalid port"),
            ("https://a.example/c", "after a '?'"),
            ("https://a.example/c?", "after a '?'"),
            ("https://a.example/c?a=1&&b=2", "no '&' at the end"),
            ("https://a.example/c?a=1&", "no '&' at the end"),
            ("https://a.example/c?=[%TX%]", "name=[%MACRO%]"),
            ("https://a.example/c?[%TX%]", "name=[%TX%]"),
            ("https://a.example/c?%FF=1", "letters and digits"),
            ("https://a.example/c?x=1&hash=abc", "without it"),
            ("https://a.example/c?%68ash=abc", "without it"),
            ("https://a.example/c?debug=true", "without it"),
            ("https://a.example/c?x=1&x=[%TX%]", "another name"),
            ("https://a.example/c?x=1&%78=2", "another name"),
            ("https://a.example/c?x=[%TX%]&y=[%TX%]", "type it once"),
            ("https://a.example/c?x=%TX%", "type [%TX%]"),
            ("https://a.example/c?x=%VAL%", "type [%VAL%]"),
            ("https://a.example/c?x=[TX]", "type [%TX%]"),
            ("https://a.example/c?x={TX}", "type [%TX%]"),
            ("https://a.example/c?x={{USER:UID}}", "type [%USER:UID%]"),
            ("https://a.example/c?x=[%TX]", "type [%TX%]"),
            ("https://a.example/c?x=[TX%]", "type [%TX%]"),
            ("https://a.example/c?x=%TX%]", "type [%TX%]"),
            ("https://a.example/c?x=[%TX%", "type [%TX%]"),
            ("https://a.example/c?x=[%%]", "type [%TX%]"),
            ("https://a.example/c?x=id-[%TX%]", "type [%TX%]"),
            ("https://a.example/c?x=[%TX%]-[%REF%]", "type [%"),
            ("https://a.example/c?x=%5B%25TX%25%5D", "type [%TX%]"),
            ("https://a.example/c?x=%5b%25USER:UID%25%5d", "type [%USER:UID%]"),
            ("https://a.example/c?x=[%25TX%25]", "type [%TX%]"),
            ("https://a.example/c?x=<TX>", "type [%TX%]"),
            ("https://a.example/c?x={tx}", "type [%tx%]"),
            ("https://a.example/c?x=%FF", "percent-encoded text"),
        ];
        for (typed, advice) in cases {
            let message = parse(typed).expect_err(typed).to_string();
            assert!(message.contains(advice), "{typed:?}: {message}");
        }
    }

    #[test]
    fn debug_output_contains_no_static_value() {
        let typed = "https://a.example/sesame?k=hunter2&x=[%TX%]";
        let shown = format!("{:?}", parse(typed).unwrap());
        assert!(!shown.contains("hunter2") && !shown.contains("sesame"), "{shown}");
        assert!(shown.contains("x=[%TX%]"), "{shown}");
        // A token may have been mistaken for a macro.
        let typed = "https://a.example/c?k=$hunter2&x={TX}";
        let shown = format!("{:?}", UrlTemplate::parse_any(typed, &[]).unwrap());
        assert!(shown.contains("k=(macro)") && !shown.contains("hunter2"), "{shown}");
    }
}
