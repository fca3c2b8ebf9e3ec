//! Why a callback URL cannot be used, and what to type instead.

/// Why a callback URL cannot be used. Every message says what to type instead.
///
/// Always the configuration's fault. Names in it are those that the publisher chose.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// Nothing was typed.
    #[error(
        "the callback URL is empty: paste the URL that is typed into the network's dashboard, macros and all"
    )]
    Nothing,
    /// It stands in brackets or quotation marks.
    #[error(
        "the callback URL stands in brackets or quotation marks: type it without them, beginning with https://"
    )]
    Enclosed,
    /// It has no scheme.
    #[error(
        "the callback URL has no scheme: type https:// (or http://, whichever the dashboard has) before the host"
    )]
    NoScheme,
    /// Its scheme is not `http` or `https`.
    #[error("the callback URL must begin with https:// or http://, in lower case")]
    OtherScheme,
    /// It has no host.
    #[error(
        "the callback URL has no host: type one behind the scheme, such as https://game.example/callbacks?…"
    )]
    NoHost,
    /// Its host holds characters that a host cannot have.
    #[error(
        "the callback URL's host cannot be one: type it as in https://game.example/callbacks?…"
    )]
    BadHost,
    /// Its port is not a number.
    #[error(
        "the callback URL's port is not a number from 1 to 65535: type https://game.example:8443/… or no port"
    )]
    BadPort,
    /// Its path holds characters that a URL cannot have.
    #[error(
        "the callback URL's path holds a character that a URL cannot have: type it percent-encoded"
    )]
    BadPath,
    /// A name or password stands before the host.
    #[error(
        "the callback URL has a name or password before the host: type https://game.example/… without the part up to the @"
    )]
    UserInfo,
    /// It holds a `#`.
    #[error(
        "the callback URL holds a '#', and what follows it is never sent: type it without (or %23 within a value)"
    )]
    Fragment,
    /// Host or path hold letters beyond ASCII.
    #[error(
        "the callback URL's host or path holds letters beyond ASCII: type the host in punycode (xn--…) and the path percent-encoded"
    )]
    NotAscii,
    /// It holds a space or a control character.
    #[error(
        "the callback URL holds a space or a control character: type it without, or %20 for a space"
    )]
    Space,
    /// A macro stands before the `?`.
    #[error(
        "the callback URL has a macro before the '?': type every macro as a parameter, such as ?tx=[%TX%]"
    )]
    MacroInPrefix,
    /// It has no parameters.
    #[error(
        "the callback URL has no parameters: type them behind a '?', such as ?player=[%USER:UID%]&tx=[%TX%]"
    )]
    NoParameters,
    /// A parameter has no name.
    #[error(
        "a parameter has no name: type name=[%MACRO%] between any two '&', and no '&' at the end"
    )]
    EmptyName,
    /// A macro stands where a name must.
    #[error("a macro has no parameter name before it: type name={suggestion}")]
    MacroWithoutName {
        /// The macro that was meant.
        suggestion: String,
    },
    /// A name is not percent-encoded text.
    #[error("a parameter's name is not percent-encoded text: type names of letters and digits")]
    NameEncoding,
    /// A name that the network adds to every callback by itself.
    #[error(
        "{name:?} is added by the network itself: type the URL without it, or choose another name"
    )]
    Reserved {
        /// The reserved name.
        name: String,
    },
    /// Two parameters have the same name.
    #[error("two parameters are called {name:?}: type another name for one of them")]
    NameTwice {
        /// The name.
        name: String,
    },
    /// A macro stands behind two names.
    #[error("[%{text}%] stands behind both {first:?} and {second:?}: type it once")]
    MacroTwice {
        /// The macro's text.
        text: String,
        /// The first parameter's name.
        first: String,
        /// The second parameter's name.
        second: String,
    },
    /// A value was meant to be a macro but is none, or mixes one with other text.
    #[error("the value of {name:?} is not a macro by itself: type {suggestion}")]
    MalformedMacro {
        /// The parameter's name.
        name: String,
        /// What to type.
        suggestion: String,
    },
    /// A static value is not percent-encoded text.
    #[error(
        "the value of {name:?} is not percent-encoded text: type letters and digits, %20 for a space"
    )]
    StaticEncoding {
        /// The parameter's name.
        name: String,
    },
}
