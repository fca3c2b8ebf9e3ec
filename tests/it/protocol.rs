//! The protocol by itself: what happens when, who may settle, who waits.

use std::time::Duration;

use postback::store::{Lease, SwapOutcome};
use postback::testing::protocol::{Command, HandlerResult, Input, Protocol};
use postback::{Decision, Event, Receipt, Timestamp, Timing};

use crate::common::{Game, Wallet, completed, decimal, of_player, pending, reconciled, reinstating, revoked};

fn done(wallet: &mut Wallet, decision: &Decision) -> HandlerResult {
    wallet.carry_out(decision);
    HandlerResult::Done
}

fn failed() -> HandlerResult {
    HandlerResult::Failed { error: "wallet down".into() }
}

fn receive(game: &Game, event: Event) -> Protocol {
    Protocol::receive(event.into(), game.timing)
}

/// Drives a protocol until the handler is to be called.
fn start(game: &mut Game, mut protocol: Protocol) -> (Protocol, Decision, Lease) {
    loop {
        if let Command::Handle { decision, lease } = protocol.command() {
            return (protocol, decision, lease);
        }
        assert!(game.step(&mut protocol, |_, _| unreachable!()));
    }
}

fn begin(game: &mut Game, event: Event) -> (Protocol, Decision, Lease) {
    let protocol = receive(game, event);
    start(game, protocol)
}

/// The handler returned: drives the protocol to its end.
fn finish(game: &mut Game, mut protocol: Protocol, result: HandlerResult) -> Command {
    protocol.advance(Input::Handled(result), game.now);
    game.run(protocol, done)
}

fn assert_settled(command: Command) {
    assert!(matches!(command, Command::Finish(Receipt::Settled(_))), "{command:?}");
}

fn accept(game: &mut Game, event: Event) -> Command {
    let protocol = Protocol::accept(event.into(), game.timing);
    game.run(protocol, |_, _| panic!("accepting delivers nothing"))
}

fn pending_amounts(game: &Game) -> Vec<String> {
    let pending = game.record().pending();
    let amounts = pending.map(|decision| decision.balance_change().to_string());
    amounts.collect()
}

#[test]
fn second_callback_is_stored_while_the_first_is_delivered() {
    let mut game = Game::default();
    let (first, decision, _) = begin(&mut game, completed("o1", "500"));
    let second = receive(&game, reconciled("o1", "200"));
    let command = game.run(second, |_, _| panic!("the first one comes first"));
    assert!(matches!(command, Command::Busy { .. }), "{command:?}");
    assert_eq!(pending_amounts(&game), ["500", "-200"]);

    // The record changed while the handler ran. Its lease did not, so the result counts.
    game.wallet.carry_out(&decision);
    assert_settled(finish(&mut game, first, HandlerResult::Done));
    assert_eq!(pending_amounts(&game), ["-200"]);
    // The network repeats the second one.
    assert_settled(game.receive(&reconciled("o1", "200")));
    assert_eq!(game.outcome(), (vec!["reward", "reversal"], decimal("300")));
}

#[test]
fn second_callback_is_stored_while_the_first_keeps_failing() {
    let mut game = Game::default();
    let Command::HandlerFailed(first) = game.receive_with(&completed("o1", "500"), |_, _| failed()) else {
        panic!("the handler failed")
    };
    let command = game.receive_with(&reconciled("o1", "200"), |_, decision| {
        assert_eq!(*decision.id(), first, "nothing overtakes the first one");
        failed()
    });
    assert_eq!(command, Command::HandlerFailed(first));
    let command = accept(&mut game, completed("o1", "500"));
    assert_eq!(command, Command::Finish(Receipt::Duplicate));
    assert_eq!(pending_amounts(&game), ["500", "-200"]);
    let key = completed("o1", "500").key();
    let command = game.run(Protocol::deliver(key, game.timing), done);
    assert_eq!(command, Command::Finish(Receipt::NothingPending));
    assert_eq!(game.outcome(), (vec!["reward", "reversal"], decimal("300")));
}

