//! Cases from the field, each with its right outcome, and the rules of networks that sign the end of their URL.

use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

use super::vectors::{adgem, notik};
use super::{Game, Network, SECRET, decimal, effect, event, unusable};
use postback::network::{ConfigError, DescribedEndpoint, Description, Role, Senders, Shape, preset};
use postback::verify::{MAX_PAID_QUERY_BYTES, Problem};
use postback::{
    Action, Decimal, Effect, Endpoint as _, IgnoreReason, NothingReason, Receipt, ReceiveError, Request, VerifyError,
};

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

fn sha1_mac(url: &str) -> Vec<u8> {
    Hmac::<Sha1>::new_from_slice(b"secret").unwrap().chain_update(url).finalize().into_bytes().to_vec()
}

/// A target at Notik's endpoint with these parameters.
fn notik_target(query: &str) -> String {
    let mac = sha1_mac(&format!("https://game.example/cb/notik?{query}"));
    format!("/cb/notik?{query}&hash={}", hex(&mac))
}

async fn receive(game: &Game, endpoint: &DescribedEndpoint, target: &str) -> Receipt {
    game.send(endpoint, &Request::get(target)).await.unwrap_or_else(|error| panic!("{target}: {error}"))
}

async fn balance_of(game: &Game, player: &str) -> Decimal {
    game.store.balance(&player.parse().unwrap()).await
}

#[tokio::test]
async fn c1_sign_decides_and_a_chargeback_takes_back_the_original() {
    let (game, endpoint) = (Game::new(), notik());
    let reward = "/cb/notik?user_id=u1&amount=500&payout=0.50&offer_name=Lords+Mobile+%26+More&txn_id=t1&conversion_ip=0.0.0.0&event_id=&hash=076a8df8d916750673117119d2e6b6482c743f26";
    let chargeback = "/cb/notik?user_id=u1&amount=-500&payout=-0.50&offer_name=Lords+Mobile&txn_id=t2&conversion_ip=0.0.0.0&rewarded_txn_id=t1&event_id=&hash=bee72050b1fcfc8d63b2d3e28af34210e73ead04";
    receive(&game, &endpoint, reward).await;
    assert_eq!(balance_of(&game, "u1").await, decimal("500"));
    receive(&game, &endpoint, chargeback).await;
    assert_eq!(balance_of(&game, "u1").await, decimal("0"));
    assert_eq!(receive(&game, &endpoint, chargeback).await, Receipt::Duplicate);
    // At another rate, and without the reference.
    let cheaper = notik_target("user_id=u1&amount=-300&payout=-0.50&txn_id=t4&rewarded_txn_id=t3");
    receive(&game, &endpoint, &notik_target("user_id=u1&amount=500&payout=0.50&txn_id=t3")).await;
    receive(&game, &endpoint, &cheaper).await;
    assert_eq!(balance_of(&game, "u1").await, decimal("0"));
}

#[tokio::test]
async fn c2_and_c3_flags_of_theoremreach() {
    let url = "https://game.example/cb/tr";
    let builder = preset("theoremreach").unwrap().app("game").secret("secret").unwrap();
    let endpoint = builder.url(url).build().unwrap();
    let game = Game::new();
    let base = "/cb/tr?user_id=5&app_id=1&reward=45&status=1&currency=0.5&screenout=2&profiler=2&tx_id=66144ca7-e6bd-4d67-95c7-00000000000";
    let test = format!("{base}1&debug=true&hash=H-8Pg67rCy9AFJqwhZptji5ClHc");
    assert_eq!(receive(&game, &endpoint, &test).await, Receipt::Test);
    assert_eq!(balance_of(&game, "5").await, decimal("0"));
    // Without a reversal parameter it is an ordinary reward.
    let reward = format!("{base}2&hash=b_4RMPo9HOrM-dO_iUlmj8Ihnjs");
    receive(&game, &endpoint, &reward).await;
    assert_eq!(balance_of(&game, "5").await, decimal("45"));
}

#[tokio::test]
async fn c4_unreplaced_macro_is_kept_and_not_paid() {
    let (game, endpoint) = (Game::new(), notik());
    let target = "/cb/notik?user_id=u1&amount=100&payout=1&offer_name=x&txn_id={txn_id}&event_id=";
    let query = target.split_once('?').unwrap().1;
    let target = notik_target(query);
    for _ in 0..2 {
        let error = game.send(&endpoint, &Request::get(&target)).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "genuine callback cannot be used: the macro in parameter \"txn_id\" was not replaced: correct its spelling in the network's dashboard"
        );
    }
    assert_eq!(balance_of(&game, "u1").await, decimal("0"));
    // A macro of another network, copied into the dashboard and here alike, is rejected at startup.
    let url = "https://game.example/cb?user_id={user_id}&amount={amount}&txn_id={transaction_id}";
    let builder = preset("notik").unwrap().app("game").secret("s").unwrap();
    let error = builder.url(url).build().unwrap_err();
    assert_eq!(error.to_string(), "no parameter for the transaction in the callback URL: add &txn_id={txn_id}");
}

#[tokio::test]
async fn c5_install_notices_pay_nothing_and_are_acknowledged() {
    let (game, endpoint) = (Game::new(), adgem());
    let rest = "&goal_id=1&payout=0&player_id=abc-123&transaction_id=c";
    for target in [
        format!(
            "/cb/adgem?amount={rest}2&request_id=r2&nonpayable_install_goal=true&verifier=4f05b22985b06e6d7acc5e26abcd585ee5ec74fc0073a1e32893b3c3dc038d2e"
        ),
        format!(
            "/cb/adgem?amount=null{rest}3&request_id=r3&verifier=48450f148e158c9bb4570e7d0b46e2dc86faf71c6298983fd41dc4bfad478a77"
        ),
        // The flag may come after the signature, which covers it there, too.
        adgem_target(
            "amount=&goal_id=1&payout=0&player_id=abc-123&transaction_id=c4&request_id=r4",
            "nonpayable_install_goal=true",
        ),
    ] {
        let Receipt::Settled(decision) = receive(&game, &endpoint, &target).await else { panic!() };
        assert!(matches!(decision.action(), Action::Nothing { reason: NothingReason::NotAReward }), "{decision:?}");
    }
    assert_eq!(balance_of(&game, "abc-123").await, decimal("0"));
    let moved = adgem_target("amount=&goal_id=1&payout=0&player_id=a&transaction_id=c5", "x=1").replace("x=1", "x=2");
    assert!(endpoint.verify(&Request::get(&moved)).is_err());
}

