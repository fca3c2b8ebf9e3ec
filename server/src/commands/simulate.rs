//! `postback simulate`: plays a network's callbacks against a running receiver.

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use axum::body::Bytes;
use axum::http::{Request, Uri};
use clap::Args;
use http_body_util::{BodyExt as _, Full, Limited};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use postback::admob::PlayerIn;
use postback::bitlabs::field_of_macro;
use postback::network::{Description, Meaning, Role};
use postback::testing::admob::AdmobSigner;
use postback::testing::bitlabs::Signer;
use postback::testing::described::{CallbackDraft, DescribedSigner, SentCallback};
use postback::verify::UrlTemplate;
use postback::{Clock as _, Decimal, Effect, EventKind, Request as Callback, SystemClock};
use serde_json::Value;

use super::{note, print};
use crate::config::{self, Config};
use crate::endpoint::{BASE, ConfiguredEndpoint, NetworkKind};
use crate::text::decoded;
use crate::webhook::{HttpClient, http_client};

/// How long the receiver may take to respond.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What forgeries are signed with.
const FORGED_SECRET: &str = "not-the-secret";

/// The largest response that is read, in bytes.
const MAX_RESPONSE: usize = 1024 * 1024;

/// Plays a network's callbacks against a running receiver: reward, duplicate, pending, reversal, test flag, forgery.
///
/// Every scenario has a player and transactions of its own, so it can be repeated. URLs and secrets come from the
/// configuration. What an endpoint cannot receive is skipped, with a note. Exit status: 0 all responses and balances are
/// right, 1 one is wrong, 2 nothing could be sent.
#[derive(Args)]
pub(crate) struct Simulate {
    /// The network, as in the configuration.
    network: String,
    /// Where the receiver listens. A path is put before those of the endpoints.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    to: String,
    /// The configuration with the network's endpoints.
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_FILE)]
    config: PathBuf,
    /// The server's admin port, to compare balances: http://127.0.0.1:8081.
    #[arg(long, value_name = "URL")]
    admin: Option<String>,
    /// Where a receiver of your own says how much a player has, as JSON with a "balance": …/players/{player}.
    #[arg(long, value_name = "URL", conflicts_with = "admin")]
    balance_url: Option<String>,
    /// For AdMob: the private key to sign with instead of Google's (P-256, PEM). If the file is missing, it is created,
    /// and the list for the endpoint's `keys_file` next to it: key.pem, key.json.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Send to another machine. The receiver there believes that these rewards are real.
    #[arg(long)]
    allow_remote: bool,
}

/// One callback to send.
#[derive(Clone, Copy)]
struct Step {
    says: &'static str,
    /// The transaction's number within the scenario.
    transaction: u8,
    /// The number of the transaction that it refers to.
    original: Option<u8>,
    /// Values by the name of the field.
    values: &'static [(&'static str, &'static str)],
    is_forged: bool,
    /// The player's balance afterwards.
    balance: i64,
    /// What the receiver gets wrong if the balance differs.
    rule: &'static str,
}

const fn step(
    says: &'static str,
    values: &'static [(&'static str, &'static str)],
    balance: i64,
    rule: &'static str,
) -> Step {
    Step { says, transaction: 1, original: None, values, is_forged: false, balance, rule }
}

const fn refers(transaction: u8, original: u8, step: Step) -> Step {
    Step { transaction, original: Some(original), ..step }
}

const fn forged(step: Step) -> Step {
    Step { is_forged: true, ..step }
}

type Scenario = (&'static str, &'static [Step]);

