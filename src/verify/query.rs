//! Reading a query string that was authenticated.
//!
//! Names are decoded to find the configured parameters and repetitions of them. Values are decoded only where they
//! are used, so that a value nobody reads cannot make a genuine callback unusable. The work is linear in the query's
//! length, and only the length of the URL bounds the number of parameters.

use std::borrow::Cow;
use std::fmt;

use memchr::{memchr, memchr3};

use super::error::Problem;

/// Reads the parameters of a query string.
///
/// ```
/// use postback::verify::Query;
///
/// let query = Query::new("player=p1&name=Lords%20Mobile&utm=%zz");
/// assert_eq!(query.get("name").as_deref(), Some("Lords Mobile"));
/// assert_eq!(query.get("utm"), None);
/// assert_eq!(query.parameters().count(), 2);
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Query<'q>(&'q str);

impl<'q> Query<'q> {
    /// A query string without its `?`, such as that of an [`Event`](crate::Event).
    pub fn new(query: &'q str) -> Self {
        Self(query)
    }

    /// Names and values in the order of the query, decoded. Leaves out what is not percent-encoded UTF-8 text.
    pub fn parameters(self) -> impl Iterator<Item = (Cow<'q, str>, Cow<'q, str>)> {
        pairs(self.0).filter_map(|(name, value)| Some((decode(name)?, decode(value)?)))
    }

    /// The decoded value of a parameter that occurs exactly once.
    pub fn get(self, name: &str) -> Option<Cow<'q, str>> {
        let mut values = values(self.0, name);
        let value = values.next()?;
        if values.next().is_some() {
            return None;
        }
        decode(value)
    }
}

/// Shows nothing: it is nearly the whole URL.
impl fmt::Debug for Query<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Query(…)")
    }
}

/// Every value of a parameter, as sent.
pub(crate) fn values<'q>(query: &'q str, name: &str) -> impl Iterator<Item = &'q str> {
    pairs(query).filter(move |(raw, _)| decode(raw).is_some_and(|decoded| decoded == name)).map(|(_, value)| value)
}

/// Names and values as sent. Empty pieces (`a=1&&b=2`) are skipped.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let pieces = query.split('&').filter(|piece| !piece.is_empty());
    pieces.map(|piece| cut(piece, b'='))
}

/// What precedes and what follows the first of these characters, which is ASCII. Without one, nothing follows.
#[inline]
fn cut(text: &str, separator: u8) -> (&str, &str) {
    let at = memchr(separator, text.as_bytes()).unwrap_or(text.len());
    let (before, rest) = text.split_at_checked(at).unwrap_or((text, ""));
    (before, rest.get(1..).unwrap_or_default())
}

/// Decodes a name or value: percent-encoding, and `+` for a space. `None` if an escape is malformed, or the result is
/// not UTF-8 or contains a NUL.
#[inline]
pub(crate) fn decode(raw: &str) -> Option<Cow<'_, str>> {
    if is_plain(raw) { Some(Cow::Borrowed(raw)) } else { decode_escaped(raw).map(Cow::Owned) }
}

fn decode_escaped(raw: &str) -> Option<String> {
    // No text gets longer, so its bytes are replaced in place.
    let mut decoded = raw.as_bytes().to_vec();
    let (mut bytes, mut len) = (raw.bytes(), 0);
    for place in &mut decoded {
        *place = match bytes.next() {
            None => break,
            Some(b'%') => hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?,
            Some(b'+') => b' ',
            Some(plain) => plain,
        };
        if *place == 0 {
            return None;
        }
        len += 1;
    }
    decoded.truncate(len);
    String::from_utf8(decoded).ok()
}

/// Whether nothing has to be decoded.
#[inline]
fn is_plain(raw: &str) -> bool {
    memchr3(b'%', b'+', 0, raw.as_bytes()).is_none()
}

fn hex_digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(character.wrapping_sub(b'a' - 10)),
        b'A'..=b'F' => Some(character.wrapping_sub(b'A' - 10)),
        _ => None,
    }
}

/// How a configured parameter occurs in one query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occurrence<'q> {
    /// Not at all.
    Absent,
    /// Once, with this value as sent.
    Once(&'q str),
    /// Several times. A player may have added it to the offer wall's URL, so no value can be trusted.
    Repeated,
}

impl<'q> Occurrence<'q> {
    /// The decoded value; `None` if the parameter is absent.
    ///
    /// `name` is the parameter's, `macro_text` is what the configured URL has in place of the value.
    ///
    /// # Errors
    /// [`Problem`], if the parameter is repeated, not percent-encoded UTF-8 text, or still has the macro as its value.
    /// Whether that matters depends on whether the parameter decides about money.
    #[inline]
    pub(crate) fn text(self, name: &str, macro_text: Option<&str>) -> Result<Option<Cow<'q, str>>, Problem> {
        match self {
            Self::Absent => Ok(None),
            Self::Once(raw) if is_plain(raw) && macro_text != Some(raw) => Ok(Some(Cow::Borrowed(raw))),
            Self::Once(raw) => decode_value(raw, name, macro_text).map(Some),
            Self::Repeated => Err(Problem::Repeated { name: name.to_owned() }),
        }
    }
}

