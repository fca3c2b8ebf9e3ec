//! Authenticity: published vectors, rejected requests, keys in rotation, and what verification costs.

use allocation_counter::measure;
use postback::bitlabs::{App, BitlabsEndpoint, OfferCallback, State};
use postback::testing::bitlabs::Signer;
use postback::verify::{BadRequest, Encoding, HashFunction, NotGenuine, UrlVerifier, VerifyError};
use postback::{Endpoint, KeyRing, Origin, Request, Secret};

const KEY: &str = "JLOIAUNMHFli7ZJOQVEzm98rzqnm9";
const URL: &str = "https://game.example/cb?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&usd=[%VALUE:USD%]\
    &state=[%OFFER:TASK:STATE%]&ref=[%REF%]&source=bitlabs";
const COMPLETED: [(&str, &str); 4] = [("player", "p1"), ("tx", "o1"), ("gems", "500"), ("state", "COMPLETED")];

fn offers() -> BitlabsEndpoint<OfferCallback> {
    App::new("my-game", KEY).unwrap().offers(URL).unwrap()
}

fn rejection(target: &str) -> VerifyError {
    offers().verify(&Request::get(target)).unwrap_err()
}

#[test]
fn published_vectors_verify_but_not_under_an_empty_secret() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/vectors.json")).unwrap();
    let vectors: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut count = 0;
    for vector in vectors["bitlabs"].as_array().unwrap() {
        let text = |name: &str| vector[name].as_str().unwrap();
        let (url, secret, hash) = (text("signed"), text("secret"), text("hash"));
        // The signer agrees with every vector, so the tests may rely on it.
        assert_eq!(Signer::new(secret, "").sign_url(url).hash(), hash, "{url}");
        if secret.is_empty() {
            assert!(Secret::new(secret).is_err());
            continue;
        }
        let (prefix, query) = url.split_once('?').unwrap();
        let keys = KeyRing::try_from(secret).unwrap();
        let verifier = UrlVerifier::new("hash", HashFunction::Sha1, Encoding::Hex, &keys, [prefix]);
        assert!(verifier.verify(&format!("{query}&hash={hash}")).is_ok(), "{url}");
        assert!(verifier.verify(&format!("{query}1&hash={hash}")).is_err(), "{url}");
        count += 1;
    }
    assert!(count > 0);
    let published = "/?param1=foo&param2=bar&hash=3171f6b78e06cadcec4c9c3b15f858b8400e8738";
    assert_eq!(rejection(published), VerifyError::NotGenuine(NotGenuine::SignatureWrong));
}

#[test]
fn derived_vectors_are_typed_by_endpoints() {
    let named = "https://publisher.com/cb?uid=[%UID%]&tx=[%TX%]&name=[%OFFER_NAME%]";
    for (url, only, target, expected) in [
        (
            named,
            Some(State::Pending),
            "/cb?uid=u1&tx=o233&name=Lords%20Mobile&hash=1996a56fa42b700e58f91ab28152f5abd08e01e1",
            ("u1", "o233", Some("Lords Mobile")),
        ),
        (
            named,
            Some(State::Pending),
            "/cb?uid=u1&tx=o233&name=Lords+Mobile&hash=dcb08ed828eddeeb32119dfa379b9aec4a237ae8",
            ("u1", "o233", Some("Lords Mobile")),
        ),
        (
            "https://publisher.com?UID=[%UID%]&VAL=[%VAL%]&RAW=[%RAW%]&TXID=[%TX%]&my_custom_parameter=123",
            Some(State::Completed),
            "/?UID=testuser&VAL=1000&RAW=1&TXID=101&my_custom_parameter=123&hash=cebbf9f4363f33e8dee18eed239d6fff15722fdc",
            ("testuser", "101", None),
        ),
        (
            "https://publisher-backend.com/bitlabs/offer-state?tx=[%TX%]&raw=[%VAL%]&user=[%USER:UID%]\
             &offer_state=[%OFFER_STATE%]",
            None,
            "/bitlabs/offer-state?tx=o1&raw=2.5&user=user-1&offer_state=COMPLETED\
             &hash=549827146bb7ebcd3d518bd0834caed4eccd34e6",
            ("user-1", "o1", None),
        ),
    ] {
        let app = App::new("my-game", KEY).unwrap();
        let app = match only {
            Some(state) => app.only(state),
            None => app,
        };
        let callback = app.offers(url).unwrap().verify(&Request::get(target)).unwrap();
        let found = (callback.player.as_str(), callback.transaction.as_str(), callback.details.offer_name.as_deref());
        assert_eq!(found, expected);
    }
}