const COMPLETED: &[(&str, &str)] = &[("state", "COMPLETED"), ("amount", "500"), ("callback_type", "COMPLETE")];
const PENDING: &[(&str, &str)] = &[("state", "PENDING"), ("amount", "500"), ("callback_type", "state_change")];
const RECONCILED: &[(&str, &str)] = &[("state", "RECONCILED"), ("amount", "500"), ("callback_type", "state_change")];
const TAKEN_200: &[(&str, &str)] = &[("state", "RECONCILED"), ("amount", "200"), ("callback_type", "state_change")];
const STATELESS: &[(&str, &str)] = &[("state", "NONE"), ("amount", "300"), ("callback_type", "COMPLETE")];
const MINUS_300: &[(&str, &str)] = &[("state", "NONE"), ("amount", "-300"), ("callback_type", "RECONCILIATION")];
const PLUS_300: &[(&str, &str)] = &[("state", "NONE"), ("amount", "300"), ("callback_type", "RECONCILIATION")];
const TEST: &[(&str, &str)] =
    &[("state", "COMPLETED"), ("amount", "500"), ("callback_type", "COMPLETE"), ("debug", "true")];

const OFFERS: &[Scenario] = &[
    ("reward", &[step("COMPLETED 500", COMPLETED, 500, "a completed offer is paid")]),
    (
        "duplicate",
        &[
            step("COMPLETED 500", COMPLETED, 500, "a completed offer is paid"),
            step("COMPLETED 500 again", COMPLETED, 500, "a repeated callback pays nothing"),
        ],
    ),
    (
        "pending",
        &[
            step("PENDING 500", PENDING, 0, "PENDING never pays"),
            step("COMPLETED 500", COMPLETED, 500, "COMPLETED pays, although PENDING had the same transaction"),
        ],
    ),
    (
        "rejected",
        &[
            step("PENDING 500", PENDING, 0, "PENDING never pays"),
            step("RECONCILED 500", RECONCILED, 0, "nothing was paid, so nothing is taken back"),
        ],
    ),
    (
        "partial-reversal",
        &[
            step("COMPLETED 500", COMPLETED, 500, "a completed offer is paid"),
            step("RECONCILED 200", TAKEN_200, 300, "a reversal takes back its amount, which may be a part"),
            step("RECONCILED 200 again", TAKEN_200, 300, "a repeated reversal takes back nothing"),
        ],
    ),
    (
        "overtaking",
        &[
            step("RECONCILED 500", RECONCILED, 0, "nothing was paid, so nothing is taken back"),
            step("COMPLETED 500, late", COMPLETED, 0, "a reward that its reversal overtook is not paid"),
        ],
    ),
    (
        "reversal-by-reference",
        &[
            step("300 without states", STATELESS, 300, "without states, a completed offer is paid"),
            refers(2, 1, step("-300, refers to it", MINUS_300, 0, "a reversal takes back from the transaction in REF")),
        ],
    ),
    ("test-flag", &[step("COMPLETED 500, debug=true", TEST, 0, "a test pays nothing")]),
    ("forgery", &[forged(step("COMPLETED 500, wrong hash", COMPLETED, 0, "a forged callback is rejected"))]),
];

const TYPES: &[Scenario] = &[
    ("reward", &[step("COMPLETE 300", STATELESS, 300, "a completed survey is paid")]),
    (
        "reversal",
        &[
            step("COMPLETE 300", STATELESS, 300, "a completed survey is paid"),
            refers(
                2,
                1,
                step("RECONCILIATION -300", MINUS_300, 0, "a reversal takes back from the transaction in REF"),
            ),
            refers(3, 1, step("RECONCILIATION 300", PLUS_300, 300, "a reversal can be reversed")),
        ],
    ),
    (
        "duplicate",
        &[
            step("COMPLETE 300", STATELESS, 300, "a completed survey is paid"),
            step("COMPLETE 300 again", STATELESS, 300, "a repeated callback pays nothing"),
        ],
    ),
    ("forgery", &[forged(step("COMPLETE 300, wrong hash", STATELESS, 0, "a forged callback is rejected"))]),
];

/// A callback that is ready to be sent.
struct Planned {
    scenario: &'static str,
    says: &'static str,
    player: String,
    request: Sent,
    is_forged: bool,
    balance: Decimal,
    rule: &'static str,
}

