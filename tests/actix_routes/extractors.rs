//! The extractors: where they take endpoint and receiver from, what they hand over, how they refuse.

use std::error::Error;

use actix_web::http::StatusCode;
use actix_web::web::{self, Data};
use actix_web::{HttpResponse, ResponseError};
use postback::bitlabs::{OfferCallback, SurveyCallback};
use postback::delivery::Progress;
use postback::source::{Fault, OpenError};
use postback::store::MemoryStore;
use postback::web::Refusal;
use postback::web::actix::{Delivery, Rejection, Settled, Verified};

use crate::bitlabs_game::Game;
use crate::{Answer, completed, get, paying, play};

async fn show(Verified(callback): Verified<OfferCallback>) -> String {
    format!("{} {}", callback.player(), callback.transaction())
}

async fn pay(
    game: Data<Game>,
    delivery: Delivery<OfferCallback, MemoryStore>,
) -> Result<Settled, Rejection> {
    delivery.settle_with(&paying(&game)).await
}

#[tokio::test]
async fn verified_hands_over_the_callback_and_remembers_nothing() {
    let game = Game::new();
    let offers = game.offers.clone();
    let target = completed(&game, "o1");
    let answers = play(
        |app| {
            app.app_data(Data::new(offers))
                .route("/callbacks/offers", web::to(show));
        },
        [get(&target), get(&target), get("/callbacks/offers?a=1")],
    )
    .await;
    assert_eq!(answers[0].status_and_body(), (200, "p1 o1"));
    assert_eq!(answers[1].status_and_body(), (200, "p1 o1"));
    assert_eq!(answers[2].status_and_body(), (403, "forbidden"));
}

#[tokio::test]
async fn delivery_hands_over_what_is_due_and_settles_once() {
    let game = Data::new(Game::new());
    let targets = ["o1", "o1", "refuse", "fail"].map(|tx| get(&completed(&game, tx)));
    let data = game.clone();
    let answers = play(
        move |app| {
            // Bare or wrapped, both are found.
            app.app_data(data.offers.clone())
                .app_data(Data::new(data.receiver.clone()))
                .app_data(data)
                .route("/callbacks/offers", web::to(pay));
        },
        targets,
    )
    .await;
    let said = answers.each_ref().map(Answer::status_and_body);
    let expected = [
        (200, "settled"),
        (200, "duplicate"),
        (200, "refused"),
        (500, "handler failed"),
    ];
    assert_eq!(said, expected);
    assert_eq!(game.balance(), 500.into());
}

#[tokio::test]
async fn a_delivery_that_is_dropped_stays_open() {
    async fn forget(delivery: Delivery<OfferCallback, MemoryStore>) -> HttpResponse {
        assert!(matches!(delivery.progress, Progress::Deliver(_)));
        drop(delivery);
        HttpResponse::InternalServerError().finish()
    }
    let game = Game::new();
    let (offers, receiver) = (game.offers.clone(), game.receiver.clone());
    let target = completed(&game, "o1");
    let [first, again] = play(
        |app| {
            app.app_data(Data::new(offers))
                .app_data(receiver)
                .route("/callbacks/offers", web::to(forget));
        },
        [get(&target), get(&target)],
    )
    .await;
    assert_eq!(first.status, 500);
    // Leased to the one who dropped it.
    assert_eq!(again.status_and_body(), (503, "busy"));
    assert!(again.header("retry-after").is_some());
}

#[tokio::test]
async fn an_inner_scope_has_endpoints_of_its_own() {
    async fn survey(Verified(callback): Verified<SurveyCallback>) -> String {
        callback.transaction().to_string()
    }
    let game = Game::new();
    let (offers, surveys) = (game.offers.clone(), game.surveys.clone());
    let signed = game.survey("7", "COMPLETE", "20").sign();
    let targets = [completed(&game, "o1"), format!("/inner{}", signed.target())];
    let [offer, survey] = play(
        |app| {
            let inner = web::scope("/inner").app_data(Data::new(surveys));
            app.app_data(Data::new(offers))
                .route("/callbacks/offers", web::to(show))
                .service(inner.route("/callbacks/surveys", web::to(survey)));
        },
        targets.each_ref().map(|target| get(target)),
    )
    .await;
    assert_eq!((&*offer.body, &*survey.body), ("p1 o1", "7"));
}

