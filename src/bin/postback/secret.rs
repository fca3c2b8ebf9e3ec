//! Where secrets come from: the environment or a file, never an argument, which every user of the machine can
//! read in the process list.

use std::path::PathBuf;

use clap::Args;
use postback::wire::KeyRing;

use crate::ending::{Failure, about};

/// The variable that is read when nothing else is said.
const DEFAULT: &str = "BITLABS_APP_SECRET";

#[derive(Args)]
#[group(multiple = false)]
pub(crate) struct SecretArguments {
    #[expect(clippy::doc_markdown, reason = "shown as help")]
    /// The environment variable with the App Secret, or several separated by commas [default:
    /// BITLABS_APP_SECRET].
    #[arg(long, value_name = "NAME")]
    secret_env: Option<String>,
    /// A file with the App Secret. One line break at its end is dropped.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

/// A secret as it was found, and where.
pub(crate) struct Found {
    pub(crate) name: String,
    text: String,
}

impl SecretArguments {
    pub(crate) fn find(&self) -> Result<Found, Failure> {
        match &self.secret_file {
            Some(path) => from_file(path),
            None => from_environment(self.secret_env.as_deref().unwrap_or(DEFAULT)),
        }
    }

    /// The keys, as a receiver would take them.
    pub(crate) fn keys(&self) -> Result<KeyRing, Failure> {
        let found = self.find()?;
        KeyRing::from_list(found.text)
            .map_err(|error| about(format!("{} cannot be used", found.name), error))
    }

    /// The first secret, which signs while several are valid.
    pub(crate) fn signing(&self) -> Result<String, Failure> {
        self.keys()?;
        let found = self.find()?;
        Ok(found.text.split(',').next().unwrap_or_default().to_owned())
    }
}

impl Found {
    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

pub(crate) fn from_environment(name: &str) -> Result<Found, Failure> {
    match std::env::var(name) {
        Ok(text) => Ok(Found {
            name: name.to_owned(),
            text,
        }),
        Err(std::env::VarError::NotPresent) => Err(format!(
            "the environment variable {name} is not set: set it to the App Secret, name another with --secret-env, or \
             give a file with --secret-file"
        )
        .into()),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(format!("the environment variable {name} is not text").into())
        }
    }
}

fn from_file(path: &std::path::Path) -> Result<Found, Failure> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| about(format!("--secret-file {name} cannot be read"), error))?;
    let text = text
        .strip_suffix("\r\n")
        .or_else(|| text.strip_suffix('\n'))
        .unwrap_or(&text)
        .to_owned();
    Ok(Found { name, text })
}
