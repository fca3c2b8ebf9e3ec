//! `postback explain`: why a URL's signature does not match.
//!
//! It undoes what really goes wrong, one fault or two at a time, until the signature matches. Every finding is therefore
//! proven. The work is bounded for any input: the URL's length and number of parameters are limited, and so is the
//! number of bytes that are hashed.

mod causes;
mod query;
mod url;

use std::collections::HashSet;
use std::fmt;

use postback::verify::{Encoding, HashFunction, UrlTemplate, UrlVerifier};
use postback::{KeyRing, Secret};
use serde::Serialize;
use zeroize::Zeroizing;

use causes::Fault;
use query::Reading;
use url::Prefix;

/// Longer URLs, and URLs with more parameters, are not looked at. No network sends such.
const MAX_URL: usize = 8192;
const MAX_PARAMETERS: usize = 64;

/// How many bytes are hashed at most: a fraction of a second.
const MAX_HASHED: usize = 64 * 1024 * 1024;

/// The signature's parameter at BitLabs.
pub(super) const PARAMETER: &str = "hash";

/// What to say when nothing matches.
const UNKNOWN: &str = "It may be a forgery. If it is not, copy the App Secret (not the API token) of this very app from \
    the dashboard, compare the configured URL with the dashboard's letter by letter, and explain the request as it \
    stands in the access log rather than as a framework shows it.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// The signature matches.
    Genuine,
    /// It matches once the faults are undone.
    Explained,
    /// Nothing that was tried matches.
    #[default]
    Unknown,
    /// The input is not enough to try anything.
    TooLittle,
}

/// The result for one URL. Contains no secret, and no signature that the URL does not have.
#[derive(Debug, Default, Serialize)]
pub(super) struct Explanation {
    pub(super) outcome: Outcome,
    faults: Vec<Fault>,
    /// What a receiver hashes.
    hashed_here: Option<String>,
    /// What the network hashed.
    signed_was: Option<String>,
    secret: Option<String>,
    advice: Option<&'static str>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.outcome {
            Outcome::Genuine => "genuine: the signature matches",
            Outcome::Explained => "the signature does not match:",
            Outcome::Unknown => "the signature does not match, for no known reason",
            Outcome::TooLittle => "nothing can be said",
        })?;
        if self.outcome == Outcome::Genuine && !self.faults.is_empty() {
            f.write_str("\nA receiver that hashes the URL as it stands here would reject it:")?;
        }
        for (number, Fault { cause, what, change }) in (1..).zip(&self.faults) {
            write!(f, "\n\n{number}. {cause}: {what}\n   change: {change}")?;
        }
        if let Some(advice) = &self.advice {
            write!(f, "\n{advice}")?;
        }
        match (&self.hashed_here, &self.signed_was) {
            (Some(hashed), Some(signed)) if hashed != signed => {
                write!(f, "\n\nhashed here: {hashed}\nsigned was:  {signed}")
            }
            (Some(hashed), None) => write!(f, "\n\nhashed here: {hashed}"),
            _ => Ok(()),
        }
    }
}

/// A secret as somebody has it, with a name to speak of it.
pub(super) struct Candidate {
    name: String,
    text: Zeroizing<String>,
    is_other: bool,
}

impl Candidate {
    /// One secret, or several separated by commas.
    pub(super) fn list(name: &str, text: &str, is_other: bool) -> Vec<Self> {
        let one = |text: &str| Self { name: name.to_owned(), text: Zeroizing::new(text.to_owned()), is_other };
        text.split(',').map(one).collect()
    }

    /// Without white space and quotation marks around it.
    fn bare(&self) -> &str {
        self.text.trim().trim_matches(['"', '\'', '`']).trim()
    }

    /// The keys to try, each with the faults that it stands for; as it is first.
    fn keys(&self) -> Vec<(KeyRing, Vec<Fault>)> {
        let (text, trimmed, bare) = (self.text.as_str(), self.text.trim(), self.bare());
        let forms = [
            Some((text, None)),
            (trimmed != text).then_some((trimmed, Some("secret_white_space"))),
            (bare != trimmed).then_some((bare, Some("secret_quoted"))),
        ];
        let mut keys = Vec::new();
        for (text, word) in forms.into_iter().flatten() {
            let words = self.is_other.then_some("other_secret").into_iter().chain(word);
            if let Ok(secret) = Secret::new(text) {
                let faults = words.map(|word| Fault::about(word, &self.name));
                keys.push((secret.into(), faults.collect()));
            }
        }
        keys
    }
}

/// What a receiver knows: its secrets and its configured URL.
pub(super) struct Explainer {
    pub(super) secrets: Vec<Candidate>,
    pub(super) template: Option<UrlTemplate>,
    pub(super) hosts: Vec<String>,
}

impl Explainer {
    pub(super) fn explain(&self, url: &str) -> Explanation {
        let mut explanation = self.search(url);
        // A shorter secret would redact half the text.
        for secret in self.secrets.iter().map(Candidate::bare).filter(|bare| bare.len() >= 6) {
            let whats = explanation.faults.iter_mut().map(|fault| &mut fault.what);
            let urls = [&mut explanation.hashed_here, &mut explanation.signed_was];
            for text in whats.chain(urls.into_iter().flatten()) {
                *text = text.replace(secret, "[secret]");
            }
        }
        explanation
    }

