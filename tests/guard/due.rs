//! What is due, and why nothing is.

use super::*;

#[test]
#[allow(clippy::too_many_lines, reason = "it is a table")]
fn the_decision_follows_from_what_is_due_and_what_the_message_says() {
    let screenout = milestone("s1", "5", "SCREENOUT");
    let table: &[(&str, Vec<Event>, Vec<Kind>, &str)] = &[
        (
            "pending pays nothing",
            vec![pending("o1", "500")],
            vec![Kind::Pending],
            "0",
        ),
        (
            "completed pays",
            vec![completed("o1", "500")],
            vec![Kind::Reward],
            "500",
        ),
        (
            "a repetition is not even told",
            vec![completed("o1", "500"), completed("o1", "500")],
            vec![Kind::Reward],
            "500",
        ),
        (
            "completed after pending pays",
            vec![pending("o1", "500"), completed("o1", "500")],
            vec![Kind::Pending, Kind::Reward],
            "500",
        ),
        (
            "reconciled after pending takes nothing back",
            vec![pending("o1", "500"), reconciled("o1", "500")],
            vec![Kind::Pending, Kind::Rejected],
            "0",
        ),
        (
            "reconciled alone is a rejection",
            vec![reconciled("o1", "0")],
            vec![Kind::Rejected],
            "0",
        ),
        (
            "reconciled after completed takes back",
            vec![completed("o1", "500"), reconciled("o1", "500")],
            vec![Kind::Reward, Kind::Reversal],
            "0",
        ),
        (
            "in part",
            vec![completed("o1", "500"), reconciled("o1", "120.50")],
            vec![Kind::Reward, Kind::Reversal],
            "379.50",
        ),
        (
            "a late completed does not pay what was taken back",
            vec![reconciled("o1", "500"), completed("o1", "500")],
            vec![Kind::Rejected, Kind::NothingToPay],
            "0",
        ),
        (
            "but it pays the rest",
            vec![reconciled("o1", "200"), completed("o1", "500")],
            vec![Kind::Rejected, Kind::Reward],
            "300",
        ),
        (
            "a reversal by reference",
            vec![completed("o1", "500"), adjustment("or1", "o1", "-500")],
            vec![Kind::Reward, Kind::Reversal],
            "0",
        ),
        (
            "a reversed reversal is restored",
            vec![
                completed("s1", "2"),
                adjustment("r1", "s1", "-2"),
                adjustment("r2", "s1", "2"),
            ],
            vec![Kind::Reward, Kind::Reversal, Kind::Reward],
            "2",
        ),
        (
            "never more is restored than was completed",
            vec![completed("s1", "2"), adjustment("r2", "s1", "2")],
            vec![Kind::Reward, Kind::NothingToPay],
            "2",
        ),
        (
            "never more is taken than was paid",
            vec![completed("s1", "2"), adjustment("r1", "s1", "-3")],
            vec![Kind::Reward, Kind::Reversal],
            "0",
        ),
        (
            "another transaction is another conversion",
            vec![completed("o1", "500"), completed("o2", "500")],
            vec![Kind::Reward, Kind::Reward],
            "1000",
        ),
        (
            "milestones of one transaction are events of their own",
            vec![screenout, milestone("s1", "100", "COMPLETE")],
            vec![Kind::Reward, Kind::Reward],
            "105",
        ),
        (
            "revoked takes all back",
            vec![completed("c1", "7"), revoked("c1")],
            vec![Kind::Reward, Kind::Reversal],
            "0",
        ),
        (
            "revoked first blocks",
            vec![revoked("c1"), completed("c1", "7")],
            vec![Kind::Rejected, Kind::NothingToPay],
            "0",
        ),
    ];
    for (rule, events, kinds, balance) in table {
        let (seen, paid) = outcome(events);
        let seen: Vec<_> = seen
            .into_iter()
            .map(|kind| {
                if kind == Kind::RestoredReward {
                    Kind::Reward
                } else {
                    kind
                }
            })
            .collect();
        assert_eq!((&seen, paid), (kinds, decimal(balance)), "{rule}");
    }
}

#[test]
fn a_reward_that_gives_back_what_was_taken_says_so() {
    let events = [
        completed("s1", "2"),
        adjustment("r1", "s1", "-2"),
        adjustment("r2", "s1", "2"),
    ];
    assert_eq!(
        outcome(&events).0,
        [Kind::Reward, Kind::Reversal, Kind::RestoredReward]
    );
}

