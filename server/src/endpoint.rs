//! Configured endpoints: of any network, behind one type.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;

use axum::routing::MethodRouter;
use postback::bitlabs::{App, BitlabsConfigError, Family, OfferState};
use postback::network::Endpoint;
use postback::store::StoreError;
use postback::{EndpointLabels, Event, ReplaySummary, Request, Verified, VerifyError};

use crate::delivery::ServerReceiver;
use crate::serve::Intake;

/// The keys that every `[[endpoint]]` table may have.
pub(crate) const KEYS: [&str; 9] = [
    "network",
    "app",
    "secret",
    "family",
    "url",
    "only",
    "acknowledge",
    "allow_macros",
    "state_parameter",
];

/// Those that are options of one network or another.
pub(crate) const OPTIONS: [&str; 5] = [
    "family",
    "only",
    "acknowledge",
    "allow_macros",
    "state_parameter",
];

/// What an `[[endpoint]]` table says, with secrets read.
pub(crate) struct EndpointSettings<'c> {
    pub(crate) network: &'c str,
    pub(crate) app: &'c str,
    pub(crate) secret: Option<&'c str>,
    pub(crate) url: &'c str,
    /// Lists are joined with commas.
    pub(crate) options: HashMap<&'static str, String>,
}

/// Why an endpoint cannot be set up, and the key to change.
#[derive(Debug)]
pub(crate) struct EndpointProblem {
    pub(crate) key: &'static str,
    pub(crate) text: String,
}

fn problem(key: &'static str, text: impl fmt::Display) -> EndpointProblem {
    EndpointProblem {
        key,
        text: text.to_string(),
    }
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// [`Endpoint`] for trait objects.
trait AnyEndpoint: Send + Sync {
    fn path(&self) -> &str;
    fn labels(&self) -> EndpointLabels<'_>;
    fn verify(&self, request: &Request<'_>) -> Result<Verified<Event>, VerifyError>;
    fn route(&self, intake: &Intake) -> MethodRouter;
    fn replay<'a>(
        &'a self,
        receiver: &'a ServerReceiver,
    ) -> Boxed<'a, Result<ReplaySummary, StoreError>>;
}

impl<E: Endpoint> AnyEndpoint for E {
    fn path(&self) -> &str {
        Endpoint::path(self)
    }

    fn labels(&self) -> EndpointLabels<'_> {
        Endpoint::labels(self)
    }

    fn verify(&self, request: &Request<'_>) -> Result<Verified<Event>, VerifyError> {
        Endpoint::verify(self, request).map(Verified::<Event>::from)
    }

    fn route(&self, intake: &Intake) -> MethodRouter {
        postback::axum::callbacks(self, intake)
    }

    fn replay<'a>(
        &'a self,
        receiver: &'a ServerReceiver,
    ) -> Boxed<'a, Result<ReplaySummary, StoreError>> {
        Box::pin(receiver.replay(self))
    }
}

/// One endpoint of the configuration.
pub(crate) struct ConfiguredEndpoint {
    endpoint: Box<dyn AnyEndpoint>,
    /// The URL as it is typed into the network's dashboard.
    pub(crate) url: String,
    /// What the network's signature does not cover, although it decides about money.
    pub(crate) uncovered: Vec<String>,
    /// Whether a secret is configured. Networks that sign nothing may have none.
    pub(crate) has_secret: bool,
}

impl fmt::Debug for ConfiguredEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfiguredEndpoint")
            .field("labels", &self.labels())
            .finish_non_exhaustive()
    }
}

impl ConfiguredEndpoint {
    fn new(endpoint: impl Endpoint, url: &str) -> Self {
        Self {
            endpoint: Box::new(endpoint),
            url: url.to_owned(),
            uncovered: Vec::new(),
            has_secret: true,
        }
    }

    /// Sets an endpoint up. `networks` are the descriptions in the configuration file.
    pub(crate) fn build(
        settings: &EndpointSettings<'_>,
        networks: &HashMap<String, Network>,
    ) -> Result<Self, EndpointProblem> {
        let _ = networks;
        match settings.network {
            "bitlabs" => Self::bitlabs(settings),
            name => Err(problem("network", format!("unknown network {name:?}"))),
        }
    }

