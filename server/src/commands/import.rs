//! `postback import`: takes over what an earlier receiver paid, so that nothing of it is paid again.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use csv::StringRecord;
use postback::import::{Exposure, Importer, Outcome, PastCallback, Summary};
use postback::network::{self, Description};
use postback::store::MemoryStore;
use postback::{AppName, Clock as _, NetworkName, PlayerId, RecordKey, SystemClock, Timestamp, TransactionId};
use rust_decimal::Decimal;

use super::{note, print};
use crate::admin::decided;
use crate::config::Config;
use crate::environment;
use crate::store::{AnyStore, StoreUrl};

/// How many lines of each kind are printed at most.
const PRINTED: usize = 20;

/// Takes over what an earlier receiver paid. Writes nothing without --write.
///
/// The file is CSV. Its first line names the columns:
///
///   transaction  the callback's own transaction (required)
///   amount       what was paid; empty: unknown, so the conversion is closed (required)
///   player       the player
///   taken_back   how much of it was taken back since
///   original     the line is a reversal with its own transaction: amount was taken back from this one
///   milestone    COMPLETE, SCREENOUT or START_BONUS (BitLabs), or the goal as callbacks name it, if the URL has its macro
///   paid_at      2026-11-30T23:59:59Z, 2026-11-30 23:59:59 (UTC), or seconds or milliseconds since 1970
///
/// No handler is called. A file can be imported again. Exit status: 0 every line is, or would be, imported; 1 some need
/// a look; 2 nothing was imported, or not all of it.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Import {
    /// The store: sqlite:PATH, or env:NAME with a postgres:// or redis:// URL.
    store: String,
    /// The list.
    file: PathBuf,
    /// The app's name as in the configuration. It is part of every record's key.
    #[arg(long, value_name = "NAME")]
    app: AppName,
    /// The network's name.
    #[arg(long, value_name = "NAME", default_value = "bitlabs")]
    network: NetworkName,
    /// The configuration that describes the network, if it is none of `postback url list`.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write. Otherwise only what would happen is printed.
    #[arg(long)]
    write: bool,
    /// Create a new SQLite file. Without this, a mistyped path is an error.
    #[arg(long)]
    create: bool,
}

impl Import {
    pub(crate) async fn run(self) -> anyhow::Result<bool> {
        let store = environment::resolve(&self.store).map_err(anyhow::Error::msg)?;
        let store = StoreUrl::parse(&store).map_err(anyhow::Error::msg)?;
        let description = self.description()?;
        let first = self.reject_bad_lines(description.as_ref())?;
        let is_new = matches!(&store, StoreUrl::Sqlite(path) if !path.exists());
        if is_new && !self.create {
            anyhow::bail!("there is no such file: correct the path, or add --create for a new one");
        }
        if self.write {
            let opened = if is_new { store.open().await? } else { store.open_existing().await? };
            let importer = Importer::new(&opened, self.network.clone(), self.app.clone(), SystemClock.now());
            let summary = self.import(importer, description.as_ref()).await;
            opened.close().await;
            let summary = summary?;
            print(format_args!("{}", Counts(&summary)))?;
            for decision in summary.corrections.iter().take(PRINTED) {
                print(format_args!(
                    "correction to be delivered: {} {}",
                    decision.conversion(),
                    decided(decision.action())
                ))?;
            }
            print(
                "Next: send a recorded callback of one of these lines to the server. It must be answered \"duplicate\"; \
                 otherwise --app or --network is not the endpoint's.",
            )?;
            return Ok(is_clean(&summary));
        }
        let read_from = if is_new { AnyStore::Memory(MemoryStore::new()) } else { store.open_read_only().await? };
        let importer = Importer::new(&read_from, self.network.clone(), self.app.clone(), SystemClock.now()).dry_run();
        let summary = self.import(importer.clone(), description.as_ref()).await?;
        print(format_args!("would be: {}", Counts(&summary)))?;
        let key = RecordKey::conversion(&self.network, &self.app, &first);
        print(format_args!("for example {key}: compare with `postback show`, or send a recorded callback"))?;
        print_exposures(&importer)?;
        if is_new {
            print("A new store would be created.")?;
        }
        print("Nothing was written. To import, repeat the command with --write.")?;
        Ok(is_clean(&summary))
    }

    /// What says how the network's callbacks are stored. `None` for those that this program knows without one.
    fn description(&self) -> anyhow::Result<Option<Description>> {
        let name = self.network.as_str();
        if matches!(name, "bitlabs" | "admob") {
            return Ok(None);
        }
        if let Some(path) = &self.config
            && let Some(own) = Config::read_networks(path)?.remove(name)
        {
            return Ok(Some(own));
        }
        let preset = network::preset(name);
        preset
            .map(Some)
            .with_context(|| format!("add --config FILE with a table [networks.{name}], or correct --network"))
    }

