//! Rules that the other tests had never reached, found by measuring which lines they run.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "tokio")]

mod ledger;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use ledger::completed;
use postback::bitlabs::{App, Field, OfferState};
use postback::clock::Timestamp;
use postback::decision::Decision;
use postback::event::RecordKey;
use postback::guard::Record;
use postback::handler::HandlerError;
use postback::receiver::Receiver;
use postback::source::{OpenError, Source};
use postback::steps::{Happened, Step, Steps, Timing};
use postback::store::{DedupStore, MemoryStore, StoreError, Stored, Swapped, Version};
use postback::testing::bitlabs::Network;
use postback::wire::{KeyRing, Request};

const SECRET: &str = "a-secret";
const BASE: &str = "https://game.example/cb?player=[%USER:UID%]&tx=[%TX%]";

fn app() -> App {
    App::new("game", KeyRing::from_list(SECRET).unwrap()).unwrap()
}

fn signed(query: &str) -> String {
    let url = format!("https://game.example/cb?{query}");
    Network::new(SECRET).sign_url(&url).target().to_owned()
}

/// A handler that fails until told otherwise.
fn handler(works: &Arc<AtomicBool>) -> impl postback::handler::Handler + use<> {
    let works = Arc::clone(works);
    move |_: &Decision| {
        let works = works.load(Ordering::SeqCst);
        async move {
            if works {
                Ok(())
            } else {
                Err(HandlerError::failed("not yet"))
            }
        }
    }
}

#[tokio::test]
async fn more_open_decisions_than_one_page_are_all_resumed() {
    const OPEN: usize = 600;
    let works = Arc::new(AtomicBool::new(false));
    let handler = handler(&works);
    let receiver = Receiver::new(MemoryStore::new());
    for number in 0..OPEN {
        let event = completed(&format!("o{number}"), "5");
        assert!(receiver.receive(event, &handler).await.is_err());
    }
    let failed = receiver.resume(&handler).await.unwrap();
    assert_eq!((failed.settled, failed.failed), (0, OPEN));
    works.store(true, Ordering::SeqCst);
    let resumed = receiver.resume(&handler).await.unwrap();
    assert_eq!((resumed.settled, resumed.failed), (OPEN, 0));
    assert_eq!(receiver.resume(&handler).await.unwrap().settled, 0);
}

/// A store that answers so many loads and then no more.
struct Ailing {
    store: MemoryStore,
    loads_left: AtomicUsize,
}

impl DedupStore for Ailing {
    async fn load(&self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        let left = self.loads_left.load(Ordering::SeqCst);
        self.loads_left
            .store(left.saturating_sub(1), Ordering::SeqCst);
        if left == 0 {
            return Err(StoreError::Closed);
        }
        self.store.load(key).await
    }