#[test]
fn empty_path_is_signed_without_a_slash() {
    let verifies = |url: &str, signed: &str| {
        let app = App::new("my-game", KEY).unwrap().only(State::Pending);
        let target = Signer::new(KEY, "").sign_url(signed).target();
        assert!(target.starts_with("/?"));
        app.offers(url).unwrap().verify(&Request::get(&target)).is_ok()
    };
    let (without, with) = ("https://a.example?u=[%UID%]&t=[%TX%]", "https://a.example/?u=[%UID%]&t=[%TX%]");
    let (signed_without, signed_with) = ("https://a.example?u=p1&t=o1", "https://a.example/?u=p1&t=o1");
    assert!(verifies(without, signed_without) && !verifies(without, signed_with));
    assert!(verifies(with, signed_without) && verifies(with, signed_with));
}

#[test]
fn requests_that_are_not_callbacks_are_rejected() {
    let signed = Signer::new(KEY, URL).sign(&COMPLETED);
    let target = signed.target();
    for method in ["HEAD", "POST", "PUT", "OPTIONS", "get"] {
        let request = Request::new(method, &target);
        let error = VerifyError::BadRequest(BadRequest::Method { allowed: "GET" });
        assert_eq!(offers().verify(&request).unwrap_err(), error);
        assert_eq!(offers().check_head(&request), Err(error));
    }
    assert_eq!(offers().check_head(&Request::get(&target)), Ok(()));
    for target in ["/cb", "/cb?", "", "junk\u{1}é"] {
        assert_eq!(rejection(target), VerifyError::BadRequest(BadRequest::Empty), "{target:?}");
    }
    assert_eq!(rejection(&format!("{target}#")), VerifyError::BadRequest(BadRequest::Fragment));
    assert_eq!(rejection(&target.replace("p1", "p#1")), VerifyError::BadRequest(BadRequest::Fragment));
}

#[test]
fn missing_malformed_and_wrong_hashes_are_not_genuine() {
    let signed = Signer::new(KEY, URL).sign(&COMPLETED);
    let (target, hash) = (signed.target(), signed.hash());
    let bare = target.strip_suffix(&format!("&hash={hash}")).unwrap();
    let wrong_digit = |at: usize| {
        let digit = if &hash[at..=at] == "0" { "1" } else { "0" };
        format!("{bare}&hash={}{digit}{}", &hash[..at], &hash[at + 1..])
    };
    let mut cases = vec![
        (bare.to_owned(), NotGenuine::SignatureMissing),
        (format!("/cb?hash={hash}"), NotGenuine::SignatureMissing),
        (format!("{target}&utm=1"), NotGenuine::SignatureMissing),
        (format!("{bare}&hash="), NotGenuine::SignatureMissing),
        (target[..target.len() - 1].to_owned(), NotGenuine::SignatureMalformed),
        (format!("{target}0"), NotGenuine::SignatureMalformed),
        (format!("{target}{hash}"), NotGenuine::SignatureMalformed),
        (format!("{bare}&hash={}", hash.to_uppercase()), NotGenuine::SignatureMalformed),
        (format!("{bare}&hash={}", "z".repeat(40)), NotGenuine::SignatureMalformed),
        (format!("{bare}&hash=%zz"), NotGenuine::SignatureMalformed),
        (format!("{bare}&hash={}", "0".repeat(40)), NotGenuine::SignatureWrong),
        (format!("{}&hash={hash}", bare.replace("500", "501")), NotGenuine::SignatureWrong),
        (format!("{bare}&debug=true&hash={hash}"), NotGenuine::SignatureWrong),
        (format!("{target}&gems=9999&hash={hash}"), NotGenuine::SignatureWrong),
        (target.replace("%20", "+").replace("p1", "p2"), NotGenuine::SignatureWrong),
    ];
    cases.extend((0..40).map(|at| (wrong_digit(at), NotGenuine::SignatureWrong)));
    for (target, expected) in cases {
        let error = rejection(&target);
        assert_eq!(error, VerifyError::NotGenuine(expected), "{target}");
        assert_eq!((error.origin(), error.is_genuine()), (Origin::Sender, false));
        assert!(!error.to_string().contains(hash));
    }
}

