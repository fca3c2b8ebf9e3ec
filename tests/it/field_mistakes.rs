//! The mistakes of `docs/field-mistakes.md`, one test for each, with its number. Each looks at what the network gets and at
//! what the player has. Mistakes with a letter have their tests where their subject is, and the rest of them here.

use std::path::Path;
use std::sync::{Arc, Mutex};

use postback::bitlabs::{App, BitlabsEndpoint, OfferCallback, SurveyCallback};
use postback::network::{Credential, Role, preset};
use postback::store::json;
use postback::testing::bitlabs::Signer;
use postback::testing::protocol::{Command, HandlerResult, Protocol};
use postback::verify::NotGenuine;
use postback::web::CallbackResponse;
use postback::{
    Decision, DedupStore, Endpoint, HandlerError, KeyRing, MemoryStore, Receiver, Request, Responses, Secret,
    StoreError, VerifyError,
};

use crate::common::log::warnings_of;
use crate::common::{self, HookedStore, completed, decimal};

const KEY: &str = "my-app-secret";
const OFFERS: &str = "https://game.example/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]\
    &state=[%OFFER:TASK:STATE%]&ref=[%REF%]&type=[%TYPE%]&iap=[%OFFER:TASK:IAP:USD%]&name=[%OFFER:NAME%]";
const SURVEYS: &str = "https://game.example/surveys?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]&type=[%TYPE%]&ref=[%REF%]";
/// A completed offer, as the network sends it.
const QUERY: &str = "player=p1&tx=o1&gems=500&state=COMPLETED&ref=&type=&iap=&name=";

/// Two endpoints over a store with a wallet.
struct Game {
    offers: BitlabsEndpoint<OfferCallback>,
    surveys: BitlabsEndpoint<SurveyCallback>,
    store: MemoryStore,
    actions: Arc<Mutex<Vec<&'static str>>>,
}

impl Game {
    fn new() -> Self {
        let app = App::new("my-game", KEY).unwrap();
        Self {
            offers: app.offers(OFFERS).unwrap(),
            surveys: app.surveys(SURVEYS).unwrap(),
            store: MemoryStore::new(),
            actions: Arc::default(),
        }
    }

    /// Sends a request and returns the status of the response.
    async fn request(&self, endpoint: &impl Endpoint, request: &Request<'_>) -> u16 {
        let actions = Arc::clone(&self.actions);
        let receiver = self.store.receiver(move |tx, decision| {
            actions.lock().unwrap().push(decision.action().as_str());
            tx.add(decision.player(), decision.balance_change());
            Ok(())
        });
        let result = receiver.without_recovery().handle(endpoint, request).await;
        CallbackResponse::new(result.as_ref(), Responses::default(), None).status
    }

    /// Signs a raw query for the offers endpoint and sends it.
    async fn query(&self, query: &str) -> u16 {
        let target = sign(query);
        self.request(&self.offers, &Request::get(&target)).await
    }

    /// Sends an offer callback, which must be acknowledged.
    async fn offer(&self, values: &[(&str, &str)]) {
        let target = Signer::new(KEY, OFFERS).sign(values).target();
        let status = self.request(&self.offers, &Request::get(&target)).await;
        assert_eq!(status, 200, "{values:?}");
    }

    async fn state(&self, transaction: &str, state: &str, gems: &str) {
        let values = [("player", "p1"), ("tx", transaction), ("gems", gems), ("state", state)];
        self.offer(&values).await;
    }

    /// Sends a survey callback, which must be acknowledged.
    async fn survey(&self, transaction: &str, kind: &str, gems: &str, original: &str) {
        let values = [("player", "p1"), ("tx", transaction), ("gems", gems), ("type", kind), ("ref", original)];
        let target = Signer::new(KEY, SURVEYS).sign(&values).target();
        let status = self.request(&self.surveys, &Request::get(&target)).await;
        assert_eq!(status, 200, "{values:?}");
    }

    fn actions(&self) -> Vec<&'static str> {
        self.actions.lock().unwrap().clone()
    }

    async fn has(&self, balance: &str) {
        let player = "p1".parse().unwrap();
        assert_eq!(self.store.balance(&player).await, decimal(balance));
    }
}

