//! Surveys, receipts, cashback, rewards and bans: what each message means.

use postback::event::{BanStatus, EventKind, NotedWhy};
use postback::source::{Callback, OpenError};

use crate::sent::*;

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
    let offers = app().offers(OFFERS).acknowledge_start_bonuses();
    assert_eq!(
        said(offers, call(OFFERS, "START_BONUS")),
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
            ("REJECTED", "", "0", "r0", deducted("0"), Some("r0")),
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
