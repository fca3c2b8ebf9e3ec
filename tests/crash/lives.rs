//! Lives of conversions, and what each must leave in the wallet: the network's rules once more, written
//! without a line of the crate, in whole hundredths.

use crate::backend::{offer, survey};
use crate::dice::Dice;

/// One conversion from its first message to its last.
pub(crate) struct Life {
    pub(crate) player: String,
    /// The request targets of all its messages, in the order in which the network would send them.
    pub(crate) targets: Vec<String>,
    /// What the player has of it in the end, in hundredths.
    pub(crate) balance: u64,
    /// What stays announced in the end, in hundredths.
    pub(crate) pending: u64,
}

/// What a survey's or offer's message says, before it is signed.
struct Message<'a> {
    tx: String,
    word: &'a str,
    amount: String,
    original: &'a str,
}

fn money(hundredths: u64) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

impl Life {
    /// The life with this number, of one of a few players.
    pub(crate) fn new(number: u64, dice: &mut Dice) -> Self {
        let player = format!("player-{}", number % 23);
        let reward = dice.between(100, 90_000);
        let part = dice.between(1, reward - 1);
        let rest = reward - part;
        let kind = dice.between(0, 99);
        match kind {
            // Offers with states: one transaction for all of them.
            0..20 => Self::offer(
                player,
                number,
                &[("PENDING", reward), ("COMPLETED", reward)],
                reward,
            ),
            20..30 => Self::offer(player, number, &[("COMPLETED", reward)], reward),
            30..42 => Self::offer(
                player,
                number,
                &[
                    ("PENDING", reward),
                    ("COMPLETED", reward),
                    ("RECONCILED", part),
                ],
                rest,
            ),
            42..50 => Self::offer(
                player,
                number,
                &[("COMPLETED", reward), ("RECONCILED", reward)],
                0,
            ),
            50..55 => Self::offer(
                player,
                number,
                &[("PENDING", reward), ("RECONCILED", reward)],
                0,
            ),
            55..58 => Self::offer(player, number, &[("RECONCILED", reward)], 0),
            58..62 => Self {
                pending: reward,
                ..Self::offer(player, number, &[("PENDING", reward)], 0)
            },
            // Offers without state: a reconciliation has a transaction of its own.
            62..70 => Self::stateless_offer(player, number, reward, part),
            // Surveys: reversed, and the reversal reversed.
            70..80 => Self::survey(player, number, reward, &[], reward),
            80..86 => Self::survey(player, number, reward, &[("", reward), ("-", reward)], 0),
            86..92 => Self::survey(
                player,
                number,
                reward,
                &[("", reward), ("-", reward), ("+", reward)],
                reward,
            ),
            92..97 => Self::survey(
                player,
                number,
                reward,
                &[("", reward), ("-", part), ("-", rest), ("+", part)],
                part,
            ),
            // Its original never comes.
            _ => Self::survey(player, number, reward, &[("-", part)], 0),
        }
    }

    fn offer(player: String, number: u64, states: &[(&str, u64)], balance: u64) -> Self {
        let targets = states
            .iter()
            .map(|(state, amount)| {
                let callback = offer(&player, &format!("o{number}"), state, &money(*amount));
                callback.sign().target().to_owned()
            })
            .collect();
        Self {
            player,
            targets,
            balance,
            pending: 0,
        }
    }

    fn stateless_offer(player: String, number: u64, reward: u64, part: u64) -> Self {
        let original = format!("o{number}");
        let completed = offer(&player, &original, "NONE", &money(reward));
        let reconciled = offer(
            &player,
            &format!("or{number}"),
            "NONE",
            &format!("-{}", money(part)),
        )
        .original(&original);
        let targets = [completed, reconciled].map(|callback| callback.sign().target().to_owned());
        Self {
            player,
            targets: targets.into(),
            balance: reward - part,
            pending: 0,
        }
    }

    /// `changes`: an empty sign for the completed survey itself; without any change it stands alone.
    fn survey(
        player: String,
        number: u64,
        reward: u64,
        changes: &[(&str, u64)],
        balance: u64,
    ) -> Self {
        let original = number.to_string();
        let alone = [("", reward)];
        let changes = if changes.is_empty() { &alone } else { changes };
        let targets = changes
            .iter()
            .enumerate()
            .map(|(step, (sign, amount))| {
                let message = match *sign {
                    "" => Message {
                        tx: original.clone(),
                        word: "COMPLETE",
                        amount: money(*amount),
                        original: "",
                    },
                    sign => Message {
                        tx: format!("{number}r{step}"),
                        word: "RECONCILIATION",
                        amount: format!("{}{}", sign.trim_start_matches('+'), money(*amount)),
                        original: &original,
                    },
                };
                let Message {
                    tx,
                    word,
                    amount,
                    original,
                } = message;
                let callback = survey(&player, &tx, word, &amount, original);
                callback.sign().target().to_owned()
            })
            .collect();
        Self {
            player,
            targets,
            balance,
            pending: 0,
        }
    }
}
