//! Callbacks of each family as the network sends them, and what they say.

use postback::event::{Effect, EventKind, NotedWhy};
use postback::source::bitlabs::{App, BitlabsCallback, Endpoint, EndpointBuilder};
use postback::source::{OpenError, Source};
use postback::testing::bitlabs::{CallbackBuilder, Network};
use postback::wire::{KeyRing, Request};
use rust_decimal::Decimal;

pub(crate) const KEY: &str = "my-app-secret";
pub(crate) const OFFERS: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]\
    &usd=[%VALUE:USD%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&call=[%TYPE%]&offer=[%OFFER:ID%]&task=[%OFFER:TASK:ID%]\
    &name=[%OFFER:NAME%]&task_name=[%OFFER:TASK:NAME%]&iap_usd=[%OFFER:TASK:IAP:USD%]&hidden=[%OFFER:TASK:HIDDEN%]\
    &type_id=[%OFFER:TASK:TYPE:ID%]&type_name=[%OFFER:TASK:TYPE:NAME%]&reason=[%OFFER:REJECTION_REASON%]\
    &delay=[%OFFER:DELAY%]&fraud=[%FSCORE%]";
pub(crate) const SILENT: &str =
    "https://game.example/cb?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]&ref=[%REF%]&call=[%TYPE%]";
pub(crate) const SURVEYS: &str = "https://game.example/callbacks/surveys?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]&usd=[%RAW%]&type=[%TYPE%]&ref=[%REF%]&why=[%SURVEY:REASON%]";
pub(crate) const RECEIPTS: &str = "https://game.example/r?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]&ref=[%REF%]&magic_receipt_state=[%RECEIPT:STATE%]";
pub(crate) const CASHBACK: &str = "https://game.example/c?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]&ref=[%REF%]&cashback_state=[%ANY%]";
pub(crate) const REWARDS: &str = "https://game.example/w?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]&ref=[%REF%]&type=[%TYPE%]&state=[%OFFER_STATE%]";
pub(crate) const BANS: &str = "https://game.example/callbacks/bans?player=[%USER:UID%]&ban_reason=[%BAN:REASON%]&ban_status=[%BAN:STATUS%]";

pub(crate) fn app() -> App {
    App::new("my-game", KeyRing::from_list(KEY).unwrap()).unwrap()
}

pub(crate) fn sent(url: &str) -> CallbackBuilder {
    Network::new(KEY)
        .callback(url)
        .player("p1")
        .transaction("o1")
}

pub(crate) fn open<C: BitlabsCallback>(
    endpoint: &Endpoint<C>,
    callback: CallbackBuilder,
) -> Result<C, OpenError> {
    endpoint.open(&Request::get(callback.sign().target()))
}

/// What a message says: its effect, and the transaction that it refers to.
pub(crate) fn said<C: BitlabsCallback>(
    builder: EndpointBuilder<C>,
    callback: CallbackBuilder,
) -> Result<(Effect, Option<String>), OpenError> {
    let event = open(&builder.build().unwrap(), callback)?.event();
    match event.kind {
        EventKind::Conversion {
            effect, original, ..
        } => Ok((effect, original.map(String::from))),
        kind => panic!("{kind:?}"),
    }
}

pub(crate) fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub(crate) fn pending(stage: &str, amount: Option<&str>) -> Effect {
    Effect::Pending {
        stage: stage.to_owned().into(),
        amount: amount.map(dec),
    }
}

pub(crate) fn completed(amount: &str, milestone: Option<&str>) -> Effect {
    Effect::Completed {
        amount: dec(amount),
        milestone: milestone.map(|word| word.to_owned().into()),
        reinstates: false,
    }
}

pub(crate) fn deducted(by: &str) -> Effect {
    Effect::Adjusted {
        by: dec(by),
        is_state_change: true,
    }
}

pub(crate) fn corrected(by: &str) -> Effect {
    Effect::Adjusted {
        by: dec(by),
        is_state_change: false,
    }
}

pub(crate) fn noted(word: &str, why: NotedWhy) -> Effect {
    Effect::Noted {
        word: word.to_owned().into(),
        why,
    }
}

/// One row of a table: state, type, amount, REF, and what is said (effect, original).
pub(crate) type Row<'a> = (&'a str, &'a str, &'a str, &'a str, Effect, Option<&'a str>);

pub(crate) fn check<C: BitlabsCallback>(
    url: &str,
    builder: impl Fn(&str) -> EndpointBuilder<C>,
    rows: &[Row<'_>],
) {
    for (state, call_type, amount, original, effect, refers_to) in rows {
        let callback = sent(url)
            .state(*state)
            .call_type(*call_type)
            .amount(*amount)
            .original(*original);
        let found = said(builder(url), callback);
        let expected = Ok((effect.clone(), refers_to.map(str::to_owned)));
        assert_eq!(
            found, expected,
            "state {state:?} type {call_type:?} amount {amount:?} ref {original:?}"
        );
    }
}