fn adgem_target(before: &str, after: &str) -> String {
    let url = format!("https://game.example/cb/adgem?{before}&{after}");
    let mac = Hmac::<Sha256>::new_from_slice(b"secret").unwrap().chain_update(url).finalize().into_bytes();
    format!("/cb/adgem?{before}&verifier={}&{after}", hex(&mac))
}

#[tokio::test]
async fn c6_undecodable_decoration_costs_nothing() {
    let (game, endpoint) = (Game::new(), notik());
    for (name, hash) in [
        ("50%%20off&txn_id=t7", "433e29b587e27639ba7e3326c212baef60b7084a"),
        ("Caf%E9&txn_id=t8", "e72b86925aedf210366a5db68ad5318c7b1a9f32"),
    ] {
        let target = format!("/cb/notik?user_id=u1&amount=100&payout=1&offer_name={name}&event_id=&hash={hash}");
        let callback = endpoint.verify(&Request::get(&target)).unwrap();
        assert!(callback.event.query.contains(name.split('&').next().unwrap()));
        receive(&game, &endpoint, &target).await;
    }
    // Revenue is informational.
    for payout in ["null", "", "$1", "1,5", "%FF", "{payout}", "1e-7"] {
        let target = notik_target(
            &format!("user_id=u1&amount=100&payout={payout}&txn_id=p{payout}").replace("txn_id=p%FF", "txn_id=pff"),
        );
        receive(&game, &endpoint, &target).await;
    }
    assert_eq!(balance_of(&game, "u1").await, decimal("900"));
}

#[tokio::test]
async fn c10_reversals_without_a_reference_take_back_nothing() {
    let (game, endpoint) = (Game::new(), notik());
    receive(&game, &endpoint, &notik_target("user_id=u1&amount=500&payout=1&txn_id=t1")).await;
    for (tx, reference) in [("t2", ""), ("t3", "0"), ("t4", "null"), ("t5", "NULL"), ("t6", "t6")] {
        let target = notik_target(&format!("user_id=u1&amount=-500&payout=-1&txn_id={tx}&rewarded_txn_id={reference}"));
        let Receipt::Settled(decision) = receive(&game, &endpoint, &target).await else { panic!() };
        assert!(
            matches!(decision.action(), Action::Nothing { reason: NothingReason::Unlinked }),
            "{reference} {decision:?}"
        );
        assert!(decision.conversion().as_str().ends_with(tx));
    }
    assert_eq!(balance_of(&game, "u1").await, decimal("500"));
}

#[tokio::test]
async fn c13_each_goal_of_one_transaction_pays_once() {
    let network = Network::preset("adgem");
    let game = Game::new();
    let goal = |goal: &str, amount: &str| network.draft("t1").role(Role::Goal, goal).amount(amount).sign();
    for sent in [goal("1", "100"), goal("2", "300"), goal("2", "300"), goal("1", "100")] {
        game.settle(&network, &sent).await;
    }
    assert_eq!(game.balance().await, decimal("400"));
    // The goal is in the configured URL, so a callback without it was sent by another URL.
    let without = network.draft("t2").without("goal_id").sign();
    assert_eq!(
        unusable(network.verify(&without)).problem.to_string(),
        "missing parameter \"goal_id\": compare the configured URL with the one in the network's dashboard"
    );
    for none in ["", "null"] {
        let callback = network.verify(&network.draft("t2").role(Role::Goal, none).sign()).unwrap();
        assert_eq!(callback.goal, None);
    }
    // ayeT's tasks are transactions of their own, and so are their chargebacks.
    let url = preset("ayet").unwrap().dashboard_url("https://game.example") + "&task={task_uuid}";
    let ayet = Network::with(preset("ayet").unwrap(), |builder| builder.url(url));
    let game = Game::new();
    let task = |task: &str, amount: &str| ayet.draft("t1").role(Role::Goal, task).amount(amount).sign();
    game.settle(&ayet, &task("a", "100")).await;
    game.settle(&ayet, &task("b", "300")).await;
    assert_eq!(game.balance().await, decimal("400"));
    game.settle(&ayet, &ayet.reversal("t1").role(Role::Goal, "a").sign()).await;
    assert_eq!(game.balance().await, decimal("300"));
}

#[tokio::test]
async fn c14_one_payment_under_two_ids_is_keyed_by_the_payment() {
    // Two postbacks for one payment, each with an id of its own: the payment is the transaction.
    let toml = acme("kind = \"secret\"\nin = \"secret\"\n").replace("[static]", "[static]\nsecret = \"s\"");
    let url = format!(
        "https://game.example/cb?id={{tx}}&payment={{ref}}&user={{user}}&coins={{coins}}&state={{state}}&secret={SECRET}"
    );
    let by_payment = Description::from_toml(&toml).unwrap().app("game").secret(SECRET).unwrap().url(&url);
    let endpoint = by_payment.parameter(Role::Transaction, "payment").parameter(Role::Original, "id").build().unwrap();
    let game = Game::new();
    for id in ["pb1", "pb2"] {
        let target = format!("/cb?id={id}&payment=7&user=p1&coins=50&state=approved&secret={SECRET}");
        receive(&game, &endpoint, &target).await;
    }
    assert_eq!(game.balance().await, decimal("50"));
}

