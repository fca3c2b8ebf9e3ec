//! From rounds to figures.

use super::callers::Round;

/// All rounds of one case.
pub(crate) struct Case {
    name: String,
    rounds: Vec<Round>,
}

/// The cases of one measurement, in the order in which they were first seen.
#[derive(Default)]
pub(crate) struct Figures {
    cases: Vec<Case>,
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

impl Case {
    fn rate(&self) -> f64 {
        median(self.rounds.iter().map(|round| round.rate).collect())
    }

    fn wait(&self, millionth: usize) -> String {
        let waits = self.rounds.iter().filter_map(|round| round.wait(millionth));
        let waits: Vec<f64> = waits.map(|wait| wait.as_secs_f64() * 1e3).collect();
        if waits.is_empty() {
            return "–".to_owned();
        }
        format!("{:.2}", median(waits))
    }

    fn written(&self) -> String {
        let written = self.rounds.iter().filter_map(|round| round.written);
        let written: Vec<f64> = written.collect();
        if written.is_empty() {
            return "–".to_owned();
        }
        format!("{:.1}", median(written))
    }

    /// At the end of the longest round.
    fn rows(&self) -> String {
        let most = self.rounds.iter().filter_map(|round| round.rows).max();
        most.map_or("–".to_owned(), |rows| rows.to_string())
    }
}

impl Figures {
    pub(crate) fn add(&mut self, name: &str, round: Round) {
        eprintln!("    {name}: {:.0}/s", round.rate);
        if let Some(case) = self.cases.iter_mut().find(|case| case.name == name) {
            case.rounds.push(round);
        } else {
            self.cases.push(Case {
                name: name.to_owned(),
                rounds: vec![round],
            });
        }
    }

    fn rates(&self, name: &str) -> Vec<f64> {
        let case = self.cases.iter().find(|case| case.name == name).unwrap();
        case.rounds.iter().map(|round| round.rate).collect()
    }

    pub(crate) fn print(&self) {
        println!(
            "| case | per second (median) | lowest | highest | p50 ms | p99 ms | p99.9 ms | KiB written | rows after |"
        );
        println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|");
        for case in &self.cases {
            let mut rates = self.rates(&case.name);
            rates.sort_by(f64::total_cmp);
            println!(
                "| {} | {:.0} | {:.0} | {:.0} | {} | {} | {} | {} | {} |",
                case.name,
                case.rate(),
                rates[0],
                rates[rates.len() - 1],
                case.wait(500_000),
                case.wait(990_000),
                case.wait(999_000),
                case.written(),
                case.rows()
            );
        }
    }

    /// How much faster one case is than another: the median of the rounds' ratios.
    pub(crate) fn ratio(&self, name: &str, than: &str) {
        let pairs = self.rates(name).into_iter().zip(self.rates(than));
        let ratio = median(pairs.map(|(rate, other)| rate / other).collect());
        println!("{name} : {than} = {ratio:.2}");
    }

    /// How much longer the slowest hundredth waits.
    pub(crate) fn wait_ratio(&self, name: &str, than: &str) {
        let waits = |name: &str| {
            let case = self.cases.iter().find(|case| case.name == name).unwrap();
            let waits = case.rounds.iter().filter_map(|round| round.wait(990_000));
            waits.map(|wait| wait.as_secs_f64()).collect::<Vec<_>>()
        };
        let pairs = waits(name).into_iter().zip(waits(than));
        let ratio = median(pairs.map(|(wait, other)| wait / other).collect());
        println!("p99 of {name} : {than} = {ratio:.2}");
    }
}
