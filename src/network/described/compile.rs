//! Turns a description and the operator's choices into an endpoint.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::authentication::{
    Authenticator, Credential, Credentials, Found, SharedSecret, Signature, TextPart, UrlSecret, url_authenticator,
};
use super::builder::DescribedBuilder;
use super::endpoint::{Roles, Rules, Setup, TextCheck};
use super::format::{Meaning, Order, OriginalForm, Pairs, Place, ResponseTable, Role, Scheme};
use super::signed_text::Part;
use super::url::{PLACEHOLDER, Slots, Url};
use crate::id::{AppName, NetworkName};
use crate::network::ConfigError;
use crate::verify::{EXAMPLE_SECRET, KeyId, parse_amount};

/// The fewest characters of a secret that the operator adds to the URL.
const MIN_URL_SECRET: usize = 16;

impl DescribedBuilder {
    /// Checks everything.
    pub(super) fn compile(&self) -> Result<Setup, ConfigError> {
        let description = &self.description;
        let file = description.file();
        let app = AppName::new(&self.app)?;
        if !self.credentials.is_empty() && !matches!(description.scheme(), Scheme::Credentials) {
            return Err(ConfigError::NotForNetwork {
                what: "a credential",
                network: description.name().to_string(),
                fix: "it proves callbacks otherwise, so set its secret",
            });
        }
        if self.url.as_ref().is_some_and(|url| url.contains(EXAMPLE_SECRET)) {
            return Err(ConfigError::Url {
                problem: format!(
                    "{EXAMPLE_SECRET:?} is only an example: type a long random text in its place, here and in the \
                     network's dashboard"
                ),
            });
        }
        let endpoint = self.endpoint_name()?;
        let url = Url::parse(description, &self.typed_url()?)?;
        let mut slots = Slots::new(&url);

        let roles = self.resolve_roles(&mut slots)?;
        let meanings = self.rules(&roles, &mut slots)?;
        self.check_roles(&roles, &meanings, &slots)?;

        let secret = self.url_secret(&url, &mut slots)?;
        let authenticator = self.authenticator(&url, &mut slots)?;
        let mut removed = removed_names(&authenticator, &slots);
        removed.extend(secret.as_ref().map(|secret| secret.name.clone()));
        removed.extend(self.credentials.iter().filter_map(Credential::parameter_name).map(Box::from));

        let covered = covered_slots(&authenticator, &slots);
        let is_uncovered = |role: &Role| {
            let known = roles.get(*role);
            !known.is_empty() && !known.iter().all(|slot| covered.contains(slot) || slots.is_static(*slot))
        };
        let uncovered: Vec<Role> = Role::DECIDING.into_iter().filter(is_uncovered).collect();
        let checks = self.text_checks(&authenticator, &roles, secret.is_some(), &uncovered)?;
        let statics = slots.statics(&removed)?;
        self.check_shared(&roles, &slots, &removed)?;

        let accept_probe = self.accepts_probe.unwrap_or(file.response.accept_probe);
        Ok(Setup {
            network: description.name().clone(),
            app,
            endpoint,
            path: url.route.clone(),
            methods: file.methods().to_vec(),
            bodies: file.request.body.clone(),
            body_limit: if file.request.body.is_empty() { 0 } else { self.body_limit },
            names: slots.list.iter().map(|slot| slot.name.clone()).collect(),
            slots: slots.list,
            roles,
            statics,
            removed,
            authenticator,
            secret,
            rules: meanings,
            checks,
            uncovered,
            is_uniform: !file.request.body.is_empty(),
            response: ResponseTable { accept_probe, ..file.response.clone() },
            senders: self.senders.clone(),
        })
    }

