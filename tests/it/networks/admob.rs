//! `AdMob`: Google's own signatures, keys, and players.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;

use super::vectors::vector;
use super::{Game, decimal, unusable};
use crate::common::paying;
use postback::DedupStore as _;
use postback::network::admob::{self, AdmobEndpoint, KeyFuture, KeySource, PlayerIn, VerificationKeys};
use postback::testing::ManualClock;
use postback::testing::admob::AdmobSigner;
use postback::web::CallbackResponse;
use postback::{Effect, Endpoint as _, EventKind, IgnoreReason, Receipt, Request, VerifyError};

fn google() -> VerificationKeys {
    let key = vector("admob-key");
    let id = key["keyId"].as_u64().unwrap();
    VerificationKeys::new().with_base64(id, key["spki_b64"].as_str().unwrap()).unwrap()
}

fn endpoint() -> AdmobEndpoint {
    admob::app("game", google()).ad_units(["ca-app-pub-1/1809337431"]).build().unwrap()
}

fn production(id: &str) -> String {
    format!("/callbacks/admob?{}", vector(id)["query"].as_str().unwrap())
}

#[test]
fn missing_keys_are_answered_with_a_time_to_retry() {
    let error = VerifyError::KeysUnavailable.into();
    let response = CallbackResponse::new(Err(&error), endpoint().responses(), None);
    let headers: Vec<_> = response.headers().collect();
    assert_eq!((response.status, headers), (503, vec![("retry-after", "5".into())]));
}

#[test]
fn googles_signatures_are_genuine_only_when_decoded() {
    // The console's test calls.
    for id in ["admob-1", "admob-2"] {
        let callback = endpoint().verify(&Request::get(&production(id))).unwrap();
        assert!(callback.event.is_test, "{id}");
        let EventKind::Conversion { effect, .. } = &callback.event.kind else { panic!("{id}") };
        assert!(matches!(effect, Effect::Ignored { reason: IgnoreReason::NotAReward, .. }));
    }
    for id in ["admob-1", "admob-2", "admob-3", "admob-4"] {
        let target = production(id);
        let result = endpoint().verify(&Request::get(&target));
        assert!(result.is_ok(), "{id}: {result:?}");
        // Signed as decoded: the same text, once more encoded, is another one.
        let encoded = target.replace("%20", "%2520");
        assert_eq!(endpoint().verify(&Request::get(&encoded)).is_ok(), encoded == target, "{id}");
        let plus = target.replace("%20", "+");
        assert_eq!(endpoint().verify(&Request::get(&plus)).is_ok(), plus == target, "{id}");
        // No byte can be changed.
        for at in "/callbacks/admob?".len()..target.len() {
            let mut bytes = target.clone().into_bytes();
            bytes[at] = if bytes[at] == b'7' { b'8' } else { b'7' };
            let forged = String::from_utf8(bytes).unwrap();
            let result = endpoint().verify(&Request::get(&forged));
            assert!(!result.is_ok_and(|_| true), "{id} {at}");
        }
    }
    let real = endpoint().verify(&Request::get(&production("admob-4"))).unwrap();
    assert_eq!((real.player.as_str(), real.amount), ("1712485313", Some(decimal("1"))));
    assert_eq!(real.custom_data.as_deref(), Some("holiiis"));
    assert_eq!((real.key_id, real.event.is_test), (Some(3_335_741_209), false));
    assert_eq!(real.timestamp.unwrap().as_millis(), 1_588_193_918_052);
    assert!(!real.event.query.contains("signature") && !real.event.query.contains("key_id"));
}

fn signed(query: &str) -> String {
    format!("/callbacks/admob?{}", AdmobSigner::new(1).sign(query))
}

fn own(player: PlayerIn) -> AdmobEndpoint {
    admob::app("game", AdmobSigner::new(1).keys()).ad_units(["1"]).player(player).build().unwrap()
}

const REWARD: &str = "ad_unit=1&reward_amount=5&reward_item=Key%20Doubler&timestamp=1&transaction_id=t1&user_id=p1";