    async fn swap(
        &self,
        expected: Option<Version>,
        record: &Record,
    ) -> Result<Swapped, StoreError> {
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

#[tokio::test]
async fn a_store_that_fails_while_decisions_are_resumed_is_said_and_nothing_is_lost() {
    let works = Arc::new(AtomicBool::new(false));
    let handler = handler(&works);
    let store = Arc::new(Ailing {
        store: MemoryStore::new(),
        loads_left: AtomicUsize::new(usize::MAX),
    });
    let receiver = Receiver::new(Arc::clone(&store));
    for number in 0..3 {
        let event = completed(&format!("o{number}"), "5");
        assert!(receiver.receive(event, &handler).await.is_err());
    }
    works.store(true, Ordering::SeqCst);
    store.loads_left.store(2, Ordering::SeqCst);
    assert!(receiver.resume(&handler).await.is_err());
    store.loads_left.store(usize::MAX, Ordering::SeqCst);
    assert_eq!(receiver.resume(&handler).await.unwrap().settled, 1);
}

/// A store in which one record cannot be read.
struct Damaged {
    store: Arc<MemoryStore>,
    unreadable: RecordKey,
}

impl DedupStore for Damaged {
    async fn load(&self, key: &RecordKey) -> Result<Option<Stored>, StoreError> {
        if *key == self.unreadable {
            return Err(StoreError::Unreadable {
                key: key.clone(),
                source: "not a record".into(),
            });
        }
        self.store.load(key).await
    }

    async fn swap(
        &self,
        expected: Option<Version>,
        record: &Record,
    ) -> Result<Swapped, StoreError> {
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

#[tokio::test]
async fn a_record_that_cannot_be_read_counts_as_failed_and_does_not_keep_the_others_open() {
    let works = Arc::new(AtomicBool::new(false));
    let handler = handler(&works);
    let store = Arc::new(MemoryStore::new());
    let receiver = Receiver::new(Arc::clone(&store));
    for number in 0..3 {
        let event = completed(&format!("o{number}"), "5");
        assert!(receiver.receive(event, &handler).await.is_err());
    }
    works.store(true, Ordering::SeqCst);
    let unreadable = completed("o1", "5").key();
    let receiver = Receiver::new(Damaged {
        store,
        unreadable: unreadable.clone(),
    });
    let resumed = receiver.resume(&handler).await.unwrap();
    assert_eq!((resumed.settled, resumed.failed, resumed.busy), (2, 1, 0));
    let open = receiver.store().unsettled(None, 10).await.unwrap();
    assert_eq!(open, [unreadable]);
}

#[test]
fn what_does_not_belong_to_the_present_step_changes_nothing() {
    let mut steps = Steps::receive(completed("o1", "5"), Timing::default());
    let first = steps.step();
    for strange in [
        Happened::Waited,
        Happened::SettledOutside,
        Happened::Swapped(Swapped::Done(Version::FIRST)),
    ] {
        assert_eq!(
            steps.advance(strange, Timestamp::from_millis(1)),
            first.clone()
        );
    }
    assert!(matches!(first, Step::Load(_)));
    assert_eq!(steps.settlement(Timestamp::from_millis(1)), None);
}

#[test]
fn a_ban_that_does_not_say_the_status_bans_nobody() {
    let bans = app()
        .bans("https://game.example/cb?player=[%USER:UID%]&status=[%BAN:STATUS%]")
        .build()
        .unwrap();
    for (query, refused) in [
        (
            "player=p1",
            OpenError::Missing {
                name: "status".into(),
            },
        ),
        (
            "player=p1&status=",
            OpenError::Empty {
                name: "status".into(),
            },
        ),
    ] {
        let error = bans.open(&Request::get(&signed(query))).unwrap_err();
        assert_eq!(error, refused);
    }
}

#[test]
fn a_url_for_pending_without_an_amount_takes_no_completed_callback() {
    let url = format!("{BASE}&state=[%OFFER:TASK:STATE%]");
    let pending = app().offers(url).only(OfferState::Pending).build().unwrap();
    let open = |state: &str| {
        let target = signed(&format!("player=p1&tx=o1&state={state}"));
        pending.open(&Request::get(&target))
    };
    assert!(open("PENDING").is_ok());
    for state in ["COMPLETED", "RECONCILED", "NONE"] {
        assert!(open(state).is_err(), "{state}");
    }
}

#[test]
fn fields_that_decide_nothing_are_reached_all_the_same() {
    let url = format!(
        "{BASE}&val=[%VAL%]&type=[%TYPE%]&ref=[%REF%]&ip=[%IP%]&app=[%APP%]&loi=[%LOI%]&cat=[%CATEGORY%]"
    );
    let surveys = app().surveys(url).build().unwrap();
    let target =
        signed("player=p1&tx=b11&val=2&type=COMPLETE&ref=&ip=192.0.2.7&app=token&loi=7&cat=cars");
    let callback = surveys.open(&Request::get(&target)).unwrap();
    assert_eq!(callback.ip_address(), Field::Given("192.0.2.7"));
    assert_eq!(callback.app_token(), Field::Given("token"));
    assert_eq!(callback.survey_minutes(), Field::Given("7"));
    assert_eq!(callback.category(), Field::Given("cars"));
    assert_eq!(callback.app().as_str(), "game");
    let json = serde_json::to_value(&callback).unwrap();
    assert_eq!(
        (
            &json["ip_address"],
            &json["survey_minutes"],
            &json["category"]
        ),
        (&"192.0.2.7".into(), &"7".into(), &"cars".into())
    );
}
