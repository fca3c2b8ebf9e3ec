//! What a callback does to its conversion: the network's rules, one function for each family. The same rules are a
//! list in `docs/protocol/bitlabs.md`, section 5; comments refer to the numbered rules of its section 4.

use std::borrow::Cow;

use rust_decimal::Decimal;

use super::Options;
use super::words::{CallbackType, State};
use crate::event::{Effect, IgnoreReason};
use crate::id::TransactionId;
use crate::verify::Problem;

/// What a callback says about money. A field that cannot be read matters only if a rule needs it.
pub(super) struct Message<'a> {
    pub(super) transaction: &'a TransactionId,
    /// The transaction it refers to, if that is not its own.
    pub(super) original: Result<Option<TransactionId>, Problem>,
    pub(super) amount: Result<Decimal, Problem>,
    /// `None` if the URL has no such parameter. May be empty.
    pub(super) state: Result<Option<Cow<'a, str>>, Problem>,
    /// `None` if the URL has no such parameter or it is empty.
    pub(super) callback_type: Result<Option<CallbackType>, Problem>,
    pub(super) options: &'a Options,
}

type Outcome = Result<Effect, Problem>;

const COMPLETE: &str = "COMPLETE";
const SCREENOUT: &str = "SCREENOUT";
const START_BONUS: &str = "START_BONUS";

/// Offers and purchases: the state decides, never the type (rule 1).
pub(super) fn offer(message: &Message<'_>) -> Outcome {
    match (message.state()?, &message.options.only) {
        (Some(""), _) => Ok(empty_state()),
        (Some(word), only) if !is_none(word) => match (State::from_word(word), only) {
            (state, Some(only)) if state != *only => Err(state_mismatch(only)),
            (state, _) => stateful(&state, message),
        },
        (None, Some(only)) => stated_by_url(only, message),
        (_, None) => stateless(message),
        // The callback itself says that it is not stateful. It must still be what this URL is for.
        (Some(_), Some(only)) => match (stateless(message)?, only) {
            (effect @ Effect::Completed { .. }, State::Completed)
            | (effect @ Effect::Adjusted { .. }, State::Reconciled) => Ok(effect),
            _ => Err(state_mismatch(only)),
        },
    }
}

/// The URL alone says which state it is, and nothing says whether stateful callbacks are on. The messages of one
/// stateful conversion share their transaction, so one that refers to another is not stateful.
fn stated_by_url(only: &State, message: &Message<'_>) -> Outcome {
    let refers_to_other = message.original()?.is_some();
    match only {
        State::Completed => {
            let callback_type = message.callback_type()?;
            let is_credit = callback_type == Some(&CallbackType::Complete) && !message.is_negative()?;
            if callback_type == Some(&CallbackType::Reconciliation) || (refers_to_other && !is_credit) {
                Err(state_mismatch(only))
            } else {
                stateful(only, message)
            }
        }
        State::Reconciled if refers_to_other || message.is_negative()? => message.corrected(),
        _ => stateful(only, message),
    }
}

fn stateful(state: &State, message: &Message<'_>) -> Outcome {
    match state {
        State::Pending => Ok(message.pending("PENDING")),
        State::Completed => message.completed_with_state(),
        // It states the deducted amount, which is never negative (rule 2). Negating a negative one would pay.
        State::Reconciled if message.is_negative()? => Ok(ignored(state.as_str(), IgnoreReason::Contradictory)),
        State::Reconciled => message.adjusted(-message.amount()?, true),
        other => Ok(unknown(other.as_str())),
    }
}

/// Offers without state: completed events, and reconciliations under a transaction of their own.
fn stateless(message: &Message<'_>) -> Outcome {
    let callback_type = message.callback_type()?;
    let is_negative = message.is_negative()?;
    let is_complete = callback_type == Some(&CallbackType::Complete);
    match callback_type {
        Some(CallbackType::Unknown(word)) if !is_negative => return Ok(unknown(word)),
        Some(CallbackType::Reconciliation) => return message.corrected(),
        _ => {}
    }
    // A completed event may refer to an earlier one: support credits a player after a screenout (rule 12).
    let refers_to_other = message.original()?.is_some();
    let is_correction = if is_complete { is_negative && refers_to_other } else { is_negative || refers_to_other };
    if is_correction || message.has_correction_id() {
        return message.corrected();
    }
    match callback_type {
        Some(CallbackType::Screenout) => message.screenout(),
        Some(CallbackType::StartBonus) => message.start_bonus(),
        _ => message.completed(is_complete.then_some(COMPLETE)),
    }
}

/// Surveys are never stateful: the type decides.
pub(super) fn survey(message: &Message<'_>) -> Outcome {
    match message.callback_type()? {
        Some(CallbackType::Complete) => message.completed(Some(COMPLETE)),
        Some(CallbackType::Screenout) => message.screenout(),
        Some(CallbackType::StartBonus) => message.start_bonus(),
        Some(CallbackType::Reconciliation) => message.corrected(),
        Some(other) => Ok(unknown(other.as_str())),
        None => Ok(empty_state()),
    }
}

/// General rewards can be about any of the others: an offer's state decides, then a known type, then the sign.
pub(super) fn reward(message: &Message<'_>) -> Outcome {
    let state = message.state()?;
    match state {
        // The state of something that is not an offer does not apply, so it is empty.
        Some("") if message.is_about_offer() => return Ok(empty_state()),
        Some(word) if !word.is_empty() && !is_none(word) => {
            return stateful(&State::from_word(word), message);
        }
        _ => {}
    }
    match message.callback_type()? {
        None => stateless(message),
        Some(CallbackType::StateChange) if state.is_some_and(is_none) => stateless(message),
        Some(_) => survey(message),
    }
}