#[tokio::test]
async fn what_is_missing_from_the_app_data_is_the_configurations_fault() {
    async fn explain(callback: Result<Verified<OfferCallback>, Rejection>) -> String {
        let rejection = callback.err().unwrap();
        assert_eq!(rejection.refusal().fault(), Fault::Configuration);
        rejection.to_string()
    }
    let game = Data::new(Game::new());
    let data = game.clone();
    let targets = ["/verified", "/explained", "/callbacks/offers"];
    let query = completed(&game, "o1").split_off("/callbacks/offers".len());
    let answers = play(
        move |app| {
            app.app_data(data.clone())
                .route("/verified", web::to(show))
                .route("/explained", web::to(explain))
                .service(
                    // The endpoint is there, the receiver is not.
                    web::resource("/callbacks/offers")
                        .app_data(Data::new(data.offers.clone()))
                        .route(web::to(pay)),
                );
        },
        targets.map(|target| get(&format!("{target}{query}"))),
    )
    .await;
    assert_eq!(answers[0].status_and_body(), (500, "not configured"));
    let said = &answers[1].body;
    assert!(
        said.contains("Endpoint<") && said.contains("app data"),
        "{said}"
    );
    assert_eq!(answers[2].status_and_body(), (500, "not configured"));
    assert_eq!(game.balance(), 0.into());
}

#[tokio::test]
async fn a_handler_that_takes_the_result_may_answer_otherwise() {
    async fn lenient(
        callback: Result<Verified<OfferCallback>, Rejection>,
    ) -> Result<HttpResponse, Rejection> {
        match callback {
            Ok(_) => Ok(HttpResponse::Ok().body("welcome")),
            Err(rejection) if rejection.status() == StatusCode::FORBIDDEN => {
                Ok(HttpResponse::NotFound().body("nothing here"))
            }
            Err(rejection) => Err(rejection),
        }
    }
    let game = Game::new();
    let offers = game.offers.clone();
    let target = completed(&game, "o1");
    let answers = play(
        |app| {
            app.app_data(Data::new(offers))
                .route("/callbacks/offers", web::to(lenient));
        },
        [
            get(&target),
            get("/callbacks/offers?a=1"),
            get(&target).method(actix_web::http::Method::POST),
        ],
    )
    .await;
    assert_eq!(answers[0].status_and_body(), (200, "welcome"));
    assert_eq!(answers[1].status_and_body(), (404, "nothing here"));
    assert_eq!(answers[2].status, 405);
    assert_eq!(answers[2].header("allow"), Some("GET"));
}

#[test]
fn a_rejection_tells_status_body_and_reason() {
    let rejection = Rejection::from(OpenError::SignatureWrong);
    assert_eq!(rejection.status(), StatusCode::FORBIDDEN);
    assert_eq!(rejection.status_code(), rejection.status());
    assert_eq!(rejection.body_text(), "forbidden");
    assert!(matches!(rejection.refusal(), Refusal::Open(_)));
    let source = rejection.source().unwrap();
    assert!(source.to_string().contains("signature"), "{source}");
    let response = rejection.error_response();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
}

#[test]
fn a_rejection_brings_the_header_fields_of_its_reply() {
    let challenge = "Basic realm=\"postbacks\"";
    let refused = |challenge| Rejection::from(OpenError::Credentials { challenge });
    let response = refused(Some(challenge)).error_response();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let field = response.headers().get("www-authenticate").unwrap();
    assert_eq!(field, challenge);
    let response = refused(None).error_response();
    assert!(!response.headers().contains_key("www-authenticate"));
}
