//! Logs and metrics. Their names and fields are part of the public interface: see `docs/observability.md`.
//!
//! Logs go through [`tracing`], under targets that begin with `postback`. Metrics go through the `metrics` facade, with
//! the feature of that name. Neither ever contains a secret, a signature, a URL or a player.

use std::error::Error;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tracing::Span;

use crate::decision::{Action, Decision};
use crate::event::{Event, EventKind};
use crate::id::RecordKey;
use crate::network::{Endpoint, EndpointLabels};
use crate::protocol::{HandlerResult, Receipt};
use crate::store::StoreError;
use crate::verify::{BadRequest, Unusable, VerifyError};

/// Measures how long something takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timer(#[cfg(feature = "metrics")] Instant);

impl Timer {
    pub(crate) fn start() -> Self {
        Self(
            #[cfg(feature = "metrics")]
            Instant::now(),
        )
    }
}

/// One genuine callback in logs and metrics.
pub(crate) struct CallbackSpan<'e> {
    event: &'e Event,
    timer: Timer,
}

impl<'e> CallbackSpan<'e> {
    pub(crate) fn new(event: &'e Event) -> Self {
        Self { event, timer: Timer::start() }
    }

    /// Entered while the callback is worked on, so that what a handler logs says about which callback.
    pub(crate) fn span(&self) -> Span {
        tracing::info_span!(
            target: "postback::callback",
            "callback",
            network = self.event.network.as_str(),
            app = self.event.app.as_str(),
            endpoint = &*self.event.endpoint,
            conversion = transaction(self.event),
            kind = self.event.kind.as_str(),
        )
    }

    /// Logs and counts what became of it: the receipt, or an error with its fixed word.
    pub(crate) fn finish(self, result: Result<&Receipt, (&'static str, &dyn Error)>) {
        let (outcome, reason) = match result {
            Ok(receipt) => outcome(receipt),
            Err((word, _)) => (word, ""),
        };
        metrics::callback(self.event, outcome, reason, self.timer);
        macro_rules! log {
            ($level:ident, $message:literal $(, $($field:tt)*)?) => {
                tracing::$level!(
                    target: "postback::callback",
                    network = self.event.network.as_str(),
                    app = self.event.app.as_str(),
                    endpoint = &*self.event.endpoint,
                    conversion = transaction(self.event),
                    kind = self.event.kind.as_str(),
                    outcome,
                    reason,
                    $($($field)*,)?
                    $message
                )
            };
        }
        match result {
            Ok(Receipt::Settled(decision) | Receipt::Accepted(decision)) => match decision.action() {
                Action::Conflict { .. } => log!(warn, "callback contradicts an earlier one: nothing was paid"),
                Action::Nothing { reason } if reason.is_doubtful() => {
                    log!(warn, "callback was not paid: check whether money is missing");
                }
                _ => log!(info, "callback taken"),
            },
            Ok(Receipt::Test) => log!(info, "test callback: nothing is paid"),
            Ok(Receipt::Declined(_)) => log!(warn, "the handler declined the decision"),
            // Perhaps the reversal of what was paid before: a person may have to act.
            Ok(Receipt::Closed) => log!(warn, "callback of a closed conversion: kept, and nothing moves"),
            Ok(Receipt::Duplicate | Receipt::NothingPending) => log!(debug, "callback taken"),
            Err((_, error)) => {
                log!(warn, "callback not delivered", error = %error, error.source = source_of(error));
            }
        }
    }
}

/// What became of a callback, and why if nothing is paid: one fixed word each.
fn outcome(receipt: &Receipt) -> (&'static str, &'static str) {
    match receipt {
        Receipt::Settled(decision) | Receipt::Accepted(decision) => match decision.action() {
            Action::Nothing { reason } => ("nothing", reason.as_str()),
            Action::Conflict { kind } => ("conflict", kind.as_str()),
            action => (action.as_str(), ""),
        },
        receipt => (receipt.as_str(), ""),
    }
}

/// The event's transaction. Empty for a ban, which has none.
fn transaction(event: &Event) -> &str {
    match &event.kind {
        EventKind::Conversion { transaction, .. } => transaction.as_str(),
        EventKind::Ban(_) => "",
    }
}

fn source_of(error: &dyn Error) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}

/// An operation of a store ended.
pub(crate) fn record_store<T>(
    operation: &'static str,
    result: Result<T, StoreError>,
    timer: Timer,
) -> Result<T, StoreError> {
    metrics::store(operation, if result.is_ok() { "ok" } else { "failed" }, timer);
    result
}

