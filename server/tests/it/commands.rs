//! The commands' output.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postback::network::Role;
use postback::testing::bitlabs::Signer;
use postback::testing::described::DescribedSigner;
use postback_test_servers::wait_until;

use crate::client::Client;
use crate::operations::repository;
use crate::program::{OFFERS, SECRET, Setup, command, offer, run};
use crate::sample_backends::is_installed;
use crate::webhook::Recorder;

/// Runs a command in the setup's directory.
fn ask(setup: &Setup, arguments: &[&str]) -> (i32, String, String) {
    run(&mut program(setup, arguments))
}

fn program(setup: &Setup, arguments: &[&str]) -> Command {
    command(setup.directory.path(), arguments)
}

#[test]
fn sign_and_verify_agree_with_the_networks_vector() {
    let setup = Setup::new();
    let (config, ..) = setup.configure("postback.toml");
    let url = "https://publisher.com/complete?uid=8cc877ee-af19-488d-b28d-216fb866b996&val=500";
    let mut sign = program(&setup, &["sign", url]);
    let (status, out, _) = run(sign.env("BITLABS_APP_SECRET", "JLOIAUNMHFli7ZJOQVEzm98rzqnm9"));
    assert_eq!((status, out), (0, format!("{url}&hash=dbcd6bb8ca677344592842a52b4fca9bec36cd4b\n")));

    let callback = offer("player-7", "o233", "500", "COMPLETED");
    let config = config.to_str().expect("a path");
    let (status, out, err) = ask(&setup, &["verify", "--config", config, callback.url()]);
    assert_eq!(status, 0, "{err}");
    assert!(out.starts_with("genuine: completed (COMPLETE) 500 (bitlabs offers)\n"), "{out}");
    assert!(out.contains("  record       bitlabs/my-game/conversion/o233\n"), "{out}");
    let forged = callback.target().replace("500", "501");
    let (status, out, _) = ask(&setup, &["verify", "--config", config, &forged]);
    assert_eq!(status, 1);
    assert!(out.starts_with("not genuine: wrong signature"), "{out}");
    let (status, out, _) = ask(&setup, &["verify", "--config", config, "/other?a=1"]);
    assert_eq!((status, out.as_str()), (1, "unknown endpoint: no endpoint has the path /other\n"));

    let log = format!(
        "127.0.0.1 - - [10/Oct/2026:13:55:36 +0000] \"GET {} HTTP/1.1\" 200 7\n127.0.0.1 - - [x] \"GET /favicon.ico HTTP/1.1\" 404 0\njunk\n",
        callback.target()
    );
    fs::write(setup.path("access.log"), log).expect("a log");
    let (status, out, _) = ask(&setup, &["verify", "--config", config, "--json", "--access-log", "access.log"]);
    assert_eq!(status, 0);
    let lines: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 1);
    assert_eq!((&lines[0]["outcome"], &lines[0]["event"]["player"]), (&"genuine".into(), &"player-7".into()));
}

#[test]
fn sign_rejects_what_the_network_would_not_call() {
    let setup = Setup::new();
    let host = "https://game.example";
    for url in ["nonsense", "/offers?tx=o1", "https://?tx=o1", &format!("{host}/offers"), &format!("{host}/offers?")] {
        let (status, out, err) = run(program(&setup, &["sign", url]).env("BITLABS_APP_SECRET", SECRET));
        assert_eq!((status, out.as_str()), (2, ""), "{url}");
        assert!(err.contains("write it as the network would call it, such as https://"), "{err}");
    }
}

#[test]
fn url_prints_what_check_accepts_for_every_network() {
    let setup = Setup::new();
    let (_, names, _) = ask(&setup, &["url", "list"]);
    assert!(names.lines().count() > 30, "{names}");
    for name in names.lines() {
        let (status, out, err) = ask(&setup, &["url", name, "--base", "https://game.example"]);
        assert_eq!(status, 0, "{name}");
        let url = out.lines().next().expect("a URL");
        assert!(url.starts_with("https://game.example/"), "{name}: {url}");
        assert!(!err.is_empty());
        let typed = url.replace("YOUR_SECRET", "long-random-text");
        let (status, out, _) = ask(&setup, &["check", "--network", name, &typed]);
        assert_eq!(status, 0, "{name}: {typed}: {out}");
    }
    let (status, out, _) = ask(&setup, &["check", "https://game.example/cb?player=[%USER:UDI%]"]);
    assert_eq!(status, 1);
    assert!(out.contains("USER:UID"), "{out}");
    let (status, out, _) = ask(&setup, &["check", "--network", "lootably", "https://game.example/cb?userID={userID}"]);
    assert_eq!(status, 1);
    assert!(out.contains("error: "), "{out}");
    let (status, _, err) = ask(&setup, &["url", "lotably"]);
    assert_eq!(status, 2);
    assert!(err.contains("did you mean \"lootably\"?"), "{err}");
}

