//! The network's macros, in both vocabularies, and what each of them stands for.

/// What a parameter of a callback contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Player,
    Transaction,
    Original,
    Amount,
    Usd,
    CallbackType,
    OfferState,
    ReceiptState,
    CashbackState,
    BanStatus,
    BanReason,
    PurchaseUsd,
    IsHidden,
    TaskTypeId,
    TaskTypeName,
    OfferId,
    OfferName,
    TaskId,
    TaskName,
    AnchorName,
    DelayMinutes,
    RejectionReason,
    SurveyReason,
    SurveyMinutes,
    Country,
    Category,
    FraudLevel,
    IpAddress,
    AppToken,
}

/// Every macro with its field and vocabulary. Of several for one field, the first is the one to suggest.
#[allow(clippy::enum_glob_use, reason = "a table of names")]
const MACROS: &[(&str, Field, Vocabulary)] = {
    use Field::*;
    use Vocabulary::*;
    &[
        ("USER:UID", Player, Current),
        ("UID", Player, Legacy),
        ("USER:ID", Player, Typo),
        ("TX", Transaction, Both),
        ("REF", Original, Both),
        ("VALUE:CURRENCY", Amount, Current),
        ("VAL", Amount, Legacy),
        ("CURRENCY:VALUE", Amount, Typo),
        ("VALUE:USD", Usd, Current),
        ("RAW", Usd, Legacy),
        ("CURRENCY:USD", Usd, Typo),
        ("TYPE", CallbackType, Both),
        ("ACTIVITY:TYPE", CallbackType, Current),
        ("OFFER:TASK:STATE", OfferState, Current),
        ("OFFER_STATE", OfferState, Legacy),
        ("BAN:STATUS", BanStatus, Current),
        ("BAN_STATE", BanStatus, Legacy),
        ("BAN:REASON", BanReason, Current),
        ("BAN_REASON", BanReason, Legacy),
        ("OFFER:TASK:IAP:USD", PurchaseUsd, Current),
        ("OFFER:TASK:HIDDEN", IsHidden, Current),
        ("OFFER:TASK:TYPE:ID", TaskTypeId, Current),
        ("OFFER:TASK:TYPE:NAME", TaskTypeName, Current),
        ("OFFER:ID", OfferId, Current),
        ("OFFER_ID", OfferId, Legacy),
        ("OFFER:NAME", OfferName, Current),
        ("OFFER_NAME", OfferName, Legacy),
        ("OFFER:TASK:ID", TaskId, Current),
        ("TASK_ID", TaskId, Legacy),
        ("OFFER:TASK:NAME", TaskName, Current),
        ("TASK_NAME", TaskName, Legacy),
        ("OFFER:TITLE", AnchorName, Both),
        ("OFFER:DELAY", DelayMinutes, Both),
        ("OFFER:REJECTION_REASON", RejectionReason, Current),
        ("SURVEY:REASON", SurveyReason, Current),
        ("REASON", SurveyReason, Legacy),
        ("LOI", SurveyMinutes, Legacy),
        ("COUNTRY", Country, Legacy),
        ("CATEGORY", Category, Legacy),
        ("FSCORE", FraudLevel, Legacy),
        ("USER:IP_ADDRESS", IpAddress, Current),
        ("IP", IpAddress, Legacy),
        ("APP:TOKEN", AppToken, Both),
        ("APP", AppToken, Legacy),
    ]
};

impl Field {
    /// How many fields there are.
    pub(super) const COUNT: usize = Self::AppToken as usize + 1;

    /// The field that a macro stands for.
    pub(super) fn of_macro(text: &str) -> Option<Self> {
        MACROS.iter().find(|(known, ..)| *known == text).map(|(_, field, _)| *field)
    }

    /// The macro to type for it. Empty for states that are found by their parameter's name.
    pub(super) fn macro_text(self) -> &'static str {
        MACROS.iter().find(|(_, field, _)| *field == self).map_or("", |(known, ..)| known)
    }

    /// Its name in serialized callbacks.
    fn name(self) -> &'static str {
        match self {
            Self::Player => "player",
            Self::Transaction => "transaction",
            Self::Original => "original",
            Self::Amount => "amount",
            Self::Usd => "usd",
            Self::CallbackType => "callback_type",
            Self::OfferState | Self::ReceiptState | Self::CashbackState => "state",
            Self::BanStatus => "status",
            Self::BanReason => "reason",
            Self::PurchaseUsd => "purchase_usd",
            Self::IsHidden => "is_hidden",
            Self::TaskTypeId => "task_type",
            Self::TaskTypeName => "task_type_name",
            Self::OfferId => "offer_id",
            Self::OfferName => "offer_name",
            Self::TaskId => "task_id",
            Self::TaskName => "task_name",
            Self::AnchorName => "anchor_name",
            Self::DelayMinutes => "delay_minutes",
            Self::RejectionReason => "rejection_reason",
            Self::SurveyReason => "survey_reason",
            Self::SurveyMinutes => "survey_minutes",
            Self::Country => "country",
            Self::Category => "category",
            Self::FraudLevel => "fraud_level",
            Self::IpAddress => "ip_address",
            Self::AppToken => "app_token",
        }
    }
}

/// Which of the network's two vocabularies a macro belongs to. Both are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Vocabulary {
    /// The older one, which the dashboard's tester calls legacy: `UID`, `VAL`, `OFFER_STATE`.
    Legacy,
    /// The newer one: `USER:UID`, `VALUE:CURRENCY`, `OFFER:TASK:STATE`.
    Current,
    /// The same in both: `TX`, `REF`, `TYPE`.
    Both,
    /// Printed on one of the network's pages by mistake, and accepted.
    Typo,
}

/// Describes one of the network's macros: the field of the typed callback that it fills, and its vocabulary. `None`
/// for an unknown one. `text` is what stands between `[%` and `%]`.
///
/// ```
/// use postback::bitlabs::{Vocabulary, describe_macro};
///
/// assert_eq!(describe_macro("UID"), Some(("player", Vocabulary::Legacy)));
/// assert_eq!(describe_macro("USER:UDI"), None);
/// ```
pub fn describe_macro(text: &str) -> Option<(&'static str, Vocabulary)> {
    let (_, field, vocabulary) = MACROS.iter().find(|(known, ..)| *known == text)?;
    Some((field.name(), *vocabulary))
}

/// The known macro that an unknown one was probably meant to be.
pub(super) fn nearest(text: &str) -> Option<&'static str> {
    let text = text.to_ascii_uppercase();
    MACROS
        .iter()
        .map(|(known, ..)| (*known, strsim::damerau_levenshtein(&text, known)))
        .filter(|(known, distance)| *distance <= 3 && *distance * 2 <= known.len())
        .min_by_key(|(_, distance)| *distance)
        .map(|(known, _)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_macro_is_listed_once() {
        for (at, (text, ..)) in MACROS.iter().enumerate() {
            assert!(MACROS[at + 1..].iter().all(|(other, ..)| other != text), "{text}");
            assert!(describe_macro(text).is_some());
        }
    }

    #[test]
    fn nearest_macro_is_found_for_a_misspelled_one() {
        for (typed, meant) in [
            ("USER:UDI", Some("USER:UID")),
            ("tx", Some("TX")),
            ("VALUE:CURENCY", Some("VALUE:CURRENCY")),
            ("OFFER:STATE", Some("OFFER_STATE")),
            ("REFF", Some("REF")),
            ("TXN", Some("TX")),
            ("SOMETHING:ELSE", None),
            ("QQ", None),
        ] {
            assert_eq!(nearest(typed), meant, "{typed}");
        }
    }
}
