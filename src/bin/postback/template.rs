//! `postback template`.

use clap::Args;
use postback::bitlabs::{App, ConfigError, Family, Vocabulary, macro_meaning};
use postback::wire::template::{Parameter, Value};
use postback::wire::{KeyRing, Secret, Template as Typed};

use crate::dashboard::{FAMILIES, endpoint};
use crate::ending::{Ending, Outcome, about};
use crate::output::print;
use crate::words::shown;

#[derive(Args)]
#[command(after_help = "Example:\n  \
    postback template \\\n    'https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&\
    state=[%OFFER:TASK:STATE%]&ref=[%REF%]'\n\n\
    Exit status: 0 at least one endpoint (or the one named) can use it safely; 1 none can; 2 it is no URL of a dashboard.")]
pub(crate) struct Template {
    /// Ask about one endpoint only: offers, purchases, surveys, receipts, cashback, rewards or bans.
    #[arg(long, value_name = "NAME", value_parser = family)]
    endpoint: Option<Family>,
    /// The URL as typed into the dashboard, macros and all.
    url: String,
}

fn family(name: &str) -> Result<Family, String> {
    FAMILIES
        .into_iter()
        .find(|family| family.name() == name)
        .ok_or_else(|| {
            "it is one of offers, purchases, surveys, receipts, cashback, rewards, bans".to_owned()
        })
}

impl Template {
    pub(crate) fn run(self) -> Outcome {
        let typed = Typed::parse(&self.url, &["hash", "debug"])
            .map_err(|error| about("URL cannot be used in any endpoint", error))?;
        print(format_args!("signed prefix  {}", typed.prefix()))?;
        print("\nparameters")?;
        for parameter in typed.parameters() {
            print(format_args!("  {}", describe(parameter)))?;
        }
        if let Some(note) = mixed(&typed) {
            print(format_args!("  note: {note}"))?;
        }
        // No request is verified here; a key is needed only to make an endpoint at all.
        let app = App::new("check", KeyRing::from(Secret::new("unused")?))?;
        print("\nendpoints")?;
        let mut usable = 0_usize;
        for family in FAMILIES {
            if self.endpoint.is_some_and(|wanted| wanted != family) {
                continue;
            }
            match endpoint(&app, family, &self.url) {
                Ok(_) => {
                    usable += 1;
                    print(format_args!(
                        "  {:<10} can use it: {}",
                        family.name(),
                        delivers(family)
                    ))?;
                }
                Err(error) => {
                    print(format_args!(
                        "  {:<10} cannot: {}",
                        family.name(),
                        advice(&error)
                    ))?;
                }
            }
        }
        Ok(Ending::fine_if(usable > 0))
    }
}

fn describe(parameter: &Parameter) -> String {
    let name = shown(parameter.name());
    match parameter.value() {
        Value::Static(_) => format!("{name:<16} a fixed value, which must arrive unchanged"),
        Value::Macro(text) => match macro_meaning(text) {
            None => format!("{name:<16} [%{text}%]: not a macro that is known"),
            Some((meaning, vocabulary)) => {
                let age = match vocabulary {
                    Vocabulary::Old => "old vocabulary",
                    Vocabulary::New => "new vocabulary",
                    Vocabulary::Slip => "a slip in the vendor's pages, understood",
                    _ => "both vocabularies",
                };
                format!("{name:<16} [%{text}%] {meaning} ({age})")
            }
        },
    }
}

fn mixed(typed: &Typed) -> Option<&'static str> {
    let has = |wanted: Vocabulary| {
        typed.parameters().iter().any(|parameter| {
            matches!(parameter.value(), Value::Macro(text)
                if macro_meaning(text).is_some_and(|(_, vocabulary)| vocabulary == wanted))
        })
    };
    (has(Vocabulary::Old) && has(Vocabulary::New)).then_some(
        "macros of the old and the new vocabulary are mixed; both work, and the dashboard's tester calls the old ones legacy",
    )
}

fn delivers(family: Family) -> &'static str {
    match family {
        Family::Purchases => {
            "completed offers with what the player spent, rejections, reconciliations"
        }
        Family::Surveys => {
            "completed surveys, screen-outs, start bonuses, reconciliations and their reversal"
        }
        Family::Receipts => "magic receipts: pending, reviewing, completed, rejected",
        Family::Cashback => "cashback: created, pending, adjusted, completed",
        Family::Rewards => {
            "completed offers, surveys and receipts in one, and their reconciliations"
        }
        Family::Bans => "bans and their end; no money",
        _ => "offers: pending, completed, reconciled",
    }
}

/// What is missing, in one line.
fn advice(error: &ConfigError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