#[test]
fn show_finds_players_transactions_and_pending_decisions() {
    let setup = Setup::new();
    let mut server = setup.start();
    server.take(&offer("p1", "o1", "500", "COMPLETED"));
    server.take(&offer("p2", "o2", "500", "COMPLETED"));
    wait_until("the outage is noticed", || server.admin("/api/status")["delivery"]["backend_up"] == false);
    // The store is read while the server runs.
    let (status, out, _) = ask(&setup, &["show", "--pending"]);
    assert_eq!(status, 0);
    assert_eq!(out.matches("  player ").count(), 2);
    assert!(out.contains("failed attempts, the last") && out.contains("backend not reachable"), "{out}");
    let (_, out, err) = ask(&setup, &["show", "--pending", "--limit", "1"]);
    assert_eq!(out.matches("  player ").count(), 1);
    assert!(err.contains("only the first 1 are shown"));
    let backend = Recorder::accepting(setup.backend);
    backend.wait_for(2);
    assert_eq!(server.stop(), Some(0));
    for subject in ["p1", "o1", "bitlabs/my-game/conversion/o1"] {
        let (status, out, _) = ask(&setup, &["show", subject]);
        assert_eq!(status, 0, "{subject}");
        assert!(out.starts_with("bitlabs/my-game/conversion/o1  player p1  settled  balance 500\n"), "{out}");
        assert!(out.contains("offers: completed (COMPLETE) 500\n    pay 500, delivered "), "{out}");
    }
    let (status, _, err) = ask(&setup, &["show", "--store", "sqlite:postback.db", "o1"]);
    assert_eq!((status, err.as_str()), (1, "nothing was found\n"));
    let arguments =
        ["show", "--store", "sqlite:postback.db", "--network", "bitlabs", "--app", "my-game", "--json", "o1"];
    let (status, out, _) = ask(&setup, &arguments);
    assert_eq!(status, 0);
    let record: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(record["balance"], "500");
    let (status, _, err) = ask(&setup, &["show", "--store", "sqlite:missing.db", "o1"]);
    assert!(status == 2 && err.contains("missing.db"), "{err}");
    assert!(!setup.path("missing.db").exists());
}

#[test]
fn control_characters_of_others_are_printed_escaped() {
    let setup = Setup::new();
    let refusal = r#"{"refused":"\u001b[31mred\nsettled\u009b31m"}"#;
    let _backend = Recorder::start(setup.backend, move |_| (422, refusal.to_owned()));
    let server = setup.start();
    server.take(&offer("p1", "o1", "500", "COMPLETED"));
    let record = "/api/record?key=bitlabs/my-game/conversion/o1";
    wait_until("the conversion is closed", || server.admin(record)["status"] == "closed");
    let (status, out, _) = ask(&setup, &["show", "o1"]);
    assert!(status == 0 && out.contains(": \\u001b[31mred\\u000asettled\\u009b31m\n"), "{out}");
    let values =
        [("player", "p1"), ("tx", "o2"), ("gems", "5"), ("state", "COMPLETED"), ("name", "\u{1b}[31m\n\u{9b}")];
    let callback = Signer::new(SECRET, OFFERS).sign(&values);
    let (status, out, _) = ask(&setup, &["verify", callback.url()]);
    assert!(status == 0 && out.contains("  name         \\u001b[31m\\u000a\\u009b\n"), "{out}");
    // JSON stays JSON.
    let (_, out, _) = ask(&setup, &["show", "--json", "o1"]);
    let shown: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(shown["closed"], "\u{1b}[31mred\nsettled\u{9b}31m");
    assert!(!out.contains('\u{9b}'), "{out}");
}

