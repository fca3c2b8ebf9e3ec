//! What arrives, and whether it is genuine: vectors, bad input, and properties.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use postback::source::bitlabs::{App, Endpoint, Field, OfferCallback, OfferState, RewardCallback};
use postback::source::{Callback, Fault, OpenError, Source};
use postback::testing::bitlabs::{Network, SignedCallback};
use postback::wire::{
    Algorithm, Encoding, KeyRing, Limits, Request, Secret, SecretError, SignatureScheme, Template,
    Verifier,
};
use proptest::prelude::*;

const KEY: &str = "JLOIAUNMHFli7ZJOQVEzm98rzqnm9";
const URL: &str = "https://game.example/cb?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]\
                   &usd=[%VALUE:USD%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&iap=[%OFFER:TASK:IAP:USD%]&source=bitlabs";
/// What `URL` becomes, up to the parameter that a test is about.
const FILLED: &str = "https://game.example/cb?player=p1&tx=o1&gems=500&usd=5&state=COMPLETED&ref=&iap=&source=bitlabs";

fn app() -> App {
    App::new("my-game", KeyRing::from_list(KEY).unwrap()).unwrap()
}

fn offers() -> Endpoint<OfferCallback> {
    app().offers(URL).build().unwrap()
}

fn sign(url: &str) -> SignedCallback {
    Network::new(KEY).sign_url(url)
}

fn open(signed: &SignedCallback) -> Result<OfferCallback, OpenError> {
    offers().open(&Request::get(signed.target()))
}

fn verifier(url: &str, key: &str) -> Verifier {
    let template = Template::parse(url, &["hash", "debug"]).unwrap();
    let scheme = SignatureScheme::trailing("hash", Algorithm::HmacSha1, Encoding::Hex);
    Verifier::new(
        scheme,
        &Secret::new(key).unwrap().into(),
        template.signed_prefixes(),
    )
}

#[test]
fn the_first_published_vector_is_genuine() {
    let verifier = verifier(
        "https://publisher.com/complete?uid=[%UID%]&val=[%VAL%]",
        KEY,
    );
    let query = "uid=8cc877ee-af19-488d-b28d-216fb866b996&val=500&hash=dbcd6bb8ca677344592842a52b4fca9bec36cd4b";
    assert!(verifier.verify(query).is_ok());
}

#[test]
fn the_second_published_vector_is_valid_under_the_empty_secret_only_and_that_is_refused() {
    let query = "param1=foo&param2=bar&hash=3171f6b78e06cadcec4c9c3b15f858b8400e8738";
    assert_eq!(
        Network::new("")
            .sign_url("http://url.com?param1=foo&param2=bar")
            .query(),
        query
    );
    assert_eq!(Secret::new("").unwrap_err(), SecretError::Empty);
    let refused = verifier("http://url.com?param1=foo&param2=bar", KEY).verify(query);
    assert_eq!(refused.unwrap_err(), OpenError::SignatureWrong);
}

#[test]
fn an_empty_path_is_signed_without_a_slash_and_a_lone_slash_both_ways() {
    let without = sign("http://url.com?param1=foo");
    let with = sign("http://url.com/?param1=foo");
    // An HTTP client sends the same target for both.
    assert_eq!(
        without.target().split("&hash").next(),
        with.target().split("&hash").next()
    );
    let typed_without = verifier("http://url.com?param1=[%TX%]", KEY);
    assert!(typed_without.verify(without.query()).is_ok());
    assert!(typed_without.verify(with.query()).is_err());
    let typed_with = verifier("http://url.com/?param1=[%TX%]", KEY);
    assert!(typed_with.verify(without.query()).is_ok());
    assert!(typed_with.verify(with.query()).is_ok());
}

