//! Published and derived test vectors.

use serde_json::Value;

use super::decimal;
use postback::network::{Description, preset};
use postback::{Endpoint as _, Request};

pub(crate) fn vector(id: &str) -> Value {
    let text = include_str!("../../data/networks-vectors.json");
    let all: Vec<Value> = serde_json::from_str(text).unwrap();
    all.into_iter().find(|vector| vector["id"] == id).unwrap()
}

fn text<'v>(vector: &'v Value, key: &str) -> &'v str {
    vector[key].as_str().unwrap_or_else(|| panic!("{key}"))
}

/// The vector's target is genuine, and no other one that differs in one covered byte is.
fn check(endpoint: &postback::network::DescribedEndpoint, target: &str, signed: &[&str]) {
    let result = endpoint.verify(&Request::get(target));
    assert!(result.is_ok(), "{target}: {result:?}");
    for part in signed {
        let at = target.find(part).unwrap();
        for offset in 0..part.len() {
            let mut bytes = target.as_bytes().to_vec();
            let byte = &mut bytes[at + offset];
            *byte = if *byte == b'7' { b'8' } else { b'7' };
            let forged = String::from_utf8(bytes).unwrap();
            let is_genuine = match endpoint.verify(&Request::get(&forged)) {
                Ok(_) => true,
                Err(error) => error.is_genuine(),
            };
            assert!(!is_genuine, "{forged}");
        }
    }
}

#[test]
fn unityads_vector_is_genuine_and_no_edit_of_it() {
    let vector = vector("unityads-1");
    let url = "https://developer.example.com/award.php?productid=1234&amount=5";
    let with_amount = preset("unityads").unwrap().app("game").secret(text(&vector, "key")).unwrap();
    let endpoint = with_amount.url(url).build().unwrap();
    // The vendor's sample pays through a product, so its URL has no amount.
    let (_, target) = text(&vector, "url").split_once("example.com").unwrap();
    let error = endpoint.verify(&Request::get(target)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "genuine callback cannot be used: missing parameter \"amount\": compare the configured URL with the one in the network's dashboard"
    );
    let product = with_description_amount(&vector);
    check(&product, target, &["productid=1234&sid=1234567890&oid=0987654321", "106ed4300f91145aff6378a355fced73"]);
}

/// The same network where the product's number stands for the amount.
fn with_description_amount(vector: &Value) -> postback::network::DescribedEndpoint {
    let builder = preset("unityads").unwrap().app("game").secret(text(vector, "key")).unwrap();
    let url = "https://developer.example.com/award.php?productid=1234";
    let builder = builder.url(url).parameter(postback::network::Role::Amount, "productid");
    builder.build().unwrap()
}

#[test]
fn levelplay_vector_is_genuine_and_no_edit_of_it() {
    let vector = vector("levelplay-1");
    let url = "https://game.example/cb?userId=[USER_ID]&rewards=[REWARDS]&eventId=[EVENT_ID]&secret=long-random-text";
    let endpoint =
        preset("levelplay").unwrap().app("game").secret(text(&vector, "key")).unwrap().url(url).build().unwrap();
    let target = format!(
        "/cb?userId=appUserId&rewards=10&eventId=eventId&secret=long-random-text&timestamp=202004110724&signature={}",
        text(&vector, "sig")
    );
    check(&endpoint, &target, &["appUserId", "10&", "=eventId", "202004110724", text(&vector, "sig")]);
}

#[test]
fn lootably_vector_is_genuine_and_no_edit_of_it() {
    let vector = vector("lootably-1");
    let builder = preset("lootably").unwrap().app("game").secret(text(&vector, "secret")).unwrap();
    let url = builder.dashboard_url("https://game.example").unwrap();
    let (_, secret) = url.rsplit_once('=').unwrap();
    let endpoint = builder.build().unwrap();
    let target = format!(
        "/callbacks/lootably?userID=some%20userID&transactionID=t1&ip=some+ip&revenue=0.01&currencyReward=1&status=1&\
         hash={}&secret={secret}",
        text(&vector, "hash")
    );
    check(
        &endpoint,
        &target,
        &["userID=some", "ip=some", "revenue=0.01", "currencyReward=1", text(&vector, "hash"), secret],
    );
}

#[test]
fn adgem_example_is_genuine_as_encoded_by_the_vendor() {
    let vector = vector("adgem-v2-example");
    let endpoint = adgem();
    let query = text(&vector, "query");
    let target = format!("/cb/adgem?{query}&verifier={}", text(&vector, "verifier"));
    let callback = endpoint.verify(&Request::get(&target)).unwrap();
    assert_eq!((callback.amount, callback.event.usd), (Some(decimal("150")), Some(decimal("1.5"))));
    check(&endpoint, &target, &[query, text(&vector, "verifier")]);
    // What two of the vendor's four own samples do to it.
    let again = target.replace("%20", "+");
    assert!(endpoint.verify(&Request::get(&again)).is_err());
}

pub(crate) fn adgem() -> postback::network::DescribedEndpoint {
    let url = "https://game.example/cb/adgem?amount={amount}&goal_id={goal_id}&payout={payout}&player_id={player_id}&transaction_id={transaction_id}";
    preset("adgem").unwrap().app("game").secret("secret").unwrap().url(url).build().unwrap()
}

