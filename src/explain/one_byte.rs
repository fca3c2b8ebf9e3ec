//! Looks for one character that differs from what was signed.

use super::url::{Reading, decoded, name_of};
use crate::wire::Verifier;

/// Longer queries are not searched: the time grows with the square of the length.
const LONGEST: usize = 1024;

/// What a URL is made of; the likeliest first.
const CHARACTERS: &[u8] =
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._~%+=&:/,@!*'();$?[]{}|\" ";

/// One character that was changed, and where.
pub(super) struct Changed {
    /// The query that was signed.
    pub(super) signed: String,
    /// Where it differs, for people.
    pub(super) place: String,
}

/// Tries every query, and every signature, that is one character away.
pub(super) fn search(verifier: &Verifier, reading: &Reading) -> Option<Changed> {
    let Reading { signed, hash, .. } = reading;
    if signed.len() > LONGEST || !hash.is_ascii() || hash.len() != 40 {
        return None;
    }
    let marker = format!("&{}=", verifier.scheme().parameter());
    let is_right = |query: &str, hash: &str| {
        verifier
            .verify(&format!("{query}{marker}{hash}"))
            .is_ok_and(|found| found.query() == query)
    };
    for at in 0..hash.len() {
        for digit in CHARACTERS.get(..16).unwrap_or_default() {
            if is_right(signed, &replaced(hash, at, 1, Some(*digit))?) {
                return Some(Changed {
                    signed: signed.clone(),
                    place: format!("character {} of the signature", at + 1),
                });
            }
        }
    }
    let places = (0..=signed.len()).filter(|at| signed.is_char_boundary(*at));
    for at in places {
        let is_last = at == signed.len();
        let width = signed
            .get(at..)
            .and_then(|rest| rest.chars().next())
            .map_or(0, char::len_utf8);
        // One too many, one changed, one missing.
        let none = [None].into_iter().filter(|_| !is_last).map(|c| (width, c));
        let changed = CHARACTERS.iter().filter(|_| !is_last);
        let changed = changed.map(|c| (width, Some(*c)));
        let missing = CHARACTERS.iter().map(|c| (0, Some(*c)));
        for (width, character) in none.chain(changed).chain(missing) {
            let query = replaced(signed, at, width, character)?;
            if is_right(&query, hash) {
                return Some(Changed {
                    signed: query,
                    place: place_in(signed, at),
                });
            }
        }
    }
    None
}

fn replaced(text: &str, at: usize, width: usize, character: Option<u8>) -> Option<String> {
    let mut changed = String::with_capacity(text.len() + 1);
    changed.push_str(text.get(..at)?);
    changed.extend(character.map(char::from));
    changed.push_str(text.get(at + width..)?);
    Some(changed)
}

fn place_in(query: &str, at: usize) -> String {
    let start = query
        .get(..at)
        .and_then(|before| before.rfind('&'))
        .map_or(0, |before| before + 1);
    let piece = query.get(start..).unwrap_or_default();
    let piece = piece.split('&').next().unwrap_or_default();
    let name = decoded(name_of(piece));
    format!(
        "character {} of the query, in parameter {name:?}",
        query.get(..at).unwrap_or_default().chars().count() + 1
    )
}
