//! What a callback means for the money: the network's rules, one function a family.

use rust_decimal::Decimal;

use super::config::Options;
use super::words::{CallbackType, CashbackState, OfferState, ReceiptState};
use crate::event::{Effect, NotedWhy};
use crate::source::Field;
use crate::source::OpenError;

/// What a conversion's callback says, as far as it decides over money.
pub(super) struct Facts<'a> {
    pub(super) amount: Field<Decimal>,
    /// The error when an amount is needed and there is none.
    pub(super) no_amount: &'a dyn Fn() -> OpenError,
    pub(super) state: Field<&'a str>,
    pub(super) call_type: Field<&'a str>,
    /// Whether it refers to a transaction other than its own.
    pub(super) refers_to_other: bool,
    /// Whether its transaction's id is one of an offer's reconciliation.
    pub(super) has_correction_id: bool,
    pub(super) options: &'a Options,
}

/// An [`Effect`] before its words are copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    Pending {
        stage: &'static str,
        amount: Option<Decimal>,
    },
    Completed {
        amount: Decimal,
        milestone: Option<&'static str>,
    },
    Adjusted {
        by: Decimal,
        is_state_change: bool,
    },
    Noted {
        word: Box<str>,
        why: NotedWhy,
    },
}

impl Meaning {
    pub(super) fn effect(&self) -> Effect {
        match self {
            Self::Pending { stage, amount } => Effect::Pending {
                stage: (*stage).into(),
                amount: *amount,
            },
            Self::Completed { amount, milestone } => Effect::Completed {
                amount: *amount,
                milestone: milestone.map(Into::into),
                reinstates: false,
            },
            Self::Adjusted {
                by,
                is_state_change,
            } => Effect::Adjusted {
                by: *by,
                is_state_change: *is_state_change,
            },
            Self::Noted { word, why } => Effect::Noted {
                word: word.to_string().into(),
                why: *why,
            },
        }
    }
}

type Outcome = Result<Meaning, OpenError>;

const COMPLETE: &str = "COMPLETE";
const SCREENOUT: &str = "SCREENOUT";
const START_BONUS: &str = "START_BONUS";

/// Offers and purchases: a state decides where there is one, never the type, which is contradictory.
pub(super) fn of_offer(facts: &Facts<'_>) -> Outcome {
    let only = facts.options.only.as_ref();
    let stated = match facts.state {
        Field::Given(word) => Some(word),
        Field::Empty | Field::Absent => None,
    };
    match (stated, only) {
        (Some(word), only) if !is_none(word) => {
            let state = OfferState::from_word(word);
            match only {
                Some(only) if !only.as_str().eq_ignore_ascii_case(word) => Err(other_state(only)),
                _ => stateful(&state, facts),
            }
        }
        (_, None) => stateless(facts),
        // The callback itself says that it is not stateful: it must still be what this URL is for.
        (Some(_), Some(only)) => stateless(facts).and_then(|meaning| match (&meaning, only) {
            (Meaning::Completed { .. }, OfferState::Completed)
            | (Meaning::Adjusted { .. }, OfferState::Reconciled) => Ok(meaning),
            _ => Err(other_state(only)),
        }),
        (None, Some(only)) => silent(only, facts),
    }
}

/// The URL alone says the state, and nothing says whether stateful callbacks are on. Messages of one stateful
/// conversion share their transaction; one that refers to another is not stateful.
fn silent(only: &OfferState, facts: &Facts<'_>) -> Outcome {
    let is_correction = facts.refers_to_other || facts.is_type(&CallbackType::Reconciliation);
    match only {
        OfferState::Completed if is_correction => Err(other_state(only)),
        OfferState::Reconciled if facts.refers_to_other || facts.is_negative() => facts.corrected(),
        _ => stateful(only, facts),
    }
}

fn stateful(state: &OfferState, facts: &Facts<'_>) -> Outcome {
    match state {
        OfferState::Pending => facts.pending("PENDING"),
        OfferState::Completed => facts.completed(Some(COMPLETE)),
        // The deducted amount, never negative. Turning a negative one round would pay.
        OfferState::Reconciled if facts.is_negative() => Ok(Meaning::Noted {
            word: state.as_str().into(),
            why: NotedWhy::Contradictory,
        }),
        OfferState::Reconciled => Ok(Meaning::Adjusted {
            by: minus(facts.needed_amount()?),
            is_state_change: true,
        }),
        OfferState::Unknown(word) => Ok(unknown(word)),
    }
}

/// Offers without state: completed events, and reconciliations with a transaction of their own.
fn stateless(facts: &Facts<'_>) -> Outcome {
    let is_complete = facts.is_type(&CallbackType::Complete);
    if facts.refers_to_other
        || facts.is_type(&CallbackType::Reconciliation)
        || facts.has_correction_id
        || (facts.is_negative() && !is_complete)
    {
        return facts.corrected();
    }
    match facts.call_type() {
        Some(CallbackType::Screenout) => facts.screenout(),
        Some(CallbackType::StartBonus) => facts.start_bonus(),
        // Stateful callbacks are on in the dashboard, and this URL has no state: it may be pending.
        Some(word @ CallbackType::StateChange) if facts.state == Field::Absent => {
            Ok(unknown(word.as_str()))
        }
        _ => facts.completed(is_complete.then_some(COMPLETE)),
    }
}

