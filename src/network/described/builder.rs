//! Building an endpoint from a description and the operator's choices.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use rust_decimal::Decimal;

use super::authentication::{
    Authenticator, Credential, Credentials, Found, Keys, SharedSecret, TextPart, UrlSecret,
    url_authenticator,
};
use super::description::{Description, UrlFinding};
use super::endpoint::{DescribedEndpoint, Rules, Setup, Slot, TextCheck};
use super::format::{File, Meaning, Order, OriginalForm, Pairs, Place, Position, Role, Scheme};
use super::signed_text::{Part, Shape};
use crate::id::{AppName, NetworkName};
use crate::network::{ConfigError, Senders};
use crate::verify::{
    HashFunction, KeyId, KeyRing, MacroStyle, PreparedMac, Secret, SecretError, UrlError,
    UrlParameter, UrlTemplate, UrlValue, parse_amount,
};

/// What a completed callback means that arrives after a reversal of the same transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum AfterReversal {
    /// It pays nothing: a reversal is final. Then neither order nor repetition matters.
    #[default]
    Ignored,
    /// It makes the reward due again. An old callback that is delivered once more after the reversal then pays, too:
    /// choose it only for a network that is known to edit statuses back and forth.
    Reinstates,
}

/// Builds a [`DescribedEndpoint`].
///
/// Without a URL, the endpoint is at `/callbacks/NAME` and expects the parameters of the default URL, which
/// [`dashboard_url`](Self::dashboard_url) prints for the network's dashboard.
#[derive(Clone)]
#[must_use = "`build` makes the endpoint"]
pub struct DescribedBuilder {
    description: Description,
    app: String,
    endpoint: Option<String>,
    keys: Option<KeyRing>,
    credentials: Vec<Credential>,
    url: Option<String>,
    meaning: Option<Meaning>,
    names: BTreeMap<Role, String>,
    words: Vec<(String, Meaning)>,
    shapes: Vec<(Role, Shape)>,
    after_reversal: Option<AfterReversal>,
    senders: Option<Senders>,
    accepts_probe: Option<bool>,
    body_limit: usize,
}

/// The roles that money depends on.
const DECIDING: [Role; 6] = [
    Role::Player,
    Role::Transaction,
    Role::Original,
    Role::Goal,
    Role::Amount,
    Role::Status,
];
/// The largest body limit.
const MAX_BODY_BYTES: usize = 1 << 20;
const DEFAULT_BODY_BYTES: usize = 64 * 1024;
/// Stands for a secret while a URL is parsed.
const PLACEHOLDER: &str = "postback-secret-placeholder";

impl DescribedBuilder {
    pub(super) fn new(description: Description, app: String) -> Self {
        Self {
            description,
            app,
            endpoint: None,
            keys: None,
            credentials: Vec::new(),
            url: None,
            meaning: None,
            names: BTreeMap::new(),
            words: Vec::new(),
            shapes: Vec::new(),
            after_reversal: None,
            senders: None,
            accepts_probe: None,
            body_limit: DEFAULT_BODY_BYTES,
        }
    }

    /// The secret that the network signs with or sends, or several while one is being replaced. For a network that
    /// signs nothing, a long random text of your own. A network with HTTP credentials takes it as a
    /// [token](Credential::token).
    ///
    /// # Errors
    /// [`ConfigError::Secret`], if it is empty or has white space around it.
    pub fn secret<K>(mut self, secret: K) -> Result<Self, ConfigError>
    where
        K: TryInto<KeyRing>,
        K::Error: Into<SecretError>,
    {
        self.keys = Some(secret.try_into().map_err(Into::into)?);
        Ok(self)
    }

    /// Accepts a credential, in addition to those accepted before. For networks with HTTP credentials.
    pub fn credential(mut self, credential: Credential) -> Self {
        self.credentials.push(credential);
        self
    }

    /// The callback URL as typed into the network's dashboard, macros included. A network that signs its URL needs
    /// it. Parameters may have any name: they are known by their macros.
    ///
    /// A static parameter called `secret` (or as the description says) is a second secret: it is compared in constant
    /// time and never kept. Any other static parameter must arrive unchanged.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// What every callback of this endpoint means, where the network has a URL for each meaning.
    pub fn meaning(mut self, meaning: Meaning) -> Self {
        self.meaning = Some(meaning);
        self
    }

