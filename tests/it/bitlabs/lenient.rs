//! A genuine callback is never lost over a parameter that decides nothing, and rejected with the name of the parameter
//! if one that decides cannot be used.

use postback::Origin;
use postback::verify::{BadRequest, MAX_PAID_QUERY_BYTES, MAX_URL_BYTES};
use postback_test_servers::log::warnings_of;

use super::*;

/// The effect of a completed offer with a raw parameter replaced or, if there is none of that name, added.
fn with(parameter: &str) -> Result<Effect, Problem> {
    let (name, _) = parameter.split_once('=').unwrap_or((parameter, ""));
    let query = completed_query();
    let mut pieces: Vec<&str> = query.split('&').collect();
    match pieces.iter().position(|piece| piece.split_once('=').is_some_and(|(known, _)| known == name)) {
        Some(at) => pieces[at] = parameter,
        None => pieces.push(parameter),
    }
    effect(&offers(), &sign_offer(&pieces.join("&")))
}

/// The same with a parameter added, whatever the query has.
fn with_added(parameters: &str) -> Result<Effect, Problem> {
    effect(&offers(), &sign_offer(&format!("{}&{parameters}", completed_query())))
}

#[test]
fn m4_malformed_information_does_not_cost_the_reward() {
    let malformed = "usd=null usd=1e-99 iap=4,99 iap=$4.99 iap=null name=Get+50%+more name=100% name=Caf%E9 utm=100% \
                     hidden=maybe delay=soon type_id=null type_id=x ip=8750 type=%zz ref=%7F%zz";
    for parameter in malformed.split(' ') {
        assert_eq!(with(parameter), Ok(completed("500", Some("COMPLETE"))), "{parameter}");
    }
    let many = (0..500).map(|number| format!("x{number}=%")).collect::<Vec<_>>().join("&");
    assert_eq!(with_added(&many), Ok(completed("500", Some("COMPLETE"))));
}

#[test]
fn m4_ignored_parameters_are_logged_without_their_values() {
    let query = completed_query().replace("&usd=", "&usd=hunter2");
    let (result, warnings) = warnings_of(|| verify(&offers(), &sign_offer(&format!("{query}&name=%zz"))));
    assert_eq!(result.unwrap().context.usd, None);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings.iter().any(|line| line.contains("\"usd\"")), "{warnings:?}");
    assert!(warnings.iter().any(|line| line.contains("\"name\" occurs more than once")), "{warnings:?}");
    assert!(!warnings.concat().contains("hunter2") && !warnings.concat().contains("p1"), "{warnings:?}");
}

#[test]
fn m5_added_parameters_never_pay_and_never_hide_a_reversal() {
    let taken_back = adjusted("-500", true);
    let reconciled = |added: &str| {
        let signed = sign(OFFERS, &RECONCILED);
        let (query, _) = signed.query().rsplit_once("&hash=").unwrap();
        event(&offers(), &sign_offer(&format!("{query}&{added}")))
    };
    for added in [
        "debug=true",
        "debug=false&debug=TRUE",
        "x=%zz",
        "%FF=x",
        "usd=7",
        "name=x",
        "type=COMPLETE",
        "ref=o2",
        "x",
        "=",
    ] {
        let event = reconciled(added).unwrap();
        assert!(matches!(&event.kind, EventKind::Conversion { effect, .. } if *effect == taken_back), "{added}");
        assert_eq!(event.is_test, added.contains("debug"), "{added}");
    }
    // What must be rejected can be kept: it is genuine.
    for (added, name) in [
        ("tx=x", "tx"),
        ("%74x=x", "tx"),
        ("player=x", "player"),
        ("gems=1", "gems"),
        ("state=PENDING", "state"),
        ("hash=abc", "hash"),
        ("%68ash", "hash"),
        ("x=1&hash=abc&y=2", "hash"),
    ] {
        assert_eq!(reconciled(added).unwrap_err(), repeated(name), "{added}");
    }
    // Nor does a static parameter decide, as long as the network's own is there.
    let url = format!("{OFFERS}&source=bitlabs");
    let endpoint = app().offers(&url).unwrap();
    let signed = Signer::new(KEY, &url).sign_query(&format!("{}&source=bitlabs&source=x", completed_query()));
    assert_eq!(effect(&endpoint, &signed), Ok(completed("500", Some("COMPLETE"))));
}