#[test]
fn settling_takes_the_lease_token() {
    let mut game = Game::default();
    accept(&mut game, completed("o1", "500"));
    accept(&mut game, reconciled("o1", "200"));
    let (slow, _, _) = begin(&mut game, completed("o1", "500"));
    game.now = game.now.after(game.timing.lease);

    // Another process takes over, delivers the first decision and works on the second.
    let key = completed("o1", "500").key();
    let takeover = Protocol::deliver(key, game.timing);
    let (mut takeover, decision, _) = start(&mut game, takeover);
    game.wallet.carry_out(&decision);
    takeover.advance(Input::Handled(HandlerResult::Done), game.now);
    let (takeover, second, lease) = start(&mut game, takeover);
    assert_eq!(second.balance_change(), decimal("-200"));

    // The slow one returns: its decision is delivered, and the second one must not be skipped.
    let command = finish(&mut game, slow, HandlerResult::Done);
    assert_eq!(command, Command::Finish(Receipt::Duplicate));
    assert_eq!(pending_amounts(&game), ["-200"]);
    assert_eq!(game.record().lease(), Some(&lease), "nor its lease be taken");
    game.wallet.carry_out(&second);
    finish(&mut game, takeover, HandlerResult::Done);
    assert_eq!(game.outcome(), (vec!["reward", "reversal"], decimal("300")));
}

#[test]
fn late_result_of_an_expired_lease_changes_nothing() {
    for result in [
        HandlerResult::Done,
        HandlerResult::TimedOut,
        HandlerResult::Declined { reason: "no such player".into() },
        failed(),
    ] {
        let mut game = Game::default();
        let (slow, _, _) = begin(&mut game, completed("o1", "500"));
        game.now = game.now.after(game.timing.lease);
        let (takeover, decision, _) = begin(&mut game, completed("o1", "500"));
        let before = game.record().clone();
        let command = finish(&mut game, slow, result);
        assert!(matches!(command, Command::Busy { .. } | Command::HandlerFailed(_)), "{command:?}");
        assert_eq!(*game.record(), before);
        game.wallet.carry_out(&decision);
        assert_settled(finish(&mut game, takeover, HandlerResult::Done));
    }
}

#[test]
fn expired_lease_still_settles_if_nobody_took_over() {
    let mut game = Game::default();
    let (slow, decision, _) = begin(&mut game, completed("o1", "500"));
    game.now = game.now.after(game.timing.lease * 3);
    accept(&mut game, reconciled("o1", "200"));
    game.wallet.carry_out(&decision);
    assert_settled(finish(&mut game, slow, HandlerResult::Done));
    assert_eq!(pending_amounts(&game), ["-200"]);
}

#[test]
fn live_lease_is_respected_until_it_expires() {
    let mut game = Game::default();
    game.timing = game.timing.busy_timeout(Duration::ZERO);
    let (_, decision, lease) = begin(&mut game, completed("o1", "500"));
    game.now = Timestamp::from_millis(lease.until().as_millis() - 1);
    let busy = Command::Busy { retry_after: Duration::from_millis(1) };
    assert_eq!(game.receive(&completed("o1", "500")), busy);
    let key = completed("o1", "500").key();
    let deliver = Protocol::deliver(key.clone(), game.timing);
    assert_eq!(game.run(deliver, done), busy);
    let deliver = Protocol::deliver(key, game.timing).in_transaction();
    assert_eq!(game.run(deliver, done), busy);
    game.now = lease.until();
    let (_, retried, _) = begin(&mut game, completed("o1", "500"));
    assert_eq!(retried, decision, "the same id and amount");
}

#[test]
fn lease_beyond_the_maximum_is_not_trusted() {
    let mut game = Game::default();
    let year = Duration::from_secs(365 * 86_400);
    let now = game.now;
    game.now = now.after(year);
    let (_, decision, _) = begin(&mut game, completed("o1", "500"));
    game.now = now;
    let (_, retried, _) = begin(&mut game, completed("o1", "500"));
    assert_eq!(retried, decision);

    // At the maximum it is trusted.
    let mut game = Game::default();
    game.now = now.after(game.timing.max_lease - game.timing.lease);
    begin(&mut game, completed("o1", "500"));
    game.now = now;
    let busy = Command::Busy { retry_after: game.timing.max_lease };
    game.timing = game.timing.busy_timeout(Duration::ZERO);
    assert_eq!(game.receive(&completed("o1", "500")), busy);
}

