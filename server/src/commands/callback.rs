//! `postback sign`, `verify` and `explain`: single callbacks.

use std::io::BufRead as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use clap::Args;
use postback::testing::bitlabs::Signer;
use postback::verify::{BadRequest, Headers, NotGenuine, UrlTemplate};
use postback::{Request, VerifyError};
use serde_json::json;

use super::explain::{Candidate, Explainer, Outcome, PARAMETER};
use super::{SecretOption, print, print_lines, urls};
use crate::admin::says;
use crate::config::{self, Config};
use crate::endpoint::ConfiguredEndpoint;
use crate::environment;

/// Signs a URL as BitLabs does, for curl.
///
/// Exit status: 0 signed, 2 the command could not be carried out.
#[derive(Args)]
pub(crate) struct Sign {
    #[command(flatten)]
    secret: SecretOption,
    /// The whole URL without a signature, as the network would call it.
    url: String,
}

impl Sign {
    pub(crate) fn run(self) -> anyhow::Result<bool> {
        let address = ["https://", "http://"].iter().find_map(|scheme| self.url.strip_prefix(scheme));
        let query = address.filter(|rest| !rest.starts_with(['/', '?'])).and_then(|rest| rest.split_once('?'));
        if query.is_none_or(|(_, query)| query.is_empty()) {
            anyhow::bail!(
                "not the URL of a callback: write it as the network would call it, such as \
                 https://game.example/callbacks/offers?player=p1&tx=o1"
            );
        }
        let list = self.secret.read()?;
        let Some(secret) = list.split(',').next().filter(|secret| !secret.is_empty()) else {
            anyhow::bail!("the secret is empty");
        };
        let signer = Signer::new(secret, self.url.as_str());
        print(signer.sign_url(&self.url).url())?;
        Ok(true)
    }
}

/// Verifies callbacks against a configuration, and says what they mean. Nothing is stored.
///
/// The endpoint is found by the path of the URL. Only networks that authenticate by the URL can be verified this way.
/// Exit status: 0 all are genuine and usable, 1 one is not, 2 the command could not be carried out, 3 one cannot be
/// verified from its URL (and none is wrong): it is authenticated by headers or its body, or the keys are not available.
#[derive(Args)]
pub(crate) struct Verify {
    /// The configuration with the endpoints.
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_FILE)]
    config: PathBuf,
    /// Read a web server's log (common or combined format) and pass over other requests.
    #[arg(long, value_name = "FILE")]
    access_log: Option<PathBuf>,
    /// Print one JSON object for each callback.
    #[arg(long)]
    json: bool,
    /// The URL or the request target, with its signature. Without one, or with '-', one a line is read from standard
    /// input.
    url: Option<String>,
}

impl Verify {
    pub(crate) async fn run(self) -> anyhow::Result<u8> {
        let endpoints = Config::read_endpoints(&self.config)?;
        let mut answer = Answer::Genuine;
        if let Some(path) = &self.access_log {
            let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
            for line in std::io::BufReader::new(file).lines() {
                let line = line?;
                let Some((method, target)) = logged_request(&line) else {
                    continue;
                };
                let path = target.split('?').next().unwrap_or_default();
                if endpoints.iter().any(|endpoint| endpoint.answers_at(path)) {
                    answer = answer.max(self.verify(&endpoints, Some(method), target).await?);
                }
            }
            return Ok(answer.status());
        }
        for url in urls(self.url.as_deref()) {
            answer = answer.max(self.verify(&endpoints, None, url?.trim()).await?);
        }
        Ok(answer.status())
    }

    /// `method`: that of the request, if it is known.
    async fn verify(
        &self,
        endpoints: &[ConfiguredEndpoint],
        method: Option<&str>,
        url: &str,
    ) -> anyhow::Result<Answer> {
        let target = target_of(url);
        let path = target.split('?').next().unwrap_or_default();
        let endpoint = endpoints.iter().find(|endpoint| endpoint.answers_at(path));
        let Some(endpoint) = endpoint else {
            self.print_result("unknown_endpoint", &format!("no endpoint has the path {path}"), None)?;
            return Ok(Answer::No);
        };
        let headers = UnknownHeaders::default();
        let request = Request::new(method.unwrap_or("GET"), &target).with_headers(&headers);
        endpoint.prepare(&request).await;
        match endpoint.verify(&request) {
            Ok(event) => {
                let labels = endpoint.labels();
                let text = format!("{} ({} {})", says(&event), labels.network, labels.endpoint);
                self.print_result("genuine", &text, Some(&event))?;
                Ok(Answer::Genuine)
            }
            Err(error) if is_about_more_than_the_url(&error, endpoint, method, &headers) => {
                let reason = match error {
                    VerifyError::KeysUnavailable => error.to_string(),
                    _ => "the URL does not show what authenticates it".to_owned(),
                };
                self.print_result("cannot_be_verified", &reason, None)?;
                Ok(Answer::Unknown)
            }
            Err(error) => {
                let word = match &error {
                    VerifyError::Unusable(_) => "unusable",
                    VerifyError::BadRequest(_) => "bad_request",
                    _ => "not_genuine",
                };
                self.print_result(word, &error.to_string(), None)?;
                Ok(Answer::No)
            }
        }
    }