#[tokio::test]
async fn a_view_is_paid_once() {
    let (game, endpoint) = (Game::new(), own(PlayerIn::UserId));
    let receiver = paying(&game.store);
    let target = signed(REWARD);
    for _ in 0..2 {
        receiver.handle(&endpoint, &Request::get(&target)).await.unwrap();
    }
    assert_eq!(game.balance().await, decimal("5"));
    let test = signed("ad_unit=1234567890&reward_amount=5&transaction_id=123456789&user_id=p1");
    assert_eq!(receiver.handle(&endpoint, &Request::get(&test)).await.unwrap(), Receipt::Test);
    assert_eq!(game.balance().await, decimal("5"));
}

#[tokio::test]
async fn views_of_other_ad_units_are_rejected_and_not_kept() {
    let (game, endpoint) = (Game::new(), own(PlayerIn::UserId));
    let receiver = paying(&game.store);
    // Google signs these for anybody who sets the callback URL of their own ad unit to this one.
    for query in [
        REWARD.replace("ad_unit=1", "ad_unit=2"),
        REWARD.replace("ad_unit=1", "ad_unit=11"),
        REWARD.replace("ad_unit=1", "ad_unit=%FF"),
        REWARD.replace("ad_unit=1&", ""),
        REWARD.replace("ad_unit=1", "ad_unit=1%26z%3D1"),
        // Unusable, too.
        REWARD.replace("ad_unit=1", "ad_unit=2").replace("=p1", "="),
        // Nearly the console's test call; and that call, if it cannot be used.
        REWARD.replace("ad_unit=1", "ad_unit=1234567890"),
        format!("ad_unit=1234567890&transaction_id=123456789&user_id={}", "p".repeat(300)),
    ] {
        let target = signed(&query);
        let error = receiver.handle(&endpoint, &Request::get(&target)).await.unwrap_err();
        assert_eq!(error.as_str(), "other_ad_unit", "{query}");
        let response = CallbackResponse::new(Err(&error), endpoint.responses(), None);
        assert_eq!((response.status, &*response.body), (403, "forbidden"));
        assert!(error.to_string().contains("add it to this endpoint's ad units"), "{error}");
    }
    assert!(game.store.list_unusable(None, 10).await.unwrap().is_empty());
    assert_eq!(game.balance().await, decimal("0"));
    // Of an own one, it is kept. Once the ad unit is not listed any more, that is not paid.
    let kept = unusable(endpoint.verify(&Request::get(&signed(&REWARD.replace("=p1", "="))))).callback;
    let other = admob::app("game", AdmobSigner::new(1).keys()).ad_units(["2"]).build().unwrap();
    let problem = unusable(other.replay(&kept)).problem;
    assert_eq!(problem.to_string(), "malformed parameter \"ad_unit\": not one of this endpoint's ad units");
}

#[test]
fn ad_units_are_required_as_numbers_or_ids() {
    let build = |ids: &[&str]| {
        let builder = admob::app("game", AdmobSigner::new(1).keys()).ad_units(ids.iter().copied());
        builder.build().map_err(|error| error.to_string())
    };
    let missing = "no ad units for admob: add your own with `ad_units`";
    assert_eq!(build(&[]).unwrap_err(), missing);
    assert_eq!(admob::app("game", AdmobSigner::new(1).keys()).build().unwrap_err().to_string(), missing);
    for ids in [["1", "2"], ["2", "ca-app-pub-3940256099942544/1"]] {
        assert!(build(&ids).unwrap().verify(&Request::get(&signed(REWARD))).is_ok(), "{ids:?}");
    }
    for id in [
        "",
        "x",
        " 1",
        "1,2",
        "/1",
        "ca-app-pub-1",
        "ca-app-pub-1~1",
        "ca-app-pub-1/",
        "ca-app-pub-/1",
        "a/1",
        "01",
        "0",
        "ca-app-pub-1/01",
        "/2/a/b",
    ] {
        let fix = "use the id that the dashboard shows, ca-app-pub-…/…, or the number after its slash";
        assert_eq!(build(&["1", id]).unwrap_err(), format!("invalid ad unit {id:?}: {fix}"));
    }
}