#[test]
fn m5_test_flag_of_any_spelling_marks_a_test() {
    for (added, is_test) in [
        ("debug=true", true),
        ("debug=True", true),
        ("debug=1", true),
        ("%64ebug=%74rue", true),
        ("debug=false&debug=1", true),
        ("debug=false", false),
        ("debug=", false),
        ("debug", false),
        ("debug=%zz", false),
        ("x=true", false),
    ] {
        let event = event(&offers(), &sign_offer(&format!("{}&{added}", completed_query()))).unwrap();
        assert_eq!(event.is_test, is_test, "{added}");
    }
    let bans = app().bans(BANS).unwrap();
    let values = [("player", "p1"), ("ban_status", "BANNED"), ("debug", "true")];
    let ban = event(&bans, &sign(BANS, &values)).unwrap();
    assert!(ban.is_test && ban.kind == EventKind::Ban(postback::BanStatus::Banned));
    // It does not replace the signature.
    let forged = Signer::new("guess", OFFERS).sign(&[&COMPLETED[..], &[("debug", "true")]].concat());
    assert!(matches!(verify(&offers(), &forged), Err(VerifyError::NotGenuine(_))));
}

#[test]
fn c4_macro_that_was_not_replaced_is_rejected_by_name() {
    let unreplaced = |name: &str| Err(Problem::MacroNotReplaced { name: name.into() });
    for (parameter, name) in [
        ("tx=[%TX%]", "tx"),
        ("tx=%5B%25TX%25%5D", "tx"),
        ("player=[%25USER:UID%25]", "player"),
        ("player=%5b%25USER%3AUID%25%5d", "player"),
        ("gems=[%VALUE:CURRENCY%]", "gems"),
        ("state=[%OFFER:TASK:STATE%]", "state"),
    ] {
        assert_eq!(with(parameter), unreplaced(name), "{parameter}");
    }
    let Err(VerifyError::Unusable(unusable)) = verify(&offers(), &sign(OFFERS, &[("tx", "[%TX%]"), ("player", "p1")]))
    else {
        panic!("unusable")
    };
    assert_eq!(unusable.problem.origin(), Origin::Configuration);
    assert!(unusable.callback.problem.contains("\"tx\" was not replaced"), "{}", unusable.callback.problem);
    // Where nothing decides, it counts as absent.
    assert_eq!(with("usd=[%VALUE:USD%]"), Ok(completed("500", Some("COMPLETE"))));
    assert_eq!(with("name=[%FOO%]"), Ok(completed("500", Some("COMPLETE"))));
}

#[test]
fn c6_undecodable_names_of_offers_do_not_cost_the_reward() {
    for name in ["50%%20off", "Caf%E9", "[%FOO%]", "%", "a%00b"] {
        let offer = verify(&offers(), &sign_offer(&completed_query().replace("&name=", &format!("&name={name}"))));
        let offer = offer.unwrap();
        assert_eq!((offer.amount, &offer.details.offer_name), (Some(decimal("500")), &None), "{name}");
        assert!(offer.event.query.contains(name), "the query is kept as sent");
    }
}

#[test]
fn c9_exact_scientific_notation_is_an_amount() {
    for (text, amount) in [("5.0E-5", "0.00005"), ("1e%2B06", "1000000"), ("1e-7", "0.0000001"), ("2.50", "2.50")] {
        assert_eq!(with(&format!("gems={text}")), Ok(completed(amount, Some("COMPLETE"))), "{text}");
        assert_eq!(with(&format!("usd={text}")), Ok(completed("500", Some("COMPLETE"))), "{text}");
    }
    let malformed = "1e400 1e-40 NaN inf --5 %2B5 +5 .5 5. 0x1 1,5 five 1000000000000000 null \
                     0.00000000000000000000000000000000001 %zz";
    for amount in malformed.split(' ') {
        let problem = with(&format!("gems={amount}")).unwrap_err();
        assert!(matches!(&problem, Problem::Malformed { name, .. } if name == "gems"), "{amount}: {problem:?}");
    }
    // Nothing is paid yet, so nothing depends on it.
    let query = completed_query().replace("COMPLETED", "PENDING").replace("gems=500", "gems=soon");
    assert_eq!(effect(&offers(), &sign_offer(&query)), Ok(pending("PENDING", None)));
}

