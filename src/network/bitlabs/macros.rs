//! The network's macros, and what each of them stands for. There are an older and a newer vocabulary, and both are in
//! use: `UID` and `USER:UID`.

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

/// Every macro with its field. Of several for one field, the first is the one to suggest.
#[allow(clippy::enum_glob_use, reason = "a table of names")]
const MACROS: &[(&str, Field)] = {
    use Field::*;
    &[
        ("USER:UID", Player),
        ("UID", Player),
        ("USER:ID", Player), // a misprint on one of the network's pages
        ("TX", Transaction),
        ("REF", Original),
        ("VALUE:CURRENCY", Amount),
        ("VAL", Amount),
        ("CURRENCY:VALUE", Amount), // a misprint on one of the network's pages
        ("VALUE:USD", Usd),
        ("RAW", Usd),
        ("CURRENCY:USD", Usd), // a misprint on one of the network's pages
        ("TYPE", CallbackType),
        ("ACTIVITY:TYPE", CallbackType),
        ("OFFER:TASK:STATE", OfferState),
        ("OFFER_STATE", OfferState),
        ("BAN:STATUS", BanStatus),
        ("BAN_STATE", BanStatus),
        ("BAN:REASON", BanReason),
        ("BAN_REASON", BanReason),
        ("OFFER:TASK:IAP:USD", PurchaseUsd),
        ("OFFER:TASK:HIDDEN", IsHidden),
        ("OFFER:TASK:TYPE:ID", TaskTypeId),
        ("OFFER:TASK:TYPE:NAME", TaskTypeName),
        ("OFFER:ID", OfferId),
        ("OFFER_ID", OfferId),
        ("OFFER:NAME", OfferName),
        ("OFFER_NAME", OfferName),
        ("OFFER:TASK:ID", TaskId),
        ("TASK_ID", TaskId),
        ("OFFER:TASK:NAME", TaskName),
        ("TASK_NAME", TaskName),
        ("OFFER:TITLE", AnchorName),
        ("OFFER:DELAY", DelayMinutes),
        ("OFFER:REJECTION_REASON", RejectionReason),
        ("SURVEY:REASON", SurveyReason),
        ("REASON", SurveyReason),
        ("LOI", SurveyMinutes),
        ("COUNTRY", Country),
        ("CATEGORY", Category),
        ("FSCORE", FraudLevel),
        ("USER:IP_ADDRESS", IpAddress),
        ("IP", IpAddress),
        ("APP:TOKEN", AppToken),
        ("APP", AppToken),
    ]
};

impl Field {
    /// How many fields there are.
    pub(super) const COUNT: usize = Self::AppToken as usize + 1;

    /// The field that a macro stands for.
    pub(super) fn of_macro(text: &str) -> Option<Self> {
        MACROS.iter().find(|(known, _)| *known == text).map(|(_, field)| *field)
    }

    /// The macro to type for it. Empty for states that are found by their parameter's name.
    pub(super) fn macro_text(self) -> &'static str {
        MACROS.iter().find(|(_, field)| *field == self).map_or("", |(known, _)| known)
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

/// The field of the typed callback that one of the network's macros fills. `None` for an unknown one. `text` is what
/// stands between `[%` and `%]`.
///
/// ```
/// use postback::bitlabs::field_of_macro;
///
/// assert_eq!(field_of_macro("UID"), Some("player"));
/// assert_eq!(field_of_macro("USER:UDI"), None);
/// ```
pub fn field_of_macro(text: &str) -> Option<&'static str> {
    Field::of_macro(text).map(Field::name)
}

/// The known macro that an unknown one was probably meant to be.
pub(super) fn nearest(text: &str) -> Option<&'static str> {
    let text = text.to_ascii_uppercase();
    MACROS
        .iter()
        .map(|(known, _)| (*known, strsim::damerau_levenshtein(&text, known)))
        .filter(|(known, distance)| *distance <= 3 && *distance * 2 <= known.len())
        .min_by_key(|(_, distance)| *distance)
        .map(|(known, _)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_macro_is_listed_once() {
        for (at, (text, _)) in MACROS.iter().enumerate() {
            assert!(MACROS[at + 1..].iter().all(|(other, _)| other != text), "{text}");
            assert!(field_of_macro(text).is_some());
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
