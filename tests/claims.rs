//! The claim in place of a look: what it spares, and that whoever loses it goes on as if he had looked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod ledger;

use std::time::Duration;

use ledger::{Ledger, completed, pending, reconciled};
use postback::clock::Timestamp;
use postback::decision::Decision;
use postback::event::{BanStatus, Event, TestCallback};
use postback::steps::{Answer, Handled, Happened, Receipt, Step, Steps, Timing};
use postback::store::{Stored, Swapped, Version};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_millis(1_000);

fn first_look() -> Steps {
    Steps::receive(completed("o1", "500"), Timing::default())
}

fn lost(current: Option<Stored>) -> Happened {
    Happened::Swapped(Swapped::Lost(current))
}

#[test]
fn a_claim_writes_down_what_a_look_that_finds_nothing_leads_to() {
    let (mut claiming, mut looking) = (first_look(), first_look());
    let claim = claiming.claim(NOW);
    assert!(matches!(claim, Step::Swap { expected: None, .. }));
    assert_eq!(claim, looking.advance(Happened::Loaded(None), NOW));
    assert_eq!(claiming, looking);
    let won = || Happened::Swapped(Swapped::Done(Version::FIRST));
    let decision = claiming.advance(won(), NOW);
    assert!(matches!(decision, Step::Handle(Decision::Reward(_))));
    assert_eq!(decision, looking.advance(won(), NOW));
}

#[test]
fn a_claim_that_is_lost_answers_a_duplicate_and_leaves_no_trace() {
    let mut ledger = Ledger::play(&[completed("o1", "500")]);
    let before = ledger.records.clone();
    let mut steps = first_look();
    let claim = steps.claim(ledger.now());
    let happened = ledger.carry_out(&claim, |_, _| unreachable!("nothing is due"));
    let answer = steps.advance(happened.unwrap(), ledger.now());
    assert_eq!(answer, Step::Answer(Answer::Receipt(Receipt::Duplicate)));
    assert_eq!(ledger.records, before);
}

/// Else the handler would be called, or the callback answered, before the store was asked anything.
#[test]
fn only_what_a_swap_still_asks_the_store_for_is_claimed() {
    let event = || completed("o1", "500");
    let timing = Timing::default();
    for mut steps in [
        Steps::receive_in_transaction(event(), timing),
        Steps::resume(event().key(), timing),
        Steps::resume_in_transaction(event().key(), timing),
    ] {
        assert_eq!(steps.claim(NOW), Step::Load(event().key()));
    }
    let mut test = event();
    test.test = TestCallback::Acknowledged;
    let answer = Step::Answer(Answer::Receipt(Receipt::Test));
    assert_eq!(Steps::receive(test, timing).claim(NOW), answer);
}

#[test]
fn a_claim_in_the_middle_changes_nothing() {
    let mut steps = first_look();
    let won = Happened::Swapped(Swapped::Done(Version::FIRST));
    let done = Happened::Handled(Handled::Done);
    steps.claim(NOW);
    for happened in [won.clone(), done, won] {
        let before = steps.clone();
        assert_eq!(
            steps.claim(NOW.after(Duration::from_secs(1))),
            before.step()
        );
        assert_eq!(steps, before);
        steps.advance(happened, NOW);
    }
    assert!(matches!(steps.claim(NOW), Step::Answer(_)));
}

/// Messages of one conversion that agree and that contradict, and of a player's standing.
fn message() -> impl Strategy<Value = Event> {
    let conversion = prop_oneof![
        Just(pending("o1", "500")),
        Just(completed("o1", "500")),
        Just(completed("o1", "501")),
        Just(completed("o1", "0")),
        Just(completed("o1", "-5")),
        Just(reconciled("o1", "200")),
        Just(ledger::adjustment("r1", "o1", "-500")),
        Just(ledger::revoked("o1")),
        Just(ledger::milestone("o1", "500", "ALL")),
        Just(ledger::with_purchase(completed("o1", "500"), "4.99")),
    ];
    let ban = prop_oneof![Just(BanStatus::Banned), Just(BanStatus::Active)];
    let event = prop_oneof![9 => conversion, 1 => ban.prop_map(ledger::ban)];
    (event, 0..5_u8, any::<bool>()).prop_map(|(mut event, player, is_signed_anew)| {
        if player == 0 {
            event = ledger::of_player(event, "p2");
        }
        if is_signed_anew {
            event.signed.push_str("&again=1");
        }
        event
    })
}

/// What happened to the record before: a message arrived and got so far, or the player was forgotten.
#[derive(Debug, Clone)]
enum Before {
    Message {
        event: Box<Event>,
        handled: Handled,
        steps: usize,
    },
    Forgotten,
    Later(u64),
}

fn before() -> impl Strategy<Value = Before> {
    let handled = prop_oneof![
        4 => Just(Handled::Done),
        1 => Just(Handled::Failed),
        1 => Just(Handled::Hung),
        1 => Just(Handled::Refused("no such player".into())),
    ];
    prop_oneof![
        6 => (message(), handled, 0..12_usize).prop_map(|(event, handled, steps)| {
            let event = Box::new(event);
            Before::Message { event, handled, steps }
        }),
        1 => Just(Before::Forgotten),
        2 => (0..40_000_u64).prop_map(Before::Later),
    ]
}

