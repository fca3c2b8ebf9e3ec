//! What is sent in a measurement, and what must be answered.

use serde::{Deserialize, Serialize};

/// How many transactions a flood of duplicates repeats.
pub const REPEATED: u64 = 1000;
/// One in so many of a mixed load is genuine.
pub const GENUINE_ONE_IN: u64 = 10;

/// A kind of load.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Load {
    /// Every callback is another completed offer.
    Unique,
    /// The same thousand completed offers again and again.
    Duplicates,
    /// Every callback has a wrong hash.
    Forged,
    /// Nine of ten have a wrong hash; the tenth is another completed offer.
    Mixed,
    /// Some connections send only other completed offers, and nine times as many only callbacks with a wrong hash.
    Flooded,
    /// One and the same callback, sent by wrk: how fast a known client is.
    Wrk,
}

/// One callback of a load.
#[derive(Debug, Clone, Copy)]
pub struct Callback {
    pub transaction: u64,
    pub is_genuine: bool,
}

impl Load {
    pub fn name(self) -> &'static str {
        match self {
            Self::Unique => "unique",
            Self::Duplicates => "duplicates",
            Self::Forged => "forged",
            Self::Mixed => "mixed",
            Self::Flooded => "flooded",
            Self::Wrk => "wrk",
        }
    }

    /// How many transactions are completed by so many genuine callbacks.
    pub fn transactions(self, genuine: u64) -> u64 {
        match self {
            Self::Duplicates | Self::Wrk => genuine.min(REPEATED),
            Self::Unique | Self::Forged | Self::Mixed | Self::Flooded => genuine,
        }
    }

    /// The n-th callback, sent over the connection of this number.
    pub fn callback(self, number: u64, connection: usize) -> Callback {
        match self {
            Self::Unique => Callback {
                transaction: number,
                is_genuine: true,
            },
            Self::Duplicates | Self::Wrk => Callback {
                transaction: number % REPEATED,
                is_genuine: true,
            },
            Self::Forged => Callback {
                transaction: number,
                is_genuine: false,
            },
            Self::Mixed => Callback {
                transaction: number,
                is_genuine: number.is_multiple_of(GENUINE_ONE_IN),
            },
            Self::Flooded => Callback {
                transaction: number,
                is_genuine: (connection as u64).is_multiple_of(GENUINE_ONE_IN),
            },
        }
    }
}
