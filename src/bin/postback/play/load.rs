//! Many performances at a steady rate, and how the receiver bore them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};

use super::Theatre;
use super::scenario::Scenario;
use crate::ending::{Ending, Outcome};
use crate::output::print;

/// The broken rules that are shown at most.
const SHOWN: usize = 10;

pub(super) async fn play(
    theatre: Theatre,
    wanted: &[&'static Scenario],
    count: u32,
    rate: f64,
) -> Outcome {
    let theatre = Arc::new(theatre);
    let mut ticks = interval(Duration::from_secs_f64(1.0 / rate));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let started = Instant::now();
    let mut running = Vec::new();
    for performance in 0..usize::try_from(count).unwrap_or(usize::MAX) {
        ticks.tick().await;
        for (number, scenario) in wanted.iter().enumerate() {
            let script = theatre.script(scenario, performance * wanted.len() + number);
            let Some((player, acts)) = script else {
                continue;
            };
            let theatre = Arc::clone(&theatre);
            let name = scenario.name;
            running.push(tokio::spawn(async move {
                let mut lines = Vec::new();
                for act in acts {
                    lines.extend(theatre.stage.perform(act, &player).await);
                }
                (name, lines)
            }));
        }
    }
    let mut took: Vec<Duration> = Vec::new();
    let mut broken: Vec<(&str, &str, String)> = Vec::new();
    let mut played = 0_usize;
    for performance in running {
        let (name, lines) = performance.await?;
        for line in lines {
            played += 1;
            took.extend(&line.took);
            if let Some(rule) = line.broken {
                broken.push((name, rule, line.answered));
            }
        }
    }
    if played == 0 {
        return Err(
            "nothing could be played: give at least one dashboard URL that allows it".into(),
        );
    }
    took.sort_unstable();
    let seconds = started.elapsed().as_secs_f64();
    print(format_args!(
        "{played} callbacks, {} requests in {seconds:.1} s",
        took.len()
    ))?;
    for (name, part) in [("half within", 50), ("99 of 100 within", 99)] {
        let at = (took.len() * part / 100).min(took.len().saturating_sub(1));
        if let Some(span) = took.get(at) {
            print(format_args!(
                "  {name:<17} {:.1} ms",
                span.as_secs_f64() * 1000.0
            ))?;
        }
    }
    for (name, rule, answered) in broken.iter().take(SHOWN) {
        print(format_args!("  WRONG {name}: answered {answered}; {rule}"))?;
    }
    print(super::summary(played, broken.len()))?;
    Ok(Ending::fine_if(broken.is_empty()))
}
