//! The request to stop, seen by every task.

use tokio::sync::watch;

/// Becomes ready when the server is to stop. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Shutdown(watch::Receiver<bool>);

/// Asks everything to stop.
pub(crate) struct Stop(watch::Sender<bool>);

impl Shutdown {
    pub(crate) fn new() -> (Stop, Self) {
        let (sender, receiver) = watch::channel(false);
        (Stop(sender), Self(receiver))
    }

    /// Waits for the request.
    pub(crate) async fn requested(&mut self) {
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

impl Stop {
    pub(crate) fn request(&self) {
        let _ = self.0.send(true);
    }
}