#[test]
fn c15_addresses_are_reported_and_rejected_only_if_enforced() {
    let listed = ["188.40.3.73", "157.90.97.92"];
    let network = |senders: Senders| Network::with(preset("cpx").unwrap(), |builder| builder.senders(senders));
    let reported = network(Senders::new(listed).unwrap());
    let enforced = network(Senders::new(listed).unwrap().enforce());
    for (peer, is_listed) in [("44.204.183.114", false), ("::ffff:188.40.3.73", true), ("157.90.97.92", true)] {
        let sent = reported.draft("t1").sign();
        let request = sent.request().with_peer(peer.parse().unwrap());
        assert!(reported.endpoint.verify(&request).is_ok());
        let result = enforced.endpoint.verify(&request);
        assert_eq!(result.is_ok(), is_listed, "{peer}");
        if let Err(error) = result {
            assert_eq!(error.as_str(), "address");
            assert_eq!(enforced.endpoint.check_head(&request).unwrap_err().as_str(), "address");
        }
    }
    // Every preset's own list can be used as it is.
    for name in postback::network::presets() {
        assert!(Senders::new(preset(name).unwrap().addresses()).is_ok(), "{name}");
    }
}

#[test]
fn c16_only_an_unsigned_probe_is_a_probe() {
    let closed = Network::preset("cpx");
    let open = Network::with(preset("cpx").unwrap(), |builder| builder.accept_probe(true));
    for method in ["HEAD", "GET"] {
        let probe = Request::new(method, "/callbacks/cpx");
        assert_eq!(open.endpoint.verify(&probe).unwrap_err().as_str(), "empty");
        let expected = if method == "HEAD" { "method" } else { "empty" };
        assert_eq!(closed.endpoint.verify(&probe).unwrap_err().as_str(), expected);
    }
    assert!(open.endpoint.responses().accept_probe && !closed.endpoint.responses().accept_probe);
    let sent = open.draft("t1").sign();
    let head = Request::new("HEAD", sent.target());
    assert_eq!(open.endpoint.verify(&head).unwrap_err().as_str(), "method");
}

// Signatures without separators.

#[test]
fn shifted_boundaries_are_not_exploitable() {
    // `user1` and `0` are signed like `user` and `10`.
    let levelplay = |choose: fn(postback::network::DescribedBuilder) -> postback::network::DescribedBuilder| {
        let url = "https://game.example/cb?userId=[USER_ID]&rewards=[REWARDS]&eventId=[EVENT_ID]";
        choose(preset("levelplay").unwrap().app("game").secret(SECRET).unwrap().url(url))
    };
    // Without a static secret or shapes it is rejected at startup, with what to do.
    let error = levelplay(|builder| builder).build().unwrap_err();
    assert!(
        matches!(&error, ConfigError::AmbiguousSignature { fields, .. } if fields.contains("USER_ID, REWARDS")),
        "{error}"
    );
    assert!(error.to_string().contains("&secret="));
    let one_is_not_enough = levelplay(|builder| builder.shape(Role::Player, Shape::Length(5)));
    assert!(one_is_not_enough.build().is_err());

    // With shapes, the boundaries are known.
    let shaped =
        levelplay(|builder| builder.shape(Role::Player, Shape::Length(5)).shape(Role::Transaction, Shape::Hex(4)))
            .build()
            .unwrap();
    let target = |event: &str, user: &str, rewards: &str| {
        let network = Network::preset("levelplay");
        let sent = network.signer().callback().set("timestamp", "202011281200");
        let sent = sent.player(user).transaction(event).amount(rewards).sign();
        let signature = sent.target().rsplit_once('=').unwrap().1.to_owned();
        format!("/cb?userId={user}&rewards={rewards}&eventId={event}&timestamp=202011281200&signature={signature}")
    };
    let genuine = target("00ab", "user1", "0");
    assert!(shaped.verify(&Request::get(&genuine)).is_ok());
    for forged in [target("00ab", "user", "10"), target("00a", "buser", "10"), target("00abu", "ser1x", "0")] {
        // The forger has the signature of the same text.
        let problem = unusable(shaped.verify(&Request::get(&forged))).problem.to_string();
        assert!(problem.contains("does not have the declared shape"), "{forged}: {problem}");
    }

    // With a static secret only the network can send anything.
    let secret = Network::preset("levelplay");
    let sent = secret.draft("e1").player("user1").amount("0").sign();
    let stolen = sent.target().replace("userId=user1&rewards=0", "userId=user&rewards=10");
    assert!(secret.verify(&sent.clone().with_target(&stolen)).is_ok());
    let without = stolen.split("&secret=").next().unwrap().to_owned();
    assert!(secret.verify(&sent.with_target(without)).is_err());

    // Every other preset whose signature runs fields together is rejected without a static secret, too.
    for (name, parameter) in [("wannads", ""), ("bitcotasks", ""), ("fyber", ""), ("inbrain", "")] {
        let builder = preset(name).unwrap().app("game").secret(SECRET).unwrap();
        let bare = builder.clone().url(format!("https://game.example/cb{parameter}"));
        assert!(matches!(bare.build(), Err(ConfigError::AmbiguousSignature { .. })), "{name}");
        assert!(builder.url("https://game.example/cb?secret=long-random-text").build().is_ok(), "{name}");
    }
}

#[test]
fn separators_in_ids_are_not_exploitable() {
    let network = Network::preset("tapjoy");
    for (id, player) in [("a:b", "c"), ("a", "b:c")] {
        let problem = unusable(network.verify(&network.draft(id).player(player).sign())).problem.to_string();
        assert!(problem.contains("contains the separator"), "{problem}");
    }
    // Unity signs `oid=1,sid=u`: an id with a comma could contain the rest.
    let unity = Network::preset("unityads");
    let sent = unity.draft("1").player("u").sign();
    let signature = sent.target().rsplit_once("hmac=").unwrap().1.to_owned();
    let stolen = format!("/callbacks/unityads?oid=1%2Csid%3Du&amount=1&hmac={signature}");
    assert!(unity.verify(&sent.clone().with_target(stolen)).is_err());
    assert!(unity.verify(&unity.draft("1,2").sign()).is_err());
    // Pollfish signs values alone, joined by colons.
    let pollfish = Network::preset("pollfish");
    assert!(pollfish.verify(&pollfish.draft("1").player("p:1").sign()).is_err());
    assert!(pollfish.verify(&pollfish.draft("1").player("p-1").sign()).is_ok());
}