struct Sent {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Sent {
    fn get(target: String) -> Self {
        Self { method: "GET".to_owned(), target, headers: Vec::new(), body: Vec::new() }
    }
}

impl Simulate {
    pub(crate) async fn run(self) -> anyhow::Result<bool> {
        // Before the configuration is read, which may name the list of keys.
        let google = self.key.as_deref().map(read_or_create_key).transpose()?;
        let configured = Config::read_endpoints(&self.config)?;
        let to = self.checked_target()?;
        let client = http_client(TIMEOUT, to.scheme_str() == Some("https"))?;
        let endpoints: Vec<_> =
            configured.iter().filter(|endpoint| endpoint.labels().network == self.network).collect();
        let mut plan = Vec::new();
        // Each endpoint has players and transactions of its own.
        for (run, endpoint) in (SystemClock.now().as_millis() * 100..).zip(endpoints.iter().copied()) {
            plan.extend(match &endpoint.kind {
                NetworkKind::Bitlabs => plan_bitlabs(endpoint, run)?,
                NetworkKind::Admob { player_in, ad_units } => {
                    let ad_unit = ad_units.first().context("no ad unit")?;
                    plan_admob(endpoint, player_in, ad_unit, google.as_ref(), run)?
                }
                NetworkKind::Described { .. } => plan_described(endpoint, &endpoints, run)?,
            });
        }
        if plan.iter().all(|step| step.is_forged) {
            anyhow::bail!("no endpoint of {:?} in the configuration that can be simulated", self.network);
        }
        print(format_args!("{:22} {:28} {:9} {:12} result", "scenario", "callback", "response", "balance"))?;
        let mut wrong = 0_usize;
        for step in &plan {
            let url = format!("{}{}", self.to.trim_end_matches('/'), step.request.target);
            let (status, _) = send(&client, &url, &step.request).await?;
            let balance = self.balance(&client, &step.player).await?;
            let is_expected = if step.is_forged { (400..500).contains(&status) } else { status == 200 };
            let is_right = is_expected && balance.is_none_or(|balance| balance == step.balance);
            wrong += usize::from(!is_right);
            let shown = balance.map_or_else(|| "-".to_owned(), |balance| balance.normalize().to_string());
            let result = if is_right {
                "ok".to_owned()
            } else {
                let status = if step.is_forged { "4xx" } else { "200" };
                format!("WRONG: expected {status} and {}: {}", step.balance, step.rule)
            };
            print(format_args!("{:22} {:28} {status:<9} {shown:12} {result}", step.scenario, step.says))?;
        }
        print(format_args!("{} callbacks, {wrong} wrong", plan.len()))?;
        Ok(wrong == 0)
    }

    fn checked_target(&self) -> anyhow::Result<Uri> {
        let to: Uri = self.to.parse().context("invalid --to: write http://HOST:PORT")?;
        let host = to.host().context("invalid --to: write http://HOST:PORT")?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if !is_local && !self.allow_remote {
            anyhow::bail!(
                "--to is another machine, whose receiver would pay these rewards: add --allow-remote to send them"
            );
        }
        Ok(to)
    }