/// The target of a signed query at the offers endpoint.
fn sign(query: &str) -> String {
    Signer::new(KEY, OFFERS).sign_query(query).target()
}

/// Asserts that a target gets this status, and that nothing came of it.
async fn refused(target: &str, status: u16) {
    let game = Game::new();
    let response = game.request(&game.offers, &Request::get(target)).await;
    assert_eq!(response, status, "{target}");
    assert!(game.actions().is_empty(), "{target}");
}

async fn failing(_: Decision) -> Result<(), HandlerError> {
    Err(HandlerError::failed("wallet down"))
}

/// Mistake 1.
#[tokio::test]
async fn absent_signature_and_empty_secret_are_rejected() {
    let signed = sign(QUERY);
    let (unsigned, _) = signed.rsplit_once("&hash=").unwrap();
    refused(unsigned, 403).await;
    refused(&format!("{unsigned}&hash="), 403).await;
    let empty = Signer::new("", OFFERS).sign_query(QUERY).target();
    refused(&empty, 403).await;
    assert!(Secret::new("").is_err());
    assert!(KeyRing::try_from("").is_err() && KeyRing::try_from("a,").is_err());
    assert!(App::new("my-game", "").is_err());
}

/// Mistake 2. That the comparison takes constant time follows from `subtle`.
#[tokio::test]
async fn any_wrong_digit_of_the_signature_is_rejected_alike() {
    let signed = sign(QUERY);
    for place in 1..=40 {
        let mut target = signed.clone().into_bytes();
        let at = target.len() - place;
        target[at] = if target[at] == b'0' { b'1' } else { b'0' };
        let target = String::from_utf8(target).unwrap();
        let error = Game::new().offers.verify(&Request::get(&target)).unwrap_err();
        assert!(matches!(error, VerifyError::NotGenuine(NotGenuine::SignatureWrong)));
    }
}

/// Mistake 3.
#[tokio::test]
async fn parameters_count_in_any_order_and_encoding() {
    let game = Game::new();
    let query = "zz=1&gems=500&ref=&tx=o1&player=p%31&aa=%7e&state=COMPLETED&name=Lords%20Mobile+%2b";
    assert_eq!(game.query(query).await, 200);
    game.has("500").await;
}

/// Mistake 4.
#[tokio::test]
async fn query_is_never_rebuilt() {
    let game = Game::new();
    for (transaction, name) in
        [("o1", "Lords%20Mobile"), ("o2", "Lords+Mobile"), ("o3", "Lords%20mobile%21"), ("o4", "[x]|y")]
    {
        let query = format!("player=p1&tx={transaction}&gems=1&state=COMPLETED&ref=&type=&name={name}");
        assert_eq!(game.query(&query).await, 200, "{name}");
    }
    game.has("4").await;
}

/// Mistake 5.
#[tokio::test]
async fn scheme_and_host_are_not_taken_from_the_request() {
    let game = Game::new();
    let headers = vec![("host", "evil.example"), ("x-forwarded-proto", "http"), ("x-forwarded-host", "evil.example")];
    let genuine = sign(QUERY);
    let request = Request::get(&genuine).with_headers(&headers);
    assert_eq!(game.request(&game.offers, &request).await, 200);
    // Signed for the attacker's own host.
    let url = OFFERS.replace("game.example", "evil.example");
    let forged = Signer::new(KEY, url).sign_query(QUERY).target();
    let request = Request::get(&forged).with_headers(&headers);
    assert_eq!(game.request(&game.offers, &request).await, 403);
}

/// Mistake 6.
#[tokio::test]
async fn signature_is_the_end_of_the_url() {
    let signed = sign(QUERY);
    let (query, hash) = signed.rsplit_once("&hash=").unwrap();
    refused(&format!("{query}&hash={hash}&gems=9999&hash={hash}"), 403).await;
    refused(&format!("{signed}&gems=9999"), 403).await;
}