#[test]
fn maximum_is_never_below_the_lease() {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let timing = Timing::default().lease(minutes(20));
    assert_eq!((timing.lease, timing.max_lease), (minutes(20), minutes(20)));
    let timing = timing.max_lease(minutes(30)).max_lease(minutes(5));
    assert_eq!((timing.lease, timing.max_lease), (minutes(20), minutes(20)));
    assert_eq!(timing.max_lease(minutes(30)).max_lease, minutes(30));
}

#[test]
fn overtaken_process_does_not_take_the_lease_back() {
    let mut game = Game::default();
    let (mut first, decision, _) = begin(&mut game, completed("o1", "500"));
    // A process whose clock is a year ahead takes the lease over. The first one does not trust its lease.
    let now = game.now;
    game.now = now.after(Duration::from_secs(365 * 86_400));
    let (second, _, lease) = begin(&mut game, completed("o1", "500"));
    game.now = now;
    game.wallet.carry_out(&decision);
    first.advance(Input::Handled(HandlerResult::Done), game.now);
    game.step(&mut first, |_, _| unreachable!());
    assert!(matches!(first.command(), Command::Wait(_)), "or the two would go on taking it from each other");
    assert_eq!(game.record().lease(), Some(&lease));
    let second = finish(&mut game, second, HandlerResult::Done);
    let first = game.run(first, |_, _| panic!("it was delivered"));
    assert_settled(first);
    assert_settled(second);
    assert_eq!(game.outcome(), (vec!["reward"], decimal("500")));
}

#[test]
fn handler_gets_the_time_left_on_its_lease() {
    let timing = Timing::default().lease(Duration::from_secs(30));
    let mut game = Game { timing, ..Game::default() };
    let first = receive(&game, completed("o1", "500"));
    let began = game.now;
    let (_, _, lease) = start(&mut game, first);
    let limit = |seconds: u64| {
        let now = began.after(Duration::from_secs(seconds));
        game.timing.handler_limit(&lease, now)
    };
    assert_eq!(limit(0), Some(Duration::from_secs(27)));
    assert_eq!(limit(10), Some(Duration::from_secs(18)));
    assert_eq!(limit(15), Some(Duration::from_millis(13_500)));
    for too_late in [16, 29, 30, 31] {
        assert_eq!(limit(too_late), None, "after {too_late} s it must not start");
    }
    // A clock that was set back does not make it longer.
    let before = Timestamp::from_millis(began.as_millis() - 3_600_000);
    let limit = game.timing.handler_limit(&lease, before);
    assert_eq!(limit, Some(Duration::from_secs(27)));
}

#[test]
fn handler_that_did_not_start_leaves_no_attempt() {
    let mut game = Game::default();
    let (first, decision, lease) = begin(&mut game, completed("o1", "500"));
    let command = finish(&mut game, first, HandlerResult::NotStarted);
    assert_eq!(command, Command::HandlerFailed(decision.id().clone()));
    assert_eq!(game.record().retry(), None);
    assert_eq!(game.record().lease(), Some(&lease));
}

#[test]
fn waiting_for_others_is_bounded() {
    let mut game = Game::default();
    begin(&mut game, completed("o1", "500"));
    let stored = game.records.values().next().cloned();

    // By the pauses, if the clock stands still.
    let mut waiting = receive(&game, completed("o1", "500"));
    let mut command = waiting.advance(Input::Loaded(stored.clone()), game.now);
    let mut waited = Duration::ZERO;
    while let Command::Wait(pause) = command {
        waited += pause;
        waiting.advance(Input::Waited, game.now);
        command = waiting.advance(Input::Loaded(stored.clone()), game.now);
    }
    assert!(matches!(command, Command::Busy { .. }));
    assert_eq!(waited, game.timing.busy_timeout);

    // By the clock, if the store is slow.
    let mut waiting = receive(&game, completed("o1", "500"));
    let mut now = game.now;
    let mut command = waiting.advance(Input::Loaded(stored.clone()), now);
    let mut loads = 1;
    while let Command::Wait(_) = command {
        waiting.advance(Input::Waited, now);
        now = now.after(Duration::from_secs(1));
        loads += 1;
        command = waiting.advance(Input::Loaded(stored.clone()), now);
    }
    assert!(matches!(command, Command::Busy { .. }));
    assert_eq!(loads, 3, "two seconds of a store that takes one for a load");
}

