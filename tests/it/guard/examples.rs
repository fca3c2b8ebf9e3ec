//! Which decision follows from which messages.

use postback::testing::guard::target;
use postback::{Action, ConflictKind, Decimal, Event, IgnoreReason, NothingReason};

use crate::common::{
    Game, adjustment, as_test, completed, decimal, ignored, milestone, of_player, pending, reconciled, reinstating,
    revoked, with_purchase,
};

fn outcome(events: &[Event]) -> (Vec<&'static str>, Decimal) {
    Game::play(events).outcome()
}

fn last_action(events: &[Event]) -> Action {
    let game = Game::play(events);
    game.wallet.log.last().unwrap().action().clone()
}

fn last_conflict(events: &[Event]) -> Option<ConflictKind> {
    match last_action(events) {
        Action::Conflict { kind } => Some(kind),
        _ => None,
    }
}

/// Callbacks, separated by `; `, as `pending TX AMOUNT`, `completed TX AMOUNT [MILESTONE]`, `reconciled TX AMOUNT`,
/// `adjusted TX ORIGINAL BY`, `reinstating TX AMOUNT`, and `revoked TX`.
fn parse(callbacks: &str) -> Vec<Event> {
    let parse = |callback: &str| match *callback.split(' ').collect::<Vec<_>>() {
        ["pending", transaction, amount] => pending(transaction, amount),
        ["completed", transaction, amount] => completed(transaction, amount),
        ["completed", transaction, amount, word] => milestone(transaction, amount, word),
        ["reconciled", transaction, amount] => reconciled(transaction, amount),
        ["adjusted", transaction, original, by] => adjustment(transaction, original, by),
        ["reinstating", transaction, amount] => reinstating(transaction, amount),
        ["revoked", transaction] => revoked(transaction),
        _ => panic!("{callback}"),
    };
    callbacks.split("; ").map(parse).collect()
}

#[test]
fn decision_follows_from_what_is_due() {
    for (rule, callbacks, actions, balance) in [
        ("pending pays nothing", "pending o1 500", "pending", "0"),
        ("completed pays", "completed o1 500", "reward", "500"),
        ("a repetition is not delivered", "completed o1 500; completed o1 500", "reward", "500"),
        ("completed after pending pays", "pending o1 500; completed o1 500", "pending reward", "500"),
        ("a reversal after pending takes nothing", "pending o1 500; reconciled o1 500", "pending rejected", "0"),
        ("a reversal alone is a rejection", "reconciled o1 0", "rejected", "0"),
        ("a reversal after completed takes back", "completed o1 500; reconciled o1 500", "reward reversal", "0"),
        ("a reversal takes back a part", "completed o1 500; reconciled o1 120.50", "reward reversal", "379.50"),
        ("a late completed pays nothing", "reconciled o1 500; completed o1 500", "rejected nothing", "0"),
        ("a late completed pays the remainder", "reconciled o1 200; completed o1 500", "rejected reward", "300"),
        ("a reversal has an original", "completed o1 500; adjusted or1 o1 -500", "reward reversal", "0"),
        ("an early reversal counts later", "adjusted or1 o1 -200; completed o1 500", "nothing reward", "300"),
        (
            "a reversed reversal is restored",
            "completed s1 2; adjusted r1 s1 -2; adjusted r2 s1 2",
            "reward reversal reward",
            "2",
        ),
        ("no more is restored than was completed", "completed s1 2; adjusted r2 s1 2", "reward nothing", "2"),
        ("no more is taken back than was paid", "completed s1 2; adjusted r1 s1 -3", "reward reversal", "0"),
        ("another transaction pays, too", "completed o1 500; completed o2 500", "reward reward", "1000"),
        ("milestones pay separately", "completed s1 5 SCREENOUT; completed s1 100 COMPLETE", "reward reward", "105"),
        ("an absent milestone matches any", "completed s1 10; completed s1 10 SCREENOUT", "reward", "10"),
        ("any milestone matches an absent one", "completed s1 10 SCREENOUT; completed s1 10", "reward", "10"),
        ("a revocation takes everything back", "completed c1 7; revoked c1", "reward reversal", "0"),
        ("a revocation that arrives first blocks", "revoked c1; completed c1 7", "rejected nothing", "0"),
        (
            "a reinstated reward is paid as often as it was revoked",
            "reinstating c1 7; revoked c1; reinstating c1 7; revoked c1; reinstating c1 7",
            "reward reversal reward reversal reward",
            "7",
        ),
        ("without a revocation nothing is reinstated", "reinstating c1 7; reinstating c1 7", "reward", "7"),
        (
            "nor if the network is not set up for it",
            "completed c1 7; revoked c1; completed c1 7",
            "reward reversal",
            "0",
        ),
    ] {
        let actions = actions.split(' ').collect();
        assert_eq!(outcome(&parse(callbacks)), (actions, decimal(balance)), "{rule}");
    }
}

