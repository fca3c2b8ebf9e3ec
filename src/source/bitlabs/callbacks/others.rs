//! Surveys, magic receipts, cashback, general rewards.

use std::fmt;

use rust_decimal::Decimal;

use super::shared::{conversion_callback, every_callback, offer_fields, survey_fields};
use super::{CallbackType, Field, FraudLevel, OfferState, RejectionReason, TaskType, is_none};
use crate::event::{Event, TransactionId};
use crate::source::bitlabs::conversion::Conversion;
use crate::source::bitlabs::family::sealed::Typed;
use crate::source::bitlabs::macros::Role;
use crate::source::bitlabs::received::Received;
use crate::source::bitlabs::words::{CashbackState, ReceiptState};
use crate::source::bitlabs::{BitlabsCallback, Endpoint, Family, PaysExtras, StateByName, meaning};
use crate::source::{Callback, OpenError};

conversion_callback! {
    /// A callback about a survey: COMPLETE, SCREENOUT, START_BONUS or RECONCILIATION.
    #[expect(clippy::doc_markdown, reason = "the network's word")]
    SurveyCallback, Surveys, OfferState, meaning::of_survey
}
survey_fields!(SurveyCallback);
impl PaysExtras for SurveyCallback {}

conversion_callback! {
    /// A callback about a magic receipt.
    ReceiptCallback, Receipts, ReceiptState, meaning::of_receipt
}
impl StateByName for ReceiptCallback {}
impl ReceiptCallback {
    /// The receipt's state.
    pub fn state(&self) -> Field<ReceiptState> {
        self.received()
            .text(Role::ReceiptState)
            .map(ReceiptState::from_word)
    }
}

conversion_callback! {
    /// A callback about cashback for a purchase in a shop.
    CashbackCallback, Cashback, CashbackState, meaning::of_cashback
}
impl StateByName for CashbackCallback {}
impl CashbackCallback {
    /// The cashback's state.
    pub fn state(&self) -> Field<CashbackState> {
        self.received()
            .text(Role::CashbackState)
            .map(CashbackState::from_word)
    }
}

conversion_callback! {
    /// A general reward callback: a completed offer, survey or receipt, or a reconciled survey.
    RewardCallback, Rewards, OfferState, meaning::of_reward
}
offer_fields!(RewardCallback);
survey_fields!(RewardCallback);
impl PaysExtras for RewardCallback {}