/// Mistake 7.
#[tokio::test]
async fn malformed_signature_is_rejected_without_an_error_page() {
    let signed = sign(QUERY);
    let (query, hash) = signed.rsplit_once("&hash=").unwrap();
    for bad in [&hash[..39], &format!("{hash}0"), &hash.to_uppercase(), "zz", "%zz", "\u{e9}"] {
        refused(&format!("{query}&hash={bad}"), 403).await;
    }
}

/// Mistake 8.
#[tokio::test]
async fn repeated_deciding_parameter_is_unusable() {
    for extra in ["gems=9999", "player=p2", "tx=o2", "state=COMPLETED", "%67ems=9999"] {
        refused(&sign(&format!("{QUERY}&{extra}")), 400).await;
    }
}

/// Mistake 9.
#[tokio::test]
async fn pending_is_not_paid_whatever_the_type_is() {
    let game = Game::new();
    let pending = "player=p1&tx=o1&gems=500&state=PENDING&ref=&type=COMPLETE";
    assert_eq!(game.query(pending).await, 200);
    game.has("0").await;
    game.state("o1", "COMPLETED", "500").await;
    game.has("500").await;
}

/// Mistake 10.
#[test]
fn offers_url_without_a_state_is_rejected_at_startup() {
    let app = App::new("my-game", KEY).unwrap();
    let url = "https://game.example/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&ref=[%REF%]";
    assert!(app.offers(url).is_err());
}

/// Mistake 11.
#[tokio::test]
async fn each_state_of_a_transaction_counts() {
    let game = Game::new();
    for state in ["PENDING", "COMPLETED", "COMPLETED", "RECONCILED"] {
        game.state("o1", state, "500").await;
    }
    game.has("0").await;
    assert_eq!(game.actions(), ["pending", "reward", "reversal"]);
}

/// Mistake 12.
#[tokio::test]
async fn same_player_and_offer_can_convert_twice() {
    let game = Game::new();
    for transaction in ["o1", "o2", "o1"] {
        game.offer(&[
            ("player", "p1"),
            ("tx", transaction),
            ("gems", "500"),
            ("state", "COMPLETED"),
            ("name", "Lords Mobile"),
        ])
        .await;
    }
    // The network repeats a callback with another signature.
    let query = "tx=o1&player=p1&gems=500.00&state=COMPLETED&ref=&type=&name=Lords%20Mobile";
    assert_eq!(game.query(query).await, 200);
    game.has("1000").await;
}

/// Mistake 13.
#[tokio::test]
async fn failed_handler_does_not_lose_the_reward() {
    let game = Game::new();
    let target = sign(QUERY);
    let request = Request::get(&target);
    let down = game.store.receiver(|_, _| Err(HandlerError::failed("wallet down")));
    let down = down.without_recovery();
    for _ in 0..3 {
        assert!(down.handle(&game.offers, &request).await.is_err());
    }
    assert_eq!(game.request(&game.offers, &request).await, 200);
    game.has("500").await;
}

/// Mistake 14.
#[test]
fn of_two_that_looked_at_once_one_is_delivered() {
    let mut game = common::Game::default();
    let event = Arc::new(completed("o1", "500"));
    let [mut first, mut second] = [0, 1].map(|_| Protocol::receive(Arc::clone(&event), game.timing));
    let never = |_: &mut common::Wallet, _: &Decision| -> HandlerResult { panic!("only looks") };
    assert!(game.step(&mut first, never) && game.step(&mut second, never));
    let mut calls = 0;
    for protocol in [first, second] {
        let end = game.run(protocol, |_, _| {
            calls += 1;
            HandlerResult::Done
        });
        assert!(matches!(end, Command::Finish(_)));
    }
    assert_eq!(calls, 1);
}

/// Mistake 15.
#[tokio::test]
async fn record_that_was_written_and_read_is_still_a_duplicate() {
    let game = Game::new();
    game.state("o1", "COMPLETED", "500").await;
    let key = "bitlabs/my-game/conversion/o1".parse().unwrap();
    let stored = game.store.load(&key).await.unwrap().unwrap();
    let text = json::write(&stored.record).unwrap();
    let restarted = Game::new();
    let read = json::read(&key, 1, text.as_bytes()).unwrap();
    restarted.store.swap(None, &read.record).await.unwrap();
    restarted.state("o1", "COMPLETED", "500").await;
    assert!(restarted.actions().is_empty());
}

