//! The search: what arrived first, then what differs from it by one fault, by two, by three.

use super::cause::{Cause, Certainty, Finding};
use super::explanation::{Explanation, Outcome};
use super::secrets::{Candidate, Held};
use super::url::{Prefix, Reading, name_of, pieces, readings};
use super::{Explainer, LONGEST_URL, one_byte, prefixes, queries, unexplained};
use crate::wire::Verifier;

/// More faults at once are not looked for.
const MOST_FAULTS: usize = 4;
/// And never more candidates than this: some ten milliseconds.
const MOST_TRIES: usize = 60_000;

const NO_HOST: &str =
    "The URL has no scheme and host: give the whole URL, or the dashboard's URL along with it.";
const NO_SECRET: &str = "No secret was given.";
const TOO_LONG: &str = "The URL is longer than 8192 bytes; no network sends such.";

/// A query to try, with the faults that it stands for.
struct Query {
    reading: usize,
    signed: String,
    cost: usize,
}

/// Where the URL differs from what the receiver should hash.
struct Subject<'e> {
    explainer: &'e Explainer,
    /// As it stands in the URL; perhaps only a path.
    own: Prefix,
    /// What a receiver hashes: configured, or the URL's own.
    base: Prefix,
    readings: Vec<Reading>,
    marker: String,
    /// Whether the query was undone from `&amp;` and the like.
    is_unescaped: bool,
}

pub(super) fn explain(explainer: &Explainer, url: &str) -> Explanation {
    if url.len() > LONGEST_URL {
        return advised(Outcome::TooLittle, TOO_LONG);
    }
    if explainer.secrets.is_empty() {
        return advised(Outcome::TooLittle, NO_SECRET);
    }
    let (before, query) = url.split_once('?').unwrap_or((url, ""));
    let own = Prefix::parse(before);
    let configured = explainer.template.as_ref();
    let base = configured.map_or_else(|| own.clone(), |template| Prefix::parse(template.prefix()));
    if !base.is_whole() && explainer.hosts.is_empty() {
        return advised(Outcome::TooLittle, NO_HOST);
    }
    let marker = format!("&{}=", explainer.scheme.parameter());
    let subject = |query: &str, is_unescaped| Subject {
        explainer,
        own: own.clone(),
        base: base.clone(),
        readings: readings(query, &marker),
        marker: marker.clone(),
        is_unescaped,
    };
    let first = subject(query, false);
    if let Some(explanation) = first.genuine().or_else(|| first.search()) {
        return explanation;
    }
    let unescaped = query.replace("&amp;", "&").replace("\\u0026", "&");
    if unescaped != query
        && let Some(explanation) = subject(&unescaped, true).search()
    {
        return explanation;
    }
    first.one_byte().unwrap_or_else(|| Explanation {
        hashed: first.hashed(),
        ..unexplained::explain(query, explainer.scheme.parameter(), &explainer.secrets)
    })
}

fn advised(outcome: Outcome, advice: &'static str) -> Explanation {
    Explanation {
        advice: Some(advice),
        ..Explanation::new(outcome)
    }
}

