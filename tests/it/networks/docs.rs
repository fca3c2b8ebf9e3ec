//! `docs/networks.md` is generated from the descriptions.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use postback::network::{Description, Evidence, Role, preset, presets};
use postback::{Endpoint as _, Request};
use sha2::{Digest as _, Sha256};

/// Networks that publishers ask for and that are not here, with the reason.
const LEFT_OUT: &str = "\
- No specification found, an incomplete one, or one source only: Chartboost, GemiWall, HangMyAds, InMobi, Meta Audience Network, Mintegral,
  Mistplay, MM Wall, Moonetix, Playtimeads, Prime Surveys, PureSpectrum, RapidoReach
- Not read: Applixir, Cint, Pangle, Sigmob, TapResearch, TradPlus
- Not secure: Acorn (no secret in its signature), Clickwall (no signature), Pitchium (no transaction id: cannot be paid exactly once)
- Rarely used, possible with a description of your own: Adiscope, AdMantum, Admost AMR, Annecy, IGAWorks
- Closed: AdColony, MoPub
";

/// What the signature leaves out, of what decides about money.
fn not_signed(network: &Description) -> String {
    let deciding = [Role::Player, Role::Transaction, Role::Original, Role::Goal, Role::Amount, Role::Status];
    let names = |roles: Vec<Role>| -> Vec<&str> {
        roles.into_iter().filter(|role| deciding.contains(role)).map(Role::as_str).collect()
    };
    let (covered, uncovered) = network.coverage();
    match (names(covered).as_slice(), names(uncovered).as_slice()) {
        (_, []) => "–".to_owned(),
        ([], _) => "everything".to_owned(),
        (_, names) => names.join(", "),
    }
}

fn mark(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Official => "",
        Evidence::Copy => " (copy)",
        Evidence::Implementations => " (implementations)",
        _ => " (**uncertain**)",
    }
}

fn row(network: &Description) -> String {
    let title = match network.docs() {
        "" => network.title().to_owned(),
        docs => format!("[{}]({docs})", network.title()),
    };
    let is_weak = !network.authentication().starts_with("secret");
    let secret = if is_weak && network.dashboard_url("").contains("secret=") { " + secret" } else { "" };
    format!(
        "| [`{0}`](../networks/{0}.toml) {title}{1} | {2}{secret} | {3} |",
        network.name(),
        mark(network.evidence()),
        network.authentication(),
        not_signed(network),
    )
}

/// The networks whose reversals are not the usual ones, by how they are.
fn reversals(all: &[Description]) -> String {
    let mut unusual = BTreeMap::from([("none".to_owned(), vec!["`admob`".to_owned()])]);
    for network in all {
        let reversals = network.reversals();
        let is_usual = reversals.ends_with("; same transaction; takes back everything");
        let how = reversals.replace("; same transaction; takes back everything", "");
        if !is_usual || how == "URL of its own" {
            unusual.entry(how).or_default().push(format!("`{}`", network.name()));
        }
    }
    let lines = unusual.iter().map(|(how, names)| format!("- {}: {how}\n", names.join(", ")));
    lines.collect()
}

fn generated() -> String {
    let mut text = String::from(
        "<!-- Generated from networks/*.toml: POSTBACK_UPDATE_DOCS=1 cargo test --test it docs -->\n\
         # Networks\n\n\
         [How to use and describe them](guide/networks.md). Each name leads to the description, with macros, notes, retries, and addresses\n\
         that others saw (`postback url NAME` prints them), and the response's body. `bitlabs` and `admob` are typed Rust.\n\n\
         - Evidence is the vendor's own pages or repositories, unless stated: *copy* of these; *implementations*: several public\n  \
         receivers that agree; *uncertain*: compare it with the network's dashboard.\n\
         - **Not signed**: anybody who sees a callback can change it. `+ secret`: the default URL contains a static secret instead.\n\n\
         | network | authentication | not signed |\n\
         |---|---|---|\n\
         | `admob` [AdMob](https://developers.google.com/admob/android/ssv) | ECDSA P-256 of the query | URL, publisher: configure the ad units |\n\
         | `bitlabs` [BitLabs](https://developer.bitlabs.ai) ([guide](guide/bitlabs.md)) | HMAC-SHA-1 of the URL | – |\n",
    );
    let all: Vec<Description> = presets().map(|name| preset(name).unwrap()).collect();
    for network in &all {
        let _ = writeln!(text, "{}", row(network));
    }
    text.push_str("\nReversals have the transaction of what they take back, and take back everything, except:\n\n");
    text.push_str(&reversals(&all));
    text.push_str("\nThe same protocol under other names, each with its own keys in the store:\n\n");
    for network in all.iter().filter(|network| !network.family().is_empty()) {
        let members: Vec<String> = network.family().iter().map(|name| format!("`{name}`")).collect();
        let _ = writeln!(text, "- `{}`: {}", network.name(), members.join(", "));
    }
    let _ = write!(text, "\n## Left out\n\n{LEFT_OUT}");
    text
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a switch for people")]
fn the_list_of_networks_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/networks.md");
    let generated = generated();
    if std::env::var_os("POSTBACK_UPDATE_DOCS").is_some() {
        std::fs::write(path, &generated).unwrap();
    }
    let current = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        current == generated,
        "docs/networks.md is out of date: run POSTBACK_UPDATE_DOCS=1 cargo test --test it docs"
    );
}