#[test]
fn the_derived_vectors_are_opened_by_endpoints() {
    let cases = [
        (
            "https://publisher.com/cb?uid=[%UID%]&tx=[%TX%]&name=[%OFFER_NAME%]",
            Some(OfferState::Pending),
            "/cb?uid=u1&tx=o233&name=Lords%20Mobile&hash=1996a56fa42b700e58f91ab28152f5abd08e01e1",
            ("u1", "o233", Field::Given("Lords Mobile")),
        ),
        (
            "https://publisher.com/cb?uid=[%UID%]&tx=[%TX%]&name=[%OFFER_NAME%]",
            Some(OfferState::Pending),
            "/cb?uid=u1&tx=o233&name=Lords+Mobile&hash=dcb08ed828eddeeb32119dfa379b9aec4a237ae8",
            ("u1", "o233", Field::Given("Lords Mobile")),
        ),
        (
            "https://publisher.com?UID=[%UID%]&VAL=[%VAL%]&RAW=[%RAW%]&TXID=[%TX%]&my_custom_parameter=123",
            Some(OfferState::Completed),
            "/?UID=testuser&VAL=1000&RAW=1&TXID=101&my_custom_parameter=123&hash=cebbf9f4363f33e8dee18eed239d6fff15722fdc",
            ("testuser", "101", Field::Absent),
        ),
        (
            "https://publisher-backend.com/bitlabs/offer-state?tx=[%TX%]&raw=[%VAL%]&user=[%USER:UID%]&offer_state=[%OFFER_STATE%]",
            None,
            "/bitlabs/offer-state?tx=o1&raw=2.5&user=user-1&offer_state=COMPLETED&hash=549827146bb7ebcd3d518bd0834caed4eccd34e6",
            ("user-1", "o1", Field::Absent),
        ),
    ];
    for (url, only, target, (player, transaction, name)) in cases {
        let builder = app().offers(url);
        let builder = match only {
            Some(state) => builder.only(state),
            None => builder,
        };
        let callback = builder
            .build()
            .unwrap()
            .open(&Request::get(target))
            .unwrap();
        assert_eq!(callback.player(), player);
        assert_eq!(callback.transaction(), transaction);
        assert_eq!(callback.offer_name(), name);
    }
}

#[test]
fn a_real_callback_is_typed_by_its_template() {
    let rewards: Endpoint<RewardCallback> = app()
        .rewards(
            "https://pub.example/api/bit?uid=[%UID%]&amount=[%VAL%]&offer_name=[%OFFER_NAME%]&offer_id=[%OFFER_ID%]\
             &payout=[%RAW%]&ip_address=[%IP%]&trans_id=[%TX%]&country=[%COUNTRY%]&s_minuts=[%LOI%]&type=[%TYPE%]\
             &task_id=[%TASK_ID%]&pre_ref=[%REF%]",
        )
        .build()
        .unwrap();
    let signed = sign(
        "https://pub.example/api/bit?uid=28647&amount=8750&offer_name=&offer_id=&payout=1.75&ip_address=8750\
         &trans_id=434703502&country=IN&s_minuts=7&type=COMPLETE&task_id=&pre_ref=",
    );
    let callback = rewards.open(&Request::get(signed.target())).unwrap();
    assert_eq!(callback.player(), "28647");
    assert_eq!(callback.transaction(), "434703502");
    assert_eq!(callback.amount(), Field::Given("8750".parse().unwrap()));
    assert_eq!(callback.usd(), Field::Given("1.75".parse().unwrap()));
    assert_eq!(callback.country(), Field::Given("IN"));
    assert_eq!(callback.offer_name(), Field::Empty);
    assert_eq!(callback.original(), None);
}

#[test]
fn only_get_is_answered() {
    let signed = sign(FILLED);
    for method in ["HEAD", "POST", "PUT", "OPTIONS", "get"] {
        let refused = offers()
            .open(&Request::new(method, signed.target()))
            .unwrap_err();
        assert_eq!(refused, OpenError::Method { allowed: "GET" });
    }
}

