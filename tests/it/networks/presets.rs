//! Rules that hold for every preset.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Game, Network, SECRET, decimal, effect, every_preset, is_genuine, unusable};
use postback::import::{Importer, PastCallback};
use postback::network::{Meaning, Role, preset, presets};
use postback::testing::described::{DescribedSigner, SentCallback};
use postback::{Clock as _, Effect, Endpoint as _, EventKind, Receipt, SystemClock, VerifyError};

/// What a callback of `Network::draft` pays.
fn paid(network: &Network) -> &'static str {
    match network.description.name().as_str() {
        "unityads" | "vungle" => "1",
        _ => "500",
    }
}

fn reverses(network: &Network) -> bool {
    let reversals = network.description.reversals();
    reversals.contains("takes back everything") && !reversals.contains("URL of its own")
}

#[test]
fn every_preset_is_signed_and_verified() {
    let mut count = 0;
    for network in every_preset() {
        let name = network.description.name().to_string();
        let sent = network.draft("t-1").sign();
        let callback = network.verify(&sent).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(callback.player, "p1", "{name}");
        assert_eq!(callback.transaction.as_ref().unwrap().as_str(), "t-1", "{name}");
        let amount = decimal(paid(&network));
        assert!(
            matches!(effect(&callback), Effect::Completed { amount: paid, .. } if *paid == amount),
            "{name}: {callback:?}"
        );
        assert_eq!(callback.amount, Some(amount), "{name}");
        assert!(!callback.event.is_test, "{name}");
        // Nothing secret stays.
        let shown = format!("{callback:?}{}", serde_json::to_string(&callback).unwrap());
        assert!(!shown.contains(SECRET), "{name}: {shown}");
        let (_, url_secret) = network.url.rsplit_once("secret=").unwrap_or(("", "none in the URL"));
        assert!(!shown.contains(url_secret), "{name}: {shown}");
        assert_eq!(network.endpoint.labels().network, name);
        count += 1;
    }
    assert_eq!(count, presets().count());
    assert!(count >= 34);
}

#[test]
fn another_secret_is_never_genuine() {
    for network in every_preset() {
        let name = network.description.name();
        let forger = DescribedSigner::new(&network.description, network.url.replace(SECRET, "wrong"), "wrong");
        let sent = forger.callback().player("p1").transaction("t1").amount("500").sign();
        let result = network.verify(&sent);
        assert!(matches!(result, Err(VerifyError::NotGenuine(_))), "{name}: {result:?}");
    }
}

/// The same request with another value of a parameter.
fn changed(sent: &SentCallback, name: &str, value: &str) -> SentCallback {
    let target = match sent.target().split_once('?') {
        None => sent.target().to_owned(),
        Some((path, query)) => {
            let pieces: Vec<String> = query
                .split('&')
                .map(|piece| match piece.split_once('=') {
                    Some((known, _)) if known == name => format!("{name}={value}"),
                    _ => piece.to_owned(),
                })
                .collect();
            format!("{path}?{}", pieces.join("&"))
        }
    };
    let body = String::from_utf8(sent.body().to_vec()).unwrap();
    let body = if body.starts_with('{') {
        let mut json: serde_json::Value = serde_json::from_str(&body).unwrap();
        let mut place = &mut json;
        for part in name.split('.') {
            place = &mut place[part];
        }
        if !place.is_null() {
            *place = value.into();
        }
        json.to_string()
    } else {
        let pieces = body.split('&').map(|piece| match piece.split_once('=') {
            Some((known, _)) if known == name => format!("{name}={value}"),
            _ => piece.to_owned(),
        });
        pieces.collect::<Vec<_>>().join("&")
    };
    sent.clone().with_target(target).with_body(body)
}

#[test]
fn changed_covered_field_is_rejected_and_uncovered_is_reported() {
    let mut seen = BTreeSet::new();
    for network in every_preset() {
        let name = network.description.name();
        let sent = network.draft("t1").sign();
        let (covered, uncovered) = network.description.coverage();
        for role in covered.iter().chain(&uncovered) {
            let Some(parameter) = network.wire_name(*role) else {
                continue;
            };
            let forged = changed(&sent, &parameter, "77");
            if forged == sent {
                continue;
            }
            let is_covered = covered.contains(role);
            let is_accepted = is_genuine(&network.verify(&forged));
            assert_eq!(is_accepted, !is_covered, "{name} {role:?}");
            let deciding = [Role::Player, Role::Transaction, Role::Original, Role::Goal, Role::Amount, Role::Status];
            if deciding.contains(role) {
                assert_eq!(network.endpoint.uncovered().contains(role), !is_covered, "{name} {role:?}");
            }
            seen.insert((*role, is_covered));
        }
    }
    for role in [Role::Player, Role::Transaction, Role::Amount, Role::Status, Role::Usd] {
        assert!(seen.contains(&(role, true)) && seen.contains(&(role, false)), "{role:?}");
    }
}

