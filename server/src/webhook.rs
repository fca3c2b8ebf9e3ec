//! Decisions as signed webhooks, after the Standard Webhooks specification.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{Method, Request, StatusCode, Uri, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use postback::{Action, Clock as _, Decision, EventKind, Handler, HandlerError, SystemClock};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::text::{decoded, rfc3339};

/// The shortest key that the specification allows, in bytes.
const MIN_KEY_BYTES: usize = 24;

/// How much of a response is read, in bytes.
const MAX_RESPONSE: usize = 64 * 1024;

/// How long an unused connection to the backend is kept.
const IDLE_CONNECTION: Duration = Duration::from_secs(30);

/// The game's backend: where decisions go.
#[derive(Debug, Clone)]
pub(crate) struct Backend {
    pub(crate) url: Uri,
    /// The first one signs, and so do the others, while a secret is being replaced.
    pub(crate) secrets: Vec<SigningSecret>,
    pub(crate) timeout: Duration,
    pub(crate) concurrency: usize,
}

/// A Standard Webhooks key. Never printed, and wiped from memory when dropped.
#[derive(Clone)]
pub(crate) struct SigningSecret(Zeroizing<Vec<u8>>);

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret([redacted])")
    }
}

impl SigningSecret {
    /// Reads `whsec_` followed by base64.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let invalid = || {
            "invalid secret: expected \"whsec_\" and 24 or more random bytes in base64, as in `echo whsec_$(openssl rand \
             -base64 32)`"
                .to_owned()
        };
        let encoded = text.trim().strip_prefix("whsec_").ok_or_else(invalid)?;
        let key = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| invalid())?);
        if key.len() < MIN_KEY_BYTES {
            return Err(invalid());
        }
        Ok(Self(key))
    }

    /// The signature of one message: `v1,` and base64.
    pub(crate) fn sign(&self, id: &str, seconds: u64, body: &[u8]) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            // HMAC takes keys of every length.
            return String::new();
        };
        for part in [id.as_bytes(), b".", seconds.to_string().as_bytes(), b".", body] {
            mac.update(part);
        }
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The body of a webhook. `docs/webhook.schema.json` describes it.
#[derive(Serialize)]
struct Webhook<'d> {
    #[serde(rename = "type")]
    kind: &'static str,
    timestamp: String,
    data: Data<'d>,
}

#[derive(Serialize)]
struct Data<'d> {
    id: &'d str,
    network: &'d str,
    app: &'d str,
    player: &'d str,
    conversion: &'d str,
    transaction: Option<&'d str>,
    amount: Option<String>,
    balance_change: String,
    usd: Option<String>,
    restored: bool,
    reason: Option<&'d str>,
    callback: BTreeMap<Cow<'d, str>, Parameter<'d>>,
}

/// The value of a parameter, or all of them if it occurs more than once.
#[derive(Serialize)]
#[serde(untagged)]
enum Parameter<'d> {
    One(Cow<'d, str>),
    Several(Vec<Cow<'d, str>>),
}

/// The JSON body for a decision. The same decision always has the same body.
pub(crate) fn body(decision: &Decision) -> Vec<u8> {
    let event = decision.event();
    let plain = |amount: rust_decimal::Decimal| amount.normalize().to_string();
    let network_reason = event.reason.as_deref();
    let (amount, usd, reason) = match decision.action() {
        Action::Reward(reward) => (Some(reward.amount()), event.usd, network_reason),
        Action::Reversal(reversal) => (Some(reversal.amount()), event.usd, network_reason),
        Action::Pending { amount, stage } => (*amount, event.usd, Some(&**stage)),
        Action::Purchase { usd } => (None, Some(*usd), network_reason),
        Action::Nothing { reason } => (None, event.usd, Some(reason.as_str())),
        Action::Conflict { kind } => (None, event.usd, Some(kind.as_str())),
        _ => (None, event.usd, network_reason),
    };
    let webhook = Webhook {
        kind: decision.action().as_str(),
        timestamp: rfc3339(decision.received()),
        data: Data {
            id: decision.id().as_str(),
            network: event.network.as_str(),
            app: event.app.as_str(),
            player: decision.player().as_str(),
            conversion: decision.conversion().as_str(),
            transaction: match &event.kind {
                EventKind::Conversion { transaction, .. } => Some(transaction.as_str()),
                _ => None,
            },
            amount: amount.map(plain),
            balance_change: plain(decision.balance_change()),
            usd: usd.map(plain),
            restored: matches!(decision.action(), Action::Reward(reward) if reward.is_restored()),
            reason,
            callback: parameters(&event.query),
        },
    };
    serde_json::to_vec(&webhook).unwrap_or_default()
}

/// The parameters of a query string, decoded.
fn parameters(query: &str) -> BTreeMap<Cow<'_, str>, Parameter<'_>> {
    let mut found: BTreeMap<Cow<'_, str>, Parameter<'_>> = BTreeMap::new();
    for piece in query.split('&').filter(|piece| !piece.is_empty()) {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        let (name, value) = (decoded(name), decoded(value));
        match found.remove(&name) {
            None => found.insert(name, Parameter::One(value)),
            Some(Parameter::One(first)) => found.insert(name, Parameter::Several(vec![first, value])),
            Some(Parameter::Several(mut values)) => {
                values.push(value);
                found.insert(name, Parameter::Several(values))
            }
        };
    }
    found
}

/// Why the backend did not take a decision. The decision stays pending.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackendError {
    /// No connection, or it broke before there was a response.
    #[error("backend not reachable: {reason}")]
    Unreachable { reason: String, was_connected: bool },
    /// No response in time.
    #[error("backend did not respond within {} s", limit.as_secs_f32())]
    Timeout { limit: Duration },
    /// A status that is neither success nor a refusal.
    #[error("backend responded {status}")]
    Status { status: u16 },
    /// 422 without a reason.
    #[error("backend responded 422 without {{\"refused\":\"reason\"}} in the body")]
    UnclearRefusal,
}