#[test]
fn scheme_host_and_path_come_from_the_configuration() {
    let signed = Signer::new(KEY, URL).sign(&COMPLETED);
    let headers = vec![("host", "evil.example"), ("x-forwarded-proto", "http"), ("x-forwarded-host", "evil.example")];
    // A proxy may have stripped the path: it is not looked at.
    for target in [signed.target(), format!("/elsewhere?{}", signed.query())] {
        assert!(offers().verify(&Request::get(&target).with_headers(&headers)).is_ok());
    }
    let forged = Signer::new(KEY, URL.replace("game.example", "evil.example")).sign(&COMPLETED).target();
    let error = offers().verify(&Request::get(&forged).with_headers(&headers)).unwrap_err();
    assert_eq!(error, VerifyError::NotGenuine(NotGenuine::SignatureWrong));
}

#[test]
fn every_secret_of_the_ring_verifies_and_is_named() {
    let offers = App::new("my-game", format!("old-one,{KEY}")).unwrap().offers(URL).unwrap();
    for (secret, id) in [("old-one", Some("key-1")), (KEY, Some("key-2")), ("stranger", None)] {
        let target = Signer::new(secret, URL).sign(&COMPLETED).target();
        let callback = offers.verify(&Request::get(&target));
        let key = callback.ok().and_then(|callback| callback.context.key_id.clone());
        assert_eq!(key.as_ref().map(postback::verify::KeyId::as_str), id);
    }
}

/// What a publisher types who wants to know all about an offer.
const DETAILED: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]&ref=[%REF%]\
    &gems=[%VALUE:CURRENCY%]&usd=[%VALUE:USD%]&state=[%OFFER:TASK:STATE%]&type=[%TYPE%]&offer=[%OFFER:ID%]\
    &offer_name=[%OFFER:NAME%]&task=[%OFFER:TASK:ID%]&task_name=[%OFFER:TASK:NAME%]&task_type=[%OFFER:TASK:TYPE:ID%]\
    &ip=[%USER:IP_ADDRESS%]&source=bitlabs";

#[test]
fn accepted_offer_takes_at_most_eight_allocations() {
    let endpoint = App::new("my-game", format!("another,{KEY}")).unwrap().offers(DETAILED).unwrap();
    let values = "player=8cc877ee-af19-488d-b28d-216fb866b996; tx=o83459201; gems=1500; usd=2.50; state=COMPLETED; \
                  type=state_change; offer=118230; offer_name=Lords Mobile: Kingdom Wars & Castle Fights; task=998121; \
                  task_name=Reach Castle Level 117; task_type=2; ip=203.0.113.177";
    let values: Vec<_> = values.split("; ").filter_map(|value| value.split_once('=')).collect();
    let signed = Signer::new(KEY, DETAILED).sign(&values);
    let target = signed.target();
    let mut accepted = None;
    let count = measure(|| accepted = endpoint.verify(&Request::get(&target)).ok()).count_total;
    assert!(accepted.is_some());
    assert!(count <= 8, "{count}");
}

#[test]
fn forged_requests_allocate_nothing() {
    let endpoint = App::new("my-game", format!("another,{KEY}")).unwrap().offers(DETAILED).unwrap();
    let target = Signer::new(KEY, DETAILED).sign(&[("player", "p1"), ("tx", "o1"), ("gems", "1500")]).target();
    let (bare, _) = target.rsplit_once('&').unwrap();
    let forged = Signer::new("guess", DETAILED).sign(&[("player", "p1"), ("tx", "o1"), ("gems", "1500")]).target();
    for target in [
        &forged,
        bare,
        &target.replace("1500", "9999"),
        &target.to_uppercase(),
        &format!("{target}#"),
        &format!("/callbacks/offers?player={}", "a".repeat(100_000)),
        "/",
    ] {
        let mut result = None;
        let count = measure(|| result = Some(endpoint.verify(&Request::get(target)).is_ok())).count_total;
        assert_eq!((count, result), (0, Some(false)));
    }
}
