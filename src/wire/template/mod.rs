//! The callback URL as it was typed into a network's dashboard.
//!
//! ```
//! use postback::wire::{Template, template::Value};
//!
//! let template = Template::parse(
//!     "https://game.example/callbacks?player=[%USER:UID%]&tx=[%TX%]&source=bitlabs",
//!     &["hash"],
//! )?;
//! assert_eq!(template.prefix(), "https://game.example/callbacks");
//! assert_eq!(template.path(), "/callbacks");
//! let tx = &template.parameters()[1];
//! assert_eq!((tx.name(), tx.value()), ("tx", &Value::Macro("TX".into())));
//! # Ok::<(), postback::wire::TemplateError>(())
//! ```

use std::fmt;

use super::params::decode_onto;

mod error;
mod macros;
mod prefix;

pub use error::TemplateError;

/// A callback URL as typed: the prefix that is signed, and what each parameter stands for.
#[derive(Clone, PartialEq, Eq)]
pub struct Template {
    prefix: String,
    path_at: usize,
    parameters: Vec<Parameter>,
}

/// One parameter of a [`Template`].
#[derive(Clone, PartialEq, Eq)]
pub struct Parameter {
    name: Box<str>,
    value: Value,
}

impl Parameter {
    /// The name that the publisher chose, decoded.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What stands behind it.
    pub fn value(&self) -> &Value {
        &self.value
    }
}

/// What a parameter of a [`Template`] stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A macro that the network replaces: the text between `[%` and `%]`; where macros may have any form, all of it.
    Macro(Box<str>),
    /// A text of the publisher's own, decoded; sent as it is.
    Static(Box<str>),
}

impl Template {
    /// Reads a URL as typed into a dashboard, macros and all. White space around it is dropped.
    ///
    /// `reserved` are the names that the network itself adds to every callback.
    ///
    /// # Errors
    /// [`TemplateError`], which says what to type instead.
    pub fn parse(typed: &str, reserved: &[&str]) -> Result<Self, TemplateError> {
        let template = Self::read(typed, |piece| read(piece, reserved))?;
        template.refuse_macro_twice()?;
        Ok(template)
    }

    /// The same, where a network writes its macros in some form of its own (`{tx}`, `%tx%`, `[tx]` …): a value
    /// counts as a macro when it holds such a bracket, a `$`, or a `%` that is no escape, and as static otherwise.
    ///
    /// # Errors
    /// [`TemplateError`], which says what to type instead.
    ///
    /// ```
    /// use postback::wire::{Template, template::Value};
    ///
    /// let typed = "https://game.example/cb?player={user_id}&tx=%TX%&source=a%20network";
    /// let template = Template::parse_any_macros(typed, &["hash"])?;
    /// let values: Vec<&Value> = template.parameters().iter().map(|p| p.value()).collect();
    /// assert_eq!(values[0], &Value::Macro("{user_id}".into()));
    /// assert_eq!(values[1], &Value::Macro("%TX%".into()));
    /// assert_eq!(values[2], &Value::Static("a network".into()));
    /// # Ok::<(), postback::wire::TemplateError>(())
    /// ```
    pub fn parse_any_macros(typed: &str, reserved: &[&str]) -> Result<Self, TemplateError> {
        Self::read(typed, |piece| read_any_macro(piece, reserved))
    }

