//! The settings that are tried.

use postback::event::Event;

use crate::ledger;
use crate::setting::{Senders, Setting, Troubles, WalletKind};

/// A conversion's callbacks, each signed differently.
fn messages(events: [Event; 3]) -> Vec<Event> {
    let sign = |(index, mut event): (usize, Event)| {
        event.signed = format!("message={index}");
        event
    };
    events.into_iter().enumerate().map(sign).collect()
}

/// An endpoint with states: all come under one transaction.
pub(crate) fn stateful() -> Vec<Event> {
    messages([
        ledger::pending("o1", "500"),
        ledger::completed("o1", "500"),
        ledger::reconciled("o1", "200"),
    ])
}

/// An endpoint without: reversal and restoration are messages of their own that refer to the first.
pub(crate) fn by_reference() -> Vec<Event> {
    messages([
        ledger::completed("s1", "500"),
        ledger::adjustment("r1", "s1", "-500"),
        ledger::adjustment("r2", "s1", "300"),
    ])
}

/// A network that takes back all or nothing.
pub(crate) fn revocable() -> Vec<Event> {
    messages([
        ledger::pending("c1", "7"),
        ledger::completed("c1", "7"),
        ledger::revoked("c1"),
    ])
}

/// Two processes, each message sent once and repeated until answered, and nothing goes wrong.
pub(crate) fn calm(messages: Vec<Event>, wallet: WalletKind) -> Setting {
    Setting {
        sends: vec![1; messages.len()],
        messages,
        senders: Senders::RepeatUntilAnswered,
        receivers: 2,
        wallet,
        troubles: Troubles::default(),
        fault: None,
        exact: false,
    }
}

impl Setting {
    pub(crate) fn with(self, change: impl FnOnce(&mut Troubles)) -> Self {
        let mut troubles = self.troubles;
        change(&mut troubles);
        Self { troubles, ..self }
    }

    pub(crate) fn crashes(self, crashes: u8) -> Self {
        self.with(|troubles| troubles.crashes = crashes)
    }

    pub(crate) fn failures(self, failures: u8) -> Self {
        self.with(|troubles| troubles.failures = failures)
    }

    pub(crate) fn refusals(self, refusals: u8) -> Self {
        self.with(|troubles| troubles.refusals = refusals)
    }

    pub(crate) fn sleeps(self, sleeps: u8) -> Self {
        self.with(|troubles| troubles.sleeps = sleeps)
    }

    /// Only a wallet in a transaction has a commit to lose.
    pub(crate) fn lost_commits(self, lost_commits: u8) -> Self {
        let has_commits = self.wallet != WalletKind::Idempotent;
        self.with(|troubles| troubles.lost_commits = if has_commits { lost_commits } else { 0 })
    }

    pub(crate) fn forgets(self, forgets: u8) -> Self {
        self.with(|troubles| troubles.forgets = forgets)
    }

    pub(crate) fn resumes(self, resumes: u8) -> Self {
        self.with(|troubles| troubles.resumes = resumes)
    }

    pub(crate) fn all_troubles_once(self) -> Self {
        self.crashes(1).failures(1).sleeps(1).lost_commits(1)
    }

    pub(crate) fn sends(self, sends: &[u8]) -> Self {
        let sends = sends.to_vec();
        Self { sends, ..self }
    }

    fn receivers(self, receivers: usize) -> Self {
        Self { receivers, ..self }
    }

    fn nobody_repeats(self) -> Self {
        let senders = Senders::GiveUp;
        Self { senders, ..self }
    }
}

/// Some seconds, even without optimisation.
pub(crate) fn quick(messages: &[Event], wallet: WalletKind) -> Vec<(&'static str, Setting)> {
    let calm = || calm(messages.to_vec(), wallet);
    vec![
        ("nothing goes wrong", calm()),
        (
            "a duplicate and a sleeper",
            calm().sends(&[1, 2, 1]).sleeps(1),
        ),
        ("a crash and a sleeper", calm().crashes(1).sleeps(1)),
        (
            "a failing handler and a sleeper",
            calm().failures(1).sleeps(1),
        ),
        ("a refusal and a crash", calm().refusals(1).crashes(1)),
        (
            "a lost commit and a crash",
            calm().lost_commits(1).crashes(1),
        ),
        (
            "a forgotten player and a crash",
            calm().forgets(1).crashes(1),
        ),
        (
            "nobody repeats, somebody resumes",
            calm().nobody_repeats().crashes(1).failures(1),
        ),
        ("three processes", calm().receivers(3).sleeps(1)),
    ]
}

/// Minutes, and optimised.
pub(crate) fn full(messages: &[Event], wallet: WalletKind) -> Vec<(&'static str, Setting)> {
    let calm = || calm(messages.to_vec(), wallet);
    vec![
        (
            "two of each trouble",
            calm().crashes(2).failures(2).sleeps(2),
        ),
        (
            "each message twice, a crash, a sleeper, a lost commit",
            calm()
                .sends(&[2, 2, 2])
                .crashes(1)
                .sleeps(1)
                .lost_commits(1),
        ),
        (
            "all troubles, a refusal, a forgotten player",
            calm().all_troubles_once().refusals(1).forgets(1),
        ),
        (
            "three processes, all troubles",
            calm().receivers(3).all_troubles_once(),
        ),
        (
            "nobody repeats, somebody resumes, all troubles",
            calm().nobody_repeats().all_troubles_once().resumes(1),
        ),
    ]
}
