//! What can be said where no candidate matches: the signature's looks, the secret's shape.

use super::cause::{Cause, Finding};
use super::explanation::{Explanation, Outcome};
use super::search::proven;
use super::secrets::Held;
use super::url::pieces;

const UNKNOWN: &str = "It may be a forgery. If it is not: take the App Secret of the very app from the dashboard, \
    compare the configured URL with the dashboard's letter by letter, and explain the request as it stands in the \
    request line (an access log has it) rather than as a framework shows it.";

pub(super) fn explain(query: &str, parameter: &str, secrets: &[Held]) -> Explanation {
    if let Some(finding) = look_at_signature(query, parameter) {
        return Explanation {
            findings: vec![finding],
            ..Explanation::new(Outcome::Explained)
        };
    }
    let findings: Vec<Finding> = secrets.iter().filter_map(Held::guess).collect();
    let (outcome, advice) = if findings.is_empty() {
        (Outcome::Unknown, Some(UNKNOWN))
    } else {
        (Outcome::Guessed, None)
    };
    Explanation {
        findings,
        advice,
        ..Explanation::new(outcome)
    }
}

fn look_at_signature(query: &str, parameter: &str) -> Option<Finding> {
    let last = pieces(query)
        .filter_map(|piece| piece.split_once('='))
        .filter(|(known, _)| *known == parameter)
        .last();
    match last {
        None => Some(proven(
            Cause::SignatureMissing,
            &format!("no parameter {parameter:?} stands in the URL"),
            "nothing, if a scanner or a browser sent it; the network's own calls always end in a signature",
        )),
        Some((_, "")) => Some(proven(
            Cause::SignatureEmpty,
            &format!("the parameter {parameter:?} is empty"),
            "nothing, if a scanner or a forger sent it; the network's own calls always end in a signature",
        )),
        Some((_, hash)) if hash.len() != 40 || !hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Some(proven(
                Cause::SignatureMalformed,
                &format!(
                    "the signature has {} characters; it must have 40 hexadecimal digits",
                    hash.chars().count()
                ),
                "let nothing cut or change the URL; if this is a copy, copy it again",
            ))
        }
        Some(_) => None,
    }
}
