//! At most so many lines in a window of time; the rest is counted.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many lines were asked for in the present window, in one atomic: its number above, the count below.
#[derive(Debug)]
pub(super) struct Limit(AtomicU64);

/// What to do about one line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Admission {
    /// Write it.
    pub(super) is_logged: bool,
    /// So many of an earlier window were not written, and nobody has been told yet.
    pub(super) suppressed_before: u64,
}

const COUNT_BITS: u32 = 32;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

impl Limit {
    pub(super) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// One line more in this window, of which `lines` may be written.
    pub(super) fn admit(&self, window: u32, lines: u32) -> Admission {
        let mut state = self.0.load(Ordering::Relaxed);
        while window_of(state) != window {
            let begun = (u64::from(window) << COUNT_BITS) | 1;
            match self.replace(state, begun) {
                Ok(()) => {
                    return Admission {
                        is_logged: lines > 0,
                        suppressed_before: suppressed(state, lines),
                    };
                }
                Err(current) => state = current,
            }
        }
        // 2³² of them in one window would spill over; no machine is that fast.
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        Admission {
            is_logged: before & COUNT < u64::from(lines),
            suppressed_before: 0,
        }
    }

    /// How many lines of an earlier window were not written. Says so once.
    pub(super) fn due(&self, window: u32, lines: u32) -> u64 {
        let state = self.0.load(Ordering::Relaxed);
        let due = suppressed(state, lines);
        if due == 0 || window_of(state) == window {
            return 0;
        }
        match self.replace(state, u64::from(window) << COUNT_BITS) {
            Ok(()) => due,
            // Somebody else is telling it.
            Err(_) => 0,
        }
    }

    /// Whether lines of the present window have not been written.
    pub(super) fn is_suppressing(&self, lines: u32) -> bool {
        suppressed(self.0.load(Ordering::Relaxed), lines) > 0
    }

    fn replace(&self, expected: u64, new: u64) -> Result<(), u64> {
        let exchanged =
            self.0
                .compare_exchange(expected, new, Ordering::Relaxed, Ordering::Relaxed);
        exchanged.map(|_| ())
    }
}

fn window_of(state: u64) -> u32 {
    u32::try_from(state >> COUNT_BITS).unwrap_or(u32::MAX)
}

fn suppressed(state: u64, lines: u32) -> u64 {
    (state & COUNT).saturating_sub(u64::from(lines))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::{Admission, Limit};

    #[test]
    fn what_is_written_and_what_is_told_later_is_all_there_was() {
        let limit = Limit::new();
        let (mut written, mut told) = (0_u64, 0);
        // Windows of other lengths, gaps between them, and one that is empty.
        for (window, count) in [(0, 5), (1, 1_000), (2, 10), (3, 11), (7, 100_000), (8, 1)] {
            for _ in 0..count {
                let admission = limit.admit(window, 10);
                written += u64::from(admission.is_logged);
                told += admission.suppressed_before;
            }
        }
        told += limit.due(9, 10);
        assert_eq!(written, 5 + 10 + 10 + 10 + 10 + 1);
        assert_eq!(told, 990 + 1 + 99_990);
        assert_eq!(written + told, 5 + 1_000 + 10 + 11 + 100_000 + 1);
        assert_eq!(limit.due(10, 10), 0, "told once");
    }

    #[test]
    fn nothing_is_due_while_the_window_lasts() {
        let limit = Limit::new();
        for _ in 0..30 {
            limit.admit(4, 10);
        }
        assert_eq!(limit.due(4, 10), 0);
        assert!(limit.is_suppressing(10));
        assert_eq!(limit.due(5, 10), 20);
        assert!(!limit.is_suppressing(10));
        let next = Admission {
            is_logged: true,
            suppressed_before: 0,
        };
        assert_eq!(limit.admit(5, 10), next);
    }

    #[test]
    fn no_line_is_lost_between_threads() {
        let limit = Limit::new();
        let counted = |_| {
            let (mut written, mut told) = (0, 0);
            for number in 0..50_000_u32 {
                let admission = limit.admit(number / 5_000, 10);
                written += u64::from(admission.is_logged);
                told += admission.suppressed_before;
                told += limit.due(number / 5_000, 10);
            }
            (written, told)
        };
        let (written, told) = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|n| scope.spawn(move || counted(n))).collect();
            let ended = threads.into_iter().map(|thread| thread.join().unwrap());
            ended.fold((0, 0), |(a, b), (c, d)| (a + c, b + d))
        });
        assert_eq!(written + told + limit.due(u32::MAX, 10), 200_000);
    }
}
