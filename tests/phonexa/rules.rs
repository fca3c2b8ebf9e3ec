//! What is paid and what is taken back.

use super::{builder, endpoint, open, postback};
use crate::any_game::Game;
use crate::ledger::decimal;
use postback::decision::{ConflictKind, Decision, DecisionKind as Kind};
use postback::event::{Effect, EventKind, NotedWhy};
use postback::source::Callback;
use postback::source::phonexa::{DoneAfterRejected, Endpoint, Status};
use postback::testing::phonexa::Postback;

/// Plays postbacks, each of which must be answered 200, in each of the three request types.
async fn balance_after(endpoint: &Endpoint, postbacks: &[Postback]) -> (String, Vec<Kind>) {
    let mut outcomes = Vec::new();
    for type_of in [Postback::get, Postback::form, Postback::json] {
        let game = Game::new();
        for postback in postbacks {
            let sent = type_of(postback);
            assert_eq!(game.send(endpoint, &sent.request()).await, 200);
        }
        outcomes.push((game.balance().normalize().to_string(), game.kinds()));
    }
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]));
    outcomes.remove(0)
}

#[tokio::test]
async fn done_pays_once_per_conversion_and_goal() {
    let done = |conversion: &str| postback(conversion, "Done", "500");
    let goal = |conversion: &str, goal: &str| done(conversion).set("goal", goal);
    let (balance, _) = balance_after(
        &endpoint(),
        &[
            done("c1"),
            done("c1"),
            done("c1").set("goal", ""), // no goal
            goal("c1", "install"),
            goal("c1", "install"),
            goal("c1", "level 10"),
            done("c2"),
            goal("c1:install", ""), // not the conversion c1 with the goal install
        ],
    )
    .await;
    assert_eq!(balance, "2500");
}

#[tokio::test]
async fn pending_never_pays_and_a_conversion_pays_when_it_is_done() {
    let pending = postback("c1", "Pending", "500");
    let outcome = balance_after(&endpoint(), &[pending.clone(), pending.clone()]).await;
    assert_eq!(outcome, ("0".into(), vec![Kind::Pending]));
    let done = postback("c1", "Done", "500");
    let outcome = balance_after(&endpoint(), &[pending.clone(), done, pending]).await;
    assert_eq!(outcome, ("500".into(), vec![Kind::Pending, Kind::Reward]));
}

#[tokio::test]
async fn rejected_after_done_takes_back_what_was_paid_of_that_goal_only() {
    let done = postback("c1", "Done", "500.5").set("goal", "a");
    let outcome = balance_after(
        &endpoint(),
        &[
            done.clone(),
            done.clone().set("goal", "b"),
            postback("c1", "Rejected", "").set("goal", "a"),
            postback("c1", "Rejected", "1").set("goal", "a"),
        ],
    )
    .await;
    assert_eq!(
        outcome,
        (
            "500.5".into(),
            vec![Kind::Reward, Kind::Reward, Kind::Reversal]
        )
    );
}

#[tokio::test]
async fn rejected_after_pending_or_alone_takes_nothing_back_and_blocks_a_late_done() {
    let pending = postback("c1", "Pending", "500");
    let rejected = postback("c1", "Rejected", "500");
    let done = postback("c1", "Done", "500");
    for before in [vec![pending, rejected.clone()], vec![rejected]] {
        let mut all = before;
        all.push(done.clone());
        let (balance, kinds) = balance_after(&endpoint(), &all).await;
        assert_eq!(balance, "0");
        assert!(kinds.contains(&Kind::Rejected) && !kinds.contains(&Kind::Reward));
    }
}

#[tokio::test]
async fn done_after_rejected_pays_nothing_by_default_and_once_more_if_the_operator_chose_so() {
    let done = postback("c1", "Done", "500");
    let rejected = postback("c1", "Rejected", "500");
    let there_and_back = [done.clone(), rejected.clone(), done.clone(), done.clone()];
    let (balance, _) = balance_after(&endpoint(), &there_and_back).await;
    assert_eq!(balance, "0");
    let reinstating = builder()
        .done_after_rejected(DoneAfterRejected::Reinstates)
        .build()
        .unwrap();
    let (balance, kinds) = balance_after(&reinstating, &there_and_back).await;
    assert_eq!(balance, "500");
    assert_eq!(kinds, [Kind::Reward, Kind::Reversal, Kind::RestoredReward]);
    let (balance, _) = balance_after(&reinstating, &[rejected, done]).await;
    assert_eq!(balance, "500");
}

#[tokio::test]
async fn statuses_are_read_in_any_case_and_an_unknown_one_is_kept_and_not_paid() {
    for word in ["done", "DONE", "dOnE"] {
        let (balance, _) = balance_after(&endpoint(), &[postback("c1", word, "500")]).await;
        assert_eq!(balance, "500", "{word}");
    }
    let unknown = postback("c1", "Approved", "500");
    let outcome = balance_after(&endpoint(), std::slice::from_ref(&unknown)).await;
    assert_eq!(outcome, ("0".into(), vec![Kind::NothingToPay]));
    let typed = open(&unknown.get()).unwrap();
    assert_eq!(typed.status(), &Status::Unknown("Approved".into()));
    assert!(matches!(
        typed.event().kind,
        EventKind::Conversion { effect: Effect::Noted { word, why: NotedWhy::UnknownState }, .. } if word == "Approved"
    ));
    let padded = open(&postback("c1", " Done", "500").get()).unwrap();
    assert_eq!(padded.status(), &Status::Unknown(" Done".into()));
}

#[tokio::test]
async fn another_payout_another_player_and_a_payout_below_zero_are_conflicts() {
    let game = Game::new();
    let endpoint = endpoint();
    for (sent, kind) in [
        (postback("c1", "Done", "900"), ConflictKind::OtherContent),
        (
            postback("c1", "Rejected", "").set("player", "p2"),
            ConflictKind::OtherPlayer,
        ),
        (postback("c2", "Done", "-5"), ConflictKind::NegativeReward),
    ] {
        game.send(&endpoint, &postback("c1", "Done", "500").form().request())
            .await;
        assert_eq!(game.send(&endpoint, &sent.json().request()).await, 200);
        assert!(matches!(game.last(), Decision::Conflict(conflict) if conflict.kind() == kind));
    }
    assert_eq!(game.balance(), decimal("500"));
}
