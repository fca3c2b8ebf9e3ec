//! The typed callbacks, one type for each family. Only an endpoint creates them.

use std::borrow::Cow;
use std::net::IpAddr;

use rust_decimal::Decimal;
use serde::Serialize;

use super::Family;
use super::macros::Field;
use super::rules::{self, Message};
use super::setup::Received;
use super::words::{CallbackType, State, TaskType};
use crate::event::{BanStatus, Effect, Event, EventKind};
use crate::id::{PlayerId, TransactionId};
use crate::network::Callback;
use crate::verify::{KeyId, Problem, parse_amount};

/// A typed callback of this network. Implemented by this crate only.
pub trait BitlabsCallback: Callback + Serialize + sealed::Read {
    /// The family it belongs to.
    const FAMILY: Family;
}

pub(super) mod sealed {
    use super::super::setup::Received;
    use crate::verify::Problem;

    /// Types a genuine callback.
    pub trait Read: Sized {
        fn read(received: &Received<'_>) -> Result<Self, Problem>;
    }
}

/// Defines a callback about a conversion: the fields that all of them have, and its own.
macro_rules! conversion_callback {
    ($(#[$doc:meta])* $name:ident, $family:ident, $rule:path { $($(#[$about:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[non_exhaustive]
        pub struct $name {
            /// The player.
            pub player: PlayerId,
            /// The callback's own transaction.
            pub transaction: TransactionId,
            /// The transaction it refers to (REF), if that is another one.
            pub original: Option<TransactionId>,
            /// The amount in the app's currency, as stated: a reward, or what is taken back.
            #[serde(with = "crate::decimal::option")]
            pub amount: Option<Decimal>,
            /// The type, as stated. For offers it is contradictory, and the state decides.
            pub callback_type: Option<CallbackType>,
            $($(#[$about])* pub $field: $type,)*
            /// Details that every callback may have.
            #[serde(flatten)]
            pub context: Context,
            /// What it means: its effect, the app, the test flag, and the query with all parameters.
            pub event: Event,
        }
        impl sealed::Read for $name {
            fn read(received: &Received<'_>) -> Result<Self, Problem> {
                let (mut event, Stated { transaction, original, amount, callback_type }) = read_event(received, $rule)?;
                let (player, context) = (event.player.clone(), Context::part(received));
                event.usd = context.usd;
                $(let $field = <$type>::part(received);
                $field.add_to(&mut event);)*
                Ok(Self { player, transaction, original, amount, callback_type, $($field,)* context, event })
            }
        }
        impl BitlabsCallback for $name { const FAMILY: Family = Family::$family; }
        impl Callback for $name { fn to_event(&self) -> Event { self.event.clone() } }
    };
}

conversion_callback! {
    /// A callback about an offer's task, stateful or not.
    ///
    /// ```
    /// use postback::bitlabs::OfferCallback;
    /// use postback::verify::Query;
    ///
    /// fn campaign(offer: &OfferCallback) -> Option<String> {
    ///     // A parameter that the game passed to the offer wall.
    ///     Query::new(&offer.event.query).get("campaign").map(String::from)
    /// }
    /// ```
    OfferCallback, Offers, rules::offer {
        /// The state. `None`: stateful callbacks are off.
        state: Option<State>,
        /// The offer and its task.
        #[serde(flatten)]
        details: OfferDetails,
    }
}

conversion_callback! {
    /// A callback about an offer's task with an in-app purchase. The purchase is what the player spent, if the
    /// advertiser says so; the reward is the amount.
    PurchaseCallback, Purchases, rules::offer {
        /// The state. `None`: stateful callbacks are off.
        state: Option<State>,
        /// The offer and its task.
        #[serde(flatten)]
        details: OfferDetails,
    }
}

conversion_callback! {
    /// A callback about a survey.
    SurveyCallback, Surveys, rules::survey {
        /// The survey.
        #[serde(flatten)]
        details: SurveyDetails,
    }
}

conversion_callback! {
    /// A callback about a magic receipt.
    ReceiptCallback, Receipts, rules::receipt {
        /// The receipt's state.
        state: Option<State>,
    }
}

conversion_callback! {
    /// A callback about cashback for a purchase in a shop.
    CashbackCallback, Cashback, rules::cashback {
        /// The cashback's state.
        state: Option<State>,
    }
}

conversion_callback! {
    /// A general reward callback: a completed offer, survey or receipt, or a reconciled survey.
    RewardCallback, Rewards, rules::reward {
        /// The state. `None`: stateful callbacks are off, or it is not about an offer.
        state: Option<State>,
        /// The offer and its task, if it is about one.
        #[serde(flatten)]
        offer: OfferDetails,
        /// The survey, if it is about one.
        #[serde(flatten)]
        survey: SurveyDetails,
    }
}

/// A callback about a player: banned from games and offers, or not (any more).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BanCallback {
    /// The player.
    pub player: PlayerId,
    /// Whether the player is banned.
    pub status: BanStatus,
    /// The network's reason.
    pub reason: Option<String>,
    /// Details that every callback may have.
    #[serde(flatten)]
    pub context: Context,
    /// What it means: the app, the test flag, and the query with all parameters.
    pub event: Event,
}

impl sealed::Read for BanCallback {
    fn read(received: &Received<'_>) -> Result<Self, Problem> {
        let player: PlayerId = received.identifier(Field::Player)?;
        let word = received.required(Field::BanStatus)?;
        let status = match word.trim() {
            word if word.eq_ignore_ascii_case("BANNED") => BanStatus::Banned,
            word if word.eq_ignore_ascii_case("ACTIVE") => BanStatus::Active,
            word => BanStatus::Unknown(word.to_owned()),
        };
        let mut event = received.event(player.clone(), EventKind::Ban(status.clone()));
        event.reason = text(received, Field::BanReason);
        Ok(Self { player, status, reason: event.reason.clone(), context: Context::part(received), event })
    }
}

impl BitlabsCallback for BanCallback {
    const FAMILY: Family = Family::Bans;
}

impl Callback for BanCallback {
    fn to_event(&self) -> Event {
        self.event.clone()
    }
}

/// What a callback says about an offer and its task. A field is `None` if the callback does not have it, or if it is
/// empty or malformed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OfferDetails {
    /// The offer's id.
    pub offer_id: Option<String>,
    /// The offer's name in the player's language.
    pub offer_name: Option<String>,
    /// The task's id.
    pub task_id: Option<String>,
    /// The task's name in the player's language.
    pub task_name: Option<String>,
    /// The task's type.
    pub task_type: Option<TaskType>,
    /// The name of the task's type, as sent.
    pub task_type_name: Option<String>,
    /// The anchor's name.
    pub anchor_name: Option<String>,
    /// The delay of the reward in minutes.
    pub delay_minutes: Option<u32>,
    /// Whether it is a purchase event that the offer wall does not show.
    pub is_hidden: Option<bool>,
    /// What the player spent in the app, in US dollars. Never a reward.
    #[serde(with = "crate::decimal::option")]
    pub purchase_usd: Option<Decimal>,
    /// Why the offer was rejected: `CHARGEBACK`, `HIGH_FRAUD_SCORE` …
    pub rejection_reason: Option<String>,
}

/// What a callback says about a survey. A field is `None` if the callback does not have it, or if it is empty.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SurveyDetails {
    /// Why the player was screened out, or the survey corrected.
    pub survey_reason: Option<String>,
    /// The length of the interview, as stated.
    pub survey_minutes: Option<String>,
    /// The player's country.
    pub country: Option<String>,
    /// The survey's category.
    pub category: Option<String>,
}

/// Details that every callback may have. A field is `None` if the callback does not have it, or if it is empty or
/// malformed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Context {
    /// The revenue to the publisher in US dollars, as stated.
    #[serde(with = "crate::decimal::option")]
    pub usd: Option<Decimal>,
    /// The player's IP address, as stated.
    pub ip_address: Option<IpAddr>,
    /// How trustworthy the network considers the player: `GOOD`, `MEDIUM` or `BAD`.
    pub fraud_level: Option<String>,
    /// The network's token of the app.
    pub app_token: Option<String>,
    /// The key that signed the callback. `None` for one that was kept and replayed.
    pub key_id: Option<KeyId>,
}

