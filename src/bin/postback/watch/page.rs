//! The page, and the stream of events that feeds it.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::channel::{Channel, Sender};
use hyper::body::Bytes;
use tokio::sync::broadcast::error::RecvError;

use super::desk::Desk;
use super::feed::Item;

/// One file: style, script and all. `{{nonce}}` is the only thing that changes.
const PAGE: &str = include_str!("page.html");

/// A proxy may close a stream on which nothing comes.
const HEARTBEAT: Duration = Duration::from_secs(15);

pub(super) async fn page(headers: HeaderMap) -> Response {
    if !is_of_this_machine(&headers) {
        return refused();
    }
    let nonce = nonce();
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let mut response = PAGE.replace("{{nonce}}", &nonce).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    guard(headers);
    response
}

/// Server-sent events: what is remembered, then whatever comes.
pub(super) async fn events(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    if !is_of_this_machine(&headers) {
        return refused();
    }
    // A page that lost its connection says what it has.
    let last = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok())
        .unwrap_or(0);
    let (sender, channel) = Channel::<Bytes>::new(64);
    tokio::spawn(stream(desk, sender, last));
    let mut response = Body::new(channel).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    guard(headers);
    response
}

/// Ends when the page is closed.
async fn stream(desk: Arc<Desk>, mut sender: Sender<Bytes>, last: u64) {
    let (known, mut live) = desk.feed.after(last);
    for item in known {
        if sender.send_data(event(&item)).await.is_err() {
            return;
        }
    }
    loop {
        let data = match tokio::time::timeout(HEARTBEAT, live.recv()).await {
            Ok(Ok(item)) => event(&item),
            // Too slow for what came in between; the page shows the gap in the numbers.
            Ok(Err(RecvError::Lagged(_))) => continue,
            Ok(Err(RecvError::Closed)) => return,
            Err(_) => Bytes::from_static(b":\n\n"),
        };
        if sender.send_data(data).await.is_err() {
            return;
        }
    }
}

fn event(item: &Item) -> Bytes {
    // JSON holds no line break.
    format!("id: {}\ndata: {}\n\n", item.number, item.json).into()
}

/// Whether the page was asked for by address or as localhost. Under any other name it may be another site's script
/// that asks, having pointed its own name at this machine (DNS rebinding).
fn is_of_this_machine(headers: &HeaderMap) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    host.is_some_and(|host| {
        let bare = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next(),
            None => host.split(':').next(),
        };
        bare.is_some_and(|bare| bare == "localhost" || bare.parse::<IpAddr>().is_ok())
    })
}

fn refused() -> Response {
    let advice = "open this page by address, such as http://127.0.0.1:8090/watch";
    (StatusCode::FORBIDDEN, advice).into_response()
}

fn guard(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Not to be guessed: the hasher's keys are random.
fn nonce() -> String {
    let word = || RandomState::new().hash_one("nonce");
    format!("{:016x}{:016x}", word(), word())
}
