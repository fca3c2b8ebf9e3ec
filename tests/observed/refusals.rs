//! Refused requests: every cause, and both adapters.

use axum::extract::FromRef;
use postback::bitlabs::{App, Endpoint, OfferCallback};
use postback::event::IdError;
use postback::source::{EndpointNames, OpenError};
use postback::testing::bitlabs::Network;
use postback::wire::KeyRing;

const URL: &str = "https://game.example/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]\
    &state=[%OFFER:TASK:STATE%]&ref=[%REF%]";

const NAMES: EndpointNames<'_> = EndpointNames::new("bitlabs", "game", "offers");

/// One of each.
pub(crate) fn errors() -> Vec<OpenError> {
    let name = || "tx".to_owned();
    vec![
        OpenError::Method { allowed: "GET" },
        OpenError::TooLong { limit: 1 },
        OpenError::Fragment,
        OpenError::TooManyParameters { limit: 1 },
        OpenError::SignatureMissing,
        OpenError::SignatureEmpty,
        OpenError::SignatureMalformed,
        OpenError::SignatureWrong,
        OpenError::Repeated { name: name() },
        OpenError::Missing { name: name() },
        OpenError::Empty { name: name() },
        OpenError::Malformed {
            name: name(),
            reason: "not a number",
        },
        OpenError::Identifier {
            name: name(),
            source: IdError::Empty,
        },
        OpenError::Encoding,
        OpenError::StaticChanged { name: name() },
        OpenError::BodyTooLarge { limit: 1 },
        OpenError::BodyCutOff,
        OpenError::Credentials { challenge: None },
        OpenError::UnsupportedMediaType { accepted: "form" },
        OpenError::BodyMalformed { reason: "not JSON" },
        OpenError::Nested { name: name() },
        OpenError::OtherState { expected: name() },
    ]
}

#[derive(Clone)]
struct Configured(Endpoint<OfferCallback>);

impl FromRef<Configured> for Endpoint<OfferCallback> {
    fn from_ref(configured: &Configured) -> Self {
        configured.0.clone()
    }
}

/// One of each cause by hand, then a forged one and one without a hash through each adapter, and one at an
/// application that was not given the endpoint.
pub(crate) async fn play() {
    for error in errors() {
        postback::observe::refused(NAMES, &error);
    }
    let app = App::new("game", KeyRing::from_list("a secret").unwrap()).unwrap();
    let endpoint = app.offers(URL).build().unwrap();
    let forged = format!(
        "/offers?player=p1&tx=o1&gems=5&state=COMPLETED&ref=&hash={}",
        "0".repeat(40)
    );
    for target in [forged.as_str(), "/offers"] {
        let request = axum::extract::Request::builder()
            .uri(target)
            .body(axum::body::Body::empty())
            .unwrap();
        let configured = Configured(endpoint.clone());
        let verified =
            <postback::web::axum::Verified<OfferCallback> as axum::extract::FromRequest<_>>::from_request(request, &configured).await;
        assert!(verified.is_err());

        let test = actix_web::test::TestRequest::with_uri(target).app_data(endpoint.clone());
        let (request, mut payload) = test.to_http_parts();
        let verified =
            <postback::web::actix::Verified<OfferCallback> as actix_web::FromRequest>::from_request(
                &request,
                &mut payload,
            );
        assert!(verified.await.is_err());
    }
    let (request, mut payload) = actix_web::test::TestRequest::with_uri("/offers").to_http_parts();
    let verified =
        <postback::web::actix::Verified<OfferCallback> as actix_web::FromRequest>::from_request(
            &request,
            &mut payload,
        );
    assert!(verified.await.is_err());
    // Genuine ones that cannot be typed, through each adapter; an amount and a transaction that no log may hold.
    let network = Network::new("a secret");
    for (tx, amount) in [("o1", "12.x5"), ("tx with\u{7}", "5")] {
        let callback = network.callback(URL).player("p1").state("COMPLETED");
        let signed = callback.transaction(tx).amount(amount).sign();
        let request = axum::extract::Request::builder()
            .uri(signed.target())
            .body(axum::body::Body::empty())
            .unwrap();
        let configured = Configured(endpoint.clone());
        let verified =
            <postback::web::axum::Verified<OfferCallback> as axum::extract::FromRequest<_>>::from_request(request, &configured).await;
        assert!(verified.is_err());
        let test =
            actix_web::test::TestRequest::with_uri(signed.target()).app_data(endpoint.clone());
        let (request, mut payload) = test.to_http_parts();
        let verified =
            <postback::web::actix::Verified<OfferCallback> as actix_web::FromRequest>::from_request(
                &request,
                &mut payload,
            );
        assert!(verified.await.is_err());
    }
    // And one flood.
    for _ in 0..100 {
        postback::observe::refused(NAMES, &OpenError::Fragment);
    }
    postback::observe::limit_refusals(10, std::time::Duration::from_millis(1));
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    postback::observe::refused(NAMES, &OpenError::Fragment);
}
