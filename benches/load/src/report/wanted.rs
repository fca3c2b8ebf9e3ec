//! What was wanted, beside what was measured.

use std::fmt::Write;

use super::{Measured, compared};
use crate::measurement::Measurement;
use crate::peers::ServerName;

/// The part of its framework's hello that a receiver was to reach.
const OF_HELLO: f64 = 0.65;

/// A peer, as it is usually written and installed and as it is tuned, and how many times as many callbacks were wanted.
const PEERS: [(ServerName, ServerName, f64); 3] = [
    (ServerName::Express, ServerName::ExpressTuned, 12.0),
    (ServerName::Fastapi, ServerName::FastapiTuned, 15.0),
    (ServerName::Php, ServerName::PhpTuned, 7.0),
];

pub fn table(measured: &Measured) -> String {
    let times = |one: ServerName, other: ServerName| {
        let marks = [one, other].map(|server| measured.mark(compared(server)));
        let mark = marks.into_iter().max().unwrap_or_default();
        let ratio = measured.ratio(compared(one), compared(other), Measurement::rate);
        Some((ratio?, mark))
    };
    let mut table =
        "| wanted | measured | beside the tuned one, which verifies only |\n|---|---|---|\n"
            .to_owned();
    for ours in [ServerName::AxumMemory, ServerName::ActixMemory] {
        let part = times(ours, ours.hello());
        let name = ours.hello().name();
        let _ = writeln!(
            table,
            "| {}: {OF_HELLO:.2} of {name} | {} | |",
            ours.name(),
            judged(part, OF_HELLO, 3),
        );
    }
    for (usual, tuned, wanted) in PEERS {
        let ours = judged(times(ServerName::AxumMemory, usual), wanted, 1);
        let hello = plain(times(ServerName::AxumHello, usual));
        let beside = plain(times(ServerName::AxumMemory, tuned));
        let _ = writeln!(
            table,
            "| axum-memory: {wanted:.0} times {} | {ours}; axum-hello: {hello} | {beside} |",
            usual.title(),
        );
    }
    table
}

/// A figure, and the mark of one that was only measured while something else ran.
type Figure = Option<(f64, &'static str)>;

fn plain(figure: Figure) -> String {
    figure.map_or("not measured".to_owned(), |(figure, mark)| {
        format!("{figure:.1}{mark}")
    })
}

fn judged(figure: Figure, wanted: f64, digits: usize) -> String {
    let Some((figure, mark)) = figure else {
        return "not measured".to_owned();
    };
    let verdict = if figure >= wanted {
        "reached"
    } else {
        "**missed**"
    };
    format!("{figure:.digits$}{mark}: {verdict}")
}

#[cfg(test)]
mod tests {
    use super::judged;

    #[test]
    fn a_figure_is_not_rounded_up_to_what_was_wanted() {
        assert_eq!(judged(Some((0.648, "")), 0.65, 3), "0.648: **missed**");
        assert_eq!(judged(Some((0.65, " †")), 0.65, 3), "0.650 †: reached");
        assert_eq!(judged(None, 12.0, 1), "not measured");
    }
}