/// A part of a callback that decides nothing about money.
trait Part: Sized {
    fn part(received: &Received<'_>) -> Self;

    /// Adds what the event has of it.
    fn add_to(&self, _: &mut Event) {}
}

impl Part for OfferDetails {
    #[inline]
    fn part(received: &Received<'_>) -> Self {
        let number = |text: &str| text.parse::<u32>().map_err(|_| "not a whole number");
        Self {
            offer_id: text(received, Field::OfferId),
            offer_name: text(received, Field::OfferName),
            task_id: text(received, Field::TaskId),
            task_name: text(received, Field::TaskName),
            // The network's word for an unknown type is `null`.
            task_type: received
                .parsed(Field::TaskTypeId, |text| match text {
                    "null" => Ok(None),
                    text => number(text).map(TaskType::new).map(Some),
                })
                .flatten(),
            task_type_name: text(received, Field::TaskTypeName),
            anchor_name: text(received, Field::AnchorName),
            delay_minutes: received.parsed(Field::DelayMinutes, number),
            is_hidden: received.parsed(Field::IsHidden, |text| match text {
                "0" => Ok(false),
                "1" => Ok(true),
                _ => Err("neither 0 nor 1"),
            }),
            purchase_usd: received.parsed(Field::PurchaseUsd, parse_amount),
            rejection_reason: text(received, Field::RejectionReason),
        }
    }

