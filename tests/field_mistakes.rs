//! One test for each mistake that hand-written receivers make (`docs/field-mistakes.md`), named after it
//! and numbered alike. Each looks at what the network sees and at what the player has.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "tokio")]

mod bitlabs_game;
mod ledger;

use std::sync::Arc;

use bitlabs_game::{Game, OFFERS, SECRET, app};
use ledger::decimal;
use postback::decision::{Decision, DecisionKind as Kind};
use postback::delivery::Progress;
use postback::event::RecordKey;
use postback::guard::Record;
use postback::handler::HandlerError;
use postback::receiver::{ReceiveError, Receiver};
use postback::source::{Callback, OpenError, Source};
use postback::steps::Timing;
use postback::store::{DedupStore, MemoryStore, StoreError, Stored, Swapped, Version};
use postback::testing::bitlabs::Network;
use postback::web::{Refusal, Reply};
use postback::wire::{KeyRing, Request, Secret};

/// Asserts that a request is answered so, and that nothing was paid or told.
async fn refused(target: &str, status: u16) {
    let game = Game::new();
    assert_eq!(game.request(&game.offers, target).await, status, "{target}");
    assert!(game.kinds().is_empty(), "{target}");
}

fn completed(network: &Network) -> String {
    let callback = network
        .callback(OFFERS)
        .player("p1")
        .transaction("o1")
        .state("COMPLETED")
        .amount("500");
    callback.sign().target().to_owned()
}

#[tokio::test]
async fn mistake_01_an_absent_hash_or_an_empty_secret_is_accepted() {
    let genuine = completed(&Network::new(SECRET));
    let (unsigned, _) = genuine.split_once("&hash=").unwrap();
    refused(unsigned, 403).await;
    refused(&format!("{unsigned}&hash="), 403).await;
    assert!(Secret::new("").is_err());
    assert!(KeyRing::from_list("").is_err());
    // The published URL that is genuine under the empty secret is not under any other.
    let endpoint = app().offers(OFFERS).build().unwrap();
    let published = "/?param1=foo&param2=bar&hash=3171f6b78e06cadcec4c9c3b15f858b8400e8738";
    assert_eq!(
        endpoint.open(&Request::get(published)).unwrap_err(),
        OpenError::SignatureWrong
    );
}

/// That the comparison takes constant time is held by using `subtle` and measured elsewhere; here: every
/// near miss, wherever its first wrong digit stands, is refused alike.
#[tokio::test]
async fn mistake_02_the_hash_is_compared_digit_by_digit() {
    let genuine = completed(&Network::new(SECRET));
    for place in 1..=40 {
        let mut target = genuine.clone().into_bytes();
        let at = target.len() - place;
        target[at] = if target[at] == b'0' { b'1' } else { b'0' };
        refused(std::str::from_utf8(&target).unwrap(), 403).await;
    }
}

#[tokio::test]
async fn mistake_03_the_hash_is_made_over_chosen_sorted_or_re_encoded_fields() {
    let game = Game::new();
    // Genuine: parameters in no order, in an encoding of their own, and more than the template has.
    let url = "https://game.example/callbacks/offers?zz=1&gems=500&tx=o1&player=p%31&aa=%7e&state=COMPLETED&name=Lords%20Mobile+%2b";
    assert_eq!(
        game.request(&game.offers, game.network.sign_url(url).target())
            .await,
        200
    );
    assert_eq!(game.balance(), decimal("500"));
}

#[tokio::test]
async fn mistake_04_a_url_object_re_encodes_what_was_signed() {
    let game = Game::new();
    for (tx, name) in [
        ("o1", "Lords%20Mobile"),
        ("o2", "Lords+Mobile"),
        ("o3", "Lords%20mobile%21"),
        ("o4", "[x]|y"),
    ] {
        let url = format!(
            "https://game.example/callbacks/offers?player=p1&tx={tx}&gems=1&state=COMPLETED&name={name}"
        );
        assert_eq!(
            game.request(&game.offers, game.network.sign_url(&url).target())
                .await,
            200,
            "{name}"
        );
    }
    let rootless = "https://game.example?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]&ref=[%REF%]";
    let endpoint = app().rewards(rootless).build().unwrap();
    let signed = game
        .network
        .sign_url("https://game.example?player=p1&tx=o5&gems=1&ref=");
    assert_eq!(
        game.request(&endpoint, &format!("/?{}", signed.query()))
            .await,
        200,
        "no slash is signed"
    );
    assert_eq!(game.balance(), decimal("5"));
}

