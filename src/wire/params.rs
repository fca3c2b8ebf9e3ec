//! The signed query, decoded once.

use std::fmt;
use std::ops::Range;

use memchr::{memchr_iter, memchr3};

use crate::source::OpenError;

/// The parameters of a query that was authenticated: one text that holds the query and, behind it,
/// whatever of it had to be decoded; one list of places in that text.
///
/// Decoding is strict: a broken escape, a NUL, or bytes that are not UTF-8 are errors, never
/// repaired. A `+` is a space.
#[derive(Clone)]
pub struct Params {
    text: String,
    /// Where the query ends in the text.
    signed: usize,
    entries: Vec<Entry>,
}

/// Where a parameter's name and value stand in the text.
#[derive(Clone)]
struct Entry {
    name: Range<usize>,
    value: Range<usize>,
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
        let mut decoder = Decoder::new(signed);
        // A name with its value is seldom shorter than 16 bytes; where it is, this list grows.
        let mut entries = Vec::with_capacity(signed.len() / 16 + 1);
        let mut start = 0;
        let mut separators = memchr_iter(b'&', signed.as_bytes());
        while start <= signed.len() {
            let end = separators.next().unwrap_or(signed.len());
            let piece = decoder.sent(start..end);
            if !piece.is_empty() {
                if entries.len() == limits.most_parameters() {
                    return Err(OpenError::TooManyParameters {
                        limit: limits.most_parameters(),
                    });
                }
                // Names are short: a search that is quick on long texts would take longer.
                let equals = piece.iter().position(|byte| *byte == b'=');
                let equals = equals.map_or(end, |at| start + at);
                let name = decoder.decoded(start..equals);
                let value = decoder.decoded(end.min(equals + 1)..end);
                let (name, value) = name.zip(value).ok_or(OpenError::Encoding)?;
                entries.push(Entry { name, value });
            }
            start = end + 1;
        }
        Ok(Self {
            text: decoder.text,
            signed: signed.len(),
            entries,
        })
    }

    /// The query as received, without its signature.
    pub fn signed(&self) -> &str {
        self.text(&(0..self.signed))
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
        self.entries
            .iter()
            .map(|entry| (self.text(&entry.name), self.text(&entry.value)))
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
        // Networks send the parameters in the order of the configured URL, and mostly no others.
        let in_order = self.entries.iter().zip(configured);
        let in_order =
            in_order.take_while(|(entry, slot)| self.name(entry) == name_of(slot).as_bytes());
        let in_order = in_order.count();
        if in_order == self.entries.len() {
            return Ok(Places {
                in_order,
                others: Box::default(),
            });
        }
        let mut others = vec![NOWHERE; configured.len()].into_boxed_slice();
        // Look behind the last hit first.
        let mut expected = 0;
        for (number, entry) in (0_u16..).zip(&self.entries) {
            let is_called = |slot: &T| name_of(slot).as_bytes() == self.name(entry);
            let slot = if configured.get(expected).is_some_and(is_called) {
                expected
            } else if let Some(slot) = configured.iter().position(is_called) {
                slot
            } else {
                continue;
            };
            expected = slot + 1;
            match others.get_mut(slot) {
                Some(place) if *place == NOWHERE => *place = number,
                _ => {
                    return Err(OpenError::Repeated {
                        name: self.text(&entry.name).into(),
                    });
                }
            }
        }
        Ok(Places {
            in_order: 0,
            others,
        })
    }

    /// The value at a place; `None` where the parameter is absent.
    pub fn value_at(&self, places: &Places, slot: usize) -> Option<&str> {
        let number = if slot < places.in_order {
            slot
        } else {
            let number = places.others.get(slot);
            usize::from(*number.filter(|number| **number != NOWHERE)?)
        };
        let entry = self.entries.get(number)?;
        Some(self.text(&entry.value))
    }

    fn name(&self, entry: &Entry) -> &[u8] {
        let text = self.text.as_bytes();
        text.get(entry.name.clone()).unwrap_or_default()
    }

    fn text(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
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
pub struct Places {
    /// So many of them, from the first, stand where they do in the configuration.
    in_order: usize,
    /// The places of all, where that is not so of every parameter.
    others: Box<[u16]>,
}

/// Decodes the names and values of a query from its beginning to its end.
struct Decoder<'q> {
    query: &'q [u8],
    /// The query, and behind it whatever of it had to be decoded.
    text: String,
    /// Where the next byte stands that is not plain.
    coded: usize,
}

impl<'q> Decoder<'q> {
    fn new(query: &'q str) -> Self {
        // What is decoded is never longer than what was sent: this does not grow.
        let mut text = String::with_capacity(2 * query.len());
        text.push_str(query);
        let query = query.as_bytes();
        Self {
            query,
            text,
            coded: next_coded(query, 0),
        }
    }

    fn sent(&self, place: Range<usize>) -> &'q [u8] {
        self.query.get(place).unwrap_or_default()
    }

    /// Where in the text the next name or value stands decoded: where it was sent, if it is plain.
    fn decoded(&mut self, sent: Range<usize>) -> Option<Range<usize>> {
        if self.coded >= sent.end {
            return Some(sent);
        }
        self.coded = next_coded(self.query, sent.end);
        let start = self.text.len();
        let sent = self.sent(sent);
        decode_onto(&mut self.text, sent)?;
        Some(start..self.text.len())
    }
}

/// Where the next byte stands that has to be decoded or refused.
fn next_coded(query: &[u8], from: usize) -> usize {
    let rest = query.get(from..).unwrap_or_default();
    memchr3(b'%', b'+', 0, rest).map_or(query.len(), |at| from + at)
}

/// Names and values as they stand in the query; empty pieces (`a=1&&b=2`) are skipped.
fn pieces(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query
        .split('&')
        .filter(|piece| !piece.is_empty())
        .map(|piece| piece.split_once('=').unwrap_or((piece, "")))
}

/// Decodes one name or value onto the text; `None` when it is not percent-encoded text.
pub(super) fn decode_onto(text: &mut String, sent: &[u8]) -> Option<()> {
    let mut short = [0; 128];
    let mut long = Vec::new();
    let place = if let Some(place) = short.get_mut(..sent.len()) {
        place
    } else {
        long.resize(sent.len(), 0);
        &mut long
    };
    let mut free = place.iter_mut();
    let mut rest = sent.iter();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'+' => b' ',
            b'%' => hex_digit(*rest.next()?)? << 4 | hex_digit(*rest.next()?)?,
            plain => *plain,
        };
        if byte == 0 {
            return None;
        }
        *free.next()? = byte;
    }
    let len = sent.len() - free.len();
    // Each piece by itself: halves of a character in two values are not text.
    text.push_str(std::str::from_utf8(place.get(..len)?).ok()?);
    Some(())
}

#[expect(clippy::arithmetic_side_effects, reason = "each arm bounds it")]
fn hex_digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        b'A'..=b'F' => Some(character - b'A' + 10),
        _ => None,
    }
}

/// The decoded value of a parameter that occurs exactly once in a query; `None` otherwise.
pub(crate) fn find_once(query: &str, name: &str) -> Option<String> {
    let mut decoded = String::new();
    let mut found = None;
    for (raw, value) in pieces(query) {
        decoded.clear();
        decode_onto(&mut decoded, raw.as_bytes())?;
        if decoded == name && found.replace(value).is_some() {
            return None;
        }
    }
    decoded.clear();
    decode_onto(&mut decoded, found?.as_bytes())?;
    Some(decoded)
}

#[cfg(test)]
mod tests;