impl Subject<'_> {
    fn candidates(&self) -> impl Iterator<Item = Candidate> {
        self.explainer.secrets.iter().flat_map(Held::candidates)
    }

    fn verifier(&self, secret: &Candidate, prefix: &str) -> Verifier {
        Verifier::new(self.explainer.scheme.clone(), &secret.keys, [prefix])
    }

    fn is_signed(&self, verifier: &Verifier, signed: &str, hash: &str) -> bool {
        let query = format!("{signed}{}{hash}", self.marker);
        verifier
            .verify(&query)
            .is_ok_and(|found| found.query() == signed)
    }

    /// The reading of a query that ends in its signature.
    fn usual(&self) -> Option<&Reading> {
        self.readings
            .first()
            .filter(|reading| reading.signed == reading.here)
    }

    /// What a receiver hashes.
    fn hashed(&self) -> Option<String> {
        let query = &self.readings.first()?.here;
        Some(format!("{}?{query}", self.base.text()))
    }

    /// What the URL's own path makes of the base, where nothing but the path is known of it.
    fn own_or_path(&self) -> Prefix {
        if self.own.is_whole() {
            self.own.clone()
        } else {
            Prefix {
                path: self.own.path.clone(),
                ..self.base.clone()
            }
        }
    }

    fn genuine(&self) -> Option<Explanation> {
        let reading = self.usual()?;
        let bases: Vec<String> = match &self.explainer.template {
            Some(template) => template.signed_prefixes().map(str::to_owned).collect(),
            None => vec![self.base.text()],
        };
        for secret in self.candidates().filter(|secret| secret.causes.is_empty()) {
            for base in &bases {
                if !self.is_signed(
                    &self.verifier(&secret, base),
                    &reading.signed,
                    &reading.hash,
                ) {
                    continue;
                }
                let own = self.own_or_path();
                let signed = Prefix::parse(base);
                let mut findings: Vec<Finding> = prefixes::differences(&signed, &own)
                    .into_iter()
                    .map(|cause| prefixes::describe(cause, &signed, &own))
                    .collect();
                findings.extend(self.cut_at_first(&reading.signed));
                return Some(Explanation {
                    findings,
                    hashed: Some(format!("{}?{}", own.text(), reading.signed)),
                    signed: Some(format!("{base}?{}", reading.signed)),
                    secret: Some(secret.name),
                    ..Explanation::new(Outcome::Genuine)
                });
            }
        }
        None
    }

    fn search(&self) -> Option<Explanation> {
        let mut known = vec![self.base.clone()];
        for prefix in [self.own_or_path()] {
            if !known.contains(&prefix) {
                known.push(prefix);
            }
        }
        let prefixes: Vec<(Prefix, usize)> = prefixes::candidates(&known, &self.explainer.hosts)
            .into_iter()
            .filter(Prefix::is_whole)
            .map(|prefix| {
                let cost = prefixes::differences(&prefix, &self.base).len();
                let cost = if known.contains(&prefix) {
                    cost.min(1)
                } else {
                    cost
                };
                (prefix, cost)
            })
            .collect();
        let queries = self.queries();
        let secrets: Vec<Candidate> = self.candidates().collect();
        let mut tries = 0_usize;
        for faults in 0..=MOST_FAULTS {
            for secret in &secrets {
                for (prefix, cost) in &prefixes {
                    let Some(left) = faults.checked_sub(cost + secret.causes.len()) else {
                        continue;
                    };
                    let mut fitting = queries.iter().filter(|query| query.cost == left).peekable();
                    if fitting.peek().is_none() {
                        continue;
                    }
                    let verifier = self.verifier(secret, &prefix.text());
                    for query in fitting {
                        tries += 1;
                        if tries > MOST_TRIES {
                            return None;
                        }
                        let reading = self.readings.get(query.reading)?;
                        if self.is_signed(&verifier, &query.signed, &reading.hash) {
                            return Some(self.explained(secret, prefix, reading, &query.signed));
                        }
                    }
                }
            }
        }
        None
    }

    fn queries(&self) -> Vec<Query> {
        let template = self.explainer.template.as_ref();
        let mut found: Vec<Query> = Vec::new();
        for (number, reading) in self.readings.iter().enumerate() {
            let is_usual = number == 0 && self.usual().is_some();
            let others = queries::candidates(&reading.signed, template);
            for signed in std::iter::once(reading.signed.clone()).chain(others) {
                let faults = queries::differences(&signed, &reading.here).len();
                found.push(Query {
                    reading: number,
                    cost: if is_usual { faults } else { faults.max(1) },
                    signed,
                });
            }
        }
        found
    }

    fn explained(
        &self,
        secret: &Candidate,
        prefix: &Prefix,
        reading: &Reading,
        signed: &str,
    ) -> Explanation {
        let mut findings: Vec<Finding> = secret
            .causes
            .iter()
            .filter_map(|cause| describe_secret(*cause, &secret.name))
            .collect();
        if self.is_unescaped {
            findings.push(proven(
                Cause::AmpersandEscaped,
                "the URL was copied from a web page or from JSON, where '&' is written '&amp;' or '\\u0026'",
                "copy the URL from the request line or the access log",
            ));
        }
        for cause in prefixes::differences(prefix, &self.base) {
            findings.push(prefixes::describe(cause, prefix, &self.base));
        }
        let mut in_query = queries::differences(signed, &reading.here);
        let is_last = reading.signed == reading.here && self.usual().is_some();
        if in_query.is_empty() && !is_last {
            // The signature itself was moved.
            in_query.push(Cause::Reordered);
        }
        for cause in in_query {
            findings.push(queries::describe(cause, signed, &reading.here));
        }
        findings.extend(self.signature_itself(reading));
        findings.extend(self.cut_at_first(signed));
        Explanation {
            findings,
            hashed: self.hashed(),
            signed: Some(format!("{}?{signed}", prefix.text())),
            secret: Some(secret.name.clone()),
            ..Explanation::new(Outcome::Explained)
        }
    }

    /// What is wrong with the signature's own text, where it matched after that was mended.
    fn signature_itself(&self, reading: &Reading) -> Option<Finding> {
        let written = self.readings.iter().find(|known| {
            known.signed == reading.signed
                && known.hash != reading.hash
                && known.hash.to_ascii_lowercase().contains(&reading.hash)
        })?;
        Some(if written.hash.eq_ignore_ascii_case(&reading.hash) {
            proven(
                Cause::SignatureUpperCase,
                "the signature stands here in upper case; networks send lower case",
                "let nothing change the URL's letters",
            )
        } else {
            proven(
                Cause::SignatureMalformed,
                "something that is no part of the signature is stuck to it (a quotation mark, a line feed, a fragment)",
                "let nothing append to the URL",
            )
        })
    }

    fn cut_at_first(&self, signed: &str) -> Option<Finding> {
        let name = self.explainer.scheme.parameter();
        pieces(signed).any(|piece| name_of(piece) == name).then(|| {
            proven(
                Cause::CutAtFirst,
                &format!(
                    "a parameter called {name:?} stands before the signature and is signed with the rest; whoever cuts \
                     at the first '&{name}=' hashes too little"
                ),
                &format!(
                    "cut at the last '&{name}='; and find out who opens the offer wall with a parameter of that name: \
                     this crate refuses such a callback as doubled"
                ),
            )
        })
    }

    fn one_byte(&self) -> Option<Explanation> {
        let reading = self.usual()?;
        let mut prefixes = vec![self.base.clone()];
        prefixes.extend(Some(self.own_or_path()).filter(|own| *own != self.base));
        for prefix in prefixes.iter().filter(|prefix| prefix.is_whole()) {
            for secret in self.candidates() {
                let verifier = self.verifier(&secret, &prefix.text());
                let Some(changed) = one_byte::search(&verifier, reading) else {
                    continue;
                };
                let mut findings = vec![proven(
                    Cause::ChangedByte,
                    &format!("{} is not what was signed", changed.place),
                    "find out what changes the URL on its way; if this is a copy, copy it again",
                )];
                findings.extend(
                    secret
                        .causes
                        .iter()
                        .filter_map(|cause| describe_secret(*cause, &secret.name)),
                );
                return Some(Explanation {
                    findings,
                    hashed: self.hashed(),
                    signed: Some(format!("{}?{}", prefix.text(), changed.signed)),
                    secret: Some(secret.name),
                    ..Explanation::new(Outcome::Explained)
                });
            }
        }
        None
    }
}

fn describe_secret(cause: Cause, name: &str) -> Option<Finding> {
    Some(match cause {
        Cause::SecretWhiteSpace => proven(
            cause,
            &format!(
                "{name} begins or ends with white space (a line feed, perhaps), which is no part of the secret"
            ),
            &format!(
                "remove the white space around {name}; from a file, read it without the line feed at its end"
            ),
        ),
        Cause::SecretQuoted => proven(
            cause,
            &format!("{name} stands in quotation marks, which are no part of the secret"),
            &format!("remove the quotation marks around {name}"),
        ),
        Cause::OtherSecret => proven(
            cause,
            &format!("it was signed with {name}, not with the receiver's secret"),
            &format!(
                "configure the receiver of this app with {name}, or correct the URL in the other app's dashboard"
            ),
        ),
        _ => return None,
    })
}

pub(super) fn proven(cause: Cause, what: &str, change: &str) -> Finding {
    Finding {
        cause,
        certainty: Certainty::Proven,
        what: what.to_owned(),
        change: change.to_owned(),
    }
}