#[test]
fn target_is_what_was_decided() {
    let game = Game::play(&[completed("o1", "500"), reconciled("o1", "120")]);
    let record = game.record();
    assert_eq!(target(record), Some(decimal("380")));
    assert_eq!(record.decided(), decimal("380"));
    let decisions = record.entries().iter();
    let decisions: Vec<_> = decisions.filter_map(|entry| entry.decision(record.key())).collect();
    assert_eq!(decisions, game.wallet.log, "decisions can be read again");
}

#[test]
fn restored_reward_is_marked() {
    let mut events = parse("completed s1 2; adjusted r1 s1 -2; adjusted r2 s1 2");
    let is_restored = |events: &[Event]| match last_action(events) {
        Action::Reward(reward) => reward.is_restored(),
        other => panic!("a reward, not {other:?}"),
    };
    assert!(is_restored(&events));
    events.truncate(1);
    assert!(!is_restored(&events));
}

#[test]
fn nothing_due_has_a_reason() {
    let table = [
        (vec![completed("o1", "0")], NothingReason::ZeroReward),
        (vec![reconciled("o1", "5"), completed("o1", "5")], NothingReason::AlreadyTakenBack),
        (vec![completed("o1", "5"), reconciled("o1", "0")], NothingReason::NothingToTakeBack),
        (vec![completed("o1", "5"), adjustment("or1", "o1", "495")], NothingReason::AboveCompleted),
        (vec![adjustment("or1", "o1", "-5")], NothingReason::Unlinked),
        // What is about another player completes nothing.
        (
            vec![pending("o1", "5"), of_player(completed("o1", "5"), "p2"), adjustment("or1", "o1", "-5")],
            NothingReason::Unlinked,
        ),
        (vec![completed("o1", "5"), pending("o1", "5")], NothingReason::LatePending),
        (vec![ignored("o1", "WORD", IgnoreReason::UnknownState)], NothingReason::UnknownState),
        (vec![ignored("o1", "", IgnoreReason::EmptyState)], NothingReason::EmptyState),
        (vec![ignored("o1", "WORD", IgnoreReason::UnpaidByChoice)], NothingReason::UnpaidByChoice),
        (vec![ignored("o1", "WORD", IgnoreReason::NotAReward)], NothingReason::NotAReward),
    ];
    for (events, reason) in table {
        assert_eq!(last_action(&events), Action::Nothing { reason });
    }
}