#[test]
fn a_signed_secret_prefix_cannot_be_extended() {
    // A digest whose text begins with the secret can be continued without knowing it. The continuation contains bytes
    // that are no text, and is not read.
    let network = Network::preset("fyber");
    let sent = network.draft("t1").sign();
    let padded = format!("{}&pub0=%80%00%00%00%00%00%00%01x", sent.target());
    assert!(network.verify(&sent.with_target(padded)).is_err());
}

#[test]
fn what_is_not_signed_cannot_add_a_field() {
    // AdGem signs the body: its URL may be anything.
    let network = Network::preset("adgem-v3");
    let sent = network.draft("t1").without("data.goal_id").sign();
    let genuine = network.verify(&sent).unwrap();
    assert_eq!(genuine.goal, None);
    for query in ["data.goal_id=2", "data.conversion_id=t2", "event=player.banned", "data.conversion_type=install"] {
        let forged = sent.clone().with_target(format!("{}?{query}", sent.target()));
        assert_eq!(network.verify(&forged).unwrap(), genuine, "{query}");
    }
    let typed = Network::with(preset("adgem-v3").unwrap(), |builder| {
        builder.url("https://g.example/cb?from=adgem&secret=long-random-text")
    });
    let sent = typed.draft("t1").sign();
    assert!(!typed.verify(&sent).unwrap().event.query.contains("secret"));
    for (from, to) in
        [("secret=long", "secret=x"), ("from=adgem", "from=x"), ("?from=adgem&secret=long-random-text", "")]
    {
        let forged = sent.clone().with_target(sent.target().replace(from, to));
        assert!(typed.verify(&forged).is_err(), "{to}");
    }
    // To PHP, `a.b` and `a_b` are one name. Only one of two such parameters would be signed.
    let ayet = Network::preset("ayet");
    let sent = ayet.draft("t1").sign();
    for name in ["transaction.id", "transaction%20id", "transaction+id"] {
        let forged = sent.target().replace("transaction_id=t1", &format!("transaction_id=t2&{name}=t1"));
        let result = ayet.verify(&sent.clone().with_target(forged));
        assert!(matches!(result, Err(VerifyError::NotGenuine(_))), "{name}: {result:?}");
    }
    let repeated = sent.target().replace("transaction_id=t1", "transaction_id=t2&transaction_id=t1");
    unusable(ayet.verify(&sent.with_target(repeated)));
}

#[test]
fn a_secret_in_a_signed_url_is_not_kept() {
    let url = "https://game.example/cb?user_id={user_id}&txn_id={txn_id}&amount={amount}&secret=long-random-text";
    let network = Network::with(preset("notik").unwrap(), |builder| builder.url(url));
    let callback = network.verify(&network.draft("t1").sign()).unwrap();
    assert_eq!(callback.event.query, "user_id=p1&txn_id=t1&amount=500");
}

// A fictional network that signs the end of its URL.

/// Its description, with this authentication.
pub(crate) fn acme(authentication: &str) -> String {
    format!(
        r#"
name = "acme"
[request]
macro = "{{NAME}}"
[macros]
user  = "the player"
tx    = "the transaction"
coins = "the reward"
usd   = "the revenue"
ref   = "the transaction that is taken back"
state = "approved, waiting or chargeback"
[parameters]
signature = "the signature"
[static]
[fields]
player      = "user"
transaction = "tx"
amount      = "coins"
usd         = "usd"
original    = "ref"
status      = "state"
[authentication]
{authentication}
[meaning]
status = {{ approved = "completed", waiting = "pending", chargeback = "reversed" }}
[reversal]
original   = "field"
takes_back = "stated"
"#
    )
    .replace(
        "[request]\nmacro = \"{NAME}\"",
        "[request]\nmacro = \"{NAME}\"\nurl = \"?user={user}&tx={tx}&coins={coins}&usd={usd}&ref={ref}&state={state}\"",
    )
}

const ACME_URL: &str =
    "https://game.example/callbacks/acme?user={user}&tx={tx}&coins={coins}&usd={usd}&ref={ref}&state={state}&from=acme";

fn trailing() -> Network {
    let toml = acme("kind = \"url-mac\"\nhash = \"hmac-sha256\"\nin = \"signature\"\n");
    Network::with(Description::from_toml(&toml).unwrap(), |builder| builder.url(ACME_URL))
}

/// A target with these parameters, signed.
fn acme_target(query: &str) -> String {
    let url = format!("https://game.example/callbacks/acme?{query}");
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(url).finalize().into_bytes();
    format!("/callbacks/acme?{query}&signature={}", hex(&mac))
}

fn acme_call(query: &str) -> String {
    acme_target(&format!("{query}&from=acme"))
}

#[tokio::test]
async fn completed_pays_once_and_unknown_words_move_nothing() {
    let (game, network) = (Game::new(), trailing());
    for query in [
        "user=p1&tx=t1&coins=500&usd=1&ref=&state=waiting",
        "user=p1&tx=t1&coins=500&usd=1&ref=&state=approved",
        "user=p1&tx=t1&coins=500&usd=1&ref=&state=APPROVED",
        "user=p1&tx=t2&coins=100&usd=1&ref=&state=on_hold",
        "user=p1&tx=t3&coins=100&usd=1&ref=&state=",
    ] {
        receive(&game, &network.endpoint, &acme_call(query)).await;
    }
    assert_eq!(game.balance().await, decimal("500"));
    for (word, reason) in [("on_hold", IgnoreReason::UnknownState), ("", IgnoreReason::EmptyState)] {
        let target = acme_call(&format!("user=p1&tx=t2&coins=1&usd=&ref=&state={word}"));
        let callback = network.endpoint.verify(&Request::get(&target)).unwrap();
        assert_eq!(effect(&callback), &Effect::Ignored { status: word.to_owned().into(), reason });
    }
}

