//! Who is believed: the hash, what it is made over, and the parameters under it.

use super::*;

#[tokio::test]
async fn mistake_01_an_absent_hash_or_an_empty_secret_is_accepted() {
    let genuine = completed(&Network::new(SECRET));
    let (unsigned, _) = genuine.split_once("&hash=").unwrap();
    refused(unsigned, 403).await;
    refused(&format!("{unsigned}&hash="), 403).await;
    assert!(Secret::new("").is_err());
    assert!(KeyRing::from_list("").is_err());
    // The published URL that is genuine under the empty secret is not under any other.
    let endpoint = app().offers(OFFERS).build().unwrap();
    let published = "/?param1=foo&param2=bar&hash=3171f6b78e06cadcec4c9c3b15f858b8400e8738";
    assert_eq!(
        endpoint.open(&Request::get(published)).unwrap_err(),
        OpenError::SignatureWrong
    );
}

/// That the comparison takes constant time is held by using `subtle` and measured elsewhere; here: every
/// near miss, wherever its first wrong digit stands, is refused alike.
#[tokio::test]
async fn mistake_02_the_hash_is_compared_digit_by_digit() {
    let genuine = completed(&Network::new(SECRET));
    for place in 1..=40 {
        let mut target = genuine.clone().into_bytes();
        let at = target.len() - place;
        target[at] = if target[at] == b'0' { b'1' } else { b'0' };
        refused(std::str::from_utf8(&target).unwrap(), 403).await;
    }
}

#[tokio::test]
async fn mistake_03_the_hash_is_made_over_chosen_sorted_or_re_encoded_fields() {
    let game = Game::new();
    // Genuine: parameters in no order, in an encoding of their own, and more than the template has.
    let url = "https://game.example/callbacks/offers?zz=1&gems=500&tx=o1&player=p%31&aa=%7e&state=COMPLETED&name=Lords%20Mobile+%2b";
    assert_eq!(
        game.request(&game.offers, game.network.sign_url(url).target())
            .await,
        200
    );
    assert_eq!(game.balance(), decimal("500"));
}

#[tokio::test]
async fn mistake_04_a_url_object_re_encodes_what_was_signed() {
    let game = Game::new();
    for (tx, name) in [
        ("o1", "Lords%20Mobile"),
        ("o2", "Lords+Mobile"),
        ("o3", "Lords%20mobile%21"),
        ("o4", "[x]|y"),
    ] {
        let url = format!(
            "https://game.example/callbacks/offers?player=p1&tx={tx}&gems=1&state=COMPLETED&name={name}"
        );
        assert_eq!(
            game.request(&game.offers, game.network.sign_url(&url).target())
                .await,
            200,
            "{name}"
        );
    }
    let rootless = "https://game.example?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]&ref=[%REF%]";
    let endpoint = app().rewards(rootless).build().unwrap();
    let signed = game
        .network
        .sign_url("https://game.example?player=p1&tx=o5&gems=1&ref=");
    assert_eq!(
        game.request(&endpoint, &format!("/?{}", signed.query()))
            .await,
        200,
        "no slash is signed"
    );
    assert_eq!(game.balance(), decimal("5"));
}

#[tokio::test]
async fn mistake_05_scheme_and_host_are_taken_from_the_request() {
    let game = Game::new();
    let signed = game.offer("o1", "COMPLETED", "500").sign();
    // The proxy ended TLS and stripped the prefix; the headers lie.
    let headers = vec![
        ("host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "evil.example"),
    ];
    let target = format!("/offers?{}", signed.query());
    assert!(
        game.offers
            .open(&Request::get(&target).with_headers(&headers))
            .is_ok()
    );
    // And a call that is signed for the attacker's own host is none for ours.
    let elsewhere = signed.url().replace("game.example", "evil.example");
    let (elsewhere, _) = elsewhere.split_once("&hash=").unwrap();
    let forged = game.network.sign_url(elsewhere);
    let headers = vec![("host", "evil.example")];
    let opened = game
        .offers
        .open(&Request::get(forged.target()).with_headers(&headers));
    assert_eq!(opened.unwrap_err(), OpenError::SignatureWrong);
}

#[tokio::test]
async fn mistake_06_the_url_is_cut_at_the_first_hash() {
    let network = Network::new(SECRET);
    let genuine = completed(&network);
    // A signed prefix, then bytes that nobody signed, then a copy of the hash.
    let (signed, hash) = genuine.split_once("&hash=").unwrap();
    refused(&format!("{signed}&hash={hash}&gems=9999&hash={hash}"), 403).await;
    // Signed as a whole, with a second parameter of that name inside: refused all the same.
    let inside = network.sign_url(
        "https://game.example/callbacks/offers?player=p1&tx=o1&gems=500&state=COMPLETED&hash=0123456789012345678901234567890123456789",
    );
    refused(inside.target(), 400).await;
}

#[tokio::test]
async fn mistake_07_a_malformed_hash_throws() {
    let genuine = completed(&Network::new(SECRET));
    let (signed, hash) = genuine.split_once("&hash=").unwrap();
    for bad in [
        &hash[..39],
        &format!("{hash}0"),
        &format!("{hash}{hash}"),
        &hash.to_uppercase(),
        "zz",
        "%zz",
        "\u{e9}",
    ] {
        refused(&format!("{signed}&hash={bad}"), 403).await;
    }
}

#[tokio::test]
async fn mistake_08_a_doubled_parameter_is_verified_as_one_value_and_read_as_another() {
    let network = Network::new(SECRET);
    for extra in [
        "gems=9999",
        "player=p2",
        "tx=o2",
        "state=COMPLETED",
        "%67ems=9999",
    ] {
        let url = format!(
            "https://game.example/callbacks/offers?player=p1&tx=o1&gems=500&state=COMPLETED&{extra}"
        );
        refused(network.sign_url(&url).target(), 400).await;
    }
}