#[test]
fn import_is_dry_and_pays_nothing_again() {
    let setup = Setup::new();
    let list = "transaction,player,amount,taken_back,milestone,paid_at\n\
                o1,p1,500,,completed,2025-11-30 23:59:59\no2,p2,120,20,,\no3,p3,,,,1700000000\n";
    fs::write(setup.path("paid.csv"), list).expect("a list");
    let import = |more: &[&str]| {
        let mut arguments = vec!["import", "sqlite:postback.db", "paid.csv", "--app", "my-game"];
        arguments.extend(more);
        ask(&setup, &arguments)
    };
    let (status, _, err) = import(&[]);
    assert!(status == 2 && err.contains("add --create for a new one"), "{err}");
    let (status, out, err) = import(&["--create"]);
    assert_eq!(status, 0, "{err}");
    assert!(out.starts_with("would be: 3 imported, 1 imported as closed"), "{out}");
    assert!(out.contains("a completed callback of another milestone pays"), "{out}");
    assert!(out.contains("Nothing was written."));
    assert!(err.contains("line 4: imported without an amount"), "{err}");
    assert!(!setup.path("postback.db").exists());
    let (status, out, _) = import(&["--create", "--write"]);
    assert!(status == 0 && out.starts_with("3 imported, 1 imported as closed"), "{out}");
    let (status, out, _) = import(&["--write"]);
    assert!(status == 0 && out.starts_with("0 imported, 0 imported as closed, 4 imported before"), "{out}");

    let backend = Recorder::accepting(setup.backend);
    let server = setup.start();
    assert_eq!(server.take(&offer("p1", "o1", "500", "COMPLETED")), "duplicate");
    assert_eq!(server.take(&offer("p2", "o2", "120", "COMPLETED")), "duplicate");
    assert_eq!(server.take(&offer("p3", "o3", "900", "COMPLETED")), "closed");
    server.take(&offer("p2", "o2", "120", "RECONCILED"));
    drop(backend);

    for (list, expected) in [
        (
            "transaction,amount,milestone\no1,500,DONE\n",
            "line 2: unknown milestone: use COMPLETE, SCREENOUT or START_BONUS",
        ),
        ("transaction,amount\no1,5,00\n", "line 2: 3 fields, but the header has 2"),
        ("transaction,amount\no1,1e3\n", "line 2: amount: not a plain number"),
        ("transaction,amount\no1,-5\n", "line 2: negative amount"),
        ("transaction,amount,paid_at\no1,5,yesterday\n", "line 2: paid_at: write 2026-11-30T23:59:59Z"),
        ("transaction,gems\no1,5\n", "unknown column \"gems\""),
        ("transaction,player\no1,p1\n", "missing column \"amount\""),
        ("transaction,amount\n", "the file has no line below its header"),
    ] {
        fs::write(setup.path("paid.csv"), list).expect("a list");
        let (status, _, err) = import(&["--write"]);
        assert!(status == 2 && err.contains(expected), "{expected}: {err}");
    }
}

#[test]
fn imports_of_goals_and_of_own_networks_are_duplicates() {
    let mut setup = Setup::new();
    let toml = "[networks.acme]\nname = \"acme\"\n[networks.acme.parameters]\nuser = \"the player\"\n\
                id = \"the transaction\"\ngoal = \"the goal\"\ncoins = \"the reward\"\n\
                [networks.acme.static]\nsecret = \"a text\"\n[networks.acme.fields]\nplayer = \"user\"\n\
                transaction = \"id\"\ngoal = \"goal\"\namount = \"coins\"\n[networks.acme.authentication]\n\
                kind = \"secret\"\nin = \"secret\"\n[networks.acme.meaning]\nalways = \"completed\"\n\
                goal = \"transaction\"\n";
    setup.end = endpoint("mychips", &format!("secret = \"{SECRET}\""))
        + &endpoint("acme", &format!("secret = \"{SECRET}\""))
        + toml;
    let server = setup.start();
    for (network, more) in [("mychips", vec![]), ("acme", vec!["--config", "postback.toml"])] {
        fs::write(setup.path("paid.csv"), "transaction,player,amount,milestone\na:b,p1,5,level 1\n").expect("a list");
        let arguments =
            ["import", "sqlite:postback.db", "paid.csv", "--app", "my-game", "--network", network, "--write"];
        let (status, out, err) = ask(&setup, &[&arguments[..], &more].concat());
        assert!(status == 0 && out.starts_with("1 imported, "), "{out}{err}");
    }
    let mychips =
        format!("/callbacks/mychips?user_id=p1&click_id=a%3Ab&event_name=level%201&user_payout=5&secret={SECRET}");
    let acme = format!("/callbacks/acme?user=p1&id=a%3Ab&goal=level%201&coins=5&secret={SECRET}");
    for target in [mychips, acme] {
        let response = server.get(&target);
        assert_eq!((response.status, response.body.as_str()), (200, "duplicate"), "{target}");
    }
    let found = server.admin("/api/search?q=a:b");
    assert_eq!(found["records"].as_array().map(Vec::len), Some(2), "{found}");
    let (status, _, err) =
        ask(&setup, &["import", "sqlite:postback.db", "paid.csv", "--app", "a", "--network", "other"]);
    assert!(status == 2 && err.contains("[networks.other]"), "{err}");
}

