//! A rejection says its status, its body, and everything that led to it.

use std::error::Error;
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use postback::receiver::ReceiveError;
use postback::source::{Fault, OpenError, Source};
use postback::store::StoreError;
use postback::web::axum::Rejection;
use postback::web::{Refusal, Reply};
use postback::wire::Request;

use crate::game::{completed, offer, offers};

/// What the error says, and what each of its causes says.
fn chain(error: &(dyn Error + 'static)) -> Vec<String> {
    std::iter::successors(Some(error), |error| (*error).source())
        .map(ToString::to_string)
        .collect()
}

fn opened(target: &str) -> Rejection {
    offers().open(&Request::get(target)).unwrap_err().into()
}

#[test]
fn a_rejection_has_the_status_and_body_of_its_response() {
    let unavailable = || ReceiveError::Store(StoreError::Closed);
    let busy = |millis| ReceiveError::Busy {
        retry_after: Duration::from_millis(millis),
    };
    let cases: [(Rejection, u16, &str, Option<&str>); 8] = [
        (opened("/"), 403, "forbidden", None),
        (
            OpenError::Method { allowed: "GET" }.into(),
            405,
            "method not allowed",
            None,
        ),
        (
            OpenError::TooLong { limit: 1 }.into(),
            414,
            "url too long",
            None,
        ),
        (
            OpenError::BodyTooLarge { limit: 1 }.into(),
            413,
            "body too large",
            None,
        ),
        (OpenError::Encoding.into(), 400, "bad callback", None),
        (unavailable().into(), 503, "store unavailable", Some("5")),
        (busy(1_001).into(), 503, "busy", Some("2")),
        (busy(0).into(), 503, "busy", Some("1")),
    ];
    for (rejection, status, body, retry_after) in cases {
        assert_eq!(rejection.status().as_u16(), status, "{rejection}");
        assert_eq!(rejection.body_text(), body, "{rejection}");
        let reply = Reply::from(rejection.refusal());
        assert_eq!((reply.status, reply.body), (status, body));
        let response = rejection.into_response();
        assert_eq!(response.status().as_u16(), status);
        let told = response.headers().get(header::RETRY_AFTER);
        assert_eq!(told.map(|value| value.to_str().unwrap()), retry_after);
    }
}

#[test]
fn a_rejection_says_what_led_to_it_and_whose_fault_it_is() {
    let refused = opened(&completed("o1").replace("500", "501"));
    let causes = chain(&refused);
    assert_eq!(causes[0], "the request was not accepted");
    assert!(causes[1].contains("compare the secret"), "{causes:?}");
    assert_eq!(refused.refusal().fault(), Fault::Sender);
    assert!(matches!(
        refused.source().unwrap().downcast_ref::<OpenError>(),
        Some(OpenError::SignatureWrong)
    ));

    let empty = offer("o1", "COMPLETED", "500").player("").sign();
    let causes = chain(&opened(empty.target()));
    assert_eq!(causes[1..], [r#"parameter "player" is empty"#]);
    let control = offer("o\n1", "COMPLETED", "500").sign();
    let causes = chain(&opened(control.target()));
    assert_eq!(
        causes.len(),
        3,
        "down to the identifier's own error: {causes:?}"
    );

    let down = StoreError::Unavailable {
        doing: "load a record",
        source: "disk I/O error".into(),
    };
    let down = Rejection::from(ReceiveError::from(down));
    assert_eq!(
        chain(&down)[1..],
        [
            "the callback could not be remembered",
            "the store failed to load a record",
            "disk I/O error"
        ]
    );
    assert_eq!(down.refusal().fault(), Fault::Store);
    assert_eq!(down.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn neither_message_nor_body_holds_what_was_sent() {
    let sent = offer("tx-of-a-forger", "COMPLETED", "five").sign();
    let refused = opened(sent.target());
    let said = format!(
        "{refused:?} {} {}",
        chain(&refused).join(" "),
        refused.body_text()
    );
    for secret in ["forger", "five", sent.hash(), "route-secret", "p1"] {
        assert!(!said.contains(secret), "{secret}: {said}");
    }
    assert!(matches!(refused.refusal(), Refusal::Open(_)));
}
