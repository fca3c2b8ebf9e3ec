//! The list of an earlier receiver, as CSV with a header.

use std::path::Path;

use csv::{Reader, StringRecord};
use postback::event::{PlayerId, TransactionId};
use postback::import::PastCallback;
use rust_decimal::Decimal;

use crate::ending::{Failure, about};
use crate::time;
use crate::words::shown;

/// The columns there can be. Any other name is a slip that would drop what it holds.
const COLUMNS: [&str; 7] = [
    "transaction",
    "player",
    "amount",
    "taken_back",
    "original",
    "milestone",
    "paid_at",
];
const NEEDED: [&str; 2] = ["transaction", "amount"];

/// A line that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {what}")]
pub(crate) struct BadLine {
    pub(crate) line: u64,
    pub(crate) what: String,
}

/// What a line says: one callback or, where something was taken back, two.
pub(crate) struct Line {
    pub(crate) number: u64,
    pub(crate) callbacks: Vec<PastCallback>,
}

/// Which column stands where.
struct Header([Option<usize>; COLUMNS.len()]);

/// Reads the file line by line, from its beginning.
pub(crate) fn read(
    path: &Path,
) -> Result<impl Iterator<Item = Result<Line, BadLine>> + use<>, Failure> {
    let name = path.display();
    let mut reader =
        Reader::from_path(path).map_err(|error| about(format!("{name} cannot be read"), error))?;
    let header = reader
        .headers()
        .map_err(|error| about(format!("{name} cannot be read"), error))
        .and_then(|names| Header::of(names))?;
    Ok(reader.into_records().map(move |record| {
        let record = record.map_err(|error| BadLine {
            line: error.position().map_or(0, csv::Position::line),
            what: unreadable(&error),
        })?;
        let number = record.position().map_or(0, csv::Position::line);
        let callbacks = header.callbacks(&record);
        let callbacks = callbacks.map_err(|what| BadLine { line: number, what })?;
        Ok(Line { number, callbacks })
    }))
}

/// Without the position, which the line has already.
fn unreadable(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!(
            "it has {len} fields and the header {expected_len}: put a field with a comma into quotation marks"
        ),
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    }
}

impl Header {
    fn of(names: &StringRecord) -> Result<Self, Failure> {
        let mut places = [None; COLUMNS.len()];
        for (place, name) in names.iter().enumerate() {
            // Spreadsheets begin a file with a mark of its encoding.
            let name = name.trim_start_matches('\u{feff}').trim();
            let column = COLUMNS.iter().position(|column| *column == name);
            match column.and_then(|column| places.get_mut(column)) {
                Some(slot @ None) => *slot = Some(place),
                Some(Some(_)) => return Err(format!("the column {name} is there twice").into()),
                None => {
                    return Err(format!(
                        "the first line must name the columns, of {}; {:?} is none of them",
                        COLUMNS.join(", "),
                        shown(name)
                    )
                    .into());
                }
            }
        }
        let header = Self(places);
        match NEEDED.iter().find(|name| header.place(name).is_none()) {
            None => Ok(header),
            Some(name) => Err(format!("there is no column {name}").into()),
        }
    }

    fn place(&self, name: &str) -> Option<usize> {
        let column = COLUMNS.iter().position(|column| *column == name)?;
        self.0.get(column).copied().flatten()
    }

    /// A field, if there is anything in it.
    fn field<'r>(&self, record: &'r StringRecord, name: &str) -> Option<&'r str> {
        let text = record.get(self.place(name)?)?.trim();
        Some(text).filter(|text| !text.is_empty())
    }

    fn callbacks(&self, record: &StringRecord) -> Result<Vec<PastCallback>, String> {
        let field = |name| self.field(record, name);
        let transaction: TransactionId =
            id(field("transaction"), "transaction")?.ok_or("transaction is empty")?;
        let player: Option<PlayerId> = id(field("player"), "player")?;
        let original: Option<TransactionId> = id(field("original"), "original")?;
        let amount = amount(field("amount"), "amount")?;
        let taken_back =
            self::amount(field("taken_back"), "taken_back")?.filter(|by| !by.is_zero());
        let paid_at = field("paid_at").map(|text| {
            time::read(text).ok_or_else(|| {
                format!(
                    "paid_at {:?} is no moment: write 2026-11-30 23:59:59 (UTC), or seconds or milliseconds since 1970",
                    shown(text)
                )
            })
        });
        let paid_at = paid_at.transpose()?;
        let mut callbacks = match (original, amount) {
            (Some(_), None) => {
                return Err("amount is empty: how much of original was taken back?".to_owned());
            }
            (Some(original), Some(amount)) => vec![PastCallback::taken_back_by(
                transaction.clone(),
                original,
                amount,
            )],
            (None, Some(amount)) => vec![PastCallback::paid(transaction.clone(), amount)],
            (None, None) => vec![PastCallback::paid_unknown_amount(transaction.clone())],
        };
        if let Some(by) = taken_back {
            if self.field(record, "original").is_some() {
                return Err("it has both taken_back and original: a reversal with a transaction of its own is a line of \
                     its own, with original and amount"
                    .to_owned());
            }
            match amount {
                None => return Err("taken_back needs an amount: what was paid?".to_owned()),
                Some(paid) if by > paid => return Err("taken_back is more than amount".to_owned()),
                Some(_) => callbacks.push(PastCallback::taken_back(transaction, by)),
            }
        }
        let told = |past: PastCallback| {
            let past = match &player {
                Some(player) => past.player(player.clone()),
                None => past,
            };
            let past = match paid_at {
                Some(moment) => past.at(moment),
                None => past,
            };
            match field("milestone") {
                Some(word) => past.milestone(word),
                None => past,
            }
        };
        Ok(callbacks.into_iter().map(told).collect())
    }
}

fn id<T: std::str::FromStr<Err: std::fmt::Display>>(
    text: Option<&str>,
    name: &str,
) -> Result<Option<T>, String> {
    text.map(|text| {
        text.parse()
            .map_err(|error| format!("{name} {:?} cannot be used: {error}", shown(text)))
    })
    .transpose()
}

fn amount(text: Option<&str>, name: &str) -> Result<Option<Decimal>, String> {
    let Some(text) = text else {
        return Ok(None);
    };
    let amount = Decimal::from_str_exact(text).map_err(|_| {
        format!(
            "{name} {:?} is no number: write 1234.5, without a thousands separator",
            shown(text)
        )
    })?;
    if amount < Decimal::ZERO {
        return Err(format!(
            "{name} is below zero: what was taken back goes into taken_back, or into a line with original"
        ));
    }
    Ok(Some(amount))
}
