//! `BitLabs`: offers, in-app purchases, surveys, magic receipts, cashback, general rewards, bans.

use crate::id::{AppName, IdError, NetworkName};
use crate::verify::{KeyRing, SecretError};

/// One app of the network: its name and its secrets.
#[derive(Debug, Clone)]
pub struct App {
    network: NetworkName,
    name: AppName,
    keys: KeyRing,
}

/// Why an app or an endpoint cannot be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BitlabsConfigError {
    /// The app's name cannot be one.
    #[error("invalid app name: {0}")]
    AppName(#[from] IdError),
    /// The secret cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
}

impl App {
    /// An app under a name of the operator's choice, with its App Secret or several.
    ///
    /// The name is part of every key in the store: never change it.
    ///
    /// # Errors
    /// [`BitlabsConfigError`], if the name or the secret cannot be used.
    pub fn new<K>(name: impl AsRef<str>, secret: K) -> Result<Self, BitlabsConfigError>
    where
        K: TryInto<KeyRing>,
        K::Error: Into<SecretError>,
    {
        Ok(Self {
            network: NetworkName::new("bitlabs")?,
            name: AppName::new(name)?,
            keys: secret.try_into().map_err(Into::into)?,
        })
    }

    /// The app's name.
    pub fn name(&self) -> &AppName {
        &self.name
    }
}