#[tokio::test]
async fn a_reversal_takes_back_what_it_states_whatever_its_sign() {
    for (coins, left) in [("120", "380"), ("-120", "380"), ("0", "500"), ("9999", "0"), ("", "0")] {
        let own = format!("user=p1&tx=t1&coins={coins}&usd=&ref=&state=chargeback");
        let other = format!("user=p1&tx=t9&coins={coins}&usd=&ref=t1&state=Chargeback");
        for reversal in [own, other] {
            let (game, network) = (Game::new(), trailing());
            for query in ["user=p1&tx=t1&coins=500&usd=&ref=&state=approved", &reversal, &reversal] {
                receive(&game, &network.endpoint, &acme_call(query)).await;
            }
            assert_eq!(game.balance().await, decimal(left), "{reversal}");
        }
    }
    // One that overtakes its reward is remembered.
    let (game, network) = (Game::new(), trailing());
    for query in
        ["user=p1&tx=t9&coins=&usd=&ref=t1&state=chargeback", "user=p1&tx=t1&coins=500&usd=&ref=&state=approved"]
    {
        receive(&game, &network.endpoint, &acme_call(query)).await;
    }
    assert_eq!(game.balance().await, decimal("0"));
}

#[test]
fn a_callback_is_typed_and_its_event_has_no_signature() {
    let network = trailing();
    let target = acme_call("user=p%201&tx=t9&coins=-5.50&usd=0.25&ref=t1&state=chargeback&click=77");
    let callback = network.endpoint.verify(&Request::get(&target)).unwrap();
    assert_eq!(callback.player, "p 1");
    assert_eq!(callback.transaction.as_ref().unwrap(), &"t9");
    assert_eq!(callback.original.as_ref().unwrap(), &"t1");
    assert_eq!((callback.amount, callback.event.usd), (Some(decimal("-5.50")), Some(decimal("0.25"))));
    assert_eq!(callback.status.as_deref(), Some("chargeback"));
    assert_eq!(callback.parameter("click").as_deref(), Some("77"));
    assert_eq!(callback.key.as_ref().unwrap().as_str(), "key-1");
    let by = decimal("-5.50");
    assert_eq!(effect(&callback), &Effect::Adjusted { by, same_transaction: false });
    let event = event(&callback);
    assert_eq!(event.key().to_string(), "acme/game/conversion/t1");
    assert_eq!(event.query, "user=p%201&tx=t9&coins=-5.50&usd=0.25&ref=t1&state=chargeback&click=77&from=acme");
    let json = serde_json::to_value(&*callback).unwrap();
    assert_eq!(json["amount"], "-5.50");
    assert_eq!(json["player"], "p 1");
    let shown = format!("{callback:?}{:?}{json}", network.endpoint);
    let signature = target.rsplit_once('=').unwrap().1;
    assert!(!shown.contains(signature) && !shown.contains(SECRET));
}

#[test]
fn each_bad_field_has_its_own_problem() {
    let network = trailing();
    let good = "user=p1&tx=t1&coins=500&usd=1&ref=&state=approved";
    let problem = |target: &str| unusable(network.endpoint.verify(&Request::get(target))).problem.as_str();
    for (from, to, expected) in [
        ("user=p1&", "", "missing"),
        ("user=p1", "user=", "empty_parameter"),
        ("tx=t1", "tx", "empty_parameter"),
        ("coins=500&", "", "missing"),
        ("coins=500", "coins=", "empty_parameter"),
        ("&state=approved", "", "missing"),
        ("tx=t1", "tx=t1&tx=t2", "repeated"),
        ("tx=t1", "tx=t1&t%78=t2", "repeated"),
        ("tx=t1", "tx=t1&signature=abc", "repeated"),
        ("tx=t1", "tx=%FF", "malformed"),
        ("tx=t1", "tx=a%0Ab", "identifier"),
        ("ref=", "ref=a%0Ab", ""),
        ("approved", "chargeback&ref=x&ref=y", "repeated"),
    ] {
        let target = acme_call(&good.replace(from, to));
        if expected.is_empty() {
            assert!(network.endpoint.verify(&Request::get(&target)).is_ok(), "{to}");
        } else {
            assert_eq!(problem(&target), expected, "{to}");
        }
    }
    for coins in ["NaN", "%2B5", "5.", ".5", "0x5", "5%20", "1000000000000000", "5,0"] {
        assert_eq!(problem(&acme_call(&good.replace("500", coins))), "malformed", "{coins}");
    }
    assert_eq!(problem(&acme_target(good)), "missing");
    assert_eq!(problem(&acme_target(&format!("{good}&from=x"))), "static_mismatch");
    let doubled = acme_target(&format!("{good}&from=x&from=acme"));
    assert!(network.endpoint.verify(&Request::get(&doubled)).is_ok());
    let exponent = acme_call(&good.replace("500", "5.0E-5"));
    assert_eq!(network.endpoint.verify(&Request::get(&exponent)).unwrap().amount, Some(decimal("0.00005")));
    let post = Request::new("POST", "/callbacks/acme?x=1");
    assert_eq!(network.endpoint.verify(&post).unwrap_err().as_str(), "method");
    let fragment = acme_call(good) + "#x";
    assert_eq!(network.endpoint.verify(&Request::get(&fragment)).unwrap_err().as_str(), "fragment");
    let long = acme_call(&format!("{good}&x={}", "y".repeat(70_000)));
    assert_eq!(network.endpoint.verify(&Request::get(&long)).unwrap_err().as_str(), "url_too_long");
}

#[test]
fn urls_are_read_by_their_macros_not_their_names() {
    let url = "https://game.example/wall?who={userID}&t={transactionID}&i={ip}&r={revenue}&coins={currencyReward}&s={status}&h={hash}&secret=long-random-text&from=lootably";
    let network = Network::with(preset("lootably").unwrap(), |builder| builder.url(url));
    assert_eq!(network.endpoint.path(), "/wall");
    let callback = network.verify(&network.draft("t1").sign()).unwrap();
    assert_eq!((callback.player.as_str(), callback.amount), ("p1", Some(decimal("500"))));
    assert_eq!(callback.event.query, "who=p1&t=t1&i=&r=1.25&coins=500&s=1&from=lootably");
    // The secret may stay out of the configuration's URL: then it is the one of the default URL.
    let marked =
        Network::with(preset("lootably").unwrap(), |builder| builder.url(url.replace("long-random-text", "{secret}")));
    let default = preset("lootably").unwrap().app("game").secret(SECRET).unwrap().dashboard_url("x://").unwrap();
    let (_, secret) = default.rsplit_once('=').unwrap();
    let target = network.draft("t1").sign();
    let target = target.target().replace("long-random-text", secret);
    assert!(marked.endpoint.verify(&Request::get(&target)).is_ok());
    let findings = preset("lootably").unwrap().check_url("http://game.example/wall?who={userId}&t={transactionID}&i={ip}&r={revenue}&coins={currencyReward}&s={status}&h={hash}");
    let texts: Vec<&str> = findings.iter().map(|finding| finding.text.as_str()).collect();
    assert!(findings[0].is_error && texts[0].contains("add &userID={userID}"), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("did you mean {userID}?")), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("http://")), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("&secret=")), "{texts:?}");
}