#[tokio::test]
async fn mistake_05_scheme_and_host_are_taken_from_the_request() {
    let game = Game::new();
    let signed = game.offer("o1", "COMPLETED", "500").sign();
    // The proxy ended TLS and stripped the prefix; the headers lie.
    let headers = vec![
        ("host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "evil.example"),
    ];
    let target = format!("/offers?{}", signed.query());
    assert!(
        game.offers
            .open(&Request::get(&target).with_headers(&headers))
            .is_ok()
    );
    // And a call that is signed for the attacker's own host is none for ours.
    let elsewhere = signed.url().replace("game.example", "evil.example");
    let (elsewhere, _) = elsewhere.split_once("&hash=").unwrap();
    let forged = game.network.sign_url(elsewhere);
    let headers = vec![("host", "evil.example")];
    let opened = game
        .offers
        .open(&Request::get(forged.target()).with_headers(&headers));
    assert_eq!(opened.unwrap_err(), OpenError::SignatureWrong);
}

#[tokio::test]
async fn mistake_06_the_url_is_cut_at_the_first_hash() {
    let network = Network::new(SECRET);
    let genuine = completed(&network);
    // A signed prefix, then bytes that nobody signed, then a copy of the hash.
    let (signed, hash) = genuine.split_once("&hash=").unwrap();
    refused(&format!("{signed}&hash={hash}&gems=9999&hash={hash}"), 403).await;
    // Signed as a whole, with a second parameter of that name inside: refused all the same.
    let inside = network.sign_url(
        "https://game.example/callbacks/offers?player=p1&tx=o1&gems=500&state=COMPLETED&hash=0123456789012345678901234567890123456789",
    );
    refused(inside.target(), 400).await;
}

#[tokio::test]
async fn mistake_07_a_malformed_hash_throws() {
    let genuine = completed(&Network::new(SECRET));
    let (signed, hash) = genuine.split_once("&hash=").unwrap();
    for bad in [
        &hash[..39],
        &format!("{hash}0"),
        &format!("{hash}{hash}"),
        &hash.to_uppercase(),
        "zz",
        "%zz",
        "\u{e9}",
    ] {
        refused(&format!("{signed}&hash={bad}"), 403).await;
    }
}

#[tokio::test]
async fn mistake_08_a_doubled_parameter_is_verified_as_one_value_and_read_as_another() {
    let network = Network::new(SECRET);
    for extra in [
        "gems=9999",
        "player=p2",
        "tx=o2",
        "state=COMPLETED",
        "%67ems=9999",
    ] {
        let url = format!(
            "https://game.example/callbacks/offers?player=p1&tx=o1&gems=500&state=COMPLETED&{extra}"
        );
        refused(network.sign_url(&url).target(), 400).await;
    }
}

#[tokio::test]
async fn mistake_09_pending_is_paid_because_the_type_says_complete() {
    let game = Game::new();
    game.play(
        &game.offers,
        game.offer("o1", "PENDING", "500").call_type("COMPLETE"),
    )
    .await;
    assert_eq!(
        (game.balance(), game.kinds()),
        (decimal("0"), vec![Kind::Pending])
    );
}

#[tokio::test]
async fn mistake_10_the_state_is_ignored_and_every_callback_pays() {
    let game = Game::new();
    for state in ["PENDING", "COMPLETED", "RECONCILED", "SOMETHING_NEW"] {
        game.play_offer("o1", state, "500").await;
        game.play_offer("o2", state, "500").await;
    }
    assert_eq!(game.balance(), decimal("0"));
    assert_eq!(
        game.kinds()
            .iter()
            .filter(|kind| **kind == Kind::Reward)
            .count(),
        2
    );
    // Nor can an endpoint be made that would have to ignore it.
    let stateless =
        "https://game.example/cb?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]&ref=[%REF%]&type=[%TYPE%]";
    let refused = app().offers(stateless).build().unwrap_err();
    assert!(refused.to_string().contains("add state="), "{refused}");
}

#[tokio::test]
async fn mistake_11_deduplication_on_the_transaction_alone() {
    let game = Game::new();
    game.play_offer("o1", "PENDING", "500").await;
    game.play_offer("o1", "COMPLETED", "500").await;
    assert_eq!(game.balance(), decimal("500"));
    game.play_offer("o1", "RECONCILED", "500").await;
    assert_eq!(game.balance(), decimal("0"));
}

#[tokio::test]
async fn mistake_12_deduplication_on_player_and_task_or_on_the_hash() {
    let game = Game::new();
    let conversion = |tx: &str| game.offer(tx, "COMPLETED", "500").set("OFFER:TASK:ID", "9");
    game.play(&game.offers, conversion("o1")).await;
    game.play(&game.offers, conversion("o2")).await;
    // The same conversion with another hash, since the language of its name changed.
    game.play(&game.offers, conversion("o1").set("OFFER:NAME", "Könige"))
        .await;
    assert_eq!(game.balance(), decimal("1000"));
    // The repetition is known for one: it is not even told.
    assert_eq!(game.kinds(), [Kind::Reward, Kind::Reward]);
}

#[tokio::test]
async fn mistake_13_marked_as_seen_before_the_wallet_has_it() {
    let game = Game::new();
    let event = || {
        let signed = game.offer("o1", "COMPLETED", "500").sign();
        game.offers
            .open(&Request::get(signed.target()))
            .unwrap()
            .event()
    };
    let failing = |_: &Decision| async { Err::<(), _>(HandlerError::failed("the wallet is down")) };
    for _ in 0..3 {
        let error = game.receiver.receive(event(), &failing).await.unwrap_err();
        assert!(matches!(error, ReceiveError::Handler { .. }));
    }
    game.play_offer("o1", "COMPLETED", "500").await;
    assert_eq!(game.balance(), decimal("500"));
}

/// Lets everybody look before anybody writes.
struct Leisurely(MemoryStore);

impl DedupStore for Leisurely {
    async fn load(&self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        let found = self.0.load(key).await;
        tokio::task::yield_now().await;
        found
    }

    async fn swap(
        &self,
        expected: Option<Version>,
        record: &Record,
    ) -> Result<Swapped, StoreError> {
        self.0.swap(expected, record).await
    }

    async fn unsettled(
        &self,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        self.0.unsettled(after, limit).await
    }
}

#[tokio::test]
async fn mistake_14_only_one_of_many_who_looked_at_once_is_given_the_decision() {
    let timing = Timing::new().patience(std::time::Duration::from_millis(50));
    let receiver = Receiver::new(Leisurely(MemoryStore::new())).with_timing(timing);
    let endpoint = app().offers(OFFERS).build().unwrap();
    let target = completed(&Network::new(SECRET));
    let event = endpoint.open(&Request::get(&target)).unwrap().event();
    let beginnings: Vec<_> = (0..64)
        .map(|_| {
            let (receiver, event) = (receiver.clone(), event.clone());
            tokio::spawn(
                async move { matches!(receiver.begin(event).await, Ok(Progress::Deliver(_))) },
            )
        })
        .collect();
    let mut given = 0;
    for beginning in beginnings {
        given += usize::from(beginning.await.unwrap());
    }
    assert_eq!(given, 1);
}

#[tokio::test]
async fn mistake_14_looking_and_marking_are_two_steps() {
    let game = Arc::new(Game::new());
    let target = game
        .offer("o1", "COMPLETED", "500")
        .sign()
        .target()
        .to_owned();
    let deliveries: Vec<_> = (0..64)
        .map(|_| {
            let (game, target) = (Arc::clone(&game), target.clone());
            tokio::spawn(async move { game.request(&game.offers, &target).await })
        })
        .collect();
    for delivery in deliveries {
        assert!(matches!(delivery.await.unwrap(), 200 | 503));
    }
    assert_eq!(
        (game.balance(), game.kinds()),
        (decimal("500"), vec![Kind::Reward])
    );
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn mistake_15_what_was_paid_is_known_to_memory_only() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("postback.db");
    for expected in [vec![Kind::Reward], vec![]] {
        let store = postback::store::sqlite::SqliteStore::open(&file).unwrap();
        let game = Game::on(store);
        game.play_offer("o1", "COMPLETED", "500").await;
        assert_eq!(game.kinds(), expected);
    }
}

#[tokio::test]
async fn mistake_16_a_negative_value_is_subtracted() {
    let game = Game::new();
    game.play_survey("s1", "COMPLETE", "2", "").await;
    game.play_survey("r1", "RECONCILIATION", "-2", "s1").await;
    assert_eq!(game.balance(), decimal("0"));
    assert!(
        matches!(game.last(), Decision::Reversal(reversal) if reversal.amount() == decimal("2"))
    );
}

#[tokio::test]
async fn mistake_17_a_positive_re_inversion_is_taken_for_another_charge() {
    let game = Game::new();
    game.play_survey("s1", "COMPLETE", "2", "").await;
    game.play_survey("r1", "RECONCILIATION", "-2", "s1").await;
    game.play_survey("r2", "RECONCILIATION", "2", "s1").await;
    assert_eq!(game.balance(), decimal("2"));
}

#[tokio::test]
async fn mistake_18_a_reversal_is_looked_up_by_its_own_transaction() {
    let game = Game::new();
    game.play_offer("o17", "NONE", "500").await;
    game.play(
        &game.offers,
        game.offer("or17", "NONE", "-500").original("o17"),
    )
    .await;
    assert_eq!(game.balance(), decimal("0"));
}

#[tokio::test]
async fn mistake_19_reconciled_after_pending_is_deducted() {
    let game = Game::new();
    game.play_offer("o1", "PENDING", "500").await;
    game.play_offer("o1", "RECONCILED", "500").await;
    assert_eq!(
        (game.balance(), game.kinds()),
        (decimal("0"), vec![Kind::Pending, Kind::Rejected])
    );
}

#[tokio::test]
async fn mistake_20_negative_or_zero_amounts_are_answered_400() {
    let game = Game::new();
    // Each of these asserts 200.
    game.play_offer("o1", "COMPLETED", "0").await;
    game.play_survey("r1", "RECONCILIATION", "-2", "s1").await;
    game.play_survey("r2", "RECONCILIATION", "0", "s1").await;
    game.play_survey("s3", "COMPLETE", "-1", "").await;
}

#[tokio::test]
async fn mistake_21_a_zero_or_missing_amount_becomes_a_default_reward() {
    let game = Game::new();
    game.play_offer("o1", "COMPLETED", "0").await;
    assert_eq!(game.balance(), decimal("0"));
    let network = Network::new(SECRET);
    for query in [
        "player=p1&tx=o1&state=COMPLETED",
        "player=p1&tx=o1&gems=&state=COMPLETED",
    ] {
        let signed = network.sign_url(&format!("https://game.example/callbacks/offers?{query}"));
        refused(signed.target(), 400).await;
    }
}

#[tokio::test]
async fn mistake_22_amounts_are_floats_or_cut_to_integers() {
    let game = Game::new();
    for number in 0..10 {
        game.play_offer(&format!("o{number}"), "COMPLETED", "0.1")
            .await;
    }
    assert_eq!(game.balance(), decimal("1"));
    game.play_offer("big", "COMPLETED", "7199254740993.25")
        .await;
    assert_eq!(game.balance(), decimal("7199254740994.25"));
}

#[tokio::test]
async fn mistake_23_the_purchase_is_paid_out_as_the_reward() {
    let game = Game::new();
    game.play(
        &game.offers,
        game.offer("o1", "COMPLETED", "500")
            .set("OFFER:TASK:IAP:USD", "49.99"),
    )
    .await;
    assert_eq!(game.balance(), decimal("500"));
    let Decision::Reward(reward) = game.last() else {
        panic!("a reward")
    };
    assert_eq!(reward.purchase().unwrap().usd, decimal("49.99"));
}

#[tokio::test]
async fn mistake_24_a_failure_is_answered_200() {
    let game = Game::new();
    let signed = game.offer("o1", "COMPLETED", "500").sign();
    let event = game
        .offers
        .open(&Request::get(signed.target()))
        .unwrap()
        .event();
    let failing = |_: &Decision| async { Err::<(), _>(HandlerError::failed("the wallet is down")) };
    let error = game.receiver.receive(event, &failing).await.unwrap_err();
    assert_eq!(Reply::from(&Refusal::from(error)).status, 500);
    let down = ReceiveError::Store(postback::store::StoreError::Closed);
    let reply = Reply::from(&Refusal::from(down));
    assert_eq!((reply.status, reply.retry_after), (503, Some(5)));
}

/// What is logged is held in `tests/leaks.rs`, which listens to a whole process.
#[tokio::test]
async fn mistake_25_the_secret_is_logged_or_echoed() {
    let endpoint = app().offers(OFFERS).build().unwrap();
    let genuine = completed(&Network::new(SECRET));
    let forged = completed(&Network::new("another secret"));
    let callback = endpoint.open(&Request::get(&genuine)).unwrap();
    let error = endpoint.open(&Request::get(&forged)).unwrap_err();
    let json = serde_json::to_string(&callback).unwrap();
    let shown = format!("{callback:?}{json}{error}{error:?}{endpoint:?}{:?}", app());
    for target in [&genuine, &forged] {
        let (url, hash) = target.split_once("&hash=").unwrap();
        assert!(!shown.contains(hash) && !shown.contains(url));
        let request = format!("{:?}", Request::get(target));
        assert!(!request.contains(hash));
    }
    assert!(!shown.contains(SECRET));
    assert_eq!(Reply::from(&Refusal::from(error)).body, "forbidden");
}

#[tokio::test]
async fn mistake_26_an_unknown_state_type_or_parameter_is_refused() {
    let game = Game::new();
    game.play_offer("o1", "SOMETHING_NEW", "500").await;
    game.play(
        &game.offers,
        game.offer("o2", "COMPLETED", "500")
            .call_type("NEW")
            .set("OFFER:TASK:TYPE:ID", "99"),
    )
    .await;
    game.play(
        &game.offers,
        game.offer("o3", "RECONCILED", "0")
            .set("OFFER:REJECTION_REASON", "NEW_REASON"),
    )
    .await;
    game.play(
        &game.offers,
        game.offer("o4", "COMPLETED", "500")
            .pass_through("brand_new", "1"),
    )
    .await;
    assert_eq!(game.balance(), decimal("1000"));
    assert_eq!(
        game.kinds(),
        [
            Kind::NothingToPay,
            Kind::Reward,
            Kind::Rejected,
            Kind::Reward
        ]
    );
}

#[tokio::test]
async fn mistake_27_a_test_callback_pays_or_skips_the_signature() {
    let game = Game::new();
    game.play(&game.offers, game.offer("o1", "COMPLETED", "500").debug())
        .await;
    assert_eq!((game.balance(), game.kinds()), (decimal("0"), vec![]));
    refused(
        "/callbacks/offers?player=p1&tx=o1&gems=500&state=COMPLETED&debug=true",
        403,
    )
    .await;
    // The real one is not taken for a repetition of the test.
    game.play_offer("o1", "COMPLETED", "500").await;
    assert_eq!(game.balance(), decimal("500"));
    // A staging system may have them delivered.
    let staging = app().offers(OFFERS).deliver_tests().build().unwrap();
    game.play(&staging, game.offer("o2", "COMPLETED", "500").debug())
        .await;
    assert_eq!(game.balance(), decimal("1000"));
}

#[tokio::test]
async fn mistake_28_a_reconciled_overtakes_its_completed_which_then_pays() {
    let game = Game::new();
    game.play_offer("o1", "RECONCILED", "500").await;
    game.play_offer("o1", "COMPLETED", "500").await;
    assert_eq!(
        (game.balance(), game.kinds()),
        (decimal("0"), vec![Kind::Rejected, Kind::NothingToPay])
    );
}
