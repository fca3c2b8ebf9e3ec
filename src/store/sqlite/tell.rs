//! How callers are told.
//!
//! The writer's thread wakes one caller of a group, and he tells the others. Waking from outside a runtime costs a lock,
//! often a call to the kernel, and if the runtime is busy those who are woken wait behind everybody in it; from inside
//! it is next to nothing. Should he not come to it in time, the writer tells them itself.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::writer::{GroupError, Operation};
use crate::sync::{Instant, Mutex};

/// How long the others wait for the one who is to tell them.
const PATIENCE: Duration = Duration::from_millis(5);

/// How a group ended.
type Fate = Result<(), GroupError>;

type Group = Vec<(Box<dyn Operation>, Fate)>;

/// Those who are to be told; `None` when somebody is at it, or has done it.
struct Untold(Mutex<Option<Group>>);

impl Untold {
    fn tell(&self) {
        let untold = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        for (operation, fate) in untold.into_iter().flatten() {
            tell(operation, fate, None);
        }
    }
}

/// Comes with one caller's answer. When it is dropped, by himself or because he has gone, the others are told.
pub(super) struct Others(Arc<Untold>);

impl Drop for Others {
    fn drop(&mut self) {
        self.0.tell();
    }
}

/// The writer's: tells groups.
#[derive(Default)]
pub(super) struct Teller {
    /// Those who wait for one of them, and since when.
    entrusted: Option<(Arc<Untold>, Instant)>,
}

impl Teller {
    pub(super) fn tell(&mut self, group: Vec<Box<dyn Operation>>, fate: &Fate) {
        let mut group = group.into_iter().map(|operation| (operation, fate.clone()));
        if let Some((untold, since)) = &self.entrusted
            && since.elapsed() < PATIENCE
            && let Some(untold) = &mut *untold.0.lock().unwrap_or_else(PoisonError::into_inner)
        {
            // He is on his way, and these are told along with those before.
            untold.extend(group);
            return;
        }
        self.tell_rest();
        let Some((first, fate)) = group.next() else {
            return;
        };
        let others = if group.len() == 0 {
            None
        } else {
            let untold = Arc::new(Untold(Mutex::new(Some(group.collect()))));
            self.entrusted = Some((Arc::clone(&untold), Instant::now()));
            Some(Others(untold))
        };
        tell(first, fate, others);
    }

    /// Tells those who still wait for one of them.
    pub(super) fn tell_rest(&mut self) {
        if let Some((untold, _)) = self.entrusted.take() {
            untold.tell();
        }
    }

    /// How long the writer may sleep before it tells them itself. `None`: for ever.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.entrusted.as_ref().map(|_| PATIENCE)
    }
}

fn tell(operation: Box<dyn Operation>, fate: Fate, others: Option<Others>) {
    // A caller who has gone leaves his value to be dropped here, and it may panic. The others are answered.
    if catch_unwind(AssertUnwindSafe(|| operation.answer(fate, others))).is_err() {
        tracing::error!(target: "postback::store", "what a caller left behind panicked when it was dropped");
    }
}

#[cfg(not(shuttle))]
#[cfg(test)]
mod tests {
    use super::super::leash::Leashed;
    use super::super::writer::Cause;
    use super::*;

    /// An operation that notes when it is answered, and keeps the others for its caller.
    struct Noted {
        number: u8,
        answered: Arc<std::sync::Mutex<Vec<u8>>>,
        others: Arc<std::sync::Mutex<Option<Others>>>,
    }

    impl Operation for Noted {
        fn run(&mut self, _: &Leashed) {}

        fn can_run_again(&self) -> bool {
            true
        }

        fn blame(&mut self, _: &Cause) -> bool {
            false
        }

        fn answer(self: Box<Self>, _: Fate, others: Option<Others>) {
            self.answered.lock().unwrap().push(self.number);
            if others.is_some() {
                *self.others.lock().unwrap() = others;
            }
        }
    }

    #[derive(Default)]
    struct Callers {
        answered: Arc<std::sync::Mutex<Vec<u8>>>,
        others: Arc<std::sync::Mutex<Option<Others>>>,
    }

    impl Callers {
        fn group(&self, numbers: std::ops::Range<u8>) -> Vec<Box<dyn Operation>> {
            let noted = |number| Noted {
                number,
                answered: Arc::clone(&self.answered),
                others: Arc::clone(&self.others),
            };
            numbers
                .map(|number| Box::new(noted(number)) as Box<dyn Operation>)
                .collect()
        }

        fn answered(&self) -> Vec<u8> {
            self.answered.lock().unwrap().clone()
        }

        /// The one who was told looks at his answer.
        fn look(&self) {
            let others = self.others.lock().unwrap().take();
            drop(others);
        }
    }

    #[test]
    fn the_writer_tells_one_of_a_group_and_he_the_others() {
        let callers = Callers::default();
        let mut teller = Teller::default();
        teller.tell(callers.group(0..4), &Ok(()));
        assert_eq!(callers.answered(), [0]);
        callers.look();
        assert_eq!(callers.answered(), [0, 1, 2, 3]);
        teller.tell(callers.group(4..6), &Ok(()));
        assert_eq!(callers.answered(), [0, 1, 2, 3, 4]);
        callers.look();
        teller.tell_rest();
        assert_eq!(callers.answered(), [0, 1, 2, 3, 4, 5], "each once");
    }

    #[test]
    fn while_he_is_on_his_way_later_groups_are_told_along() {
        let callers = Callers::default();
        let mut teller = Teller::default();
        teller.tell(callers.group(0..2), &Ok(()));
        teller.tell(callers.group(2..3), &Ok(()));
        assert_eq!(callers.answered(), [0]);
        callers.look();
        assert_eq!(callers.answered(), [0, 1, 2]);
    }

    #[test]
    fn should_he_not_come_to_it_in_time_the_writer_tells_them_itself() {
        let callers = Callers::default();
        let mut teller = Teller::default();
        teller.tell(callers.group(0..3), &Ok(()));
        assert!(teller.patience().is_some());
        teller.tell_rest();
        assert_eq!(callers.answered(), [0, 1, 2]);
        assert!(teller.patience().is_none());

        teller.tell(callers.group(3..5), &Ok(()));
        std::thread::sleep(PATIENCE);
        teller.tell(callers.group(5..6), &Ok(()));
        assert_eq!(callers.answered(), [0, 1, 2, 3, 4, 5]);
        callers.look();
        assert_eq!(callers.answered().len(), 6, "each once");
    }

    #[test]
    fn one_alone_is_told_and_nobody_waits_for_him() {
        let callers = Callers::default();
        let mut teller = Teller::default();
        teller.tell(callers.group(0..1), &Ok(()));
        assert_eq!(callers.answered(), [0]);
        assert!(teller.patience().is_none());
    }
}