impl BackendError {
    /// Whether it says something about the backend as a whole, and not about one decision.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } => true,
            // A proxy without a backend behind it.
            Self::Status { status } => matches!(status, 502..=504),
            Self::UnclearRefusal => false,
        }
    }

    fn as_str(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Timeout { .. } => "timeout",
            Self::Status { .. } => "status",
            Self::UnclearRefusal => "unclear_refusal",
        }
    }
}

/// The HTTP client for the backend: pooled connections, HTTP/1.1, TLS with the system's certificates.
pub(crate) type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client whose connections are made within `timeout`.
pub(crate) fn http_client(timeout: Duration, is_https: bool) -> anyhow::Result<HttpClient> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(timeout));
    connector.set_nodelay(true);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let tls = if is_https {
        tls.with_native_roots()?.with_no_client_auth()
    } else {
        tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()
    };
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(connector);
    Ok(Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE_CONNECTION)
        .pool_timer(TokioTimer::new())
        .build(connector))
}

tokio::task_local! {
    /// Whether the backend took or declined a decision in the present delivery.
    pub(crate) static HAS_RESPONDED: Cell<bool>;
}

/// Sends decisions to the backend. The handler of the server's receiver.
#[derive(Clone)]
pub(crate) struct WebhookSender {
    backend: Backend,
    client: HttpClient,
    /// Bounds how many responses are still read after their status has decided.
    rests: Arc<Semaphore>,
}

impl WebhookSender {
    pub(crate) fn new(backend: Backend) -> anyhow::Result<Self> {
        let client = http_client(backend.timeout, backend.url.scheme_str() == Some("https"))?;
        let rests = Arc::new(Semaphore::new(backend.concurrency));
        Ok(Self { backend, client, rests })
    }

    async fn send(&self, decision: &Decision) -> Result<(), HandlerError> {
        let body = body(decision);
        let id = decision.id().as_str();
        let seconds = SystemClock.now().as_millis() / 1000;
        let signatures: Vec<String> =
            self.backend.secrets.iter().map(|secret| secret.sign(id, seconds, &body)).collect();
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.backend.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("postback/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signatures.join(" "))
            .body(Full::from(body))?;
        let limit = self.backend.timeout;
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| unreachable(&error))?;
            let status = response.status();
            let content = Limited::new(response.into_body(), MAX_RESPONSE).collect();
            // The status decides, however long the body takes. Only a refusal needs it; others are read for the
            // connection to be used again. If too many of them are slow, the connection is closed instead.
            if status != StatusCode::UNPROCESSABLE_ENTITY {
                if let Ok(permit) = Arc::clone(&self.rests).try_acquire_owned() {
                    tokio::spawn(async move {
                        let _ = tokio::time::timeout(limit, content).await;
                        drop(permit);
                    });
                }
                return Ok((status, Bytes::new()));
            }
            let content = content.await;
            let content = content.map_or_else(|_| Bytes::new(), http_body_util::Collected::to_bytes);
            Ok((status, content))
        };
        let (status, content) = match tokio::time::timeout(limit, exchange).await {
            Ok(result) => result.map_err(|error: BackendError| error)?,
            Err(_) => return Err(BackendError::Timeout { limit }.into()),
        };
        match status {
            status if status.is_success() => Ok(()),
            StatusCode::UNPROCESSABLE_ENTITY => match serde_json::from_slice::<Refusal>(&content) {
                Ok(Refusal { refused }) => Err(HandlerError::declined(refused)),
                Err(_) => Err(BackendError::UnclearRefusal.into()),
            },
            status => Err(BackendError::Status { status: status.as_u16() }.into()),
        }
    }
}

#[derive(Deserialize)]
struct Refusal {
    refused: String,
}

/// The innermost reason: `Connection refused (os error 111)`. It names neither host nor path.
fn unreachable(error: &hyper_util::client::legacy::Error) -> BackendError {
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        reason = inner.to_string();
        source = inner.source();
    }
    BackendError::Unreachable { reason, was_connected: !error.is_connect() }
}

impl Handler for WebhookSender {
    async fn handle(&self, decision: Decision) -> Result<(), HandlerError> {
        let began = Instant::now();
        let result = self.send(&decision).await;
        let word = match &result {
            Ok(()) => "delivered",
            Err(HandlerError::Declined(_)) => "declined",
            Err(HandlerError::Failed(error)) => {
                error.downcast_ref::<BackendError>().map_or("failed", BackendError::as_str)
            }
            Err(_) => "failed",
        };
        if matches!(result, Ok(()) | Err(HandlerError::Declined(_))) {
            // Commands deliver without asking.
            let _ = HAS_RESPONDED.try_with(|has_responded| has_responded.set(true));
        }
        metrics::counter!("postback_deliveries_total", "result" => word).increment(1);
        metrics::histogram!("postback_delivery_duration_seconds", "result" => word).record(began.elapsed());
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_matches_the_specification() {
        // The example of the specification's own libraries.
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secret_that_is_short_or_not_base64_is_rejected() {
        for text in ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_%%%"] {
            assert!(SigningSecret::parse(text).unwrap_err().contains("openssl"), "{text}");
        }
    }

    #[test]
    fn repeated_parameters_become_a_list() {
        let found = parameters("a=1&b=x+y&a=%32&&c");
        assert_eq!(serde_json::to_string(&found).unwrap(), r#"{"a":["1","2"],"b":"x y","c":""}"#);
    }
}
