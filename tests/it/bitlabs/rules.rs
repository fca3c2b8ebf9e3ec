//! The list in `docs/protocol/bitlabs.md`, and the rules that are not in it.

use std::collections::BTreeMap;

use postback::bitlabs::State;
use postback::{BanStatus, Decimal};

use super::*;
use crate::common::Game;

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/protocol/bitlabs.md"));

/// What an endpoint makes of a callback.
type Outcome = Box<dyn Fn(&SignedCallback) -> Result<Effect, Problem>>;

/// One combination of what decides.
#[derive(Debug, Clone, Copy)]
struct Cell {
    family: &'static str,
    /// `None`: not in the URL.
    state: Option<&'static str>,
    callback_type: Option<&'static str>,
    transaction: &'static str,
    amount: &'static str,
    original: &'static str,
}

const TYPES: [Option<&str>; 8] = [
    None,
    Some(""),
    Some("COMPLETE"),
    Some("screenout"),
    Some("START_BONUS"),
    Some("RECONCILIATION"),
    Some("state_change"),
    Some("REVOKED"),
];
const OFFER_STATES: [&str; 10] =
    ["PENDING", "COMPLETED", "complete", "RECONCILED", " NONE", "none", "", "EXPIRED", "REVIEWING", "ADJUSTED"];

fn cells() -> Vec<Cell> {
    let families: [(&'static str, Vec<Option<&'static str>>); 6] = [
        ("offers", OFFER_STATES.map(Some).to_vec()),
        ("purchases", OFFER_STATES.map(Some).to_vec()),
        ("surveys", vec![None]),
        ("rewards", [None].into_iter().chain(OFFER_STATES.map(Some)).collect()),
        (
            "receipts",
            ["COMPLETED", "Complete", "PENDING", "REVIEWING", "REJECTED", "RECONCILED", "NONE", "", "LOST", "CREATED"]
                .map(Some)
                .to_vec(),
        ),
        (
            "cashback",
            ["CREATED", "PENDING", "ADJUSTED", "completed", "COMPLETE", "REJECTED", "NONE", " ", "LOST", "RECONCILED"]
                .map(Some)
                .to_vec(),
        ),
    ];
    let mut cells = Vec::new();
    for (family, states) in families {
        for state in states {
            for callback_type in TYPES {
                for transaction in ["o1", "or17", "1234", "order17", "or"] {
                    for amount in ["500", "-500", "0", ""] {
                        for original in ["o0", "", "0", "NULL", transaction] {
                            cells.push(Cell { family, state, callback_type, transaction, amount, original });
                        }
                    }
                }
            }
        }
    }
    cells
}

impl Cell {
    /// The page's words for this cell: endpoint, state, TYPE, TX, amount, REF. Purchases have the rules of offers.
    fn words(&self) -> [String; 6] {
        let known = ["PENDING", "COMPLETED", "RECONCILED", "NONE"];
        let own: &[&str] = match self.family {
            "receipts" => &["REVIEWING"],
            "cashback" => &["CREATED", "ADJUSTED"],
            _ => &[],
        };
        let state = match self.state.map(|state| state.trim().to_uppercase()) {
            None => "not in URL".into(),
            Some(state) if state.is_empty() => "empty".into(),
            Some(state) if state == "COMPLETE" => "COMPLETED".into(),
            Some(state) if state == "REJECTED" && self.family == "receipts" => "RECONCILED".into(),
            Some(state) if known.contains(&&*state) || own.contains(&&*state) => state,
            Some(_) => "other".into(),
        };
        let callback_type = match self.callback_type {
            None | Some("") => "none",
            Some("REVOKED") => "other",
            Some("screenout") => "SCREENOUT",
            Some(word) => word,
        };
        let is_number = |number: &str| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        let transaction = if self.transaction.strip_prefix("or").is_some_and(is_number) {
            "or…"
        } else if self.transaction.strip_prefix('o').is_some_and(is_number) {
            "o…"
        } else {
            "other"
        };
        let amount = match self.amount {
            "" => "empty",
            "0" => "zero",
            amount if amount.starts_with('-') => "negative",
            _ => "positive",
        };
        let original = if self.original == "o0" { "other" } else { "none" };
        let family = if self.family == "purchases" { "offers" } else { self.family };
        [family.into(), state, callback_type.into(), transaction.into(), amount.into(), original.into()]
    }