/// Surveys are never stateful: the type decides.
pub(super) fn of_survey(facts: &Facts<'_>) -> Outcome {
    match facts.call_type() {
        Some(CallbackType::Complete) => facts.completed(Some(COMPLETE)),
        Some(CallbackType::Screenout) => facts.screenout(),
        Some(CallbackType::StartBonus) => facts.start_bonus(),
        Some(CallbackType::Reconciliation) => facts.corrected(),
        Some(other) => Ok(unknown(other.as_str())),
        None => Ok(unknown("")),
    }
}

/// General rewards can be any of the others: an offer's state decides, then a known type, then the offers' rules.
pub(super) fn of_reward(facts: &Facts<'_>) -> Outcome {
    match (facts.state, facts.call_type()) {
        (Field::Given(word), _) if !is_none(word) => stateful(&OfferState::from_word(word), facts),
        (_, Some(CallbackType::StateChange | CallbackType::Unknown(_)) | None) => stateless(facts),
        _ => of_survey(facts),
    }
}

/// Magic receipts: the state decides.
pub(super) fn of_receipt(facts: &Facts<'_>) -> Outcome {
    let word = facts.state.into_given().unwrap_or_default();
    match ReceiptState::from_word(word) {
        ReceiptState::Completed => facts.completed(Some(COMPLETE)),
        ReceiptState::Pending => facts.pending("PENDING"),
        ReceiptState::Reviewing => facts.pending("REVIEWING"),
        ReceiptState::Rejected | ReceiptState::Reconciled => {
            // A rejected receipt was worth nothing: an empty amount takes nothing.
            let amount = match facts.amount {
                Field::Empty => Decimal::ZERO,
                _ => facts.needed_amount()?,
            };
            // The sign is not documented. Whatever it is, a rejection never pays.
            Ok(if amount < Decimal::ZERO {
                Meaning::Adjusted {
                    by: amount,
                    is_state_change: !facts.refers_to_other,
                }
            } else {
                Meaning::Adjusted {
                    by: minus(amount),
                    is_state_change: true,
                }
            })
        }
        ReceiptState::Unknown(_) => Ok(unknown(word)),
    }
}

/// Cashback: the state decides.
pub(super) fn of_cashback(facts: &Facts<'_>) -> Outcome {
    let word = facts.state.into_given().unwrap_or_default();
    match CashbackState::from_word(word) {
        CashbackState::Created => facts.pending("CREATED"),
        CashbackState::Pending => facts.pending("PENDING"),
        CashbackState::Adjusted => facts.pending("ADJUSTED"),
        CashbackState::Completed => facts.completed(Some(COMPLETE)),
        CashbackState::Unknown(_) => Ok(unknown(word)),
    }
}

impl Facts<'_> {
    fn needed_amount(&self) -> Result<Decimal, OpenError> {
        self.amount.into_given().ok_or_else(self.no_amount)
    }

    fn is_negative(&self) -> bool {
        self.amount
            .given()
            .is_some_and(|amount| *amount < Decimal::ZERO)
    }

    fn call_type(&self) -> Option<CallbackType> {
        self.call_type.into_given().map(CallbackType::from_word)
    }

    fn is_type(&self, call_type: &CallbackType) -> bool {
        self.call_type
            .into_given()
            .is_some_and(|word| call_type.as_str().eq_ignore_ascii_case(word))
    }

    #[expect(clippy::unnecessary_wraps, reason = "one arm of several that can fail")]
    fn pending(&self, stage: &'static str) -> Outcome {
        Ok(Meaning::Pending {
            stage,
            amount: self.amount.into_given(),
        })
    }

    fn completed(&self, milestone: Option<&'static str>) -> Outcome {
        Ok(Meaning::Completed {
            amount: self.needed_amount()?,
            milestone,
        })
    }

    /// The value is signed: below zero takes back, above zero takes an earlier correction back.
    fn corrected(&self) -> Outcome {
        Ok(Meaning::Adjusted {
            by: self.needed_amount()?,
            is_state_change: false,
        })
    }

    fn screenout(&self) -> Outcome {
        if self.options.acknowledges_screenouts {
            Ok(unpaid(SCREENOUT))
        } else {
            self.completed(Some(SCREENOUT))
        }
    }

    fn start_bonus(&self) -> Outcome {
        if self.options.acknowledges_start_bonuses {
            Ok(unpaid(START_BONUS))
        } else {
            self.completed(Some(START_BONUS))
        }
    }
}

/// The state of an offer whose stateful callbacks are off.
pub(super) fn is_none(state: &str) -> bool {
    state.eq_ignore_ascii_case("NONE")
}

fn minus(amount: Decimal) -> Decimal {
    if amount.is_zero() { amount } else { -amount }
}

fn unknown(word: &str) -> Meaning {
    Meaning::Noted {
        word: word.into(),
        why: NotedWhy::UnknownState,
    }
}

fn unpaid(word: &str) -> Meaning {
    Meaning::Noted {
        word: word.into(),
        why: NotedWhy::UnpaidByChoice,
    }
}

fn other_state(only: &OfferState) -> OpenError {
    OpenError::OtherState {
        expected: only.to_string(),
    }
}