#[test]
fn conflicts_move_nothing_and_are_reported_once() {
    let strange = |event| of_player(event, "p2");
    let table = [
        (vec![completed("o1", "500"), completed("o1", "900")], ConflictKind::ContentMismatch, "500"),
        (vec![completed("o1", "500"), strange(completed("o1", "500"))], ConflictKind::PlayerMismatch, "500"),
        (vec![completed("o1", "500"), strange(reconciled("o1", "500"))], ConflictKind::PlayerMismatch, "500"),
        (vec![completed("o1", "-5")], ConflictKind::NegativeReward, "0"),
        (vec![ignored("o1", "RECONCILED", IgnoreReason::Contradictory)], ConflictKind::Contradictory, "0"),
        (vec![completed("o1", "5"), pending("o1", "5"), pending("o1", "6")], ConflictKind::ContentMismatch, "5"),
    ];
    for (mut events, kind, balance) in table {
        assert_eq!(last_conflict(&events), Some(kind));
        let before = outcome(&events);
        assert_eq!(before.1, decimal(balance));
        events.push(events.last().unwrap().clone());
        assert_eq!(outcome(&events), before, "a repeated conflict is a duplicate");
    }
}

#[test]
fn another_revenue_is_a_conflict_and_an_absent_one_is_not() {
    let paid = |usd: Option<&str>| {
        let mut event = completed("o1", "500");
        event.usd = usd.map(decimal);
        event
    };
    for (first, later, expected) in [
        (Some("5"), Some("5.00"), None),
        (Some("5"), Some("6"), Some(ConflictKind::ContentMismatch)),
        (Some("5"), None, None),
        (None, Some("5"), None),
    ] {
        let events = [paid(first), paid(later)];
        assert_eq!(last_conflict(&events), expected, "{first:?} {later:?}");
        assert_eq!(outcome(&events).1, decimal("500"));
    }
}

#[test]
fn every_amount_is_exact() {
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
    let huge = "9999999999999999999999999999";
    let events = [completed("o1", huge), adjustment("r1", "o1", "-0.1")];
    assert_eq!(last_conflict(&events), Some(ConflictKind::AmountOutOfRange));
    assert_eq!(outcome(&events).1, decimal(huge));
}

