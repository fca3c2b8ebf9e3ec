//! Texts: moments and percent-encoding.

use std::borrow::Cow;

use postback::Timestamp;

/// Decoded as a form is. Bytes that are not UTF-8 become U+FFFD.
pub(crate) fn decoded(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy();
        return decoded.into_owned().into();
    }
    percent_encoding::percent_decode_str(text).decode_utf8_lossy()
}

/// A moment in RFC 3339, UTC.
pub(crate) fn rfc3339(moment: Timestamp) -> String {
    i64::try_from(moment.as_millis())
        .ok()
        .and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok())
        .map_or_else(|| "out of range".to_owned(), |timestamp| timestamp.to_string())
}
