//! What outlasts a single message: declined decisions, bans, decision ids, erased players, the record itself.

use std::collections::BTreeSet;

use postback::store::json;
use postback::store::{Record, RecordStatus};
use postback::testing::guard::{Applied, RECORD_FORMAT, apply};
use postback::testing::protocol::{Command, HandlerResult, Protocol};
use postback::{BanStatus, Decimal, DecisionId, Event, Receipt, Timestamp};

use crate::common::{Game, adjustment, as_test, ban, completed, decimal, of_player, pending, reconciled};

fn decline(game: &mut Game, event: &Event) -> Command {
    game.receive_with(event, |_, _| HandlerResult::Declined { reason: "no such player".into() })
}

#[test]
fn declined_money_closes_the_conversion() {
    let mut game = Game::default();
    let command = decline(&mut game, &completed("o1", "500"));
    assert!(matches!(command, Command::Finish(Receipt::Declined(_))));
    for (event, receipt) in [
        (completed("o1", "500"), Receipt::Duplicate),
        (reconciled("o1", "500"), Receipt::Closed),
        (pending("o1", "500"), Receipt::Closed),
    ] {
        let command = game.receive_with(&event, |_, _| panic!("nothing is delivered"));
        assert_eq!(command, Command::Finish(receipt));
    }
    let record = game.record();
    assert_eq!(record.closed().unwrap().reason, "no such player");
    assert_eq!(record.status(), RecordStatus::Closed);
    assert_eq!((record.balance(), record.entries().len()), (Decimal::ZERO, 3));
}

#[test]
fn declined_money_closes_the_decisions_behind_it() {
    let mut game = Game::default();
    for event in [completed("o1", "500"), adjustment("or1", "o1", "-200")] {
        let accept = Protocol::accept(event.into(), game.timing);
        game.run(accept, |_, _| panic!("accepting delivers nothing"));
    }
    let later = reconciled("o1", "100");
    let mut calls = 0;
    let command = game.receive_with(&later, |_, decision| {
        calls += 1;
        assert_eq!(decision.balance_change(), decimal("500"), "the first one");
        HandlerResult::Declined { reason: "no such player".into() }
    });
    assert_eq!(command, Command::Finish(Receipt::Closed), "for the later callback");
    assert_eq!(calls, 1);
    let record = game.record();
    assert!(!record.is_pending());
    assert_eq!((record.balance(), record.entries().len()), (Decimal::ZERO, 3));
}

#[test]
fn declined_notice_does_not_close() {
    let mut game = Game::default();
    let command = decline(&mut game, &pending("o1", "500"));
    assert!(matches!(command, Command::Finish(Receipt::Declined(_))));
    game.receive(&completed("o1", "500"));
    assert_eq!(game.outcome(), (vec!["reward"], decimal("500")));
    assert_eq!(game.record().entries()[0].declined(), Some("no such player"));

    // Nor does a declined conflict.
    decline(&mut game, &of_player(completed("o1", "500"), "p2"));
    game.receive(&reconciled("o1", "500"));
    assert_eq!(game.wallet.balance, decimal("0"));
}

#[test]
fn declined_ban_does_not_close() {
    let (banned, active) = (ban(BanStatus::Banned), ban(BanStatus::Active));
    let mut game = Game::default();
    decline(&mut game, &banned);
    for event in [&active, &banned, &active] {
        game.receive(event);
    }
    assert_eq!(game.wallet.actions(), ["unban", "ban", "unban"]);
}

#[test]
fn bans_alternate_and_repetitions_are_duplicates() {
    let (banned, active) = (ban(BanStatus::Banned), ban(BanStatus::Active));
    let unknown = ban(BanStatus::Unknown("SHADOW".into()));
    let events = [&banned, &banned, &active, &active, &banned, &unknown];
    let game = Game::play(&events.map(Event::clone));
    assert_eq!(game.wallet.actions(), ["ban", "unban", "ban", "nothing"]);
    let game = Game::play(&[as_test(banned)]);
    assert_eq!(game.wallet.actions(), ["ban"], "a test flag cannot hide a ban");
}

