//! `postback verify`.

use std::io::BufReader;
use std::path::PathBuf;

use clap::Args;
use postback::source::OpenError;
use postback::wire::{Algorithm, Encoding, KeyRing, Params, Request, SignatureScheme, Verifier};
use serde_json::{Value, json};

use crate::access_log;
use crate::dashboard::Dashboard;
use crate::ending::{Ending, Failure, Outcome, about};
use crate::endpoint::{Opens, find, target_of};
use crate::input::{each_line, each_url};
use crate::output::{Reader, note, print};
use crate::secret::SecretArguments;
use crate::words::{meaning, shown};

#[derive(Args)]
#[command(after_help = "Example:\n  \
    BITLABS_APP_SECRET=JLOIAUNMHFli7ZJOQVEzm98rzqnm9 postback verify \\\n    'https://publisher.com/complete?uid=\
    8cc877ee-af19-488d-b28d-216fb866b996&val=500&hash=dbcd6bb8ca677344592842a52b4fca9bec36cd4b'\n\n\
    Without a dashboard URL, the URL is verified as it stands, and its parameters are printed. With one, it is \
    verified against that, as a receiver does, and typed; a request target (/callbacks?…) will do.\n\n\
    Exit status: 0 every URL is genuine and accepted; 1 at least one is not; 2 the command could not be carried out.")]
pub(crate) struct Verify {
    #[command(flatten)]
    secret: SecretArguments,
    /// One JSON object a URL.
    #[arg(long)]
    json: bool,
    /// Verify the callbacks in an access log (common or combined format); other lines are skipped. Needs
    /// dashboard URLs.
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    access_log: Option<PathBuf>,
    /// The URL as received, hash and all; '-' or nothing: one a line from standard input.
    url: Option<String>,
    #[command(flatten)]
    dashboard: Dashboard,
}

impl Verify {
    pub(crate) fn run(self) -> Outcome {
        let keys = self.secret.keys()?;
        let endpoints = self.dashboard.endpoints(&keys)?;
        let mut all_fine = true;
        let mut show = |method: &str, url: &str| {
            let verdict = verify(&keys, &endpoints, method, url);
            all_fine &= verdict.is_ok();
            if self.json {
                print(as_json(url, &verdict))
            } else {
                print(as_text(&verdict))
            }
        };
        if let Some(path) = &self.access_log {
            if endpoints.is_empty() {
                return Err("--access-log holds no scheme and host: give the dashboard's URL, such as --offers-url".into());
            }
            let name = path.display();
            let file = std::fs::File::open(path)
                .map_err(|error| about(format!("--access-log {name} cannot be read"), error))?;
            let mut skipped = 0_usize;
            each_line(&mut BufReader::new(file), |line| {
                let request = access_log::request(line);
                if let Some((method, target)) =
                    request.filter(|(_, target)| is_for(&endpoints, target))
                {
                    return show(method, target);
                }
                skipped += 1;
                Ok(Reader::There)
            })?;
            note(format_args!("{skipped} other lines skipped"));
        } else {
            each_url(self.url.as_deref(), |url| show("GET", url))?;
        }
        Ok(Ending::fine_if(all_fine))
    }
}

/// Whether a line of a log is a callback: it has an endpoint's path, or a hash.
fn is_for(endpoints: &[Box<dyn Opens>], target: &str) -> bool {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    query.contains("&hash=") || endpoints.iter().any(|endpoint| endpoint.path() == path)
}

/// What a genuine URL says.
struct Genuine {
    summary: Option<String>,
    fields: Value,
    event: Option<Value>,
}

fn verify(
    keys: &KeyRing,
    endpoints: &[Box<dyn Opens>],
    method: &str,
    url: &str,
) -> Result<Genuine, Failure> {
    if endpoints.is_empty() {
        return as_it_stands(keys, url);
    }
    let target = target_of(url);
    let endpoint =
        find(endpoints, &target).ok_or("no dashboard URL that was given has this path")?;
    let opened = endpoint.open(&Request::new(method, &target))?;
    Ok(Genuine {
        summary: Some(meaning(&opened.event.kind)),
        event: serde_json::to_value(&opened.event).ok(),
        fields: opened.fields,
    })
}

/// Without a dashboard URL: under the URL's own prefix.
fn as_it_stands(keys: &KeyRing, url: &str) -> Result<Genuine, Failure> {
    let (prefix, query) = url.split_once('?').ok_or(OpenError::SignatureMissing)?;
    if !prefix.contains("://") {
        return Err("the URL has no scheme and host, which are signed along: give the dashboard's URL, such as --offers-url".into());
    }
    let scheme = SignatureScheme::trailing("hash", Algorithm::HmacSha1, Encoding::Hex);
    let verifier = Verifier::new(scheme, keys, [prefix]);
    let signed = verifier.verify(query)?;
    let params = Params::decode(signed.query(), postback::wire::Limits::default())?;
    let all: Vec<_> = params.iter().collect();
    Ok(Genuine {
        summary: None,
        fields: json!({ "key_id": signed.key(), "other_parameters": all }),
        event: None,
    })
}

fn as_text(verdict: &Result<Genuine, Failure>) -> String {
    let genuine = match verdict {
        Ok(genuine) => genuine,
        Err(error) => return refusal(&**error),
    };
    let mut lines = vec![match &genuine.summary {
        Some(summary) => format!("genuine: {summary}"),
        None => "genuine".to_owned(),
    }];
    let mut line = |name: &str, value: &str| {
        lines.push(format!("  {:<18} {}", shown(name), shown(value)));
    };
    for (name, value) in genuine.fields.as_object().into_iter().flatten() {
        match value {
            Value::String(text) => line(name, text),
            Value::Array(_) | Value::Null => {}
            other => line(name, &other.to_string()),
        }
    }
    let others = genuine
        .fields
        .get("other_parameters")
        .and_then(Value::as_array);
    for pair in others.into_iter().flatten() {
        let text = |place: usize| pair.get(place).and_then(Value::as_str).unwrap_or_default();
        line(text(0), text(1));
    }
    lines.join("\n")
}

fn refusal(error: &(dyn std::error::Error + Send + Sync + 'static)) -> String {
    match error.downcast_ref::<OpenError>() {
        Some(error) if error.is_unauthenticated() => {
            format!("not genuine: {error}\n  `postback explain` looks for the cause")
        }
        Some(error) => format!("not accepted: {error}"),
        None => format!("not verified: {error}"),
    }
}

fn as_json(url: &str, verdict: &Result<Genuine, Failure>) -> Value {
    match verdict {
        Ok(genuine) => json!({
            "genuine": true,
            "meaning": genuine.summary,
            "callback": genuine.fields,
            "event": genuine.event,
        }),
        Err(error) => json!({
            "genuine": false,
            "error": error.to_string(),
            "is_unauthenticated": error
                .downcast_ref::<OpenError>()
                .is_some_and(OpenError::is_unauthenticated),
            "url": url,
        }),
    }
}
