//! The admin port: a page, read-only JSON next to it, two actions (retry, replay), and `/metrics`.

mod view;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::{Query, Request, State};
use axum::http::header::{self, HeaderMap, HeaderName};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::sse::{Event as SseEvent, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream::{self, Stream, StreamExt as _};
use postback::store::{KeptId, Retention as _, StoreError};
use postback::{
    AppName, Clock as _, DedupStore as _, NetworkName, PlayerId, RecordKey, SystemClock, Timestamp, TransactionId,
};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::broadcast::error::RecvError;
use zeroize::Zeroizing;

use crate::server::Server;
use crate::store::AnyStore;
use crate::text::rfc3339;

use view::summary_json;
pub(crate) use view::{decided, record_json, says};

/// One file: style, script and all.
const PAGE: &str = include_str!("page.html");

/// How many records a request lists.
const PAGE_SIZE: usize = 100;

/// How many records a request for conflicts looks at. The page goes on from where it ended.
const SCANNED: usize = 1000;

/// The header that actions require. Other sites' pages cannot send it.
const ACTION_HEADER: HeaderName = HeaderName::from_static("postback-action");

/// Who may use the port.
#[derive(Clone)]
struct Access {
    /// The SHA-256 of the token.
    token: Option<[u8; 32]>,
}

/// The routes of the admin port.
pub(crate) fn router(server: Arc<Server>, token: Option<Zeroizing<String>>) -> Router {
    let access = Access { token: token.map(|token| Sha256::digest(token.as_bytes()).into()) };
    Router::new()
        .route("/", get(page))
        .route("/metrics", get(metrics))
        .route("/api/status", get(status))
        .route("/api/events", get(events))
        .route("/api/callbacks", get(callbacks))
        .route("/api/search", get(search))
        .route("/api/record", get(record))
        .route("/api/pending", get(pending))
        .route("/api/attention", get(attention))
        .route("/api/unusable", get(unusable))
        .route("/api/retry", post(retry))
        .route("/api/replay", post(replay))
        .layer(middleware::from_fn_with_state(access, check_access))
        .with_state(server)
}

/// With a token, requires it: as a bearer token, or as the password of HTTP Basic, which browsers ask for. Without one,
/// the port listens on loopback, and the request must be addressed to it, so that other sites cannot reach it through
/// a name of theirs.
async fn check_access(State(access): State<Access>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let allowed = match &access.token {
        Some(token) => presented_token(headers).is_some_and(|presented| {
            let digest: [u8; 32] = Sha256::digest(presented.as_bytes()).into();
            digest.ct_eq(token).into()
        }),
        None => is_loopback_host(headers),
    };
    if !allowed {
        let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"postback\", charset=\"UTF-8\"")];
        return match access.token {
            Some(_) => (StatusCode::UNAUTHORIZED, challenge, "token required").into_response(),
            None => (StatusCode::FORBIDDEN, "use the address 127.0.0.1 or localhost").into_response(),
        };
    }
    if *request.method() == Method::POST && !headers.contains_key(ACTION_HEADER) {
        let advice = "add the header postback-action: 1";
        return (StatusCode::FORBIDDEN, advice).into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, header::HeaderValue::from_static("nosniff"));
    response
}

fn presented_token(headers: &HeaderMap) -> Option<Zeroizing<String>> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Zeroizing::new(credentials.trim().to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(credentials.trim()).ok()?);
    let (_, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(Zeroizing::new(password.to_owned()))
}

