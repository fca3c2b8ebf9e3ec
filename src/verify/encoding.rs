//! How hash values are written. Each encoding accepts exactly one spelling of a value, so that a signed URL has one
//! valid form (hexadecimal in any case is the exception, for networks that vary it).

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde::Deserialize;

/// How a hash value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Encoding {
    /// Hexadecimal in lower case.
    Hex,
    /// Hexadecimal in any case.
    HexAnyCase,
    /// Base64 with padding; `+`, `/` and `=` are written as they are.
    Base64,
    /// Base64 with padding; `+`, `/` and `=` are written `%2B`, `%2F` and `%3D`, as JavaScript's
    /// `encodeURIComponent` and PHP's `urlencode` do.
    Base64Escaped,
    /// Base64 with `-` and `_`, without padding.
    #[serde(rename = "base64url")]
    Base64Url,
    /// Base64 with `-` and `_`, with padding.
    #[serde(rename = "base64url-padded")]
    Base64UrlPadded,
}

impl Encoding {
    /// Decodes a text that must fill `value` exactly. Allocates nothing.
    pub(crate) fn decode(self, text: &[u8], value: &mut [u8]) -> Option<()> {
        match self {
            Self::Hex => hex(text, value, hex_digit),
            Self::HexAnyCase => hex(text, value, |character| hex_digit(character.to_ascii_lowercase())),
            Self::Base64 => base64(&STANDARD, text, value),
            Self::Base64Url => base64(&URL_SAFE_NO_PAD, text, value),
            Self::Base64UrlPadded => base64(&URL_SAFE, text, value),
            Self::Base64Escaped => {
                let mut buffer = [0; MAX_TEXT_BYTES];
                base64(&STANDARD, unescape(text, &mut buffer)?, value)
            }
        }
    }
}

/// No hash value is longer than this in hexadecimal or base64: SHA-256 has 64 digits.
const MAX_TEXT_BYTES: usize = 64;

fn hex(text: &[u8], value: &mut [u8], digit: impl Fn(u8) -> u8) -> Option<()> {
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != value.len() || !rest.is_empty() {
        return None;
    }
    // Without a branch for each digit: they are random, so branches would be mispredicted.
    let mut seen = 0;
    for (byte, [high, low]) in value.iter_mut().zip(pairs) {
        let (high, low) = (digit(*high), digit(*low));
        seen |= high | low;
        *byte = high << 4 | low;
    }
    (seen <= 15).then_some(())
}

/// The value of a lower-case digit; 255 for any other character.
fn hex_digit(character: u8) -> u8 {
    let digit = character.wrapping_sub(b'0');
    let letter = character.wrapping_sub(b'a');
    match (digit, letter) {
        (0..10, _) => digit,
        (_, 0..6) => letter.saturating_add(10),
        _ => u8::MAX,
    }
}

/// These engines refuse any other padding than their own, and set bits after the last byte.
fn base64(engine: &impl Engine, text: &[u8], value: &mut [u8]) -> Option<()> {
    let mut buffer = [0; MAX_TEXT_BYTES];
    let len = engine.decode_slice(text, &mut buffer).ok()?;
    let decoded = buffer.get(..len).filter(|decoded| decoded.len() == value.len())?;
    value.copy_from_slice(decoded);
    Some(())
}

/// Reads `%2B`, `%2F` and `%3D`. Nothing else may be escaped, and none of the three may be written as it is.
fn unescape<'b>(mut text: &[u8], buffer: &'b mut [u8; MAX_TEXT_BYTES]) -> Option<&'b [u8]> {
    let mut len = 0;
    loop {
        let (byte, rest) = match text {
            [] => return buffer.get(..len),
            [b'%', b'2', b'B', rest @ ..] => (b'+', rest),
            [b'%', b'2', b'F', rest @ ..] => (b'/', rest),
            [b'%', b'3', b'D', rest @ ..] => (b'=', rest),
            [byte, rest @ ..] if byte.is_ascii_alphanumeric() => (*byte, rest),
            _ => return None,
        };
        *buffer.get_mut(len)? = byte;
        len += 1;
        text = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(encoding: Encoding, text: &str) -> Option<[u8; 4]> {
        let mut value = [0; 4];
        encoding.decode(text.as_bytes(), &mut value).map(|()| value)
    }

    #[test]
    fn each_encoding_reads_its_own_form() {
        for (encoding, text) in [
            (Encoding::Hex, "fbefff3e"),
            (Encoding::HexAnyCase, "fbEFff3E"),
            (Encoding::Base64, "++//Pg=="),
            (Encoding::Base64Escaped, "%2B%2B%2F%2FPg%3D%3D"),
            (Encoding::Base64Url, "--__Pg"),
            (Encoding::Base64UrlPadded, "--__Pg=="),
        ] {
            assert_eq!(decoded(encoding, text), Some([0xfb, 0xef, 0xff, 0x3e]), "{encoding:?}");
        }
    }

    #[test]
    fn every_other_form_is_refused() {
        let long = "A".repeat(100);
        let cases: [(Encoding, &[&str]); 6] = [
            (Encoding::Hex, &["FBEFFF3E", "fbefff3", "fbefff3e00", "fbefff3g", ""]),
            (Encoding::HexAnyCase, &["fbefff3", "fbefff3e00", "fbefff3G", "", &long]),
            (
                Encoding::Base64,
                &[
                    "--__Pg==",
                    "++//Pg",
                    "++//Pg=",
                    "++//Pg===",
                    "++//Ph==",
                    "++//Pg==A",
                    " ++//Pg==",
                    "++//Pg%3D%3D",
                    "++//PgAA",
                    "++//",
                    "",
                    &long,
                ],
            ),
            (
                Encoding::Base64Escaped,
                &[
                    "++//Pg==",
                    "%2b%2B%2F%2FPg%3D%3D",
                    "%2B%2B//Pg%3D%3D",
                    "%2B%2B%2F%2FPg==",
                    "%2B%2B%2F%2F%50g%3D%3D",
                    "%2B%2B%2F%2FPg%3D",
                    "%2B%2B%2F%2FPg%3D%3",
                    "%",
                    "%2",
                    "",
                    &long,
                ],
            ),
            (Encoding::Base64Url, &["++//Pg", "--__Pg==", "--__Ph", "--__P", "--__PgAA", "--__", "", &long]),
            (Encoding::Base64UrlPadded, &["++//Pg==", "--__Pg", "--__Ph==", "", &long]),
        ];
        for (encoding, texts) in cases {
            for text in texts {
                assert_eq!(decoded(encoding, text), None, "{encoding:?} {text}");
            }
        }
    }
}
