//! What each callback of BitLabs means, and which dashboard URLs are refused.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use postback::event::{BanStatus, Effect, Event, EventKind, NotedWhy, TestCallback};
use postback::source::bitlabs::{
    App, BitlabsCallback, CallbackType, CashbackState, Endpoint, EndpointBuilder, Field,
    FraudLevel, OfferState, ReceiptState, RejectionReason,
};
use postback::source::{Callback, OpenError, Source};
use postback::testing::bitlabs::{CallbackBuilder, Network};
use postback::wire::{KeyRing, Request};
use rust_decimal::Decimal;

const KEY: &str = "my-app-secret";
const OFFERS: &str = "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]\
    &usd=[%VALUE:USD%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&call=[%TYPE%]&offer=[%OFFER:ID%]&task=[%OFFER:TASK:ID%]\
    &name=[%OFFER:NAME%]&task_name=[%OFFER:TASK:NAME%]&iap_usd=[%OFFER:TASK:IAP:USD%]&hidden=[%OFFER:TASK:HIDDEN%]\
    &type_id=[%OFFER:TASK:TYPE:ID%]&type_name=[%OFFER:TASK:TYPE:NAME%]&reason=[%OFFER:REJECTION_REASON%]\
    &delay=[%OFFER:DELAY%]&fraud=[%FSCORE%]";
const SILENT: &str =
    "https://game.example/cb?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]&ref=[%REF%]&call=[%TYPE%]";
const SURVEYS: &str = "https://game.example/callbacks/surveys?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]&usd=[%RAW%]&type=[%TYPE%]&ref=[%REF%]&why=[%SURVEY:REASON%]";
const RECEIPTS: &str = "https://game.example/r?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]&ref=[%REF%]&magic_receipt_state=[%RECEIPT:STATE%]";
const CASHBACK: &str = "https://game.example/c?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]&ref=[%REF%]&cashback_state=[%ANY%]";
const REWARDS: &str = "https://game.example/w?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]&ref=[%REF%]&type=[%TYPE%]&state=[%OFFER_STATE%]";
const BANS: &str = "https://game.example/callbacks/bans?player=[%USER:UID%]&ban_reason=[%BAN:REASON%]&ban_status=[%BAN:STATUS%]";

fn app() -> App {
    App::new("my-game", KeyRing::from_list(KEY).unwrap()).unwrap()
}

fn sent(url: &str) -> CallbackBuilder {
    Network::new(KEY)
        .callback(url)
        .player("p1")
        .transaction("o1")
}

fn open<C: BitlabsCallback>(
    endpoint: &Endpoint<C>,
    callback: CallbackBuilder,
) -> Result<C, OpenError> {
    endpoint.open(&Request::get(callback.sign().target()))
}

/// What a message says: its effect, and the transaction that it refers to.
fn said<C: BitlabsCallback>(
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

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn pending(stage: &str, amount: Option<&str>) -> Effect {
    Effect::Pending {
        stage: stage.into(),
        amount: amount.map(dec),
    }
}

fn completed(amount: &str, milestone: Option<&str>) -> Effect {
    Effect::Completed {
        amount: dec(amount),
        milestone: milestone.map(str::to_owned),
        reinstates: false,
    }
}

fn deducted(by: &str) -> Effect {
    Effect::Adjusted {
        by: dec(by),
        is_state_change: true,
    }
}

fn corrected(by: &str) -> Effect {
    Effect::Adjusted {
        by: dec(by),
        is_state_change: false,
    }
}

fn noted(word: &str, why: NotedWhy) -> Effect {
    Effect::Noted {
        word: word.into(),
        why,
    }
}

/// One row of a table: state, type, amount, REF, and what is said (effect, original).
type Row<'a> = (&'a str, &'a str, &'a str, &'a str, Effect, Option<&'a str>);