/// A call of the handler ended.
pub(crate) fn record_handler(decision: &Decision, result: &HandlerResult, timer: Timer) {
    metrics::handler(result.as_str(), timer);
    let id = decision.id().redacted();
    match result {
        HandlerResult::Done => {}
        HandlerResult::Declined { .. } => {
            tracing::warn!(target: "postback::decision", %id, "the handler declined a decision");
        }
        HandlerResult::Failed { error } => {
            tracing::error!(target: "postback::decision", %id, error, "the handler failed: the decision stays pending");
        }
        HandlerResult::TimedOut | HandlerResult::NotStarted => {
            let error = result.as_str();
            tracing::error!(target: "postback::decision", %id, error, "the handler did not finish: the decision stays pending");
        }
    }
}

macro_rules! log_unusable {
    ($unusable:expr, $message:literal) => {
        tracing::error!(
            target: "postback::request",
            network = $unusable.callback.network.as_str(),
            app = $unusable.callback.app.as_str(),
            endpoint = &*$unusable.callback.endpoint,
            reason = $unusable.problem.as_str(),
            error = %$unusable.problem,
            $message
        )
    };
}

/// A genuine callback cannot be used, and there is no store to keep it in.
#[cfg(any(feature = "actix-web", feature = "axum"))]
pub(crate) fn log_not_kept(error: &VerifyError) {
    if let VerifyError::Unusable(unusable) = error {
        log_unusable!(unusable, "genuine callback cannot be used, and is not kept");
    }
}

/// A genuine callback that cannot be used was kept.
pub(crate) fn log_kept(unusable: &Unusable, removed: usize) {
    log_unusable!(unusable, "genuine callback cannot be used: kept, to be replayed once the cause is fixed");
    if removed > 0 {
        tracing::error!(target: "postback::request", removed, "the oldest kept callbacks were removed: too many");
    }
}

static REJECTIONS: RateLimit = RateLimit::new();

/// A request was rejected. Logged at a bounded rate, so that a flood of forgeries cannot fill a disk.
pub(crate) fn record_rejected<E: Endpoint>(endpoint: &E, error: &VerifyError) {
    // An accepted probe is answered 200.
    if matches!(error, VerifyError::BadRequest(BadRequest::Empty)) && endpoint.responses().accept_probe {
        return;
    }
    let labels = endpoint.labels();
    let (reason, origin) = (error.as_str(), error.origin().as_str());
    metrics::rejected(labels, reason, origin);
    // What is genuine is logged where it is kept, or not.
    if error.is_genuine() {
        return;
    }
    let Some(suppressed) = REJECTIONS.admit() else {
        return;
    };
    tracing::warn!(
        target: "postback::request",
        network = labels.network,
        app = labels.app,
        endpoint = labels.endpoint,
        reason,
        origin,
        error = %error,
        suppressed,
        "request rejected"
    );
}

/// One pass of recovery ended: the number of records by result.
pub(crate) fn record_recovery(delivered: usize, busy: usize, waiting: usize, failed: usize) {
    metrics::recovery(delivered, busy, failed);
    if busy.saturating_add(waiting).saturating_add(failed) > 0 {
        tracing::warn!(target: "postback::recovery", delivered, busy, waiting, failed, "decisions are still pending");
    } else if delivered > 0 {
        tracing::info!(target: "postback::recovery", delivered, "pending decisions delivered");
    }
}

/// How many records have pending decisions.
pub(crate) fn record_pending(records: usize) {
    metrics::pending(records);
}

pub(crate) fn log_recovery_failed(error: &StoreError) {
    let source = source_of(error);
    tracing::warn!(target: "postback::recovery", %error, error.source = source, "recovery failed: it is tried again");
}

/// A record cannot be read.
pub(crate) fn log_unreadable(key: &RecordKey, error: &StoreError) {
    let (key, source) = (key.redacted(), source_of(error));
    tracing::error!(target: "postback::store", key, %error, error.source = source, "unreadable record");
}

/// Admits ten lines a second and counts the rest.
struct RateLimit(Mutex<Option<Window>>);

struct Window {
    began: Instant,
    admitted: u32,
    suppressed: u64,
}

impl RateLimit {
    const PER_WINDOW: u32 = 10;
    const WINDOW: Duration = Duration::from_secs(1);

