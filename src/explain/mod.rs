//! Why a signature does not match: tries what really goes wrong, and names it. Feature `explain`.
//!
//! For people who set up a receiver, and for development tools. Nothing found here is ever accepted by
//! verification: what comes back is text, no callback. It never holds a secret, and never the right signature
//! of a URL that has a wrong one.
//!
//! ```
//! use postback::explain::{Cause, Explainer};
//! # use postback::testing::bitlabs::Network;
//! # let signed = Network::new("JLOIAUNMHFli7ZJOQVEzm98rzqnm9").sign_url("https://game.example/cb?uid=p1&val=500");
//! # let logged = signed.url().replace("https://", "http://");
//!
//! // `logged` is the URL as the backend sees it, behind a proxy that ends TLS: http://game.example/cb?…
//! let explanation = Explainer::bitlabs()
//!     .secret("BITLABS_APP_SECRET", "JLOIAUNMHFli7ZJOQVEzm98rzqnm9")
//!     .explain(&logged);
//! assert_eq!(explanation.findings()[0].cause, Cause::Scheme);
//! println!("{explanation}");
//! ```

mod cause;
mod explanation;
mod one_byte;
mod prefixes;
mod queries;
mod search;
mod secrets;
mod unexplained;
mod url;

pub use cause::{Cause, Certainty, Finding};
pub use explanation::{Explanation, Outcome};

use zeroize::Zeroizing;

use self::secrets::Held;
use crate::source::bitlabs;
use crate::wire::{SignatureScheme, Template, TemplateError};

/// Longer URLs are not looked at.
const LONGEST_URL: usize = 8192;

/// Knows what a receiver knows — secrets, the dashboard's URL — and explains why a URL's signature does not
/// match.
#[derive(Debug, Clone)]
#[must_use = "it explains a URL when asked to: end with `explain`"]
pub struct Explainer {
    scheme: SignatureScheme,
    reserved: &'static [&'static str],
    secrets: Vec<Held>,
    template: Option<Template>,
    hosts: Vec<String>,
}

impl Explainer {
    /// For the callbacks of `BitLabs`.
    pub fn bitlabs() -> Self {
        Self {
            scheme: bitlabs::scheme(),
            reserved: &bitlabs::RESERVED,
            secrets: Vec::new(),
            template: None,
            hosts: Vec::new(),
        }
    }

    /// The receiver's secret, exactly as it has it, or several separated by commas; `name` is what messages
    /// call it. One that a receiver refuses (white space around it) is welcome here.
    pub fn secret(mut self, name: &str, text: impl Into<String>) -> Self {
        let text = Zeroizing::new(text.into());
        self.secrets.extend(Held::list(name, &text, false));
        self
    }

    /// Another secret that is at hand, of another app perhaps: should it be the one that signed, that is said.
    pub fn other_secret(mut self, name: &str, text: impl Into<String>) -> Self {
        let text = Zeroizing::new(text.into());
        self.secrets.extend(Held::list(name, &text, true));
        self
    }

    /// The URL as typed into the dashboard (or as the receiver is configured, which may be the mistake).
    ///
    /// # Errors
    /// [`TemplateError`], which says what to type instead.
    pub fn template(mut self, typed: &str) -> Result<Self, TemplateError> {
        self.template = Some(Template::parse(typed, self.reserved)?);
        Ok(self)
    }

    /// A host, with or without port, that the request may have been meant for: from `Host` or
    /// `X-Forwarded-Host`. Only for the search.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// Explains a URL as it was received, signature and all. A request target without scheme and host will
    /// do where there is a [`template`](Self::template).
    ///
    /// Takes some milliseconds where no cause is found: thousands of candidates are tried.
    pub fn explain(&self, url: &str) -> Explanation {
        let mut explanation = search::explain(self, url.trim());
        explanation.redact(|text| {
            let redacted = |text: String, held: &Held| held.redact(&text);
            self.secrets.iter().fold(text.to_owned(), redacted)
        });
        explanation
    }
}
