//! What the fuzz targets hold the crate against: the same rules written the plain way, sharing no code
//! with it.
#![allow(
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "a target fails by panicking"
)]

pub mod interleaved;
#[path = "../../tests/ledger/mod.rs"]
pub mod ledger;
pub mod money;
pub mod phonexa;
pub mod wire;

/// Reads numbers from the fuzzer's bytes; zeros when they are used up.
#[derive(Debug)]
pub struct Bytes<'a>(pub &'a [u8]);

impl Bytes<'_> {
    pub fn next(&mut self) -> u8 {
        match self.0 {
            [first, rest @ ..] => {
                self.0 = rest;
                *first
            }
            [] => 0,
        }
    }

    /// A number below `end`, from two bytes.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(u16::from_le_bytes([self.next(), self.next()])) % end.max(1)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