    /// What the endpoint makes of it. `endpoints` are those that were needed before.
    fn outcome(&self, endpoints: &mut BTreeMap<(&'static str, String), Outcome>) -> Result<Effect, Problem> {
        let mut url = "https://game.example/cb?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]&ref=[%REF%]".to_owned();
        let state_name = match self.family {
            "receipts" => "magic_receipt_state",
            "cashback" => "cashback_state",
            _ => "state",
        };
        if self.state.is_some() {
            url = format!("{url}&{state_name}=[%OFFER_STATE%]");
        }
        // The type may be in a survey's URL only as a parameter that is sent empty.
        if self.callback_type.is_some() || self.family == "surveys" {
            url += "&type=[%TYPE%]";
        }
        if self.family == "purchases" {
            url += "&iap=[%OFFER:TASK:IAP:USD%]";
        }
        let mut values =
            vec![("player", "p1"), ("tx", self.transaction), ("gems", self.amount), ("ref", self.original)];
        values.extend(self.state.map(|state| (state_name, state)));
        values.extend(self.callback_type.map(|word| ("type", word)));
        let callback = sign(&url, &values);
        let endpoint = endpoints.entry((self.family, url.clone())).or_insert_with(|| match self.family {
            "offers" => Self::endpoint(app().offers(url).unwrap()),
            "purchases" => Self::endpoint(app().purchases(url).unwrap()),
            "surveys" => Self::endpoint(app().surveys(url).unwrap()),
            "rewards" => Self::endpoint(app().rewards(url).unwrap()),
            "receipts" => Self::endpoint(app().receipts(url).unwrap()),
            _ => Self::endpoint(app().cashback(url).unwrap()),
        });
        endpoint(&callback)
    }

    fn endpoint<C: BitlabsCallback>(endpoint: BitlabsEndpoint<C>) -> Outcome {
        Box::new(move |callback| effect(&endpoint, callback))
    }

    /// An effect as the page writes it.
    fn expected(&self, effect: &str) -> Result<Effect, Problem> {
        let word = |word: Option<&str>| word.unwrap_or_default().trim().to_owned();
        let magnitude = self.amount.trim_start_matches('-');
        Ok(match effect {
            "unusable" => return Err(empty("gems")),
            "pending" => {
                pending(&word(self.state).to_uppercase(), Some(self.amount).filter(|amount| !amount.is_empty()))
            }
            "completed" => completed(self.amount, None),
            "completed, COMPLETE" => completed(self.amount, Some("COMPLETE")),
            "completed, TYPE" => completed(self.amount, Some(&self.words()[2])),
            "adjusted by amount" => adjusted(self.amount, false),
            "adjusted by amount, same transaction" => adjusted(self.amount, true),
            "adjusted by −amount, same transaction" if magnitude == "0" => adjusted("0", true),
            "adjusted by −amount, same transaction" => adjusted(&format!("-{magnitude}"), true),
            "adjusted by 0, same transaction" => adjusted("0", true),
            "ignored, contradictory" => ignored("RECONCILED", IgnoreReason::Contradictory),
            "ignored, empty state" => ignored("", IgnoreReason::EmptyState),
            "ignored, unknown state" => {
                let words = self.words();
                let is_about_state = words[1] == "other" || matches!(self.family, "receipts" | "cashback");
                let status = if is_about_state { word(self.state) } else { word(self.callback_type) };
                ignored(&status, IgnoreReason::UnknownState)
            }
            other => panic!("unknown effect in the page: {other}"),
        })
    }
}

/// A line of the list: alternatives for each of a cell's words, empty where any will do, and the effect.
struct Line {
    alternatives: [Vec<String>; 6],
    effect: String,
}

impl Line {
    fn matches(&self, words: &[String; 6]) -> bool {
        words.iter().zip(&self.alternatives).all(|(word, column)| column.is_empty() || column.contains(word))
    }
}

fn documented() -> Vec<Line> {
    let lines = PAGE.lines().filter_map(|line| line.split_once(". ")?.1.split_once(" → "));
    lines
        .map(|(conditions, effect)| {
            let list = |words: &str| words.split(", ").map(str::to_owned).collect::<Vec<_>>();
            let mut alternatives: [Vec<String>; 6] = Default::default();
            let mut conditions = conditions.split("; ");
            alternatives[0] = list(conditions.next().unwrap());
            for condition in conditions {
                let (name, words) = condition.split_once(' ').unwrap();
                let names = ["state", "TYPE", "TX", "amount", "REF"];
                let column = names.iter().position(|known| *known == name).unwrap_or_else(|| panic!("column {name}"));
                alternatives[column + 1] = list(words);
            }
            Line { alternatives, effect: effect.to_owned() }
        })
        .collect()
}

#[test]
fn every_cell_has_the_effect_of_the_documented_table() {
    let lines = documented();
    let mut used = vec![false; lines.len()];
    let cells = cells();
    let mut endpoints = BTreeMap::new();
    for cell in &cells {
        let words = cell.words();
        let at = lines.iter().position(|line| line.matches(&words)).unwrap_or_else(|| panic!("no line for {cell:?}"));
        used[at] = true;
        assert_eq!(cell.outcome(&mut endpoints), cell.expected(&lines[at].effect), "line {}, {cell:?}", at + 1);
    }
    assert!(cells.len() > 20_000, "{}", cells.len());
    let unused: Vec<_> =
        used.iter().zip(&lines).filter(|(used, _)| !**used).map(|(_, line)| &line.alternatives).collect();
    assert!(unused.is_empty(), "lines that no combination reaches: {unused:?}");
}

#[test]
fn the_original_is_another_transaction_only() {
    let surveys = app().surveys(SURVEYS).unwrap();
    for (reference, original) in [("s1", Some("s1")), ("o1", None), ("", None), ("0", None), ("null", None)] {
        let values = [("player", "p1"), ("tx", "o1"), ("gems", "-2"), ("type", "RECONCILIATION"), ("ref", reference)];
        let callback = verify(&surveys, &sign(SURVEYS, &values)).unwrap();
        assert_eq!(callback.original.as_ref().map(AsRef::as_ref), original, "{reference}");
        let key = format!("bitlabs/my-game/conversion/{}", original.unwrap_or("o1"));
        assert_eq!(callback.to_event().key().as_str(), key);
    }
}

#[test]
fn screenouts_and_start_bonuses_can_be_left_unpaid() {
    let survey = |app: &App, word: &str| {
        let values = [("player", "p1"), ("tx", "1"), ("gems", "5"), ("type", word)];
        effect(&app.surveys(SURVEYS).unwrap(), &sign(SURVEYS, &values)).unwrap()
    };
    let unpaid = |word: &str| ignored(word, IgnoreReason::UnpaidByChoice);
    let screenouts = app().acknowledge_screenouts();
    assert_eq!(survey(&screenouts, "SCREENOUT"), unpaid("SCREENOUT"));
    assert_eq!(survey(&screenouts, "START_BONUS"), completed("5", Some("START_BONUS")));
    let both = screenouts.acknowledge_start_bonuses();
    assert_eq!(survey(&both, "START_BONUS"), unpaid("START_BONUS"));
    assert_eq!(survey(&both, "COMPLETE"), completed("5", Some("COMPLETE")));
    let values = [("player", "p1"), ("tx", "o1"), ("gems", "5"), ("state", "NONE"), ("type", "START_BONUS")];
    assert_eq!(effect(&both.offers(OFFERS).unwrap(), &sign(OFFERS, &values)), Ok(unpaid("START_BONUS")));
}

#[test]
fn url_for_one_state_needs_no_state_macro() {
    let url = format!("{BARE}&type=[%TYPE%]");
    let mismatch = |state: &str| Err(Problem::StateMismatch { expected: state.into() });
    let (done, taken) = (State::Completed, State::Reconciled);
    for (only, word, amount, reference, expected) in [
        (&State::Pending, "COMPLETE", "500", "", Ok(pending("PENDING", Some("500")))),
        (&done, "", "500", "", Ok(completed("500", Some("COMPLETE")))),
        (&done, "", "-500", "", Ok(completed("-500", Some("COMPLETE")))),
        (&done, "COMPLETE", "500", "o0", Ok(completed("500", Some("COMPLETE")))),
        (&done, "COMPLETE", "-500", "o0", mismatch("COMPLETED")),
        (&done, "", "500", "o0", mismatch("COMPLETED")),
        (&done, "RECONCILIATION", "500", "", mismatch("COMPLETED")),
        (&taken, "COMPLETE", "200", "", Ok(adjusted("-200", true))),
        (&taken, "", "200", "o1", Ok(adjusted("-200", true))),
        // Stateful messages share their transaction. These do not, so their sign counts.
        (&taken, "", "-200", "o0", Ok(adjusted("-200", false))),
        (&taken, "", "200", "o0", Ok(adjusted("200", false))),
        (&taken, "", "-200", "", Ok(adjusted("-200", false))),
        (&State::Unknown("NEW".into()), "", "5", "", Ok(ignored("NEW", IgnoreReason::UnknownState))),
    ] {
        let values = [("player", "p1"), ("tx", "o1"), ("gems", amount), ("ref", reference), ("type", word)];
        let endpoint = app().only(only.clone()).offers(&url).unwrap();
        assert_eq!(effect(&endpoint, &sign(&url, &values)), expected, "{only:?} {word} {amount} {reference}");
    }
    let url = "https://game.example/p?player=[%UID%]&tx=[%TX%]";
    let endpoint = app().only(State::Pending).offers(url).unwrap();
    let callback = sign(url, &[("player", "p1"), ("tx", "o1")]);
    assert_eq!(effect(&endpoint, &callback), Ok(pending("PENDING", None)));
    assert_eq!(verify(&endpoint, &callback).unwrap().state, Some(State::Pending));
}

#[test]
fn url_for_one_state_rejects_another_state() {
    let mismatch = |state: &str| Err(Problem::StateMismatch { expected: state.into() });
    let (done, taken) = (State::Completed, State::Reconciled);
    for (only, state, amount, reference, expected) in [
        (&done, "PENDING", "5", "", mismatch("COMPLETED")),
        (&done, "RECONCILED", "5", "", mismatch("COMPLETED")),
        (&taken, "COMPLETED", "5", "", mismatch("RECONCILED")),
        (&State::Pending, "NONE", "5", "", mismatch("PENDING")),
        (&taken, "NONE", "5", "", mismatch("RECONCILED")),
        (&done, "NONE", "-5", "o0", mismatch("COMPLETED")),
        (&done, "completed", "5", "", Ok(completed("5", Some("COMPLETE")))),
        (&done, "NONE", "5", "", Ok(completed("5", None))),
        (&taken, "NONE", "-5", "o0", Ok(adjusted("-5", false))),
        (&taken, "RECONCILED", "-5", "", Ok(ignored("RECONCILED", IgnoreReason::Contradictory))),
        (&taken, "", "5", "", Ok(ignored("", IgnoreReason::EmptyState))),
        (&done, "", "5", "", Ok(ignored("", IgnoreReason::EmptyState))),
    ] {
        let values = [("player", "p1"), ("tx", "o1"), ("gems", amount), ("state", state), ("ref", reference)];
        let endpoint = app().only(only.clone()).offers(OFFERS).unwrap();
        assert_eq!(effect(&endpoint, &sign(OFFERS, &values)), expected, "{only:?} {state} {amount} {reference}");
    }
}

#[test]
fn bans_and_unbans_are_typed_and_unknown_words_kept() {
    let bans = app().bans(BANS).unwrap();
    for (word, status) in
        [("BANNED", BanStatus::Banned), (" active", BanStatus::Active), ("PAUSED", BanStatus::Unknown("PAUSED".into()))]
    {
        let values = [("player", "p1"), ("ban_status", word), ("ban_reason", "multi account")];
        let callback = verify(&bans, &sign(BANS, &values)).unwrap();
        assert_eq!((&callback.status, callback.reason.as_deref()), (&status, Some("multi account")));
        let event = callback.to_event();
        assert_eq!(event.kind, EventKind::Ban(status));
        assert_eq!(event.reason.as_deref(), Some("multi account"));
        assert_eq!(event.key().as_str(), "bitlabs/my-game/player/p1");
    }
    assert_eq!(event(&bans, &sign(BANS, &[("player", "p1")])).unwrap_err(), empty("ban_status"));
}

/// Delivers callbacks, separated by `; `, and returns the player's balance. Each is written as [`parse`] reads it; the
/// family may be left out where it is that of the callback before.
fn balance(callbacks: &str) -> Decimal {
    let mut family = "";
    let mut events = Vec::new();
    for callback in callbacks.split("; ") {
        let (word, rest) = callback.split_once(' ').unwrap();
        let is_family = ["offers", "purchases", "surveys", "rewards"].contains(&word);
        let callback = if is_family { rest } else { callback };
        family = if is_family { word } else { family };
        events.push(parse(&format!("{family} {callback}")));
    }
    Game::play(&events).wallet.balance
}

/// `offers TX STATE AMOUNT [REF [TYPE]]` or `surveys TX TYPE AMOUNT [REF]`, and likewise for purchases and rewards; `-`
/// is empty.
fn parse(line: &str) -> Event {
    let words: Vec<_> = line.split(' ').map(|word| if word == "-" { "" } else { word }).collect();
    let word = |at: usize| words.get(at).copied().unwrap_or_default();
    let common = [("player", "p1"), ("tx", word(1)), ("gems", word(3)), ("ref", word(4))];
    let stateful = [&common[..], &[("state", word(2)), ("type", word(5))]].concat();
    let typed = [&common[..], &[("type", word(2))]].concat();
    let parsed = match word(0) {
        "offers" => event(&offers(), &sign(OFFERS, &stateful)),
        "purchases" => {
            event(&app().purchases(OFFERS).unwrap(), &sign(OFFERS, &[&stateful[..], &[("iap", "4.99")]].concat()))
        }
        "surveys" => event(&app().surveys(SURVEYS).unwrap(), &sign(SURVEYS, &typed)),
        "rewards" => event(&app().rewards(REWARDS).unwrap(), &sign(REWARDS, &typed)),
        other => panic!("{other}"),
    };
    parsed.unwrap()
}

#[test]
fn numbered_rules_end_at_the_documented_balance() {
    for (rule, callbacks, expected) in [
        ("1: no type makes a pending one final", "offers o1 PENDING 500 - COMPLETE", "0"),
        ("2: a part", "offers o1 COMPLETED 500; offers o1 RECONCILED 120", "380"),
        ("2: nothing", "offers o1 COMPLETED 0; offers o1 RECONCILED 0", "0"),
        ("2: never negative", "offers o1 COMPLETED 500; offers o1 RECONCILED -500", "500"),
        ("3: after pending", "offers o1 PENDING 500; offers o1 RECONCILED 500", "0"),
        ("3: alone", "offers o1 RECONCILED 500", "0"),
        ("4: reversed", "surveys s1 COMPLETE 2; surveys r1 RECONCILIATION -2 s1", "0"),
        ("4: reversed twice", "surveys s1 COMPLETE 2; r1 RECONCILIATION -2 s1; r2 RECONCILIATION 2 s1", "2"),
        ("5: not more than paid", "surveys s1 COMPLETE 10; r1 RECONCILIATION -7 s1; r2 RECONCILIATION -5 s1", "0"),
        ("6: two, and a duplicate", "offers o1 COMPLETED 500; o2 COMPLETED 500; o1 COMPLETED 500.00", "1000"),
        ("7: a purchase later", "offers o1 COMPLETED 500; purchases o1 COMPLETED 500", "500"),
        ("7: its own transaction", "offers o1 COMPLETED 500; purchases o2 COMPLETED 0", "500"),
        ("8: zero", "offers o1 COMPLETED 0.00", "0"),
        ("10: overtaken", "offers o1 RECONCILED 500; offers o1 COMPLETED 500", "0"),
        ("10: overtaken", "surveys r1 RECONCILIATION -2 s1; surveys s1 COMPLETE 2", "0"),
        ("11: two endpoints", "surveys s1 SCREENOUT 5; rewards s1 SCREENOUT 5", "5"),
        ("12: support's credit", "surveys s1 SCREENOUT 5; s2 COMPLETE 100 s1; r1 RECONCILIATION -100 s2", "5"),
        ("stateless, by reference", "offers o1 NONE 500; or1 NONE -500 o1; or2 NONE 500 o1; or3 NONE -200 o1", "300"),
        ("stateless, without reference", "offers o17 NONE 500; or17 NONE -500; or18 NONE 500 null", "500"),
    ] {
        assert_eq!(balance(callbacks), decimal(expected), "{rule}");
    }
}

#[test]
fn m2_empty_states_pay_nothing() {
    // What arrives for PENDING, COMPLETED and RECONCILED if the URL has the state's macro of the other vocabulary.
    assert_eq!(balance(&["offers o1 - 500 - state_change"; 3].join("; ")), decimal("0"));
    for line in ["offers o1 - 500 - COMPLETE", "purchases o1 - 500", "offers o1 - 500 o0 RECONCILIATION"] {
        assert_eq!(balance(line), decimal("0"), "{line}");
    }
}

#[test]
fn m3_unknown_types_on_rewards_pay_nothing() {
    let rewards = app().rewards(REWARDS).unwrap();
    for word in ["REVOKED", "PENDING", "REJECTED", "FRAUD", "Reconciled", "state_change"] {
        for tx in ["o1", "1234"] {
            let values = [("player", "p1"), ("tx", tx), ("gems", "500"), ("type", word)];
            let effect = effect(&rewards, &sign(REWARDS, &values)).unwrap();
            assert!(matches!(effect, Effect::Ignored { .. }), "{word} {tx}: {effect:?}");
        }
    }
}

#[test]
fn m11_support_credit_with_reference_pays_on_offers() {
    assert_eq!(balance("offers o1 NONE 5 - SCREENOUT; offers o2 NONE 100 o1 COMPLETE"), decimal("105"));
}

#[test]
fn c10_reversals_without_reference_keep_their_own_transaction() {
    for reference in ["-", "0", "null", "NULL"] {
        let event = parse(&format!("offers or9 NONE -500 {reference}"));
        assert_eq!(event.key().as_str(), "bitlabs/my-game/conversion/or9", "{reference}");
        assert!(matches!(event.kind, EventKind::Conversion { original: None, effect: Effect::Adjusted { .. }, .. }));
        let game = Game::play(&[parse("offers o9 NONE 500"), event]);
        assert_eq!(game.outcome(), (vec!["reward", "nothing"], decimal("500")), "{reference}");
    }
}
