//! Which schedules are tried: every one with few delays, and many at random.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use shuttle::scheduler::{PctScheduler, RandomScheduler, Schedule, Scheduler, Task, TaskId};
use shuttle::{Config, Runner};

/// What is explored in the larger form, and in the quick one.
fn is_full() -> bool {
    std::env::var_os("POSTBACK_SCHEDULES_FULL").is_some()
}

/// Runs the scene in every schedule with at most so many delays; the larger form allows for one more.
///
/// Without a delay, a thread goes on until it waits or ends, and then it is the next one's turn. A delay passes over
/// the thread whose turn it is.
pub(crate) fn every_schedule(scene: &str, delays: usize, run: impl Fn() + Send + Sync + 'static) {
    let most = delays + usize::from(is_full());
    let is_complete = Arc::new(AtomicBool::new(false));
    let scheduler = Delays {
        most,
        used: 0,
        depth: 0,
        way: Vec::new(),
        is_complete: Arc::clone(&is_complete),
    };
    let started = Instant::now();
    let count = Runner::new(scheduler, config()).run(run);
    assert!(is_complete.load(Ordering::SeqCst), "{scene}: not complete");
    let span = started.elapsed();
    println!("{scene}: {count} schedules, all with up to {most} delays, in {span:.1?}");
}

/// Runs the scene in this many schedules drawn at random, half of them with few changes of thread; twenty
/// times as many in the larger form.
pub(crate) fn random_schedules(scene: &str, count: usize, run: impl Fn() + Send + Sync + 'static) {
    let count = if is_full() { count * 20 } else { count };
    let run = Arc::new(run);
    let started = Instant::now();
    let again = Arc::clone(&run);
    let uniform = RandomScheduler::new_from_seed(1, count / 2);
    Runner::new(uniform, config()).run(move || again());
    let few_changes = PctScheduler::new_from_seed(2, 4, count / 2);
    Runner::new(few_changes, config()).run(move || run());
    let span = started.elapsed();
    println!("{scene}: {count} random schedules in {span:.1?}");
}

fn config() -> Config {
    let mut config = Config::new();
    // SQLite works on the threads' own stacks.
    config.stack_size = 1 << 20;
    config
}

/// Tries every schedule with at most so many delays, depth first.
struct Delays {
    most: usize,
    /// So many in this schedule so far.
    used: usize,
    depth: usize,
    way: Vec<Choice>,
    is_complete: Arc<AtomicBool>,
}

/// Who can be chosen, in the order of their turns, and who is. As many are passed over as come before him.
struct Choice {
    threads: Vec<TaskId>,
    taken: usize,
}

impl Scheduler for Delays {
    fn new_execution(&mut self) -> Option<Schedule> {
        if self.depth > 0 {
            self.way.truncate(self.depth);
            while let Some(last) = self.way.last_mut() {
                last.taken += 1;
                if last.taken < last.threads.len() {
                    break;
                }
                self.way.pop();
            }
            if self.way.is_empty() {
                self.is_complete.store(true, Ordering::SeqCst);
                return None;
            }
        }
        self.used = 0;
        self.depth = 0;
        Some(Schedule::new(0))
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        let mut threads: Vec<TaskId> = runnable.iter().map(|task| task.id()).collect();
        threads.sort_unstable();
        let is_before = |task: &TaskId| {
            current.is_some_and(|current| *task < current || (is_yielding && *task == current))
        };
        let first = threads.iter().filter(|task| is_before(task)).count();
        threads.rotate_left(first);
        if self.depth == self.way.len() {
            threads.truncate(self.most - self.used + 1);
            self.way.push(Choice { threads, taken: 0 });
        } else {
            let known = &self.way[self.depth].threads;
            assert!(
                threads.starts_with(known),
                "the scene depends on more than the schedule"
            );
        }
        let choice = &self.way[self.depth];
        self.depth += 1;
        self.used += choice.taken;
        Some(choice.threads[choice.taken])
    }

    fn next_u64(&mut self) -> u64 {
        0
    }
}