#[test]
fn the_player_is_where_the_app_puts_it() {
    let custom = |data: &str| format!("ad_unit=1&custom_data={data}&reward_amount=5&transaction_id=t1");
    for (place, query, player) in [
        (PlayerIn::UserId, REWARD.to_owned(), Some("p1")),
        (PlayerIn::CustomData, custom("p%202"), Some("p 2")),
        (PlayerIn::CustomDataField("player".into()), custom("level%3D3%26player%3Dp3"), Some("p3")),
        (PlayerIn::CustomDataField("player".into()), custom("%7B%22player%22%3A%22p4%22%7D"), Some("p4")),
        (PlayerIn::CustomDataField("player".into()), custom("%7B%22player%22%3A5%7D"), Some("5")),
        (PlayerIn::UserId, custom("p2"), None),
        (PlayerIn::UserId, REWARD.replace("user_id=p1", "user_id="), None),
        (PlayerIn::CustomData, REWARD.to_owned(), None),
        (PlayerIn::CustomDataField("player".into()), custom("level%3D3"), None),
        (PlayerIn::CustomDataField("player".into()), custom("%7Bnonsense"), None),
    ] {
        let target = signed(&query);
        let result = own(place).verify(&Request::get(&target));
        if let Some(player) = player {
            assert_eq!(result.unwrap().player, player);
            continue;
        }
        let unusable = unusable(result);
        assert_eq!(unusable.problem.as_str(), "no_player");
        assert!(unusable.problem.to_string().contains("SDK's server-side verification options"));
        assert!(!unusable.callback.query.contains("signature"));
    }
    // Once the endpoint looks elsewhere, a kept one can be replayed.
    let target = signed(&custom("p2"));
    let kept = unusable(own(PlayerIn::UserId).verify(&Request::get(&target)));
    assert_eq!(own(PlayerIn::CustomData).replay(&kept.callback).unwrap().player, "p2");
}

const AMBIGUOUS: &str = "the signed text does not show which parameters it has: a forgery, or custom data or a user id \
                         of the app contains '&' and the name of one of AdMob's parameters, such as \"&ad_unit=\"";

#[tokio::test]
async fn parameters_in_the_texts_of_the_app_are_rejected() {
    let escaped = |text: &str| text.replace('&', "%26").replace('=', "%3D");
    // Custom data with the names of parameters: signed as if they were further parameters, and readable as such.
    let inner = "&reward_amount=1000000&transaction_id=t9&user_id=p1&z=";
    let tail = "&reward_amount=5&transaction_id=t1&user_id=p1";
    let custom = |data: &str| format!("ad_network=5&ad_unit=1&custom_data={data}{tail}");
    let item = REWARD.replace("item=Key%20Doubler", "item=%26user_id%3Dp1").replace("t1&user_id=p1", "t1");
    let game = Game::new();
    let receiver = paying(&game.store);
    for (place, query) in [
        (PlayerIn::CustomDataField("user".into()), custom("user%3Dp1%26ad_unit%3Dhome")),
        (PlayerIn::UserId, custom("user%3Dp1%26user_id")),
        (PlayerIn::UserId, custom(&escaped(&format!("x{inner}")))),
        (PlayerIn::UserId, format!("ad_network=5&ad_unit=1&custom_data=x{inner}{}", escaped(tail))),
        (PlayerIn::UserId, custom("x%26user_id%3Dp9")),
        (PlayerIn::UserId, custom("x&user_id=p9")),
        (PlayerIn::UserId, custom("x").replace("&reward_amount=5", "%26reward_amount%3D5")),
        (PlayerIn::CustomData, custom("x").replace("&user_id=", "%26user_id%3D")),
        (PlayerIn::UserId, item),
        // Ad unit 1 in the text that another publisher's app passes.
        (PlayerIn::UserId, REWARD.replace("ad_unit=1", "ad_unit=2&custom_data=&ad_unit=1")),
        (PlayerIn::UserId, REWARD.replace("ad_unit=1", "ad_unit=2%26ad_unit=1")),
        (PlayerIn::UserId, REWARD.replace("ad_unit=1", "%61d_unit%3D2&custom_data=&ad_unit=1")),
    ] {
        let (target, endpoint) = (signed(&query), own(place));
        let error = receiver.handle(&endpoint, &Request::get(&target)).await.unwrap_err();
        assert_eq!((error.as_str(), error.to_string().as_str()), ("ambiguous_text", AMBIGUOUS), "{query}");
        let response = CallbackResponse::new(Err(&error), endpoint.responses(), None);
        assert_eq!((response.status, &*response.body), (403, "forbidden"));
    }
    assert!(game.store.list_unusable(None, 10).await.unwrap().is_empty());
    // One that an earlier version kept stays unusable.
    let endpoint = own(PlayerIn::UserId);
    let mut kept = unusable(endpoint.verify(&Request::get(&signed(&REWARD.replace("=p1", "="))))).callback;
    kept.query = custom("x%26user_id%3Dp9");
    assert!(unusable(endpoint.replay(&kept)).problem.to_string().contains("does not show where it begins or ends"));
}