    /// How much the receiver decided to pay the player. `None`: nobody was asked.
    async fn balance(&self, client: &HttpClient, player: &str) -> anyhow::Result<Option<Decimal>> {
        let number = |value: &Value| match value {
            Value::String(text) => text.parse::<Decimal>().ok(),
            Value::Number(number) => number.to_string().parse().ok(),
            _ => None,
        };
        if let Some(admin) = &self.admin {
            let url = format!("{}/api/search?q={player}", admin.trim_end_matches('/'));
            let found: Value =
                serde_json::from_slice(&get(client, &url).await?.1).context("unexpected response of --admin")?;
            let records = found.get("records").and_then(Value::as_array).context("unexpected response of --admin")?;
            let balances = records.iter().filter_map(|record| record.get("decided").and_then(number));
            return Ok(Some(balances.sum()));
        }
        let Some(url) = &self.balance_url else {
            return Ok(None);
        };
        let (status, body) = get(client, &url.replace("{player}", player)).await?;
        if status == 404 {
            return Ok(Some(Decimal::ZERO));
        }
        let found: Value = serde_json::from_slice(&body).context("unexpected response of --balance-url")?;
        let balance =
            found.get("balance").and_then(number).context("no \"balance\" in the response of --balance-url")?;
        Ok(Some(balance))
    }
}

fn plan_bitlabs(endpoint: &ConfiguredEndpoint, run: u64) -> anyhow::Result<Vec<Planned>> {
    let label = endpoint.labels().endpoint;
    let scenarios = match label {
        "offers" | "purchases" => OFFERS,
        "surveys" | "rewards" => TYPES,
        _ => &[],
    };
    let mut plan = Vec::new();
    for (number, (scenario, steps)) in scenarios.iter().enumerate() {
        let player = format!("simulated-{run}-{label}-{number}");
        for step in *steps {
            let target = bitlabs_target(endpoint, step, &player, &format!("{run}{number:02}"))?;
            plan.push(Planned {
                scenario,
                says: step.says,
                player: player.clone(),
                request: Sent::get(target),
                is_forged: step.is_forged,
                balance: step.balance.into(),
                rule: step.rule,
            });
        }
    }
    Ok(plan)
}

/// The request target of a step, signed with the endpoint's secret.
fn bitlabs_target(endpoint: &ConfiguredEndpoint, step: &Step, player: &str, run: &str) -> anyhow::Result<String> {
    let template = UrlTemplate::parse(&endpoint.url, &[])?;
    let transaction = |number: u8| format!("o{run}{number}");
    let mut values: Vec<(&str, String)> = Vec::new();
    for parameter in template.parameters() {
        let Some(text) = parameter.macro_name() else {
            continue;
        };
        let field = field_of_macro(text).unwrap_or_default();
        let given = step.values.iter().find(|(name, _)| *name == field);
        let value = match field {
            "player" => player.to_owned(),
            "transaction" => transaction(step.transaction),
            "original" => step.original.map(transaction).unwrap_or_default(),
            "usd" => "2.50".to_owned(),
            _ => given.map(|(_, value)| (*value).to_owned()).unwrap_or_default(),
        };
        values.push((parameter.name(), value));
    }
    let flags = step.values.iter().filter(|(name, _)| *name == "debug");
    values.extend(flags.map(|(name, value)| (*name, (*value).to_owned())));
    let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let secret =
        if step.is_forged { FORGED_SECRET } else { endpoint.signing_secret().context("no secret to sign with")? };
    Ok(Signer::new(secret, endpoint.url.as_str()).sign(&values).target())
}

/// The id of the key that is used instead of Google's.
const KEY_ID: u64 = 1;

/// Reads a private key. If there is none, it is created. So is the list that the endpoint verifies with.
fn read_or_create_key(path: &Path) -> anyhow::Result<AdmobSigner> {
    if !path.exists() {
        let mut options = fs::File::options();
        let file = options.write(true).create_new(true).mode(0o600).open(path);
        file.and_then(|mut file| file.write_all(AdmobSigner::random(KEY_ID).to_pem().as_bytes()))
            .with_context(|| format!("cannot create key {}", path.display()))?;
    }
    let pem = fs::read_to_string(path).with_context(|| format!("cannot read key {}", path.display()))?;
    let signer = AdmobSigner::from_pem(KEY_ID, &pem).with_context(|| format!("cannot use key {}", path.display()))?;
    let list = path.with_extension("json");
    if !list.exists() {
        fs::write(&list, signer.json()).with_context(|| format!("cannot create {}", list.display()))?;
    }
    Ok(signer)
}

/// `AdMob` reports views of ads: nothing is pending, and nothing is taken back.
fn plan_admob(
    endpoint: &ConfiguredEndpoint,
    player_in: &PlayerIn,
    ad_unit: &str,
    google: Option<&AdmobSigner>,
    run: u64,
) -> anyhow::Result<Vec<Planned>> {
    let google = google.context(
        "AdMob's callbacks are signed by Google: add --key FILE with a key of your own, which is created if it is missing",
    )?;
    let query = |player: &str, ad_unit: &str, transaction: &str| {
        let data = match player_in {
            PlayerIn::CustomData => player.to_owned(),
            PlayerIn::CustomDataField(name) => format!("{}={player}", utf8_percent_encode(name, NON_ALPHANUMERIC)),
            _ => String::new(),
        };
        let data = utf8_percent_encode(&data, NON_ALPHANUMERIC);
        format!(
            "ad_network=5450213213286189855&ad_unit={ad_unit}&custom_data={data}&reward_amount=500&reward_item=Gems\
             &timestamp=1764547200000&transaction_id={transaction}&user_id={player}"
        )
    };
    let view = |number: usize| {
        let player = format!("simulated-{run}-rewards-{number}");
        let signed = query(&player, ad_unit, &format!("{run:x}{number}"));
        (player, signed)
    };
    let mut plan = Vec::new();
    let mut add = |scenario, says, player: &str, query: String, balance: i64, rule| {
        plan.push(Planned {
            scenario,
            says,
            player: player.to_owned(),
            request: Sent::get(format!("{}?{query}", endpoint.path())),
            is_forged: scenario == "forgery",
            balance: balance.into(),
            rule,
        });
    };
    let (player, reward) = view(0);
    let target = format!("{}?{}", endpoint.path(), google.sign(&reward));
    if endpoint.verify(&Callback::get(&target)).is_err() {
        anyhow::bail!(
            "the endpoint does not verify with this key: add keys_file = \"FILE\" with the list next to it, and restart \
             the server"
        );
    }
    add("reward", "reward 500", &player, google.sign(&reward), 500, "a view is paid");
    let (player, reward) = view(1);
    add("duplicate", "reward 500", &player, google.sign(&reward), 500, "a view is paid");
    add("duplicate", "reward 500 again", &player, google.sign(&reward), 500, "a repeated callback pays nothing");
    let player = format!("simulated-{run}-rewards-2");
    let test = google.sign(&query(&player, "1234567890", "123456789"));
    add("test-flag", "the console's test call", &player, test, 0, "a test pays nothing");
    let (player, reward) = view(3);
    let rule = "a forged callback is rejected";
    add("forgery", "reward 500, another key", &player, AdmobSigner::random(KEY_ID).sign(&reward), 0, rule);
    add("forgery", "reward 500, unknown key", &player, AdmobSigner::random(KEY_ID + 1).sign(&reward), 0, rule);
    let edited = google.sign(&reward).replace("reward_amount=500", "reward_amount=900");
    add("forgery", "reward 500, edited to 900", &player, edited, 0, rule);
    let extended = google.sign(&reward) + "&reward_amount=900";
    add("forgery", "reward 500, 900 appended", &player, extended, 0, rule);
    let other = google.sign(&query(&player, "0", &format!("{run:x}4")));
    add("forgery", "reward 500, other ad unit", &player, other, 0, "views of other ad units are rejected");
    Ok(plan)
}

/// The goal of rewards that have one.
const GOAL: &str = "level 10";

/// What a callback of a described network says.
#[derive(Clone, Copy)]
struct Said<'a> {
    player: &'a str,
    transaction: &'a str,
    meaning: Meaning,
    /// What a reversal takes back.
    original: &'a str,
    is_test: bool,
    is_forged: bool,
}