#[test]
fn a_missing_empty_malformed_or_wrong_hash_is_four_errors_that_fail_closed() {
    let genuine = sign(FILLED);
    let (target, hash) = (genuine.target(), genuine.hash());
    let bare = target.strip_suffix(&format!("&hash={hash}")).unwrap();
    let cases = [
        ("/cb".to_owned(), OpenError::SignatureMissing),
        ("/cb?".to_owned(), OpenError::SignatureMissing),
        (String::new(), OpenError::SignatureMissing),
        ("junk\u{1}é".to_owned(), OpenError::SignatureMissing),
        (bare.to_owned(), OpenError::SignatureMissing),
        (format!("/cb?hash={hash}"), OpenError::SignatureMissing),
        (format!("{target}&utm=1"), OpenError::SignatureMissing),
        (format!("{bare}&hash="), OpenError::SignatureEmpty),
        (
            target[..target.len() - 1].to_owned(),
            OpenError::SignatureMalformed,
        ), // 39 digits
        (format!("{target}0"), OpenError::SignatureMalformed), // 41
        (format!("{target}{hash}"), OpenError::SignatureMalformed), // 80
        (
            format!("{bare}&hash={}", hash.to_uppercase()),
            OpenError::SignatureMalformed,
        ),
        (
            format!("{bare}&hash={}", "z".repeat(40)),
            OpenError::SignatureMalformed,
        ),
        (
            format!("{bare}&hash={}", "0".repeat(40)),
            OpenError::SignatureWrong,
        ),
        (
            format!("{}&hash={hash}", bare.replace("500", "501")),
            OpenError::SignatureWrong,
        ),
        (
            format!("{bare}&debug=true&hash={hash}"),
            OpenError::SignatureWrong,
        ),
        (format!("{target}&hash={hash}"), OpenError::SignatureWrong),
    ];
    for (target, expected) in cases {
        let refused = offers().open(&Request::get(&target)).unwrap_err();
        assert_eq!(refused, expected, "{target}");
        assert!(refused.is_unauthenticated());
        assert!(!refused.to_string().contains(hash));
    }
}

#[test]
fn bad_input_that_is_signed_all_the_same_has_a_specific_error() {
    let repeated = |name: &str| OpenError::Repeated { name: name.into() };
    let missing = |name: &str| OpenError::Missing { name: name.into() };
    let empty = |name: &str| OpenError::Empty { name: name.into() };
    let other = |from: &str, to: &str| FILLED.replace(from, to);
    let more = |end: &str| format!("{FILLED}{end}");
    let cases = [
        (more("&gems=1000000"), repeated("gems")),
        (more("&%67ems=1000000"), repeated("gems")),
        (more("&source=bitlabs"), repeated("source")),
        (more("&x=1&hash=abc&y=2"), repeated("hash")),
        (more("&%68ash=abc"), repeated("hash")),
        (more("&hash"), repeated("hash")),
        (more("&debug=true&debug=false"), repeated("debug")),
        (more("&x=%FF"), OpenError::Encoding),
        (more("&x=%zz"), OpenError::Encoding),
        (more("&x=%4"), OpenError::Encoding),
        (more("&x=%00"), OpenError::Encoding),
        (more("&x=\0"), OpenError::Encoding),
        (more("&%FF=x"), OpenError::Encoding),
        (more("&x=a#b"), OpenError::Fragment),
        (other("&source=bitlabs", ""), missing("source")),
        (
            other("=bitlabs", "=other"),
            OpenError::StaticChanged {
                name: "source".into(),
            },
        ),
        (other("player=p1&", ""), missing("player")),
        (other("player=p1", "player="), empty("player")),
        (other("player=p1", "player"), empty("player")),
        (other("tx=o1&", ""), missing("tx")),
        (other("tx=o1", "tx="), empty("tx")),
        (other("&gems=500", ""), missing("gems")),
        (other("gems=500", "gems="), empty("gems")),
        (other("&state=COMPLETED", ""), missing("state")),
    ];
    for (url, expected) in cases {
        assert_eq!(open(&sign(&url)).unwrap_err(), expected, "{url}");
    }
    // What it refers to is not known then: a correction without it moves nothing.
    assert!(open(&sign(&other("&ref=", ""))).is_ok());
    for (from, to, name) in [
        ("player=p1", format!("player={}", "x".repeat(257)), "player"),
        ("player=p1", "player=a%0Ab".into(), "player"),
        ("tx=o1", format!("tx={}", "x".repeat(257)), "tx"),
        ("tx=o1", "tx=%1b".into(), "tx"),
        ("ref=", "ref=o%7F".into(), "ref"),
    ] {
        let refused = open(&sign(&other(from, &to))).unwrap_err();
        assert!(
            matches!(&refused, OpenError::Identifier { name: known, .. } if known == name),
            "{refused:?}"
        );
    }
    for amount in [
        "1e400",
        "1e2",
        "NaN",
        "inf",
        "-inf",
        "--5",
        "%2B5",
        "+5",
        ".5",
        "5.",
        "0x1",
        "1,5",
        "five",
        "1000000000000000",
        "0.00000000000000000000000000000000001",
    ] {
        for (from, name) in [("gems=500", "gems"), ("usd=5", "usd"), ("iap=", "iap")] {
            let refused = open(&sign(&other(from, &format!("{name}={amount}")))).unwrap_err();
            assert!(
                matches!(&refused, OpenError::Malformed { name: known, .. } if known == name),
                "{amount}: {refused:?}"
            );
        }
    }
}