#[test]
fn v6_plus_in_an_identifier_is_a_space() {
    for (player, read) in [("bob+1@x.com", "bob 1@x.com"), ("bob%2B1@x.com", "bob+1@x.com")] {
        let query = completed_query().replace("player=p1", &format!("player={player}"));
        assert_eq!(event(&offers(), &sign_offer(&query)).unwrap().player.as_str(), read);
    }
}

#[test]
fn deciding_parameters_must_be_there_and_usable() {
    let without = |name: &str| {
        let query = completed_query();
        let pieces: Vec<_> = query.split('&').filter(|piece| !piece.starts_with(&format!("{name}="))).collect();
        effect(&offers(), &sign_offer(&pieces.join("&")))
    };
    for name in ["player", "tx", "gems", "state"] {
        assert_eq!(without(name), Err(missing(name)));
    }
    for name in ["iap", "type", "usd", "ref", "name"] {
        assert_eq!(without(name), Ok(completed("500", Some("COMPLETE"))), "{name}");
    }
    for (parameter, problem) in
        [("player=", empty("player")), ("player", empty("player")), ("tx=", empty("tx")), ("gems=", empty("gems"))]
    {
        let name = parameter.trim_end_matches('=');
        let query = completed_query();
        let pieces: Vec<_> = query
            .split('&')
            .map(|piece| if piece.starts_with(&format!("{name}=")) { parameter } else { piece })
            .collect();
        assert_eq!(effect(&offers(), &sign_offer(&pieces.join("&"))), Err(problem), "{parameter}");
    }
    for (parameter, name) in [
        (format!("player={}", "x".repeat(257)), "player"),
        ("player=a%0Ab".into(), "player"),
        (format!("tx={}", "x".repeat(257)), "tx"),
        ("tx=%1b".into(), "tx"),
    ] {
        let problem = with(&parameter).unwrap_err();
        assert!(matches!(&problem, Problem::Identifier { name: known, .. } if known == name), "{problem:?}");
    }
    // REF and TYPE decide about a stateless offer.
    for (changed, problem) in [
        ("&type=&ref=o%7F", "identifier"),
        ("&type=%zz&ref=", "malformed"),
        ("&type=", "missing"),
        ("&ref=", "missing"),
        ("&type=&ref=o1&ref=o2", "repeated"),
    ] {
        let found = effect(&offers(), &sign_offer(&format!("player=p1&tx=o9&gems=5&state=NONE{changed}")));
        assert_eq!(found.unwrap_err().as_str(), problem, "{changed}");
    }
}

#[test]
fn static_parameters_must_have_the_configured_value() {
    let url = format!("{OFFERS}&source=bit%20labs");
    let endpoint = app().offers(&url).unwrap();
    let found = |query: &str| effect(&endpoint, &Signer::new(KEY, &url).sign_query(query));
    let query = completed_query();
    assert!(found(&format!("{query}&source=bit+labs")).is_ok());
    assert_eq!(found(&query), Err(missing("source")));
    let mismatch = Err(Problem::StaticMismatch { name: "source".into() });
    for value in ["source=other", "source", "source=%zz", "source=x&source=y"] {
        assert_eq!(found(&format!("{query}&{value}")), mismatch, "{value}");
    }
}

#[test]
fn only_the_length_of_the_url_bounds_parameters() {
    let padded = |query: &str, bytes: usize| {
        let rest = bytes - sign_offer(&format!("{query}&")).target().len();
        sign_offer(&format!("{query}&{}", "a&".repeat(rest / 2) + &"b".repeat(rest % 2)))
    };
    let reconciled = completed_query().replace("COMPLETED", "RECONCILED");
    let longest = padded(&reconciled, MAX_URL_BYTES);
    assert_eq!(longest.target().len(), MAX_URL_BYTES);
    assert_eq!(effect(&offers(), &longest), Ok(adjusted("-500", true)));
    let error = verify(&offers(), &padded(&reconciled, MAX_URL_BYTES + 1)).unwrap_err();
    assert_eq!(error, VerifyError::BadRequest(BadRequest::UrlTooLong { limit: MAX_URL_BYTES }));
    // A reward whose reversal might be longer than a proxy takes is not paid.
    assert_eq!(
        effect(&offers(), &padded(&completed_query(), MAX_PAID_QUERY_BYTES)),
        Ok(completed("500", Some("COMPLETE")))
    );
    let too_long = effect(&offers(), &padded(&completed_query(), MAX_PAID_QUERY_BYTES + 200));
    assert_eq!(too_long, Err(Problem::TooLong { limit: MAX_PAID_QUERY_BYTES }));
}
