//! The methods and traits that several callback types have in common.

/// What every callback has. `$received` is a method that returns the received parameters.
macro_rules! every_callback {
    ($name:ident) => {
        impl $name {
            /// The player, as the game named him to the network.
            pub fn player(&self) -> &crate::event::PlayerId {
                self.received().player()
            }

            /// The app's name.
            pub fn app(&self) -> &crate::event::AppName {
                self.received().setup.app.name()
            }

            /// The value of a parameter that occurs exactly once, decoded; also of a custom or pass-through one.
            pub fn parameter(&self, name: &str) -> Option<&str> {
                self.received().params().once(name)
            }

            /// Names and values of all parameters, decoded, without the signature.
            pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
                self.received().params().iter()
            }

            /// The key that the callback was signed with.
            pub fn key_id(&self) -> &crate::wire::KeyId {
                self.received().key_id()
            }

            /// Whether it comes from the dashboard's tester (`debug=true`).
            pub fn is_test(&self) -> bool {
                self.received().is_test()
            }

            /// The network's token of the app.
            pub fn app_token(&self) -> $crate::source::bitlabs::Field<&str> {
                self.received()
                    .text($crate::source::bitlabs::macros::Role::AppToken)
            }
        }

        /// A map of the configured fields that were sent, each under its own name and as it was sent; nothing
        /// where it was empty. Neither the URL nor the signature is in it.
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.received().serialize(serializer)
            }
        }
    };
}

/// A callback type around a [`Conversion`](crate::source::bitlabs::conversion::Conversion).
macro_rules! conversion_callback {
    ($(#[$doc:meta])* $name:ident, $family:ident, $state:ident, $rule:path) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(Conversion);

        impl $name {
            fn received(&self) -> &Received {
                self.0.received()
            }

            /// The callback's own transaction.
            pub fn transaction(&self) -> &TransactionId {
                self.0.transaction()
            }

            /// The transaction that it refers to, where that is another callback's.
            pub fn original(&self) -> Option<&TransactionId> {
                self.0.original()
            }

            /// The amount in the app's currency, as stated: a reward, or what is taken back.
            pub fn amount(&self) -> Field<Decimal> {
                self.0.amount()
            }

            /// The revenue to the publisher in US dollars, as stated.
            pub fn usd(&self) -> Field<Decimal> {
                self.0.usd()
            }

            /// The type, as stated.
            pub fn call_type(&self) -> Field<CallbackType> {
                self.received().text(Role::CallType).map(CallbackType::from_word)
            }

            /// The player's IP address, as stated.
            pub fn ip_address(&self) -> Field<&str> {
                self.received().text(Role::IpAddress)
            }

            /// How trustworthy the network thinks the player is.
            pub fn fraud_level(&self) -> Field<FraudLevel> {
                self.received().text(Role::FraudLevel).map(FraudLevel::from_word)
            }
        }

        impl Typed for $name {
            fn read(received: Received) -> Result<Self, OpenError> {
                Conversion::read(received, Role::$state, $rule).map(Self)
            }
        }

        impl BitlabsCallback for $name {
            const FAMILY: Family = Family::$family;
        }

        impl Callback for $name {
            type Source = Endpoint<Self>;

            fn event(&self) -> Event {
                self.0.event()
            }
        }

        /// Who and what; neither the URL nor other parameters.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.debug(stringify!($name), f)
            }
        }

        every_callback!($name);
    };
}

/// What is said about an offer and its task.
macro_rules! offer_fields {
    ($name:ident) => {
        impl $name {
            /// The state. `None`: stateful callbacks are off, or the callback is not about an offer.
            pub fn state(&self) -> Option<OfferState> {
                let stated = self.received().text(Role::OfferState).into_given();
                match stated {
                    Some(word) => (!is_none(word)).then(|| OfferState::from_word(word)),
                    None => self.received().setup.options.only.clone(),
                }
            }

            /// The offer's id.
            pub fn offer_id(&self) -> Field<&str> {
                self.received().text(Role::Offer)
            }

            /// The offer's name, in the player's language.
            pub fn offer_name(&self) -> Field<&str> {
                self.received().text(Role::OfferName)
            }

            /// The task's id.
            pub fn task_id(&self) -> Field<&str> {
                self.received().text(Role::Task)
            }

            /// The task's name, in the player's language.
            pub fn task_name(&self) -> Field<&str> {
                self.received().text(Role::TaskName)
            }

            /// The anchor's name.
            pub fn anchor_name(&self) -> Field<&str> {
                self.received().text(Role::Anchor)
            }

            /// The delay of the reward in minutes, where it is a whole number.
            pub fn delay_minutes(&self) -> Option<u64> {
                self.received()
                    .text(Role::Delay)
                    .into_given()
                    .and_then(|text| text.parse().ok())
            }

            /// What the player spent in the app, in US dollars. Empty: the advertiser gives no amount. Never a reward.
            pub fn purchase(&self) -> Field<Decimal> {
                self.0.purchase()
            }

            /// Whether it is a purchase event that the offer wall does not show; `None` where nothing is said.
            pub fn is_hidden(&self) -> Option<bool> {
                match self.received().text(Role::IsHidden).into_given() {
                    Some("0") => Some(false),
                    Some("1") => Some(true),
                    _ => None,
                }
            }

            /// The type of the task, by its number.
            pub fn task_type(&self) -> TaskType {
                TaskType::from_word(
                    self.received()
                        .text(Role::TaskTypeId)
                        .into_given()
                        .unwrap_or_default(),
                )
            }

            /// The name of the type of the task, as it was sent.
            pub fn task_type_name(&self) -> Field<&str> {
                self.received().text(Role::TaskTypeName)
            }

            /// Why the offer was rejected.
            pub fn rejection_reason(&self) -> Field<RejectionReason> {
                self.received()
                    .text(Role::Rejection)
                    .map(RejectionReason::from_word)
            }
        }
    };
}

/// What is said about a survey.
macro_rules! survey_fields {
    ($name:ident) => {
        impl $name {
            /// The survey's reason: why the player was screened out, or a survey corrected.
            pub fn survey_reason(&self) -> Field<&str> {
                self.received().text(Role::SurveyReason)
            }

            /// The length of the interview, as stated.
            pub fn survey_minutes(&self) -> Field<&str> {
                self.received().text(Role::SurveyMinutes)
            }

            /// The player's country.
            pub fn country(&self) -> Field<&str> {
                self.received().text(Role::Country)
            }

            /// The survey's category.
            pub fn category(&self) -> Field<&str> {
                self.received().text(Role::Category)
            }
        }
    };
}

pub(super) use {conversion_callback, every_callback, offer_fields, survey_fields};
