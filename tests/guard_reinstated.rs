//! A reward that may be reinstated after it was revoked: by a message that counts, and by nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod ledger;

use ledger::{Ledger, completed, decimal, of_player, revoked, with_purchase};
use postback::decision::DecisionKind as Kind;
use postback::event::{Effect, Event, EventKind};

fn reinstating(mut event: Event) -> Event {
    let EventKind::Conversion {
        effect: Effect::Completed { reinstates, .. },
        ..
    } = &mut event.kind
    else {
        unreachable!("only a completed event reinstates")
    };
    *reinstates = true;
    event
}

/// Plays a revoked reward, then `event`, then the first callback once more, as a network repeats it.
fn repeated_after(event: Event) -> Ledger {
    Ledger::play(&[
        completed("c1", "7"),
        revoked("c1"),
        event,
        completed("c1", "7"),
    ])
}

#[test]
fn a_conflict_does_not_reinstate_so_that_a_repetition_would_pay_again() {
    for strange in [
        of_player(reinstating(completed("c1", "7")), "p2"),
        reinstating(completed("c1", "-7")),
    ] {
        let ledger = repeated_after(strange);
        let kinds = [Kind::Reward, Kind::Reversal, Kind::Conflict];
        assert_eq!(ledger.wallet.kinds(), kinds);
        assert_eq!(ledger.balance(), decimal("0"));
    }
}

#[test]
fn purchase_data_alone_does_not_reinstate() {
    let data = with_purchase(reinstating(completed("c1", "0")), "4.99");
    let ledger = repeated_after(data);
    let kinds = [Kind::Reward, Kind::Reversal, Kind::Purchase];
    assert_eq!(ledger.wallet.kinds(), kinds);
    assert_eq!(ledger.balance(), decimal("0"));
}
