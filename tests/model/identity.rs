//! When two worlds are the same.
//!
//! Processes are interchangeable, so their order does not count. Nor does what nothing reads any more: the
//! moments at which something was received or settled, how often a decision was tried, and by which number
//! a version goes; only whether a version is still the stored one, and how long a lease still runs, can
//! decide anything. `exact` worlds are told apart by every field, and a test in `main.rs` holds the two
//! against each other.

use std::hash::{DefaultHasher, Hash, Hasher};

use postback::clock::Timestamp;
use postback::event::EventKind;
use postback::guard::Record;
use postback::steps::{Answer, Handled, Receipt, Step};
use postback::store::{Stored, Version};

use crate::world::{Database, Wallet, Work, World};

impl Hash for World {
    fn hash<H: Hasher>(&self, to: &mut H) {
        if self.exact {
            return format!("{self:?}").hash(to);
        }
        let Self {
            committed,
            transaction,
            senders,
            receivers,
            still_at_work,
            left,
            now,
            exact: _,
        } = self;
        hash_database(committed, *now, to);
        let mut works: Vec<u64> = receivers
            .iter()
            .enumerate()
            .map(|(index, work)| {
                let mut own = DefaultHasher::new();
                transaction
                    .as_ref()
                    .is_some_and(|transaction| transaction.by == index)
                    .hash(&mut own);
                if let Some(work) = work {
                    hash_work(
                        work,
                        transaction.as_ref().map_or(committed, |t| &t.database),
                        *now,
                        &mut own,
                    );
                }
                own.finish()
            })
            .collect();
        works.sort_unstable();
        works.hash(to);
        if let Some(transaction) = transaction {
            hash_database(&transaction.database, *now, to);
            for (job, answer) in &transaction.answers {
                job.hash(to);
                hash_answer(answer, to);
            }
        }
        senders.hash(to);
        let mut late: Vec<_> = still_at_work
            .iter()
            .map(|decision| decision.id().as_str())
            .collect();
        late.sort_unstable();
        late.hash(to);
        left.hash(to);
    }
}

fn hash_database(database: &Database, now: Timestamp, to: &mut impl Hasher) {
    let Database { record, wallet } = database;
    record.is_some().hash(to);
    if let Some(Stored { version: _, record }) = record {
        hash_record(record, now, to);
    }
    let Wallet {
        balance,
        carried_out,
        refused,
        paid_twice,
    } = wallet;
    (balance, carried_out, refused, paid_twice).hash(to);
}

/// Which messages it holds, in which order they came, which are settled or forgotten, and what is open.
fn hash_record(record: &Record, now: Timestamp, to: &mut impl Hasher) {
    for entry in record.entries() {
        if let EventKind::Conversion {
            transaction,
            effect,
            ..
        } = &entry.event().kind
        {
            (transaction, std::mem::discriminant(effect)).hash(to);
        }
        entry.is_forgotten().hash(to);
        entry.settled().is_some().hash(to);
    }
    record.settled().hash(to);
    record.open().map(|intent| intent.busy_for(now)).hash(to);
    record.closed().is_some().hash(to);
}

fn hash_work(work: &Work, database: &Database, now: Timestamp, to: &mut impl Hasher) {
    let Work {
        job,
        steps: _,
        step,
        settlement,
        turns,
        waits,
        handled,
        replaced: _,
    } = work;
    (job, turns, waits).hash(to);
    handled
        .as_ref()
        .map(std::mem::discriminant::<Handled>)
        .hash(to);
    std::mem::discriminant(step).hash(to);
    let mut hash_held = |expected: Option<Version>, record: &Record| {
        (expected == database.version()).hash(to);
        hash_record(record, now, to);
    };
    match step {
        Step::Load(_) | Step::Wait(_) => {}
        Step::Swap { expected, record } => hash_held(*expected, record),
        Step::Handle(decision) => {
            if let Some((expected, record)) = settlement {
                hash_held(*expected, record);
            }
            decision.id().hash(to);
            decision.balance_change().hash(to);
        }
        Step::Answer(answer) => hash_answer(answer, to),
    }
}

fn hash_answer(answer: &Answer, to: &mut impl Hasher) {
    match answer {
        Answer::Receipt(Receipt::Settled(id, kind)) => (0, id, kind).hash(to),
        Answer::Receipt(Receipt::Refused(id)) => (1, id).hash(to),
        Answer::Receipt(receipt) => (2, receipt.as_str()).hash(to),
        Answer::Busy { .. } => 3.hash(to),
        Answer::HandlerFailed(id) => (4, id).hash(to),
    }
}