/// Mistake 16.
#[tokio::test]
async fn negative_amount_is_taken_back() {
    let game = Game::new();
    game.survey("s1", "COMPLETE", "2", "").await;
    game.survey("r1", "RECONCILIATION", "-2", "s1").await;
    game.has("0").await;
    assert_eq!(game.actions(), ["reward", "reversal"]);
}

/// Mistake 17.
#[tokio::test]
async fn reversed_reversal_pays_again() {
    let game = Game::new();
    game.survey("s1", "COMPLETE", "2", "").await;
    game.survey("r1", "RECONCILIATION", "-2", "s1").await;
    game.survey("r2", "RECONCILIATION", "2", "s1").await;
    game.has("2").await;
}

/// Mistake 18.
#[tokio::test]
async fn reversal_is_linked_by_its_reference() {
    let game = Game::new();
    game.survey("s1", "COMPLETE", "500", "").await;
    game.survey("other", "COMPLETE", "30", "").await;
    game.survey("s1-reversal", "RECONCILIATION", "-500", "s1").await;
    game.has("30").await;
}

/// Mistake 19.
#[tokio::test]
async fn reconciled_after_pending_takes_nothing() {
    let game = Game::new();
    game.state("o1", "PENDING", "500").await;
    game.state("o1", "RECONCILED", "500").await;
    game.has("0").await;
    assert_eq!(game.actions(), ["pending", "rejected"]);
}

/// Mistake 20.
#[tokio::test]
async fn zero_and_negative_amounts_are_acknowledged() {
    let game = Game::new();
    game.state("o1", "COMPLETED", "0").await;
    game.survey("r1", "RECONCILIATION", "-2", "s1").await;
    game.survey("r2", "RECONCILIATION", "0", "s1").await;
    game.survey("s3", "COMPLETE", "-1", "").await;
    game.has("0").await;
}

/// Mistake 21.
#[tokio::test]
async fn absent_amount_is_no_default_reward() {
    for query in ["player=p1&tx=o1&state=COMPLETED&ref=&type=", "player=p1&tx=o1&gems=&state=COMPLETED&ref=&type="] {
        refused(&sign(query), 400).await;
    }
}

/// Mistake 22.
#[tokio::test]
async fn amounts_are_exact_decimals() {
    let game = Game::new();
    for number in 0..10 {
        game.state(&format!("o{number}"), "COMPLETED", "0.1").await;
    }
    game.has("1").await;
    game.state("large", "COMPLETED", "7199254740993.25").await;
    game.has("7199254740994.25").await;
}

/// Mistake 23.
#[tokio::test]
async fn purchase_amount_is_not_the_reward() {
    let game = Game::new();
    game.offer(&[("player", "p1"), ("tx", "o1"), ("gems", "500"), ("state", "COMPLETED"), ("iap", "49.99")]).await;
    game.has("500").await;
}

/// Mistake 24.
#[tokio::test]
async fn failures_are_not_acknowledged() {
    let offers = Game::new().offers;
    let target = sign(QUERY);
    let request = Request::get(&target);
    let wallet_down = Receiver::new(MemoryStore::new(), failing).without_recovery();
    let result = wallet_down.handle(&offers, &request).await;
    let response = CallbackResponse::new(result.as_ref(), Responses::default(), None);
    assert_eq!(response.status, 500);
    let store = HookedStore::new(|_, _| Err(StoreError::Overloaded));
    let store_down = Receiver::new(store, failing).without_recovery();
    let result = store_down.handle(&offers, &request).await;
    let response = CallbackResponse::new(result.as_ref(), Responses::default(), None);
    assert_eq!((response.status, response.retry_after), (503, Some(5)));
}

