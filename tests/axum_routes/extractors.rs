//! The extractors: what they hand over, and how a handler may answer otherwise.

use axum::Router;
use axum::extract;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use postback::bitlabs::{OfferCallback, SurveyCallback};
use postback::delivery::Progress;
use postback::store::MemoryStore;
use postback::web::Refusal;
use postback::web::axum::{Delivery, Rejection, Settled, Verified};

use crate::game::{Server, State, Wallet, completed, survey};
use crate::http;

fn server(state: &State, route: axum::routing::MethodRouter<State>) -> Server {
    let app = Router::new().fallback(route).with_state(state.clone());
    Server::start(app)
}

#[test]
fn verified_hands_over_the_callback_and_remembers_nothing() {
    async fn show(Verified(callback): Verified<OfferCallback>) -> String {
        format!("{} {}", callback.player(), callback.transaction())
    }
    let state = State::new();
    let server = server(&state, any(show));
    for _ in 0..2 {
        let answer = http::get(server.address(), &completed("o1"));
        assert_eq!(answer.status_and_body(), (200, "p1 o1"));
    }
    assert_eq!(state.wallet.calls(), 0);
}

#[test]
fn an_extractor_that_is_refused_answers_like_the_route() {
    async fn verified(_: Verified<OfferCallback>) {}
    async fn delivered(
        delivery: Delivery<OfferCallback, MemoryStore>,
    ) -> Result<Settled, Rejection> {
        delivery.settle_with(&Wallet::default().handler()).await
    }
    for route in [any(verified), any(delivered)] {
        let server = server(&State::new(), route);
        let get = |target: &str| http::get(server.address(), target);
        let genuine = completed("o1");
        assert_eq!(get("/").status_and_body(), (403, "forbidden"));
        assert_eq!(
            get(&genuine.replace("500", "501")).status_and_body(),
            (403, "forbidden")
        );
        let long = format!("{genuine}{}", "0".repeat(9_000));
        assert_eq!(get(&long).status_and_body(), (414, "url too long"));
        let posted = http::request(server.address(), "POST", &genuine, &[]);
        assert_eq!(posted.status_and_body(), (405, "method not allowed"));
        assert_eq!(posted.header("allow"), Some("GET"));
    }
}

#[test]
fn a_handler_that_takes_the_result_may_answer_otherwise() {
    async fn lenient(callback: Result<Verified<OfferCallback>, Rejection>) -> Response {
        match callback {
            Ok(_) => "welcome".into_response(),
            Err(rejection) if rejection.status() == StatusCode::FORBIDDEN => {
                (StatusCode::NOT_FOUND, "nothing here").into_response()
            }
            Err(rejection) => rejection.into_response(),
        }
    }
    let server = server(&State::new(), any(lenient));
    let get = |target: &str| http::get(server.address(), target);
    assert_eq!(get(&completed("o1")).status_and_body(), (200, "welcome"));
    assert_eq!(get("/?a=1").status_and_body(), (404, "nothing here"));
    let posted = http::request(server.address(), "POST", &completed("o1"), &[]);
    assert_eq!((posted.status, posted.header("allow")), (405, Some("GET")));
}

#[test]
fn delivery_hands_over_callback_and_decision_and_settles_once() {
    async fn pay(
        extract::State(wallet): extract::State<Wallet>,
        delivery: Delivery<OfferCallback, MemoryStore>,
    ) -> Result<String, Rejection> {
        let about = delivery.callback.transaction().to_string();
        let due = match &delivery.progress {
            Progress::Deliver(due) => due.decision().balance_change().to_string(),
            Progress::Answered(receipt) => receipt.as_str().to_owned(),
        };
        let Settled(receipt) = delivery.settle_with(&wallet.handler()).await?;
        Ok(format!("{about}: {due}, {}", receipt.as_str()))
    }
    let state = State::new();
    let server = server(&state, any(pay));
    let get = |target: &str| http::get(server.address(), target);
    assert_eq!(get(&completed("o1")).body, "o1: 500, settled");
    assert_eq!(get(&completed("o1")).body, "o1: duplicate, duplicate");
    assert_eq!(get(&completed("refuse")).body, "refuse: 500, refused");
    assert_eq!(
        get(&completed("fail")).status_and_body(),
        (500, "handler failed")
    );
    assert_eq!(state.wallet.balance(), 500.into());
}

#[test]
fn a_delivery_that_is_dropped_stays_open() {
    async fn forget(delivery: Delivery<OfferCallback, MemoryStore>) -> StatusCode {
        drop(delivery);
        StatusCode::INTERNAL_SERVER_ERROR
    }
    let state = State::new();
    let server = server(&state, any(forget));
    assert_eq!(http::get(server.address(), &completed("o1")).status, 500);
    // Leased to the one who dropped it.
    let answer = http::get(server.address(), &completed("o1"));
    assert_eq!(answer.status_and_body(), (503, "busy"));
    assert!(answer.header("retry-after").is_some());
}

#[test]
fn several_endpoints_live_in_one_state() {
    async fn either(
        extract::State(state): extract::State<State>,
        request: extract::Request,
    ) -> Result<String, Rejection> {
        use axum::extract::FromRequest;
        if request.uri().path().ends_with("offers") {
            let Verified(offer) = Verified::<OfferCallback>::from_request(request, &state).await?;
            Ok(format!("offer {}", offer.transaction()))
        } else {
            let Verified(survey) =
                Verified::<SurveyCallback>::from_request(request, &state).await?;
            Ok(format!("survey {}", survey.transaction()))
        }
    }
    let server = server(&State::new(), any(either));
    let get = |target: &str| http::get(server.address(), target);
    assert_eq!(get(&completed("o1")).body, "offer o1");
    assert_eq!(get(&survey("7")).body, "survey 7");
    let (_, query) = survey("7")
        .split_once('?')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    assert_eq!(get(&format!("/cb/offers?{query}")).status, 403);
}

#[test]
fn what_the_refusal_was_is_there_to_look_at() {
    async fn explain(callback: Result<Verified<OfferCallback>, Rejection>) -> String {
        match callback.map_err(|rejection| format!("{:?}", rejection.refusal().fault())) {
            Ok(_) => "nobody's".to_owned(),
            Err(fault) => fault,
        }
    }
    let server = server(&State::new(), any(explain));
    let get = |target: &str| http::get(server.address(), target).body;
    assert_eq!(get(&completed("o1")), "nobody's");
    assert_eq!(get("/?a=1"), "Sender");
    let _: fn(&Rejection) -> &Refusal = Rejection::refusal;
}