    fn read(
        typed: &str,
        read: impl Fn(&str) -> Result<Parameter, TemplateError>,
    ) -> Result<Self, TemplateError> {
        let typed = typed.trim();
        let (prefix, query) = prefix::split(typed)?;
        let path_at = prefix::check(prefix)?;
        let query = query
            .filter(|query| !query.is_empty())
            .ok_or(TemplateError::NoParameters)?;
        if query.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(TemplateError::Space);
        }
        let mut parameters: Vec<Parameter> = Vec::new();
        for piece in query.split('&') {
            let parameter = read(piece)?;
            if parameters.iter().any(|known| known.name == parameter.name) {
                return Err(TemplateError::NameTwice {
                    name: parameter.name.into(),
                });
            }
            parameters.push(parameter);
        }
        Ok(Self {
            prefix: prefix.to_owned(),
            path_at,
            parameters,
        })
    }

    fn refuse_macro_twice(&self) -> Result<(), TemplateError> {
        for (number, parameter) in self.parameters.iter().enumerate() {
            let mut before = self.parameters.iter().take(number);
            if let Value::Macro(text) = &parameter.value
                && let Some(first) = before.find(|known| known.value == parameter.value)
            {
                return Err(TemplateError::MacroTwice {
                    text: text.to_string(),
                    first: first.name.to_string(),
                    second: parameter.name.to_string(),
                });
            }
        }
        Ok(())
    }

    /// Scheme, host, port and path as typed.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Every form of the prefix under which a URL may have been signed. One, but for the path `/`:
    /// networks drop that slash.
    pub fn signed_prefixes(&self) -> impl Iterator<Item = &str> {
        let bare = self.prefix.strip_suffix('/').filter(|_| self.path() == "/");
        std::iter::once(self.prefix.as_str()).chain(bare)
    }

    /// The path as typed: empty, or with its leading slash.
    pub fn path(&self) -> &str {
        self.prefix.get(self.path_at..).unwrap_or_default()
    }

    /// The parameters in the order of the URL.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }
}

/// Names only: a static value may be a token of the publisher's own.
impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template")
            .field("parameters", &self.parameters)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Value::Macro(text) if text.bytes().all(macros::is_name) => {
                write!(f, "{}=[%{text}%]", self.name)
            }
            Value::Macro(_) => write!(f, "{}=(macro)", self.name),
            Value::Static(_) => write!(f, "{}=…", self.name),
        }
    }
}

fn read(piece: &str, reserved: &[&str]) -> Result<Parameter, TemplateError> {
    let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
    if name.is_empty() {
        return Err(TemplateError::EmptyName);
    }
    if let Some(suggestion) = macros::found_in(name) {
        return Err(TemplateError::MacroWithoutName { suggestion });
    }
    let name = decode_name(name, reserved)?;
    if let Some(text) = macros::exactly(value) {
        return Ok(Parameter {
            name,
            value: Value::Macro(text.into()),
        });
    }
    if let Some(suggestion) = macros::found_in(value) {
        return Err(TemplateError::MalformedMacro {
            name: name.into(),
            suggestion,
        });
    }
    match decode(value) {
        Some(text) => Ok(Parameter {
            name,
            value: Value::Static(text),
        }),
        None => Err(TemplateError::StaticEncoding { name: name.into() }),
    }
}

fn read_any_macro(piece: &str, reserved: &[&str]) -> Result<Parameter, TemplateError> {
    let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
    if name.is_empty() {
        return Err(TemplateError::EmptyName);
    }
    let name = decode_name(name, reserved)?;
    let is_static = |text: &str| !text.contains(['[', ']', '{', '}', '<', '>', '$']);
    let value = match decode(value).filter(|text| is_static(text)) {
        Some(text) => Value::Static(text),
        None => Value::Macro(value.into()),
    };
    Ok(Parameter { name, value })
}

fn decode_name(name: &str, reserved: &[&str]) -> Result<Box<str>, TemplateError> {
    let name = decode(name).ok_or(TemplateError::NameEncoding)?;
    match reserved.iter().find(|reserved| **reserved == &*name) {
        Some(reserved) => Err(TemplateError::Reserved {
            name: (*reserved).to_owned(),
        }),
        None => Ok(name),
    }
}

fn decode(piece: &str) -> Option<Box<str>> {
    let mut decoded = String::new();
    decode_onto(&mut decoded, piece.as_bytes())?;
    Some(decoded.into_boxed_str())
}

#[cfg(test)]
mod tests;
