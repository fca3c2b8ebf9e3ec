//! Requests that were refused: all of them counted, and logged at a bounded rate.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::limit::Limit;
use super::measures;
#[cfg(feature = "actix-web")]
use crate::source::Fault;
use crate::source::{EndpointNames, OpenError};

/// How many lines of one cause are written in a window, unless set.
static LINES: AtomicU32 = AtomicU32::new(10);
/// How long a window is, unless set.
static WINDOW_MILLIS: AtomicU64 = AtomicU64::new(60_000);
/// Whether something has been suppressed of which nobody has been told.
static IS_SUPPRESSING: AtomicBool = AtomicBool::new(false);

/// One cause, in one fixed word.
struct Cause {
    word: &'static str,
    limit: Limit,
}

macro_rules! causes {
    ($($name:ident $word:literal: $error:pat),* $(,)?) => {
        $(static $name: Cause = Cause { word: $word, limit: Limit::new() };)*
        static NOT_CONFIGURED: Cause = Cause { word: "not_configured", limit: Limit::new() };
        static ALL: &[&Cause] = &[&NOT_CONFIGURED, $(&$name),*];

        fn cause_of(error: &OpenError) -> &'static Cause {
            match error {
                $($error => &$name,)*
            }
        }
    };
}

causes! {
    METHOD "method": OpenError::Method { .. },
    URL_TOO_LONG "url_too_long": OpenError::TooLong { .. },
    FRAGMENT "fragment": OpenError::Fragment,
    TOO_MANY_PARAMETERS "too_many_parameters": OpenError::TooManyParameters { .. },
    SIGNATURE_MISSING "signature_missing": OpenError::SignatureMissing,
    SIGNATURE_EMPTY "signature_empty": OpenError::SignatureEmpty,
    SIGNATURE_MALFORMED "signature_malformed": OpenError::SignatureMalformed,
    SIGNATURE_WRONG "signature_wrong": OpenError::SignatureWrong,
    PARAMETER_REPEATED "parameter_repeated": OpenError::Repeated { .. },
    PARAMETER_MISSING "parameter_missing": OpenError::Missing { .. },
    PARAMETER_EMPTY "parameter_empty": OpenError::Empty { .. },
    PARAMETER_MALFORMED "parameter_malformed": OpenError::Malformed { .. },
    PARAMETER_NOT_AN_ID "parameter_not_an_id": OpenError::Identifier { .. },
    ENCODING "encoding": OpenError::Encoding,
    STATIC_CHANGED "static_changed": OpenError::StaticChanged { .. },
    BODY_TOO_LARGE "body_too_large": OpenError::BodyTooLarge { .. },
    BODY_CUT_OFF "body_cut_off": OpenError::BodyCutOff,
    CREDENTIALS "credentials": OpenError::Credentials { .. },
    CONTENT_TYPE "content_type": OpenError::UnsupportedMediaType { .. },
    BODY_MALFORMED "body_malformed": OpenError::BodyMalformed { .. },
    FIELD_NESTED "field_nested": OpenError::Nested { .. },
    OTHER_STATE "other_state": OpenError::OtherState { .. },
}

/// Sets how many refused requests of one cause are logged within a window: 10 in 60 seconds, unless set. For the
/// whole process; to be called at start.
///
/// What is over that is counted, and one line says how many there were, with the next request or callback after
/// the window. `u32::MAX` lines are all of them, for a tool that reads the log to block addresses, say. Metrics count all
/// in any case.
pub fn limit_refusals(lines: u32, window: Duration) {
    LINES.store(lines, Ordering::Relaxed);
    let millis = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
    WINDOW_MILLIS.store(millis.max(1), Ordering::Relaxed);
}

/// Tells log and metrics that an endpoint refused a request. The web adapters of this crate do; call it in an adapter
/// of your own, with the [`names`](crate::source::Source::names) of the endpoint.
pub fn refused(names: EndpointNames<'_>, error: &OpenError) {
    let (cause, fault) = (cause_of(error), error.fault().as_str());
    measures::refused(cause.word, fault);
    let is_genuine = error.is_of_genuine_callback();
    let is_heard = if is_genuine {
        tracing::enabled!(target: "postback::request", tracing::Level::ERROR)
    } else {
        tracing::enabled!(target: "postback::request", tracing::Level::WARN)
    };
    if !is_heard || !cause.is_admitted() {
        return;
    }
    let cause = cause.word;
    let because = std::error::Error::source(error)
        .map(ToString::to_string)
        .unwrap_or_default();
    macro_rules! tell {
        ($level:ident, $message:literal) => {
            tracing::$level!(
                target: "postback::request",
                source = names.source, app = names.app, endpoint = names.endpoint,
                cause, fault, %error, because, $message
            )
        };
    }
    if is_genuine {
        tell!(
            error,
            "genuine callback refused: what it says is lost unless this is mended"
        );
    } else {
        tell!(warn, "request refused");
    }
}

/// The web server was not given what the handler needs.
#[cfg(feature = "actix-web")]
pub(crate) fn not_configured(error: &dyn std::error::Error) {
    let (cause, fault) = (&NOT_CONFIGURED, Fault::Configuration.as_str());
    measures::refused(cause.word, fault);
    if cause.is_admitted() {
        let cause = cause.word;
        tracing::error!(target: "postback::request", cause, fault, %error, "no callback can be received here");
    }
}

/// Tells how many refusals of past windows were not logged, if there are any.
pub(crate) fn tell_what_is_due() {
    if !IS_SUPPRESSING.load(Ordering::SeqCst) {
        return;
    }
    let (window, lines) = (window(), LINES.load(Ordering::Relaxed));
    // Before the counts are looked at, so that whoever suppresses meanwhile sets it again.
    IS_SUPPRESSING.store(false, Ordering::SeqCst);
    for cause in ALL {
        cause.tell(cause.limit.due(window, lines));
    }
    if ALL.iter().any(|cause| cause.limit.is_suppressing(lines)) {
        IS_SUPPRESSING.store(true, Ordering::SeqCst);
    }
}

impl Cause {
    /// Whether one more is logged. Also tells what is due of others: a flood may have ended.
    fn is_admitted(&self) -> bool {
        let lines = LINES.load(Ordering::Relaxed);
        let admission = self.limit.admit(window(), lines);
        self.tell(admission.suppressed_before);
        if admission.is_logged {
            tell_what_is_due();
        } else if !IS_SUPPRESSING.load(Ordering::SeqCst) {
            IS_SUPPRESSING.store(true, Ordering::SeqCst);
        }
        admission.is_logged
    }

    fn tell(&self, suppressed: u64) {
        if suppressed > 0 {
            let cause = self.word;
            tracing::warn!(target: "postback::request", cause, suppressed, "refused requests were not logged");
        }
    }
}

/// The number of the present window, by a clock that is never set back.
fn window() -> u32 {
    static START: OnceLock<Instant> = OnceLock::new();
    let since = START.get_or_init(Instant::now).elapsed().as_millis();
    let length = u128::from(WINDOW_MILLIS.load(Ordering::Relaxed));
    let window = since.checked_div(length).unwrap_or(since);
    // Counted from one: zero is where a count begins.
    u32::try_from(window).unwrap_or(u32::MAX).saturating_add(1)
}