fn check<C: BitlabsCallback>(
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

#[test]
fn a_stateful_offers_state_decides_and_never_its_type() {
    let rows = [
        (
            "PENDING",
            "COMPLETE",
            "500",
            "",
            pending("PENDING", Some("500")),
            None,
        ),
        (
            "pending",
            "state_change",
            "",
            "",
            pending("PENDING", None),
            None,
        ),
        (
            "COMPLETED",
            "",
            "500",
            "",
            completed("500", Some("COMPLETE")),
            None,
        ),
        (
            "COMPLETED",
            "state_change",
            "0.5",
            "o1",
            completed("0.5", Some("COMPLETE")),
            None,
        ),
        (
            "COMPLETED",
            "RECONCILIATION",
            "500",
            "",
            completed("500", Some("COMPLETE")),
            None,
        ),
        (
            "COMPLETED",
            "SCREENOUT",
            "500",
            "",
            completed("500", Some("COMPLETE")),
            None,
        ),
        (
            "Completed",
            "COMPLETE",
            "0",
            "o0",
            completed("0", Some("COMPLETE")),
            Some("o0"),
        ),
        (
            "COMPLETED",
            "COMPLETE",
            "-5",
            "",
            completed("-5", Some("COMPLETE")),
            None,
        ),
        ("RECONCILED", "COMPLETE", "200", "", deducted("-200"), None),
        ("RECONCILED", "", "200", "o0", deducted("-200"), Some("o0")),
        ("RECONCILED", "", "0", "o1", deducted("0"), None),
        (
            "RECONCILED",
            "",
            "-200",
            "",
            noted("RECONCILED", NotedWhy::Contradictory),
            None,
        ),
        (
            "EXPIRED",
            "COMPLETE",
            "500",
            "",
            noted("EXPIRED", NotedWhy::UnknownState),
            None,
        ),
        (
            "EXPIRED",
            "COMPLETE",
            "",
            "",
            noted("EXPIRED", NotedWhy::UnknownState),
            None,
        ),
    ];
    check(OFFERS, |url| app().offers(url), &rows);
    check(OFFERS, |url| app().purchases(url), &rows);
}

#[test]
fn an_offer_that_is_not_stateful_is_completed_or_corrected() {
    let rows: Vec<Row<'_>> = ["NONE", "none", ""]
        .into_iter()
        .flat_map(|state| {
            [
                (
                    state,
                    "COMPLETE",
                    "500",
                    "",
                    completed("500", Some("COMPLETE")),
                    None,
                ),
                (state, "", "500", "", completed("500", None), None),
                (state, "", "500", "o1", completed("500", None), None),
                (state, "BRAND_NEW", "0", "", completed("0", None), None),
                (
                    state,
                    "COMPLETE",
                    "-500",
                    "",
                    completed("-500", Some("COMPLETE")),
                    None,
                ),
                (
                    state,
                    "COMPLETE",
                    "-500",
                    "o0",
                    corrected("-500"),
                    Some("o0"),
                ),
                (state, "", "-500", "o0", corrected("-500"), Some("o0")),
                (state, "", "-500", "", corrected("-500"), None),
                (state, "state_change", "-500", "", corrected("-500"), None),
                (
                    state,
                    "RECONCILIATION",
                    "-500",
                    "o0",
                    corrected("-500"),
                    Some("o0"),
                ),
                (
                    state,
                    "reconciliation",
                    "500",
                    "o0",
                    corrected("500"),
                    Some("o0"),
                ),
                (state, "RECONCILIATION", "500", "", corrected("500"), None),
                (state, "", "500", "o0", corrected("500"), Some("o0")),
                (
                    state,
                    "SCREENOUT",
                    "5",
                    "",
                    completed("5", Some("SCREENOUT")),
                    None,
                ),
                (
                    state,
                    "START_BONUS",
                    "5",
                    "",
                    completed("5", Some("START_BONUS")),
                    None,
                ),
            ]
        })
        .collect();
    check(OFFERS, |url| app().offers(url), &rows);
    // The same without a state macro.
    check(SILENT, |url| app().offers(url), &rows);
}

#[test]
fn a_state_change_pays_only_where_the_url_can_say_the_state() {
    for state in ["NONE", ""] {
        let row = [(
            state,
            "state_change",
            "500",
            "",
            completed("500", None),
            None,
        )];
        check(OFFERS, |url| app().offers(url), &row);
    }
    // Without a state macro it may be a pending one.
    let row = [(
        "",
        "state_change",
        "500",
        "",
        noted("state_change", NotedWhy::UnknownState),
        None,
    )];
    check(SILENT, |url| app().offers(url), &row);
    check(SILENT, |url| app().rewards(url), &row);
}

#[test]
fn an_endpoint_for_one_state_needs_no_state_macro() {
    let table = [
        (
            OfferState::Pending,
            "COMPLETE",
            "500",
            "",
            Ok((pending("PENDING", Some("500")), None)),
        ),
        (
            OfferState::Completed,
            "",
            "500",
            "",
            Ok((completed("500", Some("COMPLETE")), None)),
        ),
        (
            OfferState::Completed,
            "",
            "-500",
            "",
            Ok((completed("-500", Some("COMPLETE")), None)),
        ),
        (OfferState::Completed, "", "500", "o0", Err("COMPLETED")),
        (
            OfferState::Completed,
            "RECONCILIATION",
            "500",
            "",
            Err("COMPLETED"),
        ),
        (
            OfferState::Reconciled,
            "COMPLETE",
            "200",
            "",
            Ok((deducted("-200"), None)),
        ),
        (
            OfferState::Reconciled,
            "",
            "200",
            "o1",
            Ok((deducted("-200"), None)),
        ),
        // Stateful messages share their transaction; these do not, so their sign counts.
        (
            OfferState::Reconciled,
            "",
            "-200",
            "o0",
            Ok((corrected("-200"), Some("o0".to_owned()))),
        ),
        (
            OfferState::Reconciled,
            "",
            "200",
            "o0",
            Ok((corrected("200"), Some("o0".to_owned()))),
        ),
        (
            OfferState::Reconciled,
            "",
            "-200",
            "",
            Ok((corrected("-200"), None)),
        ),
        (
            OfferState::Unknown("NEW".into()),
            "",
            "5",
            "",
            Ok((noted("NEW", NotedWhy::UnknownState), None)),
        ),
    ];
    for (only, call_type, amount, original, expected) in table {
        let callback = sent(SILENT)
            .call_type(call_type)
            .amount(amount)
            .original(original);
        let expected = expected.map_err(|state| OpenError::OtherState {
            expected: state.into(),
        });
        let found = said(app().offers(SILENT).only(only.clone()), callback);
        assert_eq!(found, expected, "{only} {call_type} {amount} {original}");
    }
    let pending_only = "https://game.example/p?player=[%UID%]&tx=[%TX%]";
    let found = said(
        app().offers(pending_only).only(OfferState::Pending),
        sent(pending_only),
    );
    assert_eq!(found, Ok((pending("PENDING", None), None)));
}

#[test]
fn an_endpoint_for_one_state_refuses_what_says_another() {
    let found = |only: OfferState, state: &str, amount: &str, original: &str| {
        let callback = sent(OFFERS).state(state).amount(amount).original(original);
        said(app().offers(OFFERS).only(only), callback)
    };
    let other = |word: &str| {
        Err(OpenError::OtherState {
            expected: word.into(),
        })
    };
    assert_eq!(
        found(OfferState::Completed, "PENDING", "5", ""),
        other("COMPLETED")
    );
    assert_eq!(
        found(OfferState::Completed, "RECONCILED", "5", ""),
        other("COMPLETED")
    );
    assert_eq!(
        found(OfferState::Reconciled, "COMPLETED", "5", ""),
        other("RECONCILED")
    );
    assert_eq!(
        found(OfferState::Pending, "NONE", "5", ""),
        other("PENDING")
    );
    assert_eq!(
        found(OfferState::Reconciled, "NONE", "5", ""),
        other("RECONCILED")
    );
    assert_eq!(
        found(OfferState::Completed, "NONE", "-5", "o0"),
        other("COMPLETED")
    );
    assert_eq!(
        found(OfferState::Completed, "completed", "5", ""),
        Ok((completed("5", Some("COMPLETE")), None))
    );
    assert_eq!(
        found(OfferState::Completed, "NONE", "5", ""),
        Ok((completed("5", None), None))
    );
    assert_eq!(
        found(OfferState::Reconciled, "NONE", "-5", "o0"),
        Ok((corrected("-5"), Some("o0".into())))
    );
    assert_eq!(
        found(OfferState::Reconciled, "", "5", ""),
        Ok((deducted("-5"), None))
    );
    assert_eq!(
        found(OfferState::Reconciled, "RECONCILED", "-5", ""),
        Ok((noted("RECONCILED", NotedWhy::Contradictory), None))
    );
}

#[test]
fn a_surveys_type_decides() {
    check(
        SURVEYS,
        |url| app().surveys(url),
        &[
            (
                "",
                "COMPLETE",
                "50",
                "",
                completed("50", Some("COMPLETE")),
                None,
            ),
            (
                "",
                "complete",
                "50",
                "s0",
                completed("50", Some("COMPLETE")),
                Some("s0"),
            ),
            (
                "",
                "COMPLETE",
                "-50",
                "",
                completed("-50", Some("COMPLETE")),
                None,
            ),
            (
                "",
                "SCREENOUT",
                "1",
                "",
                completed("1", Some("SCREENOUT")),
                None,
            ),
            (
                "",
                "START_BONUS",
                "1",
                "",
                completed("1", Some("START_BONUS")),
                None,
            ),
            (
                "",
                "RECONCILIATION",
                "-50",
                "s0",
                corrected("-50"),
                Some("s0"),
            ),
            (
                "",
                "RECONCILIATION",
                "50",
                "s0",
                corrected("50"),
                Some("s0"),
            ),
            ("", "RECONCILIATION", "-50", "", corrected("-50"), None),
            (
                "",
                "QUALITY_BONUS",
                "50",
                "",
                noted("QUALITY_BONUS", NotedWhy::UnknownState),
                None,
            ),
            (
                "",
                "state_change",
                "50",
                "",
                noted("state_change", NotedWhy::UnknownState),
                None,
            ),
            ("", "", "50", "", noted("", NotedWhy::UnknownState), None),
        ],
    );
}

#[test]
fn screenouts_and_start_bonuses_can_be_acknowledged_without_paying() {
    let unpaid = |word: &str| Ok((noted(word, NotedWhy::UnpaidByChoice), None));
    let call = |url: &str, word: &str| sent(url).call_type(word).amount("5");
    let surveys = || app().surveys(SURVEYS).acknowledge_screenouts();
    assert_eq!(
        said(surveys(), call(SURVEYS, "SCREENOUT")),
        unpaid("SCREENOUT")
    );
    assert_eq!(
        said(surveys(), call(SURVEYS, "START_BONUS")).unwrap().0,
        completed("5", Some("START_BONUS"))
    );
    let both = || {
        app()
            .rewards(REWARDS)
            .acknowledge_screenouts()
            .acknowledge_start_bonuses()
    };
    assert_eq!(
        said(both(), call(REWARDS, "START_BONUS")),
        unpaid("START_BONUS")
    );
    assert_eq!(
        said(both(), call(REWARDS, "COMPLETE")).unwrap().0,
        completed("5", Some("COMPLETE"))
    );
    let offers = app().offers(SILENT).acknowledge_start_bonuses();
    assert_eq!(
        said(offers, call(SILENT, "START_BONUS")),
        unpaid("START_BONUS")
    );
}

#[test]
fn a_receipts_state_decides_and_a_rejection_never_pays() {
    check(
        RECEIPTS,
        |url| app().receipts(url),
        &[
            (
                "COMPLETED",
                "",
                "50",
                "",
                completed("50", Some("COMPLETE")),
                None,
            ),
            (
                "COMPLETE",
                "",
                "50",
                "",
                completed("50", Some("COMPLETE")),
                None,
            ),
            ("PENDING", "", "", "", pending("PENDING", None), None),
            (
                "REVIEWING",
                "",
                "50",
                "",
                pending("REVIEWING", Some("50")),
                None,
            ),
            ("REJECTED", "", "50", "", deducted("-50"), None),
            ("REJECTED", "", "", "", deducted("0"), None),
            ("RECONCILED", "", "50", "r0", deducted("-50"), Some("r0")),
            ("RECONCILED", "", "-50", "", deducted("-50"), None),
            ("RECONCILED", "", "-50", "r0", corrected("-50"), Some("r0")),
            (
                "LOST",
                "",
                "50",
                "",
                noted("LOST", NotedWhy::UnknownState),
                None,
            ),
            ("", "", "50", "", noted("", NotedWhy::UnknownState), None),
        ],
    );
}

#[test]
fn cashback_is_paid_when_completed_only() {
    check(
        CASHBACK,
        |url| app().cashback(url),
        &[
            ("CREATED", "", "", "", pending("CREATED", None), None),
            (
                "PENDING",
                "",
                "50",
                "",
                pending("PENDING", Some("50")),
                None,
            ),
            (
                "ADJUSTED",
                "",
                "40",
                "",
                pending("ADJUSTED", Some("40")),
                None,
            ),
            (
                "COMPLETED",
                "",
                "40",
                "",
                completed("40", Some("COMPLETE")),
                None,
            ),
            (
                "REJECTED",
                "",
                "40",
                "",
                noted("REJECTED", NotedWhy::UnknownState),
                None,
            ),
        ],
    );
}

#[test]
fn a_general_reward_follows_its_state_then_its_type_then_its_sign() {
    check(
        REWARDS,
        |url| app().rewards(url),
        &[
            (
                "PENDING",
                "COMPLETE",
                "5",
                "",
                pending("PENDING", Some("5")),
                None,
            ),
            (
                "COMPLETED",
                "state_change",
                "5",
                "",
                completed("5", Some("COMPLETE")),
                None,
            ),
            ("RECONCILED", "COMPLETE", "5", "", deducted("-5"), None),
            (
                "NONE",
                "COMPLETE",
                "5",
                "",
                completed("5", Some("COMPLETE")),
                None,
            ),
            (
                "",
                "COMPLETE",
                "5",
                "s0",
                completed("5", Some("COMPLETE")),
                Some("s0"),
            ),
            (
                "",
                "SCREENOUT",
                "5",
                "",
                completed("5", Some("SCREENOUT")),
                None,
            ),
            (
                "",
                "RECONCILIATION",
                "-5",
                "s0",
                corrected("-5"),
                Some("s0"),
            ),
            ("", "", "5", "", completed("5", None), None),
            ("", "", "-5", "o0", corrected("-5"), Some("o0")),
            ("", "NEW", "5", "o0", corrected("5"), Some("o0")),
            ("NONE", "state_change", "-5", "", corrected("-5"), None),
        ],
    );
}

#[test]
fn an_amount_that_is_needed_may_not_be_empty() {
    let empty = Err(OpenError::Empty {
        name: "gems".into(),
    });
    for (state, call_type) in [
        ("COMPLETED", ""),
        ("RECONCILED", ""),
        ("NONE", "COMPLETE"),
        ("NONE", "RECONCILIATION"),
    ] {
        let callback = sent(OFFERS).state(state).call_type(call_type);
        assert_eq!(said(app().offers(OFFERS), callback), empty, "{state}");
    }
    assert_eq!(
        said(app().receipts(RECEIPTS), sent(RECEIPTS).state("COMPLETED")),
        empty
    );
    assert_eq!(
        said(app().surveys(SURVEYS), sent(SURVEYS).call_type("COMPLETE")),
        empty
    );
}

#[test]
fn a_ban_is_read_and_unknown_words_are_kept() {
    let bans = app().bans(BANS).build().unwrap();
    for (word, status) in [
        ("BANNED", BanStatus::Banned),
        ("active", BanStatus::Active),
        ("PAUSED", BanStatus::Unknown("PAUSED".into())),
    ] {
        let callback = open(
            &bans,
            sent(BANS).ban_status(word).ban_reason("multi account"),
        )
        .unwrap();
        assert_eq!(callback.status(), &status);
        let event = callback.event();
        assert_eq!(event.kind, EventKind::Ban(status));
        assert_eq!(event.reason.as_deref(), Some("multi account"));
        assert_eq!(event.key().to_string(), "bitlabs/my-game/player/p1");
    }
    assert_eq!(
        open(&bans, sent(BANS)).unwrap_err(),
        OpenError::Empty {
            name: "ban_status".into()
        }
    );
}

#[test]
fn an_offer_says_all_it_knows() {
    let callback = sent(OFFERS)
        .state("RECONCILED")
        .amount("500")
        .usd("4.99")
        .set("OFFER:ID", "77")
        .set("OFFER:TASK:ID", "8")
        .set("OFFER:NAME", "Lords & Märchen + 5%")
        .set("OFFER:TASK:NAME", "Reach level 5")
        .set("OFFER:TASK:HIDDEN", "1")
        .set("OFFER:TASK:TYPE:ID", "3")
        .set("OFFER:TASK:TYPE:NAME", "PURCHASE")
        .set("OFFER:REJECTION_REASON", "CHARGEBACK")
        .set("OFFER:DELAY", "90")
        .set("FSCORE", "good")
        .purchase("9.99")
        .pass_through("click id", "a b");
    let offer = open(&app().offers(OFFERS).build().unwrap(), callback).unwrap();
    assert_eq!(offer.state(), Some(OfferState::Reconciled));
    assert_eq!(offer.usd(), Field::Given(dec("4.99")));
    assert_eq!(offer.offer_id(), Field::Given("77"));
    assert_eq!(offer.task_id(), Field::Given("8"));
    assert_eq!(offer.offer_name(), Field::Given("Lords & Märchen + 5%"));
    assert_eq!(offer.task_name(), Field::Given("Reach level 5"));
    assert_eq!(offer.is_hidden(), Some(true));
    assert_eq!(
        (offer.task_type().id(), offer.task_type().name()),
        (Some(3), "PURCHASE")
    );
    assert_eq!(offer.task_type_name(), Field::Given("PURCHASE"));
    assert_eq!(
        offer.rejection_reason(),
        Field::Given(RejectionReason::Chargeback)
    );
    assert_eq!(offer.delay_minutes(), Some(90));
    assert_eq!(offer.fraud_level(), Field::Given(FraudLevel::Good));
    assert_eq!(offer.purchase(), Field::Given(dec("9.99")));
    assert_eq!(offer.call_type(), Field::<CallbackType>::Empty);
    assert_eq!(offer.anchor_name(), Field::Absent);
    assert_eq!(offer.parameter("click id"), Some("a b"));
    assert_eq!(offer.parameters().count(), 19);

    let event: Event = offer.event();
    assert_eq!(
        (event.source.as_str(), event.app.as_str(), &*event.endpoint),
        ("bitlabs", "my-game", "offers")
    );
    assert_eq!(event.usd, Some(dec("4.99")));
    assert_eq!(
        event.purchase.as_ref().map(|purchase| purchase.usd),
        Some(dec("9.99"))
    );
    assert_eq!(event.reason.as_deref(), Some("CHARGEBACK"));
    assert_eq!(event.key().to_string(), "bitlabs/my-game/conversion/o1");
    assert_eq!(
        event.parameter("name").as_deref(),
        Some("Lords & Märchen + 5%")
    );
    assert_eq!(event.test, TestCallback::No);
}

#[test]
fn a_purchase_brings_an_amount_or_none_given() {
    let purchases = app().purchases(OFFERS).build().unwrap();
    let call = || {
        sent(OFFERS)
            .state("COMPLETED")
            .amount("500")
            .set("OFFER:TASK:HIDDEN", "0")
    };
    let given = open(&purchases, call().purchase("9.99")).unwrap();
    assert_eq!(given.purchase(), Field::Given(dec("9.99")));
    assert_eq!(given.amount(), Field::Given(dec("500")));
    assert_eq!(given.is_hidden(), Some(false));
    let none = open(&purchases, call()).unwrap();
    assert_eq!(none.purchase(), Field::Empty);
    assert_eq!(none.event().purchase, None);
    assert_eq!(none.task_type().id(), None);
}

#[test]
fn surveys_receipts_and_cashback_say_what_they_know() {
    let survey = sent(SURVEYS)
        .call_type("SCREENOUT")
        .amount("1")
        .set("SURVEY:REASON", "quota full");
    let survey = open(&app().surveys(SURVEYS).build().unwrap(), survey).unwrap();
    assert_eq!(survey.call_type(), Field::Given(CallbackType::Screenout));
    assert_eq!(survey.survey_reason(), Field::Given("quota full"));
    assert_eq!(survey.event().reason.as_deref(), Some("quota full"));
    let receipt = sent(RECEIPTS).state("reviewing");
    let receipt = open(&app().receipts(RECEIPTS).build().unwrap(), receipt).unwrap();
    assert_eq!(receipt.state(), Field::Given(ReceiptState::Reviewing));
    let cashback = sent(CASHBACK).state("LOST");
    let cashback = open(&app().cashback(CASHBACK).build().unwrap(), cashback).unwrap();
    assert_eq!(
        cashback.state(),
        Field::Given(CashbackState::Unknown("LOST".into()))
    );
}

#[test]
fn debug_true_is_a_test_and_only_a_staging_switch_delivers_it() {
    let call = || sent(OFFERS).state("COMPLETED").amount("500");
    let offers = app().offers(OFFERS).build().unwrap();
    let staging = app().offers(OFFERS).deliver_tests().build().unwrap();
    assert!(open(&offers, call().debug()).unwrap().is_test());
    assert_eq!(
        open(&offers, call().debug()).unwrap().event().test,
        TestCallback::Acknowledged
    );
    assert_eq!(
        open(&staging, call().debug()).unwrap().event().test,
        TestCallback::Delivered
    );
    assert_eq!(
        open(&staging, call()).unwrap().event().test,
        TestCallback::No
    );
    assert_eq!(
        open(&offers, call().pass_through("debug", "false"))
            .unwrap()
            .event()
            .test,
        TestCallback::No
    );
    // It does not skip the signature.
    let forged = Network::new("guess")
        .callback(OFFERS)
        .player("p1")
        .transaction("o1")
        .debug()
        .sign();
    assert_eq!(
        offers.open(&Request::get(forged.target())).unwrap_err(),
        OpenError::SignatureWrong
    );
}

#[test]
fn another_state_parameter_and_a_macro_newer_than_the_crate_can_be_set() {
    let url =
        "https://game.example/r?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]&s=[%X%]&new=[%SHINY:NEW%]";
    let receipts = app()
        .receipts(url)
        .state_parameter("s")
        .allow_macro("SHINY:NEW")
        .build()
        .unwrap();
    let callback = sent(url)
        .parameter("s", "COMPLETED")
        .amount("5")
        .set("SHINY:NEW", "42");
    let receipt = open(&receipts, callback).unwrap();
    assert_eq!(receipt.state(), Field::Given(ReceiptState::Completed));
    assert_eq!(receipt.parameter("new"), Some("42"));
}

#[test]
fn both_vocabularies_and_the_slips_of_the_vendors_pages_are_understood() {
    for url in [
        "https://a.example/c?p=[%USER:UID%]&t=[%TX%]&a=[%VALUE:CURRENCY%]&u=[%VALUE:USD%]&s=[%OFFER:TASK:STATE%]",
        "https://a.example/c?p=[%UID%]&t=[%TX%]&a=[%VAL%]&u=[%RAW%]&s=[%OFFER_STATE%]",
        "https://a.example/c?p=[%USER:ID%]&t=[%TX%]&a=[%CURRENCY:VALUE%]&u=[%CURRENCY:USD%]&s=[%OFFER_STATE%]",
    ] {
        let offers = app().offers(url).build().unwrap();
        let offer = open(&offers, sent(url).state("COMPLETED").amount("5").usd("1")).unwrap();
        assert_eq!(
            (offer.amount(), offer.usd()),
            (Field::Given(dec("5")), Field::Given(dec("1")))
        );
    }
}

#[test]
fn nothing_that_is_shown_holds_the_secret_the_hash_or_the_url() {
    fn shown<C: BitlabsCallback>(
        builder: EndpointBuilder<C>,
        callback: CallbackBuilder,
    ) -> [String; 2] {
        let signed = callback.pass_through("token", "sesame").sign();
        let before = format!("{builder:?}");
        let endpoint = builder.build().unwrap();
        let callback = endpoint.open(&Request::get(signed.target())).unwrap();
        let json = serde_json::to_string(&callback).unwrap();
        let debug = format!(
            "{before} {endpoint:?} {:?} {callback:?} {signed:?}",
            endpoint.app()
        );
        for text in [&json, &debug] {
            assert!(
                !text.contains(KEY)
                    && !text.contains(signed.hash())
                    && !text.contains("game.example"),
                "{text}"
            );
        }
        assert!(!debug.contains("sesame"), "{debug}");
        [json, debug]
    }
    let offer = || {
        sent(OFFERS)
            .state("COMPLETED")
            .amount("500.50")
            .purchase("9.99")
    };
    let [json, debug] = shown(app().offers(OFFERS), offer());
    assert!(
        debug.contains("OfferCallback") && debug.contains("o1"),
        "{debug}"
    );
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["endpoint"], "offers");
    assert_eq!(json["amount"], "500.50");
    assert_eq!(json["purchase_usd"], "9.99");
    assert_eq!(json["original"], serde_json::Value::Null);
    assert_eq!(
        json["other_parameters"],
        serde_json::json!([["token", "sesame"]])
    );
    shown(app().purchases(OFFERS), offer());
    shown(
        app().surveys(SURVEYS),
        sent(SURVEYS).call_type("COMPLETE").amount("5"),
    );
    shown(
        app().receipts(RECEIPTS),
        sent(RECEIPTS).state("COMPLETED").amount("5"),
    );
    shown(
        app().cashback(CASHBACK),
        sent(CASHBACK).state("COMPLETED").amount("5"),
    );
    shown(
        app().rewards(REWARDS),
        sent(REWARDS).call_type("COMPLETE").amount("5"),
    );
    shown(app().bans(BANS), sent(BANS).ban_status("BANNED"));
}
