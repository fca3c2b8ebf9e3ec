//! Which query may have been signed, and how that differs from the one that arrived.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::cause::{Cause, Certainty, Finding};
use super::url::{bare, decoded, name_of, pieces};
use crate::wire::Template;
use crate::wire::template::Value;

/// Up to so many parameters, every order is tried.
const PERMUTED: usize = 6;

/// What each family of encoders leaves as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
const JAVASCRIPT: &AsciiSet = &UNRESERVED
    .remove(b'!')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*');
const READABLE: &AsciiSet = &JAVASCRIPT
    .remove(b':')
    .remove(b'/')
    .remove(b'@')
    .remove(b',')
    .remove(b';')
    .remove(b'$');
const FORM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'*');

/// Every query that is worth a try, without the one that arrived.
pub(super) fn candidates(query: &str, template: Option<&Template>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut add = |candidate: String| {
        if candidate != query && !candidate.is_empty() && !found.contains(&candidate) {
            found.push(candidate);
        }
    };
    let mut shapes = vec![query.to_owned()];
    shapes.extend(template.into_iter().flat_map(|template| {
        [
            in_template_order(query, template, true),
            in_template_order(query, template, false),
        ]
    }));
    for shape in &shapes {
        add(shape.clone());
        for encoded in encodings(shape) {
            add(encoded);
        }
    }
    for fewer in with_fewer(query) {
        add(fewer);
    }
    for order in orders(query) {
        add(order);
    }
    found
}

/// As the configured URL has it: its parameters in its order, empty where they are missing, and, if wanted,
/// whatever else there is behind them.
fn in_template_order(query: &str, template: &Template, with_others: bool) -> String {
    let mut rest: Vec<&str> = pieces(query).collect();
    let mut ordered: Vec<String> = Vec::new();
    for parameter in template.parameters() {
        let found = rest
            .iter()
            .position(|piece| decoded(name_of(piece)) == parameter.name());
        match (found, parameter.value()) {
            (Some(place), _) => ordered.push(rest.remove(place).to_owned()),
            (None, Value::Macro(_)) => ordered.push(format!("{}=", parameter.name())),
            (None, Value::Static(text)) => {
                ordered.push(format!(
                    "{}={}",
                    parameter.name(),
                    utf8_percent_encode(text, UNRESERVED)
                ));
            }
        }
    }
    // `debug=true` is the network's own, whatever else is left out.
    rest.retain(|piece| with_others || name_of(piece) == "debug");
    ordered.extend(rest.into_iter().map(str::to_owned));
    ordered.join("&")
}

fn encodings(query: &str) -> Vec<String> {
    let mut found = vec![
        query.replace("%20", "+"),
        query.replace('+', "%20"),
        escapes(query, u8::to_ascii_lowercase),
        escapes(query, u8::to_ascii_uppercase),
        each(query, &|text| plain(text, false)),
        each(query, &|text| plain(text, true)),
    ];
    for plus in [false, true] {
        for set in [UNRESERVED, JAVASCRIPT, READABLE, FORM] {
            let encode = |text: &str| utf8_percent_encode(&plain(text, plus), set).to_string();
            // Names are often left as they were typed.
            for encoded in [each(query, &encode), each_value(query, &encode)] {
                found.push(encoded.replace("%20", "+"));
                found.push(escapes(&encoded, u8::to_ascii_lowercase));
                found.push(encoded);
            }
        }
    }
    found
}

/// Decoded; a `+` is a space only if so wanted.
fn plain(text: &str, plus_is_space: bool) -> String {
    let text = if plus_is_space {
        text.replace('+', " ")
    } else {
        text.to_owned()
    };
    percent_encoding::percent_decode_str(&text)
        .decode_utf8_lossy()
        .into_owned()
}

/// Applies a function to every name and value.
fn each(query: &str, change: &dyn Fn(&str) -> String) -> String {
    let piece = |piece: &str| match piece.split_once('=') {
        Some((name, value)) => format!("{}={}", change(name), change(value)),
        None => change(piece),
    };
    query.split('&').map(piece).collect::<Vec<_>>().join("&")
}

/// Applies a function to every value.
fn each_value(query: &str, change: &dyn Fn(&str) -> String) -> String {
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
                Ok(byte) if place < 2 && byte.is_ascii_hexdigit() => {
                    changed.push(char::from(case(&byte)));
                }
                _ => changed.push(character),
            }
        }
    }
    changed
}

/// Without one parameter, without the last ones, without repeats.
fn with_fewer(query: &str) -> Vec<String> {
    let all: Vec<&str> = pieces(query).collect();
    let mut found = Vec::new();
    for left_out in 0..all.len() {
        let kept = all
            .iter()
            .enumerate()
            .filter(|(place, _)| *place != left_out);
        found.push(kept.map(|(_, piece)| *piece).collect::<Vec<_>>().join("&"));
    }
    for kept in 1..all.len() {
        found.push(all.get(..kept).unwrap_or_default().join("&"));
    }
    found
}

