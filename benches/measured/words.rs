//! What a measurement is told on its command line.

use std::time::Duration;

use super::offers::Order;

/// The words after `--`, without what cargo adds.
pub(crate) fn given() -> Vec<String> {
    let is_ours = |word: &String| word != "--bench";
    std::env::args().skip(1).filter(is_ours).collect()
}

/// A number from the environment.
pub(crate) fn number(name: &str, otherwise: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.map_or(otherwise, |text| text.parse().expect(name))
}

/// How long one round of one case lasts: `POSTBACK_SPAN_MS`.
pub(crate) fn span() -> Duration {
    Duration::from_millis(number("POSTBACK_SPAN_MS", 1000))
}

/// How many rounds, each with every case in turn: `POSTBACK_ROUNDS`.
pub(crate) fn rounds() -> u64 {
    number("POSTBACK_ROUNDS", 5)
}

/// In which order the transactions come: `POSTBACK_ORDER`, `ascending` or `random`.
pub(crate) fn order() -> Order {
    match std::env::var("POSTBACK_ORDER").as_deref() {
        Err(_) | Ok("ascending") => Order::Ascending,
        Ok("random") => Order::Random,
        Ok(_) => panic!("POSTBACK_ORDER: ascending or random"),
    }
}
