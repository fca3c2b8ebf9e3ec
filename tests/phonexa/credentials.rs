//! Who is let in, and that nothing of it stays.

use super::{PASSWORD, builder, names, open, postback, secret, without_credentials};
use postback::source::phonexa::{Credential, Endpoint};
use postback::source::{Callback, OpenError, Source};
use postback::testing::phonexa::Postback;
use postback::wire::Request;

/// Each accepted credential with the header or parameter that carries it, and near-misses of it.
#[test]
fn each_form_of_each_credential_is_accepted_and_each_near_miss_is_refused_alike() {
    let bare = || without_credentials("c1", "Done", "5");
    let endpoint = Endpoint::builder("game", names())
        .accept(Credential::basic("network", &secret(PASSWORD)).unwrap())
        .accept(Credential::basic("übermut", &secret("pässwörd:with colon")).unwrap())
        .accept(Credential::token(&secret("dG9rZW4tMQ")))
        .accept(Credential::header("X-Callback-Secret", &secret("header secret")).unwrap())
        .accept(Credential::parameter("key", &secret("parameter secret&")))
        .build()
        .unwrap();
    let basic = |login: &str, password: &str| bare().basic(login, password);
    let authorization = |value: &str| bare().header("Authorization", value);
    let accepted = [
        basic("network", PASSWORD),
        basic("übermut", "pässwörd:with colon"),
        bare().basic_token("dG9rZW4tMQ"),
        basic("dG9rZW4tMQ", ""),
        bare().bearer("dG9rZW4tMQ"),
        authorization("bearer dG9rZW4tMQ"),
        authorization("BASIC dG9rZW4tMQ"),
        authorization("Bearer   dG9rZW4tMQ"),
        bare().header("x-callback-secret", "header secret"),
        bare().set("key", "parameter secret&"),
        bare().to("/cb?key=parameter+secret%26"),
        // One that is right among others that are wrong.
        basic("network", "wrong").header("X-Callback-Secret", "header secret"),
        basic("network", PASSWORD).set("key", "wrong"),
    ];
    for postback in accepted {
        for sent in [postback.get(), postback.form(), postback.json()] {
            assert!(endpoint.open(&sent.request()).is_ok());
        }
    }
    let refused = [
        bare(),
        basic("network", "long-random-passwor"),
        basic("network", "long-random-password "),
        basic("network", "Long-random-password"),
        basic("network", ""),
        basic("Network", PASSWORD),
        basic("", PASSWORD),
        basic("", ""),
        basic("network", "pässwörd:with colon"),
        basic("übermut:pässwörd", "with"),
        basic("dG9rZW4tMQ", "x"),
        basic("", "dG9rZW4tMQ"),
        basic("network", &format!("{PASSWORD}\0")),
        authorization(""),
        authorization("Basic"),
        authorization("Basic "),
        authorization("Bearer"),
        authorization("Bearer "),
        authorization("dG9rZW4tMQ"),
        authorization("BearerdG9rZW4tMQ"),
        authorization("Token dG9rZW4tMQ"),
        authorization("Bearer dG9rZW4tM"),
        authorization("Bearer dG9rZW4tMQ="),
        authorization("Bearer dG9rZW4tMQ, Bearer dG9rZW4tMQ"),
        authorization(&format!("Basic network:{PASSWORD}")),
        authorization("Basic !!! not base64 !!!"),
        authorization("Basic bmV0d29yazpsb25nLXJhbmRvbS1wYXNzd29yZA"), // right, but for the padding
        bare().bearer("bmV0d29yazpsb25nLXJhbmRvbS1wYXNzd29yZA=="),
        bare().bearer("header secret"),
        basic("network", PASSWORD).basic("network", PASSWORD),
        basic("network", PASSWORD).bearer("dG9rZW4tMQ"),
        // One that is right beside one that comes twice.
        basic("network", PASSWORD)
            .bearer("x")
            .header("X-Callback-Secret", "header secret"),
        bare().header("X-Callback-Secret", "Header secret"),
        bare().header("X-Callback-Secret", ""),
        bare().header("X-Callback-Secrets", "header secret"),
        bare()
            .header("X-Callback-Secret", "header secret")
            .header("x-callback-secret", "header secret"),
        bare().set("key", "parameter secret"),
        bare().set("key", ""),
        bare().set("Key", "parameter secret&"),
        bare()
            .set("key", "parameter secret&")
            .to("/cb?key=parameter+secret%26"),
        basic("network", PASSWORD).set("key", "x").to("/cb?key=y"),
    ];
    let challenge = Some("Basic realm=\"callbacks\"");
    for postback in refused {
        for sent in [postback.get(), postback.form(), postback.json()] {
            let refused = endpoint.open(&sent.request()).unwrap_err();
            assert_eq!(refused, OpenError::Credentials { challenge });
            assert!(refused.is_unauthenticated());
        }
    }
    // Neither base64 nor text.
    for value in [b"Basic \xff\xfe".as_slice(), b"\xff", b"Bearer \xc3\x28"] {
        let headers = vec![("authorization", value)];
        let target = bare().get();
        let request = Request::get(target.target()).with_headers(&headers);
        assert_eq!(
            endpoint.open(&request).unwrap_err(),
            OpenError::Credentials { challenge }
        );
    }
}