    fn bitlabs(settings: &EndpointSettings<'_>) -> Result<Self, EndpointProblem> {
        let Some(secret) = settings.secret else {
            return Err(problem(
                "secret",
                "missing key: add secret = \"env:NAME\" with the App Secret",
            ));
        };
        let mut app = App::new(settings.app, secret).map_err(|error| match error {
            BitlabsConfigError::AppName(_) => problem("app", error),
            _ => problem("secret", error),
        })?;
        if let Some(state) = settings.options.get("only") {
            app = app.only(match state.as_str() {
                "PENDING" => OfferState::Pending,
                "COMPLETED" => OfferState::Completed,
                "RECONCILED" => OfferState::Reconciled,
                _ => {
                    return Err(problem(
                        "only",
                        "unknown state: use \"PENDING\", \"COMPLETED\" or \"RECONCILED\"",
                    ));
                }
            });
        }
        for word in settings
            .options
            .get("acknowledge")
            .into_iter()
            .flat_map(|list| list.split(','))
        {
            app = match word {
                "screenouts" => app.acknowledge_screenouts(),
                "start_bonuses" => app.acknowledge_start_bonuses(),
                _ => {
                    return Err(problem(
                        "acknowledge",
                        "unknown word: use \"screenouts\" or \"start_bonuses\"",
                    ));
                }
            };
        }
        for text in settings
            .options
            .get("allow_macros")
            .into_iter()
            .flat_map(|list| list.split(','))
        {
            app = app.allow_macro(text);
        }
        if let Some(name) = settings.options.get("state_parameter") {
            app = app.state_parameter(name);
        }
        let families = Family::ALL.map(Family::as_str).join(", ");
        let Some(family) = settings.options.get("family") else {
            return Err(problem(
                "family",
                format!("missing key: add family = … with one of {families}"),
            ));
        };
        let Some(family) = Family::ALL
            .into_iter()
            .find(|known| known.as_str() == family)
        else {
            return Err(problem(
                "family",
                format!("unknown family: use one of {families}"),
            ));
        };
        let url = settings.url;
        let built = match family {
            Family::Offers => app.offers(url).map(|endpoint| Self::new(endpoint, url)),
            Family::Purchases => app.purchases(url).map(|endpoint| Self::new(endpoint, url)),
            Family::Surveys => app.surveys(url).map(|endpoint| Self::new(endpoint, url)),
            Family::Receipts => app.receipts(url).map(|endpoint| Self::new(endpoint, url)),
            Family::Cashback => app.cashback(url).map(|endpoint| Self::new(endpoint, url)),
            Family::Rewards => app.rewards(url).map(|endpoint| Self::new(endpoint, url)),
            _ => app.bans(url).map(|endpoint| Self::new(endpoint, url)),
        };
        built.map_err(|error| problem("url", error))
    }

    /// The path at which it answers.
    pub(crate) fn path(&self) -> &str {
        self.endpoint.path()
    }

    pub(crate) fn labels(&self) -> EndpointLabels<'_> {
        self.endpoint.labels()
    }

    /// Verifies a request without storing anything.
    pub(crate) fn verify(&self, request: &Request<'_>) -> Result<Verified<Event>, VerifyError> {
        self.endpoint.verify(request)
    }

    pub(crate) fn route(&self, intake: &Intake) -> MethodRouter {
        self.endpoint.route(intake)
    }

    /// Replays the unusable callbacks that were kept for it.
    pub(crate) async fn replay(
        &self,
        receiver: &ServerReceiver,
    ) -> Result<ReplaySummary, StoreError> {
        self.endpoint.replay(receiver).await
    }
}

/// A network that the configuration file describes itself.
pub(crate) struct Network;

impl Network {
    pub(crate) fn described(name: &str, table: &toml::Table) -> Result<Self, String> {
        let _ = (name, table);
        Ok(Self)
    }
}
