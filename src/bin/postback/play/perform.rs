//! Performs a scenario: sends, retries as the network does, and compares.

use std::sync::Arc;
use std::time::Duration;

use super::client::Client;
use super::scenario::{Act, Expected, Sending};
use super::statement::{Standing, Statements};

/// The network's pauses between retries, in seconds (seen in public code, not documented).
const PAUSES: [u32; 8] = [1, 4, 9, 16, 25, 60, 120, 300];

/// Against whom, and how fast.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) client: Client,
    pub(crate) statements: Option<Statements>,
    pub(crate) speed: f64,
}

/// One line of the table.
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) answered: String,
    pub(crate) expected: &'static str,
    pub(crate) balance: String,
    pub(crate) wanted: String,
    /// The rule that was broken, if one was.
    pub(crate) broken: Option<&'static str>,
    pub(crate) took: Vec<Duration>,
}

/// What became of one request.
struct Sent {
    what: String,
    /// `None`: nobody answered.
    status: Option<u16>,
    tries: u32,
    expected: Expected,
    took: Vec<Duration>,
}

impl Sent {
    fn is_as_expected(&self) -> bool {
        match self.expected {
            Expected::Taken => self.status == Some(200),
            Expected::Refused => self
                .status
                .is_some_and(|status| (400..500).contains(&status)),
        }
    }

    fn answered(&self) -> String {
        let status = self
            .status
            .map_or_else(|| "no answer".to_owned(), |status| status.to_string());
        if self.tries > 1 {
            format!("{status}, {} tries", self.tries)
        } else {
            status
        }
    }
}

impl Stage {
    /// One act: everything in it at once, then a look at the wallet.
    pub(crate) async fn perform(self: &Arc<Self>, act: Act, player: &str) -> Vec<Line> {
        let mut running = Vec::new();
        for sending in act.sendings {
            let stage = Arc::clone(self);
            running.push(tokio::spawn(async move { stage.deliver(sending).await }));
        }
        let mut all = Vec::new();
        for sent in running {
            // A delivery does not panic; should one, it is missed in the table.
            all.extend(sent.await);
        }
        let standing = self.standing(player).await;
        let wanted = act.balance.map(|balance| balance.normalize().to_string());
        let is_right = match (&standing, act.balance) {
            (Some(Ok(standing)), Some(balance)) => {
                standing.balance == balance
                    && (act.banned.is_none()
                        || standing.banned.is_none()
                        || standing.banned == act.banned)
            }
            (Some(Err(_)), _) => false,
            _ => true,
        };
        let count = all.len();
        let lines = all.into_iter().enumerate().map(|(number, sent)| {
            let is_last = number + 1 == count;
            let is_broken = !sent.is_as_expected() || (is_last && !is_right);
            Line {
                answered: sent.answered(),
                expected: match sent.expected {
                    Expected::Taken => "200",
                    Expected::Refused => "4xx",
                },
                balance: match &standing {
                    Some(Ok(standing)) if is_last => in_words(standing, act.banned),
                    Some(Err(error)) if is_last => error.clone(),
                    _ => String::new(),
                },
                wanted: match (&wanted, is_last && self.statements.is_some()) {
                    (Some(wanted), true) => with_ban(wanted, act.banned),
                    _ => String::new(),
                },
                broken: is_broken.then_some(act.rule),
                what: sent.what,
                took: sent.took,
            }
        });
        lines.collect()
    }

    async fn standing(&self, player: &str) -> Option<Result<Standing, String>> {
        let statements = self.statements.as_ref()?;
        Some(
            statements
                .of(player)
                .await
                .map_err(|error| error.to_string()),
        )
    }

    /// Sends one request until it is answered 200, or the network would give up.
    async fn deliver(&self, sending: Sending) -> Sent {
        let mut sent = Sent {
            what: sending.what,
            status: None,
            tries: 0,
            expected: sending.expected,
            took: Vec::new(),
        };
        let mut pauses = PAUSES.into_iter();
        loop {
            sent.tries += 1;
            sent.status = match self.client.send(&sending.request).await {
                Ok(answer) => {
                    sent.took.push(answer.took);
                    Some(answer.status)
                }
                Err(_) => None,
            };
            if sent.is_as_expected() || sent.expected == Expected::Refused {
                return sent;
            }
            let Some(pause) = pauses.next() else {
                return sent;
            };
            tokio::time::sleep(Duration::from_secs_f64(f64::from(pause) / self.speed)).await;
        }
    }
}

fn in_words(standing: &Standing, asked: Option<bool>) -> String {
    let balance = standing.balance.normalize().to_string();
    with_ban(&balance, asked.and(standing.banned))
}

fn with_ban(balance: &str, banned: Option<bool>) -> String {
    match banned {
        Some(true) => format!("{balance}, banned"),
        Some(false) => format!("{balance}, not banned"),
        None => balance.to_owned(),
    }
}
