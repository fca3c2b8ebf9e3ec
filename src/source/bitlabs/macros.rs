//! The network's macros, in both vocabularies, and what each stands for.

/// What a parameter of a callback stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Player,
    Transaction,
    Original,
    Amount,
    Usd,
    CallType,
    OfferState,
    ReceiptState,
    CashbackState,
    BanStatus,
    BanReason,
    Purchase,
    IsHidden,
    TaskTypeId,
    TaskTypeName,
    Offer,
    OfferName,
    Task,
    TaskName,
    Anchor,
    Delay,
    Rejection,
    SurveyReason,
    SurveyMinutes,
    Country,
    Category,
    FraudLevel,
    IpAddress,
    AppToken,
}

/// Every macro with its role; of several for one role, the newest in the vendor's pages comes first.
const MACROS: &[(&str, Role)] = &[
    ("USER:UID", Role::Player),
    ("UID", Role::Player),
    // Printed so on some pages.
    ("USER:ID", Role::Player),
    ("TX", Role::Transaction),
    ("REF", Role::Original),
    ("VALUE:CURRENCY", Role::Amount),
    ("VAL", Role::Amount),
    // Slips of one page.
    ("CURRENCY:VALUE", Role::Amount),
    ("VALUE:USD", Role::Usd),
    ("RAW", Role::Usd),
    ("CURRENCY:USD", Role::Usd),
    ("TYPE", Role::CallType),
    ("ACTIVITY:TYPE", Role::CallType),
    ("OFFER:TASK:STATE", Role::OfferState),
    ("OFFER_STATE", Role::OfferState),
    ("BAN:STATUS", Role::BanStatus),
    ("BAN_STATE", Role::BanStatus),
    ("BAN:REASON", Role::BanReason),
    ("BAN_REASON", Role::BanReason),
    ("OFFER:TASK:IAP:USD", Role::Purchase),
    ("OFFER:TASK:HIDDEN", Role::IsHidden),
    ("OFFER:TASK:TYPE:ID", Role::TaskTypeId),
    ("OFFER:TASK:TYPE:NAME", Role::TaskTypeName),
    ("OFFER:ID", Role::Offer),
    ("OFFER_ID", Role::Offer),
    ("OFFER:NAME", Role::OfferName),
    ("OFFER_NAME", Role::OfferName),
    ("OFFER:TASK:ID", Role::Task),
    ("TASK_ID", Role::Task),
    ("OFFER:TASK:NAME", Role::TaskName),
    ("TASK_NAME", Role::TaskName),
    ("OFFER:TITLE", Role::Anchor),
    ("OFFER:DELAY", Role::Delay),
    ("OFFER:REJECTION_REASON", Role::Rejection),
    ("SURVEY:REASON", Role::SurveyReason),
    ("REASON", Role::SurveyReason),
    ("LOI", Role::SurveyMinutes),
    ("COUNTRY", Role::Country),
    ("CATEGORY", Role::Category),
    ("FSCORE", Role::FraudLevel),
    ("USER:IP_ADDRESS", Role::IpAddress),
    ("IP", Role::IpAddress),
    ("APP:TOKEN", Role::AppToken),
    ("APP", Role::AppToken),
];

impl Role {
    /// How many roles there are.
    pub(super) const COUNT: usize = Self::AppToken as usize + 1;

    /// What a macro stands for.
    pub(super) fn of_macro(text: &str) -> Option<Self> {
        MACROS
            .iter()
            .find(|(known, _)| *known == text)
            .map(|(_, role)| *role)
    }

