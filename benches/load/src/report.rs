//! Makes tables and a chart of what was measured.

mod chart;
mod tables;
mod wanted;

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use crate::load::Load;
use crate::measurement::{Measurement, median, read};
use crate::peers::ServerName;
use crate::plan::{CONNECTIONS, Case, Table};

/// What to make of which measurements.
#[derive(Debug, clap::Args)]
pub struct Orders {
    /// The measurements.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/measurements.jsonl"))]
    from: PathBuf,
    /// The folder that holds `performance-load.md` and gets `performance.svg`. Without it, the tables are only
    /// printed.
    #[arg(long)]
    docs: Option<PathBuf>,
}

/// All measurements, asked case by case.
struct Measured(Vec<Measurement>);

impl Measured {
    fn of(&self, case: Case) -> impl Iterator<Item = &Measurement> {
        self.0
            .iter()
            .filter(move |measurement| measurement.case == case)
    }

    /// The median of something over the measurements of a case; `None` where it was not measured.
    fn median(&self, case: Case, what: impl Fn(&Measurement) -> f64) -> Option<f64> {
        median(self.of(case).map(what))
    }

    fn rate(&self, case: Case) -> Option<f64> {
        self.median(case, Measurement::rate)
    }

    fn in_round(&self, case: Case, round: usize) -> Option<&Measurement> {
        self.of(case).find(|one| one.round == round)
    }

    /// The median over the rounds of how one case stands to another in the same round.
    fn ratio(&self, one: Case, other: Case, what: impl Fn(&Measurement) -> f64) -> Option<f64> {
        median(self.of(one).filter_map(|one| {
            let other = self.in_round(other, one.round)?;
            Some(what(one) / what(other))
        }))
    }

    /// What stands behind a figure that was only measured while something else ran.
    fn mark(&self, case: Case) -> &'static str {
        if self.of(case).any(Measurement::is_disturbed) {
            " †"
        } else {
            ""
        }
    }
}

/// Without measurements that something else on the machine disturbed, where there are others of the same case.
fn undisturbed(mut all: Vec<Measurement>) -> Vec<Measurement> {
    let good: Vec<Case> = all
        .iter()
        .filter(|one| !one.is_disturbed())
        .map(|one| one.case)
        .collect();
    all.retain(|one| !one.is_disturbed() || !good.contains(&one.case));
    for one in all.iter().filter(|one| one.is_disturbed()) {
        eprintln!(
            "!!! {} was only measured while something else ran !!!",
            one.case.name()
        );
    }
    all
}

fn compared(server: ServerName) -> Case {
    Case {
        table: Table::Compare,
        server,
        load: Load::Unique,
        connections: CONNECTIONS,
    }
}

pub fn write(orders: &Orders) -> Result<(), Box<dyn Error>> {
    let measured = Measured(undisturbed(read(&orders.from)?));
    let tables = [
        ("compare", tables::compare(&measured)),
        ("wanted", wanted::table(&measured)),
        ("client", tables::client(&measured)),
        ("floods", tables::floods(&measured)),
        ("mixed", tables::mixed(&measured)),
        ("connections", tables::connections(&measured)),
    ];
    for (_, table) in &tables {
        println!("{table}");
    }
    if let Some(docs) = &orders.docs {
        let page = docs.join("performance-load.md");
        let mut text =
            fs::read_to_string(&page).map_err(|error| format!("{}: {error}", page.display()))?;
        for (name, table) in &tables {
            text = replaced(&text, name, table)?;
        }
        fs::write(page, text)?;
        fs::write(docs.join("performance.svg"), chart::bars(&measured))?;
    }
    Ok(())
}

/// The page with a table put between its two marks.
fn replaced(page: &str, name: &str, table: &str) -> Result<String, Box<dyn Error>> {
    let (begin, end) = (format!("<!-- table: {name} -->\n"), "<!-- end -->");
    let missing = || format!("the page has no place for the table {name}");
    let (before, rest) = page.split_once(&begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(end).ok_or_else(missing)?;
    Ok(format!("{before}{begin}{table}{end}{after}"))
}