#[test]
fn imports_with_goals_as_in_the_url_are_duplicates() {
    // Network, app, secret, URL, and what the list says.
    let mut cases = Vec::new();
    for (name, milestone) in [
        ("adgate", ""),
        ("affise", ""),
        ("ayet", ""),
        ("everflow", ""),
        ("keitaro", ""),
        ("mychips", "level 1"),
        ("tune", ""),
    ] {
        cases.push((name, "my-game", SECRET, default_url(name).replace("YOUR_SECRET", SECRET), milestone));
    }
    let other_secret = format!("{SECRET}-of-another-app");
    for (name, goal) in [
        ("adgate", "event_id"),
        ("affise", "goal"),
        ("ayet", "task_uuid"),
        ("everflow", "event_id"),
        ("tune", "goal_id"),
    ] {
        let url = default_url(name).replace("YOUR_SECRET", &other_secret).replace("/callbacks/", "/goals/");
        cases.push((name, "with-goals", &other_secret, url.replace('?', &format!("?goal={{{goal}}}&")), "level 1"));
    }
    let mut setup = Setup::new();
    for (name, app, secret, url, _) in &cases {
        setup.end.push_str(&format!(
            "[[endpoint]]\nnetwork = \"{name}\"\napp = \"{app}\"\nsecret = \"{secret}\"\nurl = \"{url}\"\n"
        ));
    }
    let _backend = Recorder::accepting(setup.backend);
    let server = setup.start();
    for (name, app, secret, url, milestone) in cases {
        let list = format!("transaction,player,amount,milestone\nt1,p1,5,{milestone}\n");
        fs::write(setup.path("paid.csv"), list).expect("a list");
        let arguments = ["import", "sqlite:postback.db", "paid.csv", "--app", app, "--network", name];
        let (status, out, err) = ask(&setup, &arguments);
        assert_eq!(status, 0, "{err}");
        let printed = out.lines().find_map(|line| line.strip_prefix("for example "));
        let key =
            printed.and_then(|line| line.strip_suffix(": compare with `postback show`, or send a recorded callback"));
        let key = key.unwrap_or_else(|| panic!("{name}: {out}"));
        let (status, out, err) = ask(&setup, &[&arguments[..], &["--write"]].concat());
        assert!(status == 0 && out.starts_with("1 imported, "), "{name}: {out}{err}");
        let network = postback::network::preset(name).expect("a preset");
        let draft = DescribedSigner::new(&network, url, secret).callback();
        let goal = if name == "keitaro" { "p1" } else { "level 1" };
        let sent = draft.player("p1").transaction("t1").amount("5").role(Role::Goal, goal).sign();
        let headers: Vec<(&str, &str)> = sent.headers().iter().map(|(name, value)| (&**name, &**value)).collect();
        let response = Client::new(server.public).send(sent.method(), sent.target(), &headers).expect("a response");
        assert_eq!((response.status, response.body.as_str()), (200, "duplicate"), "{name}: {}", sent.target());
        let record = server.admin(&format!("/api/record?key={}", key.replace(' ', "%20")));
        assert_eq!(record["key"], key, "{name}");
    }
    // Without the player, no callback would have the key.
    fs::write(setup.path("paid.csv"), "transaction,amount\nt2,5\n").expect("a list");
    let arguments = ["import", "sqlite:postback.db", "paid.csv", "--app", "my-game", "--network", "keitaro"];
    let (status, _, err) = ask(&setup, &arguments);
    assert!(status == 2 && err.contains("line 2: no player: transactions of this network"), "{err}");
}