    fn add_to(&self, event: &mut Event) {
        event.purchase_usd = self.purchase_usd;
        event.reason.clone_from(&self.rejection_reason);
    }
}

impl Part for SurveyDetails {
    fn part(received: &Received<'_>) -> Self {
        Self {
            survey_reason: text(received, Field::SurveyReason),
            survey_minutes: text(received, Field::SurveyMinutes),
            country: text(received, Field::Country),
            category: text(received, Field::Category),
        }
    }

    fn add_to(&self, event: &mut Event) {
        if event.reason.is_none() {
            event.reason.clone_from(&self.survey_reason);
        }
    }
}

impl Part for Context {
    fn part(received: &Received<'_>) -> Self {
        Self {
            usd: received.parsed(Field::Usd, parse_amount),
            ip_address: received.parsed(Field::IpAddress, |text| text.parse().map_err(|_| "not an IP address")),
            fraud_level: text(received, Field::FraudLevel),
            app_token: text(received, Field::AppToken),
            key_id: received.key_id(),
        }
    }
}

impl Part for Option<State> {
    fn part(received: &Received<'_>) -> Self {
        match received.text(received.state_field()) {
            Some(word) => Some(word.trim()).filter(|word| !rules::is_none(word)).map(State::from_word),
            None => received.options().only.clone(),
        }
    }
}

fn text(received: &Received<'_>, field: Field) -> Option<String> {
    received.text(field).map(Cow::into_owned)
}

/// The fields that decide about money, as stated.
struct Stated {
    transaction: TransactionId,
    original: Option<TransactionId>,
    amount: Option<Decimal>,
    callback_type: Option<CallbackType>,
}

/// Reads what decides about money and applies the family's rule.
#[inline]
fn read_event(
    received: &Received<'_>,
    rule: impl Fn(&Message<'_>) -> Result<Effect, Problem>,
) -> Result<(Event, Stated), Problem> {
    let player = received.identifier(Field::Player)?;
    let transaction: TransactionId = received.identifier(Field::Transaction)?;
    let message = Message {
        original: original(received, &transaction),
        amount: received.amount(Field::Amount),
        state: received.deciding(received.state_field()),
        callback_type: received
            .deciding(Field::CallbackType)
            .map(|word| word.filter(|word| !word.trim().is_empty()).map(|word| CallbackType::from_word(word.trim()))),
        transaction: &transaction,
        options: received.options(),
    };
    let effect = rule(&message)?;
    if matches!(effect, Effect::Completed { .. }) {
        received.check_length()?;
    }
    let Message { original, amount, callback_type, .. } = message;
    let original = received.optional(original).flatten();
    let kind = EventKind::Conversion { transaction: transaction.clone(), original: original.clone(), effect };
    let stated = Stated {
        original,
        amount: received.optional(amount),
        callback_type: received.optional(callback_type).flatten(),
        transaction,
    };
    Ok((received.event(player, kind), stated))
}

/// The transaction that the callback refers to. Empty, `0` and `null` mean none, and so does its own.
fn original(received: &Received<'_>, transaction: &TransactionId) -> Result<Option<TransactionId>, Problem> {
    match received.deciding(Field::Original)?.as_deref() {
        None | Some("" | "0") => Ok(None),
        Some(text) if text.eq_ignore_ascii_case("null") || text == transaction.as_str() => Ok(None),
        Some(text) => received.parse_identifier(Field::Original, text).map(Some),
    }
}
