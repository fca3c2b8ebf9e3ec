//! `postback play`: acts as the network against a running receiver.

mod cast;
mod client;
mod load;
mod perform;
mod scenario;
mod script;
mod statement;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use clap::builder::PossibleValuesParser;
use postback::testing::bitlabs::Network;

pub(crate) use cast::or_demo;
use cast::{Cast, Phonexa};
use client::{Client, Outgoing};
use perform::{Line, Stage};
use scenario::{ALL, Act, Scenario};
use statement::Statements;

use crate::dashboard::Dashboard;
use crate::ending::{Ending, Failure, Outcome};
use crate::output::{note, print};
use crate::secret::SecretArguments;

#[derive(Args)]
#[command(
    after_help = "Example (against `cargo run --example axum_receiver --features axum,sqlite`):\n  \
    BITLABS_APP_SECRET=demo-secret-do-not-use postback play all --to http://127.0.0.1:8080\n\n\
    Without dashboard URLs, those of the example receivers are used; with at least one, only the scenarios that it \
    allows are played. The phonexa-* scenarios need PHONEXA_TOKEN, or PHONEXA_LOGIN and PHONEXA_PASSWORD, in the \
    environment, as the examples do; they go to /callbacks/phonexa.\n\n\
    Exit status: 0 every answer and balance is as expected; 1 at least one is not; 2 nothing could be played."
)]
pub(crate) struct Play {
    /// What to play.
    #[arg(value_parser = PossibleValuesParser::new(std::iter::once("all").chain(ALL.iter().map(|s| s.name))))]
    scenario: String,
    /// Where the receiver listens; a path is put before those of the dashboard's URLs.
    #[arg(long, value_name = "URL")]
    to: String,
    #[command(flatten)]
    secret: SecretArguments,
    /// Where the receiver says how a player stands, as JSON with a "balance" (and perhaps "banned"). Unless given,
    /// /players/{player} is tried. Without it, only answers are checked, and a wrong wallet is not noticed.
    #[arg(long, value_name = "URL")]
    statement_url: Option<String>,
    /// How many times faster than the network retries.
    #[arg(long, value_name = "TIMES", default_value_t = 500.0, value_parser = speed)]
    speed: f64,
    /// Perform so many times, for load; prints a summary only.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    count: u32,
    /// With --count: begin so many performances a second.
    #[arg(long, value_name = "R", default_value_t = 50.0, value_parser = speed)]
    rate: f64,
    /// Send to another machine, too. Whoever listens there believes that these rewards are real.
    #[arg(long)]
    allow_remote: bool,
    #[command(flatten)]
    dashboard: Dashboard,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.001 => Ok(number),
        _ => Err("it is a number above 0.001".to_owned()),
    }
}

/// What is played, and with whose URLs.
struct Theatre {
    network: Network,
    dashboard: Dashboard,
    phonexa: Option<Phonexa>,
    stage: Arc<Stage>,
    /// Distinguishes this run from all others.
    run: u128,
}

impl Theatre {
    fn script(&self, scenario: &Scenario, number: usize) -> Option<(String, Vec<Act>)> {
        let cast = Cast {
            network: &self.network,
            dashboard: &self.dashboard,
            phonexa: self.phonexa.as_ref(),
            player: format!("play-{}-{number}", self.run),
            number: format!("{}{number:03}", self.run),
        };
        let acts = (scenario.script)(&cast)?;
        Some((cast.player, acts))
    }
}

impl Play {
    pub(crate) fn run(self) -> Outcome {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        runtime.block_on(self.play())
    }

