//! `postback explain`.

use clap::Args;
use postback::explain::{Certainty, Explainer, Explanation, Finding, Outcome as Standing};
use serde_json::{Value, json};

use crate::ending::{Ending, Outcome, about};
use crate::input::each_url;
use crate::output::print;
use crate::secret::{SecretArguments, from_environment};

#[derive(Args)]
#[command(
    after_help = "Example (TLS ends at a proxy, so the backend sees http where https was signed):\n  \
    BITLABS_APP_SECRET=JLOIAUNMHFli7ZJOQVEzm98rzqnm9 postback explain \\\n    'http://publisher.com/complete?uid=\
    8cc877ee-af19-488d-b28d-216fb866b996&val=500&hash=dbcd6bb8ca677344592842a52b4fca9bec36cd4b'\n\n\
    Exit status: 0 the URL is genuine; 1 it is not; 2 the command could not be carried out."
)]
pub(crate) struct Explain {
    #[command(flatten)]
    secret: SecretArguments,
    /// The variable of another secret that is at hand, perhaps another app's. May be given several times.
    #[arg(long, value_name = "NAME")]
    other_secret_env: Vec<String>,
    /// The URL as typed into the dashboard, or as the receiver is configured.
    #[arg(long, value_name = "URL")]
    template: Option<String>,
    /// A host that the request may have been meant for, from Host or X-Forwarded-Host. May be given several times.
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,
    /// One JSON object a URL.
    #[arg(long)]
    json: bool,
    /// The URL as received, hash and all; '-' or nothing: one a line from standard input.
    url: Option<String>,
}

impl Explain {
    pub(crate) fn run(self) -> Outcome {
        let found = self.secret.find()?;
        let name = found.name.clone();
        let mut explainer = Explainer::bitlabs().secret(&name, found.into_text());
        for name in &self.other_secret_env {
            explainer = explainer.other_secret(name, from_environment(name)?.into_text());
        }
        if let Some(template) = &self.template {
            explainer = explainer
                .template(template)
                .map_err(|error| about("--template cannot be used", error))?;
        }
        for host in self.host {
            explainer = explainer.host(host);
        }
        let mut all_genuine = true;
        each_url(self.url.as_deref(), |url| {
            let explanation = explainer.explain(url);
            all_genuine &= explanation.outcome() == Standing::Genuine;
            if self.json {
                print(as_json(&explanation))
            } else {
                print(&explanation)
            }
        })?;
        Ok(Ending::fine_if(all_genuine))
    }
}

pub(crate) fn as_json(explanation: &Explanation) -> Value {
    let finding = |finding: &Finding| {
        json!({
            "cause": finding.cause.as_str(),
            "is_proven": finding.certainty == Certainty::Proven,
            "what": finding.what,
            "change": finding.change,
            "where": finding.place(),
        })
    };
    let outcome = match explanation.outcome() {
        Standing::Genuine => "genuine",
        Standing::Explained => "explained",
        Standing::Guessed => "guessed",
        Standing::Unknown => "no known cause",
        _ => "too little is known",
    };
    json!({
        "outcome": outcome,
        "findings": explanation.findings().iter().map(finding).collect::<Vec<_>>(),
        "hashed_here": explanation.hashed(),
        "signed_was": explanation.signed(),
        "secret": explanation.secret_name(),
        "advice": explanation.advice(),
    })
}