/// Mistake 25.
#[test]
fn nothing_shown_contains_secret_or_signature() {
    let game = Game::new();
    let genuine = sign(QUERY);
    let forged = Signer::new("another-secret", OFFERS).sign_query(QUERY).target();
    let callback = game.offers.verify(&Request::get(&genuine)).unwrap();
    let error = game.offers.verify(&Request::get(&forged)).unwrap_err();
    let app = App::new("my-game", KEY).unwrap();
    let json = serde_json::to_string(&*callback).unwrap();
    let shown = format!("{callback:?}{json}{error}{error:?}{:?}{app:?}", game.offers);
    for target in [&genuine, &forged] {
        let (_, hash) = target.rsplit_once("&hash=").unwrap();
        assert!(!shown.contains(hash));
        assert!(!format!("{:?}", Request::get(target)).contains(hash));
    }
    assert!(!shown.contains(KEY));
}

/// Mistake 26.
#[tokio::test]
async fn unknown_words_are_acknowledged_and_do_not_pay() {
    let game = Game::new();
    game.state("o1", "SOMETHING_NEW", "500").await;
    game.survey("s1", "SOMETHING_NEW", "500", "").await;
    game.has("0").await;
    assert_eq!(game.actions(), ["nothing", "nothing"]);
    // Unknown parameters decide nothing.
    assert_eq!(game.query(&format!("{QUERY}&brand_new=1")).await, 200);
    game.has("500").await;
}

/// Mistake 27.
#[tokio::test]
async fn test_callback_is_verified_and_not_paid() {
    let game = Game::new();
    let test = format!("{QUERY}&debug=true");
    refused(&format!("/offers?{test}"), 403).await;
    assert_eq!(game.query(&test).await, 200);
    game.has("0").await;
    // The real callback is not a repetition of the test.
    assert_eq!(game.query(QUERY).await, 200);
    game.has("500").await;
    game.query("player=p1&tx=o1&gems=500&state=RECONCILED&ref=&type=&debug=true").await;
    game.has("0").await;
}

/// Mistake 28.
#[tokio::test]
async fn completed_after_reconciled_pays_nothing() {
    let game = Game::new();
    game.state("o1", "RECONCILED", "500").await;
    game.state("o1", "COMPLETED", "500").await;
    game.has("0").await;
    assert_eq!(game.actions(), ["rejected", "nothing"]);
}

/// M7. Otherwise a callback without a goal would be one for another goal, and pay twice.
#[tokio::test]
async fn callback_without_the_configured_goal_is_kept_and_not_paid() {
    let game = Game::new();
    let token = Credential::token(&Secret::new("long-random-token").unwrap());
    let builder = preset("phonexa").unwrap().app("my-game").credential(token);
    let endpoint = builder.parameter(Role::Goal, "goal").build().unwrap();
    let headers = vec![("authorization", "Bearer long-random-token")];
    let base = "/?player=p1&conversion_id=c1&payout=500&status=";
    for (rest, status) in [("Done&goal=install", 200), ("Done", 400), ("Rejected", 400), ("Rejected&goal=install", 200)]
    {
        let target = format!("{base}{rest}");
        let request = Request::get(&target).with_headers(&headers);
        assert_eq!(game.request(&endpoint, &request).await, status, "{rest}");
    }
    game.has("0").await;
    assert_eq!(game.store.list_unusable(None, 10).await.unwrap().len(), 2);
}

/// V1.
#[test]
fn money_that_does_not_move_is_a_warning() {
    let game = Game::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let send = |query: &str| {
        let ((), lines) = warnings_of(|| assert_eq!(runtime.block_on(game.query(query)), 200, "{query}"));
        lines.concat()
    };
    assert!(send("player=p1&tx=o1&gems=5&state=SOMETHING_NEW&ref=&type=").contains("unknown_state"));
    assert!(send("player=p1&tx=o2&gems=5&state=&ref=&type=").contains("empty_state"));
    assert!(send("player=p1&tx=o3&gems=-5&state=NONE&ref=&type=").contains("check whether money is missing"));
    assert_eq!(send(QUERY), "");
    assert!(send("player=p1&tx=o1&gems=900&state=COMPLETED&ref=&type=").contains("contradicts"));
}

