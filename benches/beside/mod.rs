//! Times each case beside its floor: what the same bytes cost at the very least.
//!
//! Both are run in turns, some tens of microseconds each, and compared turn by turn. So a machine that is
//! busy or changes its clock rate slows both down alike, and the ratio holds where the times do not.

use std::hint::black_box;
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
    /// What the ratio may be at most; `None`: it is only shown.
    pub(crate) most: Option<f64>,
}

const TURNS: usize = 2001;
const TURN_NANOS: f64 = 30_000.0;

/// Times the cases and prints a table. Fails when a ratio is above its bound.
pub(crate) fn compare(floor: &str, cases: &[Case]) {
    println!("floor: {floor}; medians of {TURNS} turns, and the middle half of the ratios\n");
    println!("| case | ns | floor, ns | ratio | from | to | at most |");
    println!("|---|---|---|---|---|---|---|");
    let mut above = Vec::new();
    for case in cases {
        let (own, floor) = (case.work.runs_per_turn(), case.floor.runs_per_turn());
        let warm = Instant::now();
        while warm.elapsed() < Duration::from_millis(100) {
            case.work.run(own);
            case.floor.run(floor);
        }
        let turns: Vec<[f64; 2]> = (0..TURNS)
            .map(|_| [case.work.time(own), case.floor.time(floor)])
            .collect();
        let ratios = Sorted::of(turns.iter().map(|[own, floor]| own / floor));
        println!(
            "| {} | {:.0} | {:.0} | {:.2} | {:.2} | {:.2} | {} |",
            case.name,
            Sorted::of(turns.iter().map(|[own, _]| *own)).at(50),
            Sorted::of(turns.iter().map(|[_, floor]| *floor)).at(50),
            ratios.at(50),
            ratios.at(25),
            ratios.at(75),
            case.most
                .map_or("–".to_owned(), |most| format!("{most:.1}")),
        );
        if case.most.is_some_and(|most| ratios.at(50) > most) {
            above.push(case.name);
        }
    }
    println!();
    assert!(above.is_empty(), "above its bound: {}", above.join(", "));
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