fn decode_value<'q>(raw: &'q str, name: &str, macro_text: Option<&str>) -> Result<Cow<'q, str>, Problem> {
    match decode(raw) {
        _ if macro_text == Some(raw) => Err(Problem::MacroNotReplaced { name: name.to_owned() }),
        Some(text) if macro_text == Some(&*text) => Err(Problem::MacroNotReplaced { name: name.to_owned() }),
        Some(text) => Ok(text),
        None => Err(Problem::Malformed { name: name.to_owned(), reason: "not percent-encoded UTF-8 text" }),
    }
}

/// Finds the parameters with these names, in the order of the names.
pub(crate) fn locate<'q>(query: &'q str, names: &[Box<str>]) -> Vec<Occurrence<'q>> {
    let mut found = vec![Occurrence::Absent; names.len()];
    let (mut expected, mut rest) = (0, query);
    while !rest.is_empty() {
        // Networks send the parameters in the order of the configured URL, and nearly always as typed.
        let known = names.get(expected).and_then(|name| rest.strip_prefix(&**name)?.strip_prefix('='));
        let (piece, after) = cut(known.unwrap_or(rest), b'&');
        let (at, value) = match known {
            Some(_) => (Some(expected), piece),
            None => {
                let (name, value) = cut(piece, b'=');
                (position(name, names), value)
            }
        };
        if let Some(occurrence) = at.and_then(|at| found.get_mut(at)) {
            *occurrence = match occurrence {
                Occurrence::Absent => Occurrence::Once(value),
                Occurrence::Once(_) | Occurrence::Repeated => Occurrence::Repeated,
            };
        }
        expected = at.map_or(expected, |at| at + 1);
        rest = after;
    }
    found
}

/// Which of the names a raw one is. One that cannot be decoded is none of them.
fn position(raw: &str, names: &[Box<str>]) -> Option<usize> {
    let name = decode(raw)?;
    names.iter().position(|known| **known == *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<Box<str>> {
        names.iter().map(|name| Box::from(*name)).collect()
    }

    #[test]
    fn names_and_values_are_decoded_and_plus_is_a_space() {
        let query = Query::new("a=1&offer%3Atask=L%C3%A9o+x%20y%2B&flag&&=z&b=%26=1&bad=%zz&%FF=1");
        let all: Vec<_> = query.parameters().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            all,
            [pair("a", "1"), pair("offer:task", "Léo x y+"), pair("flag", ""), pair("", "z"), pair("b", "&=1")]
        );
        assert_eq!(query.get("offer:task").as_deref(), Some("Léo x y+"));
        for (query, name, value) in [
            ("a=1&b=x%20y", "b", Some("x y")),
            ("a=1&b=2&%62=3", "b", None),
            ("a=1", "b", None),
            ("a=%FF", "a", None),
            ("x=%FF&a=1&%FF=2", "a", Some("1")),
        ] {
            assert_eq!(Query::new(query).get(name).as_deref(), value, "{query}");
        }
    }

    #[test]
    fn every_escape_is_read_in_either_case() {
        for code in 1..128_u8 {
            let character = char::from(code).to_string();
            for escape in [format!("%{code:02x}"), format!("%{code:02X}")] {
                assert_eq!(decode(&escape).as_deref(), Some(&*character), "{escape}");
            }
        }
    }

    #[test]
    fn what_is_not_percent_encoded_text_is_not_decoded() {
        for raw in ["%zz", "%", "a%4", "%FF", "%00", "\0", "%C3", "%A9", "%+1", "%-1", "50%%20off"] {
            assert_eq!(decode(raw), None, "{raw:?}");
        }
        assert!(matches!(decode("plain-é"), Some(Cow::Borrowed("plain-é"))));
    }

    #[test]
    fn configured_names_are_found_in_any_order() {
        let names = names(&["a", "b", "c"]);
        for query in ["a=1&b=2&c=3", "c=3&b=2&a=1", "x=0&b=2&y=0&c=3&a=1&x=0", "b=2&c=3&%61=1&%zz=1"] {
            let expected = ["1", "2", "3"].map(Occurrence::Once);
            assert_eq!(locate(query, &names), expected, "{query}");
        }
        assert_eq!(locate("b=2", &names), [Occurrence::Absent, Occurrence::Once("2"), Occurrence::Absent]);
        for query in ["a=1&a=1", "a=1&b=2&c=3&%61=1", "a=&x=1&a", "a=1&a=1&a=1"] {
            assert_eq!(locate(query, &names).first(), Some(&Occurrence::Repeated), "{query}");
        }
    }

    #[test]
    fn text_of_an_occurrence_is_checked() {
        let text = |occurrence: Occurrence<'static>| occurrence.text("tx", Some("[%TX%]"));
        assert_eq!(text(Occurrence::Absent), Ok(None));
        assert_eq!(text(Occurrence::Once("a+b")).unwrap().as_deref(), Some("a b"));
        let unreplaced = Err(Problem::MacroNotReplaced { name: "tx".into() });
        assert_eq!(text(Occurrence::Once("[%TX%]")), unreplaced);
        assert_eq!(text(Occurrence::Once("%5B%25TX%25%5d")), unreplaced);
        assert_eq!(text(Occurrence::Repeated), Err(Problem::Repeated { name: "tx".into() }));
        assert!(matches!(text(Occurrence::Once("%zz")), Err(Problem::Malformed { .. })));
    }
}
