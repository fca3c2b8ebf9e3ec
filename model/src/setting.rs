//! What is tried: which callbacks, which wallet, how much may go wrong.

use std::time::Duration;

use postback::import::PastCallback;
use postback::{Decimal, Effect, Event, EventKind, Timing};

use crate::Fault;

/// How far the clock moves at a time.
pub const TICK: Duration = Duration::from_secs(10);

/// The lease is three ticks. One wait for another process, then 503: further waits would repeat the same look.
pub fn timing() -> Timing {
    Timing::default()
        .lease(TICK * 3)
        .max_lease(TICK * 60)
        .busy_timeout(Duration::from_millis(20))
}

/// One bounded world, to be explored completely.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The conversion's callbacks.
    pub messages: Vec<Event>,
    /// How often each of them is sent whatever is answered, at any time.
    pub sends: Vec<u8>,
    /// Whether each callback is sent only after the one before was answered with 200, and not repeated after that.
    pub in_order: bool,
    /// Whether the network repeats what was not answered with 200. If not, recovery alone must deliver what is stored.
    pub repeats: bool,
    /// How many callbacks can be under way at once, each in a process that can crash by itself.
    pub processes: usize,
    /// How the handler pays.
    pub wallet: WalletKind,
    /// Which ways a callback may take: [`receive`](postback::Receiver::receive), or
    /// [`accept`](postback::Receiver::accept) as in the server.
    pub arrivals: Arrivals,
    /// What an earlier receiver had dealt with, imported while callbacks arrive.
    pub past: Vec<PastCallback>,
    /// How much may go wrong.
    pub troubles: Troubles,
    /// The balance at the end, if it does not follow from the set of messages.
    pub expected: Option<Decimal>,
    /// A mistake made on purpose.
    pub fault: Option<Fault>,
}

/// How the handler pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalletKind {
    /// Elsewhere: it carries out each decision id once.
    Idempotent,
    /// In the store's database, inside the store's transaction. It would pay a decision twice if asked twice.
    Transaction,
}

/// Which ways a callback may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrivals {
    /// Delivered before the response.
    Receive,
    /// Stored before the response, delivered later.
    Accept,
    /// Either.
    Both,
}

/// How much may go wrong, and how much happens beyond what is needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Troubles {
    /// A process dies.
    pub crashes: u8,
    /// The handler fails or hangs, before or after it took effect.
    pub failures: u8,
    /// The handler declines a decision for good.
    pub declines: u8,
    /// Time passes while callbacks are under way; handlers are stopped in time.
    pub ticks: u8,
    /// A lease expires while its holder does not run.
    pub stalls: u8,
    /// A process's clock jumps by a year.
    pub jumps: u8,
    /// A commit does not take place, or takes place unnoticed.
    pub lost_commits: u8,
    /// Recovery runs although callbacks are still arriving.
    pub recoveries: u8,
}

impl Setting {
    /// Two processes, every callback sent once and repeated until it is answered, and nothing goes wrong.
    pub fn calm(messages: Vec<Event>, wallet: WalletKind) -> Self {
        Self {
            sends: vec![1; messages.len()],
            messages,
            in_order: false,
            repeats: true,
            processes: 2,
            wallet,
            arrivals: Arrivals::Receive,
            past: Vec::new(),
            troubles: Troubles::default(),
            expected: None,
            fault: None,
        }
    }

    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Troubles)) -> Self {
        change(&mut self.troubles);
        self
    }

    #[must_use]
    pub fn sends(mut self, sends: &[u8]) -> Self {
        self.sends = sends.to_vec();
        self
    }

    #[must_use]
    pub fn processes(mut self, processes: usize) -> Self {
        self.processes = processes;
        self
    }

    #[must_use]
    pub fn arrivals(mut self, arrivals: Arrivals) -> Self {
        self.arrivals = arrivals;
        self
    }

    #[must_use]
    pub fn without_repeats(mut self) -> Self {
        self.repeats = false;
        self
    }

    #[must_use]
    pub fn importing(mut self, past: Vec<PastCallback>) -> Self {
        self.past = past;
        self
    }

    /// Every callback only after the one before, ending at this balance.
    #[must_use]
    pub fn in_order(mut self, balance: &str) -> Self {
        self.in_order = true;
        self.expected = Some(decimal(balance));
        self
    }

    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }
}

pub fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn event(transaction: &str, original: Option<&str>, effect: Effect) -> Event {
    let kind = EventKind::Conversion {
        transaction: transaction.parse().unwrap(),
        original: original.map(|id| id.parse().unwrap()),
        effect,
    };
    let (network, app) = ("bitlabs".parse().unwrap(), "game".parse().unwrap());
    Event::new(network, app, "p1".parse().unwrap(), kind)
}

pub fn pending(transaction: &str) -> Event {
    let stage = "PENDING".into();
    event(
        transaction,
        None,
        Effect::Pending {
            stage,
            amount: None,
        },
    )
}

pub fn completed(transaction: &str, amount: &str) -> Event {
    let amount = decimal(amount);
    let (milestone, reinstates) = (None, false);
    event(
        transaction,
        None,
        Effect::Completed {
            amount,
            milestone,
            reinstates,
        },
    )
}

/// A completed message that makes the reward due again after a revocation.
pub fn reinstating(transaction: &str, amount: &str) -> Event {
    let amount = decimal(amount);
    let (milestone, reinstates) = (None, true);
    event(
        transaction,
        None,
        Effect::Completed {
            amount,
            milestone,
            reinstates,
        },
    )
}

/// A state change of the same transaction that takes `amount` back.
pub fn reconciled(transaction: &str, amount: &str) -> Event {
    let by = -decimal(amount);
    event(
        transaction,
        None,
        Effect::Adjusted {
            by,
            same_transaction: true,
        },
    )
}

/// A message with a transaction of its own that adjusts another one.
pub fn adjustment(transaction: &str, original: &str, by: &str) -> Event {
    let by = decimal(by);
    event(
        transaction,
        Some(original),
        Effect::Adjusted {
            by,
            same_transaction: false,
        },
    )
}

pub fn revoked(transaction: &str) -> Event {
    event(transaction, None, Effect::Revoked)
}

/// A conversion whose messages have one transaction.
pub fn by_state() -> Vec<Event> {
    vec![
        pending("o1"),
        completed("o1", "500"),
        reconciled("o1", "200"),
    ]
}

/// A conversion whose reversal and restoration are messages of their own.
pub fn by_reference() -> Vec<Event> {
    vec![
        completed("s1", "500"),
        adjustment("r1", "s1", "-500"),
        adjustment("r2", "s1", "300"),
    ]
}

/// A conversion that is taken back as a whole.
pub fn revocable() -> Vec<Event> {
    vec![pending("c1"), completed("c1", "7"), revoked("c1")]
}
