//! Any text as a description, and the presets with edits: an error that says what is wrong, or an endpoint that no
//! request makes panic.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use postback::network::{Description, Meaning};
use postback::testing::described::DescribedSigner;
use postback::{Callback, Endpoint, Request};

static PRESETS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../networks")).unwrap();
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
});

/// Replaces up to three lines by one.
#[derive(Debug, Arbitrary)]
struct Edit<'a> {
    at: u8,
    removed: u8,
    line: Line<'a>,
}

#[derive(Debug, Arbitrary)]
enum Line<'a> {
    None,
    Text(&'a str),
    /// Of a preset.
    Known(u8, u8),
}

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    /// A preset by its number, or an empty file.
    preset: u8,
    edits: Vec<Edit<'a>>,
    meaning: u8,
    values: Vec<(&'a str, &'a str)>,
    is_post: bool,
    target: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    body: &'a [u8],
}

impl Input<'_> {
    fn text(&self) -> String {
        let mut lines: Vec<&str> = lines_of(self.preset).collect();
        for edit in &self.edits {
            let start = usize::from(edit.at).min(lines.len());
            let end = (start + usize::from(edit.removed % 4)).min(lines.len());
            let line = match edit.line {
                Line::None => None,
                Line::Text(text) => Some(text),
                Line::Known(preset, line) => lines_of(preset).nth(usize::from(line)),
            };
            lines.splice(start..end, line);
        }
        lines.join("\n")
    }
}

fn lines_of(preset: u8) -> impl Iterator<Item = &'static str> {
    let preset = usize::from(preset) % (PRESETS.len() + 1);
    PRESETS.get(preset).map_or("", String::as_str).lines()
}

fuzz_target!(|input: Input<'_>| {
    let description = match Description::from_toml(&input.text()) {
        Ok(description) => description,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let facts = [description.authentication(), description.reversals(), description.response()];
    let _ = (facts, description.coverage(), description.macros(), description.reversal_url("https://game.example"));
    let Ok(builder) = description.app("game").secret("secret") else {
        return;
    };
    let Ok(url) = builder.dashboard_url("https://game.example") else {
        return;
    };
    let _ = description.check_url(&url);
    let endpoint = match builder.url(&url).build() {
        Ok(endpoint) => endpoint,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    // What anybody may send.
    let method = if input.is_post { "POST" } else { "GET" };
    let request = Request::new(method, input.target).with_headers(&input.headers).with_body(input.body);
    let _ = endpoint.verify(&request);
    // What the network may send: it is genuine, or the endpoint is one that this network cannot sign for.
    let meaning = [Meaning::Completed, Meaning::Pending, Meaning::Reversed][usize::from(input.meaning % 3)];
    let signer = DescribedSigner::new(&description, &url, "secret");
    let mut draft = signer.callback().player("p1").transaction("t1").amount("500");
    for (name, value) in &input.values {
        draft = draft.set(*name, *value);
    }
    let sent = draft.meaning(meaning, "t0").sign();
    if let Ok(callback) = endpoint.verify(&sent.request()) {
        let _ = callback.to_event().key();
        assert_eq!(endpoint.verify(&sent.request()).unwrap().into_inner(), callback.into_inner());
    }
});
