//! For tests of programs that receive callbacks.

mod clock;

pub use clock::ManualClock;