    fn endpoint_name(&self) -> Result<Cow<'static, str>, ConfigError> {
        Ok(match &self.endpoint {
            // The rule for every name that an operator chooses.
            Some(name) => NetworkName::new(name)?.as_str().to_owned().into(),
            None if self.is_reversal_url() => "reversals".into(),
            None => "postbacks".into(),
        })
    }

    fn resolve_roles(&self, slots: &mut Slots<'_>) -> Result<Roles, ConfigError> {
        let file = self.description.file();
        let mut roles = Roles::default();
        for role in Role::ALL {
            if let Some(name) = self.names.get(&role) {
                if name.is_empty() || (!file.macros.is_empty() && slots.url.parameter(name).is_none()) {
                    return Err(ConfigError::MissingParameter {
                        what: role.as_str().to_owned(),
                        fix: format!("&{name}=… with the network's macro"),
                    });
                }
                let slot = slots.by_name(name);
                roles.set(role, vec![slot]);
                roles.configured.push(role);
                continue;
            }
            let names = self.description.names_of(role);
            let resolved = names.iter().filter_map(|name| slots.resolve(file, name)).collect();
            roles.set(role, resolved);
            if slots.is_in_url(roles.get(role)) {
                roles.configured.push(role);
            }
        }
        Ok(roles)
    }

    fn rules(&self, roles: &Roles, slots: &mut Slots<'_>) -> Result<Rules, ConfigError> {
        let file = self.description.file();
        let meaning = &file.meaning;
        let has_status = !roles.get(Role::Status).is_empty();
        let mut words: Vec<(Box<str>, Meaning)> = Vec::new();
        let described = meaning.status.iter().map(|(word, meaning)| (word, *meaning));
        let own = self.words.iter().map(|(word, meaning)| (word, *meaning));
        // A word of the operator's comes before the same one of the description.
        for (word, meaning) in own.chain(described) {
            if !words.iter().any(|(known, _)| known.eq_ignore_ascii_case(word)) {
                words.push((word.as_str().into(), meaning));
            }
        }
        let fixed = self.meaning.or(meaning.always);
        if fixed.is_none() && !has_status && meaning.absent.is_none() {
            return Err(self.missing_role(Role::Status).unwrap_or(ConfigError::NoMeaning));
        }
        let mut conditions = |of: &BTreeMap<String, Vec<String>>| -> Vec<(usize, Vec<String>)> {
            of.iter().filter_map(|(name, values)| Some((slots.resolve(file, name)?, values.clone()))).collect()
        };
        let tests = conditions(&meaning.test);
        let not_rewards = conditions(&meaning.not_a_reward);
        let ban = file.ban.as_ref().and_then(|ban| {
            let slot = slots.resolve(file, &ban.field)?;
            Some((slot, ban.banned.clone(), ban.unbanned.clone()))
        });
        Ok(Rules {
            fixed,
            // Where there is one URL for each status, a parameter that says otherwise is a mistake in the dashboard.
            checks_status: self.meaning.is_some(),
            requires_status: roles.configured.contains(&Role::Status),
            words,
            absent: meaning.absent,
            empty: meaning.empty,
            negative_reverses: meaning.negative.is_some(),
            allows_no_amount: meaning.no_amount.is_some(),
            has_goal_transactions: self.description.has_goal_transactions(),
            has_transactions_of_players: self.description.has_transactions_of_players(),
            // The dashboard decides whether there is a goal: then an absent one is a mistake there.
            requires_goal: roles.configured.contains(&Role::Goal),
            reinstates: self.reinstates.unwrap_or(meaning.reinstates),
            original: file.reversal.original.clone(),
            // A macro that is not in the URL.
            only_reversals_refer: self
                .description
                .names_of(Role::Original)
                .iter()
                .any(|name| file.macro_text(name).is_some())
                && !roles.configured.contains(&Role::Original),
            takes_back: file.reversal.takes_back,
            tests,
            not_rewards,
            ban,
        })
    }

    /// How to add a parameter for a role to the URL.
    fn missing_role(&self, role: Role) -> Option<ConfigError> {
        let name = self.description.names_of(role).first()?;
        Some(ConfigError::MissingParameter { what: role.as_str().to_owned(), fix: self.description.fix_for(name) })
    }

    fn check_roles(&self, roles: &Roles, meanings: &Rules, slots: &Slots<'_>) -> Result<(), ConfigError> {
        for role in [Role::Player, Role::Transaction] {
            if roles.get(role).is_empty() {
                return Err(self.missing_role(role).unwrap_or(ConfigError::NoMeaning));
            }
        }
        if meanings.may_be(Meaning::Completed) && roles.get(Role::Amount).is_empty() {
            return Err(self.missing_role(Role::Amount).unwrap_or(ConfigError::NoMeaning));
        }
        let reverses = meanings.may_be(Meaning::Reversed) || meanings.negative_reverses;
        if reverses && meanings.original == OriginalForm::Field && roles.get(Role::Original).is_empty() {
            return Err(self.missing_role(Role::Original).unwrap_or(ConfigError::NoMeaning));
        }
        for role in Role::ALL {
            for slot in roles.get(role).iter().filter_map(|slot| slots.list.get(*slot)) {
                let Some(value) = &slot.value else { continue };
                match role {
                    Role::Amount => {
                        let amount = parse_amount(value);
                        let reason = match amount {
                            Ok(amount) if amount >= Decimal::ZERO => continue,
                            Ok(_) => "negative: type what a completed callback pays",
                            Err(reason) => reason,
                        };
                        return Err(ConfigError::StaticAmount { name: slot.name.to_string(), reason });
                    }
                    Role::Status | Role::Currency | Role::Reason => {}
                    _ => {
                        return Err(ConfigError::StaticValue {
                            name: slot.name.to_string(),
                            what: role.as_str().to_owned(),
                        });
                    }
                }
            }
        }
        Ok(())
    }

    /// The secret in the URL next to a signature: one that was typed, or that of the default URL.
    fn url_secret(&self, url: &Url, slots: &mut Slots<'_>) -> Result<Option<UrlSecret>, ConfigError> {
        if matches!(self.description.scheme(), Scheme::Secret { .. } | Scheme::Credentials) {
            return Ok(None);
        }
        let name = self.description.file().url_secret_name();
        let Some(parameter) = url.parameter(name) else {
            return Ok(None);
        };
        let secret = match parameter.static_value().filter(|text| *text != PLACEHOLDER) {
            Some(text) if text.chars().count() < MIN_URL_SECRET => {
                return Err(ConfigError::Url {
                    problem: format!(
                        "secret in parameter {name:?} of the callback URL has fewer than {MIN_URL_SECRET} characters: \
                         type a long random text"
                    ),
                });
            }
            Some(text) => SharedSecret::of_texts([(KeyId::new("url")?, text.to_owned())]),
            // The default URL, or `{secret}` in the secret's place.
            None if parameter.macro_text().is_none_or(|text| text == "{secret}") => {
                SharedSecret::of_texts(self.url_secrets()?)
            }
            None => {
                return Err(ConfigError::Url {
                    problem: format!(
                        "secret in parameter {name:?} of the callback URL contains one of [ ] {{ }} < > $ %, as macros do: \
                         type letters and digits"
                    ),
                });
            }
        };
        Ok(Some(UrlSecret { slot: slots.by_name(name), name: name.into(), secret }))
    }

    #[allow(clippy::too_many_lines, reason = "one arm for each kind")]
    fn authenticator(&self, url: &Url, slots: &mut Slots<'_>) -> Result<Authenticator, ConfigError> {
        let file = self.description.file();
        let place = |place: &Place, slots: &mut Slots<'_>| -> Result<Found, ConfigError> {
            Ok(match place {
                Place::Header(name) => Found::Header(name.clone()),
                Place::Path => {
                    let (before, after) = url.secret_segment().ok_or_else(|| ConfigError::MissingParameter {
                        what: "secret".to_owned(),
                        fix: "{secret} as a segment of its path".to_owned(),
                    })?;
                    Found::Path { before: before.to_owned(), after: after.to_owned() }
                }
                Place::Parameter(name) => {
                    let slot = slots.resolve(file, name).ok_or_else(|| ConfigError::MissingParameter {
                        what: "signature or secret".to_owned(),
                        fix: self.description.fix_for(name),
                    })?;
                    Found::Slot(slot)
                }
            })
        };
        Ok(match self.description.scheme() {
            Scheme::Url { hash, encoding, position, .. } => {
                let name = url.signature.as_deref().unwrap_or_default();
                url_authenticator(*hash, *encoding, *position, name, self.ring()?, url.template.signed_prefixes())
            }
            Scheme::Message { hash, encoding, place: at, parts } => {
                let place = place(at, slots)?;
                let parts = self.text_parts(parts, slots)?;
                Authenticator::Message { signature: Signature::new(*hash, *encoding, self.ring()?), place, parts }
            }
            Scheme::Sorted { hash, encoding, place: at, pairs, order, join, omit_empty } => {
                let place = place(at, slots)?;
                let macros = match order {
                    Order::Name => None,
                    Order::Macro => Some(url.slots_by_macro(file, slots, &place, omit_empty)),
                };
                Authenticator::Sorted {
                    signature: Signature::new(*hash, *encoding, self.ring()?),
                    place,
                    pairs: *pairs,
                    join: join.clone(),
                    macros,
                }
            }
            Scheme::Body { hash, encoding, header, prefix } => Authenticator::Body {
                signature: Signature::new(*hash, *encoding, self.ring()?),
                header: header.clone(),
                prefix: prefix.clone(),
            },
            Scheme::Secret { place: at } => self.secret_authenticator(at, place(at, slots)?, slots)?,
            Scheme::Credentials => {
                let mut credentials = self.credentials.clone();
                if let Some(keys) = &self.keys {
                    credentials.extend(keys.iter().map(|(_, secret)| Credential::token(secret)));
                }
                if credentials.is_empty() {
                    return Err(self.no_secret());
                }
                Authenticator::Credentials(Credentials::new(credentials))
            }
        })
    }

    fn secret_authenticator(&self, at: &Place, place: Found, slots: &Slots<'_>) -> Result<Authenticator, ConfigError> {
        let keys = self.ring()?;
        let secret = SharedSecret::of_ring(keys);
        if *at == Place::Path && !keys.iter().all(|(_, secret)| is_path_text(secret.as_bytes())) {
            return Err(ConfigError::PathSecret);
        }
        // Nobody but the operator chose it.
        let is_own = match at {
            Place::Path => true,
            Place::Parameter(name) => self.description.file().statics.contains_key(name),
            Place::Header(_) => false,
        };
        if is_own && keys.iter().any(|(_, secret)| secret.as_bytes().len() < MIN_URL_SECRET) {
            return Err(ConfigError::Secret {
                problem: format!(
                    "secret with fewer than {MIN_URL_SECRET} characters: nothing else proves that a callback is \
                     genuine, so choose a long random text"
                ),
            });
        }
        if let Found::Slot(slot) = &place
            && let Some(typed) = slots.list.get(*slot).and_then(|slot| slot.value.as_deref())
            && typed != PLACEHOLDER
            && !secret.matches(typed.as_bytes())
        {
            return Err(ConfigError::Credential {
                fix: "the secret in the callback URL is none of those configured: correct one of the two",
            });
        }
        Ok(Authenticator::Secret { secret, place })
    }

    fn text_parts(&self, parts: &[Part], slots: &mut Slots<'_>) -> Result<Vec<TextPart>, ConfigError> {
        let file = self.description.file();
        let mut resolved = Vec::new();
        for part in parts {
            resolved.push(match part {
                Part::Literal(text) => TextPart::Literal(text.clone()),
                Part::Secret => TextPart::Secret,
                Part::Field { name, is_optional, is_integer } => match slots.resolve(file, name) {
                    Some(slot) => TextPart::Field {
                        slot,
                        is_optional: *is_optional,
                        is_integer: *is_integer,
                        shape: self.description.shape_of(name),
                    },
                    None if *is_optional => continue,
                    None => {
                        return Err(ConfigError::MissingParameter {
                            what: "signature, which covers it".to_owned(),
                            fix: self.description.fix_for(name),
                        });
                    }
                },
            });
        }
        Ok(resolved)
    }

    /// What must be checked of single values so that the signature proves them.
    fn text_checks(
        &self,
        authenticator: &Authenticator,
        roles: &Roles,
        has_secret: bool,
        uncovered: &[Role],
    ) -> Result<Vec<TextCheck>, ConfigError> {
        let mut checks = Vec::new();
        for (role, shape) in &self.shapes {
            for slot in roles.get(*role) {
                checks.push(TextCheck { slot: *slot, shape: Some(*shape), separators: Vec::new() });
            }
        }
        // A secret in the URL proves the sender, so that nobody else can choose where a value ends.
        if has_secret {
            return Ok(checks);
        }
        let own_shape = |name: &str| {
            let has_name = |role: &Role| self.description.names_of(*role).iter().any(|known| known == name);
            self.shapes.iter().find(|(role, _)| has_name(role)).map(|(_, shape)| *shape)
        };
        let shape_of = |name: &str| own_shape(name).or_else(|| self.description.shape_of(name));
        let ambiguous = self.description.ambiguous_names(shape_of);
        // A signature that does not cover the transaction can be used again with another one anyway, which is reported.
        if !ambiguous.is_empty() && !uncovered.contains(&Role::Transaction) {
            return Err(ConfigError::AmbiguousSignature {
                fields: ambiguous.join(", "),
                parameter: self.description.file().url_secret_name().to_owned(),
            });
        }
        let amounts = roles.get(Role::Amount);
        match authenticator {
            Authenticator::Message { parts, .. } => {
                let is_field = |part: &&TextPart| matches!(part, TextPart::Field { .. });
                let has_several = parts.iter().filter(is_field).count() > 1;
                let literals = parts.iter().filter_map(|part| match part {
                    TextPart::Literal(text) => Some(Box::from(text.as_str())),
                    _ => None,
                });
                let separators: Vec<Box<str>> = literals.filter(|_| has_several).collect();
                for part in parts {
                    if let TextPart::Field { slot, shape, is_integer, .. } = part {
                        let is_number = *is_integer || amounts.contains(slot);
                        checks.push(TextCheck {
                            slot: *slot,
                            shape: *shape,
                            separators: if is_number { Vec::new() } else { separators.clone() },
                        });
                    }
                }
            }
            Authenticator::Sorted { pairs, join, macros, .. } if *pairs != Pairs::PhpForm && !join.is_empty() => {
                let every: Vec<usize> = match macros {
                    Some(macros) => macros.iter().map(|(slot, _)| *slot).collect(),
                    None => Role::DECIDING.iter().flat_map(|role| roles.get(*role).to_vec()).collect(),
                };
                checks.extend(every.into_iter().map(|slot| TextCheck {
                    slot,
                    shape: None,
                    separators: vec![join.as_str().into()],
                }));
            }
            _ => {}
        }
        Ok(checks)
    }

    /// One parameter for two things is a mistake, unless the description says so.
    fn check_shared(&self, roles: &Roles, slots: &Slots<'_>, removed: &[Box<str>]) -> Result<(), ConfigError> {
        for role in Role::ALL {
            let own = self.names.contains_key(&role);
            for slot in roles.get(role) {
                let name = slots.list.get(*slot).map_or("", |slot| &*slot.name);
                let shared = |second: &str| ConfigError::SharedParameter {
                    name: name.to_owned(),
                    first: role.as_str().to_owned(),
                    second: second.to_owned(),
                };
                if removed.iter().any(|removed| **removed == *name) {
                    return Err(shared("secret or signature"));
                }
                let other = Role::ALL.into_iter().find(|other| *other != role && roles.get(*other).contains(slot));
                if let Some(other) = other.filter(|other| own || self.names.contains_key(other)) {
                    return Err(shared(other.as_str()));
                }
            }
        }
        Ok(())
    }
}

