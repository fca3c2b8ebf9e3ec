//! Lines and spans.

use std::collections::BTreeSet;

use crate::captured::Line;
use crate::page::{names, table, words};
use crate::played::played;
use crate::story::story;

/// Rows of the table that take a broken store, or a handler that breaks the transaction, to be seen.
fn is_seldom(target: &str, message: &str) -> bool {
    target == "postback::store"
        || message.starts_with("the handler laid hands")
        || message.starts_with("the lease of a failed decision")
        || message == "an open decision cannot be read"
}

type Row = (String, String, String, BTreeSet<String>);

fn row(line: &Line) -> Row {
    let names = line.fields.names().into_iter().map(str::to_owned).collect();
    let (target, level) = (line.target.clone(), line.level.clone());
    (target, level, line.message.clone(), names)
}

fn rows(head: &[&str]) -> BTreeSet<Row> {
    let rows = table(head).into_iter();
    rows.map(|cells| {
        let [target, level, message, fields] = &cells[..] else {
            panic!("{cells:?}")
        };
        (
            target.clone(),
            level.clone(),
            message.clone(),
            names(fields),
        )
    })
    .collect()
}

fn ours() -> impl Iterator<Item = Line> {
    let lines = played().captured.lines().into_iter();
    lines.filter(|line| line.target.starts_with("postback"))
}

#[test]
fn every_line_is_one_of_the_table() {
    let documented = rows(&["target", "level", "message", "fields"]);
    for line in ours() {
        assert!(documented.contains(&row(&line)), "{line:#?}");
    }
}

#[test]
fn every_line_of_the_table_is_written() {
    let seen: BTreeSet<_> = ours().map(|line| row(&line)).collect();
    for row in rows(&["target", "level", "message", "fields"]) {
        assert!(is_seldom(&row.0, &row.2) || seen.contains(&row), "{row:?}");
    }
}

#[test]
fn the_span_is_the_one_of_the_table() {
    let documented = rows(&["target", "level", "span", "fields"]);
    let spans = played().captured.spans();
    assert!(spans.len() > 60, "{}", spans.len());
    for span in spans {
        assert!(documented.contains(&row(&span)), "{span:#?}");
    }
}

#[test]
fn every_receiver_logs_the_same() {
    for app in &played().apps {
        let lines = ours().filter(|line| line.fields.value("app") == Some(app));
        let outcomes: Vec<_> = lines
            .map(|line| line.fields.value("outcome").unwrap().to_owned())
            .collect();
        let expected: Vec<_> = story(app).iter().map(|(_, outcome)| *outcome).collect();
        assert_eq!(outcomes, expected, "{app}");
        let spans = played().captured.spans().into_iter();
        let ended = spans.filter(|span| span.fields.value("app") == Some(app));
        let mut ended: Vec<_> = ended
            .map(|span| span.fields.value("outcome").unwrap().to_owned())
            .collect();
        let mut expected = expected;
        ended.sort();
        expected.sort_unstable();
        assert_eq!(ended, expected, "{app}");
    }
}

/// Also on the SQLite writer's thread.
#[test]
fn what_a_handler_logs_says_of_which_callback() {
    let lines = played().captured.lines();
    for app in &played().apps {
        let of_app = |line: &&Line| {
            line.target == "game"
                && line
                    .within
                    .as_ref()
                    .is_some_and(|(_, fields)| fields.value("app") == Some(app))
        };
        let at_work: Vec<_> = lines.iter().filter(of_app).collect();
        // In SQLite a handler that fails is called once more, behind a savepoint of its own.
        let again = usize::from(*app == "sqlite");
        assert_eq!(at_work.len(), 13 + again, "{app}: every decision");
        for line in at_work {
            let (name, span) = line.within.as_ref().unwrap();
            assert_eq!(name, "callback");
            let conversion = span.value("conversion").unwrap();
            let decision = line.fields.value("decision").unwrap();
            assert!(decision.contains(conversion), "{decision}: {conversion}");
        }
    }
}

#[test]
fn every_word_is_on_the_page_and_every_word_of_the_page_is_used() {
    let seen = |field: &str| -> BTreeSet<String> {
        let values = ours().filter_map(|line| line.fields.value(field).map(str::to_owned));
        values.collect()
    };
    assert_eq!(seen("outcome"), words("### `outcome`"));
    assert_eq!(seen("cause"), words("### `cause`"));
    let kinds = seen("kind");
    assert!(kinds.is_subset(&words("### `kind`")), "{kinds:?}");
}

/// Whoever is woken by it must learn from one line that money is being lost, where, and what to compare.
#[test]
fn a_genuine_callback_that_is_refused_is_told_with_its_endpoint_and_parameter() {
    let lines: Vec<_> = ours()
        .filter(|line| line.message.starts_with("genuine callback refused"))
        .collect();
    for (cause, error, because) in [
        ("parameter_malformed", "\"gems\" is malformed", ""),
        (
            "parameter_not_an_id",
            "\"tx\" cannot be used",
            "control character",
        ),
    ] {
        let of_cause = lines.iter().filter(|line| {
            let says = |field, text: &str| line.fields.value(field).unwrap().contains(text);
            line.level == "ERROR"
                && says("cause", cause)
                && says("error", error)
                && says("because", because)
                && says("source", "bitlabs")
                && says("app", "game")
                && says("endpoint", "offers")
        });
        // By axum, by actix-web.
        assert_eq!(of_cause.count(), 2, "{cause}: {lines:#?}");
    }
    for line in &lines {
        let all = format!("{line:?}");
        assert!(!all.contains("12.x5") && !all.contains("tx with") && !all.contains("p1"));
    }
    let forged = ours().filter(|line| line.fields.value("cause") == Some("signature_wrong"));
    assert!(
        forged
            .into_iter()
            .all(|line| line.message == "request refused")
    );
}

#[test]
fn both_adapters_refuse_in_the_same_words() {
    let refused: Vec<_> = ours()
        .filter(|line| line.message == "request refused")
        .map(|line| line.fields.value("cause").unwrap().to_owned())
        .collect();
    let times = |cause: &str| refused.iter().filter(|word| *word == cause).count();
    // By hand, by axum, by actix-web.
    assert_eq!(times("signature_wrong"), 3);
    assert_eq!(times("signature_missing"), 3);
}
