//! The network's families of callbacks.

use serde::Serialize;

use super::endpoint::Endpoint;
use super::macros::Role;
use crate::source::Callback;

/// A family of callbacks: each has an endpoint of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// Offers.
    Offers,
    /// In-app purchases within offers.
    Purchases,
    /// Surveys.
    Surveys,
    /// Magic receipts.
    Receipts,
    /// Cashback.
    Cashback,
    /// General rewards.
    Rewards,
    /// Bans.
    Bans,
}

impl Family {
    /// The family's name, which is also the endpoint's in events: `offers`, `surveys` …
    pub fn name(self) -> &'static str {
        match self {
            Self::Offers => "offers",
            Self::Purchases => "purchases",
            Self::Surveys => "surveys",
            Self::Receipts => "receipts",
            Self::Cashback => "cashback",
            Self::Rewards => "rewards",
            Self::Bans => "bans",
        }
    }

    /// The default name of the parameter that brings the state, where it is known by name.
    pub(super) fn state_parameter(self) -> Option<&'static str> {
        match self {
            Self::Receipts => Some("magic_receipt_state"),
            Self::Cashback => Some("cashback_state"),
            _ => None,
        }
    }

    pub(super) fn state_role(self) -> Option<Role> {
        match self {
            Self::Receipts => Some(Role::ReceiptState),
            Self::Cashback => Some(Role::CashbackState),
            _ => None,
        }
    }
}

/// A typed callback of this network. Implemented by the crate only.
pub trait BitlabsCallback:
    Callback<Source = Endpoint<Self>> + Clone + Serialize + sealed::Typed
{
    /// The family that it belongs to.
    const FAMILY: Family;
}

/// Callbacks that can have a URL for each state.
pub trait Stateful: BitlabsCallback {}

/// Callbacks among which SCREENOUT and START_BONUS can be.
#[expect(clippy::doc_markdown, reason = "the network's word")]
pub trait PaysExtras: BitlabsCallback {}

/// Callbacks whose state is known by the parameter's name.
pub trait StateByName: BitlabsCallback {}

pub(super) mod sealed {
    use crate::source::OpenError;
    use crate::source::bitlabs::received::Received;

    pub trait Typed: Sized {
        fn read(received: Received) -> Result<Self, OpenError>;
    }
}
