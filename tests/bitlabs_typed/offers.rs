//! Offers and purchases: what each message means for the money.

use postback::event::NotedWhy;
use postback::source::OpenError;
use postback::source::bitlabs::OfferState;

use crate::sent::*;

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
}

#[test]
fn only_or_and_a_number_is_a_transaction_of_a_correction() {
    for (transaction, expected) in [
        ("or17", corrected("500")),
        ("or", completed("500", None)),
        ("order17", completed("500", None)),
        ("or17x", completed("500", None)),
        ("o17", completed("500", None)),
    ] {
        let callback = sent(OFFERS).transaction(transaction).amount("500");
        let (effect, _) = said(app().offers(OFFERS), callback).unwrap();
        assert_eq!(effect, expected, "{transaction}");
    }
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
    // A general reward's URL may lack the state: then it may be a pending one.
    let row = [(
        "",
        "state_change",
        "500",
        "",
        noted("state_change", NotedWhy::UnknownState),
        None,
    )];
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