/// The parameters that are signed.
fn covered_slots(authenticator: &Authenticator, slots: &Slots<'_>) -> Vec<usize> {
    let all = || (0..slots.list.len()).collect();
    match authenticator {
        Authenticator::UrlEnd(_)
        | Authenticator::UrlAnywhere { .. }
        | Authenticator::Body { .. }
        | Authenticator::Sorted { macros: None, .. } => all(),
        Authenticator::Sorted { macros: Some(macros), .. } => macros.iter().map(|(slot, _)| *slot).collect(),
        Authenticator::Message { parts, .. } => parts
            .iter()
            .filter_map(|part| match part {
                TextPart::Field { slot, .. } => Some(*slot),
                _ => None,
            })
            .collect(),
        Authenticator::Secret { .. } | Authenticator::Credentials(_) => Vec::new(),
    }
}

fn is_path_text(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._~-".contains(byte))
}

/// The names of the parameters that contain a signature or secret.
fn removed_names(authenticator: &Authenticator, slots: &Slots<'_>) -> Vec<Box<str>> {
    let place = match authenticator {
        Authenticator::UrlAnywhere { parameter, .. } => return vec![parameter.clone()],
        Authenticator::Message { place, .. }
        | Authenticator::Sorted { place, .. }
        | Authenticator::Secret { place, .. } => place,
        _ => return Vec::new(),
    };
    let Found::Slot(slot) = place else {
        return Vec::new();
    };
    slots.list.get(*slot).map(|slot| slot.name.clone()).into_iter().collect()
}