const GUIDE: &str = include_str!("../../../docs/guide/networks.md");

/// The description printed in the guide accepts the vector printed below it.
#[test]
fn the_guides_description_verifies_its_vector() {
    let toml = GUIDE.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let (_, rest) = GUIDE.split_once("printf '%s' '").unwrap();
    let (message, _) = rest.split_once('\'').unwrap();
    let signature = super::cases::hex(&Sha256::digest(message));
    let acme = Description::from_toml(toml).unwrap().app("my-game").secret("the key").unwrap();
    let url = acme.dashboard_url("https://game.example").unwrap();
    let (_, secret) = url.rsplit_once("secret=").unwrap();
    let target = format!("/callbacks/acme?user=p1&id=t1&coins=50&type=paid&sig={signature}&secret={secret}");
    let endpoint = acme.build().unwrap();
    assert_eq!(endpoint.verify(&Request::get(&target)).unwrap().player, "p1");
    endpoint.verify(&Request::get(&target.replace("coins=50", "coins=51"))).unwrap_err();
}

#[test]
fn the_guide_documents_every_key() {
    // The keys as serde names them in its own error.
    for (table, keys) in [
        ("", "name title docs note evidence family"),
        ("request", "methods body macro url reversal_url path"),
        ("authentication", "kind hash encoding in message position pairs order join omit_empty prefix url_secret"),
        ("meaning", "always status absent empty negative no_amount goal reinstates not_a_reward test"),
        ("reversal", "original takes_back"),
        ("ban", "field banned unbanned"),
        ("response", "settled duplicate rejected not_genuine_status accept_probe"),
        ("facts", "reversals retries timeout addresses"),
    ] {
        for key in keys.split(' ') {
            let is_listed = GUIDE.contains(&format!("`{key}`")) || GUIDE.contains(&format!("`{key} = "));
            assert!(is_listed, "[{table}] {key}");
        }
        // An unknown key's error lists exactly these.
        let text = super::cases::acme("kind = \"credentials\"\n");
        let header = format!("[{table}]\n");
        let text = if table.is_empty() {
            format!("nonsense = 1\n{text}")
        } else if text.contains(&header) {
            text.replace(&header, &format!("{header}nonsense = 1\n"))
        } else {
            format!("{text}\n{header}nonsense = 1\n")
        };
        let error = Description::from_toml(&text).unwrap_err().to_string();
        if let Some((_, expected)) = error.split_once("unknown field `nonsense`, expected ") {
            let listed: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
            let tables =
                "request macros parameters static fields authentication shapes meaning reversal ban response facts";
            let is_key = |name: &&str| !table.is_empty() || tables.split(' ').all(|table| table != *name);
            let mut own: Vec<&str> = listed.into_iter().filter(is_key).collect();
            let mut documented: Vec<&str> = keys.split(' ').collect();
            own.sort_unstable();
            documented.sort_unstable();
            assert_eq!(own, documented, "[{table}]");
        } else {
            panic!("[{table}]: {error}");
        }
    }
    for role in Role::ALL {
        assert!(GUIDE.contains(&format!("`{}`", role.as_str())), "{role:?}");
    }
}

#[test]
fn the_guide_lists_networks_with_goal_transactions() {
    let guide = include_str!("../../../docs/guide/migration.md");
    let (mut of_players, mut with_goal, mut without) = (Vec::new(), Vec::new(), Vec::new());
    for name in presets() {
        let network = preset(name).unwrap();
        let names = network.names_of(Role::Goal);
        let macros = network.macros();
        let mut texts = macros.iter().filter(|(text, _)| names.iter().any(|name| text.contains(name.as_str())));
        if !network.has_goal_transactions() {
            continue;
        } else if !names.is_empty() && names == network.names_of(Role::Player) {
            of_players.push(format!("`{name}`"));
        } else if texts.any(|(text, _)| network.dashboard_url("").contains(text.as_str())) {
            with_goal.push(format!("`{name}`"));
        } else {
            without.push(format!("`{name}`"));
        }
    }
    let guide = guide.replace("\n  ", " ");
    assert!(guide.contains(&format!("Not for {}, whose", of_players.join(", "))), "{of_players:?}");
    let (with_goal, without) = (with_goal.join(", "), without.join(", "));
    assert!(
        guide.contains(&format!("Goal in the default URL: {with_goal}. None, unless you added it: {without}.")),
        "{with_goal}; {without}"
    );
}
