//! Faults of a secret, several at once, and what has no known cause.

use super::*;

#[test]
fn every_fault_of_a_secret_is_named_and_named_first() {
    let uuid = "8cc877ee-af19-488d-b28d-216fb866b996";
    for (secret, cause) in [
        (format!("{SECRET}\n"), Cause::SecretWhiteSpace),
        (format!(" {SECRET}"), Cause::SecretWhiteSpace),
        (format!("{SECRET}\r\n"), Cause::SecretWhiteSpace),
        (format!("old, {SECRET}"), Cause::SecretWhiteSpace),
        (format!("\"{SECRET}\""), Cause::SecretQuoted),
        (uuid.to_owned(), Cause::ApiToken),
    ] {
        let explainer = Explainer::bitlabs().secret("SECRET", secret.clone());
        for explainer in [explainer.clone(), explainer.template(TEMPLATE).unwrap()] {
            let explanation = explainer.explain(signed().url());
            assert_cause(&explanation, cause, &format!("{secret:?}"));
            assert!(!explanation.to_string().contains(uuid));
        }
    }
    let explanation = Explainer::bitlabs()
        .secret("MINE", OTHER)
        .other_secret("THEIRS", SECRET)
        .explain(signed().url());
    assert_cause(&explanation, Cause::OtherSecret, "two apps");
    assert_eq!(explanation.secret_name(), Some("THEIRS"));
}

#[test]
fn two_faults_at_once_are_both_named() {
    let url = signed()
        .url()
        .replace("https://", "http://")
        .replace("%20", "+");
    let explanation = explainer().explain(&url);
    let causes: Vec<Cause> = explanation.findings().iter().map(|f| f.cause).collect();
    assert_eq!(
        causes,
        [Cause::Scheme, Cause::SpaceEncoding],
        "{explanation}"
    );
    assert_eq!(
        explanation.signed(),
        Some(signed().url().split("&hash=").next().unwrap())
    );
}

#[test]
fn what_is_genuine_is_said_to_be() {
    for explanation in [
        explainer().explain(signed().url()),
        with_template().explain(signed().url()),
        with_template().explain(signed().target()),
        Explainer::bitlabs()
            .secret("S", format!("{OTHER},{SECRET}"))
            .explain(signed().url()),
    ] {
        assert_eq!(explanation.outcome(), Outcome::Genuine, "{explanation}");
        assert!(explanation.findings().is_empty(), "{explanation}");
        assert_shows_nothing_secret(&explanation);
    }
    let bare = explainer().explain(signed().target());
    assert_eq!(bare.outcome(), Outcome::TooLittle);
    assert!(bare.to_string().contains("scheme and host"), "{bare}");
}

#[test]
fn a_host_from_a_header_helps() {
    let url = signed().url().replace("game.example", "127.0.0.1:8080");
    assert_eq!(explainer().explain(&url).outcome(), Outcome::Unknown);
    let explanation = explainer().host("game.example").explain(&url);
    assert_cause(&explanation, Cause::Host, "from a header");
}

#[test]
fn a_forgery_has_no_known_cause_and_gets_no_signature() {
    let forged = Network::new("guessed").sign_url(signed().url().split("&hash=").next().unwrap());
    for explainer in [explainer(), with_template()] {
        let explanation = explainer.explain(forged.url());
        assert_eq!(explanation.outcome(), Outcome::Unknown);
        assert!(explanation.findings().is_empty());
        assert!(explanation.to_string().contains("no known cause"));
        assert_shows_nothing_secret(&explanation);
    }
}

#[test]
fn a_secret_within_the_url_is_not_shown() {
    let url = format!("https://game.example/cb?key={SECRET}&a=1");
    let signed = Network::new(SECRET).sign_url(&url);
    let explanation = explainer().explain(&signed.url().replace("https", "http"));
    assert_cause(&explanation, Cause::Scheme, "the secret as a parameter");
}

/// What explains is not what verifies: the endpoint refuses all that was explained.
#[test]
fn nothing_that_is_explained_is_accepted() {
    let endpoint = App::new("game", KeyRing::from_list(SECRET).unwrap())
        .unwrap()
        .offers(TEMPLATE)
        .build()
        .unwrap();
    for url in [
        signed().url().replace("%20", "+"),
        signed().url().replace("gems=500", "gems=900"),
        format!("{}&utm=1", signed().url()),
        signed()
            .url()
            .replace(signed().hash(), &signed().hash().to_uppercase()),
    ] {
        assert_eq!(with_template().explain(&url).outcome(), Outcome::Explained);
        let target = url.strip_prefix("https://game.example").unwrap();
        assert!(endpoint.open(&Request::get(target)).is_err(), "{url}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn random_bytes_have_no_known_cause(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for url in [text.clone(), format!("https://game.example/cb?{text}&hash={}", "0a".repeat(20))] {
            let explanation = explainer().explain(&url);
            prop_assert_ne!(explanation.outcome(), Outcome::Genuine);
            let is_proven = explanation.findings().iter().any(|finding| {
                finding.certainty == Certainty::Proven && !matches!(
                    finding.cause,
                    Cause::SignatureMissing | Cause::SignatureEmpty | Cause::SignatureMalformed
                )
            });
            prop_assert!(!is_proven, "{}", explanation);
        }
    }
}
