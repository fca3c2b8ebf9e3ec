//! The operations of a group, one after the other, without savepoints for as long as all goes well.
//!
//! A savepoint costs two statements and a copy of every page that is changed behind it for the first time, an eighth of
//! the writer's work. Nearly every delivery ends well. Where one must be undone, the group's transaction is, and all of
//! it is run again, each with a savepoint of its own.

use super::leash::Leashed;
use super::writer::{Failure, GroupError, Operation};

/// How many operations have savepoints of their own after one had to be undone: the next may well fail, too.
const WARY_FOR: usize = 256;

/// What came of an operation without a savepoint.
pub(super) enum Joined {
    /// It is done, and all that it wrote may stay.
    Done,
    /// It has written nothing, and must run by itself.
    Untouched,
    /// What it wrote must be undone.
    Undo,
}

/// For how many more operations a failure is expected.
#[derive(Debug, Default)]
pub(super) struct Wariness(usize);

/// Runs each operation of a group, and those that come meanwhile.
pub(super) fn run_all(
    leashed: &Leashed,
    group: &mut Vec<Box<dyn Operation>>,
    latecomers: impl Fn(usize) -> Vec<Box<dyn Operation>>,
    wariness: &mut Wariness,
) -> Result<(), Failure> {
    let mut can_run_again = wariness.0 == 0 && !leashed.has_savepoints();
    let mut at = 0;
    while let Some(operation) = group.get_mut(at) {
        let joined = if can_run_again {
            operation.join(leashed)
        } else {
            Joined::Untouched
        };
        still_open(leashed)?;
        if matches!(joined, Joined::Undo) || (can_run_again && leashed.has_savepoints()) {
            leashed
                .begin_again()
                .map_err(|error| Failure::Engine(GroupError::new("begin again", error)))?;
            wariness.0 = WARY_FOR;
            can_run_again = false;
            at = 0;
            continue;
        }
        if matches!(joined, Joined::Untouched) {
            operation.run(leashed);
            still_open(leashed)?;
            can_run_again &= operation.can_run_again();
        }
        at += 1;
        if at == group.len() {
            group.extend(latecomers(at));
        }
    }
    wariness.0 = wariness.0.saturating_sub(at);
    Ok(())
}

fn still_open(leashed: &Leashed) -> Result<(), Failure> {
    if leashed.connection().is_autocommit() {
        return Err(Failure::Spoilt(GroupError::new(
            "carry an operation out",
            "its transaction was ended",
        )));
    }
    Ok(())
}
