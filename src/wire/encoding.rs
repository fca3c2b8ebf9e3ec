//! How a hash is written: one form for each hash, so that a signed URL has one valid form only.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// How the hash is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Encoding {
    /// Hexadecimal in lower case. Upper case is malformed: a URL has one valid form only.
    Hex,
    /// Base64 with padding, its `+`, `/` and `=` written as they are.
    Base64,
    /// Base64 with padding, its `+`, `/` and `=` written as `%2B`, `%2F` and `%3D`: what JavaScript's
    /// `encodeURIComponent` and PHP's `urlencode` make of it.
    Base64Escaped,
    /// The alphabet of base64 that is safe in URLs (`-` and `_`), without padding.
    Base64Url,
}

/// Decodes a text that must fill `place` exactly. On the stack; `None` for every form but the one.
pub(super) fn decode(encoding: Encoding, text: &[u8], place: &mut [u8]) -> Option<()> {
    match encoding {
        Encoding::Hex => hex(text, place),
        Encoding::Base64 => base64(&STANDARD, text, place),
        Encoding::Base64Url => base64(&URL_SAFE_NO_PAD, text, place),
        Encoding::Base64Escaped => {
            let mut buffer = [0; LONGEST];
            let plain = unescape(text, &mut buffer)?;
            base64(&STANDARD, plain, place)
        }
    }
}

fn hex(text: &[u8], place: &mut [u8]) -> Option<()> {
    let mut buffer = [0; LONGEST];
    let digits = buffer.get_mut(..text.len())?;
    // Without a branch for each digit: they are random, and branches on them are guessed wrong.
    let mut seen = 0;
    for (digit, character) in digits.iter_mut().zip(text) {
        *digit = hex_digit(*character);
        seen |= *digit;
    }
    let (pairs, odd) = digits.as_chunks::<2>();
    if seen > 15 || pairs.len() != place.len() || !odd.is_empty() {
        return None;
    }
    for (byte, [high, low]) in place.iter_mut().zip(pairs) {
        *byte = high << 4 | low;
    }
    Some(())
}

/// The digit's value; 255 for every other character.
#[expect(clippy::arithmetic_side_effects, reason = "each arm bounds it")]
fn hex_digit(character: u8) -> u8 {
    let (digit, letter) = (character.wrapping_sub(b'0'), character.wrapping_sub(b'a'));
    match (digit, letter) {
        (0..10, _) => digit,
        (_, 0..6) => letter + 10,
        _ => u8::MAX,
    }
}

/// No hash that is known here is longer than this in hexadecimal or base64.
const LONGEST: usize = 64;

/// These engines refuse other padding than their own, and bits behind the last byte: one form for each hash.
fn base64(engine: &impl Engine, text: &[u8], place: &mut [u8]) -> Option<()> {
    let mut buffer = [0; LONGEST];
    let len = engine.decode_slice(text, &mut buffer).ok()?;
    let decoded = buffer.get(..len)?;
    if decoded.len() != place.len() {
        return None;
    }
    place.copy_from_slice(decoded);
    Some(())
}

/// Reads `%2B`, `%2F` and `%3D`, where nothing else may be escaped and none of the three left as it is.
fn unescape<'b>(text: &[u8], buffer: &'b mut [u8; LONGEST]) -> Option<&'b [u8]> {
    let mut rest = text;
    let mut len = 0;
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = match (first, after) {
            (b'%', [b'2', b'B', after @ ..]) => (b'+', after),
            (b'%', [b'2', b'F', after @ ..]) => (b'/', after),
            (b'%', [b'3', b'D', after @ ..]) => (b'=', after),
            (byte, after) if byte.is_ascii_alphanumeric() => (*byte, after),
            _ => return None,
        };
        *buffer.get_mut(len)? = byte;
        len += 1;
        rest = after;
    }
    buffer.get(..len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(encoding: Encoding, text: &str, len: usize) -> Option<Vec<u8>> {
        let mut place = vec![0; len];
        decode(encoding, text.as_bytes(), &mut place).map(|()| place)
    }

    #[test]
    fn each_encoding_reads_its_own_form() {
        let bytes = Some(vec![0xfb, 0xef, 0xff, 0x3e]);
        for (encoding, text) in [
            (Encoding::Hex, "fbefff3e"),
            (Encoding::Base64, "++//Pg=="),
            (Encoding::Base64Escaped, "%2B%2B%2F%2FPg%3D%3D"),
            (Encoding::Base64Url, "--__Pg"),
        ] {
            assert_eq!(decoded(encoding, text, 4), bytes, "{encoding:?}");
        }
    }

    #[test]
    fn every_other_form_is_refused() {
        let long = "A".repeat(100);
        for (encoding, texts) in [
            (
                Encoding::Hex,
                ["FBEFFF3E", "fbefff3", "fbefff3e00", "fbefff3g", ""].as_slice(),
            ),
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
            (
                Encoding::Base64Url,
                &[
                    "++//Pg", "--__Pg==", "--__Ph", "--__P", "--__PgAA", "--__", "", &long,
                ],
            ),
        ] {
            for text in texts {
                assert_eq!(decoded(encoding, text, 4), None, "{encoding:?} {text}");
            }
        }
    }
}
