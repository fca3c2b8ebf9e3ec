//! Extractor and rejection of one framework.

use crate::steps::Receipt;

/// Writes down, in an adapter's module, the types that speak of its framework's own status type: written
/// once here, and in each adapter a type that fits its framework.
macro_rules! delivery_and_rejection {
    ($status:ty) => {
        /// A genuine callback that has been through guard and store, with what is due.
        ///
        /// Endpoint (`T::Source`) and receiver (`Receiver<S, SystemClock>`) are taken from the router's
        /// state (axum) or the app data (actix-web). Settle it and return what that gives; a delivery that
        /// is dropped, by a caller who hangs up for instance, stays open and is repeated.
        #[derive(Debug)]
        #[must_use = "a delivery that is not settled stays open and is repeated"]
        pub struct Delivery<T, S> {
            /// The callback as the network's own type.
            pub callback: T,
            /// How far it has come: a decision for the game, or all done (a duplicate, say).
            pub progress: $crate::delivery::Progress<S, $crate::clock::SystemClock>,
        }

        impl<T, S: $crate::store::DedupStore> Delivery<T, S> {
            /// Lets the handler carry out what is due; returns the answer.
            ///
            /// # Errors
            /// [`Rejection`], to be returned as the response.
            pub async fn settle_with<H: $crate::handler::Handler>(
                self,
                handler: &H,
            ) -> Result<Settled, Rejection> {
                Ok(Settled(match self.progress {
                    $crate::delivery::Progress::Answered(receipt) => receipt,
                    $crate::delivery::Progress::Deliver(delivery) => {
                        delivery.settle_with(handler).await?
                    }
                }))
            }

            async fn begin(
                callback: T,
                receiver: &$crate::receiver::Receiver<S, $crate::clock::SystemClock>,
            ) -> Result<Self, Rejection>
            where
                T: $crate::source::Callback,
            {
                let progress = receiver.begin(callback.event()).await?;
                Ok(Self { callback, progress })
            }
        }

        /// Why a request was answered with something other than 200.
        ///
        /// To answer otherwise, let the handler take `Result<Verified<T>, Rejection>` (or of [`Delivery`])
        /// and look at [`Rejection::refusal`].
        #[derive(Debug, thiserror::Error)]
        #[error(transparent)]
        pub struct Rejection(#[from] $crate::web::Refusal);

        impl Rejection {
            /// The status of the response.
            pub fn status(&self) -> $status {
                <$status>::from_u16(self.reply().status).unwrap_or(<$status>::INTERNAL_SERVER_ERROR)
            }

            /// The body of the response: a fixed word.
            pub fn body_text(&self) -> &'static str {
                self.reply().body
            }

            /// The reason.
            pub fn refusal(&self) -> &$crate::web::Refusal {
                &self.0
            }

            fn reply(&self) -> $crate::web::Reply {
                $crate::web::Reply::from(&self.0)
            }
        }

        impl From<$crate::source::OpenError> for Rejection {
            fn from(error: $crate::source::OpenError) -> Self {
                Self(error.into())
            }
        }

        impl From<$crate::receiver::ReceiveError> for Rejection {
            fn from(error: $crate::receiver::ReceiveError) -> Self {
                Self(error.into())
            }
        }
    };
}

pub(in crate::web) use delivery_and_rejection;

/// All is well: a response with status 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled(pub Receipt);