/// Magic receipts: the state decides.
pub(super) fn receipt(message: &Message<'_>) -> Outcome {
    let word = message.state()?.unwrap_or_default();
    if word.is_empty() {
        return Ok(empty_state());
    }
    match State::from_word(word) {
        State::Completed => message.completed(Some(COMPLETE)),
        State::Pending => Ok(message.pending("PENDING")),
        State::Reviewing => Ok(message.pending("REVIEWING")),
        State::Rejected | State::Reconciled => {
            let amount = match &message.amount {
                // A rejected receipt was worth nothing: an empty amount takes nothing back.
                Err(Problem::Empty { .. }) => Decimal::ZERO,
                _ => message.amount()?,
            };
            // The sign is not documented. A rejection never pays, whichever it is.
            let is_negative = amount < Decimal::ZERO;
            let same_transaction = !is_negative || message.original()?.is_none();
            message.adjusted(-amount.abs(), same_transaction)
        }
        other => Ok(unknown(other.as_str())),
    }
}

/// Cashback: the state decides.
pub(super) fn cashback(message: &Message<'_>) -> Outcome {
    let word = message.state()?.unwrap_or_default();
    if word.is_empty() {
        return Ok(empty_state());
    }
    match State::from_word(word) {
        State::Created => Ok(message.pending("CREATED")),
        State::Pending => Ok(message.pending("PENDING")),
        State::Adjusted => Ok(message.pending("ADJUSTED")),
        State::Completed => message.completed_with_state(),
        other => Ok(unknown(other.as_str())),
    }
}

/// Whether a state says that an offer's stateful callbacks are off.
pub(super) fn is_none(state: &str) -> bool {
    state.eq_ignore_ascii_case("NONE")
}

impl Message<'_> {
    fn amount(&self) -> Result<Decimal, Problem> {
        self.amount.clone()
    }

    fn is_negative(&self) -> Result<bool, Problem> {
        Ok(self.amount()? < Decimal::ZERO)
    }

    fn original(&self) -> Result<Option<&TransactionId>, Problem> {
        self.original.as_ref().map(Option::as_ref).map_err(Clone::clone)
    }

    fn state(&self) -> Result<Option<&str>, Problem> {
        self.state.as_ref().map(|state| state.as_deref().map(str::trim)).map_err(Clone::clone)
    }

    fn callback_type(&self) -> Result<Option<&CallbackType>, Problem> {
        self.callback_type.as_ref().map(Option::as_ref).map_err(Clone::clone)
    }

    /// Whether the transaction has the form of an offer's (`o233`) or of an offer's reconciliation (`or17`).
    fn is_about_offer(&self) -> bool {
        self.has_correction_id() || has_number(self.transaction, "o")
    }

    /// Whether the transaction has the form that reconciliations of stateless offers have (`or17`).
    fn has_correction_id(&self) -> bool {
        has_number(self.transaction, "or")
    }

    fn pending(&self, stage: &'static str) -> Effect {
        Effect::Pending { stage: stage.into(), amount: self.amount.as_ref().ok().copied() }
    }

    /// With a state, nothing refers to it: a reversal has the same transaction.
    fn completed_with_state(&self) -> Outcome {
        self.paid(Some(COMPLETE))
    }

    /// Its reversal refers to it. A player who adds a second REF to the offer wall's URL makes that unusable, so with two,
    /// this is not paid either.
    fn completed(&self, milestone: Option<&'static str>) -> Outcome {
        match &self.original {
            Err(problem @ Problem::Repeated { .. }) => Err(problem.clone()),
            _ => self.paid(milestone),
        }
    }

    fn paid(&self, milestone: Option<&'static str>) -> Outcome {
        Ok(Effect::Completed { amount: self.amount()?, milestone: milestone.map(Cow::Borrowed), reinstates: false })
    }

    /// The amount is signed: negative takes back, positive restores what was taken back.
    fn corrected(&self) -> Outcome {
        self.adjusted(self.amount()?, false)
    }

    fn adjusted(&self, by: Decimal, same_transaction: bool) -> Outcome {
        // Where it decides which conversion is adjusted.
        if !same_transaction {
            self.original()?;
        }
        Ok(Effect::Adjusted { by: if by.is_zero() { Decimal::ZERO } else { by }, same_transaction })
    }

    fn screenout(&self) -> Outcome {
        if self.options.acknowledges_screenouts {
            Ok(ignored(SCREENOUT, IgnoreReason::UnpaidByChoice))
        } else {
            self.completed(Some(SCREENOUT))
        }
    }

    fn start_bonus(&self) -> Outcome {
        if self.options.acknowledges_start_bonuses {
            Ok(ignored(START_BONUS, IgnoreReason::UnpaidByChoice))
        } else {
            self.completed(Some(START_BONUS))
        }
    }
}

fn has_number(transaction: &TransactionId, prefix: &str) -> bool {
    let number = transaction.as_str().strip_prefix(prefix);
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn ignored(status: &str, reason: IgnoreReason) -> Effect {
    Effect::Ignored { status: status.to_owned().into(), reason }
}

fn unknown(word: &str) -> Effect {
    ignored(word, IgnoreReason::UnknownState)
}

fn empty_state() -> Effect {
    ignored("", IgnoreReason::EmptyState)
}

fn state_mismatch(only: &State) -> Problem {
    Problem::StateMismatch { expected: only.as_str().to_owned() }
}