#[test]
fn purchase_data_is_delivered_and_never_pays() {
    let reward = completed("o1", "500");
    let same_amount = with_purchase(completed("o1", "500"), "4.99");
    let no_amount = with_purchase(completed("o1", "0"), "4.99");
    let paid = |actions: &[&'static str]| (actions.to_vec(), decimal("500"));
    for data in [&same_amount, &no_amount] {
        let events = [reward.clone(), data.clone(), data.clone()];
        assert_eq!(outcome(&events), paid(&["reward", "purchase"]));
    }
    let events = [no_amount.clone(), reward.clone()];
    assert_eq!(outcome(&events), paid(&["purchase", "reward"]));
    // The purchase came with the reward.
    assert_eq!(outcome(&[same_amount, reward.clone()]), paid(&["reward"]));

    let other_amount = with_purchase(completed("o1", "900"), "4.99");
    let conflict = last_conflict(&[reward, other_amount]);
    assert_eq!(conflict, Some(ConflictKind::ContentMismatch));

    // Purchase data alone completes nothing.
    let events = [no_amount.clone(), pending("o1", "5")];
    assert_eq!(outcome(&events).0, ["purchase", "pending"]);
    let events = [no_amount, reconciled("o1", "5")];
    assert_eq!(outcome(&events).0, ["purchase", "rejected"]);
}

#[test]
fn earlier_conflict_does_not_block_reinstatement() {
    let events = parse("reinstating c1 500; reinstating c1 600; revoked c1; reinstating c1 600");
    let actions = vec!["reward", "conflict", "reversal", "reward"];
    assert_eq!(outcome(&events), (actions, decimal("600")));
}

#[test]
fn earlier_conflict_does_not_swallow_a_milestone() {
    let screenout = milestone("s1", "10", "SCREENOUT");
    let untyped = completed("s1", "500");
    let complete = milestone("s1", "500", "COMPLETE");
    let events = [screenout.clone(), untyped.clone(), complete.clone()];
    let (actions, balance) = outcome(&events);
    assert_eq!(actions, ["reward", "conflict", "reward"]);
    assert_eq!(balance, decimal("510"));
    assert_eq!(outcome(&[complete, untyped, screenout]).1, balance);
}

#[test]
fn zero_reversal_does_not_block_a_later_one() {
    let events = parse("completed o1 500; reconciled o1 0; reconciled o1 500; reconciled o1 0");
    let actions = vec!["reward", "nothing", "reversal"];
    assert_eq!(outcome(&events), (actions, decimal("0")));
    assert_eq!(outcome(&parse("completed o1 500; reconciled o1 500; reconciled o1 0")).1, decimal("0"));
}

#[test]
fn conflicts_after_a_revocation_are_repeated_once() {
    for event in [of_player(reinstating("c1", "7"), "p2"), reinstating("c1", "-7")] {
        let mut game = Game::play(&parse("reinstating c1 7; revoked c1"));
        for _ in 0..3 {
            game.receive(&event);
        }
        assert_eq!(game.record().entries().len(), 3, "{event:?}");
        game.receive(&reinstating("c1", "7"));
        assert_eq!(game.outcome().1, decimal("7"));
    }
}

#[test]
fn completion_worth_nothing_does_not_block_the_reward() {
    for events in ["completed o1 0; completed o1 500", "completed o1 500; completed o1 0"] {
        let mut game = Game::play(&parse(events));
        assert_eq!(game.outcome().1, decimal("500"), "{events}");
        game.receive(&completed("o1", "0"));
        game.receive(&completed("o1", "500"));
        assert_eq!((game.outcome().1, game.record().entries().len()), (decimal("500"), 2), "{events}");
        game.receive(&completed("o1", "600"));
        assert_eq!(game.outcome().1, decimal("500"), "{events}");
    }
}

#[test]
fn conflicts_and_purchase_data_do_not_reinstate() {
    for (strange, action) in [
        (of_player(reinstating("c1", "7"), "p2"), "conflict"),
        (reinstating("c1", "-7"), "conflict"),
        (with_purchase(reinstating("c1", "0"), "4.99"), "purchase"),
    ] {
        let events = [completed("c1", "7"), revoked("c1"), strange, completed("c1", "7")];
        let expected = (vec!["reward", "reversal", action], decimal("0"));
        assert_eq!(outcome(&events), expected);
    }
}

#[test]
fn reinstatement_keeps_another_players_conflict_excluded() {
    let events = [
        of_player(reinstating("c1", "-7"), "p2"),
        reinstating("c1", "7"),
        revoked("c1"),
        reinstating("c1", "7"),
        revoked("c1"),
    ];
    let actions = vec!["conflict", "reward", "reversal", "reward", "reversal"];
    assert_eq!(outcome(&events), (actions, decimal("0")));
}

#[test]
fn test_flag_cannot_pay_and_cannot_hide_a_reversal() {
    let hidden = [reconciled("o1", "500"), adjustment("or1", "o1", "-500"), revoked("o1")];
    for reversal in hidden {
        let events = [completed("o1", "500"), as_test(reversal)];
        let expected = (vec!["reward", "reversal"], decimal("0"));
        assert_eq!(outcome(&events), expected);
    }
    for reason in [IgnoreReason::UnknownState, IgnoreReason::EmptyState, IgnoreReason::Contradictory] {
        let unknown = as_test(ignored("o1", "REVERTED", reason));
        let actions = outcome(&[completed("o1", "500"), unknown]).0;
        assert_eq!(actions.len(), 2, "it may be a reversal: {reason:?}");
    }
    for unpaid in [
        pending("o1", "500"),
        completed("o1", "500"),
        adjustment("or1", "o1", "500"),
        ignored("o1", "INSTALL", IgnoreReason::NotAReward),
    ] {
        let game = Game::play(&[as_test(unpaid)]);
        assert!(game.records.is_empty(), "a test leaves no trace");
    }
    // A test does not stand in the way of the genuine reward.
    let events = [as_test(completed("o1", "500")), completed("o1", "500")];
    assert_eq!(outcome(&events), (vec!["reward"], decimal("500")));
}
