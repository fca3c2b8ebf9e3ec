//! Any text as a dashboard's URL: refused with advice, or usable, so that a callback to it is opened.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postback::bitlabs::{App, BitlabsCallback, ConfigError, Endpoint, EndpointBuilder};
use postback::source::{OpenError, Source};
use postback::testing::bitlabs::Network;
use postback::wire::{KeyRing, Request, Template};
use postback_fuzz::wire::{SECRET, decode};

fn build<C: BitlabsCallback>(url: &str, builder: EndpointBuilder<C>)
where
    Endpoint<C>: Source<Callback = C>,
{
    let endpoint = match builder.build() {
        Ok(endpoint) => endpoint,
        Err(ConfigError::Url { source, .. }) => return assert!(source.to_string().len() > 20),
        Err(error) => return assert!(error.to_string().len() > 20),
    };
    assert!(url.trim().starts_with(endpoint.url_prefix()));
    let network = Network::new(SECRET)
        .callback(url.trim())
        .player("p1")
        .transaction("o1")
        .amount("5")
        .usd("1");
    let states = network
        .state("COMPLETED")
        .purchase("1")
        .call_type("COMPLETE")
        .ban_status("BANNED");
    match endpoint.open(&Request::get(states.sign().target())) {
        Ok(callback) => assert_eq!(callback.event().player, "p1"),
        Err(OpenError::TooManyParameters { .. } | OpenError::TooLong { .. }) => {}
        Err(error) => panic!("built, and refuses a callback that is filled in: {error}"),
    }
}

fuzz_target!(|typed: &str| {
    if let Ok(template) = Template::parse(typed, &["hash", "debug"]) {
        let (prefix, query) = typed.trim().split_once('?').unwrap();
        assert!(
            template.prefix() == prefix
                && prefix.ends_with(template.path())
                && !typed.contains('#')
        );
        let masked = query.replace("[%", "[").replace("%]", "]");
        let names: Vec<_> = decode(&masked)
            .unwrap()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert!(
            template
                .parameters()
                .iter()
                .map(|parameter| parameter.name())
                .eq(&names)
        );
        assert!(
            names
                .iter()
                .enumerate()
                .all(|(at, name)| !names[..at].contains(name) && name != "hash")
        );
    }
    let app = App::new("game", KeyRing::from_list(SECRET).unwrap()).unwrap();
    build(typed, app.offers(typed));
    build(typed, app.purchases(typed));
    build(typed, app.surveys(typed));
    build(typed, app.receipts(typed));
    build(typed, app.cashback(typed));
    build(typed, app.rewards(typed));
    build(typed, app.bans(typed));
});
