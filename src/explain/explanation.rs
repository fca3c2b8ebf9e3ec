//! What came of it.

use std::fmt;

use super::cause::{Certainty, Finding};

/// How a URL stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The signature matches the configured URL (or, without one, the URL as it stands) under a secret of the
    /// receiver's. Findings say why another receiver may fail all the same.
    Genuine,
    /// It does not match, and the findings are why.
    Explained,
    /// It does not match; the findings are guesses.
    Guessed,
    /// It does not match, and no known cause makes it match.
    Unknown,
    /// Too little is known to try.
    TooLittle,
}

/// Why a signature matches or does not, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    pub(super) outcome: Outcome,
    pub(super) findings: Vec<Finding>,
    pub(super) hashed: Option<String>,
    pub(super) signed: Option<String>,
    pub(super) secret: Option<String>,
    pub(super) advice: Option<&'static str>,
}

impl Explanation {
    pub(super) fn new(outcome: Outcome) -> Self {
        Self {
            outcome,
            findings: Vec::new(),
            hashed: None,
            signed: None,
            secret: None,
            advice: None,
        }
    }

    /// How the URL stands.
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// What was found, the true cause first.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What a receiver hashes that takes the URL as it stands here, or as it is configured.
    pub fn hashed(&self) -> Option<&str> {
        self.hashed.as_deref()
    }

    /// What the network hashed, where that was found out.
    pub fn signed(&self) -> Option<&str> {
        self.signed.as_deref()
    }

    /// The name of the secret that signed it, where that was found out.
    pub fn secret_name(&self) -> Option<&str> {
        self.secret.as_deref()
    }

    /// What else to try or to give, where nothing was proven.
    pub fn advice(&self) -> Option<&'static str> {
        self.advice
    }

    pub(super) fn redact(&mut self, redact: impl Fn(&str) -> String) {
        for finding in &mut self.findings {
            finding.what = redact(&finding.what);
            finding.change = redact(&finding.change);
        }
        for text in [&mut self.hashed, &mut self.signed].into_iter().flatten() {
            *text = redact(text);
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.outcome {
            Outcome::Genuine => {
                write!(f, "genuine: the signature matches")?;
                if let Some(secret) = &self.secret {
                    write!(f, " under {secret}")?;
                }
                if !self.findings.is_empty() {
                    write!(
                        f,
                        "\na receiver that hashes the URL as it stands here fails all the same:"
                    )?;
                }
            }
            Outcome::Explained => write!(f, "the signature does not match, because:")?,
            Outcome::Guessed => write!(f, "the signature does not match, probably because:")?,
            Outcome::Unknown => write!(f, "the signature does not match: no known cause")?,
            Outcome::TooLittle => write!(f, "nothing can be said")?,
        }
        for (finding, number) in self.findings.iter().zip(1..) {
            let guessed = match finding.certainty {
                Certainty::Proven => "",
                Certainty::Guessed => " (a guess)",
            };
            write!(
                f,
                "\n\n{number}. {}{guessed}: {}",
                finding.cause, finding.what
            )?;
            write!(f, "\n   change: {}", finding.change)?;
            write!(f, "\n   where:  {}", finding.place())?;
        }
        if let Some(advice) = self.advice {
            write!(f, "\n{advice}")?;
        }
        let differ = self.hashed != self.signed;
        match (&self.hashed, &self.signed) {
            (Some(hashed), Some(signed)) if differ => {
                write!(f, "\n\nhashed here: {hashed}\nsigned was:  {signed}")
            }
            (Some(hashed), None) => write!(f, "\n\nhashed here: {hashed}"),
            _ => Ok(()),
        }
    }
}
