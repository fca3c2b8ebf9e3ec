//! What is tried: which callbacks, which wallet, how much may go wrong, and on purpose what.

use std::time::Duration;

use postback::event::Event;
use postback::steps::Timing;

/// One wait, then "come again": more waits only repeat the same look.
pub(crate) const TIMING: Timing = Timing::new().patience(Duration::from_millis(20));

/// One bounded world to be explored completely.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    /// The conversion's callbacks, each distinct.
    pub(crate) messages: Vec<Event>,
    /// How often each of them is sent, whatever is answered; in any order and all at once if need be.
    pub(crate) sends: Vec<u8>,
    /// Whether the network goes on sending what was not answered well.
    pub(crate) senders: Senders,
    /// How many deliveries can be under way at once, each in a process that can crash by itself.
    pub(crate) receivers: usize,
    pub(crate) wallet: WalletKind,
    pub(crate) troubles: Troubles,
    pub(crate) fault: Option<Fault>,
    /// Tells states apart by every field, also by those that can no longer make a difference (when
    /// something was received, how often it was tried).
    pub(crate) exact: bool,
}

/// What becomes of a callback that was not answered well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Senders {
    /// The network repeats it until it is. Nobody resumes, except where [`Troubles::resumes`] says so.
    RepeatUntilAnswered,
    /// The network loses interest. What is open must be closed by `resume` alone.
    GiveUp,
}

/// How the game pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WalletKind {
    /// Somewhere else; it carries each decision id out once. Intent first.
    Idempotent,
    /// In the store's database, inside the store's own transaction, which several deliveries can share
    /// (`Steps::receive_in_transaction`). It would pay a decision twice if asked twice.
    StoreTransaction,
    /// In the store's database, inside the caller's transaction, together with `Steps::settlement`. Intent
    /// first. It would pay a decision twice if asked twice.
    CallersTransaction,
}

impl WalletKind {
    pub(crate) const ALL: [Self; 3] = [
        Self::Idempotent,
        Self::StoreTransaction,
        Self::CallersTransaction,
    ];
}

/// How much may go wrong, and how much happens beyond what is needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Troubles {
    /// A process dies, at any step.
    pub(crate) crashes: u8,
    /// The handler fails or hangs, before or after it took effect.
    pub(crate) failures: u8,
    /// The game refuses a decision for good.
    pub(crate) refusals: u8,
    /// A lease runs out while its holder sleeps.
    pub(crate) sleeps: u8,
    /// A commit does not go through, or does and nobody is told.
    pub(crate) lost_commits: u8,
    /// Somebody has the player forgotten.
    pub(crate) forgets: u8,
    /// Somebody resumes although the network is still sending.
    pub(crate) resumes: u8,
}

/// What is done wrong on purpose, in this model and not in the crate, to see that the checker notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// When the handler fails, the record goes back to what it was before the intent.
    IntentDropped,
    /// A swap that settles a decision, or gives it back, replaces whatever is stored: also that of somebody
    /// who slept through his lease.
    LeaseNotFenced,
    /// Every swap replaces whatever is stored.
    VersionIgnored,
    /// Whoever claims a conversion takes it for his, also if the swap was lost.
    LostClaimCountsAsWon,
    /// A callback counts as known as soon as its transaction is, whatever its state.
    TransactionAloneIsTheKey,
    /// The wallet pays as often as it is asked, although it is not in the store's transaction.
    WalletForgetsIds,
}