    fn search(&self, url: &str) -> Explanation {
        let too_little =
            |advice| Explanation { outcome: Outcome::TooLittle, advice: Some(advice), ..Explanation::default() };
        let (before, raw) = url.split_once('?').unwrap_or((url, ""));
        if url.len() > MAX_URL || query::pieces(raw).count() > MAX_PARAMETERS {
            return too_little("The URL is longer, or has more parameters, than any network sends.");
        }
        let mut own = Prefix::parse(before);
        let template = self.template.as_ref();
        let base = template.map_or_else(|| own.clone(), |template| Prefix::parse(template.prefix()));
        if !base.is_whole() {
            return too_little("The URL has no host: give the whole URL, or the dashboard's URL with --template.");
        }
        if !own.is_whole() {
            own = base.with_path(&own.path);
        }
        let readings = query::readings(raw);
        let hashed = readings.first().map(|reading| format!("{}?{}", base.text(), reading.here));
        let search = Search { explainer: self, own, base, readings };
        let mut explanation = search.run().unwrap_or_else(|| match query::look_at_signature(raw) {
            Some(fault) => Explanation { outcome: Outcome::Explained, faults: vec![fault], ..Explanation::default() },
            None => Explanation { advice: Some(UNKNOWN), ..Explanation::default() },
        });
        explanation.hashed_here = explanation.hashed_here.or(hashed);
        explanation
    }
}

/// The search for one URL.
struct Search<'e> {
    explainer: &'e Explainer,
    /// Scheme, host and path as they stand in the URL.
    own: Prefix,
    /// What a receiver hashes: configured, or the URL's own.
    base: Prefix,
    readings: Vec<Reading>,
}

/// Something to try, with the faults that it stands for.
type Variant<T> = (T, Vec<Fault>);

impl Search<'_> {
    /// Tries everything without faults, then with one, then with two.
    fn run(&self) -> Option<Explanation> {
        let (prefixes, queries) = (self.prefixes(), self.queries());
        let secrets = self.explainer.secrets.iter();
        let keys: Vec<_> = secrets.flat_map(|secret| secret.keys().into_iter().map(move |key| (secret, key))).collect();
        let mut budget = MAX_HASHED;
        for faults in 0..=2 {
            for (secret, (key, key_faults)) in &keys {
                for (prefix, prefix_faults) in &prefixes {
                    let so_far = key_faults.len() + prefix_faults.len();
                    let Some(left) = usize::checked_sub(faults, so_far) else {
                        continue;
                    };
                    let text = prefix.text();
                    let verifier = UrlVerifier::new(PARAMETER, HashFunction::Sha1, Encoding::Hex, key, [&*text]);
                    for ((signed, hash), query_faults) in &queries {
                        if query_faults.len() != left {
                            continue;
                        }
                        budget = budget.checked_sub(text.len() + signed.len() + 128)?;
                        let whole = format!("{signed}&{PARAMETER}={hash}");
                        if verifier.verify(&whole).is_ok_and(|(found, _)| found == signed) {
                            let faults = key_faults.iter().chain(prefix_faults).chain(query_faults);
                            return Some(self.explained(faults.cloned().collect(), &secret.name, prefix, signed));
                        }
                    }
                }
            }
        }
        None
    }

    fn explained(&self, faults: Vec<Fault>, secret: &str, prefix: &Prefix, signed: &str) -> Explanation {
        let is_genuine = faults.is_empty();
        let mut explanation = Explanation {
            outcome: if is_genuine { Outcome::Genuine } else { Outcome::Explained },
            faults,
            signed_was: Some(format!("{}?{signed}", prefix.text())),
            secret: Some(secret.to_owned()),
            ..Explanation::default()
        };
        if is_genuine && self.own != *prefix {
            // A receiver that hashes the request's own URL would fail.
            explanation.faults = url::differences(prefix, &self.own);
            explanation.hashed_here = Some(format!("{}?{signed}", self.own.text()));
        }
        explanation
    }

    fn prefixes(&self) -> Vec<Variant<Prefix>> {
        let template = self.explainer.template.iter();
        let configured = template.flat_map(UrlTemplate::signed_prefixes).map(Prefix::parse);
        let mut found: Vec<Variant<Prefix>> = configured.map(|prefix| (prefix, Vec::new())).collect();
        found.push((self.base.clone(), Vec::new()));
        let hosts = &self.explainer.hosts;
        for candidate in [&self.base, &self.own].into_iter().flat_map(|known| url::candidates(known, hosts)) {
            let mut faults = url::differences(&candidate, &self.base);
            if candidate == self.own {
                // The configured URL may simply be another one.
                faults.truncate(2);
            }
            if faults.len() <= 2 && !found.iter().any(|(known, _)| *known == candidate) {
                found.push((candidate, faults));
            }
        }
        found
    }

    fn queries(&self) -> Vec<Variant<(String, String)>> {
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        for Reading { signed, hash, faults, .. } in &self.readings {
            let unchanged = (signed.clone(), None);
            let variants = query::variants(signed, self.explainer.template.as_ref());
            let variants = variants.into_iter().map(|(text, fault)| (text, Some(fault)));
            for (text, fault) in std::iter::once(unchanged).chain(variants) {
                if seen.insert((text.clone(), hash)) {
                    found.push(((text, hash.clone()), faults.iter().cloned().chain(fault).collect()));
                }
            }
        }
        found
    }
}
