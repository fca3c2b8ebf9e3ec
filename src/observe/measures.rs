//! Counters, histograms and a gauge, by the `metrics` facade. Without the feature every function here is empty.

#[cfg(feature = "metrics")]
use std::time::Instant;

use crate::event::{AppName, SourceName};

#[cfg(feature = "metrics")]
const CALLBACKS: &str = "postback_callbacks_total";
#[cfg(feature = "metrics")]
const REFUSED: &str = "postback_requests_refused_total";
#[cfg(feature = "metrics")]
const CALLBACK_SECONDS: &str = "postback_callback_seconds";
#[cfg(feature = "metrics")]
const HANDLER_SECONDS: &str = "postback_handler_seconds";
#[cfg(feature = "metrics")]
const STORE_SECONDS: &str = "postback_store_seconds";
#[cfg(feature = "metrics")]
const RESUMED: &str = "postback_resumed_total";
#[cfg(feature = "metrics")]
const OPEN: &str = "postback_open_decisions";

/// Describes every metric, with its unit, to the recorder. Call it once, after that has been installed.
///
/// ```
/// // An exporter of your choice: here one for Prometheus.
/// let exporter = metrics_exporter_prometheus::PrometheusBuilder::new().install_recorder()?;
/// postback::observe::describe();
/// let page = exporter.render(); // what `GET /metrics` answers
/// # let _ = page;
/// # Ok::<(), metrics_exporter_prometheus::BuildError>(())
/// ```
#[cfg(feature = "metrics")]
pub fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

    let count = Unit::Count;
    describe_counter!(
        CALLBACKS,
        count,
        "Genuine callbacks, by what became of them"
    );
    describe_counter!(REFUSED, count, "Requests that were refused, by cause");
    let seconds = Unit::Seconds;
    describe_histogram!(
        CALLBACK_SECONDS,
        seconds,
        "From a genuine callback to its answer"
    );
    describe_histogram!(HANDLER_SECONDS, seconds, "One call of the game's handler");
    describe_histogram!(
        STORE_SECONDS,
        seconds,
        "One operation of the store; `transaction` holds the handler's call, too"
    );
    describe_counter!(
        RESUMED,
        count,
        "Open decisions that were repeated, by what became of them"
    );
    describe_gauge!(
        OPEN,
        count,
        "Decisions that were still open after the last look at them"
    );
}

/// When something began.
#[derive(Clone, Copy)]
pub(crate) struct Since {
    #[cfg(feature = "metrics")]
    began: Instant,
}

impl Since {
    pub(crate) fn now() -> Self {
        Self {
            #[cfg(feature = "metrics")]
            began: Instant::now(),
        }
    }
}

/// A genuine callback has its answer.
#[cfg_attr(
    not(feature = "metrics"),
    allow(unused_variables, reason = "told to metrics alone")
)]
pub(crate) fn callback(
    source: &SourceName,
    app: &AppName,
    kind: &'static str,
    outcome: &'static str,
    since: Since,
) {
    #[cfg(feature = "metrics")]
    {
        let source = metrics::SharedString::from(source.as_str().to_owned());
        let app = app.as_str().to_owned();
        metrics::counter!(CALLBACKS, "source" => source.clone(), "app" => app, "kind" => kind, "outcome" => outcome)
            .increment(1);
        metrics::histogram!(CALLBACK_SECONDS, "source" => source, "outcome" => outcome)
            .record(since.began.elapsed());
    }
}

/// A request was refused.
#[cfg_attr(
    not(feature = "metrics"),
    allow(unused_variables, reason = "told to metrics alone")
)]
pub(super) fn refused(cause: &'static str, fault: &'static str) {
    #[cfg(feature = "metrics")]
    metrics::counter!(REFUSED, "cause" => cause, "fault" => fault).increment(1);
}

/// The handler has returned.
#[cfg_attr(
    not(feature = "metrics"),
    allow(unused_variables, reason = "told to metrics alone")
)]
pub(crate) fn handler(result: &'static str, since: Since) {
    #[cfg(feature = "metrics")]
    metrics::histogram!(HANDLER_SECONDS, "result" => result).record(since.began.elapsed());
}

/// An operation of a store has ended.
pub(crate) fn stored<T, E>(
    operation: &'static str,
    result: Result<T, E>,
    since: Since,
) -> Result<T, E> {
    store(operation, result.is_err(), since);
    result
}

/// A transaction of the store with the handler's work in it has ended.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn transaction(is_failed: bool, since: Since) {
    store("transaction", is_failed, since);
}

#[cfg_attr(
    not(feature = "metrics"),
    allow(unused_variables, reason = "told to metrics alone")
)]
fn store(operation: &'static str, is_failed: bool, since: Since) {
    #[cfg(feature = "metrics")]
    {
        let result = if is_failed { "failed" } else { "ok" };
        metrics::histogram!(STORE_SECONDS, "operation" => operation, "result" => result)
            .record(since.began.elapsed());
    }
}

/// All open decisions have been looked at. Those that somebody is at work on, and those that failed again, are
/// open still.
#[cfg_attr(
    not(feature = "metrics"),
    allow(unused_variables, reason = "told to metrics alone")
)]
pub(crate) fn left_open(settled: usize, busy: usize, failed: usize) {
    #[cfg(feature = "metrics")]
    {
        for (result, count) in [("settled", settled), ("busy", busy), ("failed", failed)] {
            metrics::counter!(RESUMED, "result" => result)
                .increment(u64::try_from(count).unwrap_or(u64::MAX));
        }
        let open = busy.saturating_add(failed);
        metrics::gauge!(OPEN).set(f64::from(u32::try_from(open).unwrap_or(u32::MAX)));
    }
}
