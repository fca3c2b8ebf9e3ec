//! Where records and wallet are.

use std::future::Future;
use std::time::Duration;

use postback::receiver::{Receive, Resume};
use serde_json::Value;

use super::BoxError;

/// A database with the receiver's records and the game's wallet in it.
pub(crate) trait Bank: Clone + Send + Sync + 'static {
    /// What takes callbacks and pays into the wallet.
    type Receiver: Receive + Resume + Clone;

    /// How often what was left open is looked for, here or by another copy of the program.
    const RESUME_EVERY: Duration = Duration::from_secs(60);

    /// Opens what the environment names, and makes the wallet's tables.
    fn open() -> impl Future<Output = Result<(Self, Self::Receiver), BoxError>> + Send;

    /// Where it is, for people: no password in it.
    fn place(&self) -> String;

    /// What `GET /players/{id}` answers.
    fn statement(&self, player: String) -> impl Future<Output = Result<Value, BoxError>> + Send;

    /// Ends in good order.
    fn close(&self) -> impl Future<Output = ()> + Send;
}
