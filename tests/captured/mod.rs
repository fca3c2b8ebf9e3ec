//! Captures what is logged, with the span that each line stands in.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// Names and values, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(&'static str, String)>);

impl Fields {
    pub fn value(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn names(&self) -> Vec<&'static str> {
        let names = self.0.iter().map(|(name, _)| *name);
        names.filter(|name| *name != "message").collect()
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.push((field.name(), format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), value.to_owned()));
    }
}

/// One line, or one span that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub target: String,
    pub level: String,
    /// The message, or the span's name.
    pub message: String,
    pub fields: Fields,
    /// The span that the line stands in: its name and fields.
    pub within: Option<(String, Fields)>,
}

/// What has been captured so far, in the whole process.
#[derive(Clone, Default)]
pub struct Captured {
    pub lines: Arc<Mutex<Vec<Line>>>,
    pub spans: Arc<Mutex<Vec<Line>>>,
}

impl Captured {
    /// Listens to the whole process from now on.
    pub fn start() -> Self {
        let captured = Self::default();
        let listening = tracing_subscriber::registry().with(captured.clone());
        tracing::subscriber::set_global_default(listening).unwrap();
        captured
    }

    pub fn lines(&self) -> Vec<Line> {
        self.lines.lock().unwrap().clone()
    }

    pub fn spans(&self) -> Vec<Line> {
        self.spans.lock().unwrap().clone()
    }
}

fn is_ours(target: &str) -> bool {
    target.starts_with("postback") || target == "game"
}

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for Captured {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let span = context.span(id).unwrap();
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let span = context.span(&id).unwrap();
        if !is_ours(span.metadata().target()) {
            return;
        }
        let fields = span.extensions().get::<Fields>().cloned();
        self.spans.lock().unwrap().push(Line {
            target: span.metadata().target().to_owned(),
            level: span.metadata().level().to_string(),
            message: span.name().to_owned(),
            fields: fields.unwrap_or_default(),
            within: None,
        });
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        if !is_ours(metadata.target()) {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        let within = context.event_span(event).map(|span| {
            let fields = span.extensions().get::<Fields>().cloned();
            (span.name().to_owned(), fields.unwrap_or_default())
        });
        self.lines.lock().unwrap().push(Line {
            target: metadata.target().to_owned(),
            level: metadata.level().to_string(),
            message: fields.value("message").unwrap_or_default().to_owned(),
            fields,
            within,
        });
    }
}
