//! An endpoint of whatever family.

use postback::bitlabs::{BitlabsCallback, Endpoint, Family};
use postback::event::Event;
use postback::source::{OpenError, Source};
use postback::wire::Request;
use serde_json::Value;

/// What a genuine callback says, in forms that all families share.
pub(crate) struct Opened {
    pub(crate) event: Event,
    /// The typed callback, serialised.
    pub(crate) fields: Value,
}

pub(crate) trait Opens: Send + Sync {
    fn open(&self, request: &Request<'_>) -> Result<Opened, OpenError>;
    fn family(&self) -> Family;
    /// The path of the dashboard's URL; `/` where it has none.
    fn path(&self) -> &str;
}

impl<C: BitlabsCallback> Opens for Endpoint<C> {
    fn open(&self, request: &Request<'_>) -> Result<Opened, OpenError> {
        let callback = Source::open(self, request)?;
        Ok(Opened {
            event: callback.event(),
            // Every callback is a map of texts: this cannot fail.
            fields: serde_json::to_value(&callback).unwrap_or_default(),
        })
    }

    fn family(&self) -> Family {
        Endpoint::family(self)
    }

    fn path(&self) -> &str {
        Endpoint::path(self)
    }
}

/// The endpoint that a request is for: the one with its path or, where there is only one, that.
pub(crate) fn find<'e>(endpoints: &'e [Box<dyn Opens>], target: &str) -> Option<&'e dyn Opens> {
    let path = target.split('?').next().unwrap_or_default();
    match endpoints {
        [only] => Some(&**only),
        several => several
            .iter()
            .find(|endpoint| endpoint.path() == path)
            .map(|endpoint| &**endpoint),
    }
}

/// Path and query of a URL, or of what is a request target already.
pub(crate) fn target_of(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let is_whole = rest.len() < url.len();
    match rest.find(['/', '?']) {
        Some(at) if is_whole => {
            let target = rest.get(at..).unwrap_or_default();
            let slash = if target.starts_with('?') { "/" } else { "" };
            format!("{slash}{target}")
        }
        None if is_whole => "/".to_owned(),
        _ => url.to_owned(),
    }
}