#[test]
fn a_weak_signature_has_a_static_secret_in_its_default_url() {
    for network in every_preset() {
        let name = network.description.name();
        let (covered, _) = network.description.coverage();
        let is_weak = !covered.contains(&Role::Transaction) || !covered.contains(&Role::Amount);
        if is_weak && !matches!(name.as_str(), "phonexa") {
            assert!(network.endpoint.has_shared_secret(), "{name}");
        }
        if !network.url.contains("secret=") {
            continue;
        }
        let sent = network.draft("t1").sign();
        for (from, to) in [("secret=", "secret=x"), ("secret=", "secrets=")] {
            let forged = sent.clone().with_target(sent.target().replace(from, to));
            assert!(matches!(network.verify(&forged), Err(VerifyError::NotGenuine(_))), "{name}");
        }
        // A player can add a parameter of the same name, and the network's own still counts.
        let doubled = sent.clone().with_target(sent.target().replace("secret=", "secret=x&secret="));
        assert!(network.verify(&doubled).is_ok(), "{name}");
    }
}

#[tokio::test]
async fn a_repeated_callback_is_a_duplicate_in_every_network() {
    for network in every_preset() {
        let game = Game::new();
        let sent = network.draft("t1").sign();
        assert!(matches!(game.settle(&network, &sent).await, Receipt::Settled(_)));
        assert_eq!(game.settle(&network, &sent).await, Receipt::Duplicate, "{}", network.description.name());
        assert_eq!(game.balance().await, decimal(paid(&network)));
    }
}

#[tokio::test]
async fn what_was_imported_is_not_paid_again_in_any_network() {
    for network in every_preset() {
        let (name, description) = (network.description.name().clone(), &network.description);
        for transaction in ["t1", "a:b", "100%"] {
            let sent = network.draft(transaction).sign();
            let callback = match network.verify(&sent) {
                Ok(callback) => callback,
                // Some signatures have separators.
                Err(error) => {
                    assert_ne!(transaction, "t1", "{name}: {error}");
                    continue;
                }
            };
            let goal = callback.goal.as_deref();
            let stored =
                description.stored_transaction(&transaction.parse().unwrap(), Some(&callback.player), goal).unwrap();
            let mut paid = PastCallback::paid(stored, decimal(paid(&network))).player(callback.player.clone());
            if let Some(goal) = goal.filter(|_| !description.has_goal_transactions()) {
                paid = paid.goal(goal);
            }
            let game = Game::new();
            let importer = Importer::new(&game.store, name.clone(), "game".parse().unwrap(), SystemClock.now());
            importer.import(&paid).await.unwrap();
            assert_eq!(game.settle(&network, &sent).await, Receipt::Duplicate, "{name} {transaction}");
        }
    }
}

#[tokio::test]
async fn a_test_flag_pays_nothing_in_any_network() {
    let mut count = 0;
    for network in every_preset() {
        let sent = network.draft("t1").test().sign();
        if !network.verify(&sent).unwrap().event.is_test {
            continue;
        }
        let game = Game::new();
        assert_eq!(game.settle(&network, &sent).await, Receipt::Test, "{}", network.description.name());
        assert_eq!(game.balance().await, decimal("0"));
        count += 1;
    }
    assert_eq!(count, 5);
}

#[tokio::test]
async fn reward_then_reversal_ends_at_zero_in_every_network() {
    let mut count = 0;
    for network in every_preset().filter(reverses) {
        let name = network.description.name();
        // At the same rate, and at others.
        for amount in ["500", "200", "900"] {
            let game = Game::new();
            game.settle(&network, &network.draft("t1").sign()).await;
            assert_eq!(game.balance().await, decimal("500"), "{name}");
            let reversal = network.reversal("t1").amount(amount).meaning(Meaning::Reversed, "t1").sign();
            for _ in 0..2 {
                game.settle(&network, &reversal).await;
                assert_eq!(game.balance().await, decimal("0"), "{name} {amount}");
            }
            // It is final.
            game.settle(&network, &network.draft("t1").sign()).await;
            assert_eq!(game.balance().await, decimal("0"), "{name}");
        }
        // Other transactions are untouched, and a reversal may overtake its reward.
        let game = Game::new();
        game.settle(&network, &network.draft("t2").sign()).await;
        game.settle(&network, &network.reversal("t1").sign()).await;
        game.settle(&network, &network.draft("t1").sign()).await;
        assert_eq!(game.balance().await, decimal("500"), "{name}");
        count += 1;
    }
    assert_eq!(count, 18);
}

