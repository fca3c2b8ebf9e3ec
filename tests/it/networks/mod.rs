//! Networks from descriptions: every preset, the format, and cases from the field.

#[cfg(feature = "admob")]
mod admob;
mod cases;
mod docs;
mod format;
#[cfg(all(feature = "axum", feature = "actix-web"))]
mod http;
mod presets;
mod python;
mod vectors;

use postback::network::{
    DescribedBuilder, DescribedCallback, DescribedEndpoint, Description, Meaning, Role, preset, presets,
};
use postback::testing::described::{CallbackDraft, DescribedSigner, SentCallback};
use postback::verify::Unusable;
use postback::{
    Callback as _, Decimal, Endpoint as _, Event, EventKind, MemoryStore, Receipt, ReceiveError, Request, VerifyError,
};

pub(crate) use crate::common::{decimal, paying};

/// The secret of every endpoint here.
pub(crate) const SECRET: &str = "the-secret-of-tests";
const BASE: &str = "https://game.example";

/// A network as it is set up on both sides.
pub(crate) struct Network {
    pub(crate) description: Description,
    pub(crate) url: String,
    pub(crate) endpoint: DescribedEndpoint,
}

impl Network {
    /// A preset with its default URL.
    pub(crate) fn preset(name: &str) -> Self {
        Self::of(preset(name).unwrap())
    }

    pub(crate) fn of(description: Description) -> Self {
        Self::with(description, |builder| builder)
    }

    /// With choices of the operator's.
    pub(crate) fn with(description: Description, choose: impl FnOnce(DescribedBuilder) -> DescribedBuilder) -> Self {
        let builder = description.app("game").secret(SECRET).unwrap();
        let builder = choose(builder);
        let url = builder.dashboard_url(BASE).unwrap();
        let builder = if description.authentication().ends_with("of the URL") { builder.url(&url) } else { builder };
        let endpoint = builder.build().unwrap();
        Self { description, url, endpoint }
    }

    pub(crate) fn signer(&self) -> DescribedSigner {
        DescribedSigner::new(&self.description, &self.url, SECRET)
    }

    /// A callback that pays 500 (or what the URL says) to `p1`, before it is signed.
    pub(crate) fn draft(&self, transaction: &str) -> CallbackDraft {
        self.complete(self.signer().callback().transaction(transaction))
    }

    /// A reversal of a transaction, before it is signed.
    pub(crate) fn reversal(&self, original: &str) -> CallbackDraft {
        let draft = self.signer().callback().transaction(format!("{original}-reversal"));
        self.complete(draft).meaning(Meaning::Reversed, original)
    }

    fn complete(&self, draft: CallbackDraft) -> CallbackDraft {
        let has_goal = !self.description.names_of(Role::Goal).is_empty();
        let draft = if has_goal { draft.role(Role::Goal, "g1") } else { draft };
        draft.player("p1").amount("500").role(Role::Usd, "1.25").role(Role::UsdCents, "125")
    }

    pub(crate) fn verify(&self, sent: &SentCallback) -> Result<DescribedCallback, VerifyError> {
        self.endpoint.verify(&sent.request()).map(postback::Verified::into_inner)
    }

    /// The name under which a role is sent.
    pub(crate) fn wire_name(&self, role: Role) -> Option<String> {
        let name = self.description.names_of(role).first()?;
        let (_, query) = self.url.split_once('?').unwrap_or_default();
        let macros = self.description.macros();
        let typed = query.split('&').filter_map(|piece| piece.split_once('='));
        for (parameter, value) in typed {
            let is_own = macros.iter().any(|(text, _)| text == value && text.contains(&**name));
            if is_own && macro_name(value) == *name {
                return Some(parameter.to_owned());
            }
        }
        let is_added = self.description.parameters().any(|(known, _)| known == name);
        is_added.then(|| name.clone())
    }
}

/// `{{userId}}` is `userId`.
fn macro_name(text: &str) -> &str {
    text.trim_matches(|c: char| "{}[]%".contains(c))
}

/// A store with a wallet.
#[derive(Clone)]
pub(crate) struct Game {
    pub(crate) store: MemoryStore,
}

impl Game {
    pub(crate) fn new() -> Self {
        Self { store: MemoryStore::new() }
    }

    pub(crate) async fn send(
        &self,
        endpoint: &DescribedEndpoint,
        request: &Request<'_>,
    ) -> Result<Receipt, ReceiveError> {
        paying(&self.store).handle(endpoint, request).await
    }

    /// Sends a callback that must be dealt with.
    pub(crate) async fn settle(&self, network: &Network, sent: &SentCallback) -> Receipt {
        let result = self.send(&network.endpoint, &sent.request()).await;
        result.unwrap_or_else(|error| panic!("{}: {error}", network.description.name()))
    }

    pub(crate) async fn balance(&self) -> Decimal {
        self.store.balance(&"p1".parse().unwrap()).await
    }
}

pub(crate) fn every_preset() -> impl Iterator<Item = Network> {
    presets().map(Network::preset)
}

pub(crate) fn is_genuine<T>(result: &Result<T, VerifyError>) -> bool {
    match result {
        Ok(_) => true,
        Err(error) => error.is_genuine(),
    }
}

pub(crate) fn event(callback: &DescribedCallback) -> Event {
    callback.to_event()
}

pub(crate) fn effect(callback: &DescribedCallback) -> &postback::Effect {
    match &callback.event.kind {
        EventKind::Conversion { effect, .. } => effect,
        other => panic!("{other:?}"),
    }
}

/// A genuine callback that cannot be used.
pub(crate) fn unusable<C: std::fmt::Debug>(result: Result<C, VerifyError>) -> Unusable {
    match result {
        Err(VerifyError::Unusable(unusable)) => *unusable,
        other => panic!("{other:?}"),
    }
}