#[test]
fn nothing_to_pay_says_why() {
    let noted = |why| {
        let word = "WORD".into();
        event("o1", None, Effect::Noted { word, why })
    };
    let table = [
        (vec![completed("o1", "0")], NothingWhy::ZeroReward),
        (
            vec![reconciled("o1", "5"), completed("o1", "5")],
            NothingWhy::AlreadyTakenBack,
        ),
        (
            vec![completed("o1", "5"), reconciled("o1", "0")],
            NothingWhy::NothingToTakeBack,
        ),
        (vec![adjustment("or1", "o1", "-5")], NothingWhy::Unlinked),
        (
            vec![completed("o1", "5"), pending("o1", "5")],
            NothingWhy::LatePending,
        ),
        (
            vec![noted(NotedWhy::UnknownState)],
            NothingWhy::UnknownState,
        ),
        (
            vec![noted(NotedWhy::UnpaidByChoice)],
            NothingWhy::UnpaidByChoice,
        ),
    ];
    for (events, expected) in table {
        assert_eq!(why(&events), Some(expected));
    }
}

#[test]
fn an_unlinked_reversal_is_held_against_its_original_when_that_arrives() {
    let (kinds, paid) = outcome(&[adjustment("or1", "o1", "-200"), completed("o1", "500")]);
    assert_eq!(
        (kinds, paid),
        (vec![Kind::NothingToPay, Kind::Reward], decimal("300"))
    );
}

#[test]
fn conflicts_move_nothing_and_are_told_once() {
    let table = [
        (
            vec![completed("o1", "500"), completed("o1", "900")],
            ConflictKind::OtherContent,
            "500",
        ),
        (
            vec![
                completed("o1", "500"),
                of_player(completed("o1", "500"), "p2"),
            ],
            ConflictKind::OtherPlayer,
            "500",
        ),
        (
            vec![
                completed("o1", "500"),
                of_player(reconciled("o1", "500"), "p2"),
            ],
            ConflictKind::OtherPlayer,
            "500",
        ),
        (
            vec![completed("o1", "-5")],
            ConflictKind::NegativeReward,
            "0",
        ),
        (
            vec![completed("o1", "5"), pending("o1", "5"), pending("o1", "6")],
            ConflictKind::OtherContent,
            "5",
        ),
    ];
    for (mut events, kind, balance) in table {
        assert_eq!(conflict(&events), Some(kind));
        let told = outcome(&events).0.len();
        events.push(events.last().unwrap().clone());
        assert_eq!(
            outcome(&events),
            (Ledger::play(&events).wallet.kinds(), decimal(balance))
        );
        assert_eq!(
            outcome(&events).0.len(),
            told,
            "a repeated conflict is a duplicate"
        );
    }
}

#[test]
fn another_revenue_is_another_content_and_an_unstated_one_is_not() {
    let paid = |usd: Option<&str>| {
        let mut event = completed("o1", "500");
        event.usd = usd.map(decimal);
        event
    };
    for (first, later, expected) in [
        (Some("5"), Some("5.00"), None),
        (Some("5"), Some("6"), Some(ConflictKind::OtherContent)),
        (Some("5"), None, None),
        (None, Some("5"), None),
    ] {
        let events = [paid(first), paid(later)];
        assert_eq!(conflict(&events), expected, "{first:?} {later:?}");
        assert_eq!(Ledger::play(&events).balance(), decimal("500"));
    }
}

#[test]
fn any_single_amount_is_exact_whatever_its_scale() {
    for amount in [
        "79228162514264337593543950335",
        "0.0000000000000000000000000001",
        "7.9228162514264337593543950335",
        "0.5000000000000000000000000000",
    ] {
        let events = [completed("o1", amount), reconciled("o1", amount)];
        assert_eq!(outcome(&events[..1]).1, decimal(amount));
        assert_eq!(outcome(&events).1, decimal("0"));
    }
}

#[test]
fn amounts_without_an_exact_sum_are_a_conflict() {
    let huge = "9999999999999999999999999999";
    let events = [completed("o1", huge), adjustment("r1", "o1", "-0.1")];
    assert_eq!(conflict(&events), Some(ConflictKind::AmountOutOfRange));
    assert_eq!(Ledger::play(&events).balance(), decimal(huge));
}
