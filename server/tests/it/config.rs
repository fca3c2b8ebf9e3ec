//! The configuration: every key wrong once, and what keeps a server from starting.

use std::fs;
use std::net::TcpListener;

use postback::Endpoint as _;
use postback::network::DescribedEndpoint;
use postback::testing::described::{DescribedSigner, SentCallback};
use postback_test_servers::free_port;

use crate::program::{BACKEND_SECRET, Setup, command, run};

/// A valid configuration with every key.
const VALID: &str = include_str!("../data/every-key.toml");

fn check(setup: &Setup, text: &str) -> (i32, String, String) {
    fs::write(setup.path("check.toml"), text).expect("the configuration");
    run(&mut command(setup.directory.path(), &["check", "--config", "check.toml"]))
}

#[test]
fn valid_configuration_lists_its_endpoints() {
    let setup = Setup::new();
    let (status, out, err) = check(&setup, VALID);
    assert_eq!((status, err.as_str()), (0, ""));
    for line in [
        "the configuration is valid: 4 endpoints, sqlite store",
        "  bitlabs/my-game offers at /callbacks/offers",
        "  notik/my-game postbacks at /callbacks/notik",
        "  acme/my-game postbacks at /callbacks/acme",
        "  admob/my-game rewards at /callbacks/admob",
    ] {
        assert!(out.lines().any(|known| known == line), "{line}: {out}");
    }
    assert!(!setup.path("postback.db").exists());
}

