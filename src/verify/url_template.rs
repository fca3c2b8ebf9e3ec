//! The callback URL as typed into a network's dashboard. It is the configuration of an endpoint: the signed prefix,
//! the parameters' names, their macros, and static values.

use std::fmt;

use super::query::decode;

/// A callback URL as typed into a dashboard.
///
/// ```
/// use postback::verify::{MacroStyle, UrlTemplate, UrlValue};
///
/// let template = UrlTemplate::parse(
///     "https://game.example/callbacks?player=[%USER:UID%]&tx=[%TX%]&source=bitlabs",
///     MacroStyle::Percent,
///     &["hash"],
/// )?;
/// assert_eq!(template.prefix(), "https://game.example/callbacks");
/// assert_eq!(template.path(), "/callbacks");
/// let tx = &template.parameters()[1];
/// assert_eq!((tx.name(), tx.value()), ("tx", &UrlValue::Macro("TX".into())));
/// # Ok::<(), postback::verify::UrlError>(())
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
    value: UrlValue,
    macro_text: Option<Box<str>>,
}

/// What a parameter of a [`UrlTemplate`] is set to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "a value contains a macro or it does not")]
pub enum UrlValue {
    /// A macro that the network replaces. With [`MacroStyle::Percent`] the text between `[%` and `%]`, otherwise all
    /// of it.
    Macro(Box<str>),
    /// The publisher's own text, decoded. The network sends it as it is.
    Static(Box<str>),
}

/// How a network writes its macros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MacroStyle {
    /// `[%NAME%]`. Anything that resembles a macro of another style is an error.
    Percent,
    /// Any style (`{tx}`, `[tx]`, `%tx%`, `$tx` …): a value is a macro if it contains a bracket, a `$`, or a `%` that
    /// is no escape.
    Any,
}

impl UrlTemplate {
    /// Parses a URL as typed, macros included. White space around it is dropped.
    ///
    /// `reserved` are names that the network itself adds to every callback.
    ///
    /// # Errors
    /// [`UrlError`]: what is wrong and what to type instead.
    pub fn parse(typed: &str, style: MacroStyle, reserved: &[&str]) -> Result<Self, UrlError> {
        let template = Self::parse_optional(typed, style, reserved)?;
        if template.parameters.is_empty() {
            return Err(UrlError::NoParameters);
        }
        Ok(template)
    }

    /// The same for networks that add all parameters themselves: the URL may have none.
    pub(crate) fn parse_optional(typed: &str, style: MacroStyle, reserved: &[&str]) -> Result<Self, UrlError> {
        let typed = typed.trim();
        let (prefix, query) = split(typed)?;
        let path_at = check_prefix(prefix)?;
        let query = query.unwrap_or_default();
        if query.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(UrlError::WhiteSpace);
        }
        let mut parameters: Vec<UrlParameter> = Vec::new();
        for piece in query.split('&').filter(|_| !query.is_empty()) {
            let parameter = match style {
                MacroStyle::Percent => UrlParameter::parse_percent(piece)?,
                MacroStyle::Any => UrlParameter::parse_any(piece)?,
            };
            let name = || parameter.name.to_string();
            if reserved.contains(&&*parameter.name) {
                return Err(UrlError::ReservedName { name: name() });
            }
            if parameters.iter().any(|known| known.name == parameter.name) {
                return Err(UrlError::RepeatedName { name: name() });
            }
            if let (MacroStyle::Percent, UrlValue::Macro(text)) = (style, &parameter.value)
                && let Some(first) = parameters.iter().find(|known| known.value == parameter.value)
            {
                return Err(UrlError::RepeatedMacro {
                    text: text.to_string(),
                    first: first.name.to_string(),
                    second: name(),
                });
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

    /// Its value.
    pub fn value(&self) -> &UrlValue {
        &self.value
    }

    /// The macro exactly as typed (`[%TX%]`); `None` for a static value. A callback that contains it was sent
    /// with the macro not replaced.
    pub fn macro_text(&self) -> Option<&str> {
        self.macro_text.as_deref()
    }

    /// One parameter in a URL whose macros have the form `[%NAME%]`.
    fn parse_percent(piece: &str) -> Result<Self, UrlError> {
        let (name, value) = split_name(piece)?;
        if let Some(suggestion) = macro_meant_by(name) {
            return Err(UrlError::MacroWithoutName { suggestion });
        }
        let name = decode_name(name)?;
        if let Some(text) = percent_macro(value) {
            return Ok(Self { name, value: UrlValue::Macro(text.into()), macro_text: Some(value.into()) });
        }
        if let Some(suggestion) = macro_meant_by(value) {
            return Err(UrlError::MalformedMacro { name: name.into(), suggestion });
        }
        match decode(value) {
            Some(text) => Ok(Self { name, value: UrlValue::Static(text.into()), macro_text: None }),
            None => Err(UrlError::StaticEncoding { name: name.into() }),
        }
    }

    /// One parameter in a URL whose macros may have any form.
    fn parse_any(piece: &str) -> Result<Self, UrlError> {
        let (name, value) = split_name(piece)?;
        let name = decode_name(name)?;
        let is_static = |text: &str| !text.contains(['[', ']', '{', '}', '<', '>', '$']);
        Ok(match decode(value).filter(|text| is_static(text)) {
            Some(text) => Self { name, value: UrlValue::Static(text.into()), macro_text: None },
            None => Self { name, value: UrlValue::Macro(value.into()), macro_text: Some(value.into()) },
        })
    }
}

impl fmt::Debug for UrlParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            UrlValue::Macro(text) if text.bytes().all(is_name_byte) => {
                write!(f, "{}=[%{text}%]", self.name)
            }
            UrlValue::Macro(_) => write!(f, "{}=(macro)", self.name),
            UrlValue::Static(_) => write!(f, "{}=…", self.name),
        }
    }
}

