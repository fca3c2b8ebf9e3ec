//! The format: mistakes are named, with what to write instead; and Phonexa, whose names and credentials are all
//! configuration.

use super::cases::acme;
use super::{Game, SECRET, decimal, unusable};
use postback::network::{
    ConfigError, Credential, DescribedBuilder, DescribedEndpoint, Description, Meaning, Role, preset,
};
use postback::testing::described::{CallbackDraft, DescribedSigner, SentCallback};
use postback::verify::NotGenuine;
use postback::web::CallbackResponse;
use postback::{Endpoint as _, Request, Secret, VerifyError};

const MAC: &str = "kind = \"url-mac\"\nhash = \"hmac-sha1\"\nin = \"signature\"\n";

#[test]
fn each_mistake_names_its_key_and_what_to_write() {
    let good = acme(MAC);
    assert!(Description::from_toml(&good).is_ok());
    for (from, to, expected) in [
        ("name = \"acme\"", "name = \"a/b\"", "key name: invalid character"),
        ("[fields]", "[field]", "unknown field `field`, expected one of"),
        ("player      = \"user\"", "plaer = \"user\"", "unknown variant `plaer`, expected one of `player`"),
        (
            "player      = \"user\"",
            "player = \"usser\"",
            r#"key fields.player: undeclared name "usser": declare it in [macros] or [parameters], or use "user""#,
        ),
        ("player      = \"user\"\n", "", "key fields.player: missing"),
        ("amount      = \"coins\"\n", "", "key fields.amount: missing"),
        ("hmac-sha1", "hmac-sha3", r#"key authentication.hash: unknown hash "hmac-sha3": use "md5""#),
        ("hash = \"hmac-sha1\"", "hash = \"md5\"", "key authentication.hash: use \"hmac-md5\""),
        ("hash = \"hmac-sha1\"\n", "", "key authentication.hash"),
        ("kind = \"url-mac\"", "kind = \"url\"", "unknown variant `url`, expected one of `url-mac`, `message`"),
        ("kind = \"url-mac\"", "kind = \"body-mac\"", "key request.methods: \"body-mac\" signs a body and not the URL"),
        ("kind = \"url-mac\"", "kind = \"message\"", "key authentication.message: missing"),
        ("kind = \"url-mac\"", "kind = \"sorted-mac\"", "key authentication.pairs: missing"),
        (
            "in = \"signature\"\n",
            "in = \"signature\"\nmessage = \"x\"\n",
            "key authentication.message: this kind of authentication does not use it",
        ),
        ("in = \"signature\"\n", "", "key authentication.in: missing"),
        ("in = \"signature\"", "in = \"header:a b\"", "key authentication.in: invalid header name"),
        ("macro = \"{NAME}\"", "macro = \"{}\"", "key request.macro: write how the network writes a macro called NAME"),
        ("macro = \"{NAME}\"\n", "", "key request.macro: missing"),
        (
            "approved = \"completed\"",
            "approved = \"paid\"",
            "unknown variant `paid`, expected one of `completed`, `pending`, `reversed`, `not-a-reward`",
        ),
        ("approved = \"completed\"", r#"approved = "completed", APPROVED = "pending""#, "key meaning.status: word"),
        ("[meaning]\n", "[meaning]\nalways = \"completed\"\n", "key meaning.always"),
        ("[meaning]\n", "[meaning]\nnegative = \"completed\"\n", "key meaning.negative"),
        ("[meaning]\n", "[meaning]\ntest = { debug = [\"1\"] }\n", "key meaning.test: undeclared name \"debug\""),
        ("original   = \"field\"", "original = \"somewhere\"", r#"unknown form "somewhere": use "same-transaction""#),
        ("original    = \"ref\"\n", "", "key fields.original: missing"),
        (
            "[reversal]",
            "[facts]\naddresses = [\"1.2.3\"]\n[reversal]",
            "key facts.addresses: invalid address \"1.2.3\"",
        ),
        (
            "[reversal]",
            "[shapes]\nuser = \"round\"\n[reversal]",
            r#"key shapes.user: unknown shape "round": use "uuid""#,
        ),
        ("[reversal]", "[response]\nnot_genuine_status = 200\n[reversal]", "key response.not_genuine_status"),
        ("[request]\n", "[request]\nmethods = [\"POST\"]\n", "key request.body"),
        ("[request]\n", "[request]\nmethods = [\"PUT\"]\n", "unknown variant `PUT`"),
        (
            "[request]\n",
            "[request]\nmethods = [\"POST\"]\nbody = [\"form\"]\n",
            "key request.methods: \"url-mac\" signs a URL",
        ),
        ("&state={state}", "", "key request.url: no parameter for the status in the callback URL: add &state={state}"),
        ("url = \"?", "url = \"/cb?", "key request.url: write the query only"),
    ] {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        let error = Description::from_toml(&text).unwrap_err().to_string();
        assert!(error.starts_with("invalid network description") && error.contains(expected), "{to}: {error}");
    }
    let message =
        |text: &str| acme(&format!("kind = \"message\"\nhash = \"md5\"\nin = \"signature\"\nmessage = \"{text}\"\n"));
    assert!(Description::from_toml(&message("{user}{secret}")).is_ok());
    for (text, expected) in [
        ("{user}", "write {secret} exactly once"),
        ("{secret}{secret}", "write {secret} exactly once"),
        ("{user{secret}", "undeclared name"),
        ("{nobody}{secret}", "undeclared name \"nobody\""),
        ("{user}{secret", "no '}' after a '{'"),
    ] {
        let error = Description::from_toml(&message(text)).unwrap_err().to_string();
        assert!(error.contains("key authentication.message: ") && error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn errors_name_the_file_and_the_line() {
    let path = std::env::temp_dir().join(format!("postback-networks-{}.toml", std::process::id()));
    let at = |text: &str| {
        std::fs::write(&path, text).unwrap();
        Description::from_file(&path).map(|_| ()).unwrap_err().to_string()
    };
    let name = path.display().to_string();
    let good = acme(MAC);
    let line = at(&good.replace("hash = ", "hsah = "));
    assert!(
        line.starts_with(&format!("invalid network description {name}, line 2"))
            && line.contains("unknown field `hsah`"),
        "{line}"
    );
    let key = at(&good.replace("\"coins\"", "\"gems\""));
    assert!(key.starts_with(&format!("invalid network description {name}, key fields.amount: ")), "{key}");
    let syntax = at("name = ");
    assert!(syntax.starts_with(&format!("invalid network description {name}, line 1")), "{syntax}");
    std::fs::write(&path, &good).unwrap();
    assert_eq!(Description::from_file(&path).unwrap().name().as_str(), "acme");
    std::fs::remove_file(&path).unwrap();
    let error = Description::from_file(&path).unwrap_err();
    assert!(matches!(error, ConfigError::Unreadable { file, .. } if file == name));
}

// Phonexa.

const PASSWORD: &str = "long-random-password";

fn secret(text: &str) -> Secret {
    Secret::new(text).unwrap()
}

fn builder() -> DescribedBuilder {
    let credential = Credential::basic("network", &secret(PASSWORD)).unwrap();
    preset("phonexa").unwrap().app("game").credential(credential)
}

/// With goals: the admin sends them in every row.
fn with_goals() -> DescribedEndpoint {
    builder().parameter(Role::Goal, "goal").build().unwrap()
}

fn bare(conversion: &str, status: &str, payout: &str) -> CallbackDraft {
    let signer = DescribedSigner::new(&preset("phonexa").unwrap(), "https://game.example/cb", "unused");
    let draft = signer.callback().set("player", "p1").set("conversion_id", conversion);
    draft.set("payout", payout).set("status", status)
}

fn postback(conversion: &str, status: &str, payout: &str) -> CallbackDraft {
    bare(conversion, status, payout).basic("network", PASSWORD)
}

fn goal(conversion: &str, goal: &str, status: &str) -> CallbackDraft {
    postback(conversion, status, "500").set("goal", goal)
}

fn every_form(draft: &CallbackDraft) -> [SentCallback; 3] {
    [draft.clone().get().sign(), draft.clone().form().sign(), draft.clone().json().sign()]
}

/// The balance after these, the same in each of the three request types.
async fn balance_after(endpoint: &DescribedEndpoint, drafts: &[CallbackDraft]) -> String {
    let mut balances = Vec::new();
    for form in 0..3 {
        let game = Game::new();
        for draft in drafts {
            let sent = &every_form(draft)[form];
            game.send(endpoint, &sent.request()).await.unwrap();
        }
        balances.push(game.balance().await.normalize().to_string());
    }
    assert!(balances.iter().all(|balance| *balance == balances[0]), "{balances:?}");
    balances.remove(0)
}

#[tokio::test]
async fn done_pays_once_per_conversion_and_goal() {
    let drafts = [
        goal("c1", "", "Done"),
        goal("c1", "", "Done"),
        goal("c1", "null", "Done"),
        goal("c1", "install", "Done"),
        goal("c1", "install", "Done"),
        goal("c1", "level 10", "done"),
        goal("c2", "", "DONE"),
        goal("c1:install", "", "Done"),
    ];
    assert_eq!(balance_after(&with_goals(), &drafts).await, "2500");
    // A row without the configured goal is a mistake in the dashboard: it is kept, and pays nothing.
    for sent in every_form(&postback("c1", "Done", "500")) {
        assert_eq!(unusable(with_goals().verify(&sent.request())).problem.as_str(), "missing");
    }
}

#[tokio::test]
async fn rejected_takes_back_its_goal_and_blocks_a_late_done() {
    let endpoint = with_goals();
    let drafts = [
        goal("c1", "a", "Done"),
        goal("c1", "b", "Done"),
        goal("c1", "a", "Rejected").set("payout", ""),
        goal("c1", "a", "Rejected").set("payout", "1"),
    ];
    assert_eq!(balance_after(&endpoint, &drafts).await, "500");
    let (pending, rejected, done) = (goal("c1", "", "Pending"), goal("c1", "", "Rejected"), goal("c1", "", "Done"));
    assert_eq!(balance_after(&endpoint, &[pending.clone(), pending.clone()]).await, "0");
    assert_eq!(balance_after(&endpoint, &[pending.clone(), done.clone(), pending.clone()]).await, "500");
    assert_eq!(balance_after(&endpoint, &[pending, rejected.clone(), done.clone()]).await, "0");
    assert_eq!(balance_after(&endpoint, &[rejected.clone(), done.clone()]).await, "0");
    let there_and_back = [done.clone(), rejected.clone(), done.clone(), done.clone()];
    assert_eq!(balance_after(&endpoint, &there_and_back).await, "0");
    let reinstating = builder().parameter(Role::Goal, "goal").reinstates(true).build().unwrap();
    assert_eq!(balance_after(&reinstating, &there_and_back).await, "500");
    assert_eq!(balance_after(&reinstating, &[rejected, done]).await, "500");
}

#[test]
fn the_three_request_types_give_equal_callbacks() {
    let draft = goal("c:1%", "niveau 10 & more=é+%25", "Done").set("payout", "12345678901234.5600");
    let draft = draft.set("currency", "usd").set("note", "").set("offer", "7").set("vip", "true");
    let endpoint = with_goals();
    let [get, form, json] = every_form(&draft).map(|sent| endpoint.verify(&sent.request()).unwrap().into_inner());
    assert_eq!(get.player, "p1");
    assert_eq!(get.transaction.as_ref().unwrap(), &"c:1%");
    assert_eq!(get.goal.as_deref(), Some("niveau 10 & more=é+%25"));
    let event = super::event(&get);
    assert_eq!(event.key().to_string(), "phonexa/game/conversion/c%3A1%25:niveau 10 & more=é+%25");
    assert_eq!(get.amount.unwrap().to_string(), "12345678901234.5600");
    assert_eq!(event.usd, Some(decimal("12345678901234.56")));
    assert_eq!(get.parameter("vip").as_deref(), Some("true"));
    assert_eq!(get.parameter("note").as_deref(), Some(""));
    assert_eq!(get.parameter("absent"), None);
    for other in [form, json] {
        let sorted = |query: &str| {
            let mut pieces: Vec<_> = query.split('&').map(str::to_owned).collect();
            pieces.sort();
            pieces
        };
        assert_eq!(sorted(&other.event.query), sorted(&get.event.query));
        let query = get.event.query.clone();
        let mut other = other;
        other.event.query = query;
        assert_eq!(other, get);
    }
}

#[test]
fn no_two_pairs_of_conversion_and_goal_share_a_transaction() {
    let pieces = ["c", "c:", ":c", "c:g", "c%3A", "c%3Ag", "c%", "%3A", "g", "c:g:h", "g:h"];
    let mut seen = std::collections::BTreeMap::new();
    let endpoint = with_goals();
    for conversion in pieces {
        for name in std::iter::once("").chain(pieces) {
            let sent = goal(conversion, name, "Done").json().sign();
            let key = super::event(&endpoint.verify(&sent.request()).unwrap()).key();
            assert_eq!(seen.insert(key.clone(), (conversion, name)), None, "{key}");
        }
    }
}

#[test]
fn done_needs_a_payout_and_nothing_else_does() {
    let endpoint = builder().build().unwrap();
    let problem = |sent: &SentCallback| unusable(endpoint.verify(&sent.request())).problem.as_str();
    for sent in every_form(&postback("c1", "Done", "5").without("payout")) {
        assert_eq!(problem(&sent), "missing");
    }
    assert_eq!(problem(&postback("c1", "Done", "null").json().sign()), "empty_parameter");
    assert_eq!(problem(&postback("c1", "Done", "").get().sign()), "empty_parameter");
    for payout in ["NaN", "+5", ".5", "five", "5,0", "1000000000000000", "true"] {
        for sent in every_form(&postback("c1", "Done", payout)) {
            assert_eq!(problem(&sent), "malformed", "{payout}");
        }
        for status in ["Pending", "Rejected"] {
            for sent in every_form(&postback("c1", status, payout)) {
                assert!(endpoint.verify(&sent.request()).is_ok(), "{payout}");
            }
        }
    }
    // Digits are kept as sent.
    for digits in ["7", "5.00", "0.1", "123456789012345.1234567", "9007199254740993"] {
        let body = format!(r#"{{"player":"p1","conversion_id":{digits},"payout":1,"status":"Done"}}"#);
        let sent = postback("", "", "").json().sign().with_body(body);
        let callback = endpoint.verify(&sent.request()).unwrap();
        assert_eq!(callback.transaction.as_ref().unwrap(), &digits);
    }
}

#[test]
fn the_status_may_be_the_endpoints_own() {
    let names = |builder: DescribedBuilder| builder.meaning(Meaning::Completed);
    let done = names(builder()).build().unwrap();
    let verify = |draft: CallbackDraft| done.verify(&draft.form().sign().request()).map(|_| ());
    assert!(verify(postback("c1", "done", "5")).is_ok());
    assert!(verify(postback("c1", "", "5").without("status")).is_ok(), "each status has its own URL");
    for draft in [postback("c1", "Rejected", "5"), postback("c1", "", "5")] {
        assert_eq!(unusable(verify(draft)).problem.as_str(), "state_mismatch");
    }
    // A configured one is always expected.
    let configured = names(builder()).parameter(Role::Status, "status").build().unwrap();
    let sent = postback("c1", "", "5").without("status").sign();
    assert_eq!(unusable(configured.verify(&sent.request())).problem.as_str(), "missing");
}

#[test]
fn credentials_are_accepted_in_their_forms_only() {
    let endpoint = builder()
        .credential(Credential::basic("übermut", &secret("pässwörd:with colon")).unwrap())
        .credential(Credential::token(&secret("dG9rZW4tMQ")))
        .credential(Credential::header("X-Callback-Secret", &secret("header secret")).unwrap())
        .credential(Credential::parameter("key", &secret("parameter secret&")).unwrap())
        .build()
        .unwrap();
    let bare = || bare("c1", "Done", "5");
    let basic = |login: &str, password: &str| bare().basic(login, password);
    let authorization = |value: &str| bare().header("Authorization", value);
    let accepted = [
        basic("network", PASSWORD),
        basic("übermut", "pässwörd:with colon"),
        authorization("Basic dG9rZW4tMQ"),
        basic("dG9rZW4tMQ", ""),
        authorization("Bearer dG9rZW4tMQ"),
        authorization("bearer dG9rZW4tMQ"),
        authorization("BASIC dG9rZW4tMQ"),
        authorization("Bearer   dG9rZW4tMQ"),
        bare().header("x-callback-secret", "header secret"),
        bare().set("key", "parameter secret&"),
        bare().extra("key", "parameter secret&"),
        basic("network", "wrong").header("X-Callback-Secret", "header secret"),
        basic("network", PASSWORD).set("key", "wrong"),
    ];
    for draft in accepted {
        for sent in every_form(&draft) {
            let callback = endpoint.verify(&sent.request()).unwrap();
            assert!(!callback.event.query.contains("key="), "{}", callback.event.query);
        }
    }
    let rejected = [
        bare(),
        basic("network", "long-random-passwor"),
        basic("network", "long-random-password "),
        basic("network", "Long-random-password"),
        basic("network", ""),
        basic("Network", PASSWORD),
        basic("", PASSWORD),
        basic("", ""),
        basic("network", "pässwörd:with colon"),
        basic("dG9rZW4tMQ", "x"),
        basic("", "dG9rZW4tMQ"),
        authorization(""),
        authorization("Basic"),
        authorization("Bearer "),
        authorization("dG9rZW4tMQ"),
        authorization("BearerdG9rZW4tMQ"),
        authorization("Token dG9rZW4tMQ"),
        authorization("Bearer dG9rZW4tM"),
        authorization("Bearer dG9rZW4tMQ, Bearer dG9rZW4tMQ"),
        authorization(&format!("Basic network:{PASSWORD}")),
        authorization("Basic !!! not base64 !!!"),
        authorization("Basic bmV0d29yazpsb25nLXJhbmRvbS1wYXNzd29yZA"),
        basic("network", PASSWORD).basic("network", PASSWORD),
        basic("network", PASSWORD).header("Authorization", "Bearer dG9rZW4tMQ"),
        bare().header("X-Callback-Secret", "Header secret"),
        bare().header("X-Callback-Secret", ""),
        bare().header("X-Callback-Secret", "header secret").header("x-callback-secret", "header secret"),
        bare().set("key", "parameter secret"),
        bare().set("key", ""),
        bare().set("key", "parameter secret&").extra("key", "parameter secret&"),
        basic("network", PASSWORD).set("key", "x").extra("key", "y"),
    ];
    let scheme = "Basic realm=\"callbacks\"";
    let challenge = Some(scheme);
    for draft in rejected {
        for sent in every_form(&draft) {
            let result = endpoint.verify(&sent.request());
            assert_eq!(result.unwrap_err(), VerifyError::NotGenuine(NotGenuine::Credentials { challenge }), "{sent:?}");
        }
    }
    let error = endpoint.verify(&bare().sign().request()).unwrap_err().into();
    let response = CallbackResponse::new(Err(&error), endpoint.responses(), None);
    let headers: Vec<_> = response.headers().collect();
    assert_eq!((response.status, headers), (401, vec![("www-authenticate", scheme.into())]));
    let keyed = preset("phonexa")
        .unwrap()
        .app("game")
        .credential(Credential::header("X-Key", &secret("k")).unwrap())
        .build()
        .unwrap();
    let result = keyed.verify(&bare().get().sign().request());
    assert_eq!(result.unwrap_err(), VerifyError::NotGenuine(NotGenuine::Credentials { challenge: None }));
}

#[test]
fn strangers_learn_nothing_about_bodies() {
    let endpoint = builder().build().unwrap();
    let headers = |media_type: &'static str| vec![("content-type", media_type), ("authorization", "Basic x")];
    for (media_type, body) in
        [("text/plain", "x"), ("application/json", "{"), ("application/x-www-form-urlencoded", "%FF")]
    {
        let headers = headers(media_type);
        let request = Request::new("POST", "/cb").with_headers(&headers).with_body(body.as_bytes());
        for result in [endpoint.verify(&request).map(|_| ()), endpoint.check_head(&request)] {
            assert!(matches!(result, Err(VerifyError::NotGenuine(NotGenuine::Credentials { .. }))));
        }
    }
}

#[test]
fn bodies_that_cannot_be_read_are_kept() {
    let endpoint = builder().body_limit(1000).build().unwrap();
    let sent = postback("c1", "Done", "5").json().sign();
    for body in ["[]", r#"{"player":"p1""#, "player=p1"] {
        let unusable = unusable(endpoint.verify(&sent.clone().with_body(body).request()));
        assert!(unusable.problem.to_string().starts_with("malformed parameter \"body\": "));
        assert!(unusable.callback.query.starts_with("body="));
    }
    // What decides nothing may be anything.
    let nested =
        r#"{"player":"p1","conversion_id":"c1","payout":5,"status":"Done","x":{"y":[1]},"z":[],"z":1,"w":"\ud800"}"#;
    assert!(endpoint.verify(&sent.clone().with_body(nested).request()).is_ok());
    for (from, to, expected) in [
        (r#""player":"p1""#, r#""player":{"id":"p1"}"#, "missing"),
        (r#""player":"p1""#, r#""player":["p1"]"#, "missing"),
        ("\"player\":\"p1\"", "\"player\":null", "empty_parameter"),
        (r#""player":"p1""#, "\"player\":\"\\ud800\"", "malformed"),
        (r#""player":"p1""#, "\"player\":\"p\\u0000\"", "malformed"),
        ("\"player\":\"p1\"", "\"player\":\"p\\n1\"", "identifier"),
        (r#""player":"p1""#, "\"player\":\"p1\",\"pl\\u0061yer\":\"p1\"", "repeated"),
    ] {
        let changed = sent.clone().with_body(nested.replace(from, to));
        assert_eq!(unusable(endpoint.verify(&changed.request())).problem.as_str(), expected, "{to}");
    }
    let large = sent.with_body("x".repeat(1001));
    assert_eq!(endpoint.verify(&large.request()).unwrap_err().as_str(), "body_too_large");
    assert_eq!(
        (endpoint.body_limit(), builder().body_limit(usize::MAX).build().unwrap().body_limit()),
        (1000, 1 << 20)
    );
    for method in ["HEAD", "PUT", "DELETE", "OPTIONS", "get", ""] {
        assert_eq!(endpoint.verify(&Request::new(method, "/cb?x=1")).unwrap_err().as_str(), "method");
    }
    let plain = Request::new("POST", "/cb").with_body(b"player=p1");
    let bearer = vec![("authorization", "Basic bmV0d29yazpsb25nLXJhbmRvbS1wYXNzd29yZA==")];
    assert_eq!(endpoint.verify(&plain.with_headers(&bearer)).unwrap_err().as_str(), "content_type");
}

#[test]
fn an_endpoint_that_cannot_be_safe_is_rejected() {
    let phonexa = || preset("phonexa").unwrap().app("game");
    assert!(matches!(phonexa().build(), Err(ConfigError::NoSecret { .. })));
    assert!(phonexa().secret(SECRET).unwrap().build().is_ok());
    for (role, name) in [(Role::Status, "player"), (Role::Transaction, "player"), (Role::Amount, "status")] {
        assert!(matches!(builder().parameter(role, name).build(), Err(ConfigError::SharedParameter { .. })), "{name}");
    }
    assert!(matches!(builder().parameter(Role::Player, "").build(), Err(ConfigError::MissingParameter { .. })));
    let lootably = preset("lootably").unwrap().app("game").secret(SECRET).unwrap();
    let error = lootably.credential(Credential::token(&secret("t"))).build().unwrap_err();
    assert_eq!(
        error.to_string(),
        "a credential cannot be set for lootably: it proves callbacks otherwise, so set its secret"
    );
    let key = Credential::parameter("status", &secret("s")).unwrap();
    assert!(matches!(builder().credential(key).build(), Err(ConfigError::SharedParameter { .. })));
    assert!(Credential::parameter("", &secret("s")).is_err());
    for login in ["", "a:b", "a\nb"] {
        assert!(Credential::basic(login, &secret("p")).is_err());
    }
    for name in ["", "X Key", "X-Key:", "Schlüssel"] {
        assert!(Credential::header(name, &secret("p")).is_err());
    }
    assert!(matches!(preset("phonexa").unwrap().app("a/b").secret("s").unwrap().build(), Err(ConfigError::Name(_))));
}