    async fn play(self) -> Outcome {
        let (count, rate) = (self.count, self.rate);
        let wanted: Vec<&'static Scenario> = ALL
            .iter()
            .filter(|scenario| self.scenario == "all" || self.scenario == scenario.name)
            .collect();
        let is_all = wanted.len() > 1;
        let theatre = self.open().await?;
        if count > 1 {
            return load::play(theatre, &wanted, count, rate).await;
        }
        print(heading())?;
        let mut played = 0_usize;
        let mut wrong = 0_usize;
        for (number, scenario) in wanted.into_iter().enumerate() {
            let Some((who, acts)) = theatre.script(scenario, number) else {
                let reason = format!("{} needs {}", scenario.name, scenario.needs);
                if !is_all {
                    return Err(reason.into());
                }
                print(format_args!("{:<29} left out: {reason}", scenario.name))?;
                continue;
            };
            for act in acts {
                for (times, line) in folded(theatre.stage.perform(act, &who).await) {
                    played += times;
                    wrong += usize::from(line.broken.is_some());
                    print(row(scenario.name, times, &line))?;
                }
            }
        }
        if played == 0 {
            return Err(
                "nothing could be played: give at least one dashboard URL that allows it".into(),
            );
        }
        print(format_args!("\n{}", summary(played, wrong)))?;
        Ok(Ending::fine_if(wrong == 0))
    }

    /// At the place where the examples have them, if there are any.
    async fn usual_statements(&self) -> Result<Option<Statements>, Failure> {
        let guessed = format!("{}/players/{{player}}", self.to.trim_end_matches('/'));
        let guessed = Statements::new(&guessed, self.allow_remote)?;
        if guessed.are_offered().await {
            return Ok(Some(guessed));
        }
        note(
            "Only answers are checked: the receiver has no /players/{player}. Give --statement-url, or a wrong wallet \
             is not noticed.",
        );
        Ok(None)
    }

    async fn open(&self) -> Result<Theatre, Failure> {
        let secret = self.secret.signing()?;
        let dashboard = or_demo(self.dashboard.clone());
        // Refuses a URL that no receiver could use, before anything is sent.
        dashboard.endpoints(&self.secret.keys()?)?;
        let client = Client::new("--to", &self.to, self.allow_remote)?;
        let named = match &self.statement_url {
            Some(url) => Some(Statements::new(url, self.allow_remote)?),
            None => None,
        };
        // Is anybody there? Any answer will do.
        client.send(&Outgoing::get("/")).await?;
        let statements = match named {
            Some(named) => Some(named),
            None => self.usual_statements().await?,
        };
        let stage = Stage {
            client,
            statements,
            speed: self.speed,
        };
        Ok(Theatre {
            network: Network::new(secret),
            dashboard,
            phonexa: Phonexa::from_environment(),
            stage: Arc::new(stage),
            run: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_millis()),
        })
    }
}

fn heading() -> String {
    format!(
        "{:<29} {:<29} {:<14} {:<9} {:<17} {:<17}",
        "scenario", "sent", "answered", "expected", "balance", "expected"
    )
}

/// Requests of one kind that were answered alike, in one line with their number. Broken ones stay alone.
fn folded(lines: Vec<Line>) -> Vec<(usize, Line)> {
    let mut folded: Vec<(usize, Line)> = Vec::new();
    for line in lines {
        match folded.last_mut() {
            Some((times, last))
                if (&last.what, &last.answered) == (&line.what, &line.answered)
                    && last.broken.is_none()
                    && line.broken.is_none() =>
            {
                // The last one of them has the balance.
                *times += 1;
                *last = line;
            }
            _ => folded.push((1, line)),
        }
    }
    folded
}

fn row(scenario: &str, times: usize, line: &Line) -> String {
    let what = if times > 1 {
        format!("{} ({times} at once)", line.what)
    } else {
        line.what.clone()
    };
    let end = match line.broken {
        None => "ok".to_owned(),
        Some(rule) => format!("WRONG: {rule}"),
    };
    format!(
        "{:<29} {:<29} {:<14} {:<9} {:<17} {:<17} {end}",
        scenario, what, line.answered, line.expected, line.balance, line.wanted
    )
}

fn summary(played: usize, wrong: usize) -> String {
    if wrong == 0 {
        format!("{played} callbacks, all as expected")
    } else {
        format!("{played} callbacks, {wrong} NOT as expected")
    }
}