#[tokio::test]
async fn reversals_on_a_url_of_their_own_take_back_the_reward() {
    for name in ["pollfish", "mychips"] {
        let network = Network::preset(name);
        let reversals = Network::with(preset(name).unwrap(), |builder| builder.meaning(Meaning::Reversed));
        assert_eq!(reversals.endpoint.path(), format!("/callbacks/{name}/reversals"));
        assert_eq!(
            reversals.url,
            preset(name).unwrap().reversal_url("https://game.example").unwrap().replace("YOUR_SECRET", SECRET)
        );
        let game = Game::new();
        game.settle(&network, &network.draft("t1").sign()).await;
        assert_eq!(game.balance().await, decimal("500"));
        let sent = reversals.complete(reversals.signer().callback()).transaction("t1").sign();
        game.settle(&reversals, &sent).await;
        assert_eq!(game.balance().await, decimal("0"), "{name}");
    }
}

#[tokio::test]
async fn pending_never_pays_in_any_network() {
    let mut count = 0;
    for network in every_preset() {
        let sent = network.draft("t1").meaning(Meaning::Pending, "").sign();
        let callback = network.verify(&sent).unwrap();
        if !matches!(effect(&callback), Effect::Pending { .. }) {
            continue;
        }
        let game = Game::new();
        game.settle(&network, &sent).await;
        assert_eq!(game.balance().await, decimal("0"));
        game.settle(&network, &network.draft("t1").sign()).await;
        assert_eq!(game.balance().await, decimal("500"), "{}", network.description.name());
        count += 1;
    }
    assert_eq!(count, 4);
}

#[tokio::test]
async fn unknown_and_empty_statuses_never_pay_in_any_network() {
    for network in every_preset() {
        let name = network.description.name();
        if network.wire_name(Role::Status).is_none() {
            continue;
        }
        for word in ["unheard-of", "COMPLETED?", " 1", "3.0", ""] {
            let sent = network.draft("t1").role(Role::Status, word).sign();
            let callback = network.verify(&sent).unwrap();
            let is_paid = matches!(effect(&callback), Effect::Completed { .. });
            // Empty is described as completed where the flag only marks reversals.
            let described = ["ayet", "levelplay", "theoremreach"];
            assert_eq!(is_paid, word.is_empty() && described.contains(&name.as_str()), "{name} {word:?}");
        }
    }
}

#[test]
fn unreplaced_macros_are_never_ids_or_amounts() {
    for network in every_preset() {
        let name = network.description.name();
        for role in [Role::Player, Role::Transaction, Role::Amount, Role::Status, Role::Goal] {
            let Some(parameter) = network.wire_name(role) else {
                continue;
            };
            let (_, query) = network.url.split_once('?').unwrap_or_default();
            let pieces = query.split('&').filter_map(|piece| piece.split_once('='));
            let Some((_, text)) =
                pieces.into_iter().find(|(known, value)| *known == parameter && value.contains(['{', '[', '%']))
            else {
                continue;
            };
            let sent = network.draft("t1").role(role, text).sign();
            assert_eq!(unusable(network.verify(&sent)).problem.as_str(), "macro_not_replaced", "{name} {role:?}");
        }
    }
}

#[test]
fn a_genuine_callback_with_bad_deciding_fields_is_kept() {
    for network in every_preset() {
        let name = network.description.name();
        let amount = network.wire_name(Role::Amount).is_some();
        let drafts = [network.draft("t1").player(""), network.draft("t\n1"), network.draft("")];
        let mut cases = drafts.map(|draft| draft.sign()).to_vec();
        if amount {
            cases.push(network.draft("t1").amount("10USDC").sign());
        }
        for sent in cases {
            let first = unusable(network.verify(&sent));
            let kept = &first.callback;
            assert_eq!(kept.network, *network.description.name());
            assert!(!kept.query.contains(SECRET), "{name}: {}", kept.query);
            // It still cannot be used, and says the same.
            let again = unusable(network.endpoint.replay(kept));
            assert_eq!((&again.problem, &again.callback.query), (&first.problem, &kept.query), "{name}");
        }
    }
}