/// V5.
#[test]
fn two_apps_under_one_name_are_a_visible_conflict() {
    let game = Game::new();
    let other = App::new("my-game", "another-secret").unwrap().offers(OFFERS).unwrap();
    let theirs = "player=p2&tx=o1&gems=70&state=COMPLETED&ref=&type=";
    let theirs = Signer::new("another-secret", OFFERS).sign_query(theirs).target();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ((), lines) = warnings_of(|| {
        runtime.block_on(async {
            assert_eq!(game.query(QUERY).await, 200);
            assert_eq!(game.request(&other, &Request::get(&theirs)).await, 200);
            game.has("500").await;
            assert_eq!(game.store.balance(&"p2".parse().unwrap()).await, decimal("0"));
        });
    });
    assert!(lines.concat().contains("player_mismatch"), "{lines:?}");
}

/// Text for SQL, shells, terminals and pages is an identifier like any other, or none at all.
#[tokio::test]
async fn hostile_identifiers_are_data_or_unusable() {
    for id in [
        "'); DROP TABLE postback_records; --",
        "<script>alert(1)</script>",
        "$(reboot)",
        "* /conversion/../%00",
        "{\"$ne\":1}",
    ] {
        let game = Game::new();
        game.offer(&[("player", id), ("tx", id), ("gems", "500"), ("state", "COMPLETED")]).await;
        let player = id.parse().unwrap();
        assert_eq!(game.store.balance(&player).await, decimal("500"), "{id}");
    }
    for id in ["p1\r\nSET x 1", "\u{1b}[2J", "p1\u{0}", &"x".repeat(10_000)] {
        let signed =
            Signer::new(KEY, OFFERS).sign(&[("player", id), ("tx", id), ("gems", "500"), ("state", "COMPLETED")]);
        refused(&signed.target(), 400).await;
    }
}

/// C12. The ids of the two do not show it.
#[tokio::test]
async fn view_reported_twice_is_keyed_by_the_client_reference() {
    let game = Game::new();
    let headers = vec![("authorization", "Bearer long-random-token")];
    let views = preset("phonexa").unwrap().named("views").unwrap();
    for (reference, own_id) in [("custom_data", "transaction_id"), ("client_reference", "event")] {
        let token = Credential::token(&Secret::new("long-random-token").unwrap());
        let builder = views.app("my-game").credential(token);
        let endpoint = builder.parameter(Role::Transaction, reference).build().unwrap();
        let target = format!("/?player=p1&{reference}=view-7&{own_id}=id-of-its-own&payout=5&status=done");
        let request = Request::get(&target).with_headers(&headers);
        assert_eq!(game.request(&endpoint, &request).await, 200);
    }
    game.has("5").await;
    assert_eq!(game.actions(), ["reward"]);
}

/// The pages that name tests, and what this file says about numbers.
#[test]
fn tests_named_in_the_docs_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let mut count = 0;
    for page in ["docs/field-mistakes.md", "docs/guide/attacks.md"] {
        for named in read(page).split('`').filter(|text| text.contains("::") && !text.contains(['\n', '(', ' ', ';'])) {
            count += 1;
            assert!(is_test(root, "tests/it", named), "{page}: {named}");
        }
        for (name, folder) in [
            ("sqlite", "stores/sqlite/tests/it"),
            ("postgres", "stores/postgres/tests/it"),
            ("redis", "stores/redis/tests/it"),
            ("server", "server/tests/it"),
        ] {
            for named in read(page).split('`').filter_map(|text| text.strip_prefix(name)?.strip_prefix(": ")) {
                count += 1;
                assert!(is_test(root, folder, named), "{page}: {name}: {named}");
            }
        }
    }
    assert!(count > 80, "{count}");
    let own = read("tests/it/field_mistakes.rs");
    for number in 1..=28 {
        assert_eq!(own.matches(&format!("/// Mistake {number}.")).count(), 1, "{number}");
    }
}

/// Whether `module::test` is a function of that module's file.
fn is_test(root: &Path, folder: &str, named: &str) -> bool {
    let (module, test) = named.rsplit_once("::").unwrap();
    let file = root.join(folder).join(module.replace("::", "/")).with_extension("rs");
    std::fs::read_to_string(file).is_ok_and(|text| text.contains(&format!("fn {test}(")))
}