#[test]
fn transaction_stores_the_callback_and_never_waits() {
    let mut game = Game::default();
    begin(&mut game, completed("o1", "500"));
    let mut protocol = Protocol::receive(reconciled("o1", "200").into(), game.timing).in_transaction();
    while game.step(&mut protocol, |_, _| panic!("somebody else works on it")) {
        assert!(!matches!(protocol.command(), Command::Wait(_)));
    }
    assert!(matches!(protocol.command(), Command::Busy { .. }));
    assert_eq!(pending_amounts(&game), ["500", "-200"]);
}

#[test]
fn failed_handler_in_a_transaction_is_undone_and_stored() {
    let mut game = Game::default();
    accept(&mut game, completed("o1", "500"));
    let mut calls = 0;
    let protocol = Protocol::receive(reconciled("o1", "200").into(), game.timing).in_transaction();
    let command = game.run(protocol, |wallet, decision| {
        wallet.carry_out(decision);
        calls += 1;
        if calls == 1 { HandlerResult::Done } else { failed() }
    });
    assert!(matches!(command, Command::HandlerFailed(_)));
    assert_eq!(game.outcome(), (vec!["reward"], decimal("500")));
    assert_eq!(pending_amounts(&game), ["-200"]);
    assert_eq!(game.record().retry().unwrap().attempts, 1);
    assert_eq!(game.record().balance(), decimal("500"));
}

#[test]
fn lost_swap_is_applied_to_the_record_that_won() {
    for in_transaction in [false, true] {
        let mut game = Game::default();
        let event = reconciled("o1", "200");
        let mut late = if in_transaction {
            Protocol::receive(event.into(), game.timing).in_transaction()
        } else {
            receive(&game, event)
        };
        game.step(&mut late, done);
        game.receive(&completed("o1", "500"));
        let command = game.run(late, done);
        let Command::Finish(Receipt::Settled(decision)) = command else { panic!("{command:?}") };
        assert_eq!(decision.balance_change(), decimal("-200"));
        assert_eq!(game.wallet.balance, decimal("300"));
    }
}

#[test]
fn callback_that_the_store_lost_is_stored_again() {
    let mut game = Game::default();
    begin(&mut game, completed("o1", "500"));
    // The second callback is stored and waits. Then the store fails over to a copy without both.
    let mut second = receive(&game, reconciled("o1", "200"));
    while !matches!(second.command(), Command::Wait(_)) {
        game.step(&mut second, done);
    }
    game.records.clear();
    assert_settled(game.run(second, done));
    assert_eq!(game.record().entries().len(), 1);

    // The same while its handler runs.
    let mut game = Game::default();
    let (first, decision, _) = begin(&mut game, completed("o1", "500"));
    game.wallet.carry_out(&decision);
    game.records.clear();
    assert_settled(finish(&mut game, first, HandlerResult::Done));
    assert_eq!(game.record().balance(), decimal("500"));
    assert_eq!(game.outcome(), (vec!["reward"], decimal("500")));
}

#[test]
fn stored_callback_is_not_applied_again_after_a_lost_swap() {
    let mut game = Game::play(&[completed("o1", "500")]);
    // While another callback of the conversion is delivered, the rejection is stored and waits.
    let (notice, _, _) = begin(&mut game, pending("o1", "500"));
    let mut rejection = receive(&game, revoked("o1"));
    while !matches!(rejection.command(), Command::Wait(_)) {
        assert!(game.step(&mut rejection, done));
    }
    finish(&mut game, notice, HandlerResult::Done);
    while !matches!(rejection.command(), Command::Swap { .. }) {
        assert!(game.step(&mut rejection, done));
    }
    // Before it gets its lease, the reward becomes due again.
    accept(&mut game, reinstating("o1", "500"));
    assert_settled(game.run(rejection, done));
    let key = game.record().key().clone();
    game.run(Protocol::deliver(key, game.timing), done);
    assert_eq!(game.wallet.balance, decimal("500"));
    assert_eq!(game.record().entries().len(), 4);
}