fn is_loopback_host(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else {
        return false;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The page. Its policy allows nothing but its own script and style, and no other origin.
async fn page() -> Response {
    let hash = |tag: &str| {
        let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
        let content =
            PAGE.split_once(&open).and_then(|(_, rest)| rest.split_once(&close)).map_or("", |(content, _)| content);
        STANDARD.encode(Sha256::digest(content.as_bytes()))
    };
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; img-src data:; base-uri \
         'none'; form-action 'none'; frame-ancestors 'none'",
        hash("script"),
        hash("style")
    );
    ([(header::CONTENT_SECURITY_POLICY, policy)], Html(PAGE)).into_response()
}

async fn metrics(State(server): State<Arc<Server>>) -> Response {
    for endpoint in &server.endpoints {
        let labels = endpoint.labels();
        let same_labels = server.endpoints.iter().filter(|other| other.labels() == labels);
        if let Some(last) = same_labels.filter_map(|endpoint| endpoint.counts.last_genuine()).max() {
            let seconds = u32::try_from(last.as_millis() / 1000).unwrap_or(u32::MAX);
            metrics::gauge!(
                "postback_last_callback_timestamp_seconds",
                "network" => labels.network.to_owned(),
                "app" => labels.app.to_owned(),
                "endpoint" => labels.endpoint.to_owned()
            )
            .set(f64::from(seconds));
        }
    }
    let content_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (content_type, server.metrics.render()).into_response()
}

/// A store that does not answer.
struct Unavailable;

impl From<StoreError> for Unavailable {
    fn from(error: StoreError) -> Self {
        tracing::warn!(target: "postback::server", %error, "the admin page could not read the store");
        Self
    }
}

impl IntoResponse for Unavailable {
    fn into_response(self) -> Response {
        let body = json!({ "error": "the store does not answer" });
        (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
    }
}

type Answer = Result<Json<Value>, Unavailable>;

async fn status(State(server): State<Arc<Server>>) -> Json<Value> {
    let endpoints: Vec<Value> = server
        .endpoints
        .iter()
        .map(|endpoint| {
            let labels = endpoint.labels();
            let counts = &endpoint.counts;
            json!({
                "network": labels.network,
                "app": labels.app,
                "endpoint": labels.endpoint,
                "path": endpoint.path(),
                "genuine": counts.genuine.load(Ordering::Relaxed),
                "unusable": counts.unusable.load(Ordering::Relaxed),
                "rejected": counts.rejected.load(Ordering::Relaxed),
                "last_genuine": counts.last_genuine().map(rfc3339),
                "has_secret": endpoint.has_secret(),
                "uncovered": endpoint.uncovered,
            })
        })
        .collect();
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "started": rfc3339(server.started),
        "now": rfc3339(SystemClock.now()),
        "store": server.store_kind,
        "delivery": server.intake.delivery.status(),
        "endpoints": endpoints,
    }))
}

#[derive(Deserialize)]
struct After {
    after: Option<u64>,
}

/// The latest callbacks.
async fn callbacks(State(server): State<Arc<Server>>, Query(query): Query<After>) -> Json<Value> {
    let (recent, _) = server.intake.feed.after(query.after.unwrap_or_default());
    Json(json!({ "callbacks": recent.iter().map(|item| json!(**item)).collect::<Vec<_>>() }))
}