    /// Before anything is written, so that a list is imported whole or not at all. Returns the first line's conversion.
    fn reject_bad_lines(&self, description: Option<&Description>) -> anyhow::Result<TransactionId> {
        let (mut bad, mut first) = (0_usize, None);
        for line in read(&self.file, description)? {
            match line {
                Ok(line) => first = first.or(Some(line.conversion)),
                Err(error) => {
                    bad += 1;
                    if bad <= PRINTED {
                        note(error);
                    }
                }
            }
        }
        if bad > 0 {
            anyhow::bail!("{bad} unreadable lines: nothing was imported");
        }
        first.context("the file has no line below its header")
    }

    async fn import(&self, importer: Importer<AnyStore>, description: Option<&Description>) -> anyhow::Result<Summary> {
        // The line numbers of the rows that are in progress.
        let numbers = RefCell::new(VecDeque::new());
        let rows = read(&self.file, description)?.flat_map(|line| match line {
            Ok(Line { number, callbacks, .. }) => {
                numbers.borrow_mut().extend(callbacks.iter().map(|_| number));
                callbacks.into_iter().map(Ok).collect::<Vec<_>>()
            }
            Err(error) => vec![Err(error)],
        });
        let printed = Cell::new(0_usize);
        let summary = importer.import_all(rows, |_, outcome| {
            let number = numbers.borrow_mut().pop_front().unwrap_or_default();
            if outcome.needs_attention() || outcome == Outcome::ImportedClosed {
                printed.set(printed.get() + 1);
                if printed.get() <= PRINTED {
                    note(format_args!("line {number}: {outcome}"));
                }
            }
        });
        let summary = summary.await?;
        if printed.get() > PRINTED {
            note(format_args!("and {} more lines", printed.get() - PRINTED));
        }
        Ok(summary)
    }
}

/// What the network could still cause to be paid, by kind.
fn print_exposures(importer: &Importer<AnyStore>) -> anyhow::Result<()> {
    let exposures = importer.exposures();
    for kind in [Exposure::Unpaid, Exposure::OtherMilestones, Exposure::AnyPlayer, Exposure::NoReversal] {
        let of_kind: Vec<_> = exposures.iter().filter(|(_, known)| *known == kind).collect();
        if of_kind.is_empty() {
            continue;
        }
        print(format_args!("{} conversions: {kind}", of_kind.len()))?;
        for (key, _) in of_kind.iter().take(3) {
            print(format_args!("  {key}"))?;
        }
        if of_kind.len() > 3 {
            print("  …")?;
        }
    }
    Ok(())
}

fn is_clean(summary: &Summary) -> bool {
    summary.already_received == 0 && summary.pending == 0 && summary.conflicts == 0 && summary.closed == 0
}

struct Counts<'s>(&'s Summary);

impl std::fmt::Display for Counts<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Summary {
            imported,
            imported_closed,
            already_imported,
            already_received,
            pending,
            closed,
            conflicts,
            corrections,
            ..
        } = self.0;
        write!(
            f,
            "{imported} imported, {imported_closed} imported as closed, {already_imported} imported before, \
             {already_received} received here, {pending} pending, {closed} closed, {conflicts} contradictory, {} corrections",
            corrections.len()
        )
    }
}

/// The columns there can be. Any other name is a typo that would drop what the column holds.
const COLUMNS: [&str; 7] = ["transaction", "player", "amount", "taken_back", "original", "milestone", "paid_at"];
const REQUIRED: [&str; 2] = ["transaction", "amount"];

/// A line that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {problem}")]
struct BadLine {
    line: u64,
    problem: String,
}

/// What a line says: one callback, or two if something was taken back.
struct Line {
    number: u64,
    /// Under which it is stored.
    conversion: TransactionId,
    callbacks: Vec<PastCallback>,
}

/// Reads the file line by line.
fn read(
    path: &Path,
    description: Option<&Description>,
) -> anyhow::Result<impl Iterator<Item = Result<Line, BadLine>> + use<>> {
    let unreadable = || format!("cannot read {}", path.display());
    let mut reader = csv::Reader::from_path(path).with_context(unreadable)?;
    let columns = Columns::new(reader.headers().with_context(unreadable)?, description)?;
    Ok(reader.into_records().map(move |record| {
        let record = record.map_err(|error| BadLine {
            line: error.position().map_or(0, csv::Position::line),
            problem: match error.kind() {
                csv::ErrorKind::UnequalLengths { expected_len, len, .. } => format!(
                    "{len} fields, but the header has {expected_len}: put a field with a comma into quotation marks"
                ),
                csv::ErrorKind::Utf8 { .. } => "not UTF-8 text".to_owned(),
                _ => error.to_string(),
            },
        })?;
        let number = record.position().map_or(0, csv::Position::line);
        let callbacks = columns.callbacks(&record);
        let (conversion, callbacks) = callbacks.map_err(|problem| BadLine { line: number, problem })?;
        Ok(Line { number, conversion, callbacks })
    }))
}

/// Where each column is, and how the network's callbacks are stored.
struct Columns {
    places: [Option<usize>; COLUMNS.len()],
    description: Option<Description>,
}

