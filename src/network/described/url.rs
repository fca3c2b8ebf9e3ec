//! The callback URL of an endpoint: which parameter stands for which name of the description.

use super::authentication::Found;
use super::description::Description;
use super::endpoint::Slot;
use super::format::{File, Position, Scheme};
use crate::network::ConfigError;
use crate::verify::{UrlParameter, UrlTemplate};

/// Stands for a secret while a URL is parsed.
pub(super) const PLACEHOLDER: &str = "postback-secret-placeholder";

/// The callback URL of an endpoint.
pub(super) struct Url {
    pub(super) template: UrlTemplate,
    /// The path for a router, with `{secret}` where the secret stands.
    pub(super) route: String,
    /// The parameter of the signature, for networks that sign their URL.
    pub(super) signature: Option<String>,
}

impl Url {
    /// Parses a URL in which [`PLACEHOLDER`] stands for the secret.
    pub(super) fn parse(description: &Description, typed: &str) -> Result<Self, ConfigError> {
        let file = description.file();
        let added = file.parameters.keys().filter(|name| !file.macros.contains_key(*name));
        let reserved: Vec<&str> = match description.scheme() {
            // Every name is the operator's.
            Scheme::Credentials => Vec::new(),
            _ => added.map(String::as_str).collect(),
        };
        let template = UrlTemplate::parse_any(typed, &reserved)?;
        let signature = match description.scheme() {
            Scheme::Url { parameter, position, .. } => {
                let text = file.macro_text(parameter);
                let typed = template
                    .parameters()
                    .iter()
                    .position(|known| known.macro_text() == text.as_deref() && text.is_some());
                if let Some(at) = typed
                    && *position == Position::Last
                    && at + 1 != template.parameters().len()
                {
                    return Err(ConfigError::MissingParameter {
                        what: "signature at the end".to_owned(),
                        fix: description.fix_for(parameter),
                    });
                }
                let typed = typed.and_then(|at| template.parameters().get(at));
                Some(typed.map_or_else(|| parameter.clone(), |known| known.name().to_owned()))
            }
            _ => None,
        };
        let route = template.path().replace(PLACEHOLDER, "{secret}");
        Ok(Self { template, route, signature })
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&UrlParameter> {
        self.template.parameters().iter().find(|parameter| parameter.name() == name)
    }

    /// What is before and after the secret in the path.
    pub(super) fn secret_segment(&self) -> Option<(&str, &str)> {
        self.template.path().split_once(PLACEHOLDER)
    }

    /// The parameters with macros, in the order of these, without the signature.
    pub(super) fn slots_by_macro(
        &self,
        file: &File,
        slots: &mut Slots<'_>,
        signature: &Found,
        omit_empty: &[String],
    ) -> Vec<(usize, bool)> {
        let notation = file.request.notation.as_deref().unwrap_or("NAME");
        let (before, after) = notation.split_once("NAME").unwrap_or_default();
        let mut macros: Vec<(&str, usize)> = Vec::new();
        for parameter in self.template.parameters() {
            let text = parameter.macro_text().and_then(|text| text.strip_prefix(before)?.strip_suffix(after));
            let slot = slots.by_name(parameter.name());
            if let Some(name) = text
                && !matches!(signature, Found::Slot(signature) if *signature == slot)
            {
                macros.push((name, slot));
            }
        }
        macros.sort_unstable();
        let is_omitted = |name: &str| omit_empty.iter().any(|omitted| omitted == name);
        macros.into_iter().map(|(name, slot)| (slot, is_omitted(name))).collect()
    }
}

/// The parameters that an endpoint looks for.
pub(super) struct Slots<'u> {
    pub(super) url: &'u Url,
    pub(super) list: Vec<Slot>,
}

impl<'u> Slots<'u> {
    pub(super) fn new(url: &'u Url) -> Self {
        let is_signature = |parameter: &&UrlParameter| url.signature.as_deref() == Some(parameter.name());
        let parameters = url.template.parameters().iter().filter(|parameter| !is_signature(parameter));
        let list = parameters
            .map(|parameter| Slot {
                name: parameter.name().into(),
                macro_text: parameter.macro_text().map(Box::from),
                value: parameter.static_value().map(Box::from),
                is_in_url: true,
            })
            .collect();
        let mut slots = Self { url, list };
        if let Some(signature) = url.signature.as_deref() {
            // A second parameter of this name was added by somebody else.
            slots.by_name(signature);
        }
        slots
    }

    pub(super) fn by_name(&mut self, name: &str) -> usize {
        if let Some(at) = self.list.iter().position(|slot| *slot.name == *name) {
            return at;
        }
        self.list.push(Slot { name: name.into(), macro_text: None, value: None, is_in_url: false });
        self.list.len() - 1
    }

    /// The parameter that a name of the description stands for: that of the macro, a static one, or one that the
    /// network adds. `None`: the URL has none.
    pub(super) fn resolve(&mut self, file: &File, name: &str) -> Option<usize> {
        if let Some(text) = file.macro_text(name) {
            let found = self.list.iter().position(|slot| slot.macro_text.as_deref() == Some(&*text));
            if found.is_some() {
                return found;
            }
        }
        if file.statics.contains_key(name) {
            let is_typed = |slot: &Slot| *slot.name == *name && slot.is_in_url;
            return self.list.iter().position(is_typed);
        }
        file.parameters.contains_key(name).then(|| self.by_name(name))
    }

    pub(super) fn is_static(&self, slot: usize) -> bool {
        self.list.get(slot).is_some_and(|slot| slot.value.is_some())
    }

    pub(super) fn is_in_url(&self, slots: &[usize]) -> bool {
        slots.iter().any(|slot| self.list.get(*slot).is_some_and(|slot| slot.is_in_url))
    }

    /// The static parameters that must arrive unchanged: all but the secret ones.
    pub(super) fn statics(&self, removed: &[Box<str>]) -> Result<Vec<(usize, Box<str>)>, ConfigError> {
        let mut statics = Vec::new();
        for (at, slot) in self.list.iter().enumerate() {
            if let Some(value) = &slot.value
                && !removed.contains(&slot.name)
            {
                if &**value == PLACEHOLDER {
                    return Err(ConfigError::Url {
                        problem: format!("placeholder in parameter {:?} of the callback URL: type a value", slot.name),
                    });
                }
                statics.push((at, value.clone()));
            }
        }
        Ok(statics)
    }
}
