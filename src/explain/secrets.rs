//! The secrets at hand, and what may be wrong with them.

use std::fmt;

use zeroize::Zeroizing;

use super::cause::{Cause, Certainty, Finding};
use crate::wire::{KeyRing, Secret};

/// A secret as somebody has it, refused or not, with a name to speak of it.
#[derive(Clone)]
pub(super) struct Held {
    name: String,
    text: Zeroizing<String>,
    is_other: bool,
}

/// A secret to try.
pub(super) struct Candidate {
    pub(super) name: String,
    pub(super) keys: KeyRing,
    pub(super) causes: Vec<Cause>,
}

/// The name, and nothing of the secret.
impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Held").field(&self.name).finish()
    }
}

impl Held {
    /// One secret, or several separated by commas.
    pub(super) fn list(name: &str, text: &str, is_other: bool) -> Vec<Self> {
        let many = text.contains(',');
        let one = |(index, text): (usize, &str)| Self {
            name: if many {
                format!("{name} (number {})", index + 1)
            } else {
                name.to_owned()
            },
            text: Zeroizing::new(text.to_owned()),
            is_other,
        };
        text.split(',').enumerate().map(one).collect()
    }

    /// Every form of it that is worth a try, as it is first.
    pub(super) fn candidates(&self) -> Vec<Candidate> {
        let mut found = Vec::new();
        let mut add = |text: &str, cause: Option<Cause>| {
            let Ok(secret) = Secret::new(text) else {
                return;
            };
            let other = self.is_other.then_some(Cause::OtherSecret);
            found.push(Candidate {
                name: self.name.clone(),
                keys: secret.into(),
                causes: other.into_iter().chain(cause).collect(),
            });
        };
        let text = self.text.as_str();
        add(text, None);
        let trimmed = text.trim();
        if trimmed != text {
            add(trimmed, Some(Cause::SecretWhiteSpace));
        }
        let bare = trimmed.trim_matches(['"', '\'', '`']).trim();
        if bare != trimmed {
            add(bare, Some(Cause::SecretQuoted));
        }
        found
    }

    /// By its shape: `8cc877ee-af19-488d-b28d-216fb866b996`. App Secrets have no hyphens.
    fn looks_like_an_api_token(&self) -> bool {
        let groups: Vec<&str> = self.text.trim().split('-').collect();
        let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
        lengths == [8, 4, 4, 4, 12]
            && groups
                .concat()
                .bytes()
                .all(|digit| digit.is_ascii_hexdigit())
    }

    /// What can be said of it when nothing matches.
    pub(super) fn guess(&self) -> Option<Finding> {
        (!self.is_other && self.looks_like_an_api_token()).then(|| Finding {
            cause: Cause::ApiToken,
            certainty: Certainty::Guessed,
            what: format!(
                "{} has the shape of an API token (8-4-4-4-12 hexadecimal digits); callbacks are signed with the App Secret",
                self.name
            ),
            change: "take the App Secret from the network's dashboard, not the API token".to_owned(),
        })
    }

    /// Takes the secret out of a text that is about to be shown.
    pub(super) fn redact(&self, text: &str) -> String {
        let secret = self.text.trim().trim_matches(['"', '\'', '`']);
        // A shorter one would redact half the text and protects nothing.
        if secret.len() < 6 {
            return text.to_owned();
        }
        text.replace(secret, "[secret]")
    }
}