#[test]
fn optional_parameters_are_suggested_only_if_absent() {
    let network = preset("lootably").unwrap();
    let url = network.dashboard_url("https://game.example");
    let suggests = |url: &str| {
        let findings = network.check_url(url);
        findings.iter().any(|finding| finding.text.contains("add &revenue={revenue} if you want it"))
    };
    assert!(!suggests(&url) && suggests(&url.replace("&revenue={revenue}", "")));
}

#[test]
fn secrets_in_the_path_are_not_part_of_the_route() {
    let network = Network::preset("keitaro");
    assert_eq!(network.endpoint.path(), "/callbacks/keitaro/{secret}/postback");
    assert_eq!(network.url, "https://game.example/callbacks/keitaro/the-secret-of-tests/postback");
    let sent = network.draft("t1").sign();
    assert!(network.verify(&sent).is_ok());
    for path in [
        "/callbacks/keitaro/the-secret-of-test/postback",
        "/callbacks/keitaro//postback",
        "/postback",
        "/callbacks/keitaro/the-secret-of-tests/x/postback",
    ] {
        let target = sent.target().replace("/callbacks/keitaro/the-secret-of-tests/postback", path);
        assert!(network.verify(&sent.clone().with_target(target)).is_err(), "{path}");
    }
    let typed = preset("keitaro").unwrap().app("game").secret(SECRET).unwrap();
    let typed = typed.url("https://game.example/k/the-secret-of-tests/postback").build().unwrap();
    assert_eq!(typed.path(), "/k/{secret}/postback");
    let error = preset("keitaro").unwrap().app("game").secret("a/b").unwrap().build().unwrap_err();
    assert_eq!(error, ConfigError::PathSecret);
}

#[test]
fn every_secret_of_a_ring_is_accepted() {
    for name in ["cpx", "adgate", "ayet", "keitaro"] {
        let network = Network::with(preset(name).unwrap(), |builder| {
            builder.secret(format!("the-older-secret,{SECRET}")).unwrap()
        });
        let sent = network.draft("t1").sign();
        assert_eq!(network.verify(&sent).unwrap().key.unwrap().as_str(), "key-2", "{name}");
    }
    let missing = preset("cpx").unwrap().app("game").build().unwrap_err();
    assert_eq!(missing.to_string(), "no secret for cpx: add the one of its dashboard");
    assert!(preset("cpx").unwrap().app("game").secret("").is_err());
    assert!(preset("cpx").unwrap().app("a/b").secret("s").unwrap().build().is_err());
}

#[test]
fn a_url_that_cannot_be_safe_is_rejected_with_what_to_do() {
    let built = |name: &str, url: &str| {
        preset(name).unwrap().app("game").secret(SECRET).unwrap().url(url).build().map(|_| ()).unwrap_err().to_string()
    };
    for (name, url, expected) in [
        (
            "lootably",
            "https://g.example/?u={userID}&t={transactionID}&i={ip}&r={revenue}&c={currencyReward}&h={hash}",
            "no parameter for the status in the callback URL: add &status={status}",
        ),
        (
            "lootably",
            "https://g.example/?u={userID}&t={transactionID}&r={revenue}&c={currencyReward}&s={status}&h={hash}",
            "no parameter for the signature, which covers it in the callback URL: add &ip={ip}",
        ),
        ("lootably", "https://g.example/?u={userID}&amp;t={transactionID}", "\"&amp;\" in callback URL"),
        (
            "unityads",
            "https://g.example/?product=1",
            "no parameter for the amount in the callback URL: add &amount=… with your own value",
        ),
        (
            "unityads",
            "https://g.example/?amount=ten",
            "static amount in parameter \"amount\" of the callback URL: not a decimal number",
        ),
        ("unityads", "https://g.example/?amount=-1", "negative"),
        ("unityads", "https://g.example/?amount=1&sid=7", "the network itself adds \"sid\" to every callback"),
        ("notik", "https://g.example/?user_id={user_id}&txn_id={txn_id}&amount=5", "no parameter for the amount"),
        (
            "adgate",
            "https://g.example/?u={s1}&t={conversion_id}&p={points}&secret=other",
            "the secret in the callback URL is none of those configured",
        ),
        (
            "adgate",
            "https://g.example/?u={s1}&t={conversion_id}&p={points}",
            "no parameter for the signature or secret in the callback URL: add &secret=",
        ),
    ] {
        let error = built(name, url);
        assert!(error.contains(expected), "{name} {url}: {error}");
    }
    let signed = preset("notik").unwrap().app("game").secret(SECRET).unwrap().build().unwrap_err();
    assert_eq!(signed.to_string(), "no callback URL for notik, which signs it: add the one from its dashboard");
}

