//! A receiver as one usually writes it: keyed anew for each request, the query parsed into a map, a float for the
//! amount, nothing remembered. It does less than the crate, and pays a repeated callback again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, Uri};
use axum::routing::get;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::game::PATH;
use crate::callbacks::{SECRET, URL_PREFIX};

struct Game {
    secret: String,
    paid: AtomicU64,
}

pub fn router() -> Router {
    let game = Arc::new(Game {
        secret: SECRET.to_owned(),
        paid: AtomicU64::new(0),
    });
    Router::new().route(PATH, get(offers)).with_state(game)
}

async fn offers(
    State(game): State<Arc<Game>>,
    uri: Uri,
    Query(parameters): Query<HashMap<String, String>>,
) -> (StatusCode, &'static str) {
    let url = format!("{URL_PREFIX}?{}", uri.query().unwrap_or_default());
    let Some((signed, hash)) = url.rsplit_once("&hash=") else {
        return (StatusCode::FORBIDDEN, "forbidden");
    };
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(game.secret.as_bytes()) else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "no secret");
    };
    mac.update(signed.as_bytes());
    if const_hex::encode(mac.finalize().into_bytes()) != hash {
        return (StatusCode::FORBIDDEN, "forbidden");
    }
    let is_completed = parameters
        .get("state")
        .is_some_and(|state| state == "COMPLETED");
    let amount = parameters
        .get("gems")
        .and_then(|gems| gems.parse::<f64>().ok());
    if is_completed
        && amount.is_some_and(|amount| amount > 0.0)
        && parameters.contains_key("player")
    {
        game.paid.fetch_add(1, Ordering::Relaxed);
    }
    (StatusCode::OK, "OK")
}