    /// The macro to type for it; for a state that is mapped by name, any will do.
    pub(super) fn macro_text(self) -> &'static str {
        MACROS
            .iter()
            .find(|(_, role)| *role == self)
            .map_or("", |(known, _)| known)
    }

    /// The field's name in serialised callbacks.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Player => "player",
            Self::Transaction => "transaction",
            Self::Original => "original",
            Self::Amount => "amount",
            Self::Usd => "usd",
            Self::CallType => "type",
            Self::OfferState => "state",
            Self::ReceiptState => "receipt_state",
            Self::CashbackState => "cashback_state",
            Self::BanStatus => "status",
            Self::BanReason => "ban_reason",
            Self::Purchase => "purchase_usd",
            Self::IsHidden => "hidden",
            Self::TaskTypeId => "task_type_id",
            Self::TaskTypeName => "task_type_name",
            Self::Offer => "offer_id",
            Self::OfferName => "offer_name",
            Self::Task => "task_id",
            Self::TaskName => "task_name",
            Self::Anchor => "anchor_name",
            Self::Delay => "delay_minutes",
            Self::Rejection => "rejection_reason",
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

/// Which of the network's two vocabularies a macro belongs to; both are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Vocabulary {
    /// The older one, which the dashboard's tester calls legacy: `UID`, `VAL`, `OFFER_STATE`.
    Old,
    /// The newer one: `USER:UID`, `VALUE:CURRENCY`, `OFFER:TASK:STATE`.
    New,
    /// The same in both: `TX`, `REF`, `TYPE`.
    Both,
    /// A slip of one of the vendor's pages, understood all the same.
    Slip,
}

/// What a macro of the network's brings and where it comes from; `None` for an unknown one. `text` is what
/// stands between `[%` and `%]`.
///
/// ```
/// use postback::bitlabs::{Vocabulary, macro_meaning};
///
/// assert_eq!(macro_meaning("UID"), Some(("player", Vocabulary::Old)));
/// assert_eq!(macro_meaning("USER:UDI"), None);
/// ```
pub fn macro_meaning(text: &str) -> Option<(&'static str, Vocabulary)> {
    let role = Role::of_macro(text)?;
    let vocabulary = match text {
        "TX" | "REF" | "TYPE" | "OFFER:TITLE" | "OFFER:DELAY" | "APP:TOKEN" => Vocabulary::Both,
        "CURRENCY:VALUE" | "CURRENCY:USD" | "USER:ID" => Vocabulary::Slip,
        _ if text.contains(':') => Vocabulary::New,
        _ => Vocabulary::Old,
    };
    Some((role.key(), vocabulary))
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
    fn no_macro_is_listed_twice() {
        for (at, (text, _)) in MACROS.iter().enumerate() {
            assert!(
                MACROS[at + 1..].iter().all(|(other, _)| other != text),
                "{text}"
            );
        }
    }

    #[test]
    fn what_a_macro_brings_and_where_it_comes_from_is_told() {
        for (text, meaning) in [
            ("UID", Some(("player", Vocabulary::Old))),
            ("USER:UID", Some(("player", Vocabulary::New))),
            ("USER:ID", Some(("player", Vocabulary::Slip))),
            ("TX", Some(("transaction", Vocabulary::Both))),
            ("OFFER_STATE", Some(("state", Vocabulary::Old))),
            ("OFFER:TASK:STATE", Some(("state", Vocabulary::New))),
            ("OFFER:DELAY", Some(("delay_minutes", Vocabulary::Both))),
            ("CURRENCY:USD", Some(("usd", Vocabulary::Slip))),
            ("USER:UDI", None),
        ] {
            assert_eq!(macro_meaning(text), meaning, "{text}");
        }
    }

    #[test]
    fn slips_of_the_pen_are_recognised() {
        for (typed, meant) in [
            ("USER:UDI", Some("USER:UID")),
            ("tx", Some("TX")),
            ("VALUE:CURENCY", Some("VALUE:CURRENCY")),
            ("OFFER:STATE", Some("OFFER_STATE")),
            ("REFF", Some("REF")),
            ("SOMETHING:ELSE", None),
            // As many slips as half of its letters are none: it is another word.
            ("TXN", Some("TX")),
            ("QQ", None),
        ] {
            assert_eq!(nearest(typed), meant, "{typed}");
        }
    }
}
