//! The signed query, decoded once.

use std::fmt;

use crate::source::OpenError;

/// The parameters of a query that was authenticated: one copy of the query, one buffer with
/// everything decoded, one list of places in it.
///
/// Decoding is strict: a broken escape, a NUL, or bytes that are not UTF-8 are errors, never
/// repaired. A `+` is a space.
#[derive(Clone)]
pub struct Params {
    signed: Box<str>,
    decoded: String,
    entries: Box<[Entry]>,
}

/// Where a parameter stands in the decoded text; its value ends at `end`.
#[derive(Clone, Copy)]
struct Entry {
    name: u32,
    value: u32,
    end: u32,
}

impl Params {
    /// Decodes a query.
    ///
    /// # Errors
    /// [`OpenError::TooManyParameters`], [`OpenError::TooLong`] or [`OpenError::Encoding`].
    pub fn decode(signed: &str, limits: super::Limits) -> Result<Self, OpenError> {
        if signed.len() > limits.most_url_bytes() {
            return Err(OpenError::TooLong {
                limit: limits.most_url_bytes(),
            });
        }
        let separators = signed.bytes().filter(|byte| *byte == b'&').count();
        let mut decoded = Vec::with_capacity(signed.len());
        let mut entries = Vec::with_capacity((separators + 1).min(limits.most_parameters()));
        let mut rest = signed.as_bytes();
        while let [first, behind @ ..] = rest {
            if *first == b'&' {
                rest = behind;
                continue;
            }
            if entries.len() == limits.most_parameters() {
                return Err(OpenError::TooManyParameters {
                    limit: limits.most_parameters(),
                });
            }
            let name = place(&decoded)?;
            rest = decode_until(rest, |byte| matches!(byte, b'=' | b'&'), &mut decoded)?;
            let value = place(&decoded)?;
            if let [b'=', behind @ ..] = rest {
                rest = decode_until(behind, |byte| byte == b'&', &mut decoded)?;
            }
            let end = place(&decoded)?;
            entries.push(Entry { name, value, end });
        }
        let decoded = String::from_utf8(decoded).map_err(|_| OpenError::Encoding)?;
        Ok(Self {
            signed: signed.into(),
            decoded,
            entries: entries.into_boxed_slice(),
        })
    }

    /// The query as received, without its signature.
    pub fn signed(&self) -> &str {
        &self.signed
    }

    /// How many parameters there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Names and values, decoded, in the order of the query.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|entry| {
            (
                self.text(entry.name, entry.value),
                self.text(entry.value, entry.end),
            )
        })
    }

    /// The value of a parameter that occurs exactly once; `None` otherwise.
    pub fn once(&self, name: &str) -> Option<&str> {
        let mut values = self.iter().filter(|(known, _)| *known == name);
        let (_, value) = values.next()?;
        values.next().is_none().then_some(value)
    }

    /// Finds the configured parameters: the place of each among the parameters.
    ///
    /// # Errors
    /// [`OpenError::Repeated`], when one of them occurs twice.
    pub fn locate<T>(
        &self,
        configured: &[T],
        name_of: impl Fn(&T) -> &str,
    ) -> Result<Places, OpenError> {
        let mut places = vec![NOWHERE; configured.len()].into_boxed_slice();
        // Networks send the parameters in the order of the configured URL: look behind the last hit first.
        let mut expected = 0;
        for (number, (name, _)) in (0_u16..).zip(self.iter()) {
            let is_called = |slot: &T| name_of(slot) == name;
            let slot = if configured.get(expected).is_some_and(is_called) {
                expected
            } else if let Some(slot) = configured.iter().position(is_called) {
                slot
            } else {
                continue;
            };
            expected = slot + 1;
            match places.get_mut(slot) {
                Some(place) if *place == NOWHERE => *place = number,
                _ => return Err(OpenError::Repeated { name: name.into() }),
            }
        }
        Ok(Places(places))
    }

    /// The value at a place; `None` where the parameter is absent.
    pub fn value_at(&self, places: &Places, slot: usize) -> Option<&str> {
        let number = places
            .0
            .get(slot)
            .copied()
            .filter(|number| *number != NOWHERE)?;
        let entry = self.entries.get(usize::from(number))?;
        Some(self.text(entry.value, entry.end))
    }

    fn text(&self, from: u32, to: u32) -> &str {
        let place = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
        self.decoded.get(place(from)..place(to)).unwrap_or_default()
    }
}

/// Shows how many parameters there are, and none of them.
impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Params")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

const NOWHERE: u16 = u16::MAX;

/// Where the configured parameters stand in one query.
#[derive(Debug, Clone)]
pub struct Places(Box<[u16]>);

fn place(decoded: &[u8]) -> Result<u32, OpenError> {
    u32::try_from(decoded.len()).map_err(|_| OpenError::Encoding)
}

/// Names and values as they stand in the query; empty pieces (`a=1&&b=2`) are skipped.
fn pieces(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .filter(|piece| !piece.is_empty())
        .map(|piece| piece.split_once('=').unwrap_or((piece, "")))
}

/// Decodes one name or value onto the buffer.
pub(super) fn decode_onto(piece: &str, decoded: &mut Vec<u8>) -> Result<(), OpenError> {
    decode_until(piece.as_bytes(), |_| false, decoded).map(drop)
}

