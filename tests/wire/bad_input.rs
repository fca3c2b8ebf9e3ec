//! What is refused, with which error, and whose fault it is.

use super::*;

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