#[test]
fn what_the_configuration_is_to_blame_for_is_told_apart() {
    for (url, fault) in [
        (FILLED.replace("&gems=500", ""), Fault::Configuration),
        (FILLED.replace("=bitlabs", "=other"), Fault::Configuration),
        (FILLED.replace("gems=500", "gems="), Fault::Sender),
    ] {
        assert_eq!(open(&sign(&url)).unwrap_err().fault(), fault);
    }
}

#[test]
fn whose_fault_an_error_is_is_one_fixed_word() {
    for (fault, word) in [
        (Fault::Sender, "sender"),
        (Fault::Configuration, "configuration"),
        (Fault::Store, "store"),
        (Fault::Handler, "handler"),
    ] {
        assert_eq!(fault.as_str(), word);
    }
}

#[test]
fn long_urls_and_many_parameters_have_errors_of_their_own() {
    let long = sign(&format!("{FILLED}&x={}", "y".repeat(8192)));
    assert_eq!(open(&long).unwrap_err(), OpenError::TooLong { limit: 8192 });
    let many = |count| sign(&format!("{FILLED}{}", "&x=1".repeat(count)));
    assert!(open(&many(64 - 8)).is_ok());
    assert_eq!(
        open(&many(65 - 8)).unwrap_err(),
        OpenError::TooManyParameters { limit: 64 }
    );

    // The limit itself is within it, and the path counts.
    let signed = sign(FILLED);
    let bytes = signed.target().len();
    let tight = app().offers(URL).limits(Limits::default().url_bytes(bytes));
    let tight = tight.build().unwrap();
    assert!(tight.open(&Request::get(signed.target())).is_ok());
    for more in ["x", "xx"] {
        let longer = format!("/{more}{}", signed.target());
        let refused = tight.open(&Request::get(&longer)).unwrap_err();
        assert_eq!(refused, OpenError::TooLong { limit: bytes });
    }

    let wide = app()
        .offers(URL)
        .limits(Limits::default().url_bytes(20_000).parameters(1000))
        .build()
        .unwrap();
    assert!(wide.open(&Request::get(long.target())).is_ok());
    assert!(wide.open(&Request::get(many(500).target())).is_ok());
}

