//! Times each case beside its floor: what the same bytes cost at the very least.
//!
//! Both are run in turns, some tens of microseconds each, and compared turn by turn. So a machine that is
//! busy or changes its clock rate slows both down alike, and the ratio holds where the times do not. Where stack
//! and heap happen to lie makes a difference of a twentieth: so it is done in several processes.

use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

/// Something to be timed: runs so often.
pub(crate) struct Work(Box<dyn Fn(u64)>);

impl Work {
    pub(crate) fn new<T>(run: impl Fn() -> T + 'static) -> Self {
        Self(Box::new(move |times| {
            for _ in 0..times {
                black_box(run());
            }
        }))
    }

    pub(crate) fn run(&self, times: u64) {
        (self.0)(times);
    }

    /// Nanoseconds for one run, of so many.
    fn time(&self, times: u64) -> f64 {
        let start = Instant::now();
        self.run(times);
        start.elapsed().as_secs_f64() * 1e9 / f64::from(u32::try_from(times).unwrap())
    }

    /// How many runs fill a turn.
    fn runs_per_turn(&self) -> u64 {
        let mut times = 1;
        while self.time(times) * f64::from(u32::try_from(times).unwrap()) < TURN_NANOS {
            times *= 2;
        }
        times
    }
}

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) work: Work,
    pub(crate) floor: Work,
    /// What the ratio should be at most; `None`: it is only shown.
    pub(crate) target: Option<f64>,
}

const TURNS: usize = 501;
const TURN_NANOS: f64 = 30_000.0;
const PROCESSES: usize = 9;
/// Machines and compilers differ: only what is well above its target fails.
const TOLERANCE: f64 = 1.1;
/// Set in the processes that measure.
const MEASURES: &str = "POSTBACK_BENCH_MEASURES";

/// Prints what `measure` prints by [`compare`], the median of several processes. Fails when a ratio is well above its target.
pub(crate) fn in_processes(measure: fn()) {
    if std::env::var_os(MEASURES).is_some() {
        measure();
        return;
    }
    let outputs: Vec<String> = (0..PROCESSES)
        .map(|_| {
            let mut child = Command::new(std::env::current_exe().unwrap());
            let output = child.env(MEASURES, "1").output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        })
        .collect();
    let mut lines: Vec<_> = outputs.iter().map(|output| output.lines()).collect();
    let mut above = Vec::new();
    while let Some(line) = lines[0].next() {
        let mut rows = vec![line];
        rows.extend(lines.iter_mut().skip(1).filter_map(Iterator::next));
        let rows: Vec<Vec<&str>> = rows.iter().map(|row| row.split(" ; ").collect()).collect();
        let [name, _, _, _, target] = rows[0].as_slice() else {
            println!("{line}");
            continue;
        };
        let column = |at: usize| Sorted::of(rows.iter().map(|row| row[at].parse().unwrap()));
        let ratios = column(3);
        println!(
            "| {name} | {:.0} | {:.0} | {:.2} | {:.2} to {:.2} | {target} |",
            column(1).at(50),
            column(2).at(50),
            ratios.at(50),
            ratios.at(0),
            ratios.at(100),
        );
        if target
            .parse()
            .is_ok_and(|target: f64| ratios.at(50) > target * TOLERANCE)
        {
            above.push(*name);
        }
    }
    assert!(above.is_empty(), "above its target: {}", above.join(", "));
}

/// Times the cases and prints a row for each.
pub(crate) fn compare(floor: &str, cases: &[Case]) {
    println!(
        "\nfloor: {floor}; medians of {PROCESSES} processes with {TURNS} turns each, and the processes' range\n"
    );
    println!("| case | ns | floor, ns | ratio | range | target |");
    println!("|---|---|---|---|---|---|");
    for case in cases {
        let (own, floor) = (case.work.runs_per_turn(), case.floor.runs_per_turn());
        let warm = Instant::now();
        while warm.elapsed() < Duration::from_millis(50) {
            case.work.run(own);
            case.floor.run(floor);
        }
        let turns: Vec<[f64; 2]> = (0..TURNS)
            .map(|_| [case.work.time(own), case.floor.time(floor)])
            .collect();
        println!(
            "{} ; {} ; {} ; {} ; {}",
            case.name,
            Sorted::of(turns.iter().map(|[own, _]| *own)).at(50),
            Sorted::of(turns.iter().map(|[_, floor]| *floor)).at(50),
            Sorted::of(turns.iter().map(|[own, floor]| own / floor)).at(50),
            case.target
                .map_or("–".to_owned(), |target| format!("{target:.1}")),
        );
    }
}

struct Sorted(Vec<f64>);

impl Sorted {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    fn at(&self, percent: usize) -> f64 {
        self.0[(self.0.len() - 1) * percent / 100]
    }
}
