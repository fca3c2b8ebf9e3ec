//! `postback sign`.

use clap::Args;
use postback::testing::bitlabs::Network;

use crate::ending::{Ending, Outcome};
use crate::output::print;
use crate::secret::SecretArguments;

#[derive(Args)]
#[command(after_help = "Example:\n  \
    BITLABS_APP_SECRET=JLOIAUNMHFli7ZJOQVEzm98rzqnm9 postback sign \\\n    'https://publisher.com/complete?uid=p1&val=500'\n\n\
    Exit status: 0 signed; 2 the URL or the secret cannot be used.")]
pub(crate) struct Sign {
    #[command(flatten)]
    secret: SecretArguments,
    /// The URL as it is to be sent, without its hash, with every macro filled in.
    url: String,
}

impl Sign {
    pub(crate) fn run(self) -> Outcome {
        let query = self
            .url
            .split_once('?')
            .map(|(_, query)| query)
            .filter(|query| !query.is_empty());
        let Some(query) = query else {
            return Err(
                "URL has no parameters: the network signs none such (put them behind a '?')".into(),
            );
        };
        if !self.url.starts_with("https://") && !self.url.starts_with("http://") {
            return Err(
                "URL must begin with https:// or http://: scheme and host are signed along".into(),
            );
        }
        if query.starts_with("hash=") || query.contains("&hash=") {
            return Err("URL is signed already: give it without its hash parameter".into());
        }
        if self.url.contains("[%") {
            return Err("URL holds macros: fill them in, as the network would".into());
        }
        if self.url.contains(['#', ' ']) || self.url.chars().any(char::is_control) {
            return Err(
                "URL holds a space, a '#' or a control character: percent-encode it (%20, %23)"
                    .into(),
            );
        }
        let network = Network::new(self.secret.signing()?);
        print(network.sign_url(&self.url).url())?;
        Ok(Ending::Fine)
    }
}
