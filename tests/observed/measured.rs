//! Numbers, as the exporter shows them.

use std::collections::{BTreeMap, BTreeSet};

use crate::page::{names, table};
use crate::played::played;
use crate::story::story;

/// One sample: name, labels, value.
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

fn samples() -> Vec<Sample> {
    let lines = played().metrics.lines();
    let lines = lines.filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(sample).collect()
}

fn sample(line: &str) -> Sample {
    let (series, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.trim_end_matches('}').split(',');
    let labels = labels.filter_map(|label| {
        let (name, value) = label.split_once('=')?;
        Some((name.to_owned(), value.trim_matches('"').to_owned()))
    });
    Sample {
        name: name.to_owned(),
        labels: labels.collect(),
        value: value.parse().unwrap(),
    }
}

/// The sum of all samples of this name with these labels.
fn sum(name: &str, wanted: &[(&str, &str)]) -> f64 {
    let is_wanted = |sample: &&Sample| {
        sample.name == name
            && wanted
                .iter()
                .all(|(name, value)| sample.labels.get(*name).is_some_and(|found| found == value))
    };
    samples()
        .iter()
        .filter(is_wanted)
        .map(|sample| sample.value)
        .sum()
}

fn is(number: f64, expected: usize) -> bool {
    (number - f64::from(u32::try_from(expected).unwrap())).abs() < 1e-9
}

#[test]
fn every_metric_is_one_of_the_table_and_described() {
    let page = &played().metrics;
    let documented = table(&["metric", "kind", "unit", "labels", "what"]);
    for row in &documented {
        let [name, kind, unit, ..] = &row[..] else {
            panic!("{row:?}")
        };
        // Without buckets the exporter shows a histogram as a summary.
        let kind = kind.replace("histogram", "summary");
        assert!(page.contains(&format!("# TYPE {name} {kind}\n")), "{name}");
        assert!(page.contains(&format!("# HELP {name} ")), "{name}");
        assert_eq!(name.ends_with("_seconds"), unit == "seconds");
    }
    for Sample {
        name, mut labels, ..
    } in samples()
    {
        let base = name.trim_end_matches("_sum").trim_end_matches("_count");
        let row = documented.iter().find(|row| row[0] == base);
        let row = row.unwrap_or_else(|| panic!("{name} is not on the page"));
        labels.remove("quantile");
        let labels: BTreeSet<_> = labels.into_keys().collect();
        assert_eq!(labels, names(&row[3]), "{name}");
    }
}

#[test]
fn every_receiver_counts_the_same() {
    for app in &played().apps {
        let mut expected = BTreeMap::<(&str, &str), usize>::new();
        for (event, outcome) in &story(app) {
            *expected.entry((event.kind.as_str(), outcome)).or_default() += 1;
        }
        let mut all = 0;
        for ((kind, outcome), count) in expected {
            let labels = [
                ("source", "bitlabs"),
                ("app", app),
                ("kind", kind),
                ("outcome", outcome),
            ];
            assert!(
                is(sum("postback_callbacks_total", &labels), count),
                "{labels:?}"
            );
            all += count;
        }
        assert!(
            is(sum("postback_callbacks_total", &[("app", app)]), all),
            "{app}"
        );
    }
}

#[test]
fn no_label_holds_a_player_or_a_transaction() {
    for Sample { name, labels, .. } in samples() {
        for value in labels.values() {
            let known = ["p1", "nobody", "broken", "o1", "o2", "o3", "o4", "r1"];
            assert!(!known.contains(&value.as_str()), "{name}: {value}");
        }
    }
}

#[test]
fn handlers_and_stores_are_timed() {
    let receivers = played().apps.len();
    let count = |labels: &[(&str, &str)]| sum("postback_handler_seconds_count", labels);
    // `resuming` plays the story, too, and repeats what failed: once in vain, once with success.
    assert!(is(count(&[("result", "refused")]), receivers + 1));
    // Twice in the story, and when it is resumed.
    assert!(is(count(&[("result", "failed")]), 3 * (receivers + 1)));
    assert!(count(&[("result", "done")]) > 10.0);
    let store = |operation| sum("postback_store_seconds_count", &[("operation", operation)]);
    let in_transaction = receivers - 2;
    let told = story("any").len();
    assert!(is(store("transaction"), in_transaction * told));
    // The store in memory is claimed without a look: loads are of what is resumed.
    assert!(store("load") > 0.0 && store("load") < 30.0 && store("swap") > 60.0);
    let down = [("operation", "unsettled"), ("result", "failed")];
    assert!(is(sum("postback_store_seconds_count", &down), 1));
    let seconds = sum("postback_callback_seconds_sum", &[]);
    assert!(seconds > 0.0 && seconds < 60.0);
}

#[test]
fn the_gauge_says_what_the_last_look_left_open() {
    let receivers = played().apps.len();
    assert!(is(sum("postback_open_decisions", &[]), 0), "mended at last");
    let resumed = |result| sum("postback_resumed_total", &[("result", result)]);
    assert!(is(resumed("failed"), receivers + 1));
    assert!(is(resumed("busy"), 1));
    assert!(is(resumed("settled"), 1));
}

#[test]
fn refusals_are_all_counted_also_those_that_are_not_logged() {
    let refused = |cause| sum("postback_requests_refused_total", &[("cause", cause)]);
    assert!(is(refused("fragment"), 1 + 100 + 1));
    assert!(is(refused("signature_wrong"), 3));
    assert!(is(refused("not_configured"), 1));
    let configuration = [("fault", "configuration")];
    let faults = sum("postback_requests_refused_total", &configuration);
    assert!(is(faults, 4), "missing, static, state, not configured");
}
