//! Everything is played once; the tests look at what came of it.

use std::future::ready;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use postback::decision::Decision;
use postback::delivery::Progress;
use postback::event::{Event, RecordKey};
use postback::guard::Record;
use postback::receiver::{Receive, Receiver, spawn_resume};
use postback::steps::Timing;
use postback::store::sqlite::{InTransaction, SqliteStore};
use postback::store::{DedupStore, MemoryStore, StoreError, Stored, Swapped, Version};

use crate::captured::Captured;
use crate::ledger::completed;
use crate::refusals;
use crate::story::{carry_out, story};

pub(crate) struct Played {
    pub(crate) captured: Captured,
    /// What the exporter shows.
    pub(crate) metrics: String,
    /// The apps that the story was played in, one a receiver.
    pub(crate) apps: Vec<&'static str>,
}

pub(crate) fn played() -> &'static Played {
    static PLAYED: OnceLock<Played> = OnceLock::new();
    PLAYED.get_or_init(|| {
        let captured = Captured::start();
        let recorder = PrometheusBuilder::new().install_recorder().unwrap();
        postback::observe::describe();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let apps = runtime.block_on(play(&captured));
        Played {
            captured,
            metrics: recorder.render(),
            apps,
        }
    })
}

async fn play(captured: &Captured) -> Vec<&'static str> {
    let mut apps = vec!["plain", "extracted", "sqlite"];
    let handler = |decision: &Decision| ready(carry_out(decision));

    let receiver = Receiver::new(MemoryStore::new()).with_handler(handler);
    tell(&receiver, "plain").await;
    let resumed = receiver.resume().await.unwrap();
    assert_eq!((resumed.settled, resumed.failed), (0, 1));

    // As the extractors do: begin, then settle.
    let receiver = Receiver::new(MemoryStore::new());
    for (event, _) in story("extracted") {
        if let Ok(Progress::Deliver(delivery)) = receiver.begin(event).await {
            let _ = delivery.settle_with(&handler).await;
        }
    }
    let resumed = receiver.resume(&handler).await.unwrap();
    assert_eq!((resumed.settled, resumed.failed), (0, 1));

    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("game.db")).unwrap();
    let in_transaction = |_: &InTransaction<'_>, decision: &Decision| carry_out(decision);
    let receiver = store.receiver(in_transaction);
    tell(&receiver, "sqlite").await;
    let resumed = receiver.resume().await.unwrap();
    assert_eq!((resumed.settled, resumed.failed), (0, 1));
    store.close().await;

    #[cfg(feature = "postgres")]
    if postgres().await {
        apps.push("postgres");
    }
    others().await;
    refusals::play().await;
    resuming(captured).await;
    apps
}

async fn tell(receiver: &impl Receive, app: &str) {
    for (event, _) in story(app) {
        let _ = receiver.receive(event).await;
    }
}

#[cfg(feature = "postgres")]
async fn postgres() -> bool {
    use postback::store::postgres::{PostgresHandler, PostgresStore, sqlx};

    struct Game;
    impl PostgresHandler for Game {
        async fn handle(
            &self,
            _: &mut sqlx::PgConnection,
            decision: &Decision,
        ) -> Result<(), postback::handler::HandlerError> {
            carry_out(decision)
        }
    }
    let Some(server) = crate::postgres_server::shared() else {
        return false;
    };
    let url = server.database().await;
    let store = PostgresStore::new(crate::postgres_server::pool(&url, 4));
    store.migrate().await.unwrap();
    let receiver = store.receiver(Game);
    tell(&receiver, "postgres").await;
    let resumed = receiver.resume().await.unwrap();
    assert_eq!((resumed.settled, resumed.failed), (0, 1));
    true
}

/// What the story cannot bring about: a twin in flight, a store that is down.
async fn others() {
    let of_app = |mut event: Event| {
        event.app = "others".parse().unwrap();
        event
    };
    let timing = Timing::new().patience(Duration::ZERO);
    let receiver = Receiver::new(Arc::new(MemoryStore::new())).with_timing(timing);
    let event = of_app(completed("o1", "500"));
    let in_flight = receiver.begin(event.clone()).await.unwrap();
    let Progress::Deliver(delivery) = in_flight else {
        panic!("it is the game's turn")
    };
    let busy = receiver.begin(event).await;
    assert!(busy.is_err());
    let resumed = receiver
        .resume(&|_: &Decision| ready(Ok(())))
        .await
        .unwrap();
    assert_eq!(resumed.busy, 1);
    let _ = delivery.done().await.unwrap();

    let receiver = Receiver::new(Down);
    assert!(receiver.begin(of_app(completed("o2", "5"))).await.is_err());
}

/// The last look at what is open, and what `spawn_resume` says of it.
async fn resuming(captured: &Captured) {
    let looks = || {
        let lines = captured.lines().into_iter();
        lines
            .filter(|line| line.message.starts_with("open decisions"))
            .count()
    };
    let store = Arc::new(MemoryStore::new());
    let failing = |decision: &Decision| ready(carry_out(decision));
    let receiver = Receiver::new(Arc::clone(&store)).with_handler(failing);
    for (event, _) in story("resumed") {
        let _ = receiver.receive(event).await;
    }
    let once = async |resuming: tokio::task::JoinHandle<()>, before: usize| {
        // However busy the machine is: it says so when it has looked.
        for _ in 0..1_000 {
            if looks() > before {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        resuming.abort();
    };
    let minute = Duration::from_secs(60);
    let before = looks();
    once(spawn_resume(receiver, minute), before).await;
    let down = Receiver::new(Down).with_handler(failing);
    let before = looks();
    once(spawn_resume(down, minute), before).await;
    // Now the wallet is mended.
    let mended = Receiver::new(store).with_handler(|_: &Decision| ready(Ok(())));
    let before = looks();
    once(spawn_resume(mended, minute), before).await;
}

/// A store that does not answer.
struct Down;

impl Down {
    fn error<T>() -> Result<T, StoreError> {
        Err(StoreError::Unavailable {
            doing: "answer",
            source: "the plug was pulled".into(),
        })
    }
}

impl DedupStore for Down {
    async fn load(&self, _: &RecordKey) -> Result<Option<Stored>, StoreError> {
        Self::error()
    }

    async fn swap(&self, _: Option<Version>, _: &Record) -> Result<Swapped, StoreError> {
        Self::error()
    }

    async fn unsettled(
        &self,
        _: Option<&RecordKey>,
        _: usize,
    ) -> Result<Vec<RecordKey>, StoreError> {
        Self::error()
    }
}
