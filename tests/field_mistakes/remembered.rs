//! What is remembered, and when.

use super::*;

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
