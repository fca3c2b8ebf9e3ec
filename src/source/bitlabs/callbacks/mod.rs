//! The typed callbacks, one type a family. None can be made but by an [`Endpoint`](super::Endpoint).

use super::meaning::is_none;
use super::words::{FraudLevel, OfferState, RejectionReason, TaskType};
use super::{CallbackType, Field};

mod ban;
mod offer;
mod others;
mod shared;

pub use ban::BanCallback;
pub use offer::{OfferCallback, PurchaseCallback};
pub use others::{CashbackCallback, ReceiptCallback, RewardCallback, SurveyCallback};