fn happen(ledger: &mut Ledger, before: Before) {
    match before {
        Before::Message {
            event,
            handled,
            steps: most,
        } => {
            let mut steps = Steps::receive(*event, Timing::default());
            let mut step = steps.step();
            for _ in 0..most {
                let Some(happened) = ledger.carry_out(&step, |_, _| handled.clone()) else {
                    break;
                };
                step = steps.advance(happened, ledger.now());
            }
        }
        Before::Forgotten => {
            for stored in ledger.records.values_mut() {
                if let Some(record) = stored.record.without_personal_fields() {
                    stored.record = record;
                }
            }
        }
        Before::Later(millis) => ledger.now += millis,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// The steps are compared whole, so that whatever is done with them from there on agrees, too.
    #[test]
    fn whoever_loses_the_claim_goes_on_exactly_as_if_he_had_looked(
        history in proptest::collection::vec(before(), 0..8),
        event in message(),
        took in 0..100_u64,
        patience in prop_oneof![Just(Duration::ZERO), Just(Duration::from_secs(2))],
    ) {
        let mut ledger = Ledger::default();
        for before in history {
            happen(&mut ledger, before);
        }
        let timing = Timing::new().patience(patience);
        let (claimed_at, told_at) = (ledger.now(), ledger.now().after(Duration::from_millis(took)));
        let current = ledger.records.get(&event.key()).cloned();

        let mut claiming = Steps::receive(event.clone(), timing);
        let claim = claiming.claim(claimed_at);
        prop_assert!(matches!(claim, Step::Swap { expected: None, .. }), "{claim:?}");
        let mut looking = Steps::receive(event, timing);
        prop_assert_eq!(
            claiming.advance(lost(current.clone()), told_at),
            looking.advance(Happened::Loaded(current), told_at)
        );
        prop_assert_eq!(claiming, looking);
    }
}

#[cfg(feature = "tokio")]
mod received {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use postback::event::RecordKey;
    use postback::guard::Record;
    use postback::handler::HandlerError;
    use postback::receiver::Receiver;
    use postback::store::{DedupStore, MemoryStore, StoreError};

    use super::*;

    /// Counts what it is asked.
    #[derive(Default)]
    struct Counting<const CLAIMS_FIRST: bool> {
        store: MemoryStore,
        loads: AtomicU32,
        swaps: AtomicU32,
    }

    impl<const CLAIMS_FIRST: bool> DedupStore for Counting<CLAIMS_FIRST> {
        const CLAIMS_FIRST: bool = CLAIMS_FIRST;

        async fn load(&self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
            self.loads.fetch_add(1, Ordering::Relaxed);
            self.store.load(key).await
        }

        async fn swap(
            &self,
            expected: Option<Version>,
            record: &Record,
        ) -> Result<Swapped, StoreError> {
            self.swaps.fetch_add(1, Ordering::Relaxed);
            self.store.swap(expected, record).await
        }

        async fn unsettled(
            &self,
            after: Option<&RecordKey>,
            limit: usize,
        ) -> Result<Vec<RecordKey>, StoreError> {
            self.store.unsettled(after, limit).await
        }
    }

    /// Loads and swaps of a first delivery, of its repetition, and of the conversion's next message.
    async fn asked<S: DedupStore>(store: S, count: impl Fn() -> (u32, u32)) -> [(u32, u32); 3] {
        let receiver = Receiver::new(store);
        let done = |_: &Decision| async { Ok::<(), HandlerError>(()) };
        let messages = [
            completed("o1", "500"),
            completed("o1", "500"),
            reconciled("o1", "200"),
        ];
        let mut asked = [(0, 0); 3];
        let mut before = count();
        for (message, asked) in messages.into_iter().zip(&mut asked) {
            receiver.receive(message, &done).await.unwrap();
            let now = count();
            *asked = (now.0 - before.0, now.1 - before.1);
            before = now;
        }
        asked
    }

    async fn counted<const CLAIMS_FIRST: bool>() -> [(u32, u32); 3] {
        // Shared, as a store that is passed on must say the same of itself.
        let store = Arc::new(Counting::<CLAIMS_FIRST>::default());
        let counts = || {
            let count = |counter: &AtomicU32| counter.load(Ordering::Relaxed);
            (count(&store.loads), count(&store.swaps))
        };
        asked(Arc::clone(&store), counts).await
    }

    #[tokio::test]
    async fn a_store_that_claims_first_is_asked_twice_for_a_first_delivery_and_once_for_its_repetition()
     {
        assert_eq!(counted::<true>().await, [(0, 2), (0, 1), (0, 3)]);
    }

    #[tokio::test]
    async fn any_other_store_is_looked_at_first() {
        assert_eq!(counted::<false>().await, [(1, 2), (1, 0), (1, 2)]);
    }
}