    /// The parameter that brings a role, by its name in the request. For networks whose names are chosen in their
    /// dashboard, and to use a static parameter of the URL as the amount.
    pub fn parameter(mut self, role: Role, name: impl Into<String>) -> Self {
        self.names.insert(role, name.into());
        self
    }

    /// What a word of the status means, in addition to the description. Case does not matter.
    pub fn word(mut self, word: impl Into<String>, meaning: Meaning) -> Self {
        self.words.push((word.into(), meaning));
        self
    }

    /// The shape of the values of a role. Where the signature runs its fields together, it shows where a value ends.
    pub fn shape(mut self, role: Role, shape: Shape) -> Self {
        self.shapes.push((role, shape));
        self
    }

    /// What a completed callback means after a reversal. Default: it is ignored.
    pub fn after_reversal(mut self, meaning: AfterReversal) -> Self {
        self.after_reversal = Some(meaning);
        self
    }

    /// The addresses that the network is expected to call from.
    pub fn senders(mut self, senders: Senders) -> Self {
        self.senders = Some(senders);
        self
    }

    /// Whether a `HEAD` request, or one without parameters, is answered 200, as some dashboards demand before they
    /// save a URL. Nothing is processed. Default: as the description says, usually no.
    pub fn accept_probe(mut self, accepts: bool) -> Self {
        self.accepts_probe = Some(accepts);
        self
    }

    /// The endpoint's name in events, logs and metrics. Default `postbacks`.
    pub fn endpoint(mut self, name: impl Into<String>) -> Self {
        self.endpoint = Some(name.into());
        self
    }