#[test]
fn escaped_separators_cannot_move_a_boundary() {
    let malformed =
        |name: &str| format!("malformed parameter {name:?}: the signed text does not show where it begins or ends");
    let custom = "ad_unit=1&custom_data=a%3D1%26b%3D2&reward_amount=5&transaction_id=t1&user_id=p1";
    for (place, query, problem) in [
        (PlayerIn::CustomData, custom.replace("%26b%3D2", "&b=2"), malformed("custom_data")),
        (PlayerIn::UserId, format!("{REWARD}&z=1"), malformed("user_id")),
        (PlayerIn::UserId, REWARD.replace("=t1&", "=t1%26z%3D1&"), malformed("transaction_id")),
    ] {
        let target = signed(&query);
        let unusable = unusable(own(place).verify(&Request::get(&target)));
        assert_eq!(unusable.problem.to_string(), problem, "{query}");
        assert_eq!(unusable.callback.query, query);
    }
    // A callback's own '&' and '=' are the app's business.
    for (place, query, player) in [
        (PlayerIn::CustomData, custom.to_owned(), "a=1&b=2"),
        (PlayerIn::CustomDataField("b".into()), custom.to_owned(), "2"),
        (PlayerIn::UserId, custom.replace("=p1", "=p%26x%3D1"), "p&x=1"),
        (PlayerIn::UserId, custom.replace("=p1", "=p%2526user_id%253D1"), "p%26user_id%3D1"),
        (PlayerIn::UserId, custom.replace("user_id=p1", "user%5Fid=%701"), "p1"),
        (PlayerIn::UserId, format!("z=1&{custom}"), "p1"),
        (PlayerIn::UserId, custom.replace("&transaction_id=", "&z=1&transaction_id="), "p1"),
    ] {
        let target = signed(&query);
        let callback = own(place).verify(&Request::get(&target)).unwrap();
        assert_eq!((callback.player.as_str(), callback.transaction.as_str()), (player, "t1"), "{query}");
        assert_eq!(callback.custom_data.as_deref(), Some("a=1&b=2"));
    }
    // Where it decides nothing, it only counts as absent.
    let target = signed(&custom.replace("%26b%3D2", "&b=2"));
    let callback = own(PlayerIn::UserId).verify(&Request::get(&target)).unwrap();
    assert_eq!((callback.player.as_str(), callback.custom_data.as_deref()), ("p1", None));
}

