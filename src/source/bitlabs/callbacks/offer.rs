//! Offers and the purchases within them.

use std::fmt;

use rust_decimal::Decimal;

use super::shared::{conversion_callback, every_callback, offer_fields};
use super::{CallbackType, Field, FraudLevel, OfferState, RejectionReason, TaskType, is_none};
use crate::event::{Event, TransactionId};
use crate::source::bitlabs::conversion::Conversion;
use crate::source::bitlabs::family::sealed::Typed;
use crate::source::bitlabs::macros::Role;
use crate::source::bitlabs::received::Received;
use crate::source::bitlabs::{BitlabsCallback, Endpoint, Family, PaysExtras, Stateful, meaning};
use crate::source::{Callback, OpenError};

conversion_callback! {
    /// A callback about an offer's task, stateful or not.
    OfferCallback, Offers, OfferState, meaning::of_offer
}
offer_fields!(OfferCallback);
impl Stateful for OfferCallback {}
impl PaysExtras for OfferCallback {}

conversion_callback! {
    /// A callback about an offer's task that brings an in-app purchase.
    ///
    /// The purchase is what the player spent, if the advertiser gives it; the reward is the amount.
    PurchaseCallback, Purchases, OfferState, meaning::of_offer
}
offer_fields!(PurchaseCallback);
impl Stateful for PurchaseCallback {}
impl PaysExtras for PurchaseCallback {}