    /// The longest body that is read, in bytes. Default 64 KiB, at most 1 MiB.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes.min(MAX_BODY_BYTES);
        self
    }

    /// The URL to paste into the network's dashboard, for a base such as `https://game.example`: the one that was set,
    /// or the default one **with its secret**. Treat it like one.
    ///
    /// # Errors
    /// [`ConfigError::NoSecret`], if the default URL needs the secret and none was set.
    pub fn dashboard_url(&self, base: &str) -> Result<String, ConfigError> {
        if let Some(url) = &self.url {
            return Ok(url.clone());
        }
        let is_reversal = self.is_reversal_url();
        let bare = self
            .description
            .default_url(base, is_reversal, Some(PLACEHOLDER));
        if !bare.contains(PLACEHOLDER) {
            return Ok(bare);
        }
        let (_, secret) = self.url_secrets()?.pop().ok_or_else(|| self.no_secret())?;
        Ok(self
            .description
            .default_url(base, is_reversal, Some(&secret)))
    }

    /// Checks everything and makes the endpoint. Logs what the network's signature does not cover.
    ///
    /// # Errors
    /// [`ConfigError`]: what is wrong, and what to do instead.
    pub fn build(self) -> Result<DescribedEndpoint, ConfigError> {
        let setup = self.compile()?;
        if !setup.uncovered.is_empty() {
            let roles: Vec<&str> = setup.uncovered.iter().map(|role| role.as_str()).collect();
            tracing::warn!(
                target: "postback::endpoint",
                network = setup.network.as_str(),
                app = setup.app.as_str(),
                uncovered = roles.join(","),
                has_static_secret = setup.has_shared_secret(),
                "the network's signature does not cover everything that money depends on: keep the callback URL secret"
            );
        }
        Ok(DescribedEndpoint::new(Arc::new(setup)))
    }

    /// Whether an endpoint can be built, once it has a secret.
    pub(super) fn check(mut self) -> Result<(), ConfigError> {
        let typed = self.url.as_deref().and_then(|url| self.typed_secret(url));
        self.keys = Some(match typed {
            Some(secret) => Secret::new(secret)?.into(),
            None => KeyRing::try_from("check")?,
        });
        self.compile().map(|_| ())
    }

    /// The secret in a callback URL of a network that signs nothing.
    fn typed_secret(&self, url: &str) -> Option<String> {
        match self.description.scheme() {
            Scheme::Secret {
                place: Place::Parameter(name),
            } => {
                let template = UrlTemplate::parse_optional(url, MacroStyle::Any, &[]).ok()?;
                let mut parameters = template.parameters().iter();
                let typed = parameters.find(|parameter| parameter.name() == name)?;
                match typed.value() {
                    UrlValue::Static(text) => Some(text.to_string()),
                    UrlValue::Macro(_) => None,
                }
            }
            Scheme::Secret { place: Place::Path } => {
                let path = self.description.path(false);
                let (_, after) = path.split_once("{secret}")?;
                let before = url.split('?').next()?.strip_suffix(after)?;
                before.rsplit('/').next().map(str::to_owned)
            }
            _ => None,
        }
    }

    /// Whether this endpoint is for the network's second URL.
    fn is_reversal_url(&self) -> bool {
        self.meaning == Some(Meaning::Reversed)
            && self.description.file().request.reversal_url.is_some()
    }

    fn no_secret(&self) -> ConfigError {
        ConfigError::NoSecret {
            network: self.description.name().to_string(),
            fix: match self.description.scheme() {
                Scheme::Credentials => "add the credential of its dashboard",
                Scheme::Secret {
                    place: Place::Parameter(name),
                } if !self.description.file().statics.contains_key(name) => {
                    "add the one of its dashboard"
                }
                Scheme::Secret { .. } => {
                    "add a long random text of your own, which the callback URL contains"
                }
                _ => "add the one of its dashboard",
            },
        }
    }

    fn ring(&self) -> Result<&KeyRing, ConfigError> {
        self.keys.as_ref().ok_or_else(|| self.no_secret())
    }

    /// What the secret in the URL may be: the secret itself where the network signs nothing, otherwise a text derived
    /// from it, so that the URL does not give the key away.
    fn url_secrets(&self) -> Result<Vec<(KeyId, String)>, ConfigError> {
        let is_plain = matches!(self.description.scheme(), Scheme::Secret { .. });
        let text = |secret: &Secret| {
            if is_plain {
                return String::from_utf8_lossy(secret.as_bytes()).into_owned();
            }
            let mut mac = PreparedMac::new(HashFunction::Sha256, secret.as_bytes());
            mac.update(b"postback url secret\n");
            mac.update(self.description.name().as_str().as_bytes());
            mac.update(b"\n");
            let value = mac.finish_with(self.app.as_bytes());
            let mut hex = String::new();
            for byte in value.as_bytes().iter().take(16) {
                let _ = write!(hex, "{byte:02x}");
            }
            hex
        };
        Ok(self
            .ring()?
            .iter()
            .map(|(id, secret)| (id.clone(), text(secret)))
            .collect())
    }

    fn compile(&self) -> Result<Setup, ConfigError> {
        let description = &self.description;
        let file = description.file();
        let app = AppName::new(&self.app)?;
        let endpoint = self.endpoint_name()?;
        let url = Url::parse(self)?;
        let mut slots = Slots::new(&url);

        let roles = self.resolve_roles(&mut slots)?;
        let rules = self.rules(&roles, &mut slots)?;
        self.check_roles(&roles, &rules, &slots)?;

        let secret = self.url_secret(&url)?;
        let authenticator = self.authenticator(&url, &mut slots)?;
        let mut removed = removed_names(&authenticator, &slots);
        removed.extend(secret.as_ref().map(|secret| secret.name.clone()));
        removed.extend(
            self.credentials
                .iter()
                .filter_map(Credential::parameter_name)
                .map(Box::from),
        );

        let covered = self.covered_slots(&authenticator, &slots);
        let is_uncovered = |role: &Role| {
            let known = roles.get(*role);
            !known.is_empty()
                && !known
                    .iter()
                    .all(|slot| covered.contains(slot) || slots.is_static(*slot))
        };
        let uncovered: Vec<Role> = DECIDING.into_iter().filter(is_uncovered).collect();
        let checks =
            self.text_checks(&authenticator, &roles, &slots, secret.is_some(), &uncovered)?;
        let statics = slots.statics(&removed)?;
        self.check_shared(&roles, &slots, &removed)?;

        let response = &file.response;
        Ok(Setup {
            network: description.name().clone(),
            app,
            endpoint,
            path: url.route.clone(),
            methods: file.methods().to_vec(),
            bodies: file.request.body.clone(),
            body_limit: if file.request.body.is_empty() {
                0
            } else {
                self.body_limit
            },
            names: slots.list.iter().map(|slot| slot.name.clone()).collect(),
            slots: slots.list,
            roles,
            statics,
            removed,
            authenticator,
            secret,
            rules,
            checks,
            uncovered,
            is_uniform: !file.request.body.is_empty(),
            settled: response.settled.clone(),
            duplicate: response.duplicate.clone(),
            rejected: response.rejected.clone(),
            not_genuine_status: response.not_genuine_status,
            accepts_probe: self.accepts_probe.unwrap_or(response.accept_probe),
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
                if name.is_empty()
                    || (!file.macros.is_empty() && slots.url.parameter(name).is_none())
                {
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
            let resolved = names
                .iter()
                .filter_map(|name| slots.resolve(file, name))
                .collect();
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
        let described = meaning
            .status
            .iter()
            .map(|(word, meaning)| (word, *meaning));
        let own = self.words.iter().map(|(word, meaning)| (word, *meaning));
        // A word of the operator's comes before the same one of the description.
        for (word, meaning) in own.chain(described) {
            if !words
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(word))
            {
                words.push((word.as_str().into(), meaning));
            }
        }
        let fixed = self.meaning.or(meaning.always);
        if fixed.is_none() && !has_status && meaning.absent.is_none() {
            return Err(self
                .missing_role(Role::Status)
                .unwrap_or(ConfigError::NoMeaning));
        }
        let mut conditions = |of: &BTreeMap<String, Vec<String>>| -> Vec<(usize, Vec<String>)> {
            of.iter()
                .filter_map(|(name, values)| Some((slots.resolve(file, name)?, values.clone())))
                .collect()
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
            checks_status: self.meaning.is_some() && has_status,
            words,
            absent: meaning.absent,
            empty: meaning.empty,
            negative_reverses: meaning.negative.is_some(),
            allows_no_amount: meaning.no_amount.is_some(),
            has_goal_transactions: self.description.has_goal_transactions(),
            // The dashboard decides whether there is a goal: then an absent one is a mistake there.
            requires_goal: roles.configured.contains(&Role::Goal),
            reinstates: match self.after_reversal {
                Some(after) => after == AfterReversal::Reinstates,
                None => meaning.reinstates,
            },
            original: file.reversal.original.clone(),
            takes_back: file.reversal.takes_back,
            tests,
            not_rewards,
            ban,
        })
    }

    /// How to add a parameter for a role to the URL.
    fn missing_role(&self, role: Role) -> Option<ConfigError> {
        let name = self.description.names_of(role).first()?;
        Some(ConfigError::MissingParameter {
            what: role.as_str().to_owned(),
            fix: self.fix_for(name),
        })
    }

    fn fix_for(&self, name: &str) -> String {
        match self.description.file().macro_text(name) {
            Some(text) => format!("&{name}={text}"),
            None => format!("&{name}=… with your own value"),
        }
    }

    fn check_roles(
        &self,
        roles: &Roles,
        rules: &Rules,
        slots: &Slots<'_>,
    ) -> Result<(), ConfigError> {
        for role in [Role::Player, Role::Transaction] {
            if roles.get(role).is_empty() {
                return Err(self.missing_role(role).unwrap_or(ConfigError::NoMeaning));
            }
        }
        if rules.may_be(Meaning::Completed) && roles.get(Role::Amount).is_empty() {
            return Err(self
                .missing_role(Role::Amount)
                .unwrap_or(ConfigError::NoMeaning));
        }
        let reverses = rules.may_be(Meaning::Reversed) || rules.negative_reverses;
        if reverses && rules.original == OriginalForm::Field && roles.get(Role::Original).is_empty()
        {
            return Err(self
                .missing_role(Role::Original)
                .unwrap_or(ConfigError::NoMeaning));
        }
        for role in Role::ALL {
            for slot in roles
                .get(role)
                .iter()
                .filter_map(|slot| slots.list.get(*slot))
            {
                let Some(value) = &slot.value else { continue };
                match role {
                    Role::Amount => {
                        let amount = parse_amount(value);
                        let reason = match amount {
                            Ok(amount) if amount >= Decimal::ZERO => continue,
                            Ok(_) => "negative: type what a completed callback pays",
                            Err(reason) => reason,
                        };
                        return Err(ConfigError::StaticAmount {
                            name: slot.name.to_string(),
                            reason,
                        });
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
    fn url_secret(&self, url: &Url) -> Result<Option<UrlSecret>, ConfigError> {
        if matches!(
            self.description.scheme(),
            Scheme::Secret { .. } | Scheme::Credentials
        ) {
            return Ok(None);
        }
        let name = self.description.file().url_secret_name();
        // A signature covers what is in the URL. There it is an ordinary static parameter.
        if self.description.signs_url() {
            return Ok(None);
        }
        let secret = match url.parameter(name).map(UrlParameter::value) {
            None => return Ok(None),
            Some(UrlValue::Static(text)) if &**text != PLACEHOLDER => {
                SharedSecret::of_texts([(KeyId::new("url")?, text.to_string())])
            }
            // The default URL, or a macro in the secret's place: `secret={secret}`.
            Some(_) => SharedSecret::of_texts(self.url_secrets()?),
        };
        Ok(Some(UrlSecret {
            name: name.into(),
            secret,
        }))
    }

    fn authenticator(
        &self,
        url: &Url,
        slots: &mut Slots<'_>,
    ) -> Result<Authenticator, ConfigError> {
        let file = self.description.file();
        let place = |place: &Place, slots: &mut Slots<'_>| -> Result<Found, ConfigError> {
            Ok(match place {
                Place::Header(name) => Found::Header(name.clone()),
                Place::Path => {
                    let (before, after) =
                        url.secret_segment()
                            .ok_or_else(|| ConfigError::MissingParameter {
                                what: "secret".to_owned(),
                                fix: "{secret} as a segment of its path".to_owned(),
                            })?;
                    Found::Path {
                        before: before.to_owned(),
                        after: after.to_owned(),
                    }
                }
                Place::Parameter(name) => {
                    let slot =
                        slots
                            .resolve(file, name)
                            .ok_or_else(|| ConfigError::MissingParameter {
                                what: "signature or secret".to_owned(),
                                fix: self.fix_for(name),
                            })?;
                    Found::Slot(slot)
                }
            })
        };
        Ok(match self.description.scheme() {
            Scheme::Url {
                hash,
                encoding,
                position,
                ..
            } => {
                let name = url.signature.as_deref().unwrap_or_default();
                url_authenticator(
                    *hash,
                    *encoding,
                    *position,
                    name,
                    self.ring()?,
                    url.template.signed_prefixes(),
                )
            }
            Scheme::Message {
                hash,
                encoding,
                place: at,
                parts,
            } => {
                let place = place(at, slots)?;
                let parts = self.text_parts(parts, slots)?;
                Authenticator::Message {
                    hash: *hash,
                    encoding: *encoding,
                    keys: Keys::new(*hash, self.ring()?),
                    place,
                    parts,
                }
            }
            Scheme::Sorted {
                hash,
                encoding,
                place: at,
                pairs,
                order,
                join,
                omit_empty,
            } => {
                let place = place(at, slots)?;
                let macros = match order {
                    Order::Name => None,
                    Order::Macro => Some(url.slots_by_macro(file, slots, &place, omit_empty)),
                };
                Authenticator::Sorted {
                    hash: *hash,
                    encoding: *encoding,
                    keys: Keys::new(*hash, self.ring()?),
                    place,
                    pairs: *pairs,
                    join: join.clone(),
                    macros,
                }
            }
            Scheme::Body {
                hash,
                encoding,
                header,
                prefix,
            } => Authenticator::Body {
                hash: *hash,
                encoding: *encoding,
                keys: Keys::new(*hash, self.ring()?),
                header: header.clone(),
                prefix: prefix.clone(),
            },
            Scheme::Secret { place: at } => {
                let keys = self.ring()?;
                let secret = SharedSecret::of_ring(keys);
                if *at == Place::Path
                    && !keys
                        .iter()
                        .all(|(_, secret)| is_path_text(secret.as_bytes()))
                {
                    return Err(ConfigError::PathSecret);
                }
                let place = place(at, slots)?;
                if let Found::Slot(slot) = &place
                    && let Some(typed) =
                        slots.list.get(*slot).and_then(|slot| slot.value.as_deref())
                    && typed != PLACEHOLDER
                    && !secret.matches(typed.as_bytes())
                {
                    return Err(ConfigError::Credential {
                        fix: "the secret in the callback URL is none of those configured: correct one of the two",
                    });
                }
                Authenticator::Secret { secret, place }
            }
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

    fn text_parts(
        &self,
        parts: &[Part],
        slots: &mut Slots<'_>,
    ) -> Result<Vec<TextPart>, ConfigError> {
        let file = self.description.file();
        let mut resolved = Vec::new();
        for part in parts {
            resolved.push(match part {
                Part::Literal(text) => TextPart::Literal(text.clone()),
                Part::Secret => TextPart::Secret,
                Part::Field {
                    name,
                    is_optional,
                    is_integer,
                } => match slots.resolve(file, name) {
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
                            fix: self.fix_for(name),
                        });
                    }
                },
            });
        }
        Ok(resolved)
    }

    fn covered_slots(&self, authenticator: &Authenticator, slots: &Slots<'_>) -> Vec<usize> {
        let all = || (0..slots.list.len()).collect();
        match authenticator {
            Authenticator::UrlEnd(_)
            | Authenticator::UrlAnywhere { .. }
            | Authenticator::Body { .. } => all(),
            Authenticator::Sorted { macros: None, .. } => all(),
            Authenticator::Sorted {
                macros: Some(macros),
                ..
            } => macros.iter().map(|(slot, _)| *slot).collect(),
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

    /// What must be checked of single values so that the signature proves them.
    fn text_checks(
        &self,
        authenticator: &Authenticator,
        roles: &Roles,
        slots: &Slots<'_>,
        has_secret: bool,
        uncovered: &[Role],
    ) -> Result<Vec<TextCheck>, ConfigError> {
        let mut checks = Vec::new();
        for (role, shape) in &self.shapes {
            for slot in roles.get(*role) {
                checks.push(TextCheck {
                    slot: *slot,
                    shape: Some(*shape),
                    separators: Vec::new(),
                });
            }
        }
        // A secret in the URL proves the sender, so that nobody else can choose where a value ends.
        if has_secret {
            return Ok(checks);
        }
        let own_shape = |name: &str| {
            let has_name = |role: &Role| {
                self.description
                    .names_of(*role)
                    .iter()
                    .any(|known| known == name)
            };
            self.shapes
                .iter()
                .find(|(role, _)| has_name(role))
                .map(|(_, shape)| *shape)
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
                    if let TextPart::Field {
                        slot,
                        shape,
                        is_integer,
                        ..
                    } = part
                    {
                        let is_number = *is_integer || amounts.contains(slot);
                        checks.push(TextCheck {
                            slot: *slot,
                            shape: *shape,
                            separators: if is_number {
                                Vec::new()
                            } else {
                                separators.clone()
                            },
                        });
                    }
                }
            }
            Authenticator::Sorted {
                pairs,
                join,
                macros,
                ..
            } if *pairs != Pairs::PhpForm && !join.is_empty() => {
                let every: Vec<usize> = match macros {
                    Some(macros) => macros.iter().map(|(slot, _)| *slot).collect(),
                    None => DECIDING
                        .iter()
                        .flat_map(|role| roles.get(*role).to_vec())
                        .collect(),
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
    fn check_shared(
        &self,
        roles: &Roles,
        slots: &Slots<'_>,
        removed: &[Box<str>],
    ) -> Result<(), ConfigError> {
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
                let other = Role::ALL
                    .into_iter()
                    .find(|other| *other != role && roles.get(*other).contains(slot));
                if let Some(other) = other.filter(|other| own || self.names.contains_key(other)) {
                    return Err(shared(other.as_str()));
                }
            }
        }
        Ok(())
    }
}

fn is_path_text(text: &[u8]) -> bool {
    text.iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._~-".contains(byte))
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
    slots
        .list
        .get(*slot)
        .map(|slot| slot.name.clone())
        .into_iter()
        .collect()
}

/// The callback URL of an endpoint.
struct Url {
    template: UrlTemplate,
    /// The path for a router, with `{secret}` where the secret stands.
    route: String,
    /// The parameter of the signature, for networks that sign their URL.
    signature: Option<String>,
}

impl Url {
    fn parse(builder: &DescribedBuilder) -> Result<Self, ConfigError> {
        let description = &builder.description;
        let file = description.file();
        let typed = match &builder.url {
            Some(url) => builder.hide_path_secret(url),
            None if description.signs_url() => {
                return Err(ConfigError::NoUrl {
                    network: description.name().to_string(),
                });
            }
            None => description.default_url(
                "https://localhost",
                builder.is_reversal_url(),
                Some(PLACEHOLDER),
            ),
        };
        let added = file
            .parameters
            .keys()
            .filter(|name| !file.macros.contains_key(*name));
        let reserved: Vec<&str> = match description.scheme() {
            // Every name is the operator's.
            Scheme::Credentials => Vec::new(),
            _ => added.map(String::as_str).collect(),
        };
        let template = UrlTemplate::parse_optional(&typed, MacroStyle::Any, &reserved)?;
        let signature = match description.scheme() {
            Scheme::Url {
                parameter,
                position,
                ..
            } => {
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
                        fix: builder.fix_for(parameter),
                    });
                }
                let typed = typed.and_then(|at| template.parameters().get(at));
                Some(typed.map_or_else(|| parameter.clone(), |known| known.name().to_owned()))
            }
            _ => None,
        };
        let route = template.path().replace(PLACEHOLDER, "{secret}");
        Ok(Self {
            template,
            route,
            signature,
        })
    }

    fn parameter(&self, name: &str) -> Option<&UrlParameter> {
        self.template
            .parameters()
            .iter()
            .find(|parameter| parameter.name() == name)
    }

    /// What is before and after the secret in the path.
    fn secret_segment(&self) -> Option<(&str, &str)> {
        self.template.path().split_once(PLACEHOLDER)
    }

    /// The parameters with macros, in the order of these, without the signature.
    fn slots_by_macro(
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
            let text = parameter
                .macro_text()
                .and_then(|text| text.strip_prefix(before)?.strip_suffix(after));
            let slot = slots.by_name(parameter.name());
            if let Some(name) = text
                && !matches!(signature, Found::Slot(signature) if *signature == slot)
            {
                macros.push((name, slot));
            }
        }
        macros.sort_unstable();
        let is_omitted = |name: &str| omit_empty.iter().any(|omitted| omitted == name);
        macros
            .into_iter()
            .map(|(name, slot)| (slot, is_omitted(name)))
            .collect()
    }
}

impl DescribedBuilder {
    /// A secret that was typed into the path, or `{secret}` in its place, is not part of the route.
    fn hide_path_secret(&self, url: &str) -> String {
        if !matches!(
            self.description.scheme(),
            Scheme::Secret { place: Place::Path }
        ) {
            return url.to_owned();
        }
        let marked = url.replacen("{secret}", PLACEHOLDER, 1);
        if marked != *url {
            return marked;
        }
        let known = self.keys.iter().flat_map(KeyRing::iter);
        let texts = known.filter_map(|(_, secret)| std::str::from_utf8(secret.as_bytes()).ok());
        let typed = texts
            .map(|text| format!("/{text}/"))
            .find(|segment| url.contains(segment));
        match typed {
            Some(segment) => url.replacen(&segment, &format!("/{PLACEHOLDER}/"), 1),
            None => url.to_owned(),
        }
    }
}

/// The parameters that an endpoint looks for.
struct Slots<'u> {
    url: &'u Url,
    list: Vec<Slot>,
}

impl<'u> Slots<'u> {
    fn new(url: &'u Url) -> Self {
        let is_signature =
            |parameter: &&UrlParameter| url.signature.as_deref() == Some(parameter.name());
        let parameters = url
            .template
            .parameters()
            .iter()
            .filter(|parameter| !is_signature(parameter));
        let list = parameters
            .map(|parameter| Slot {
                name: parameter.name().into(),
                macro_text: parameter.macro_text().map(Box::from),
                value: match parameter.value() {
                    UrlValue::Static(text) => Some(text.clone()),
                    UrlValue::Macro(_) => None,
                },
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

    fn by_name(&mut self, name: &str) -> usize {
        if let Some(at) = self.list.iter().position(|slot| *slot.name == *name) {
            return at;
        }
        self.list.push(Slot {
            name: name.into(),
            macro_text: None,
            value: None,
            is_in_url: false,
        });
        self.list.len() - 1
    }

    /// The parameter that a name of the description stands for: that of the macro, a static one, or one that the
    /// network adds. `None`: the URL has none.
    fn resolve(&mut self, file: &File, name: &str) -> Option<usize> {
        if let Some(text) = file.macro_text(name) {
            let found = self
                .list
                .iter()
                .position(|slot| slot.macro_text.as_deref() == Some(&*text));
            if found.is_some() {
                return found;
            }
        }
        if file.statics.contains_key(name) {
            let is_typed = |slot: &Slot| *slot.name == *name && slot.is_in_url;
            return self.list.iter().position(is_typed);
        }
        file.parameters
            .contains_key(name)
            .then(|| self.by_name(name))
    }

    fn is_static(&self, slot: usize) -> bool {
        self.list.get(slot).is_some_and(|slot| slot.value.is_some())
    }

    fn is_in_url(&self, slots: &[usize]) -> bool {
        slots
            .iter()
            .any(|slot| self.list.get(*slot).is_some_and(|slot| slot.is_in_url))
    }

    /// The static parameters that must arrive unchanged: all but the secret ones.
    fn statics(&self, removed: &[Box<str>]) -> Result<Vec<(usize, Box<str>)>, ConfigError> {
        let mut statics = Vec::new();
        for (at, slot) in self.list.iter().enumerate() {
            if let Some(value) = &slot.value
                && !removed.contains(&slot.name)
            {
                if &**value == PLACEHOLDER {
                    return Err(UrlError::StaticEncoding {
                        name: slot.name.to_string(),
                    }
                    .into());
                }
                statics.push((at, value.clone()));
            }
        }
        Ok(statics)
    }
}

/// For each role, the slots that may bring it.
#[derive(Debug, Clone, Default)]
pub(super) struct Roles {
    slots: BTreeMap<Role, Vec<usize>>,
    /// The roles that were typed into the URL or named by the operator.
    configured: Vec<Role>,
}

impl Roles {
    pub(super) fn get(&self, role: Role) -> &[usize] {
        self.slots.get(&role).map_or(&[], Vec::as_slice)
    }

    fn set(&mut self, role: Role, slots: Vec<usize>) {
        self.slots.insert(role, slots);
    }
}

/// Shows names and nothing secret.
impl fmt::Debug for DescribedBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DescribedBuilder")
            .field("network", &self.description.name().as_str())
            .field("app", &self.app)
            .finish_non_exhaustive()
    }
}

pub(super) fn check_url(description: &Description, url: &str) -> Vec<UrlFinding> {
    let mut findings = Vec::new();
    let mut find = |is_error: bool, text: String| findings.push(UrlFinding { is_error, text });
    if let Err(error) = description.app("check").url(url).check() {
        find(true, error.to_string());
    }
    let file = description.file();
    let Ok(template) = UrlTemplate::parse_optional(url, MacroStyle::Any, &[]) else {
        return findings;
    };
    let known = description.macros();
    let secret = file.url_secret_name();
    for parameter in template.parameters() {
        let Some(text) = parameter
            .macro_text()
            .filter(|_| parameter.name() != secret)
        else {
            continue;
        };
        if known.iter().any(|(known, _)| known == text) {
            continue;
        }
        let nearest = known
            .iter()
            .min_by_key(|(known, _)| strsim::levenshtein(known, text));
        let fix = match nearest {
            Some((known, _)) if strsim::levenshtein(known, text) <= 3 => {
                format!("did you mean {known}?")
            }
            _ => "compare it with the network's dashboard".to_owned(),
        };
        find(
            false,
            format!(
                "unknown macro {text} in parameter {:?}: {fix}",
                parameter.name()
            ),
        );
    }
    for role in [Role::Usd, Role::UsdCents, Role::Goal, Role::Reason] {
        for name in description.names_of(role) {
            let Some(text) = file.macro_text(name) else {
                continue;
            };
            if !template
                .parameters()
                .iter()
                .any(|known| known.macro_text() == Some(&*text))
            {
                find(
                    false,
                    format!("no {}: add &{name}={text} if you want it", role.as_str()),
                );
            }
        }
    }
    if template.prefix().starts_with("http://") {
        find(
            false,
            "http:// sends secrets and players in clear text: use https://".to_owned(),
        );
    }
    if description.wants_url_secret()
        && template
            .parameters()
            .iter()
            .all(|known| known.name() != secret)
    {
        find(
            false,
            format!(
                "the signature does not cover everything that money depends on: add &{secret}= with a long random text"
            ),
        );
    }
    findings
}
