//! The query: which text may have been signed where this one arrived.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use postback::verify::UrlTemplate;

use super::PARAMETER;
use super::causes::Fault;

/// How far apart two parameters may be that changed places.
const SWAPPED: usize = 5;

/// The length of a signature in hexadecimal digits.
const HASH_DIGITS: usize = 40;

/// What each family of encoders leaves as it is.
const UNRESERVED: &AsciiSet = &leaving(b"._~");
const JAVASCRIPT: &AsciiSet = &leaving(b"._~!'()*");
const READABLE: &AsciiSet = &leaving(b"._~!'()*:/@,;$");
const FORM: &AsciiSet = &leaving(b"._*");

/// Letters, digits, `-` and these bytes are not encoded.
const fn leaving(mut bytes: &[u8]) -> AsciiSet {
    let mut set = NON_ALPHANUMERIC.remove(b'-');
    while let [first, rest @ ..] = bytes {
        set = set.remove(*first);
        bytes = rest;
    }
    set
}

/// One way to separate the signature from what it signs.
pub(super) struct Reading {
    pub(super) signed: String,
    pub(super) hash: String,
    /// All that arrived without the signature: what a receiver hashes.
    pub(super) here: String,
    pub(super) faults: Vec<Fault>,
}

/// The parameters as they stand.
pub(super) fn pieces(query: &str) -> impl Iterator<Item = &str> {
    query.split('&').filter(|piece| !piece.is_empty())
}

fn name_of(piece: &str) -> &str {
    piece.split_once('=').map_or(piece, |(name, _)| name)
}

fn joined<'p>(pieces: impl IntoIterator<Item = &'p str>) -> String {
    pieces.into_iter().collect::<Vec<_>>().join("&")
}

/// Every way to find the signature; the one that receivers use comes first.
pub(super) fn readings(query: &str) -> Vec<Reading> {
    let mut found: Vec<Reading> = Vec::new();
    read_into(query, None, &mut found);
    let unescaped = query.replace("&amp;", "&").replace("\\u0026", "&");
    if unescaped != query {
        let copied = Fault::new("ampersand_escaped");
        read_into(&unescaped, Some(&copied), &mut found);
    }
    found
}

fn read_into(query: &str, before: Option<&Fault>, found: &mut Vec<Reading>) {
    let marker = format!("&{PARAMETER}=");
    let all: Vec<&str> = pieces(query).collect();
    let is_signature = |at: &usize| all.get(*at).is_some_and(|piece| name_of(piece) == PARAMETER);
    let last = (0..all.len()).rfind(is_signature);
    let first = (0..all.len()).find(is_signature).filter(|at| Some(*at) != last);
    for at in last.into_iter().chain(first) {
        let (earlier, rest) = all.split_at(at);
        let (written, later) = match rest.split_first() {
            Some((piece, later)) => (piece.split_once('=').map_or("", |(_, value)| value), later),
            None => continue,
        };
        let others = joined(earlier.iter().chain(later).copied());
        let (hash, changed) = legible(written);
        let mut faults: Vec<Fault> = before.cloned().into_iter().chain(changed).collect();
        let signed = if later.is_empty() {
            // The bytes as they stand, empty pieces included.
            query.rsplit_once(&marker).map_or_else(|| others.clone(), |(signed, _)| signed.to_owned())
        } else {
            let names = joined(later.iter().map(|piece| name_of(piece)));
            faults.push(Fault::about("after_signature", names));
            joined(earlier.iter().copied())
        };
        if !signed.is_empty() {
            found.push(Reading { signed, hash, here: others, faults });
        }
    }
}

/// A signature in lower case, without what is stuck to it.
fn legible(written: &str) -> (String, Option<Fault>) {
    let is_digit = |c: char| c.is_ascii_hexdigit();
    let start = written.trim_start_matches(|c: char| !is_digit(c));
    let digits: String = start.chars().take_while(|c| is_digit(*c)).take(HASH_DIGITS).collect();
    if digits.len() < HASH_DIGITS || digits == written && digits.to_ascii_lowercase() == digits {
        return (written.to_owned(), None);
    }
    let lower = digits.to_ascii_lowercase();
    let word = if written.eq_ignore_ascii_case(&lower) { "signature_upper_case" } else { "signature_malformed" };
    (lower, Some(Fault::new(word)))
}

/// What is visibly wrong with the signature.
pub(super) fn look_at_signature(query: &str) -> Option<Fault> {
    let values = pieces(query).filter_map(|piece| piece.split_once('='));
    match values.filter(|(name, _)| *name == PARAMETER).last() {
        None => Some(Fault::new("signature_missing")),
        Some((_, "")) => Some(Fault::new("signature_empty")),
        Some((_, hash)) => {
            let is_hash = hash.len() == HASH_DIGITS && hash.bytes().all(|b| b.is_ascii_hexdigit());
            let found = format!("it has {} characters", hash.chars().count());
            (!is_hash).then(|| Fault::about("signature_malformed", found))
        }
    }
}

