//! Properties: any changed byte, any bytes at all.

use super::*;

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
