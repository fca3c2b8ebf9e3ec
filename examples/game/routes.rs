//! Which endpoint stands under which path, whatever the web framework.

use postback::receiver::Receive;
use postback::source::Source;

use super::{Bank, Game};

/// The router of a web framework, as far as it is needed for callbacks.
pub(crate) trait Routes {
    /// Mounts one endpoint, all the way from request to wallet.
    #[must_use]
    fn endpoint<E: Source, R: Receive>(self, path: &str, endpoint: E, receiver: R) -> Self;
}

impl<B: Bank> Game<B> {
    /// Mounts all endpoints.
    pub(crate) fn mount<R: Routes>(&self, routes: R) -> R {
        let receiver = || self.receiver.clone();
        let routes = routes
            .endpoint("/callbacks/offers", self.offers.clone(), receiver())
            .endpoint("/callbacks/surveys", self.surveys.clone(), receiver())
            .endpoint("/callbacks/receipts", self.receipts.clone(), receiver())
            .endpoint("/callbacks/cashback", self.cashback.clone(), receiver())
            .endpoint("/callbacks/rewards", self.rewards.clone(), receiver())
            .endpoint("/callbacks/bans", self.bans.clone(), receiver());
        match &self.phonexa {
            Some(endpoint) => routes.endpoint("/callbacks/phonexa", endpoint.clone(), receiver()),
            None => routes,
        }
    }
}