impl Columns {
    fn new(names: &StringRecord, description: Option<&Description>) -> anyhow::Result<Self> {
        let mut places = [None; COLUMNS.len()];
        for (place, name) in names.iter().enumerate() {
            // Spreadsheets begin a file with a byte order mark.
            let name = name.trim_start_matches('\u{feff}').trim();
            let column = COLUMNS.iter().position(|column| *column == name);
            match column.and_then(|column| places.get_mut(column)) {
                Some(slot @ None) => *slot = Some(place),
                Some(Some(_)) => anyhow::bail!("repeated column {name:?}"),
                None => anyhow::bail!("unknown column {name:?}: use {}", COLUMNS.join(", ")),
            }
        }
        let columns = Self { places, description: description.cloned() };
        match REQUIRED.iter().find(|name| columns.place(name).is_none()) {
            None => Ok(columns),
            Some(name) => anyhow::bail!("missing column {name:?}"),
        }
    }

    fn place(&self, name: &str) -> Option<usize> {
        let column = COLUMNS.iter().position(|column| *column == name)?;
        self.places.get(column).copied().flatten()
    }

    /// The conversion of a line, and its callbacks.
    fn callbacks(&self, record: &StringRecord) -> Result<(TransactionId, Vec<PastCallback>), String> {
        let field = |name| {
            let text = record.get(self.place(name)?)?.trim();
            Some(text).filter(|text| !text.is_empty())
        };
        let player = field("player").map(PlayerId::new).transpose();
        let player = player.map_err(|error| format!("player: {error}"))?;
        let milestone = field("milestone");
        let goals = self.description.as_ref().filter(|description| description.has_goal_transactions());
        if player.is_none() && goals.is_some_and(Description::has_transactions_of_players) {
            return Err("no player: transactions of this network are unique for one player only, so name it".to_owned());
        }
        let id = |column: &str, text: &str| {
            let id = TransactionId::new(text);
            let stored = id.and_then(|id| match goals {
                Some(description) => description.stored_transaction(&id, player.as_ref(), milestone),
                None => Ok(id),
            });
            stored.map_err(|error| format!("{column}: {error}"))
        };
        let transaction = id("transaction", field("transaction").ok_or("empty transaction")?)?;
        let amount = field("amount").map(|text| parse_amount("amount", text)).transpose()?;
        let taken_back = field("taken_back").map(|text| parse_amount("taken_back", text)).transpose()?;
        let at = field("paid_at").map(parse_moment).transpose()?;
        let with_details = |mut past: PastCallback| {
            if let Some(player) = &player {
                past = past.player(player.clone());
            }
            match at {
                Some(at) => past.at(at),
                None => past,
            }
        };
        if let Some(original) = field("original") {
            let original = id("original", original)?;
            let amount = amount.ok_or("a reversal needs the amount that was taken back")?;
            if taken_back.is_some() || (milestone.is_some() && goals.is_none()) {
                return Err("a line with an original is a reversal: leave taken_back and milestone empty".to_owned());
            }
            let taken_back = PastCallback::taken_back_by(transaction, original.clone(), amount);
            return Ok((original, vec![with_details(taken_back)]));
        }
        let Some(amount) = amount else {
            if taken_back.is_some() {
                return Err("taken_back without an amount: add what was paid".to_owned());
            }
            let paid = PastCallback::paid_unknown_amount(transaction.clone());
            return Ok((transaction, vec![with_details(paid)]));
        };
        if amount.is_sign_negative() && !amount.is_zero() {
            return Err("negative amount: name the original of a reversal in the column original".to_owned());
        }
        let mut paid = PastCallback::paid(transaction.clone(), amount);
        if let Some(word) = milestone.filter(|_| goals.is_none()) {
            paid = if self.description.is_none() {
                paid.milestone(word.parse().map_err(|error: postback::import::ImportError| error.to_string())?)
            } else {
                paid.goal(word)
            };
        }
        let mut callbacks = vec![with_details(paid)];
        if let Some(by) = taken_back.filter(|by| !by.is_zero()) {
            callbacks.push(with_details(PastCallback::taken_back(transaction.clone(), by)));
        }
        Ok((transaction, callbacks))
    }
}

fn parse_amount(column: &str, text: &str) -> Result<Decimal, String> {
    Decimal::from_str_exact(text)
        .map_err(|_| format!("{column}: not a plain number with a point as decimal separator, such as 500 or 2.50"))
}

/// Reads RFC 3339, `YYYY-MM-DD HH:MM:SS` in UTC, or seconds or milliseconds since 1970.
fn parse_moment(text: &str) -> Result<Timestamp, String> {
    let millis = if let Ok(number) = text.parse::<i64>() {
        // Seconds until the year 5138.
        if number < 100_000_000_000 { number.saturating_mul(1000) } else { number }
    } else if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        moment.as_millisecond()
    } else {
        let local: Result<jiff::civil::DateTime, _> = text.parse();
        let moment = local.and_then(|local| jiff::tz::TimeZone::UTC.to_timestamp(local));
        moment.map_err(|_| "paid_at: write 2026-11-30T23:59:59Z, or seconds since 1970".to_owned())?.as_millisecond()
    };
    let millis = u64::try_from(millis).map_err(|_| "paid_at: before 1970".to_owned())?;
    Ok(Timestamp::from_millis(millis))
}
