//! Genuine callbacks of every kind, in the order in which they may come.

use postback::testing::bitlabs::CallbackBuilder;

use crate::backend::{network, survey};
use crate::both::{Both, REWARDS, get, offer};

/// Sends callbacks one after the other; each must be answered 200 with its word.
fn play(both: &Both, callbacks: Vec<(&str, CallbackBuilder)>) {
    for (number, (word, callback)) in callbacks.into_iter().enumerate() {
        let what = format!("callback {number}");
        both.answers(&what, &get(callback.sign().target()), 200, word);
    }
}

#[test]
fn offers_move_both_wallets_alike() {
    let both = Both::start();
    play(
        &both,
        vec![
            ("settled", offer("o1", "PENDING", "500")),
            ("settled", offer("o1", "COMPLETED", "500")),
            ("duplicate", offer("o1", "COMPLETED", "500")),
            ("settled", offer("o1", "RECONCILED", "500")),
            ("duplicate", offer("o1", "PENDING", "500")),
            // Reconciled before it was completed.
            ("settled", offer("o2", "RECONCILED", "300")),
            ("settled", offer("o2", "COMPLETED", "300")),
            ("settled", offer("o3", "COMPLETED", "50").purchase("4.99")),
            ("settled", offer("o4", "PENDING", "70")),
            ("settled", offer("o5", "COMPLETED", "0.125")),
            ("settled", offer("o6", "UNHEARD_OF", "9")),
            ("test", offer("o7", "COMPLETED", "500").debug()),
            // The same transaction for another player.
            ("settled", offer("o3", "COMPLETED", "50").player("p2")),
        ],
    );
    let wallet = both.wallet("p1");
    assert_eq!(wallet["balance"], "50.125");
    assert_eq!(wallet["pending"], "70");
    assert_eq!(both.balance("p2"), "0");
}

#[test]
fn surveys_rewards_and_bans_move_both_wallets_alike() {
    let both = Both::start();
    let reward = |tx: &str, gems: &str| {
        let callback = network().callback(REWARDS).player("p1");
        callback.transaction(tx).amount(gems).call_type("REWARD")
    };
    let ban = |status: &str| {
        let url = "https://game.example/callbacks/bans?player=[%USER:UID%]&ban_reason=[%BAN:REASON%]\
            &ban_status=[%BAN:STATUS%]";
        let callback = network().callback(url).player("p1");
        callback.ban_status(status).ban_reason("FRAUD")
    };
    play(
        &both,
        vec![
            ("settled", survey("p1", "s1", "COMPLETE", "200", "")),
            ("duplicate", survey("p1", "s1", "COMPLETE", "200", "")),
            ("settled", survey("p1", "s2", "SCREENOUT", "5", "")),
            (
                "settled",
                survey("p1", "s3", "RECONCILIATION", "-200", "s1"),
            ),
            (
                "settled",
                survey("p1", "s4", "RECONCILIATION", "-200", "unknown"),
            ),
        ],
    );
    let after_surveys = both.balance("p1");
    assert_eq!(after_surveys, "5");
    // Signed for the URL that the network knows; what arrives has lost host, port and prefix.
    for (tx, word) in [("r1", "settled"), ("r1", "duplicate")] {
        let signed = reward(tx, "7").sign();
        let target = signed.target().replace("/eu/game", "");
        both.answers("a proxy cut the prefix off", &get(target), 200, word);
    }
    assert_eq!(both.balance("p1"), "12");
    play(&both, vec![("settled", ban("BANNED"))]);
    assert_eq!(both.wallet("p1")["banned"], true);
    play(&both, vec![("settled", ban("ACTIVE"))]);
    assert_eq!(both.wallet("p1")["banned"], false);
}

#[test]
fn odd_players_are_the_same_player_in_both() {
    let both = Both::start();
    for (number, player) in ["a b", "ü", "a/b", "a+b", "a%b", "a%2Fb", "[%UID%]", "日本"]
        .into_iter()
        .enumerate()
    {
        let callback = offer(&format!("o{number}"), "COMPLETED", "5").player(player);
        let signed = callback.sign();
        both.answers(player, &get(signed.target()), 200, "settled");
        let query = signed.query().split('&').next().unwrap().to_owned();
        let id = query.strip_prefix("player=").unwrap();
        let wallet = both.wallet(id);
        assert_eq!(wallet["player"], player);
        assert_eq!(wallet["balance"], "5", "{player}");
    }
}