/// The callback under the names of the description.
fn draft(signer: &DescribedSigner, said: Said<'_>) -> CallbackDraft {
    // The goal first: where a player's transactions are numbered, its parameter is the player's.
    let draft = signer.callback().role(Role::Goal, GOAL).player(said.player).transaction(said.transaction);
    let draft = draft.amount("500").role(Role::Usd, "1.25").role(Role::UsdCents, "125");
    let draft = draft.meaning(Meaning::Completed, said.transaction);
    let draft = if said.meaning == Meaning::Completed { draft } else { draft.meaning(said.meaning, said.original) };
    if said.is_test { draft.test() } else { draft }
}

/// The callback as the network sends it to this endpoint: with the parameters and words of its own. `None`: the endpoint
/// has no secret to sign with.
fn sign(endpoint: &ConfiguredEndpoint, said: Said<'_>) -> Option<SentCallback> {
    let NetworkKind::Described { description, login, header, names, words } = &endpoint.kind else {
        return None;
    };
    let own_secret = endpoint.signing_secret()?;
    let secret = if said.is_forged { FORGED_SECRET } else { own_secret };
    let values = values_by_name(description, said);
    let value_of = |role: Role| {
        let word = words.iter().find(|(_, meaning)| role == Role::Status && *meaning == said.meaning);
        let described = description.names_of(role).first().and_then(|name| values.get(name));
        let goal = (role == Role::Goal).then_some(GOAL);
        word.map(|(word, _)| word.as_str()).or(described.map(String::as_str)).or(goal)
    };
    let mut url = endpoint.url.replace(own_secret, secret);
    let mut own: Vec<(&str, &str)> = Vec::new();
    if let (Some(name), Some(word)) = (description.names_of(Role::Status).first(), value_of(Role::Status)) {
        own.push((name, word));
    }
    for (role, name) in names {
        if let Some(value) = value_of(*role) {
            match with_value(&url, name, value) {
                Some(filled) => url = filled,
                None => own.push((name, value)),
            }
        }
    }
    let draft = draft(&DescribedSigner::new(description, url, secret), said);
    let draft = own.into_iter().fold(draft, |draft, (name, value)| draft.set(name, value));
    Some(
        match (login, header) {
            (Some(login), _) => draft.basic(login, secret),
            (_, Some(name)) => draft.header(name, secret),
            _ => draft,
        }
        .sign(),
    )
}

