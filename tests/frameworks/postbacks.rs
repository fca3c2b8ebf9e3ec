//! Phonexa's postbacks: every encoding and credential, and what is refused, the same behind both frameworks.

use postback::testing::phonexa::{Postback, Sent};

use crate::both::Both;

fn done(conversion: &str) -> Postback {
    Postback::new()
        .to("/callbacks/phonexa")
        .set("player", "p1")
        .set("conversion_id", conversion)
        .set("goal", "install")
        .set("payout", "12.50")
        .set("status", "Done")
}

/// The request as it stands on the line.
fn bytes(sent: &Sent) -> Vec<u8> {
    let mut head = format!(
        "{} {} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n",
        sent.method(),
        sent.target()
    );
    for (name, value) in sent.headers() {
        head.extend([name, ": ", value, "\r\n"]);
    }
    if sent.method() == "POST" {
        head.extend(["content-length: ", &sent.body().len().to_string(), "\r\n"]);
    }
    head.push_str("\r\n");
    [head.as_bytes(), sent.body()].concat()
}

#[test]
fn every_encoding_and_credential_pays_once_behind_both() {
    let both = Both::start();
    let basic = |conversion: &str| done(conversion).basic("network", "phonexa-password");
    for (what, sent) in [
        ("GET, login and password", basic("c1").get()),
        ("form", basic("c2").form()),
        ("JSON", basic("c3").json()),
        ("token as bearer", done("c4").bearer("phonexa-token").json()),
        (
            "token as basic",
            done("c5").basic_token("phonexa-token").form(),
        ),
    ] {
        both.answers(what, &bytes(&sent), 200, "settled");
        both.answers(what, &bytes(&sent), 200, "duplicate");
    }
    assert_eq!(both.balance("p1"), "62.5");
    let rejected = basic("c1").set("status", "Rejected").json();
    both.answers("rejected", &bytes(&rejected), 200, "settled");
    assert_eq!(both.balance("p1"), "50");
}

#[test]
fn what_is_not_the_networks_is_refused_alike_and_writes_nothing() {
    let both = Both::start();
    let known = || done("c1").basic("network", "phonexa-password");
    let refused = [
        ("no credential", done("c1").json(), 401),
        (
            "another password",
            done("c1").basic("network", "guess").json(),
            401,
        ),
        ("another token", done("c1").bearer("guess").get(), 401),
        ("another content type", known().post("text/plain", "x"), 415),
        (
            "broken JSON",
            known().post("application/json", "{\"player\":"),
            400,
        ),
        (
            "nested JSON",
            known().post("application/json", "{\"player\":{\"id\":1}}"),
            400,
        ),
        ("no payout", known().without("payout").form(), 400),
        (
            "too large",
            known().post("application/json", vec![b' '; 1 << 20]),
            413,
        ),
    ];
    for (what, sent, status) in refused {
        let answer = both.send(what, &bytes(&sent));
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
        let challenge = (status == 401).then_some("Basic realm=\"callbacks\"");
        assert_eq!(answer.header("www-authenticate"), challenge, "{what}");
    }
    both.are_untouched();
}
