//! Where a route is mounted, and what a proxy does to the request, changes nothing.

use axum::Router;
use axum::extract;
use axum::routing::any;
use postback::bitlabs::{OfferCallback, SurveyCallback};
use postback::store::MemoryStore;
use postback::web::axum::{Delivery, Rejection, Settled, Verified, callbacks};

use crate::game::{Server, State, Wallet, completed, survey};
use crate::http;

async fn verified(Verified(callback): Verified<OfferCallback>) -> String {
    format!("genuine {}", callback.transaction())
}

async fn delivered(
    extract::State(wallet): extract::State<Wallet>,
    delivery: Delivery<OfferCallback, MemoryStore>,
) -> Result<Settled, Rejection> {
    delivery.settle_with(&wallet.handler()).await
}

async fn surveyed(
    extract::State(wallet): extract::State<Wallet>,
    delivery: Delivery<SurveyCallback, MemoryStore>,
) -> Result<Settled, Rejection> {
    delivery.settle_with(&wallet.handler()).await
}

/// The same callbacks, received in each of the three ways.
fn routes(state: &State) -> Router<State> {
    let receiver = state.receiver.clone().with_handler(state.wallet.handler());
    Router::new()
        .route("/offers", any(delivered))
        .route("/offers/verified", any(verified))
        .route(
            "/offers/whole",
            callbacks(state.offers.clone(), receiver.clone()),
        )
        .route("/surveys", any(surveyed))
        .route("/surveys/whole", callbacks(state.surveys.clone(), receiver))
}

fn query(target: &str) -> &str {
    target.split_once('?').unwrap().1
}

/// Mounts them and sends each way a callback there; the URL in the dashboard stays the same.
fn works(at: &str, mount: impl Fn(Router<State>) -> Router<State>) {
    let state = State::new();
    let app = mount(routes(&state)).with_state(state.clone());
    let server = Server::start(app);
    let send = |way: &str, target: &str| {
        let answer = http::get(server.address(), &format!("{at}{way}?{}", query(target)));
        format!("{} {}", answer.status, answer.body)
    };
    assert_eq!(
        send("/offers/verified", &completed("o1")),
        "200 genuine o1",
        "{at}"
    );
    assert_eq!(send("/offers", &completed("o1")), "200 settled", "{at}");
    assert_eq!(
        send("/offers/whole", &completed("o1")),
        "200 duplicate",
        "{at}"
    );
    assert_eq!(
        send("/offers/whole", &completed("o2")),
        "200 settled",
        "{at}"
    );
    assert_eq!(send("/offers", &completed("o2")), "200 duplicate", "{at}");
    assert_eq!(send("/surveys", &survey("1")), "200 settled", "{at}");
    assert_eq!(
        send("/surveys/whole", &survey("1")),
        "200 duplicate",
        "{at}"
    );
    // Another endpoint's signature does not fit, wherever it is mounted.
    assert_eq!(send("/surveys", &completed("o3")), "403 forbidden", "{at}");
    assert_eq!(send("/offers", &survey("2")), "403 forbidden", "{at}");
    assert_eq!(send("/offers", "?a=1"), "403 forbidden", "{at}");
    assert_eq!(state.wallet.balance(), 1_020.into(), "{at}");
}

#[test]
fn plain_routes_work() {
    works("", |routes| routes);
}

#[test]
fn nested_routes_work() {
    works("/cb", |routes| Router::new().nest("/cb", routes));
}

#[test]
fn routes_nested_twice_below_a_parameter_work() {
    works("/api/v2/callbacks", |routes| {
        let inner = Router::new().nest("/callbacks", routes);
        Router::new().nest("/api/{version}", inner)
    });
}

#[test]
fn routes_behind_a_proxy_that_strips_or_adds_a_prefix_work() {
    works("/inside/the/proxy", |routes| {
        Router::new().nest("/inside/the/proxy", routes)
    });
}

#[test]
fn a_route_that_is_a_fallback_works() {
    let state = State::new();
    let app = Router::new()
        .fallback(any(delivered))
        .with_state(state.clone());
    let server = Server::start(app);
    let paths = ["/", "/any/thing", "//double//slash", "/a%2Fb/%zz"];
    for (number, path) in paths.into_iter().enumerate() {
        let tx = format!("o{number}");
        let answer = http::get(
            server.address(),
            &format!("{path}?{}", query(&completed(&tx))),
        );
        assert_eq!(answer.status_and_body(), (200, "settled"), "{path}");
    }
    // A target as it is sent to a proxy.
    let absolute = format!(
        "http://elsewhere.example:81/x?{}",
        query(&completed("absolute"))
    );
    let answer = http::get(server.address(), &absolute);
    assert_eq!(answer.status_and_body(), (200, "settled"));
    assert_eq!(state.wallet.balance(), 2_500.into());
}

#[test]
fn headers_that_lie_about_scheme_host_or_path_change_nothing() {
    let lies: [&[(&str, &str)]; 6] = [
        &[("Host", "evil.example")],
        &[("Host", "game.example:9999"), ("X-Forwarded-Port", "1")],
        &[("Host", "%%%")],
        &[
            ("X-Forwarded-Host", "evil.example"),
            ("X-Forwarded-Proto", "http"),
        ],
        &[
            ("Forwarded", "host=evil.example;proto=http"),
            ("X-Forwarded-Prefix", "/evil"),
        ],
        &[
            ("X-Original-URL", "/cb/surveys?a=1"),
            ("X-Rewrite-URL", "/cb/surveys"),
            ("X-HTTP-Method-Override", "POST"),
        ],
    ];
    let state = State::new();
    let app = Router::new()
        .nest("/cb", routes(&state))
        .with_state(state.clone());
    let server = Server::start(app);
    for (number, headers) in lies.into_iter().enumerate() {
        for way in ["/offers", "/offers/whole"] {
            let tx = format!("o{number}{}", way.len());
            let genuine = format!("/cb{way}?{}", query(&completed(&tx)));
            let answer = http::request(server.address(), "GET", &genuine, headers);
            assert_eq!(answer.status_and_body(), (200, "settled"), "{headers:?}");
            let forged = genuine.replace("gems=500", "gems=900");
            let answer = http::request(server.address(), "GET", &forged, headers);
            assert_eq!(answer.status_and_body(), (403, "forbidden"), "{headers:?}");
        }
    }
    assert_eq!(state.wallet.balance(), 6_000.into());
}

#[test]
fn a_body_on_a_get_changes_nothing() {
    let state = State::new();
    let app = Router::new()
        .nest("/cb", routes(&state))
        .with_state(state.clone());
    let server = Server::start(app);
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: 8\r\nConnection: close\r\n\r\ngems=900",
        completed("o1")
    );
    let answer = http::send(server.address(), request.as_bytes()).unwrap();
    assert_eq!(answer.status_and_body(), (200, "settled"));
    assert_eq!(state.wallet.balance(), 500.into());
}