/// Every order, where there are few parameters.
fn orders(query: &str) -> Vec<String> {
    let all: Vec<&str> = pieces(query).collect();
    let mut found = Vec::new();
    if all.len() <= PERMUTED {
        permute(&all, &mut Vec::new(), &mut found);
    }
    found
}

fn permute<'q>(rest: &[&'q str], chosen: &mut Vec<&'q str>, found: &mut Vec<String>) {
    if rest.is_empty() {
        found.push(chosen.join("&"));
    }
    for place in 0..rest.len() {
        let mut others = rest.to_vec();
        chosen.push(others.remove(place));
        permute(&others, chosen, found);
        chosen.pop();
    }
}

/// How what was signed differs from what arrived.
pub(super) fn differences(signed: &str, here: &str) -> Vec<Cause> {
    let of = |query: &str| pieces(query).map(str::to_owned).collect::<Vec<_>>();
    let (signed_all, here_all) = (of(signed), of(here));
    let mut causes = Vec::new();
    if !surplus(&here_all, &signed_all).is_empty() {
        causes.push(Cause::ParametersAdded);
    }
    if !surplus(&signed_all, &here_all).is_empty() {
        causes.push(Cause::ParametersRemoved);
    }
    let common = |all: &[String], other: &[String]| {
        all.iter()
            .map(|piece| bare(piece))
            .filter(|piece| other.iter().any(|known| bare(known) == *piece))
            .collect::<Vec<_>>()
    };
    if common(&signed_all, &here_all) != common(&here_all, &signed_all) {
        causes.push(Cause::Reordered);
    }
    for piece in &signed_all {
        let twin = here_all
            .iter()
            .find(|known| *known == piece)
            .or_else(|| here_all.iter().find(|known| bare(known) == bare(piece)));
        if let Some(cause) = twin.and_then(|twin| encoding_difference(piece, twin))
            && !causes.contains(&cause)
        {
            causes.push(cause);
        }
    }
    causes
}

/// What one has and the other has not, whatever the encoding.
fn surplus<'p>(all: &'p [String], other: &[String]) -> Vec<&'p str> {
    let mut other: Vec<String> = other.iter().map(|piece| bare(piece)).collect();
    let mut found = Vec::new();
    for piece in all {
        match other.iter().position(|known| *known == bare(piece)) {
            Some(place) => drop(other.swap_remove(place)),
            None => found.push(piece.as_str()),
        }
    }
    found
}

fn encoding_difference(signed: &str, here: &str) -> Option<Cause> {
    if signed == here {
        None
    } else if signed.replace('+', "%20") == here.replace('+', "%20") {
        Some(Cause::SpaceEncoding)
    } else if escapes(signed, u8::to_ascii_lowercase) == escapes(here, u8::to_ascii_lowercase) {
        Some(Cause::EscapeCase)
    } else if here == plain(signed, false) || here == plain(signed, true) {
        Some(Cause::QueryDecoded)
    } else if signed == plain(here, false) || signed == plain(here, true) {
        Some(Cause::QueryEncoded)
    } else {
        Some(Cause::QueryReencoded)
    }
}

/// Says a difference in words.
pub(super) fn describe(cause: Cause, signed: &str, here: &str) -> Finding {
    let of = |query: &str| pieces(query).map(str::to_owned).collect::<Vec<_>>();
    let (signed_all, here_all) = (of(signed), of(here));
    let names = |pieces: &[&str]| {
        let names: Vec<String> = pieces
            .iter()
            .map(|piece| format!("{:?}", decoded(name_of(piece))))
            .collect();
        names.join(", ")
    };
    let raw = "hash the query's bytes as they stand in the request line, before any framework or proxy parses them";
    let (what, change) = match cause {
        Cause::ParametersAdded => (
            format!("not signed: {}", names(&surplus(&here_all, &signed_all))),
            "let nothing add parameters to the network's requests; what follows the signature is not signed".to_owned(),
        ),
        Cause::ParametersRemoved => (
            format!("signed, and missing here: {}", names(&surplus(&signed_all, &here_all))),
            "let nothing remove parameters, empty ones included".to_owned(),
        ),
        Cause::Reordered => (
            "the same parameters were signed in another order; something sorts them or keeps them in a map".to_owned(),
            raw.to_owned(),
        ),
        Cause::SpaceEncoding => (
            "a space was signed as one of '+' and '%20' and stands here as the other; URL classes do that when they write a query anew".to_owned(),
            raw.to_owned(),
        ),
        Cause::EscapeCase => (
            "the escapes' digits are in the other case (%2F, %2f)".to_owned(),
            raw.to_owned(),
        ),
        Cause::QueryDecoded => (
            "the query stands here decoded, and was signed encoded".to_owned(),
            format!("{raw}; decode afterwards"),
        ),
        Cause::QueryEncoded => (
            "the query stands here encoded, and was signed as it was before".to_owned(),
            raw.to_owned(),
        ),
        _ => (
            "the query was decoded and encoded again by other rules".to_owned(),
            raw.to_owned(),
        ),
    };
    Finding {
        cause,
        certainty: Certainty::Proven,
        what,
        change,
    }
}