#[test]
fn kept_bans_are_bounded_and_their_ids_stay_unique() {
    let mut game = Game::default();
    for _ in 0..50 {
        game.receive(&ban(BanStatus::Banned));
        game.receive(&ban(BanStatus::Active));
    }
    assert_eq!(game.record().entries().len(), 16);
    assert_eq!(game.wallet.log.len(), 100, "every decision has an id of its own");
}

#[test]
fn pending_bans_are_all_delivered() {
    let mut game = Game::default();
    for _ in 0..15 {
        for status in [BanStatus::Banned, BanStatus::Active] {
            let accept = Protocol::accept(ban(status).into(), game.timing);
            game.run(accept, |_, _| panic!("accepting delivers nothing"));
        }
    }
    game.receive(&ban(BanStatus::Banned));
    assert_eq!(game.wallet.log.len(), 31);
    assert_eq!(game.wallet.log.last().unwrap().action().as_str(), "ban");
}

fn ids(game: &Game) -> Vec<DecisionId> {
    let decisions = game.wallet.log.iter();
    decisions.map(|decision| decision.id().clone()).collect()
}

#[test]
fn removed_ban_record_does_not_reuse_ids() {
    let mut game = Game::default();
    game.receive(&ban(BanStatus::Active));
    game.records.clear();
    game.now = Timestamp::from_millis(game.now.as_millis() + 1);
    game.receive(&ban(BanStatus::Banned));
    game.records.clear();
    game.now = Timestamp::from_millis(game.now.as_millis() + 1);
    game.receive(&ban(BanStatus::Banned));
    let distinct: BTreeSet<_> = ids(&game).into_iter().collect();
    assert_eq!(distinct.len(), 3, "{distinct:?}");
}

#[test]
fn lost_record_reuses_an_id_only_for_the_same_decision() {
    let ids_of = |events: &[Event]| ids(&Game::play(events));
    let (reward, other) = (completed("o1", "500"), completed("o1", "501"));
    assert_eq!(ids_of(&[reward.clone()]), ids_of(&[reward.clone()]));
    let of_scale = completed("o1", "500.00");
    assert_eq!(ids_of(&[reward.clone()]), ids_of(&[of_scale]));
    let second = |events: &[Event]| ids_of(events).pop().unwrap();
    let alternatives = [
        ids_of(&[pending("o1", "500")]).pop().unwrap(),
        ids_of(&[reward.clone()]).pop().unwrap(),
        ids_of(&[other]).pop().unwrap(),
        ids_of(&[reconciled("o1", "500")]).pop().unwrap(),
        second(&[reward.clone(), reconciled("o1", "500")]),
        second(&[reward.clone(), reconciled("o1", "499")]),
        second(&[reward, adjustment("or1", "o1", "-500")]),
    ];
    let distinct: BTreeSet<_> = alternatives.iter().collect();
    assert_eq!(distinct.len(), alternatives.len(), "{alternatives:?}");
}

#[test]
fn decision_id_is_visible_ascii_without_spaces() {
    let game = Game::play(&[completed("ünïcode #1.5 /%{}", "5")]);
    let id = game.wallet.log[0].id();
    assert!(id.as_str().bytes().all(|byte| byte.is_ascii_graphic()), "{id}");
    assert_eq!(id.as_str().matches('#').count(), 1, "{id}");
    assert!(!id.as_str().contains('.'), "{id}");
}

#[test]
fn failed_attempts_are_counted_and_hung_ones_keep_their_lease() {
    let mut game = Game::default();
    let start = game.now;
    let fail = |result: HandlerResult| move |_: &mut _, _: &_| result.clone();
    for attempts in 1..=3 {
        let error = "wallet down".to_owned();
        game.receive_with(&completed("o1", "500"), fail(HandlerResult::Failed { error }));
        let retry = game.record().retry().unwrap();
        assert_eq!((retry.attempts, &*retry.error), (attempts, "wallet down"));
        assert!(game.record().lease().is_none(), "it can be retried at once");
    }
    game.receive_with(&completed("o1", "500"), fail(HandlerResult::TimedOut));
    assert_eq!(game.record().retry().unwrap().attempts, 4);
    let lease = game.record().lease().unwrap().until();
    assert_eq!(lease, start.after(game.timing.lease), "it may still be running");
    game.now = lease;
    game.receive(&completed("o1", "500"));
    let record = game.record();
    assert_eq!(record.entries()[0].received(), start);
    assert_eq!(record.entries()[0].delivered(), Some(lease));
    assert!(record.retry().is_none() && record.lease().is_none());
}

