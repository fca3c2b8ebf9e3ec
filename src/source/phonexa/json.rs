//! A flat JSON object as parameters.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::source::OpenError;

const NOT_JSON: OpenError = OpenError::BodyMalformed {
    reason: "it is not JSON",
};
/// How many characters of a field's name an error shows.
const SHOWN: usize = 64;

/// Calls `take` with each field of a flat object and its value as text. A number keeps the digits that were sent;
/// a `null` is left out.
///
/// Depth costs nothing: what is nested is skipped, not built, and then refused.
pub(super) fn read(
    text: &str,
    take: impl FnMut(String, String) -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    let mut reader = Fields {
        take,
        refused: None,
    };
    let mut json = serde_json::Deserializer::from_str(text);
    let read = reader.deserialize_from(&mut json);
    match (reader.refused, read.and_then(|()| json.end())) {
        (Some(error), _) => Err(error),
        (None, Ok(())) => Ok(()),
        (None, Err(error)) if error.is_eof() => Err(OpenError::BodyMalformed {
            reason: "it ends before the JSON is complete",
        }),
        (None, Err(_)) => Err(NOT_JSON),
    }
}

struct Fields<T> {
    take: T,
    /// The error beside serde's own, which could only carry a text.
    refused: Option<OpenError>,
}

impl<T: FnMut(String, String) -> Result<(), OpenError>> Fields<T> {
    fn deserialize_from<'de, D: Deserializer<'de>>(&mut self, json: D) -> Result<(), D::Error> {
        DeserializeSeed::deserialize(self, json)
    }

    fn field(&mut self, name: String, raw: &str) -> Result<(), OpenError> {
        let value = match raw.as_bytes().first() {
            Some(b'{' | b'[') => {
                return Err(OpenError::Nested {
                    name: shortened(&name),
                });
            }
            Some(b'n') => return Ok(()),
            Some(b'"') => serde_json::from_str(raw).map_err(|_| NOT_JSON)?,
            _ => raw.to_owned(),
        };
        if name.contains('\0') || value.contains('\0') {
            return Err(OpenError::Encoding);
        }
        (self.take)(name, value)
    }
}

impl<'de, T: FnMut(String, String) -> Result<(), OpenError>> DeserializeSeed<'de>
    for &mut Fields<T>
{
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de, T: FnMut(String, String) -> Result<(), OpenError>> Visitor<'de> for &mut Fields<T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a flat object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some((name, raw)) = map.next_entry::<String, &RawValue>()? {
            let field = if names.insert(name.clone()) {
                self.field(name, raw.get())
            } else {
                Err(OpenError::BodyMalformed {
                    reason: "a field occurs more than once",
                })
            };
            if let Err(error) = field {
                self.refused = Some(error);
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(())
    }
}

fn shortened(name: &str) -> String {
    name.chars().take(SHOWN).collect()
}