#[test]
fn where_basic_is_not_accepted_it_is_not_asked_for() {
    let endpoint = Endpoint::builder("game", names())
        .accept(Credential::header("X-Key", &secret("k")).unwrap())
        .build()
        .unwrap();
    let refused = endpoint
        .open(&postback("c1", "Done", "5").get().request())
        .unwrap_err();
    assert_eq!(refused, OpenError::Credentials { challenge: None });
}

#[test]
fn a_stranger_is_not_told_what_would_be_read() {
    let strange = Postback::new().basic("network", "wrong");
    for sent in [
        strange.post("text/plain", "x"),
        strange.post("application/json", "{"),
        strange.clone().to("/cb?player=%FF").get(),
    ] {
        assert!(matches!(
            open(&sent).unwrap_err(),
            OpenError::Credentials { .. }
        ));
    }
}

#[test]
fn no_credential_stays_with_the_postback_and_none_is_shown() {
    let endpoint = builder()
        .accept(Credential::token(&secret("token-secret")))
        .accept(Credential::header("X-Key", &secret("header-secret")).unwrap())
        .accept(Credential::parameter("key", &secret("parameter-secret")))
        .build()
        .unwrap();
    for sent in [
        postback("c1", "Done", "5")
            .set("key", "parameter-secret")
            .get(),
        postback("c1", "Done", "5")
            .set("key", "parameter-secret")
            .form(),
        postback("c1", "Done", "5")
            .set("key", "parameter-secret")
            .json(),
    ] {
        let typed = endpoint.open(&sent.request()).unwrap();
        let event = typed.event();
        assert_eq!(
            event.signed,
            "player=p1&conversion_id=c1&payout=5&status=Done"
        );
        assert_eq!(
            (typed.parameter("key"), event.parameter("key")),
            (None, None)
        );
        let shown = format!(
            "{typed:?}{event:?}{}{}{endpoint:?}{:?}{sent:?}{:?}",
            serde_json::to_string(&typed).unwrap(),
            serde_json::to_string(&event).unwrap(),
            builder().accept(Credential::token(&secret("token-secret"))),
            sent.request(),
        );
        assert!(
            !shown.contains("secret") && !shown.contains(PASSWORD),
            "{shown}"
        );
    }
    let refused = endpoint
        .open(&Postback::new().set("key", "wrong-secret").form().request())
        .unwrap_err();
    assert!(!format!("{refused}{refused:?}").contains("secret"));
}