#[test]
fn example_and_short_secrets_are_rejected_with_what_to_do() {
    let example = preset("cpx").unwrap().dashboard_url("https://game.example");
    let adgate = preset("adgate").unwrap().dashboard_url("https://game.example");
    let at = |query: &str| {
        format!(
            "https://game.example/cb?status={{status}}&trans_id={{trans_id}}&user_id={{user_id}}\
        &amount_local={{amount_local}}&hash={{secure_hash}}{query}"
        )
    };
    for (name, secret, url, expected) in [
        ("cpx", SECRET, Some(example.clone()), "\"YOUR_SECRET\" is only an example"),
        ("adgate", SECRET, Some(adgate.clone()), "\"YOUR_SECRET\" is only an example"),
        ("adgate", "YOUR_SECRET", Some(adgate), "\"YOUR_SECRET\" is only an example"),
        ("adgate", "old,YOUR_SECRET", None, "\"YOUR_SECRET\" is only an example"),
        ("keitaro", "YOUR_SECRET", None, "\"YOUR_SECRET\" is only an example"),
        ("phonexa", "YOUR_SECRET", None, "\"YOUR_SECRET\" is only an example"),
        ("mychips", "abc", None, "fewer than 16 characters"),
        ("keitaro", "abc", None, "fewer than 16 characters"),
        ("mychips", "long-enough-as-a-secret,fifteen-letters", None, "fewer than 16 characters"),
        ("cpx", SECRET, Some(at("&secret=fifteen-letters")), "fewer than 16 characters"),
        ("cpx", SECRET, Some(at("&secret=")), "fewer than 16 characters"),
        ("cpx", SECRET, Some(at("&secret=long$random$text-1")), "as macros do"),
        ("cpx", SECRET, Some(at("&secret=long%random-text-1")), "as macros do"),
    ] {
        let builder = preset(name).unwrap().app("game").secret(secret);
        let builder = builder.map(|builder| url.into_iter().fold(builder, |builder, url| builder.url(url)));
        let error = builder.and_then(|builder| builder.build()).unwrap_err().to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
    let findings = preset("cpx").unwrap().check_url(&example);
    assert!(findings.iter().any(|finding| finding.is_error && finding.text.contains("only an example")));
    let builder = preset("cpx").unwrap().app("game").secret(SECRET).unwrap();
    assert!(builder.url(at("&secret=sixteen-letters-")).build().is_ok());
}

#[test]
fn a_repeated_signed_parameter_is_not_exploitable() {
    let url = "https://game.example/cb?userId=[USER_ID]&rewards=[REWARDS]&eventId=[EVENT_ID]";
    let builder = preset("levelplay").unwrap().app("game").secret("secret").unwrap().url(url);
    let endpoint = builder.shape(Role::Player, Shape::Length(5)).shape(Role::Transaction, Shape::Digits(6));
    let endpoint = endpoint.build().unwrap();
    let text = "202011281200123456user15secret";
    let signature = hex(&<md5::Md5 as md5::Digest>::digest(text));
    let query = |user: &str, rewards: &str, event: &str, timestamps: &str| {
        format!("/cb?userId={user}&rewards={rewards}&eventId={event}{timestamps}&signature={signature}")
    };
    let genuine = query("user1", "5", "123456", "&timestamp=202011281200");
    assert!(endpoint.verify(&Request::get(&genuine)).is_ok());
    // The same text, with its boundaries moved: all other values have their shapes.
    for timestamps in ["&timestamp=20201128120&timestamp=x", "&timestamp=x&timestamp=20201128120"] {
        let forged = query("6user", "15", "012345", timestamps);
        let Err(VerifyError::Unusable(unusable)) = endpoint.verify(&Request::get(&forged)) else { panic!("{forged}") };
        assert_eq!(unusable.problem.to_string(), "parameter \"timestamp\" occurs more than once");
    }
}

#[tokio::test]
async fn keitaro_pays_each_pair_of_click_and_transaction_once() {
    let network = Network::preset("keitaro");
    let send = async |game: &Game, player: &str, query: &str| {
        let target = format!("/callbacks/keitaro/{SECRET}/postback?subid={player}&payout=5{query}");
        game.send(&network.endpoint, &Request::get(&target)).await
    };
    let game = Game::new();
    for (player, query) in [("p1", "&status=sale&tid=1"), ("p1", "&status=sale&tid=2"), ("p2", "&status=sale&tid=1")] {
        send(&game, player, query).await.unwrap();
        assert_eq!(send(&game, player, query).await.unwrap(), Receipt::Duplicate, "{player} {query}");
    }
    assert_eq!((game.balance().await, balance_of(&game, "p2").await), (decimal("10"), decimal("5")));
    send(&game, "p2", "&status=rejected&tid=1").await.unwrap();
    assert_eq!((game.balance().await, balance_of(&game, "p2").await), (decimal("10"), decimal("0")));
    // Keys are logged and outlive the erasure of a player.
    let first = network.verify(&network.draft("1").player("alice@example.com").sign()).unwrap();
    assert!(!first.event.key().as_str().contains("alice"), "{}", first.event.key());
    // Also if the player is in a parameter of the operator's.
    let own = preset("keitaro").unwrap().app("game").secret(SECRET).unwrap().parameter(Role::Player, "sub_id_1");
    let own = own.build().unwrap();
    for player in ["p3", "p4"] {
        let target = format!("/callbacks/keitaro/{SECRET}/postback?sub_id_1={player}&tid=7&status=sale&payout=5");
        receive(&game, &own, &target).await;
        assert_eq!(balance_of(&game, player).await, decimal("5"));
        let key = own.verify(&Request::get(&target)).unwrap().event.key();
        let id =
            preset("keitaro").unwrap().stored_transaction(&"7".parse().unwrap(), Some(&player.parse().unwrap()), None);
        assert_eq!(key.id(), id.unwrap().as_str());
    }
    // Without a transaction, a second sale looks like a repetition: it is kept.
    for query in ["&status=sale", "&status=sale&tid="] {
        let result = send(&game, "p1", query).await;
        assert!(matches!(result, Err(ReceiveError::Rejected(VerifyError::Unusable(_)))), "{result:?}");
    }
}

#[test]
fn null_and_zero_are_no_ids() {
    let tyrads = Network::preset("tyrads");
    let target = |player: &str, ids: &str| {
        format!(
            "/callbacks/tyrads?secret={SECRET}&publisher_user_id={player}&user_payout_converted=5\
             &conversion_status=approved{ids}"
        )
    };
    for (ids, expected) in [
        ("&conversion_id=c1&rewarded_play_id=r1", "r1"),
        ("&conversion_id=c1&rewarded_play_id=", "c1"),
        ("&conversion_id=c1&rewarded_play_id=null", "c1"),
        ("&conversion_id=c1&rewarded_play_id=0", "c1"),
    ] {
        let callback = tyrads.endpoint.verify(&Request::get(&target("p1", ids))).unwrap();
        assert_eq!(callback.transaction.as_ref().unwrap(), &expected, "{ids}");
    }
    for (player, ids) in [("p1", "&conversion_id=NULL"), ("p1", "&conversion_id=0"), ("null", "&conversion_id=c1")] {
        let error = tyrads.endpoint.verify(&Request::get(&target(player, ids))).unwrap_err();
        assert!(error.to_string().contains("empty parameter"), "{player} {ids}: {error}");
    }
    assert!(tyrads.endpoint.verify(&Request::get(&target("0", "&conversion_id=c1"))).is_ok());
}

#[test]
fn an_id_that_only_reversals_have_never_pays() {
    let ayet = Network::preset("ayet");
    for flag in ["0", ""] {
        let sent = ayet.draft("r-t1").set("is_chargeback", flag).sign();
        let reward = ayet.verify(&sent).unwrap();
        assert!(
            matches!(effect(&reward), Effect::Ignored { reason: IgnoreReason::Contradictory, .. }),
            "{:?}",
            effect(&reward)
        );
    }
}

#[tokio::test]
async fn a_parameter_that_a_player_adds_does_not_hide_a_reversal() {
    let (game, endpoint) = (Game::new(), notik());
    for added in ["&rewarded_txn_id=x", "&rewarded_txn_id="] {
        let reward = notik_target(&format!("user_id=u1&amount=500&payout=0.50&txn_id=t1&rewarded_txn_id={added}"));
        let error = endpoint.verify(&Request::get(&reward)).unwrap_err();
        assert!(error.to_string().contains("more than once"), "{error}");
    }
    // The suite's URL has no reference: the network adds it to chargebacks.
    let send = |query: &str| {
        let target = notik_target(query);
        let (game, endpoint) = (&game, &endpoint);
        async move { game.send(endpoint, &Request::get(&target)).await }
    };
    for (number, added) in ["x", "", "0", "null", "t1"].into_iter().enumerate() {
        let added = format!("&rewarded_txn_id={added}");
        let reward = send(&format!("user_id=u2&amount=500&payout=0.50&txn_id=r{number}{added}")).await;
        assert!(reward.is_err(), "{added}: {reward:?}");
    }
    // A configured one that the network leaves out of rewards.
    let url = "https://game.example/cb/notik?user_id={user_id}&amount={amount}&txn_id={txn_id}&rewarded_txn_id={rewarded_txn_id}";
    let configured = preset("notik").unwrap().app("game").secret("secret").unwrap().url(url).build().unwrap();
    for (number, added) in ["", "0", "null"].into_iter().enumerate() {
        let added = format!("&rewarded_txn_id={added}");
        let reward = notik_target(&format!("user_id=u3&amount=500&txn_id=r{number}{added}"));
        receive(&game, &configured, &reward).await;
        let chargeback = format!("user_id=u3&amount=-500&txn_id=c{number}{added}&rewarded_txn_id=r{number}");
        receive(&game, &configured, &notik_target(&chargeback)).await;
        assert_eq!(balance_of(&game, "u3").await, decimal("0"), "{added}");
    }
    let theorem = "https://game.example/cb/tr";
    let endpoint = preset("theoremreach").unwrap().app("game").secret("secret").unwrap();
    let endpoint = endpoint.url(theorem).build().unwrap();
    let signed = |query: &str| {
        let url = format!("{theorem}?{query}");
        let mac = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(sha1_mac(&url));
        format!("{}&hash={mac}", url.trim_start_matches("https://game.example"))
    };
    for (number, added) in ["", "&reversal=", "&reversal=false", "&reversal=0"].into_iter().enumerate() {
        let callback = |sent: &str| signed(&format!("user_id=u1&tx_id=t{number}&reward=45{added}{sent}"));
        receive(&game, &endpoint, &callback("")).await;
        assert_eq!(balance_of(&game, "u1").await, decimal("45"), "{added}");
        receive(&game, &endpoint, &callback("&reversal=true")).await;
        assert_eq!(balance_of(&game, "u1").await, decimal("0"), "{added}");
    }
    // Two that do not reverse leave open which one the network sent.
    assert!(endpoint.verify(&Request::get(&signed("user_id=u1&tx_id=t9&reward=45&reversal=0&reversal="))).is_err());
}

#[test]
fn an_exponent_does_not_multiply_a_signed_amount() {
    let network = Network::preset("pubscale");
    let sent = network.draft("t1").amount("5").sign();
    let value = |text: &str| sent.clone().with_target(sent.target().replace("value=5&", &format!("value={text}&")));
    assert_ne!(value("6").target(), sent.target());
    for text in ["5.0e14", "5.e2", "5e2.0", "5.1.1", "5.", "+5.0", "6.0", ".5"] {
        assert!(network.verify(&value(text)).is_err(), "{text}");
    }
    assert!(network.verify(&value("5.25")).is_ok());
}

#[tokio::test]
async fn a_query_too_long_for_its_reversal_is_not_paid() {
    let network = Network::preset("adgate");
    let padded = |bytes: usize, status: &str| {
        let query = format!("secret={SECRET}&user_id=p1&conversion_id=t1&points=5&state={status}&x=");
        format!("/callbacks/adgate?{query}{}", "a".repeat(bytes - query.len()))
    };
    let game = Game::new();
    let too_long = network.endpoint.verify(&Request::get(&padded(MAX_PAID_QUERY_BYTES + 100, "approved"))).unwrap_err();
    assert!(matches!(unusable::<()>(Err(too_long)).problem, Problem::TooLong { .. }));
    receive(&game, &network.endpoint, &padded(MAX_PAID_QUERY_BYTES, "approved")).await;
    assert_eq!(balance_of(&game, "p1").await, decimal("5"));
    receive(&game, &network.endpoint, &padded(MAX_PAID_QUERY_BYTES + 100, "rejected")).await;
    assert_eq!(balance_of(&game, "p1").await, decimal("0"));
}