/// Why a callback URL cannot be used. Every message says what to type instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Nothing was typed.
    #[error("empty callback URL: paste the URL from the network's dashboard, macros included")]
    Empty,
    /// It is enclosed in brackets or quotation marks.
    #[error("brackets or quotation marks around the callback URL: remove them")]
    Enclosed,
    /// It was copied from HTML, and its `&` are written `&amp;`.
    #[error("\"&amp;\" in callback URL: it was copied from HTML, so type a plain & between the parameters")]
    HtmlEscaped,
    /// It has no scheme.
    #[error("no scheme in callback URL: type https:// or http://, whichever the dashboard has, before the host")]
    NoScheme,
    /// Its scheme is not `http` or `https`.
    #[error("unsupported scheme in callback URL: begin with https:// or http:// in lower case")]
    UnsupportedScheme,
    /// It has no host.
    #[error("no host in callback URL: type one after the scheme, as in https://game.example/callbacks?…")]
    NoHost,
    /// Its host contains characters that a host cannot have.
    #[error("invalid host in callback URL: type it as in https://game.example/callbacks?…")]
    InvalidHost,
    /// Its port is not a number from 1 to 65535.
    #[error(
        "invalid port in callback URL: type a number from 1 to 65535 as in https://game.example:8443/…, or no port"
    )]
    InvalidPort,
    /// Its path contains characters that a URL cannot have.
    #[error("invalid character in the path of the callback URL: type it percent-encoded")]
    InvalidPath,
    /// A user name or password precedes the host.
    #[error("user name or password in callback URL: type https://game.example/… without the part up to the @")]
    UserInfo,
    /// It contains a `#`.
    #[error("'#' in callback URL: what follows it is never sent, so remove it (or type %23 within a value)")]
    Fragment,
    /// Host or path contain characters beyond ASCII.
    #[error(
        "characters beyond ASCII in the host or path of the callback URL: type the host in punycode (xn--…) and the \
         path percent-encoded"
    )]
    NotAscii,
    /// It contains a space or a control character.
    #[error("space or control character in callback URL: remove it, or type %20 for a space")]
    WhiteSpace,
    /// A macro precedes the `?`.
    #[error("macro before the '?' of the callback URL: type every macro as a parameter, such as ?tx=[%TX%]")]
    MacroInPrefix,
    /// It has no parameters.
    #[error("no parameters in callback URL: type them after a '?', such as ?player=[%USER:UID%]&tx=[%TX%]")]
    NoParameters,
    /// A parameter has no name.
    #[error("parameter without a name in callback URL: type name=[%MACRO%] between two '&', and no '&' at the end")]
    EmptyName,
    /// A macro has no parameter name before it.
    #[error("macro without a parameter name in callback URL: type name={suggestion}")]
    MacroWithoutName {
        /// The macro that was meant.
        suggestion: String,
    },
    /// A parameter's name is not percent-encoded text.
    #[error("invalid parameter name in callback URL: use letters and digits")]
    NameEncoding,
    /// The network itself adds a parameter of this name.
    #[error("the network itself adds {name:?} to every callback: type the URL without it, or use another name")]
    ReservedName {
        /// The name.
        name: String,
    },
    /// Two parameters have the same name.
    #[error("two parameters named {name:?} in callback URL: type another name for one of them")]
    RepeatedName {
        /// The name.
        name: String,
    },
    /// Two parameters have the same macro.
    #[error("[%{text}%] is the value of both {first:?} and {second:?}: type it once")]
    RepeatedMacro {
        /// The macro's text.
        text: String,
        /// The first parameter.
        first: String,
        /// The second parameter.
        second: String,
    },
    /// A value resembles a macro but is none, or mixes one with other text.
    #[error("the value of {name:?} in the callback URL is not a macro by itself: type {suggestion}")]
    MalformedMacro {
        /// The parameter.
        name: String,
        /// What to type.
        suggestion: String,
    },
    /// A static value is not percent-encoded text.
    #[error(
        "the value of {name:?} in the callback URL is not percent-encoded text: use letters and digits, %20 for a space"
    )]
    StaticEncoding {
        /// The parameter.
        name: String,
    },
}

