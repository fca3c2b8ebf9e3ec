//! So many callers at once, each doing one thing after the other.

use std::time::{Duration, Instant};

/// One round of one case.
#[derive(Default)]
pub(crate) struct Round {
    pub(crate) rate: f64,
    /// Sorted. Empty where nobody waits for a single one.
    waits: Vec<Duration>,
    /// How many there were.
    done: usize,
    /// What was written for each, in KiB, where that is known.
    pub(crate) written: Option<f64>,
    /// How many conversions there are at the end, where that is known.
    pub(crate) rows: Option<u64>,
}

impl Round {
    pub(crate) fn of(done: usize, elapsed: Duration, mut waits: Vec<Duration>) -> Self {
        waits.sort_unstable();
        #[allow(clippy::cast_precision_loss, reason = "a rate")]
        let rate = done as f64 / elapsed.as_secs_f64();
        Self {
            rate,
            waits,
            done,
            written: None,
            rows: None,
        }
    }

    /// Notes how many bytes were written for all of them.
    #[allow(clippy::cast_precision_loss, reason = "a rate")]
    pub(crate) fn having_written(mut self, bytes: u64) -> Self {
        self.written = Some(bytes as f64 / 1024.0 / self.done.max(1) as f64);
        self
    }

    /// How long the slowest but so many of a million waited.
    pub(crate) fn wait(&self, millionth: usize) -> Option<Duration> {
        let at = (self.waits.len() * millionth / 1_000_000).min(self.waits.len().checked_sub(1)?);
        self.waits.get(at).copied()
    }
}

/// The jobs are dealt out to the callers. Ends when the span is over, or the jobs are done.
pub(crate) async fn call<T, W, F>(jobs: Vec<T>, callers: usize, span: Duration, work: W) -> Round
where
    T: Send + 'static,
    W: Fn(T) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let mut shares: Vec<Vec<T>> = Vec::new();
    shares.resize_with(callers, Vec::new);
    for (at, job) in jobs.into_iter().enumerate() {
        shares[at % callers].push(job);
    }
    let started = Instant::now();
    let callers: Vec<_> = shares
        .into_iter()
        .map(|share| {
            let work = work.clone();
            tokio::spawn(async move {
                let mut waits = Vec::with_capacity(share.len());
                for job in share {
                    let called = Instant::now();
                    if called.duration_since(started) >= span {
                        break;
                    }
                    work(job).await;
                    waits.push(called.elapsed());
                }
                waits
            })
        })
        .collect();
    let mut waits = Vec::new();
    for caller in callers {
        waits.extend(caller.await.unwrap());
    }
    Round::of(waits.len(), started.elapsed(), waits)
}

/// One thread, one group of jobs after the other.
pub(crate) fn grouped<T>(
    jobs: &[T],
    group: usize,
    span: Duration,
    mut work: impl FnMut(&[T]),
) -> Round {
    let started = Instant::now();
    let mut done = 0;
    for jobs in jobs.chunks(group) {
        if started.elapsed() >= span {
            break;
        }
        work(jobs);
        done += jobs.len();
    }
    Round::of(done, started.elapsed(), Vec::new())
}