pub(crate) fn notik() -> postback::network::DescribedEndpoint {
    let url = "https://game.example/cb/notik?user_id={user_id}&amount={amount}&payout={payout}&offer_name={offer_name}&txn_id={txn_id}&event_id={event_id}";
    preset("notik").unwrap().app("game").secret("secret").unwrap().url(url).build().unwrap()
}

#[test]
fn notik_pair_is_genuine_and_no_edit_of_it() {
    let vector = vector("notik-pair");
    for name in ["reward", "chargeback"] {
        let (query, hash) = (text(&vector, name), text(&vector, &format!("{name}_hash")));
        check(&notik(), &format!("/cb/notik?{query}&hash={hash}"), &[query, hash]);
    }
}

#[test]
fn derived_digests_are_genuine() {
    for (name, query) in [
        ("kiwiwall", "sub_id=user-1&amount=500&trans_id=t&status=1&signature=6e5b779bec2ab087c1cb2f23c22d9b63"),
        (
            "timewall",
            "userID=user-1&transactionID=t&revenue=1.25&currencyAmount=9&type=credit&hash=05e5be50c197716be19cc55d5d218fc3eb126feb8f3bb7037aa978dd0f58f87c",
        ),
    ] {
        let builder = preset(name).unwrap().app("game").secret("secret").unwrap();
        let url = builder.dashboard_url("https://game.example").unwrap();
        let (_, url_secret) = url.rsplit_once('=').unwrap();
        let endpoint = builder.build().unwrap();
        let target = format!("/cb?{query}&secret={url_secret}");
        let result = endpoint.verify(&Request::get(&target));
        assert!(result.is_ok(), "{name}: {result:?}");
    }
    let wannads = preset("bitcotasks").unwrap().app("game").secret("secret").unwrap();
    let endpoint = wannads.url("https://game.example/cb?secret=long-random-text").build().unwrap();
    let headers = vec![("content-type", "application/x-www-form-urlencoded")];
    let body = "subId=user-1&transId=tx-1&reward=50&status=1&signature=e409b3d5b16583ad42f0c24eebaaa381";
    let request = Request::new("POST", "/cb?secret=long-random-text").with_headers(&headers).with_body(body.as_bytes());
    assert!(endpoint.verify(&request).is_ok());
}

#[test]
fn adgem_v3_body_is_genuine_and_no_edit_of_it() {
    let network = preset("adgem-v3").unwrap().app("game").secret("secret").unwrap().build().unwrap();
    let body = br#"{"request_id":"r","timestamp":1,"data":{"player_id":"p","amount":150}}"#;
    let signature = "7053182554a908afc1050d9894aa79728c06fe1ec860bfab25220f7704825b16";
    let headers = vec![("signature", signature), ("content-type", "application/json")];
    let verify = |body: &[u8]| network.verify(&Request::new("POST", "/cb").with_headers(&headers).with_body(body));
    // The vendor's sample has no conversion.
    let error = verify(body).unwrap_err();
    assert!(error.is_genuine(), "{error}");
    for at in 0..body.len() {
        let mut edited = body.to_vec();
        edited[at] ^= 1;
        assert!(!verify(&edited).unwrap_err().is_genuine());
    }
}

/// A URL that is signed at its end, in every spelling of a signature.
#[test]
fn every_spelling_of_a_url_signature_is_its_own() {
    let dialects = [
        ("verifier", "hmac-sha256", "hex", "44b737960f881e2f1ac290522ec916fd6cefb7e715f577b6ac16c345c10023b1"),
        ("hash", "hmac-sha1", "base64url", "S7-cNKKdhKXOIHzQMmG_1EQNjz8"),
        ("sig", "hmac-sha256", "base64", "RLc3lg+IHi8awpBSLskW/Wzvt+cV9Xe2rBbDRcEAI7E="),
        ("sig", "hmac-sha1", "base64-escaped", "S7%2BcNKKdhKXOIHzQMmG%2F1EQNjz8%3D"),
        ("s", "hmac-sha1", "hex", "4bbf9c34a29d84a5ce207cd03261bfd4440d8f3f"),
    ];
    let endpoint = |parameter: &str, hash: &str, encoding: &str| {
        let toml = super::cases::acme(&format!(
            "kind = \"url-mac\"\nhash = \"{hash}\"\nencoding = \"{encoding}\"\nin = \"signature\"\n"
        ))
        .replace("signature = ", &format!("{parameter} = "))
        .replace("in = \"signature\"", &format!("in = \"{parameter}\""));
        let url = "https://game.example/callbacks/acme?user={user}&tx={tx}&coins={coins}&state={state}&ref={ref}";
        Description::from_toml(&toml).unwrap().app("game").secret("the secret").unwrap().url(url).build().unwrap()
    };
    for (parameter, hash, encoding, signature) in dialects {
        let target = format!("/callbacks/acme?user=p1&tx=t1&coins=500&state=approved&{parameter}={signature}");
        for (_, other_hash, other, _) in dialects {
            let result = endpoint(parameter, other_hash, other).verify(&Request::get(&target));
            assert_eq!(result.is_ok(), (other_hash, other) == (hash, encoding), "{other_hash} {other}");
        }
    }
}