/// The latest callbacks, and every new one as it arrives.
async fn events(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<SseEvent, Infallible>>> {
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let (recent, live) = server.intake.feed.after(seen.unwrap_or_default());
    let show = |item: &crate::feed::Item| {
        let event = SseEvent::default().id(item.number.to_string());
        event.json_data(item).unwrap_or_default()
    };
    let recent = stream::iter(recent).map(move |item| Ok(show(&item)));
    let stop = server.shutdown.clone();
    let live = stream::unfold((live, stop), move |(mut live, mut stop)| async move {
        loop {
            let next = tokio::select! {
                next = live.recv() => next,
                // Open pages do not delay a shutdown.
                () = stop.requested() => return None,
            };
            match next {
                Ok(item) => return Some((Ok(show(&item)), (live, stop))),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    });
    Sse::new(recent.chain(live)).keep_alive(KeepAlive::default())
}

#[derive(Deserialize)]
struct SearchQuery {
    #[serde(default)]
    q: String,
    network: Option<String>,
    after: Option<RecordKey>,
}

/// Records of a player, a transaction or a key; without a text, the records of a network.
async fn search(State(server): State<Arc<Server>>, Query(query): Query<SearchQuery>) -> Answer {
    let network = query.network.as_deref().filter(|name| !name.is_empty());
    let text = query.q.trim();
    let (keys, next) = if text.is_empty() {
        browse(&server, network, query.after).await?
    } else {
        find(&server, text, query.after).await?
    };
    let mut found = Vec::new();
    for key in keys {
        if network.is_some_and(|network| network != key.network()) {
            continue;
        }
        if let Ok(Some(stored)) = server.intake.receiver.store().load(&key).await {
            found.push(summary_json(&stored.record));
        }
    }
    Ok(Json(json!({ "records": found, "next": next })))
}

/// The keys that a text may mean: a whole key, a player, or a transaction of any configured network.
async fn find(
    server: &Server,
    text: &str,
    after: Option<RecordKey>,
) -> Result<(Vec<RecordKey>, Option<RecordKey>), StoreError> {
    let store = server.intake.receiver.store();
    let mut keys: Vec<RecordKey> = Vec::new();
    if after.is_none() {
        keys.extend(text.parse::<RecordKey>());
        keys.extend(conversions(store, server.apps(), text).await?);
    }
    let mut next = None;
    if let Ok(player) = PlayerId::new(text) {
        let listed = store.list_by_player(&player, after.as_ref(), PAGE_SIZE).await?;
        next = listed.last().cloned().filter(|_| listed.len() == PAGE_SIZE);
        keys.extend(listed);
    }
    keys.sort();
    keys.dedup();
    Ok((keys, next))
}

/// The keys of a transaction in each of these apps, with those of its goals, which follow after a colon. Where goals
/// are transactions, a `%` or `:` of the network's own is escaped.
pub(crate) async fn conversions<'a>(
    store: &AnyStore,
    apps: impl Iterator<Item = (&'a str, &'a str)>,
    transaction: &str,
) -> Result<Vec<RecordKey>, StoreError> {
    let apps: BTreeSet<_> = apps.collect();
    let escaped = transaction.replace('%', "%25").replace(':', "%3A");
    let mut keys = conversion_keys(apps.iter().copied(), transaction);
    if escaped != transaction {
        keys.extend(conversion_keys(apps.iter().copied(), &escaped));
    }
    for first in conversion_keys(apps.into_iter(), &format!("{escaped}:")) {
        let prefix = first.to_string();
        let is_goal = |key: &RecordKey| key.to_string().starts_with(&prefix);
        // First the pending ones: what is delivered meanwhile is among the others.
        let pending = store.list_pending(Some(&first), PAGE_SIZE).await?;
        let others = store.list_unchanged_since(any_time(), Some(&first), PAGE_SIZE).await?;
        keys.extend(pending.into_iter().take_while(is_goal));
        keys.extend(others.into_iter().take_while(is_goal));
    }
    Ok(keys)
}

/// A moment before which everything has happened that is stored, also by servers whose clocks are ahead.
fn any_time() -> Timestamp {
    SystemClock.now().after(Duration::from_hours(24))
}

fn conversion_keys<'a>(apps: impl Iterator<Item = (&'a str, &'a str)>, transaction: &str) -> Vec<RecordKey> {
    let Ok(transaction) = TransactionId::new(transaction) else {
        return Vec::new();
    };
    apps.filter_map(|(network, app)| {
        let (network, app) = (NetworkName::new(network).ok()?, AppName::new(app).ok()?);
        Some(RecordKey::conversion(&network, &app, &transaction))
    })
    .collect()
}

/// The records of a network, or of all, in the order of their keys.
async fn browse(
    server: &Server,
    network: Option<&str>,
    after: Option<RecordKey>,
) -> Result<(Vec<RecordKey>, Option<RecordKey>), StoreError> {
    let first = || {
        // A space comes before every other character that an id may have.
        let first_app = server.apps().filter(|(known, _)| Some(*known) == network).min()?;
        conversion_keys(std::iter::once(first_app), " ").into_iter().next()
    };
    let after = after.or_else(first);
    let store = server.intake.receiver.store();
    let keys = store.list_unchanged_since(any_time(), after.as_ref(), PAGE_SIZE).await?;
    let next = keys
        .last()
        .cloned()
        .filter(|last| keys.len() == PAGE_SIZE && network.is_none_or(|network| network == last.network()));
    Ok((keys, next))
}

#[derive(Deserialize)]
struct KeyQuery {
    key: RecordKey,
}

/// One record with everything that happened.
async fn record(State(server): State<Arc<Server>>, Query(query): Query<KeyQuery>) -> Result<Response, Unavailable> {
    Ok(match server.intake.receiver.store().load(&query.key).await? {
        Some(stored) => Json(record_json(&stored.record)).into_response(),
        None => (StatusCode::NOT_FOUND, Json(json!({ "error": "no such record" }))).into_response(),
    })
}

#[derive(Deserialize)]
struct Page {
    after: Option<RecordKey>,
}

/// Records whose decisions the backend has not taken.
async fn pending(State(server): State<Arc<Server>>, Query(query): Query<Page>) -> Answer {
    let store = server.intake.receiver.store();
    let keys = store.list_pending(query.after.as_ref(), PAGE_SIZE).await?;
    let mut found = Vec::new();
    for key in &keys {
        match store.load(key).await {
            Ok(Some(stored)) => found.push(summary_json(&stored.record)),
            Ok(None) => {}
            Err(error) if error.is_about_one_record() => {
                found.push(json!({ "key": key, "status": "unreadable" }));
            }
            Err(error) => return Err(error.into()),
        }
    }
    let next = keys.last().filter(|_| keys.len() == PAGE_SIZE);
    Ok(Json(json!({ "records": found, "next": next })))
}

/// Conflicts, and reversals without a reward, among the next records of the store.
async fn attention(State(server): State<Arc<Server>>, Query(query): Query<Page>) -> Answer {
    let store = server.intake.receiver.store();
    let mut after = query.after;
    let mut found = Vec::new();
    let mut scanned = 0;
    while scanned < SCANNED && found.len() < PAGE_SIZE {
        let keys = store.list_unchanged_since(any_time(), after.as_ref(), PAGE_SIZE).await?;
        scanned += keys.len();
        for key in &keys {
            if let Ok(Some(stored)) = store.load(key).await
                && let Some(reason) = view::attention(&stored.record)
            {
                let mut summary = summary_json(&stored.record);
                if let Some(fields) = summary.as_object_mut() {
                    fields.insert("attention".to_owned(), json!(reason));
                }
                found.push(summary);
            }
        }
        after = keys.last().cloned();
        if keys.len() < PAGE_SIZE {
            after = None;
            break;
        }
    }
    Ok(Json(json!({ "records": found, "scanned": scanned, "next": after })))
}

#[derive(Deserialize)]
struct KeptPage {
    after: Option<String>,
}

/// Genuine callbacks that could not be used.
async fn unusable(State(server): State<Arc<Server>>, Query(query): Query<KeptPage>) -> Answer {
    let after = query.after.as_deref().map(KeptId::from);
    let kept = server.intake.receiver.store().list_unusable(after.as_ref(), PAGE_SIZE).await?;
    let next = kept.last().filter(|_| kept.len() == PAGE_SIZE).map(|kept| kept.id.clone());
    let kept: Vec<Value> = kept
        .iter()
        .map(|kept| {
            json!({
                "id": kept.id,
                "received": rfc3339(kept.received),
                "network": kept.callback.network,
                "app": kept.callback.app,
                "endpoint": kept.callback.endpoint,
                "path": kept.callback.path,
                "problem": kept.callback.problem,
                "query": kept.callback.query,
            })
        })
        .collect();
    Ok(Json(json!({ "unusable": kept, "next": next })))
}

/// Retries every pending delivery now.
async fn retry(State(server): State<Arc<Server>>) -> Json<Value> {
    server.intake.delivery.retry_all();
    Json(json!({ "retrying": true }))
}

/// Replays unusable callbacks under the present configuration.
async fn replay(State(server): State<Arc<Server>>) -> Answer {
    let (mut replayed, mut unusable, mut failed) = (0, 0, 0);
    for endpoint in &server.endpoints {
        let summary = endpoint.replay(&server.intake.receiver).await?;
        replayed += summary.replayed;
        unusable += summary.unusable;
        failed += summary.failed;
    }
    server.intake.delivery.wake();
    Ok(Json(json!({ "replayed": replayed, "unusable": unusable, "failed": failed })))
}
