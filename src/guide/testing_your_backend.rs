//! Playing the network against your own code.
//!
//! # In unit tests: sign what you send
//!
//! The feature `testing` brings the network's side of the wire. There is no way to skip verification, and none is
//! needed:
//!
//! ```toml
//! [dev-dependencies]
//! postback = { version = "0.1", features = ["testing"] }
//! ```
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use postback::decision::Decision;
//! # use postback::handler::HandlerError;
//! # use postback::store::sqlite::{InTransaction, SqliteReceiver};
//! use postback::bitlabs::{App, Endpoint, OfferCallback};
//! use postback::receiver::Receive;
//! use postback::source::{Callback, Source};
//! use postback::store::sqlite::SqliteStore;
//! use postback::testing::bitlabs::Network;
//! use postback::wire::{KeyRing, Request};
//!
//! const OFFERS: &str = "https://game.example/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]\
//!     &state=[%OFFER:TASK:STATE%]&ref=[%REF%]";
//!
//! // What your program has: an endpoint, and a receiver with your handler.
//! # fn my_receiver(store: &SqliteStore) -> SqliteReceiver {
//! #     store.receiver(|db: &InTransaction<'_>, decision: &Decision| -> Result<(), HandlerError> {
//! #         let change = decision.balance_change().to_string();
//! #         db.execute("INSERT INTO ledger VALUES (?1, ?2, ?3)", [decision.id().as_str(), decision.player().as_str(), &change])?;
//! #         Ok(())
//! #     })
//! # }
//! # let directory = tempfile::tempdir()?;
//! # let store = SqliteStore::open(directory.path().join("game.db"))?;
//! # store.write(|db| db.execute_batch("CREATE TABLE ledger (id TEXT PRIMARY KEY, player TEXT, change TEXT)")).await?;
//! let offers: Endpoint<OfferCallback> = App::new("my-game", KeyRing::from_list("test secret")?)?.offers(OFFERS).build()?;
//! let receiver = my_receiver(&store);
//!
//! // What your test sends.
//! let network = Network::new("test secret");
//! let callback = |tx: &str, state: &str, gems: &str| {
//!     network.callback(OFFERS).player("p1").transaction(tx).state(state).amount(gems).sign()
//! };
//! for (tx, state, gems) in [
//!     ("o1", "PENDING", "500"),    // pays nothing yet
//!     ("o1", "COMPLETED", "500"),  // pays
//!     ("o1", "COMPLETED", "500"),  // repeated: pays nothing
//!     ("o2", "RECONCILED", "300"), // overtakes its COMPLETED …
//!     ("o2", "COMPLETED", "300"),  // … which pays nothing then
//! ] {
//!     let sent = callback(tx, state, gems);
//!     let genuine = offers.open(&Request::get(sent.target()))?;
//!     receiver.receive(genuine.event()).await?;
//! }
//! let balance: f64 = store.read(|db| db.query_row("SELECT sum(change) FROM ledger", [], |row| row.get(0))).await?;
//! assert_eq!(balance, 500.0);
//!
//! // And a forgery.
//! let forged = callback("o3", "COMPLETED", "5").target().replace("gems=5", "gems=500");
//! assert!(offers.open(&Request::get(&forged)).is_err());
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "sqlite"))]
//! # fn main() {}
//! ```
//!
//! A real SQLite file in a temporary directory is as quick as a mock, and finds more. What to try of *your* code:
//! each decision; a player that does not exist; a handler that fails once; a reversal for a player who has spent
//! everything.
//!
//! Let the wallet in the test be inspected at the end, not the answers: a receiver that pays wrongly answers 200,
//! too.
//!
//! # Against the running program: `postback play`
//!
//! The command (feature `cli`) acts as the network: signed requests over HTTP, repetitions with the network's pauses,
//! twenty at once. It looks at the player's balance after every step:
//!
//! ```console
//! $ cargo install postback --features cli
//! $ export BITLABS_APP_SECRET=demo-secret-do-not-use
//! $ export BITLABS_OFFERS_URL='https://game.example/offers?player=[%USER:UID%]&…'
//! $ postback play all --to http://127.0.0.1:8080 --statement-url 'http://127.0.0.1:8080/players/{player}'
//! ```
//!
//! The statement is JSON with a `balance`; offer it on a port that the outside cannot reach. Exit status 0 means that
//! every answer and every balance was as expected: fit for CI. `--count 10000 --rate 500` makes load of it. What is
//! wrong is printed with the rule that it breaks.
//!
//! | command | when |
//! |---|---|
//! | `postback sign URL` | one signed URL, for `curl` |
//! | `postback watch` | no backend yet: see the network's own callbacks, explained, on a page |
//! | `postback verify --access-log FILE` | is what production received genuine? |
//! | `postback history FILE PLAYER` | why did this player (not) get the reward? |
//!
//! # Staging
//!
//! Give staging an app of its own in the network's dashboard, with a secret of its own. There,
//! [`deliver_tests`](crate::bitlabs::EndpointBuilder::deliver_tests) lets the dashboard's tester be paid.