/// What the network would send, by the names of the description.
fn values_by_name(description: &Description, said: Said<'_>) -> HashMap<String, String> {
    let macros = description.macros();
    let parameters = macros.iter().map(|(text, _)| {
        let name = text.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        format!("{name}={text}")
    });
    let url = format!("{BASE}/?{}", parameters.collect::<Vec<_>>().join("&"));
    let sent = draft(&DescribedSigner::new(description, url, FORGED_SECRET), said).get().sign();
    let (_, query) = sent.target().split_once('?').unwrap_or_default();
    let pairs = query.split('&').filter_map(|piece| piece.split_once('='));
    pairs.map(|(name, value)| (decoded(name).into_owned(), decoded(value).into_owned())).collect()
}

/// The URL with this value in the place of a parameter's macro. A static value stays. `None`: it has no such parameter.
fn with_value(url: &str, name: &str, value: &str) -> Option<String> {
    let (prefix, query) = url.split_once('?')?;
    let mut pieces: Vec<&str> = query.split('&').collect();
    let piece = pieces.iter_mut().find(|piece| piece.split('=').next() == Some(name))?;
    let (_, text) = piece.split_once('=').unwrap_or_default();
    let is_macro = text.contains(['{', '[', '$']) || text.len() > 1 && text.starts_with('%') && text.ends_with('%');
    let filled = format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
    if is_macro {
        *piece = &filled;
    }
    Some(format!("{prefix}?{}", pieces.join("&")))
}