#[test]
fn each_key_that_is_wrong_is_reported_with_line_and_fix() {
    let setup = Setup::new();
    // What to replace, with what, and what the error says.
    let cases = [
        (r#"listen = "127.0.0.1:8080""#, r#"listen = "localhost:8080""#, ":1: listen: invalid address: write IP:PORT"),
        (r#"listen = "127.0.0.1:8080""#, "listen = 8080", ":1: listen: not a text: put it in quotation marks"),
        ("listen = ", "lisen = ", ":1: lisen: unknown key: did you mean \"listen\"?"),
        ("sqlite:postback.db", "mysql://x", ":2: store: unknown store: write \"sqlite:PATH\""),
        ("sqlite:postback.db", "env:UNSET_URL", ":2: store: environment variable UNSET_URL is not set"),
        (r#"log    = "json""#, r#"log = "xml""#, ":3: log: unknown log format: use \"text\" or \"json\""),
        ("http://127.0.0.1:9000/decisions", "ftp://127.0.0.1/x", ":5: backend.url: invalid URL: write http://HOST"),
        ("http://127.0.0.1:9000/decisions", "http://user:pw@127.0.0.1/x", ":5: backend.url: credentials in the URL"),
        (BACKEND_SECRET, "secret", ":6: backend.secret: invalid secret: expected \"whsec_\""),
        (BACKEND_SECRET, "file:missing.txt", ":6: backend.secret: cannot read file missing.txt"),
        (r#"timeout = "10s""#, r#"timeout = "soon""#, ":7: backend.timeout: invalid duration: write \"500ms\""),
        ("concurrency = 8", "concurrency = 0", ":8: backend.concurrency: not a whole number from 1 to 1024"),
        ("127.0.0.1:8081", "127.0.0.1:8080", ":9: admin.listen: same address as listen"),
        (
            "127.0.0.1:8081\"\ntoken  = \"a-long-random-token\"",
            "0.0.0.0:8081\"",
            ":10: admin.listen: admin port without a token",
        ),
        ("a-long-random-token", "short", ":11: admin.token: token shorter than 16 characters"),
        (r#"network = "bitlabs""#, r#"network = "bitlab""#, ":13: endpoint 1.network: unknown network \"bitlab\""),
        ("\"notik\"", "\"notic\"", r#":20: endpoint 2.network: unknown network "notic": did you mean "notik"?"#),
        ("my-game", "my game", ":14: endpoint 1.app:"),
        (
            "first,second",
            "env:UNSET_SECRET",
            ":15: endpoint 1.secret: environment variable UNSET_SECRET is not set: set it",
        ),
        ("first,second", "first,,second", ":15: endpoint 1.secret: empty secret (number 2): copy it from"),
        (r#"family  = "offers""#, r#"family = "offer""#, ":16: endpoint 1.family: unknown family: use one of offers,"),
        ("&state=[%OFFER:TASK:STATE%]", "&state=[%OFFER:STATE%]", ":17: endpoint 1.url:"),
        ("&tx=[%TX%]", "&amp;tx=[%TX%]", ":17: endpoint 1.url:"),
        (r#"acknowledge = ["screenouts"]"#, r#"acknowledge = ["all"]"#, ":18: endpoint 1.acknowledge: unknown word"),
        ("secret  = \"secret-of-notik\"", "family = \"offers\"", ":22: endpoint 2.family: not for this network"),
        ("user_id={user_id}&", "", ":23: endpoint 2.url:"),
        ("callbacks/notik?", "callbacks/offers?", ":23: endpoint 2.url: same path as endpoint 1"),
        ("callbacks/notik?", "health?", ":23: endpoint 2.url: the path /health is the server's own"),
        ("192.0.2.1", "192.0.2", ":28: endpoint 3.senders: invalid address \"192.0.2\""),
        ("proxies = [\"127.0.0.1\"]", "proxies = \"127.0.0.1\"", ":29: endpoint 3.proxies: not a list of texts"),
        ("hmac-sha256", "crc32", ":35: networks.acme:"),
        ("custom_data.player", "cookie", ":33: endpoint 4.player_in: unknown place"),
        (
            "player_in = \"custom_data.player\"",
            "secret = \"x\"",
            ":33: endpoint 4.secret: AdMob has no secret: remove it",
        ),
        (
            "/5224354917",
            "~5224354917",
            ":34: endpoint 4.ad_units: invalid ad unit \"ca-app-pub-3940256099942544~5224354917\"",
        ),
        (
            "ad_units  = [\"ca-app-pub-3940256099942544/5224354917\"]",
            "",
            ":30: endpoint 4.ad_units: missing key: add ad_units = ",
        ),
        ("[backend]", "[backends]", "backend: missing table: add [backend]"),
        ("listen = \"127.0.0.1:8080\"\n", "", "listen: missing key: add listen = …"),
        ("[admin]", "[admin", ":9:"),
    ];
    for (valid, wrong, expected) in cases {
        assert!(VALID.contains(valid), "{valid}");
        let (status, out, err) = check(&setup, &VALID.replacen(valid, wrong, 1));
        assert_eq!((status, out.as_str()), (2, ""), "{wrong}: {err}");
        let at = if expected.starts_with(':') { "check.toml" } else { "" };
        assert!(err.contains(&format!("{at}{expected}")), "{wrong}: expected {expected:?}: {err}");
        assert!(!err.contains("secret-of") && !err.contains("first"), "{err}");
    }
}

#[test]
fn all_errors_are_reported_at_once() {
    let setup = Setup::new();
    let text = VALID
        .replace("\"json\"", "\"xml\"")
        .replace("\"10s\"", "\"never\"")
        .replace("first,second", "env:UNSET_SECRET")
        .replace("192.0.2.1", "192.0.2");
    let (status, _, err) = check(&setup, &text);
    assert_eq!(status, 2);
    assert!(err.starts_with("postback: invalid configuration, 4 errors:\n"), "{err}");
    assert_eq!(err.lines().count(), 5, "{err}");
}

#[test]
fn network_with_a_broken_description_is_not_unknown() {
    let setup = Setup::new();
    for (valid, broken) in [("hmac-sha256", "crc32"), ("[networks.acme.request]", "[networks.other.request]")] {
        let (status, _, err) = check(&setup, &VALID.replace(valid, broken));
        assert_eq!((status, err.matches("networks.acme: ").count()), (2, 1), "{err}");
        assert!(!err.contains("unknown network"), "{err}");
    }
}

#[test]
fn secrets_come_from_the_environment_and_from_files() {
    let setup = Setup::new();
    fs::write(setup.path("secret.txt"), format!("{BACKEND_SECRET}\n")).expect("a file");
    let text = VALID.replace(BACKEND_SECRET, "file:secret.txt").replace("first,second", "env:APP_SECRET");
    fs::write(setup.path("check.toml"), text).expect("the configuration");
    let mut check = command(setup.directory.path(), &["check", "--config", "check.toml"]);
    let (status, _, err) = run(check.env("APP_SECRET", "one,two"));
    assert_eq!((status, err.as_str()), (0, ""));
}

#[test]
fn server_that_cannot_start_says_why_and_creates_nothing() {
    let setup = Setup::new();
    let (config, public, _) = setup.configure("postback.toml");
    let valid = fs::read_to_string(&config).expect("the configuration");
    let closed = free_port();
    let serve = |text: &str| {
        fs::write(&config, text).expect("the configuration");
        run(&mut command(setup.directory.path(), &["serve", "--config", "postback.toml"]))
    };
    let with_store = |store: &str| valid.replace("sqlite:postback.db", store);
    let cases = [
        (with_store("sqlite:missing/postback.db"), "missing/postback.db"),
        (with_store(&format!("postgres://postgres@127.0.0.1:{closed}/x")), "127.0.0.1"),
        (with_store(&format!("redis://127.0.0.1:{closed}")), "127.0.0.1"),
        (valid.replace("secret = \"a-secret", "secret = \"env:UNSET_SECRET"), "UNSET_SECRET"),
        (valid.replace("family", "famly"), "did you mean \"family\"?"),
    ];
    for (text, expected) in cases {
        let (status, out, err) = serve(&text);
        assert_eq!((status, out.as_str()), (2, ""), "{err}");
        let errors: Vec<&str> = err.lines().filter(|line| line.starts_with("postback: ")).collect();
        assert_eq!(errors.len(), 1, "{err}");
        assert!(err.contains(expected), "{expected}: {err}");
    }
    let occupied = TcpListener::bind(("127.0.0.1", public)).expect("the port is free");
    let (status, _, err) = serve(&valid);
    assert_eq!(status, 2);
    assert!(err.contains(&format!("cannot listen on 127.0.0.1:{public} (listen)")), "{err}");
    drop(occupied);
    let mut left: Vec<String> = fs::read_dir(setup.directory.path())
        .expect("the directory")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    left.sort_unstable();
    assert_eq!(left, ["postback.toml"]);
    let (status, _, err) = run(&mut command(setup.directory.path(), &["serve", "--config", "missing.toml"]));
    assert_eq!(status, 2);
    assert!(err.contains("cannot read configuration missing.toml"), "{err}");
}

#[test]
fn placeholder_of_a_printed_url_is_no_secret() {
    let setup = Setup::new();
    let with_keys =
        |keys: &str| format!("{VALID}[[endpoint]]\nnetwork = \"lootably\"\napp = \"placeholder\"\n{keys}\n");
    for (keys, expected) in [
        ("secret = \"real,YOUR_SECRET\"", "secret: secret number 2: \"YOUR_SECRET\" is only an example: copy "),
        (
            "secret = \"real\"\nurl = \"https://game.example/placeholder?userID={userID}&secret=YOUR_SECRET\"",
            "url: YOUR_SECRET stands for the secret: remove the url, and paste the one that `postback url --config FILE`",
        ),
    ] {
        let (status, _, err) = check(&setup, &with_keys(keys));
        assert!(status == 2 && err.contains(expected), "{err}");
    }
}

#[test]
fn ad_unit_of_two_endpoints_is_an_error() {
    let setup = Setup::new();
    let with = |ad_units: &str| {
        format!(
            "[[endpoint]]\nnetwork = \"admob\"\napp = \"other\"\nurl = \"https://game.example/other\"\nad_units = {ad_units}\n"
        )
    };
    let check_with = |ad_units: &str| check(&setup, &format!("{VALID}{}", with(ad_units)));
    for ad_units in [r#"["1", "5224354917"]"#, r#"["ca-app-pub-1/5224354917"]"#] {
        let (status, _, err) = check_with(ad_units);
        let expected = "endpoint 5.ad_units: ad unit 5224354917 is one of endpoint 4, too, so one view could be paid at \
                        both: list it once";
        assert!(status == 2 && err.contains(expected), "{err}");
    }
    // Callbacks have no leading zeros, so this one would match none.
    let (status, _, err) = check_with(r#"["05224354917"]"#);
    assert!(status == 2 && err.contains("endpoint 5.ad_units: invalid ad unit \"05224354917\""), "{err}");
    for ad_units in [r#"["1"]"#, r#"["1", "ca-app-pub-1/1"]"#] {
        let (status, _, err) = check_with(ad_units);
        assert_eq!((status, err.as_str()), (0, ""), "{ad_units}");
    }
}

const LONG_SECRET: &str = "a-long-random-text";
const ANOTHER_SECRET: &str = "another-long-random-text";

/// Checks two endpoints of one network. The URLs are what follows the path, if they are not left out.
fn check_two(network: &str, apps: [&str; 2], secrets: [&str; 2], urls: [Option<&str>; 2]) -> (i32, String) {
    let (head, _) = VALID.split_once("[[endpoint]]").expect("endpoints");
    let endpoint = |number: usize| {
        let (app, secret) = (apps[number], secrets[number]);
        let url = urls[number].map(|rest| format!("url = \"https://game.example/{number}{rest}\"\n"));
        let url = url.unwrap_or_default();
        format!("[[endpoint]]\nnetwork = \"{network}\"\napp = \"{app}\"\nsecret = \"{secret}\"\n{url}")
    };
    let (status, _, err) = check(&Setup::new(), &format!("{head}{}{}", endpoint(0), endpoint(1)));
    (status, err)
}

/// What follows the path in a preset's default URL, with this secret.
fn rest_of_url(network: &str, secret: &str) -> String {
    let url = postback::network::preset(network).expect("a preset").dashboard_url("");
    let rest = url.strip_prefix(&format!("/callbacks/{network}")).expect("its path");
    rest.replace("YOUR_SECRET", secret)
}

fn with_parameter(rest: &str, added: &str) -> String {
    format!("{rest}{}{added}", if rest.contains('?') { '&' } else { '?' })
}

const ADD_A_VALUE: &str = ", or add a parameter to both URLs with a value of its own in each, such as &app=b";
const ADD_A_SECRET: &str = ", or add a parameter to both URLs with a long random text of its own in each, &secret=…";

/// Networks that sign neither the URL nor the app, and what else can be done about it.
const WITHOUT_APP: [(&str, &str); 10] = [
    ("ayet", ADD_A_VALUE),
    ("unityads", ADD_A_VALUE),
    ("pollfish", ADD_A_SECRET),
    ("tapjoy", ADD_A_SECRET),
    ("pubscale", ADD_A_SECRET),
    ("superrewards", ADD_A_SECRET),
    ("adgem-v3", ADD_A_SECRET),
    ("mychips", ""),
    ("keitaro", ""),
    ("phonexa", ""),
];

#[test]
fn secret_of_two_apps_is_an_error() {
    for (network, fix) in WITHOUT_APP {
        let expected = format!(
            "endpoint 2.secret: same secret as endpoint 1, which is for another app, so one callback could be paid at both: \
             use a secret of its own for each app{fix}\n"
        );
        let rest = rest_of_url(network, LONG_SECRET);
        let lists = [&format!("{ANOTHER_SECRET},{LONG_SECRET}"), LONG_SECRET];
        for secrets in [[LONG_SECRET; 2], lists] {
            let (status, err) = check_two(network, ["a", "b"], secrets, [Some(&rest); 2]);
            assert!(status == 2 && err.contains(&expected), "{network}: {err}");
        }
        let (status, err) = check_two(network, ["a"; 2], [LONG_SECRET; 2], [Some(&rest); 2]);
        assert!(status == 0 && !err.contains("endpoint 2"), "{network}: {err}");
        let own = rest_of_url(network, ANOTHER_SECRET);
        let secrets = [LONG_SECRET, ANOTHER_SECRET];
        let (status, err) = check_two(network, ["a", "b"], secrets, [Some(&rest), Some(&own)]);
        assert!(status == 0 && !err.contains("endpoint 2"), "{network}: {err}");
    }
}

#[test]
fn secret_of_two_apps_is_allowed_if_their_urls_differ() {
    let check_urls = |network: &str, urls: [Option<&str>; 2]| {
        let (status, err) = check_two(network, ["a", "b"], [LONG_SECRET; 2], urls);
        assert_eq!(status == 2, err.contains("endpoint 2.secret: same secret as endpoint 1"), "{network}: {err}");
        status == 0
    };
    for (network, fix) in WITHOUT_APP {
        let rest = rest_of_url(network, LONG_SECRET);
        let check_added = |added: [&str; 2]| {
            let urls = added.map(|added| with_parameter(&rest, added));
            check_urls(network, [Some(&urls[0]), Some(&urls[1])])
        };
        // Somebody could change it, unless the network signs it.
        assert_eq!(check_added(["app=a", "app=b"]), fix == ADD_A_VALUE, "{network}");
        assert!(!check_added(["app=a", "app=a"]) && !check_added(["app=a", "x=b"]), "{network}");
        if !fix.is_empty() {
            let (one, other) = (format!("secret={LONG_SECRET}"), format!("secret={ANOTHER_SECRET}"));
            assert!(check_added([&one, &other]) && !check_added([&one, &one]), "{network}");
        }
    }
    // A secret that is made from the app's name; a URL that is signed.
    let own = rest_of_url("applovin", ANOTHER_SECRET);
    assert!(check_urls("applovin", [None, Some(&own)]) && !check_urls("applovin", [Some(&own), Some(&own)]));
    let made = rest_of_url("applovin", "{secret}");
    assert!(check_urls("applovin", [Some(&made), Some(&made)]));
    let rest = rest_of_url("notik", "");
    assert!(check_urls("notik", [Some(&rest), Some(&rest)]));
}

/// What the configuration allows is safe.
#[test]
fn callback_of_one_app_is_not_genuine_at_the_other() {
    for (network, fix) in WITHOUT_APP.into_iter().filter(|(_, fix)| !fix.is_empty()) {
        let (name, own, others) =
            if fix == ADD_A_VALUE { ("app", "a", "b") } else { ("secret", LONG_SECRET, ANOTHER_SECRET) };
        let description = postback::network::preset(network).expect("a preset");
        let rest = rest_of_url(network, "");
        let url = |value: &str| format!("https://game.example/0{}", with_parameter(&rest, &format!("{name}={value}")));
        let endpoint = |app: &str, value: &str| {
            let builder = description.app(app).secret(LONG_SECRET).expect("a secret").url(url(value));
            builder.build().expect("an endpoint")
        };
        let sent = DescribedSigner::new(&description, url(own), LONG_SECRET).callback().player("p1").amount("5").sign();
        let is_read = |sent: &SentCallback, endpoint: &DescribedEndpoint| match endpoint.verify(&sent.request()) {
            // A static parameter of another value: genuine, and unusable.
            Err(error) => error.is_genuine() && error.as_str() != "static_mismatch",
            Ok(_) => true,
        };
        assert!(is_read(&sent, &endpoint("a", own)), "{network}");
        let changed = sent.clone().with_target(sent.target().replace("app=a", "app=b"));
        for sent in [sent, changed] {
            assert!(!is_read(&sent, &endpoint("b", others)), "{network}: {}", sent.target());
        }
    }
}
