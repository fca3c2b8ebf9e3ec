//! The parameters of a request, whichever way they came.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::body::Format;
use super::json;
use crate::source::OpenError;
use crate::wire::{Limits, Params, Request};

/// Names and values, decoded: those of the query, then those of the body.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Parameters(Vec<(Box<str>, Box<str>)>);

impl Parameters {
    /// Reads the query, and the body where the request has one of this format.
    pub(super) fn read(
        request: &Request<'_>,
        format: Option<Format>,
        limits: Limits,
    ) -> Result<Self, OpenError> {
        let mut parameters = Self(Vec::new());
        let limit = limits.most_parameters();
        let mut take = |name: &str, value: &str| {
            if parameters.0.len() >= limit {
                return Err(OpenError::TooManyParameters { limit });
            }
            parameters.0.push((name.into(), value.into()));
            Ok(())
        };
        let mut form = |text: &str, limits| {
            let params = Params::decode(text, limits)?;
            params
                .iter()
                .try_for_each(|(name, value)| take(name, value))
        };
        form(request.query().unwrap_or_default(), limits)?;
        let Some(format) = format else {
            return Ok(parameters);
        };
        let body = std::str::from_utf8(request.body()).map_err(|_| OpenError::Encoding)?;
        match format {
            // The body has a limit of its own.
            Format::Form => form(body, limits.url_bytes(usize::MAX))?,
            Format::Json => json::read(body, |name, value| take(&name, &value))?,
        }
        Ok(parameters)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The value of a configured parameter, `None` where there is none.
    pub(super) fn once(&self, name: &str) -> Result<Option<&str>, OpenError> {
        let mut values = self.iter().filter(|(known, _)| *known == name);
        let value = values.next().map(|(_, value)| value);
        match values.next() {
            None => Ok(value),
            Some(_) => Err(OpenError::Repeated {
                name: name.to_owned(),
            }),
        }
    }

    /// Without the parameters of this name.
    pub(super) fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| &**known != name);
    }

    /// Written as one form, so that the same postback is kept alike whichever way it came.
    pub(super) fn to_form(&self) -> String {
        const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
            .remove(b'-')
            .remove(b'.')
            .remove(b'_')
            .remove(b'~');
        let encode = |text| utf8_percent_encode(text, ESCAPED);
        let pieces: Vec<String> = self
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        pieces.join("&")
    }
}

/// How many there are, and none of them.
impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parameters")
            .field("len", &self.0.len())
            .finish_non_exhaustive()
    }
}