#[test]
fn every_description_says_what_people_need() {
    let mut names = BTreeSet::new();
    for name in presets() {
        let network = preset(name).unwrap();
        assert_eq!(network.name().as_str(), name);
        assert!(!network.title().is_empty() && !network.authentication().is_empty());
        assert!(network.evidence().as_str() != "unstated", "{name}");
        assert!(names.insert(name.to_owned()));
        for member in network.family() {
            assert_eq!(preset(member).unwrap().name().as_str(), member);
            assert!(names.insert(member.clone()), "{member}");
        }
        let url = network.dashboard_url("https://game.example/");
        assert!(url.starts_with(&format!("https://game.example/callbacks/{name}")), "{url}");
        let findings = network.check_url(&url.replace("YOUR_SECRET", "long-random-text"));
        assert!(findings.iter().all(|finding| !finding.is_error), "{name}: {findings:?}");
    }
    let error = preset("lootabl").unwrap_err().to_string();
    assert_eq!(error, "unknown network \"lootabl\": did you mean \"lootably\"?");
    assert!(preset("mintegral").is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_was_signed_is_read_back(
        index in any::<prop::sample::Index>(),
        player in "[a-zA-Z0-9é _-]{1,20}",
        transaction in "[a-zA-Z0-9+/=%&]{1,20}",
        amount in "[0-9]{1,6}(\\.[0-9]{1,3})?",
        junk in "\\PC{0,20}",
    ) {
        let names: Vec<_> = presets().collect();
        let network = Network::preset(names[index.index(names.len())]);
        prop_assume!(!player.trim().is_empty());
        let draft = network.draft(&transaction).player(&*player).amount(&*amount).extra("junk", &*junk);
        let sent = draft.sign();
        let result = network.verify(&sent);
        let is_refused = matches!(&result, Err(VerifyError::Unusable(_)));
        // Without a secret in the URL, separators in ids are refused.
        prop_assert!(result.is_ok() || (is_refused && !network.url.contains("secret")), "{} {result:?}", network.description.name());
        if let Ok(callback) = result {
            prop_assert_eq!(callback.player.as_str(), &*player);
            prop_assert_eq!(callback.transaction.as_ref().unwrap().as_str(), &*transaction);
            if network.wire_name(Role::Amount).is_some() {
                prop_assert_eq!(callback.amount, Some(decimal(&amount)));
            }
            // A query beside a signed body is not signed, and so not kept.
            if sent.method() == "GET" {
                let found = callback.parameter("junk").map(std::borrow::Cow::into_owned);
                prop_assert_eq!(found.as_deref(), Some(&*junk));
            }
        }
    }

    #[test]
    fn verifying_never_panics_whatever_arrives(
        index in any::<prop::sample::Index>(),
        query in "\\PC*",
        content_type in prop_oneof![Just("application/json".to_owned()), Just("application/x-www-form-urlencoded".to_owned()), "\\PC*"],
        body in prop::collection::vec(any::<u8>(), 0..200),
        header in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let names: Vec<_> = presets().collect();
        let network = Network::preset(names[index.index(names.len())]);
        let target = format!("/?{query}");
        let headers = vec![
            ("content-type", content_type.as_bytes()),
            ("authorization", &header),
            ("signature", &header),
            ("x-ayetstudios-security-hash", &header),
        ];
        for method in ["GET", "POST", "HEAD"] {
            let request = postback::Request::new(method, &target).with_headers(&headers).with_body(&body);
            prop_assert!(network.endpoint.verify(&request).is_err());
        }
    }

    #[test]
    fn any_edit_of_a_signed_query_is_rejected(
        name in prop_oneof![Just("notik"), Just("adgem"), Just("theoremreach"), Just("ayet"), Just("unityads")],
        at in any::<prop::sample::Index>(),
        by in "[ -\"$-~]?",
        deletes in 0..3_usize,
    ) {
        let network = Network::preset(name);
        let sent = network.draft("t1").set("offer_name", "Lords Mobile & more").sign();
        let (path, query) = sent.target().split_once('?').unwrap();
        let at = at.index(query.len() + 1);
        let rest = query.get(at + deletes..).unwrap_or_default();
        let edited = format!("{}{by}{rest}", &query[..at]);
        prop_assume!(edited != query);
        let forged = sent.clone().with_target(format!("{path}?{edited}"));
        let result = network.verify(&forged);
        if let Ok(callback) = &result {
            // Networks that sign decoded values accept another spelling of the same values, and nothing else.
            prop_assert!(matches!(name, "ayet" | "unityads"));
            let original = network.verify(&sent).unwrap();
            prop_assert_eq!(&callback.event.kind, &original.event.kind);
            prop_assert_eq!(&callback.player, &original.player);
        } else {
            prop_assert!(!is_genuine(&result) || matches!(name, "ayet" | "unityads"), "{}", edited);
        }
    }
}

#[test]
fn a_ban_is_a_ban() {
    let network = Network::preset("adgem-v3");
    for (word, status) in
        [("player.banned", postback::BanStatus::Banned), ("player.unbanned", postback::BanStatus::Active)]
    {
        let sent = network.signer().callback().player("p1").set("event", word).sign();
        let callback = network.verify(&sent).unwrap();
        assert_eq!(callback.event.kind, EventKind::Ban(status));
        assert_eq!(callback.transaction, None);
    }
    let other = network.signer().callback().player("p1").set("event", "player.renamed").sign();
    unusable(network.verify(&other));
}