#[test]
fn long_error_texts_are_cut_at_a_character() {
    let mut game = Game::default();
    let error = "ä".repeat(400);
    game.receive_with(&completed("o1", "5"), |_, _| HandlerResult::Failed { error: error.clone() });
    let kept = &game.record().retry().unwrap().error;
    assert_eq!(*kept, "ä".repeat(150));
}

#[test]
fn record_belongs_to_the_first_player_that_counts() {
    let name = |player: Option<&postback::PlayerId>| player.map(|id| id.as_str().to_owned());
    let whose = |record: &Record| (name(record.player()), name(record.lookup_player()));
    let (p1, p2) = (Some("p1".to_owned()), Some("p2".to_owned()));

    let stranger = of_player(reconciled("o1", "500"), "p2");
    let game = Game::play(&[completed("o1", "500"), stranger]);
    assert_eq!(whose(game.record()), (p1.clone(), p1));
    assert_eq!(whose(&game.record().erased().unwrap()), (None, None));

    // Every message is a contradiction: the record is found under the first one's player.
    let negative = completed("o1", "-5");
    let game = Game::play(&[of_player(negative, "p2"), completed("o1", "-6")]);
    assert_eq!(whose(game.record()), (None, p2));
}

#[test]
fn erased_record_still_knows_what_was_paid() {
    let mut game = Game::play(&[completed("o1", "500")]);
    let stored = game.records.values_mut().next().unwrap();
    stored.record = stored.record.erased().unwrap();
    let json = json::write(game.record()).unwrap();
    assert!(!json.contains("p1") && !json.contains("tx=o1"), "{json}");
    game.receive(&completed("o1", "500"));
    game.receive(&reconciled("o1", "600"));
    assert_eq!(game.outcome(), (vec!["reward", "reversal"], decimal("0")));
}

#[test]
fn erased_record_contains_no_text_about_the_player() {
    let mut event = completed("o1", "500");
    event.reason = Some("p1 is a bot".into());
    let mut game = Game::default();
    let declined = HandlerResult::Declined { reason: "no such player: p1".into() };
    game.receive_with(&event, |_, _| declined.clone());
    let stored = game.records.values_mut().next().unwrap();
    stored.record = stored.record.erased().unwrap();
    let json = json::write(game.record()).unwrap();
    assert!(!json.contains("p1"), "{json}");
    let (entry, status) = (&game.record().entries()[0], game.record().status());
    assert_eq!((entry.declined(), status), (Some(""), RecordStatus::Closed));
    assert_eq!(game.receive(&completed("o1", "500")), Command::Finish(Receipt::Duplicate));
}

#[test]
fn pending_record_is_not_erased() {
    let event = completed("o1", "500");
    let Applied::Decided(record) = apply(&Record::new(event.key()), &event.into(), Timestamp::default()) else {
        panic!("a new message is decided")
    };
    assert_eq!((record.erased(), record.status()), (None, RecordStatus::Pending));
    assert_eq!(record.format(), RECORD_FORMAT);
}

/// The tests are built with `rust_decimal/serde-float`, which any crate of a game may switch on.
#[test]
fn amounts_are_stored_exactly_whatever_serde_does_with_decimals() {
    let amount = "123456789012345.678901";
    let game = Game::play(&[completed("o1", amount), reconciled("o1", "0.000001")]);
    let json = json::write(game.record()).unwrap();
    assert!(json.contains(&format!("\"{amount}\"")), "{json}");
    let stored = json::read(game.record().key(), 1, json.as_bytes()).unwrap();
    assert_eq!(stored.record, *game.record());
}