/// Decodes one name or value onto the buffer, up to the byte that ends it; returns the rest from there.
fn decode_until<'q>(
    mut rest: &'q [u8],
    is_end: impl Fn(u8) -> bool,
    decoded: &mut Vec<u8>,
) -> Result<&'q [u8], OpenError> {
    let start = decoded.len();
    let mut is_escaped = false;
    loop {
        let is_special = |byte: &u8| is_end(*byte) || matches!(byte, b'%' | b'+' | 0);
        let plain = rest.iter().position(is_special).unwrap_or(rest.len());
        let (run, behind) = rest.split_at(plain);
        decoded.extend_from_slice(run);
        rest = match behind {
            [b'+', behind @ ..] => {
                decoded.push(b' ');
                behind
            }
            [b'%', high, low, behind @ ..] => {
                is_escaped = true;
                decoded.push(hex_digit(*high)? << 4 | hex_digit(*low)?);
                behind
            }
            [b'%' | 0, ..] => return Err(OpenError::Encoding),
            end => {
                rest = end;
                break;
            }
        };
    }
    let piece = decoded.get(start..).unwrap_or_default();
    // Each piece by itself: halves of a character in two values are not text.
    if is_escaped && (piece.contains(&0) || std::str::from_utf8(piece).is_err()) {
        return Err(OpenError::Encoding);
    }
    Ok(rest)
}

#[expect(clippy::arithmetic_side_effects, reason = "each arm bounds it")]
fn hex_digit(character: u8) -> Result<u8, OpenError> {
    match character {
        b'0'..=b'9' => Ok(character - b'0'),
        b'a'..=b'f' => Ok(character - b'a' + 10),
        b'A'..=b'F' => Ok(character - b'A' + 10),
        _ => Err(OpenError::Encoding),
    }
}

/// The decoded value of a parameter that occurs exactly once in a query; `None` otherwise.
pub(crate) fn find_once(query: &str, name: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(query.len());
    let mut found = None;
    for (raw, value) in pieces(query) {
        decoded.clear();
        decode_onto(raw, &mut decoded).ok()?;
        if decoded == name.as_bytes() && found.replace(value).is_some() {
            return None;
        }
    }
    decoded.clear();
    decode_onto(found?, &mut decoded).ok()?;
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Limits;

    fn decode(query: &str) -> Result<Params, OpenError> {
        Params::decode(query, Limits::default())
    }

    #[test]
    fn names_and_values_are_decoded_and_a_plus_is_a_space() {
        let params = decode("a=1&offer%3Atask=L%C3%A9o+x%20y%2B&flag&&=z&b=%26=1").unwrap();
        let all: Vec<_> = params.iter().collect();
        assert_eq!(
            all,
            [
                ("a", "1"),
                ("offer:task", "Léo x y+"),
                ("flag", ""),
                ("", "z"),
                ("b", "&=1")
            ]
        );
        assert_eq!(params.once("offer:task"), Some("Léo x y+"));
        assert_eq!(params.once("c"), None);
    }

    #[test]
    fn every_escape_is_read_in_either_case() {
        for code in 1..128_u8 {
            let character = char::from(code).to_string();
            for query in [format!("a=%{code:02x}"), format!("a=%{code:02X}")] {
                assert_eq!(
                    decode(&query).unwrap().once("a"),
                    Some(&*character),
                    "{query}"
                );
            }
        }
    }

    #[test]
    fn parameters_are_counted_as_they_stand_in_the_query() {
        for (query, count) in [("", 0), ("&&", 0), ("a", 1), ("a=1&a=1&&b", 3)] {
            let params = decode(query).unwrap();
            assert_eq!((params.len(), params.is_empty()), (count, count == 0));
        }
    }

    #[test]
    fn broken_escapes_nul_and_what_is_not_utf8_are_refused() {
        for query in [
            "a=%zz",
            "a=%",
            "a=%4",
            "a=%FF",
            "%FF=a",
            "a=%00",
            "a=\0",
            "%C3=%A9",
            "a=%C3&%A9=b",
            "a=%+1",
        ] {
            assert_eq!(decode(query).unwrap_err(), OpenError::Encoding, "{query:?}");
        }
    }

    #[test]
    fn limits_have_errors_of_their_own() {
        let limits = Limits::default().url_bytes(10).parameters(2);
        assert!(Params::decode("a=1&b=2", limits).is_ok());
        assert!(Params::decode("a=12345678", limits).is_ok());
        assert_eq!(
            Params::decode("a=1&b=2&c", limits).unwrap_err(),
            OpenError::TooManyParameters { limit: 2 }
        );
        assert_eq!(
            Params::decode("a=123456789", limits).unwrap_err(),
            OpenError::TooLong { limit: 10 }
        );
    }

    #[test]
    fn configured_names_are_found_in_any_order_and_refused_when_they_come_twice() {
        let names = ["a", "b", "c"];
        for query in [
            "a=1&b=2&c=3",
            "c=3&b=2&a=1",
            "x=0&b=2&y=0&c=3&a=1&x=0",
            "b=2&c=3&%61=1",
        ] {
            let params = decode(query).unwrap();
            let places = params.locate(&names, |name| name).unwrap();
            let found: Vec<_> = (0..3).map(|slot| params.value_at(&places, slot)).collect();
            assert_eq!(found, [Some("1"), Some("2"), Some("3")], "{query}");
        }
        for query in ["a=1&a=1", "a=1&b=2&c=3&%61=1", "b=1&x=1&b="] {
            let refused = decode(query).unwrap().locate(&names, |name| name);
            assert!(
                matches!(refused, Err(OpenError::Repeated { .. })),
                "{query}"
            );
        }
        let params = decode("b=2").unwrap();
        let places = params.locate(&names, |name| name).unwrap();
        assert_eq!(params.value_at(&places, 0), None);
    }

    #[test]
    fn find_once_takes_only_what_occurs_once() {
        assert_eq!(find_once("a=1&b=x%20y", "b").as_deref(), Some("x y"));
        assert_eq!(find_once("a=1&b=2&%62=3", "b"), None);
        assert_eq!(find_once("a=1", "b"), None);
        assert_eq!(find_once("a=%FF", "a"), None);
    }
}