/// Texts that may have been signed instead of this one, each with the fault that it stands for. The likeliest first.
pub(super) fn variants(query: &str, template: Option<&UrlTemplate>) -> Vec<(String, Fault)> {
    let mut found = Vec::new();
    let mut add = |value: String, fault: Fault| {
        if value != query && !value.is_empty() {
            found.push((value, fault));
        }
    };
    add(query.replace("%20", "+"), Fault::new("space_encoding"));
    add(query.replace('+', "%20"), Fault::new("space_encoding"));
    add(escapes(query, u8::to_ascii_lowercase), Fault::new("escape_case"));
    add(escapes(query, u8::to_ascii_uppercase), Fault::new("escape_case"));
    add(query.replace('%', "%25"), Fault::new("decoded_once"));
    add(rejoined(query), Fault::new("decoded_once"));
    for convert in [to_utf8, to_latin_1, undo_mojibake] {
        let converted = each(query, &|text| convert(text).unwrap_or_else(|| text.to_owned()));
        add(converted, Fault::new("latin_1"));
    }
    // A query without escapes was decoded; one with escapes was encoded again.
    let how = if query.contains('%') { "reencoded" } else { "decoded" };
    for plus_is_space in [false, true] {
        let plain = |text: &str| plain(text, plus_is_space);
        add(each(query, &plain), Fault::new("encoded"));
        for set in [UNRESERVED, JAVASCRIPT, READABLE, FORM] {
            let encode = |text: &str| utf8_percent_encode(&plain(text), set).to_string();
            let whole = each(query, &encode);
            add(whole.replace("%20", "+"), Fault::new(how));
            add(escapes(&whole, u8::to_ascii_lowercase), Fault::new(how));
            add(whole, Fault::new(how));
        }
    }
    let all: Vec<&str> = pieces(query).collect();
    if let Some(template) = template {
        let (ordered, fault) = in_template_order(&all, template);
        add(ordered, fault);
    }
    let mut sorted = all.clone();
    sorted.sort_unstable();
    add(joined(sorted), Fault::new("reordered"));
    for first in 0..all.len() {
        for second in first + 1..all.len().min(first + SWAPPED) {
            let mut order = all.clone();
            order.swap(first, second);
            add(joined(order), Fault::new("reordered"));
        }
    }
    for (left_out, piece) in all.iter().enumerate() {
        let kept = all.iter().enumerate().filter(|(at, _)| *at != left_out);
        let kept = joined(kept.map(|(_, piece)| *piece));
        add(kept, Fault::about("parameter_added", name_of(piece)));
    }
    for kept in 1..all.len().saturating_sub(1) {
        let (kept, rest) = all.split_at(kept);
        let names = rest.iter().map(|piece| name_of(piece)).collect::<Vec<_>>();
        let fault = Fault::about("parameter_added", names.join(", "));
        add(joined(kept.iter().copied()), fault);
    }
    found
}

/// The parameters in the order of the configured URL, with missing ones empty.
fn in_template_order(all: &[&str], template: &UrlTemplate) -> (String, Fault) {
    let mut rest = all.to_vec();
    let mut ordered: Vec<String> = Vec::new();
    let mut missing: Vec<&str> = Vec::new();
    for parameter in template.parameters() {
        let is_named = |piece: &&str| plain(name_of(piece), true) == parameter.name();
        if let Some(at) = rest.iter().position(is_named) {
            ordered.push(rest.remove(at).to_owned());
            continue;
        }
        missing.push(parameter.name());
        let value = utf8_percent_encode(parameter.static_value().unwrap_or_default(), UNRESERVED);
        ordered.push(format!("{}={value}", parameter.name()));
    }
    ordered.extend(rest.into_iter().map(str::to_owned));
    let fault = if missing.is_empty() {
        Fault::new("reordered")
    } else {
        Fault::about("parameter_removed", missing.join(", "))
    };
    (ordered.join("&"), fault)
}

/// Puts pieces without a name back to the value before them: `%26` was decoded to `&`.
fn rejoined(query: &str) -> String {
    let mut whole = String::with_capacity(query.len() + 8);
    for piece in query.split('&') {
        if !whole.is_empty() {
            whole.push_str(if piece.contains('=') { "&" } else { "%26" });
        }
        whole.push_str(piece);
    }
    whole
}

/// `%E9` in Latin-1 is `%C3%A9` in UTF-8.
fn to_utf8(text: &str) -> Option<String> {
    let bytes: Vec<u8> = percent_decode_str(text).collect();
    if std::str::from_utf8(&bytes).is_ok() {
        return None;
    }
    let decoded: String = bytes.into_iter().map(char::from).collect();
    Some(utf8_percent_encode(&decoded, UNRESERVED).to_string())
}

fn latin_1_bytes(text: &str) -> Option<Vec<u8>> {
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    if decoded.is_ascii() {
        return None;
    }
    decoded.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

/// `%C3%A9` in UTF-8 is `%E9` in Latin-1.
fn to_latin_1(text: &str) -> Option<String> {
    let bytes = latin_1_bytes(text)?;
    Some(percent_encoding::percent_encode(&bytes, UNRESERVED).to_string())
}

/// `%C3%83%C2%A9` is `%C3%A9` that was taken for Latin-1 and encoded again.
fn undo_mojibake(text: &str) -> Option<String> {
    let decoded = String::from_utf8(latin_1_bytes(text)?).ok()?;
    Some(utf8_percent_encode(&decoded, UNRESERVED).to_string())
}

/// Decoded; a `+` is a space only if so wanted.
fn plain(text: &str, plus_is_space: bool) -> String {
    let text = if plus_is_space { text.replace('+', " ") } else { text.to_owned() };
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

/// Applies a function to every value. Names are sent as they were typed.
fn each(query: &str, change: &dyn Fn(&str) -> String) -> String {
    let piece = |piece: &str| match piece.split_once('=') {
        Some((name, value)) => format!("{name}={}", change(value)),
        None => piece.to_owned(),
    };
    query.split('&').map(piece).collect::<Vec<_>>().join("&")
}

/// Changes the case of the escapes' digits, and of nothing else.
fn escapes(query: &str, case: fn(&u8) -> u8) -> String {
    let mut parts = query.split('%');
    let mut changed = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        changed.push('%');
        for (place, character) in part.char_indices() {
            match u8::try_from(character) {
                Ok(byte) if place < 2 && byte.is_ascii_hexdigit() => changed.push(char::from(case(&byte))),
                _ => changed.push(character),
            }
        }
    }
    changed
}
