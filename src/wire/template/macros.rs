//! Telling macros from texts that were meant to be one.

/// The name of a macro that stands alone, `[%NAME%]`.
pub(super) fn exactly(value: &str) -> Option<&str> {
    let name = value.strip_prefix("[%")?.strip_suffix("%]")?;
    (!name.is_empty() && name.bytes().all(is_name)).then_some(name)
}

/// What to type instead, where a text looks like a macro but is none: `%TX%`, `[TX]`, `{TX}`,
/// `id-[%TX%]`, or a percent-encoded one. `None` for a plain text.
pub(super) fn found_in(text: &str) -> Option<String> {
    let plain = lenient(text);
    let is_plain = !plain.contains(['[', ']', '{', '}', '%', '<', '>']);
    if is_plain {
        return None;
    }
    // The longest run of upper-case letters is what was meant, whatever stands around it.
    let meant = plain
        .split(|c: char| !c.is_ascii() || !is_name(c as u8))
        .filter(|run| !run.is_empty() && !run.bytes().any(|b| b.is_ascii_lowercase()))
        .max_by_key(|run| run.len())
        .or_else(|| {
            plain
                .split(|c: char| !c.is_ascii() || !is_name(c as u8))
                .find(|run| !run.is_empty())
        });
    Some(format!("[%{}%]", meant.unwrap_or("TX")))
}

pub(super) fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_')
}

/// Decodes what can be decoded and leaves the rest, so that `%TX%` stays what it is.
fn lenient(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}