#[test]
fn the_scheme_and_host_are_never_taken_from_the_request() {
    let signed = sign(FILLED);
    let headers = vec![
        ("host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "evil.example"),
    ];
    let request = Request::get(signed.target()).with_headers(&headers);
    assert!(offers().open(&request).is_ok());
    // A proxy may have stripped or changed the path: it is not looked at.
    let moved = format!("/elsewhere?{}", signed.query());
    assert!(offers().open(&Request::get(&moved)).is_ok());
    let forged = Network::new(KEY).sign_url(&FILLED.replace("game.example", "evil.example"));
    assert_eq!(open(&forged).unwrap_err(), OpenError::SignatureWrong);
}

#[test]
fn both_secrets_work_while_one_is_rotated_and_the_callback_says_which() {
    let app = App::new("g", KeyRing::from_list(format!("old-one,{KEY}")).unwrap()).unwrap();
    let offers = app.offers(URL).build().unwrap();
    for (secret, id) in [("old-one", "key-1"), (KEY, "key-2")] {
        let signed = Network::new(secret).sign_url(FILLED);
        assert_eq!(
            offers
                .open(&Request::get(signed.target()))
                .unwrap()
                .key_id()
                .as_str(),
            id
        );
    }
    let stranger = Network::new("stranger").sign_url(FILLED);
    assert_eq!(
        offers.open(&Request::get(stranger.target())).unwrap_err(),
        OpenError::SignatureWrong
    );
}

#[test]
fn no_single_other_byte_in_the_query_passes() {
    let signed = sign(FILLED);
    let offers = offers();
    let start = signed.target().len() - signed.query().len();
    for at in start..signed.target().len() {
        for byte in b' '..=b'~' {
            let mut changed = signed.target().as_bytes().to_vec();
            if changed[at] != byte {
                changed[at] = byte;
                let changed = String::from_utf8(changed).unwrap();
                assert!(offers.open(&Request::get(&changed)).is_err(), "{changed}");
            }
        }
    }
}

proptest! {
    // Miri has no files, and is slow.
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 4 } else { 256 }, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changing_any_one_byte_of_a_signed_url_refuses_it(
        name in ".{0,20}", player in "[a-zA-Z0-9 é&=%+-]{1,20}", at in any::<prop::sample::Index>(), byte in 1_u8..128,
    ) {
        let signed = Network::new(KEY).callback(URL).player(player).transaction("o1").amount("500")
            .state("COMPLETED").pass_through("name", name.replace('\0', "")).sign();
        prop_assert!(open(&signed).is_ok());
        let start = signed.target().len() - signed.query().len();
        let at = start + at.index(signed.query().len());
        let mut changed = signed.target().as_bytes().to_vec();
        prop_assume!(changed[at] != byte);
        changed[at] = byte;
        let changed = String::from_utf8(changed).unwrap();
        prop_assert!(offers().open(&Request::get(&changed)).is_err());
    }

    #[test]
    fn what_the_network_sends_is_what_is_read(
        player in "[^\\x00-\\x1f\\x7f-\\x9f]{1,40}", name in "[^\\x00]{0,60}", custom in "[^\\x00]{0,60}", plus in any::<bool>(),
    ) {
        let url = format!("{URL}&n=[%OFFER:NAME%]");
        let callback = Network::new(KEY).callback(&*url).player(&*player).transaction("o1").amount("500")
            .state("COMPLETED").set("OFFER:NAME", &*name).pass_through("my key", &*custom);
        let signed = if plus { callback.spaces_as_plus() } else { callback }.sign();
        let opened = app().offers(url).build().unwrap().open(&Request::get(signed.target())).unwrap();
        prop_assert_eq!(opened.player().as_str(), &*player);
        prop_assert_eq!(opened.parameter("n"), Some(&*name));
        prop_assert_eq!(opened.parameter("my key"), Some(&*custom));
        let event = opened.event();
        prop_assert_eq!(event.parameter("my key"), Some(custom));
        prop_assert!(!event.signed.contains(signed.hash()));
    }

    #[test]
    fn opening_never_panics_whatever_arrives(target in any::<String>(), method in any::<String>()) {
        let _ = offers().open(&Request::get(&target));
        let _ = offers().open(&Request::new(&method, &target));
    }

    #[test]
    fn opening_never_panics_whatever_was_signed(query in "[a-z&=%+#?0-9A-F\\x00é.-]{0,80}") {
        let _ = open(&sign(&format!("https://game.example/cb?{query}")));
        let _ = open(&sign(&format!("{FILLED}&{query}")));
    }

    #[test]
    fn reading_a_template_never_panics(text in any::<String>(), query in "[a-z&=%\\[\\]{}<>A-Z:?0-9é]{0,60}") {
        let _ = app().offers(text).build();
        let _ = app().offers(format!("https://a.example/c?{query}")).build();
        let _ = app().offers(format!("{URL}&{query}")).build();
        let _ = app().offers(format!("http://{query}")).build();
    }
}