#[tokio::test]
async fn one_signed_query_fills_nothing_and_is_paid_once() {
    let query = "ad_unit=1&custom_data=p1&reward_amount=5&reward_item=Gems&timestamp=1&transaction_id=t1&user_id=u";
    let genuine = signed(query);
    let (game, endpoint) = (Game::new(), own(PlayerIn::CustomData));
    let receiver = paying(&game.store);
    receiver.handle(&endpoint, &Request::get(&genuine)).await.unwrap();
    for separators in ["&user_id=", "&timestamp=", "&reward_item="] {
        // Every letter can be escaped or not.
        for item in ["Gems", "%47ems", "G%65ms", "Ge%6Ds", "Gem%73"] {
            let forged = genuine.replace(separators, &separators.replace('&', "%26").replace('=', "%3D"));
            let forged = forged.replace("Gems", item);
            let result = receiver.handle(&endpoint, &Request::get(&forged)).await;
            assert!(result.is_err_and(|error| error.as_str() == "ambiguous_text"), "{forged}");
        }
    }
    assert!(game.store.list_unusable(None, 100).await.unwrap().is_empty());
    assert_eq!(game.balance().await, decimal("5"));
}

/// What an app, or a player who controls it, may pass.
fn passed() -> impl Strategy<Value = String> {
    let pieces = [
        "p1 x & = % + %26 é a=p6 &a=1 {\"a\":\"p7\"}",
        "&user_id &user_id=p9 &custom_data=p8 &reward_amount=1000000 &transaction_id=t9 &ad_unit=1 &ad_unit=2",
    ];
    let mut pieces: Vec<&str> = pieces.iter().flat_map(|pieces| pieces.split(' ')).collect();
    pieces.push(" ");
    prop::collection::vec(prop::sample::select(pieces), 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// The signature is the same for all of these queries.
    #[test]
    fn other_escapes_read_the_same_or_pay_nothing(
        custom_data in passed(),
        user_id in passed(),
        // Directly after the app's text, it could not be distinguished from a part of it.
        unknown in prop::sample::select(vec![None, Some(0), Some(1), Some(3), Some(4), Some(5), Some(6)]),
        changes in prop::collection::vec((0..40_usize, 1..12_usize, any::<bool>()), 1..4),
        place in prop::sample::select(vec![
            PlayerIn::UserId, PlayerIn::CustomData, PlayerIn::CustomDataField("a".into()),
        ]),
    ) {
        let mut parameters = vec![
            ("ad_unit", "1"), ("custom_data", &custom_data), ("reward_amount", "5"), ("reward_item", "R&D"),
            ("timestamp", "1"), ("transaction_id", "t1"), ("user_id", &user_id),
        ];
        if let Some(place) = unknown {
            parameters.insert(place, ("z", "1"));
        }
        // Each character of the decoded text, and whether it is escaped.
        let mut text: Vec<(char, bool)> = Vec::new();
        for (name, value) in parameters {
            text.extend((!text.is_empty()).then_some(('&', false)));
            text.extend(name.chars().chain(['=']).map(|character| (character, false)));
            text.extend(value.chars().map(|character| (character, !character.is_ascii_alphanumeric())));
        }
        let query = |text: &[(char, bool)]| {
            let written = |(character, is_escaped): &(char, bool)| {
                let mut bytes = [0; 4];
                let character = character.encode_utf8(&mut bytes);
                if !is_escaped {
                    return character.to_owned();
                }
                character.bytes().map(|byte| format!("%{byte:02X}")).collect()
            };
            text.iter().map(written).collect::<String>()
        };
        let genuine = signed(&query(&text));
        let signature = &genuine[genuine.rfind("&signature=").unwrap()..];
        let separators: Vec<usize> = (0..text.len()).filter(|at| matches!(text[*at].0, '&' | '=')).collect();
        for (start, count, is_about_separators) in changes {
            for at in start..start + count {
                let at = if is_about_separators { separators.get(at).copied() } else { Some(at) };
                // A '%' of the text has to be escaped.
                if let Some((character, is_escaped)) = at.and_then(|at| text.get_mut(at)) && *character != '%' {
                    *is_escaped = !*is_escaped;
                }
            }
        }
        let changed = format!("/callbacks/admob?{}{signature}", query(&text));
        let endpoint = own(place);
        let read = |target: &str| match endpoint.verify(&Request::get(target)) {
            Ok(callback) => Some((callback.player.clone(), callback.transaction.clone(), callback.amount)),
            Err(error) => {
                assert_ne!(error.as_str(), "signature_wrong", "{target}");
                None
            }
        };
        let (as_sent, as_changed) = (read(&genuine), read(&changed));
        prop_assert!(as_changed.is_none() || as_changed == as_sent, "{genuine} {changed}: {as_changed:?}");
    }
}

#[test]
fn what_is_not_signed_by_a_known_key_is_not_genuine() {
    let good = signed(REWARD);
    let endpoint = own(PlayerIn::UserId);
    let reason = |target: &str| endpoint.verify(&Request::get(target)).unwrap_err().as_str();
    for (target, expected) in [
        ("/callbacks/admob".to_owned(), "empty"),
        ("/callbacks/admob?x=1".to_owned(), "signature_missing"),
        (format!("{good}&x=1"), "signature_malformed"),
        (good.replace("&key_id=1", ""), "signature_missing"),
        (good.replace("&key_id=1", "&key_id="), "signature_malformed"),
        (good.replace("&key_id=1", "&key_id=-1"), "signature_malformed"),
        (good.replace("&key_id=1", "&key_id=99999999999999999999"), "signature_malformed"),
        (good.replace("&key_id=1", "&key_id=2"), "signature_wrong"),
        (good.replace("signature=", "signature=!"), "signature_malformed"),
        (good.replace("reward_amount=5", "reward_amount=6"), "signature_wrong"),
        (good.replace("&signature", "&x=1&signature"), "signature_wrong"),
    ] {
        assert_eq!(reason(&target), expected, "{target}");
    }
    // Padded base64 is the same signature.
    let (head, tail) = good.rsplit_once("&key_id").unwrap();
    let text = head.rsplit_once('=').unwrap().1;
    let padding = "=".repeat((4 - text.len() % 4) % 4);
    assert!(endpoint.verify(&Request::get(&format!("{head}{padding}&key_id{tail}"))).is_ok());
    let post = Request::new("POST", &good);
    assert_eq!(endpoint.verify(&post).unwrap_err().as_str(), "method");
}

#[test]
fn only_p_256_keys_are_keys() {
    let other_curve = "MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAExw4udAQ5RsCjeHD83OiBF9K5wvc+Wzw8qzjHNgAXBxZfAgFUFOqFfcv0PPjO6Hl41dznjOuJe8EnEvNWAxznsg==";
    let error = VerificationKeys::new().with_base64(7, other_curve).unwrap_err();
    assert_eq!(error.to_string(), "invalid verification key 7: use an ECDSA P-256 public key");
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{other_curve}\n-----END PUBLIC KEY-----\n");
    assert!(VerificationKeys::new().with_pem(7, &pem).is_err());
    let good = vector("admob-key")["spki_b64"].as_str().unwrap().to_owned();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n{}\n-----END PUBLIC KEY-----\n", &good[..64], &good[64..]);
    assert!(VerificationKeys::new().with_pem(7, &pem).is_ok());
    let list = format!(
        "{{\"keys\":[{{\"keyId\":1,\"pem\":\"\",\"base64\":\"{other_curve}\"}},{{\"keyId\":2,\"pem\":\"\",\"base64\":\"{good}\"}}]}}"
    );
    assert_eq!(VerificationKeys::from_json(&list).unwrap().ids().collect::<Vec<_>>(), [2]);
    for list in ["", "{}", "{\"keys\":[]}", "{\"keys\":[{\"keyId\":1,\"base64\":\"!\"}]}"] {
        assert!(VerificationKeys::from_json(list).is_err());
    }
}

/// Counts fetches; fails while it has no keys.
#[derive(Clone, Default)]
struct Counted {
    fetches: Arc<AtomicUsize>,
    keys: Arc<std::sync::Mutex<Option<VerificationKeys>>>,
}

impl Counted {
    fn set(&self, keys: Option<VerificationKeys>) {
        *self.keys.lock().unwrap() = keys;
    }

    fn count(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

impl KeySource for Counted {
    fn fixed(&self) -> Option<VerificationKeys> {
        None
    }

    fn fetch(&self) -> KeyFuture<'_> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        let keys = self.keys.lock().unwrap().clone();
        Box::pin(std::future::ready(keys.ok_or_else(|| "unreachable".into())))
    }
}

#[tokio::test]
async fn keys_are_cached_and_refetched_within_bounds() {
    let (source, clock) = (Counted::default(), ManualClock::new(postback::Timestamp::from_millis(1_700_000_000_000)));
    let endpoint = admob::app("game", source.clone()).ad_units(["1"]).clock(clock.clone()).build().unwrap();
    let request = |id: u64| format!("/callbacks/admob?{}", AdmobSigner::new(id).sign(REWARD));
    let outcome = async |id: u64| {
        let target = request(id);
        let request = Request::get(&target);
        endpoint.prepare(&request).await;
        endpoint.verify(&request).map_or_else(|error| error.as_str(), |_| "genuine")
    };
    // Unreachable: the network should retry, and the source is asked once a minute.
    for _ in 0..20 {
        assert_eq!(outcome(1).await, "keys_unavailable");
    }
    assert_eq!(source.count(), 1);
    source.set(Some(AdmobSigner::new(1).keys()));
    clock.advance(Duration::from_mins(1));
    assert_eq!((outcome(1).await, source.count()), ("genuine", 2));
    // Unknown ids, as in a flood of forgeries, cause no further fetches.
    for id in 2..50 {
        assert_eq!(outcome(id).await, "signature_wrong");
    }
    assert_eq!(source.count(), 2);
    // Google changes its key.
    source.set(Some(AdmobSigner::new(2).keys()));
    clock.advance(Duration::from_mins(1));
    assert_eq!((outcome(2).await, source.count()), ("genuine", 3));
    assert_eq!(outcome(1).await, "signature_wrong");
    // Half a day later they are refreshed; while that fails, they are used up to a day.
    source.set(None);
    clock.advance(Duration::from_hours(13));
    assert_eq!((outcome(2).await, source.count()), ("genuine", 4));
    assert_eq!(outcome(3).await, "keys_unavailable");
    clock.advance(Duration::from_hours(11));
    assert_eq!(outcome(2).await, "keys_unavailable");
    source.set(Some(AdmobSigner::new(2).keys()));
    clock.advance(Duration::from_mins(1));
    assert_eq!(outcome(2).await, "genuine");
    // Strangers who sign nothing cause no fetch.
    let before = source.count();
    clock.advance(Duration::from_hours(48));
    endpoint.prepare(&Request::get("/callbacks/admob?x=1")).await;
    assert_eq!(source.count(), before);
}

#[tokio::test]
async fn waiting_requests_share_one_fetch() {
    let source = Counted::default();
    source.set(Some(AdmobSigner::new(1).keys()));
    let endpoint = admob::app("game", source.clone()).ad_units(["1"]).build().unwrap();
    let target = signed(REWARD);
    let tasks: Vec<_> = (0..32)
        .map(|_| {
            let (endpoint, target) = (endpoint.clone(), target.clone());
            tokio::spawn(async move {
                let request = Request::get(&target);
                endpoint.prepare(&request).await;
                endpoint.verify(&request).is_ok()
            })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap());
    }
    assert_eq!(source.count(), 1);
}

#[test]
fn a_plus_is_a_plus() {
    // The query is not form-encoded: it is signed with the '+'.
    let target = signed("ad_unit=1&custom_data=x+y&reward_amount=5&transaction_id=t+1&user_id=p%201%2B+");
    let callback = own(PlayerIn::UserId).verify(&Request::get(&target)).unwrap();
    assert_eq!((callback.player.as_str(), callback.transaction.as_str()), ("p 1++", "t+1"));
    assert_eq!(callback.custom_data.as_deref(), Some("x+y"));
}

#[test]
fn what_decides_nothing_costs_no_reward() {
    let user_id = || own(PlayerIn::UserId);
    for (endpoint, query, is_usable) in [
        (user_id(), format!("custom_data=%FF&{REWARD}"), true),
        (user_id(), format!("ad_network=%FF&{REWARD}&custom_data=a%FF"), true),
        (user_id(), format!("ad_network=1&ad_network=2&{REWARD}"), false),
        (user_id(), format!("{REWARD}&user_id=p2"), false),
        (user_id(), format!("{REWARD}&reward_amount=6"), false),
        (user_id(), format!("{REWARD}&transaction_id=t2"), false),
        (user_id(), REWARD.replace("user_id=p1", "user_id=%FF"), false),
        (own(PlayerIn::CustomData), format!("custom_data=p2&{}", REWARD.replace("=p1", "=%FF")), true),
        (own(PlayerIn::CustomData), format!("custom_data=p2&custom_data=p3&{REWARD}"), false),
    ] {
        let target = signed(&query);
        let result = endpoint.verify(&Request::get(&target));
        match result {
            Ok(callback) => {
                assert!(is_usable, "{query}");
                assert!(callback.ad_network.is_none() && callback.amount == Some(decimal("5")));
            }
            // What no version could read is not kept.
            Err(error) => {
                let is_repeated = error.as_str() == "ambiguous_text";
                assert!(!is_usable && error.is_genuine() != is_repeated, "{query}: {error}");
            }
        }
    }
}

#[cfg(feature = "admob-fetch")]
mod https {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::{AdmobSigner, REWARD};
    use postback::network::admob::{self, HttpsKeys, KeySource};
    use postback::{Endpoint as _, Request};
    use postback_test_servers::Running;

    const SERVER: &str = r#"
import http.server, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status, body = {"/keys": (200, sys.argv[3]), "/broken": (200, "{"), "/large": (200, "x" * 1_000_000)}.get(self.path, (302, ""))
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/keys")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())
    def log_message(self, *arguments):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

    struct Server {
        _child: Running,
        port: u16,
    }

    impl Server {
        fn start(keys: &str) -> Option<Self> {
            let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/https");
            let mut command = Command::new("python3");
            command
                .args(["-c", SERVER, &format!("{data}/server.pem"), &format!("{data}/server.key"), keys])
                .stdout(Stdio::piped());
            let mut child = Running(command.spawn().ok()?);
            let mut line = String::new();
            BufReader::new(child.stdout.take()?).read_line(&mut line).ok()?;
            let port = line.trim().parse().ok()?;
            Some(Self { _child: child, port })
        }
    }

    #[tokio::test]
    async fn keys_are_fetched_over_https_only() {
        let google = AdmobSigner::new(1);
        let Some(server) = Server::start(&google.json()) else {
            return;
        };
        let root = include_bytes!("../../data/https/root.pem");
        let at = |scheme: &str, path: &str| HttpsKeys::at(format!("{scheme}://localhost:{}{path}", server.port));
        let source = at("https", "/keys").with_roots(root).unwrap();
        assert_eq!(source.fetch().await.unwrap().ids().collect::<Vec<_>>(), [1]);
        let endpoint = admob::app("game", source).ad_units(["1"]).build().unwrap();
        let target = format!("/callbacks/admob?{}", google.sign(REWARD));
        let request = Request::get(&target);
        assert_eq!(endpoint.verify(&request).unwrap_err().as_str(), "keys_unavailable");
        endpoint.prepare(&request).await;
        assert!(endpoint.verify(&request).is_ok());
        // Another certificate authority, no encryption, redirects, and lists that are none.
        assert!(at("https", "/keys").fetch().await.is_err());
        assert!(at("http", "/keys").with_roots(root).unwrap().fetch().await.is_err());
        for path in ["/redirect", "/broken", "/large"] {
            assert!(at("https", path).with_roots(root).unwrap().fetch().await.is_err(), "{path}");
        }
        assert!(HttpsKeys::google().with_roots(b"nothing").is_err());
    }
}
