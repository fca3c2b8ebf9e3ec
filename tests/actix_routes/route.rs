//! The route in one call.

use actix_web::http::{Method, header};
use actix_web::test::TestRequest;
use actix_web::web;
use postback::web::Reply;
use postback::web::actix::{callbacks, callbacks_answering};

use crate::bitlabs_game::Game;
use crate::{completed, get, paying, play};

#[tokio::test]
async fn a_callback_goes_all_the_way_once() {
    let game = Game::new();
    let receiver = game.receiver.clone().with_handler(paying(&game));
    let offers = game.offers.clone();
    let answers = play(
        |app| {
            app.route("/callbacks/offers", callbacks(offers, receiver));
        },
        [
            get(&completed(&game, "o1")),
            get(&completed(&game, "o1")),
            get(&completed(&game, "fail")),
            get(&completed(&game, "refuse")),
            get(&completed(&game, "o1").replace("gems=500", "gems=501")),
            get(game.offer("o2", "COMPLETED", "many").sign().target()),
            get(&format!("/callbacks/offers?{}", "a".repeat(9_000))),
            get("/callbacks/offers"),
        ],
    )
    .await;
    let expected = [
        (200, "settled"),
        (200, "duplicate"),
        (500, "handler failed"),
        (200, "refused"),
        (403, "forbidden"),
        (400, "bad callback"),
        (414, "url too long"),
        (403, "forbidden"),
    ];
    for (answer, expected) in answers.iter().zip(expected) {
        assert_eq!(answer.status_and_body(), expected);
        let content_type = answer.header("content-type");
        assert_eq!(content_type, Some("text/plain; charset=utf-8"));
    }
    assert_eq!(game.balance(), 500.into());
}

#[tokio::test]
async fn other_methods_are_answered_405_with_allow() {
    for method in [Method::POST, Method::HEAD, Method::PUT, Method::OPTIONS] {
        let game = Game::new();
        let receiver = game.receiver.clone().with_handler(paying(&game));
        let offers = game.offers.clone();
        let [answer] = play(
            |app| {
                app.service(web::resource("/callbacks/offers").route(callbacks(offers, receiver)));
            },
            [get(&completed(&game, "o1")).method(method)],
        )
        .await;
        assert_eq!(answer.status_and_body(), (405, "method not allowed"));
        assert_eq!(answer.header("allow"), Some("GET"));
        assert_eq!(game.balance(), 0.into());
    }
}

#[tokio::test]
async fn nested_scopes_and_other_paths_change_nothing() {
    let game = Game::new();
    let receiver = game.receiver.clone().with_handler(paying(&game));
    let (offers, surveys) = (game.offers.clone(), game.surveys.clone());
    let mount = |app: &mut web::ServiceConfig| {
        let inner = web::scope("/{game}")
            .route("/in", callbacks(offers, receiver.clone()))
            .service(web::resource("/{rest:.*}").route(callbacks(surveys, receiver)));
        app.service(web::scope("/eu").service(web::scope("/v1").service(inner)));
    };
    let moved = |path: &str, target: &str| {
        let (_, query) = target.split_once('?').unwrap();
        get(&format!("{path}?{query}"))
    };
    let offer = completed(&game, "o1");
    let survey = game.survey("7", "COMPLETE", "20").sign();
    let answers = play(
        mount,
        [
            moved("/eu/v1/g/in", &offer),
            moved("/eu/v1/%67/in", &offer),
            moved("/eu/v1/g/any/where", survey.target()),
            moved("/eu/v1/g/any/where", &offer),
            moved("/eu/v1", &offer),
        ],
    )
    .await;
    let bodies = answers.map(|answer| answer.body);
    assert_eq!(bodies, ["settled", "duplicate", "settled", "forbidden", ""]);
    assert_eq!(game.balance(), 520.into());
}

#[tokio::test]
async fn a_host_that_full_url_panics_on_is_not_looked_at() {
    let game = Game::new();
    let receiver = game.receiver.clone().with_handler(paying(&game));
    let offers = game.offers.clone();
    let lying = |tx: &str, host: &'static str| {
        let request = get(&completed(&game, tx)).insert_header((header::HOST, host));
        request.insert_header(("x-forwarded-host", "a b"))
    };
    let requests = [lying("o1", "a b"), lying("o2", ""), lying("o3", "[::1")];
    let answers = play(
        |app| {
            app.route("/callbacks/offers", callbacks(offers, receiver));
        },
        requests,
    )
    .await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(game.balance(), 1500.into());
}

#[tokio::test]
async fn a_mapping_of_ones_own_answers_otherwise() {
    let game = Game::new();
    let receiver = game.receiver.clone().with_handler(paying(&game));
    let offers = game.offers.clone();
    let hidden = |refusal: &postback::web::Refusal| match Reply::from(refusal).status {
        403 => Reply::new(404, "nothing here"),
        _ => Reply::from(refusal),
    };
    let [forged, posted] = play(
        |app| {
            let route = callbacks_answering(offers, receiver, hidden);
            app.route("/callbacks/offers", route);
        },
        [
            get("/callbacks/offers?a=1"),
            TestRequest::post().uri(&completed(&game, "o1")),
        ],
    )
    .await;
    assert_eq!(forged.status_and_body(), (404, "nothing here"));
    assert_eq!(posted.status, 405);
}