    fn print_result(&self, outcome: &str, text: &str, event: Option<&postback::Event>) -> anyhow::Result<()> {
        if self.json {
            return print(json!({ "outcome": outcome, "text": text, "event": event }));
        }
        print(format_args!("{}: {text}", outcome.replace('_', " ")))?;
        if let Some(event) = event {
            print(format_args!("  player       {}", event.player))?;
            print(format_args!("  record       {}", event.key()))?;
            for parameter in event.query.split('&').filter(|piece| !piece.is_empty()) {
                let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
                let (name, value) = (crate::text::decoded(name), crate::text::decoded(value));
                print(format_args!("  {name:12} {value}"))?;
            }
        }
        Ok(())
    }
}

/// What is known about all callbacks: the greatest of the answers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Answer {
    Genuine,
    Unknown,
    No,
}

impl Answer {
    fn status(self) -> u8 {
        match self {
            Self::Genuine => 0,
            Self::Unknown => 3,
            Self::No => 1,
        }
    }
}

/// The headers of a request of which only the URL is known. Notes whether authentication looked at one.
#[derive(Default)]
struct UnknownHeaders {
    were_needed: AtomicBool,
}

impl Headers for UnknownHeaders {
    fn each<'h>(&'h self, name: &str, _: &mut dyn FnMut(&'h [u8])) {
        if !name.eq_ignore_ascii_case("x-forwarded-for") && !name.eq_ignore_ascii_case("content-type") {
            self.were_needed.store(true, Ordering::Relaxed);
        }
    }
}

/// Whether a callback was not accepted for something that its URL does not show.
fn is_about_more_than_the_url(
    error: &VerifyError,
    endpoint: &ConfiguredEndpoint,
    method: Option<&str>,
    headers: &UnknownHeaders,
) -> bool {
    match error {
        VerifyError::KeysUnavailable | VerifyError::NotGenuine(NotGenuine::Address) => true,
        // A URL alone may be that of a POST.
        VerifyError::BadRequest(BadRequest::Method { .. }) => method.is_none(),
        VerifyError::BadRequest(_) | VerifyError::NotGenuine(_) => {
            method == Some("POST") && endpoint.reads_bodies() || headers.were_needed.load(Ordering::Relaxed)
        }
        _ => false,
    }
}

/// Path and query of a URL; a request target stays as it is.
pub(super) fn target_of(url: &str) -> String {
    let Some((_, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    match rest.find(['/', '?']).map(|at| rest.split_at(at).1) {
        Some(path) if path.starts_with('/') => path.to_owned(),
        Some(query) => format!("/{query}"),
        None => "/".to_owned(),
    }
}

/// Method and request target in a line of an access log.
///
/// `127.0.0.1 - - [10/Oct/2026:13:55:36 +0000] "GET /callbacks?player=p1 HTTP/1.1" 200 7`
fn logged_request(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once('"')?;
    let mut is_escaped = false;
    let end = rest.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    })?;
    let mut words = rest.get(..end)?.split(' ');
    let (method, target, protocol) = (words.next()?, words.next()?, words.next()?);
    let is_request = words.next().is_none() && protocol.starts_with("HTTP/") && target.starts_with('/');
    is_request.then_some((method, target))
}

/// Explains why the signature of a BitLabs callback does not match.
///
/// It tries what really goes wrong: scheme, host, port, path, encodings, order, added and removed parameters, and the
/// secret. Exit status: 0 genuine, 1 not, 2 the command could not be carried out.
#[derive(Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    secret: SecretOption,
    /// Another secret that may have signed it, such as another app's: env:NAME or file:PATH. Can be repeated.
    #[arg(long, value_name = "SOURCE")]
    other_secret: Vec<String>,
    /// The URL as typed into the dashboard, or as the receiver is configured.
    #[arg(long, value_name = "URL")]
    template: Option<String>,
    /// A host that may have been signed, from Host or X-Forwarded-Host. Can be repeated.
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,
    /// Print one JSON object for each URL.
    #[arg(long)]
    json: bool,
    /// The URL as received, with its signature. Without one, or with '-', one a line is read from standard input.
    url: Option<String>,
}

impl Explain {
    pub(crate) fn run(self) -> anyhow::Result<bool> {
        let mut secrets = Candidate::list(&self.secret.name(), &self.secret.read()?, false);
        for source in &self.other_secret {
            let text = environment::resolve(source).map_err(anyhow::Error::msg)?;
            secrets.extend(Candidate::list(source, &text, true));
        }
        let parse = |typed: &String| UrlTemplate::parse(typed, &[PARAMETER]);
        let explainer =
            Explainer { secrets, template: self.template.as_ref().map(parse).transpose()?, hosts: self.host };
        let mut all_genuine = true;
        for url in urls(self.url.as_deref()) {
            let explanation = explainer.explain(url?.trim());
            all_genuine &= explanation.outcome == Outcome::Genuine;
            if self.json {
                print(serde_json::to_string(&explanation)?)?;
            } else {
                print_lines(explanation)?;
            }
        }
        Ok(all_genuine)
    }
}