/// The scenarios that a described network can send to this URL. Pending callbacks and reversals may go to another one of
/// the same app. What none of them can receive is left out, with a note.
fn plan_described(
    endpoint: &ConfiguredEndpoint,
    all: &[&ConfiguredEndpoint],
    run: u64,
) -> anyhow::Result<Vec<Planned>> {
    let labels = endpoint.labels();
    let label = labels.endpoint;
    let mut plan = Vec::new();
    for (number, scenario) in ["reward", "duplicate", "pending", "reversal", "test-flag", "forgery"].iter().enumerate()
    {
        let player = format!("simulated-{run}-{label}-{number}");
        let transaction = format!("t{run}{number}");
        let completed = Said {
            player: &player,
            transaction: &transaction,
            meaning: Meaning::Completed,
            original: &transaction,
            is_test: false,
            is_forged: false,
        };
        let sign_here = |said| sign(endpoint, said).context("no secret to sign with");
        let mut add = |says, sent: SentCallback, balance: Decimal, rule| {
            plan.push(Planned {
                scenario,
                says,
                player: player.clone(),
                is_forged: *scenario == "forgery",
                balance,
                rule,
                request: Sent {
                    method: sent.method().to_owned(),
                    target: sent.target().to_owned(),
                    headers: sent.headers().to_vec(),
                    body: sent.body().to_vec(),
                },
            });
        };
        if *scenario == "forgery" {
            let forged = sign_here(Said { is_forged: true, ..completed })?;
            add("reward, wrong secret", forged, Decimal::ZERO, "a forged callback is rejected");
            continue;
        }
        let reward = sign_here(completed)?;
        // What the endpoint makes of it. What a network that sends no amount pays is in the URL.
        let verified = endpoint.verify(&reward.request());
        let amount = match &verified {
            Ok(event) => match &event.kind {
                EventKind::Conversion { effect: Effect::Completed { amount, .. }, .. } => Ok(*amount),
                _ => Err(format!("they are {} there", event.kind.as_str())),
            },
            Err(error) => Err(error.to_string()),
        };
        let amount = match amount {
            Ok(amount) => amount,
            Err(reason) => {
                if *scenario == "reward" {
                    let path = endpoint.path();
                    note(format_args!("{} {label} at {path}: skipped, it takes no rewards: {reason}", labels.network));
                }
                continue;
            }
        };
        // The first URL of the app that takes such a callback.
        let find = |said: Said<'_>, kinds: &[&str]| {
            let others = all.iter().copied().filter(|other| other.labels().app == labels.app);
            std::iter::once(endpoint).chain(others).find_map(|url| {
                let sent = sign(url, said)?;
                let event = url.verify(&sent.request()).ok()?;
                kinds.contains(&event.kind.as_str()).then_some((sent, event))
            })
        };
        match *scenario {
            "reward" => add("reward", reward, amount, "a completed callback is paid"),
            "duplicate" => {
                add("reward", reward.clone(), amount, "a completed callback is paid");
                add("reward again", reward, amount, "a repeated callback pays nothing");
            }
            "pending" => {
                let pending = Said { meaning: Meaning::Pending, ..completed };
                if let Some((pending, _)) = find(pending, &["pending"]) {
                    add("pending", pending, Decimal::ZERO, "a pending callback never pays");
                    add("reward", reward, amount, "the final callback pays");
                }
            }
            "reversal" => {
                let own = format!("{transaction}-reversal");
                let reversal = Said { transaction: &own, meaning: Meaning::Reversed, ..completed };
                if let Some((reversal, taken)) = find(reversal, &["adjusted", "revoked"]) {
                    let is_linked = verified.is_ok_and(|paid| paid.key() == taken.key());
                    add("reward", reward, amount, "a completed callback is paid");
                    if is_linked {
                        add("reversal", reversal, Decimal::ZERO, "a reversal takes back what was paid");
                    } else {
                        add("reversal of something", reversal, amount, "it does not say what it takes back");
                    }
                }
            }
            _ => {
                let test = sign_here(Said { is_test: true, ..completed })?;
                if endpoint.verify(&test.request()).is_ok_and(|event| event.is_test) {
                    add("reward, test flag", test, Decimal::ZERO, "a test pays nothing");
                }
            }
        }
    }
    Ok(plan)
}

async fn get(client: &HttpClient, url: &str) -> anyhow::Result<(u16, Bytes)> {
    send(client, url, &Sent::get(String::new())).await
}

async fn send(client: &HttpClient, url: &str, sent: &Sent) -> anyhow::Result<(u16, Bytes)> {
    let mut request = Request::builder().method(sent.method.as_str()).uri(url);
    for (name, value) in &sent.headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::from(sent.body.clone()))?;
    let exchange = async {
        let response = client.request(request).await?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_RESPONSE).collect().await;
        let body = body.map_err(anyhow::Error::from_boxed)?.to_bytes();
        anyhow::Ok((status, body))
    };
    let exchanged = tokio::time::timeout(TIMEOUT, exchange).await;
    exchanged.context("no response in time")?.context("no response from the receiver")
}
