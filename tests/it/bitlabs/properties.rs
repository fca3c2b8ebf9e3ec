//! Properties: which changes matter, and which do not.

use proptest::prelude::*;

use super::*;

/// The parameters of an offer that decide nothing when the state is COMPLETED or RECONCILED.
fn information() -> Vec<&'static str> {
    let names = "usd type offer task name task_name iap hidden type_id type_name reason delay fraud ip";
    names.split(' ').collect()
}

/// What decides about money.
fn deciding(event: &Event) -> (String, EventKind) {
    let mut kind = event.kind.clone();
    if let EventKind::Conversion { original, effect, .. } = &mut kind {
        match effect {
            // Information only: such a message is about its own transaction.
            Effect::Completed { .. } | Effect::Ignored { .. } => *original = None,
            Effect::Pending { amount, .. } => (*original, *amount) = (None, None),
            _ => {}
        }
    }
    (event.player.to_string(), kind)
}

fn raw() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~&&[^&#]]{0,12}", "(%[0-9a-fA-F]{2}|%|\\+|[a-z0-9.é]){0,8}"]
}

/// What a player may add to the offer wall's URL: names in use, junk, and everything between.
fn added() -> impl Strategy<Value = String> {
    let mut names = information();
    names.extend(["player", "tx", "gems", "state", "ref", "hash", "debug", "%74x", "%64ebug"]);
    let name = prop_oneof![prop::sample::select(names).prop_map(str::to_owned), "[ -~&&[^&#=]]{0,8}"];
    let value = prop_oneof![
        raw(),
        prop::sample::select(vec!["true", "1", "COMPLETED", "PENDING", "NONE", "-500", "1000000", "o2", "p2"])
            .prop_map(str::to_owned)
    ];
    let parameter = (name, value).prop_map(|(name, value)| format!("&{name}={value}"));
    prop::collection::vec(parameter, 0..6).prop_map(|parameters| parameters.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn information_never_changes_what_decides(
        state in prop::sample::select(vec!["PENDING", "COMPLETED", "RECONCILED", "LOST", ""]),
        values in prop::collection::vec((prop::sample::select(information()), raw()), 0..8),
        reverse in any::<bool>(),
    ) {
        let deciding_part = format!("player=p1&tx=o1&gems=500&state={state}&ref=");
        let expected = event(&offers(), &sign_offer(&deciding_part)).unwrap();
        let information: Vec<_> = values.iter().map(|(name, value)| format!("{name}={value}&")).collect();
        let information = information.concat();
        let query = if reverse {
            format!("{information}{deciding_part}")
        } else {
            format!("{deciding_part}&{information}")
        };
        let found = event(&offers(), &sign_offer(query.trim_end_matches('&'))).unwrap();
        prop_assert_eq!(deciding(&found), deciding(&expected));
    }

    #[test]
    fn added_parameters_never_change_a_reversal_and_never_pay(
        state in prop::sample::select(vec!["PENDING", "COMPLETED", "RECONCILED", "LOST", ""]),
        added in added(),
    ) {
        let signed = sign(OFFERS, &[("player", "p1"), ("tx", "o1"), ("gems", "500"), ("state", state)]);
        let (query, _) = signed.query().rsplit_once("&hash=").unwrap();
        let expected = event(&offers(), &signed).unwrap();
        // Either nothing changes, or the callback is kept because of a repeated name: never anything in between.
        match event(&offers(), &sign_offer(&format!("{query}{added}"))) {
            Ok(found) => prop_assert_eq!(deciding(&found), deciding(&expected)),
            Err(problem) => prop_assert!(matches!(problem, Problem::Repeated { .. }), "{}", problem),
        }
    }

    #[test]
    fn what_cannot_be_reversed_is_not_paid(added in added()) {
        let is_usable = |url: &str, state: &str| {
            let signer = Signer::new(KEY, url);
            let signed = signer.sign_query(&format!("player=p1&{state}{added}"));
            let request = signed.target();
            let request = Request::get(&request);
            let result = match url {
                OFFERS => offers().verify(&request).map(drop),
                SURVEYS => app().surveys(SURVEYS).unwrap().verify(&request).map(drop),
                RECEIPTS => app().receipts(RECEIPTS).unwrap().verify(&request).map(drop),
                _ => app().rewards(REWARDS).unwrap().verify(&request).map(drop),
            };
            result.is_ok()
        };
        for (url, payment, reversal) in [
            (OFFERS, "tx=o1&gems=500&state=COMPLETED&ref=", "tx=o1&gems=500&state=RECONCILED&ref="),
            (OFFERS, "tx=o1&gems=500&state=NONE&ref=&type=COMPLETE", "tx=or1&gems=-500&state=NONE&ref=o1&type=RECONCILIATION"),
            (SURVEYS, "tx=1&gems=500&type=COMPLETE&ref=", "tx=2&gems=-500&type=RECONCILIATION&ref=1"),
            (RECEIPTS, "tx=m1&gems=500&ref=&magic_receipt_state=COMPLETED", "tx=m1&gems=500&ref=&magic_receipt_state=REJECTED"),
            (RECEIPTS, "tx=m1&gems=500&ref=&magic_receipt_state=COMPLETED", "tx=m2&gems=-500&ref=m1&magic_receipt_state=REJECTED"),
            (REWARDS, "tx=o1&gems=500&ref=&state=COMPLETED", "tx=o1&gems=500&ref=&state=RECONCILED"),
            (REWARDS, "tx=1&gems=500&ref=&type=COMPLETE&state=", "tx=2&gems=-500&ref=1&type=RECONCILIATION&state="),
        ] {
            prop_assert!(is_usable(url, reversal) || !is_usable(url, payment), "{payment}{added}");
        }
    }

    #[test]
    fn changing_any_byte_of_a_signed_query_rejects_it(
        name in "[^\\x00]{0,20}", player in "[a-zA-Z0-9 é&=%+-]{1,20}", at in any::<prop::sample::Index>(), byte in 1_u8..128,
    ) {
        let values = [("player", &*player), ("tx", "o1"), ("gems", "500"), ("state", "COMPLETED"), ("extra", &*name)];
        let signed = sign(OFFERS, &values);
        prop_assert!(verify(&offers(), &signed).is_ok());
        let mut target = signed.target().into_bytes();
        let start = target.len() - signed.query().len();
        let at = start + at.index(signed.query().len());
        prop_assume!(target[at] != byte);
        target[at] = byte;
        let target = String::from_utf8(target).unwrap();
        let error = offers().verify(&Request::get(&target)).unwrap_err();
        prop_assert!(!error.is_genuine());
    }

    #[test]
    fn what_the_network_sends_is_what_is_read(
        player in "[^\\x00-\\x1f\\x7f-\\x9f]{1,40}", name in "[^\\x00]{1,60}", custom in "[^\\x00]{0,60}", plus in any::<bool>(),
    ) {
        let values =
            [("player", &*player), ("tx", "o1"), ("gems", "500"), ("state", "COMPLETED"), ("name", &*name), ("my key", &*custom)];
        let signed = sign(OFFERS, &values);
        let (query, _) = signed.query().rsplit_once("&hash=").unwrap();
        let query = if plus { query.replace("%20", "+") } else { query.to_owned() };
        let offer = verify(&offers(), &sign_offer(&query)).unwrap();
        prop_assert_eq!(offer.player.as_str(), &*player);
        prop_assert_eq!(offer.details.offer_name.as_deref(), Some(&*name));
        let parameters = postback::verify::Query::new(&offer.event.query);
        prop_assert_eq!(parameters.get("my key").unwrap(), custom);
        prop_assert_eq!(&offer.event.query, &query);
    }

    #[test]
    fn verification_never_panics(target in any::<String>(), method in any::<String>(), query in "[a-z&=%+#?0-9A-F\\x00é.-]{0,80}") {
        let _ = offers().verify(&Request::get(&target));
        let _ = offers().verify(&Request::new(&method, &target));
        let _ = verify(&offers(), &sign_offer(&query));
        let _ = verify(&offers(), &sign_offer(&format!("{}&{query}", completed_query())));
    }

    #[test]
    fn reading_a_url_never_panics(text in any::<String>(), query in "[a-z&=%\\[\\]{}<>A-Z:?0-9é]{0,60}") {
        let _ = app().offers(&text);
        let _ = app().offers(format!("https://a.example/c?{query}"));
        let _ = app().offers(format!("{OFFERS}&{query}"));
        let _ = app().offers(format!("http://{query}"));
    }
}