    const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// `None`: suppress it. Otherwise how many were suppressed since the last one that was admitted.
    fn admit(&self) -> Option<u64> {
        let mut window = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let window = window.get_or_insert_with(|| Window { began: Instant::now(), admitted: 0, suppressed: 0 });
        if window.began.elapsed() >= Self::WINDOW {
            (window.began, window.admitted) = (Instant::now(), 0);
        }
        if window.admitted >= Self::PER_WINDOW {
            window.suppressed = window.suppressed.saturating_add(1);
            return None;
        }
        window.admitted = window.admitted.saturating_add(1);
        Some(std::mem::take(&mut window.suppressed))
    }
}

/// Metrics of this crate, for exporters that show a help text. Call it once, after the exporter was installed.
///
/// ```
/// postback::describe_metrics();
/// ```
#[cfg(feature = "metrics")]
pub fn describe_metrics() {
    use ::metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_counter!("postback_callbacks_total", Unit::Count, "Genuine callbacks by outcome and reason");
    describe_counter!("postback_requests_rejected_total", Unit::Count, "Rejected requests by reason and origin");
    describe_histogram!("postback_callback_duration_seconds", Unit::Seconds, "From a genuine callback to its receipt");
    describe_histogram!("postback_handler_duration_seconds", Unit::Seconds, "One call of the handler");
    describe_histogram!("postback_store_duration_seconds", Unit::Seconds, "One operation of the store");
    describe_counter!(
        "postback_unlisted_senders_total",
        Unit::Count,
        "Genuine callbacks from addresses that are not on the network's list"
    );
    describe_counter!("postback_decisions_retried_total", Unit::Count, "Records that recovery worked on, by result");
    describe_gauge!(
        "postback_decisions_pending",
        Unit::Count,
        "Records with pending decisions after the last recovery"
    );
}

#[cfg(feature = "metrics")]
mod metrics {
    use ::metrics::{SharedString, counter, gauge, histogram};

    use super::{EndpointLabels, Event, Timer};

    pub(super) fn callback(event: &Event, outcome: &'static str, reason: &'static str, timer: Timer) {
        let network = SharedString::from(event.network.as_str().to_owned());
        let app = event.app.as_str().to_owned();
        let kind = event.kind.as_str();
        counter!("postback_callbacks_total", "network" => network.clone(), "app" => app, "kind" => kind,
            "outcome" => outcome, "reason" => reason)
        .increment(1);
        histogram!("postback_callback_duration_seconds", "network" => network, "outcome" => outcome)
            .record(timer.0.elapsed());
    }

    pub(super) fn rejected(labels: EndpointLabels<'_>, reason: &'static str, origin: &'static str) {
        let network = labels.network.to_owned();
        counter!("postback_requests_rejected_total", "network" => network, "reason" => reason, "origin" => origin)
            .increment(1);
    }

    pub(super) fn handler(result: &'static str, timer: Timer) {
        histogram!("postback_handler_duration_seconds", "result" => result).record(timer.0.elapsed());
    }

    pub(super) fn store(operation: &'static str, result: &'static str, timer: Timer) {
        histogram!("postback_store_duration_seconds", "operation" => operation, "result" => result)
            .record(timer.0.elapsed());
    }

    pub(super) fn recovery(delivered: usize, busy: usize, failed: usize) {
        for (result, count) in [("delivered", delivered), ("busy", busy), ("failed", failed)] {
            counter!("postback_decisions_retried_total", "result" => result)
                .increment(u64::try_from(count).unwrap_or(u64::MAX));
        }
    }

    pub(super) fn pending(records: usize) {
        gauge!("postback_decisions_pending").set(f64::from(u32::try_from(records).unwrap_or(u32::MAX)));
    }
}

/// Without the feature, nothing is measured.
#[cfg(not(feature = "metrics"))]
mod metrics {
    use super::{EndpointLabels, Event, Timer};

    pub(super) fn callback(_: &Event, _: &'static str, _: &'static str, _: Timer) {}
    pub(super) fn rejected(_: EndpointLabels<'_>, _: &'static str, _: &'static str) {}
    pub(super) fn handler(_: &'static str, _: Timer) {}
    pub(super) fn store(_: &'static str, _: &'static str, _: Timer) {}
    pub(super) fn recovery(_: usize, _: usize, _: usize) {}

    pub(super) fn pending(_: usize) {}
}