#[test]
fn simulation_of_every_network_is_right() {
    let mut setup = Setup::new();
    // BitLabs is in every setup.
    let (_, names, _) = ask(&setup, &["url", "list"]);
    let described: Vec<&str> = names.lines().filter(|name| !matches!(*name, "admob" | "bitlabs")).collect();
    for name in &described {
        let (_, out, _) = ask(&setup, &["url", name, "--base", "https://game.example"]);
        let url = out.lines().next().expect("a URL").replace("YOUR_SECRET", SECRET);
        setup.end.push_str(&format!(
            "[[endpoint]]\nnetwork = \"{name}\"\napp = \"my-game\"\nsecret = \"{SECRET}\"\nurl = \"{url}\"\n"
        ));
    }
    let apps = [("first", "user_id"), ("second", "custom_data"), ("third", "custom_data.the player")];
    for (ad_unit, (app, place)) in (2..).zip(apps) {
        setup.end.push_str(&format!(
            "[[endpoint]]\nnetwork = \"admob\"\napp = \"{app}\"\nkeys_file = \"key.json\"\nad_units = [\"ca-app-pub-1/{ad_unit}\"]\nplayer_in = \"{place}\"\nurl = \"https://game.example/callbacks/admob/{app}\"\n"
        ));
    }
    // The key exists before the configuration.
    let (status, _, err) = ask(&setup, &["simulate", "admob", "--key", "key.pem"]);
    assert!(status == 2 && err.contains("cannot read configuration"), "{err}");
    let _backend = Recorder::accepting(setup.backend);
    let server = setup.start();
    let to = format!("http://127.0.0.1:{}", server.public);
    let admin = format!("http://127.0.0.1:{}", server.admin);
    let simulate =
        |network: &str, key: &str| ask(&setup, &["simulate", network, "--to", &to, "--admin", &admin, "--key", key]);
    let mut wrong = String::new();
    for network in described.into_iter().chain(["admob", "bitlabs"]) {
        let (status, out, err) = simulate(network, "key.pem");
        let is_played = ["reward ", "duplicate ", "forgery "].iter().all(|scenario| out.contains(scenario));
        if status != 0 || !is_played || !out.ends_with(", 0 wrong\n") {
            wrong.push_str(&format!("{network}: {out}{err}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    let (status, _, err) = simulate("admob", "another.pem");
    assert!(status == 2 && err.contains("add keys_file = "), "{err}");
    let (status, _, err) = ask(&setup, &["simulate", "admob", "--to", &to]);
    assert!(status == 2 && err.contains("add --key FILE"), "{err}");
    let (status, _, err) = ask(&setup, &["simulate", "bitlabs", "--to", "http://192.0.2.1:8080"]);
    assert!(status == 2 && err.contains("--allow-remote"), "{err}");
    let (status, _, err) = ask(&setup, &["simulate", "acme", "--to", &to]);
    assert!(status == 2 && err.contains("no endpoint of \"acme\""), "{err}");
    // To play against a receiver of one's own, the endpoints are enough.
    fs::write(setup.path("postback.toml"), &setup.end).expect("a file");
    let (status, out, err) = ask(&setup, &["simulate", "notik", "--to", &to]);
    assert!(status == 0 && out.trim_end().ends_with(", 0 wrong"), "{out}{err}");
}

#[test]
fn guide_for_migration_works_as_printed() {
    let guide = fs::read_to_string(repository().join("docs/guide/migration.md")).expect("the guide");
    let (_, rest) = guide.split_once("$ cat paid.csv\n").expect("the list");
    let (list, rest) = rest.split_once("$ ").expect("a command");
    let (commands, _) = rest.split_once("```").expect("the block's end");
    let setup = Setup::new();
    fs::write(setup.path("paid.csv"), list).expect("a list");
    for (command, expected) in commands.lines().zip(["would be: ", "3 imported, 1 imported as closed"]) {
        let arguments: Vec<&str> = command.split(' ').skip_while(|word| *word != "import").collect();
        let (status, out, err) = ask(&setup, &arguments);
        assert!(status == 0 && out.contains(expected), "{command}: {out}{err}");
        assert_eq!(setup.path("game.db").exists(), command.ends_with("--write"));
    }
}

#[test]
fn guide_for_testing_a_backend_works_as_printed() {
    if !is_installed("curl --version") {
        return;
    }
    let guide = fs::read_to_string(repository().join("docs/guide/testing.md")).expect("the guide");
    let blocks = |start: &'static str| guide.split(start).skip(1).map(|rest| rest.split("```").next());
    let mut setup = Setup::new();
    let _backend = Recorder::accepting(setup.backend);
    let server = setup.start();
    setup.end = blocks("```toml\n").next().flatten().expect("a configuration").to_owned();
    fs::write(setup.path("postback.toml"), &setup.end).expect("a file");
    let here = format!("127.0.0.1:{}", server.public);
    let outputs: Vec<String> = blocks("```sh\n")
        .flatten()
        .map(|commands| {
            let programs = Path::new(env!("CARGO_BIN_EXE_postback")).parent().expect("a directory");
            let path = format!("{}:{}", programs.display(), std::env::var("PATH").expect("PATH"));
            let mut shell = Command::new("sh");
            shell.args(["-ec", &commands.replace("127.0.0.1:8080", &here)]).current_dir(setup.directory.path());
            let (status, out, err) = run(shell.env("PATH", path).env("BITLABS_APP_SECRET", SECRET));
            assert_eq!(status, 0, "{commands}{err}");
            out
        })
        .collect();
    let [simulated, sent] = outputs.as_slice() else { panic!("two blocks") };
    assert!(simulated.trim_end().ends_with(", 0 wrong"), "{simulated}");
    assert!(sent.starts_with("HTTP/1.1 200") && sent.trim_end().ends_with("accepted"), "{sent}");
}

const GAME: &str = "https://game.example";

/// An endpoint of a preset, with more keys.
fn endpoint(network: &str, keys: &str) -> String {
    format!("[[endpoint]]\nnetwork = \"{network}\"\napp = \"my-game\"\n{keys}\n")
}

/// The default URL of a preset.
fn default_url(network: &str) -> String {
    postback::network::preset(network).expect("a preset").dashboard_url(GAME)
}

#[test]
fn every_listed_secret_is_a_credential() {
    let mut setup = Setup::new();
    let by_header = default_url("phonexa").replace("/callbacks/phonexa", "/callbacks/by-header");
    setup.end = endpoint("phonexa", "login = \"network\"\nsecret = \"new-password,old-password\"")
        + &endpoint("phonexa", &format!("header = \"x-key\"\nsecret = \"new-key,old-key\"\nurl = \"{by_header}\""));
    let server = setup.start();
    let mut client = Client::new(server.public);
    let mut ask_with = |path: &str, header: (&str, &str)| {
        let target = format!("{path}?player=p1&conversion_id=c1");
        client.send("GET", &target, &[header]).expect("a response").status
    };
    for (password, status) in [("new-password", 400), ("old-password", 400), ("new-password,old-password", 401)] {
        let basic = format!("Basic {}", STANDARD.encode(format!("network:{password}")));
        assert_eq!(ask_with("/callbacks/phonexa", ("authorization", &basic)), status, "{password}");
    }
    for (key, status) in [("new-key", 400), ("old-key", 400), ("new-key,old-key", 401)] {
        assert_eq!(ask_with("/callbacks/by-header", ("x-key", key)), status, "{key}");
    }
    let to = format!("http://127.0.0.1:{}", server.public);
    let (status, out, err) = ask(&setup, &["simulate", "phonexa", "--to", &to]);
    assert_eq!(status, 0, "{out}{err}");
}

#[test]
fn url_prints_the_endpoints_urls_with_their_secrets() {
    let mut setup = Setup::new();
    setup.end = endpoint("lootably", "secret = \"the-key-of-the-dashboard\"");
    let server = setup.start();
    let (status, out, _) = ask(&setup, &["check"]);
    assert!(status == 0 && out.contains("`postback url --config postback.toml`"), "{out}");
    let (status, out, err) = ask(&setup, &["url", "--config", "postback.toml", "--base", GAME]);
    let urls: Vec<&str> = out.lines().collect();
    let [offers, lootably] = urls.as_slice() else { panic!("{out}") };
    assert!(status == 0 && *offers == OFFERS && err.contains("lootably/my-game postbacks"), "{err}");
    assert!(lootably.starts_with("https://game.example/callbacks/lootably?"), "{lootably}");
    // What the network makes of the printed URL is taken.
    let description = postback::network::preset("lootably").expect("a preset");
    let network = DescribedSigner::new(&description, *lootably, "the-key-of-the-dashboard");
    let sent = network.callback().player("p1").transaction("t1").amount("500").sign();
    assert_eq!(server.get(sent.target()).status, 200);
    let (_, secret) = lootably.split_once("secret=").expect("a secret");
    let secret = secret.split('&').next().expect("a secret");
    assert!(secret.len() == 32 && !out.contains("the-key-of-the-dashboard"), "{lootably}");
    assert!(!server.log().contains(secret) && server.log().contains("postback url --config"));
}

#[test]
fn retry_of_a_record_says_if_there_is_nothing_to_do() {
    let setup = Setup::new();
    let backend = Recorder::accepting(setup.backend);
    let server = setup.start();
    server.take(&offer("p1", "o1", "500", "COMPLETED"));
    backend.wait_for(1);
    wait_until("it is delivered", || server.admin("/api/pending")["records"] == serde_json::json!([]));
    let (status, out, err) = ask(&setup, &["retry", "bitlabs/my-game/conversion/none"]);
    assert_eq!((status, out.as_str()), (2, ""));
    assert_eq!(err, "postback: no such record: bitlabs/my-game/conversion/none\n");
    let (status, out, _) = ask(&setup, &["retry", "bitlabs/my-game/conversion/o1"]);
    assert_eq!((status, out.as_str()), (0, "nothing is pending\n"));
    assert_eq!(backend.count(), 1);
}

#[test]
fn verify_does_not_judge_what_the_url_does_not_show() {
    let mut setup = Setup::new();
    setup.end = endpoint("phonexa", "login = \"network\"\nsecret = \"a-password\"")
        + &endpoint("adgem-v3", "secret = \"another-key\"")
        + &endpoint("wannads", "secret = \"a-third-key\"");
    setup.configure("postback.toml");
    for target in ["/callbacks/phonexa?player=p1", "/callbacks/adgem-v3"] {
        let (status, out, err) = ask(&setup, &["verify", target]);
        assert!(
            status == 3 && out.starts_with("cannot be verified: the URL does not show what"),
            "{status} {out}{err}"
        );
    }
    let verify_log = |requests: &[&str]| {
        let line = |request: &&str| format!("192.0.2.1 - - [x] \"{request} HTTP/1.1\" 200 7\n");
        fs::write(setup.path("access.log"), requests.iter().map(line).collect::<String>()).expect("a log");
        ask(&setup, &["verify", "--json", "--access-log", "access.log"])
    };
    let genuine = format!("GET {}", offer("p1", "o1", "500", "COMPLETED").target());
    let (status, out, _) = verify_log(&[&genuine, "POST /callbacks/wannads", "POST /callbacks/adgem-v3"]);
    assert_eq!(status, 3, "{out}");
    assert_eq!(out.matches("\"cannot_be_verified\"").count(), 2, "{out}");
    let forged = genuine.replace("500", "501");
    let (status, out, _) = verify_log(&[&forged, "POST /callbacks/wannads", "GET /callbacks/wannads?subId=p1"]);
    assert_eq!((status, out.matches("\"not_genuine\"").count()), (1, 2), "{out}");
}

#[test]
fn urls_with_a_meaning_are_counted_and_simulated_as_such() {
    let mut setup = Setup::new();
    let description = postback::network::preset("pollfish").expect("a preset");
    let reversals = description.reversal_url(GAME).expect("a URL for reversals");
    for (url, meaning) in [(default_url("pollfish"), "completed"), (reversals, "reversed")] {
        setup.end.push_str(&endpoint(
            "pollfish",
            &format!("secret = \"{SECRET}\"\nurl = \"{url}\"\nmeaning = \"{meaning}\""),
        ));
    }
    let _backend = Recorder::accepting(setup.backend);
    let server = setup.start();
    let network = DescribedSigner::new(&description, default_url("pollfish"), SECRET);
    let sent = network.callback().player("p1").transaction("t1").amount("500").sign();
    assert_eq!(server.get(sent.target()).status, 200);
    let endpoints = server.admin("/api/status")["endpoints"].clone();
    assert_eq!((&endpoints[1]["genuine"], &endpoints[2]["genuine"]), (&1.into(), &0.into()));
    let to = format!("http://127.0.0.1:{}", server.public);
    let admin = format!("http://127.0.0.1:{}", server.admin);
    let (status, out, err) = ask(&setup, &["simulate", "pollfish", "--to", &to, "--admin", &admin]);
    assert!(status == 0 && out.ends_with(", 0 wrong\n"), "{out}{err}");
    assert!(out.contains("\nreversal "), "{out}");
    let endpoints = server.admin("/api/status")["endpoints"].clone();
    assert_eq!(endpoints[2]["genuine"], 1);
}

/// Simulates a network against a server with these endpoints, and expects these callbacks, all right.
fn simulate_all_right(endpoints: &str, network: &str, callbacks: &[&str]) -> String {
    let mut setup = Setup::new();
    setup.end = endpoints.to_owned();
    let _backend = Recorder::accepting(setup.backend);
    let server = setup.start();
    let to = format!("http://127.0.0.1:{}", server.public);
    let admin = format!("http://127.0.0.1:{}", server.admin);
    let (status, out, err) = ask(&setup, &["simulate", network, "--to", &to, "--admin", &admin]);
    assert!(status == 0 && out.ends_with(", 0 wrong\n"), "{out}{err}");
    for callback in callbacks {
        assert!(out.lines().any(|line| line.starts_with(callback)), "{callback}: {out}{err}");
    }
    assert_eq!(server.admin("/api/unusable")["unusable"], serde_json::json!([]), "{out}");
    err
}

#[test]
fn simulation_uses_the_names_and_words_of_the_endpoint() {
    let played = ["reward ", "duplicate ", "pending ", "reversal ", "forgery "];
    for keys in [
        "parameters = { goal = \"goal\" }",
        "parameters = { player = \"sub1\", transaction = \"click\", amount = \"gems\" }",
        "parameters = { status = \"event\", goal = \"step\" }\nwords = { done = \"pending\", paid = \"completed\" }",
    ] {
        let endpoint = endpoint("phonexa", &format!("secret = \"{SECRET}\"\n{keys}"));
        let notes = simulate_all_right(&endpoint, "phonexa", &played);
        assert_eq!(notes, "", "{keys}");
    }
    // A macro that the description does not know, and an amount that the operator typed.
    let url = format!("{GAME}/callbacks/tune?secret={SECRET}&who={{aff_sub5}}&transaction={{transaction_id}}&gems=50");
    let keys =
        format!("secret = \"{SECRET}\"\nurl = \"{url}\"\nparameters = {{ player = \"who\", amount = \"gems\" }}");
    let notes = simulate_all_right(&endpoint("tune", &keys), "tune", &["reward ", "duplicate ", "forgery "]);
    assert_eq!(notes, "");
}

#[test]
fn simulation_with_a_url_for_each_status_uses_all_of_them() {
    let url = |path: &str| format!("{GAME}/callbacks/{path}");
    let endpoints: String = ["completed", "pending", "reversed"]
        .map(|meaning| {
            let url = url(meaning);
            endpoint("phonexa", &format!("secret = \"{SECRET}\"\nurl = \"{url}\"\nmeaning = \"{meaning}\""))
        })
        .concat();
    let notes = simulate_all_right(&endpoints, "phonexa", &["reward ", "duplicate ", "pending ", "reversal "]);
    let skipped: Vec<&str> = notes.lines().collect();
    assert_eq!(skipped.len(), 2, "{notes}");
    assert!(
        skipped[0].starts_with("phonexa postbacks at /callbacks/pending: skipped, it takes no rewards: "),
        "{notes}"
    );
}

#[test]
fn search_finds_the_goals_of_a_transaction() {
    let mut setup = Setup::new();
    let url = default_url("mychips").replace("YOUR_SECRET", SECRET);
    setup.end = endpoint("mychips", &format!("secret = \"{SECRET}\"\nurl = \"{url}\""));
    let server = setup.start();
    let description = postback::network::preset("mychips").expect("a preset");
    let network = DescribedSigner::new(&description, url, SECRET);
    for (transaction, goal) in [("t1", "level-1"), ("t1", "level-2"), ("t12", "level-1")] {
        let draft = network.callback().player("p1").transaction(transaction).amount("500").role(Role::Goal, goal);
        let response = server.get(draft.sign().target());
        assert_eq!(response.status, 200, "{}", response.body);
    }
    let search = || {
        let found = server.admin("/api/search?q=t1");
        let records = found["records"].as_array().expect("a list").clone();
        records.iter().map(|record| record["key"].as_str().expect("a key").to_owned()).collect::<Vec<_>>()
    };
    let goals = ["level-1", "level-2"].map(|goal| format!("mychips/my-game/conversion/t1:{goal}"));
    assert_eq!(search(), goals, "pending");
    let _backend = Recorder::accepting(setup.backend);
    wait_until("they are delivered", || server.admin("/api/pending")["records"] == serde_json::json!([]));
    assert_eq!(search(), goals, "settled");
    let (status, out, _) = ask(&setup, &["show", "t1"]);
    assert_eq!((status, out.matches("  player ").count()), (0, 2), "{out}");
}
