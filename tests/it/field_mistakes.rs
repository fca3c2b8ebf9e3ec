//! The mistakes of `docs/field-mistakes.md`. Most have their tests where their subject is; the rest are here, and look at
//! what the network gets and at what the player has.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use postback::bitlabs::{App, BitlabsEndpoint, OfferCallback};
use postback::network::{Credential, Role, preset};
use postback::testing::bitlabs::Signer;
use postback::web::CallbackResponse;
use postback::{DedupStore, Endpoint, HandlerError, MemoryStore, Receiver, Request, Responses, Secret, StoreError};

use crate::common::{HookedStore, decimal};
use postback_test_servers::log::warnings_of;

/// Which tests hold against mistakes 1 to 28.
const NUMBERED: [(&[u8], &str); 21] = [
    (&[1, 2, 6, 7], "verify::missing_malformed_and_wrong_hashes_are_not_genuine"),
    (&[1], "verify::published_vectors_verify_but_not_under_an_empty_secret"),
    (&[1], "bitlabs::config::app_takes_secrets_in_every_form_and_a_valid_name"),
    (&[3], "bitlabs::properties::what_the_network_sends_is_what_is_read"),
    (&[4], "verify::derived_vectors_are_typed_by_endpoints"),
    (&[5], "verify::scheme_host_and_path_come_from_the_configuration"),
    (&[7], "http::bad_requests_get_their_status_and_write_nothing"),
    (&[8], "bitlabs::lenient::m5_added_parameters_never_pay_and_never_hide_a_reversal"),
    (&[9, 12, 16, 17, 18, 19, 28], "bitlabs::rules::numbered_rules_end_at_the_documented_balance"),
    (&[10], "bitlabs::config::offers_url_that_cannot_state_pending_is_rejected"),
    (&[11], "http::callbacks_are_paid_once_over_http"),
    (&[13, 24], "http::failing_handler_gets_500_and_the_retry_pays"),
    (&[24], "field_mistakes::store_error_gets_503_and_when_to_retry"),
    (&[14], "guard::properties::concurrent_callbacks_are_delivered_once_and_in_order"),
    (&[15], "examples::receivers_pay_once_and_survive_being_killed"),
    (&[20, 26], "bitlabs::rules::every_cell_has_the_effect_of_the_documented_table"),
    (&[21], "bitlabs::lenient::deciding_parameters_must_be_there_and_usable"),
    (&[22], "guard::examples::every_amount_is_exact"),
    (&[23], "guard::examples::purchase_data_is_delivered_and_never_pays"),
    (&[25], "bitlabs::callbacks::output_contains_no_secret_hash_or_url"),
    (&[27], "bitlabs::lenient::m5_test_flag_of_any_spelling_marks_a_test"),
];

const KEY: &str = "my-app-secret";
const OFFERS: &str = "https://game.example/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]\
    &state=[%OFFER:TASK:STATE%]&ref=[%REF%]&type=[%TYPE%]&iap=[%OFFER:TASK:IAP:USD%]&name=[%OFFER:NAME%]";
/// A completed offer, as the network sends it.
const QUERY: &str = "player=p1&tx=o1&gems=500&state=COMPLETED&ref=&type=&iap=&name=";

/// An endpoint over a store with a wallet.
struct Game {
    offers: BitlabsEndpoint<OfferCallback>,
    store: MemoryStore,
    actions: Arc<Mutex<Vec<&'static str>>>,
}

impl Game {
    fn new() -> Self {
        let app = App::new("my-game", KEY).unwrap();
        Self { offers: app.offers(OFFERS).unwrap(), store: MemoryStore::new(), actions: Arc::default() }
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

#[tokio::test]
async fn store_error_gets_503_and_when_to_retry() {
    let store = HookedStore::new(|_, _| Err(StoreError::Overloaded));
    let receiver = Receiver::new(store, async |_| Ok::<(), HandlerError>(())).without_recovery();
    let target = sign(QUERY);
    let result = receiver.handle(&Game::new().offers, &Request::get(&target)).await;
    let response = CallbackResponse::new(result.as_ref(), Responses::default(), None);
    assert_eq!((response.status, response.retry_after), (503, Some(5)));
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

/// Those of the pages, and those above.
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
    let mut numbers = BTreeSet::<u8>::new();
    for (mistakes, named) in NUMBERED {
        assert!(is_test(root, "tests/it", named), "{named}");
        numbers.extend(mistakes);
    }
    assert!(numbers.into_iter().eq(1..=28));
}

/// Whether `module::test` is a function of that module's file.
fn is_test(root: &Path, folder: &str, named: &str) -> bool {
    let (module, test) = named.rsplit_once("::").unwrap();
    let file = root.join(folder).join(module.replace("::", "/")).with_extension("rs");
    std::fs::read_to_string(file).is_ok_and(|text| text.contains(&format!("fn {test}(")))
}