fn split(typed: &str) -> Result<(&str, Option<&str>), UrlError> {
    if typed.is_empty() {
        return Err(UrlError::Empty);
    }
    if typed.starts_with(['<', '"', '\'', '`', '(']) {
        return Err(UrlError::Enclosed);
    }
    // Before the '#' is looked for: HTML also writes characters as &#38;.
    if ["&amp;", "&#38;", "&#x26;"].iter().any(|escape| typed.contains(escape)) {
        return Err(UrlError::HtmlEscaped);
    }
    if typed.contains('#') {
        return Err(UrlError::Fragment);
    }
    Ok(match typed.split_once('?') {
        Some((prefix, query)) => (prefix, Some(query)),
        None => (typed, None),
    })
}

/// Checks scheme, host, port and path. Returns where the path begins.
fn check_prefix(prefix: &str) -> Result<usize, UrlError> {
    if prefix.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(UrlError::WhiteSpace);
    }
    if !prefix.is_ascii() {
        return Err(UrlError::NotAscii);
    }
    let rest = match prefix.split_once("://") {
        None => return Err(UrlError::NoScheme),
        Some(("http" | "https", rest)) => rest,
        Some(_) => return Err(UrlError::UnsupportedScheme),
    };
    let (authority, path) = rest.split_at(rest.find(['/', '\\']).unwrap_or(rest.len()));
    check_authority(authority)?;
    if path.contains(['[', ']', '{', '}', '<', '>']) {
        return Err(UrlError::MacroInPrefix);
    }
    if path.contains(['\\', '"', '^', '`', '|']) {
        return Err(UrlError::InvalidPath);
    }
    Ok(prefix.len() - path.len())
}

fn check_authority(authority: &str) -> Result<(), UrlError> {
    if authority.contains('@') {
        return Err(UrlError::UserInfo);
    }
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) if host.bytes().all(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.')) => (host, port),
        Some(_) => return Err(UrlError::MacroInPrefix),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if host.is_empty() {
        return Err(UrlError::NoHost);
    }
    if host.contains(['%', '[', ']', '{', '}', '<', '>']) {
        return Err(UrlError::MacroInPrefix);
    }
    if !host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':')) {
        return Err(UrlError::InvalidHost);
    }
    let is_port =
        |digits: &str| digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u16>().is_ok_and(|port| port != 0);
    if port.is_empty() || port.strip_prefix(':').is_some_and(is_port) { Ok(()) } else { Err(UrlError::InvalidPort) }
}

fn split_name(piece: &str) -> Result<(&str, &str), UrlError> {
    let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
    if name.is_empty() { Err(UrlError::EmptyName) } else { Ok((name, value)) }
}

fn decode_name(name: &str) -> Result<Box<str>, UrlError> {
    decode(name).map(Box::from).ok_or(UrlError::NameEncoding)
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

    fn parse(typed: &str) -> Result<UrlTemplate, UrlError> {
        UrlTemplate::parse(typed, MacroStyle::Percent, &["hash", "debug"])
    }

    #[test]
    fn prefix_is_signed_as_typed() {
        for (typed, prefix, path) in [
            ("https://a.example/cb?x=[%TX%]", "https://a.example/cb", "/cb"),
            ("  http://A.example:8080/c/d/?x=[%TX%]\n", "http://A.example:8080/c/d/", "/c/d/"),
            ("https://a.example?x=[%TX%]", "https://a.example", "/"),
            ("http://127.0.0.1:80?x=1", "http://127.0.0.1:80", "/"),
            ("http://[::1]:80/c?x=1", "http://[::1]:80/c", "/c"),
            ("https://a.example/%7Ebob?x=1", "https://a.example/%7Ebob", "/%7Ebob"),
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
        let values = |typed: &str, style| {
            let template = UrlTemplate::parse(typed, style, &[]).unwrap();
            let parameters = template.parameters().iter();
            parameters
                .map(|p| (p.name().to_owned(), p.value().clone(), p.macro_text().map(str::to_owned)))
                .collect::<Vec<_>>()
        };
        let is_macro = |name: &str, text: &str, typed: &str| {
            (name.to_owned(), UrlValue::Macro(text.into()), Some(typed.to_owned()))
        };
        let is_static = |name: &str, text: &str| (name.to_owned(), UrlValue::Static(text.into()), None);
        assert_eq!(
            values("https://a.example?o%3At=[%OFFER:TASK:ID%]&s=Lords%20Mobile+x&flag&e=", MacroStyle::Percent),
            [
                is_macro("o:t", "OFFER:TASK:ID", "[%OFFER:TASK:ID%]"),
                is_static("s", "Lords Mobile x"),
                is_static("flag", ""),
                is_static("e", "")
            ]
        );
        assert_eq!(
            values("https://a.example/cb?p={user_id}&t=%TX%&t2=%TX%&d=$x&s=a%20network", MacroStyle::Any),
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
            ("https://a.example/c d?x=1", "%20"),
            ("https://a.example/c?x=1 2", "%20"),
            ("https://a.example/c\0?x=1", "%20"),
            ("https://ä.example/c?x=1", "punycode"),
            ("https://a.example/c|d?x=1", "percent-encoded"),
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
        let shown = format!("{:?}", UrlTemplate::parse(typed, MacroStyle::Any, &[]).unwrap());
        assert!(shown.contains("k=(macro)") && !shown.contains("hunter2"), "{shown}");
    }
}