#[test]
fn callback_whose_place_another_one_took_is_stored_again() {
    let mut game = Game::default();
    begin(&mut game, completed("o1", "500"));
    let stored = game.records.clone();
    let mut reversal = receive(&game, reconciled("o1", "200"));
    while !matches!(reversal.command(), Command::Wait(_)) {
        assert!(game.step(&mut reversal, done));
    }
    // The store fails over and loses it. Then another callback gets its number.
    game.records = stored;
    accept(&mut game, pending("o1", "500"));
    game.now = game.record().lease().unwrap().until();
    assert_settled(game.run(reversal, done));
    assert_eq!(game.wallet.balance, decimal("300"));
}

#[test]
fn receiving_delivers_up_to_its_own_decision() {
    let mut game = Game::default();
    accept(&mut game, pending("o1", "500"));
    accept(&mut game, completed("o1", "500"));
    accept(&mut game, reconciled("o1", "200"));
    let command = game.receive(&completed("o1", "500"));
    let Command::Finish(Receipt::Settled(decision)) = command else { panic!("{command:?}") };
    assert_eq!(decision.balance_change(), decimal("500"));
    assert_eq!(game.wallet.actions(), ["pending", "reward"]);
    assert_eq!(pending_amounts(&game), ["-200"]);
}

#[test]
fn accepting_stores_and_delivers_nothing() {
    let mut game = Game::default();
    let command = accept(&mut game, completed("o1", "500"));
    assert!(matches!(command, Command::Finish(Receipt::Accepted(_))));
    let command = accept(&mut game, completed("o1", "500"));
    assert_eq!(command, Command::Finish(Receipt::Duplicate));
    let (_, _, lease) = begin(&mut game, completed("o1", "500"));
    accept(&mut game, reconciled("o1", "200"));
    assert_eq!(game.record().lease(), Some(&lease), "accepting keeps the lease");

    let mut game = Game::default();
    game.receive_with(&completed("o1", "5"), |_, _| HandlerResult::Declined { reason: "no such player".into() });
    let command = accept(&mut game, of_player(completed("o1", "6"), "p2"));
    assert_eq!(command, Command::Finish(Receipt::Closed));
}

#[test]
fn input_that_does_not_fit_is_ignored() {
    let game = Game::default();
    let mut protocol = receive(&game, completed("o1", "500"));
    for input in [Input::Waited, Input::Handled(HandlerResult::Done), Input::Swapped(SwapOutcome::Conflict(None))] {
        let before = protocol.clone();
        protocol.advance(input, game.now);
        assert_eq!(protocol, before);
    }
}

#[test]
fn results_are_fixed_words() {
    let mut game = Game::default();
    game.receive(&completed("o1", "500"));
    let decision = game.wallet.log[0].clone();
    let id = decision.id().clone();
    for (receipt, word) in [
        (Receipt::Settled(decision.clone()), "settled"),
        (Receipt::Accepted(decision), "accepted"),
        (Receipt::Duplicate, "duplicate"),
        (Receipt::Declined(id), "declined"),
        (Receipt::Closed, "closed"),
        (Receipt::Test, "test"),
        (Receipt::NothingPending, "nothing pending"),
    ] {
        assert_eq!(receipt.as_str(), word);
    }
    let declined = HandlerResult::Declined { reason: "no such player".into() };
    for (result, word) in [
        (HandlerResult::Done, "done"),
        (failed(), "failed"),
        (HandlerResult::TimedOut, "timed_out"),
        (HandlerResult::NotStarted, "not_started"),
        (declined, "declined"),
    ] {
        assert_eq!(result.as_str(), word);
    }
}
