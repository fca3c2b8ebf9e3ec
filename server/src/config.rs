//! The configuration: one TOML file, validated as a whole.
//!
//! Every error is reported at once, with its line, its key and what to do. Wherever a secret or a URL is expected,
//! `env:NAME` takes it from an environment variable and `file:PATH` from a file.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use axum::http::Uri;
use postback::network::Description;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use crate::endpoint::{self, ConfiguredEndpoint, EndpointSettings, OptionValue};
use crate::environment;
use crate::store::StoreUrl;
use crate::webhook::{Backend, SigningSecret};

/// The file that commands look for unless `--config` names another.
pub(crate) const DEFAULT_FILE: &str = "postback.toml";

/// How many deliveries run at a time unless configured.
const DEFAULT_CONCURRENCY: i64 = 64;
const MAX_CONCURRENCY: i64 = 1024;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_TIMEOUT: Duration = Duration::from_secs(300);

/// A valid configuration.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) store: StoreUrl,
    pub(crate) log: LogFormat,
    pub(crate) backend: Backend,
    pub(crate) admin: Option<Admin>,
    pub(crate) endpoints: Vec<ConfiguredEndpoint>,
}

/// The admin port.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    pub(crate) listen: SocketAddr,
    pub(crate) token: Option<Zeroizing<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

/// Everything that is wrong with a configuration file.
#[derive(Debug)]
pub(crate) struct ConfigErrors {
    file: String,
    errors: Vec<ConfigError>,
}

#[derive(Debug)]
struct ConfigError {
    line: usize,
    key: String,
    problem: String,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.errors.len();
        let plural = if count == 1 { "" } else { "s" };
        write!(f, "invalid configuration, {count} error{plural}:")?;
        for ConfigError { line, key, problem } in &self.errors {
            write!(f, "\n{}:{line}: ", self.file)?;
            if !key.is_empty() {
                write!(f, "{key}: ")?;
            }
            f.write_str(problem)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl Config {
    /// Reads and validates a file.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = read_file(path)?;
        Ok(Self::parse(&path.display().to_string(), &text)?)
    }

    /// Reads the endpoints of a file, for commands that run no server: its other keys may be missing.
    #[expect(clippy::redundant_closure_for_method_calls, reason = "the path of the method is for one lifetime only")]
    pub(crate) fn read_endpoints(path: &Path) -> anyhow::Result<Vec<ConfiguredEndpoint>> {
        let text = read_file(path)?;
        Ok(parse(&path.display().to_string(), &text, |reader, root| reader.endpoints(root))?)
    }

    /// Reads the networks that a file describes.
    pub(crate) fn read_networks(path: &Path) -> anyhow::Result<HashMap<String, Description>> {
        let text = read_file(path)?;
        let networks = parse(&path.display().to_string(), &text, |reader, root| Some(reader.networks(root)))?;
        Ok(networks.into_iter().filter_map(|(name, described)| Some((name, described?))).collect())
    }

    /// Validates a text. `file` is its name in errors.
    #[expect(clippy::redundant_closure_for_method_calls, reason = "the path of the method is for one lifetime only")]
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, ConfigErrors> {
        parse(file, text, |reader, root| reader.config(root))
    }
}

fn parse<T>(
    file: &str,
    text: &str,
    read: impl for<'c> FnOnce(&mut Reader<'c>, &Section<'c>) -> Option<T>,
) -> Result<T, ConfigErrors> {
    let (root, syntax) = DeTable::parse_recoverable(text);
    let mut reader = Reader { text, errors: Vec::new() };
    for error in syntax {
        reader.error(error.span().unwrap_or(0..0), "", error.message().to_owned());
    }
    // After a syntax error a key may seem to be missing.
    let root = Section { name: String::new(), table: root.get_ref(), span: 0..0 };
    let found = if reader.errors.is_empty() { read(&mut reader, &root) } else { None };
    match found {
        Some(found) if reader.errors.is_empty() => Ok(found),
        _ => {
            reader.errors.sort_by_key(|error| error.line);
            Err(ConfigErrors { file: file.to_owned(), errors: reader.errors })
        }
    }
}

/// The part of a configuration that commands need which only read the store. Other keys are not looked at, so no secret
/// has to be set.
#[derive(Debug)]
pub(crate) struct Outline {
    pub(crate) store: StoreUrl,
    /// Network and app of every endpoint.
    pub(crate) apps: Vec<(String, String)>,
}

impl Outline {
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = read_file(path)?;
        let whole: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            anyhow::anyhow!("invalid configuration {}: {}", path.display(), error.message())
        })?;
        let store = whole.get("store").and_then(toml::Value::as_str);
        let store = store.ok_or_else(|| anyhow::anyhow!("no store in {}", path.display()))?;
        let store = environment::resolve(store).map_err(|problem| anyhow::anyhow!("store: {problem}"))?;
        let endpoints = whole.get("endpoint").and_then(toml::Value::as_array);
        let apps = endpoints.into_iter().flatten().filter_map(|endpoint| {
            let text = |key| endpoint.get(key).and_then(toml::Value::as_str).map(str::to_owned);
            Some((text("network")?, text("app")?))
        });
        Ok(Self {
            store: StoreUrl::parse(&store).map_err(|problem| anyhow::anyhow!("store: {problem}"))?,
            apps: apps.collect(),
        })
    }
}

fn read_file(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path)
        .map_err(|error| anyhow::anyhow!("cannot read configuration {}: {error}", path.display()))
}

/// Collects errors while the file is read.
struct Reader<'c> {
    text: &'c str,
    errors: Vec<ConfigError>,
}

/// A table of the file, with its name for errors.
#[derive(Clone)]
struct Section<'c> {
    name: String,
    table: &'c DeTable<'c>,
    /// Where it begins: missing keys are reported here.
    span: Range<usize>,
}

/// A text of the file and where it stands.
struct Text {
    key: String,
    span: Range<usize>,
    value: Zeroizing<String>,
}

impl<'c> Section<'c> {
    fn key(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    fn find(&self, key: &str) -> Option<(Range<usize>, &'c DeValue<'c>)> {
        let (name, value) = self.table.iter().find(|(name, _)| name.get_ref().as_ref() == key)?;
        let mut span = name.span();
        if value.span().start > span.start {
            span = value.span();
        }
        Some((span, value.get_ref()))
    }
}

impl<'c> Reader<'c> {
    fn error(&mut self, span: Range<usize>, key: impl Into<String>, problem: impl Into<String>) {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        self.errors.push(ConfigError {
            line: before.matches('\n').count() + 1,
            key: key.into(),
            problem: problem.into(),
        });
    }

    fn config(&mut self, root: &Section<'c>) -> Option<Config> {
        let known = ["listen", "store", "log", "backend", "admin", "endpoint", "networks"];
        self.check_keys(root, &known);
        let listen = self.address(root, "listen", true);
        let store = self.store(root);
        let log = self.log_format(root);
        let backend = self.section(root, "backend", true);
        let backend = backend.and_then(|section| self.backend(&section));
        let is_admin = root.find("admin").is_some();
        let admin = self.section(root, "admin", false);
        let admin = admin.and_then(|section| self.admin(&section));
        let endpoints = self.endpoints(root);
        if let (Some(listen), Some(admin)) = (listen, &admin)
            && listen == admin.listen
            && listen.port() != 0
            && let Some((span, _)) = root.find("admin")
        {
            self.error(span, "admin.listen", "same address as listen: give the admin port another one");
        }
        if is_admin && admin.is_none() {
            return None;
        }
        Some(Config { listen: listen?, store: store?, log: log?, backend: backend?, admin, endpoints: endpoints? })
    }

    fn store(&mut self, root: &Section<'c>) -> Option<StoreUrl> {
        let text = self.secret(root, "store", true)?;
        match StoreUrl::parse(&text.value) {
            Ok(store) => Some(store),
            Err(problem) => {
                self.error(text.span, text.key, problem);
                None
            }
        }
    }

    fn log_format(&mut self, root: &Section<'c>) -> Option<LogFormat> {
        let Some(text) = self.text_of(root, "log", false) else {
            return root.find("log").is_none().then_some(LogFormat::Text);
        };
        match text.value.as_str() {
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            _ => {
                self.error(text.span, text.key, "unknown log format: use \"text\" or \"json\"");
                None
            }
        }
    }

    fn backend(&mut self, section: &Section<'c>) -> Option<Backend> {
        self.check_keys(section, &["url", "secret", "timeout", "concurrency"]);
        let url = self.secret(section, "url", true).and_then(|text| {
            let checked = backend_url(&text.value);
            self.report(&text, checked)
        });
        let secrets = self.secret(section, "secret", true).and_then(|text| {
            let checked = text.value.split(',').map(SigningSecret::parse).collect::<Result<Vec<_>, _>>();
            self.report(&text, checked)
        });
        let timeout = match self.text_of(section, "timeout", false) {
            Some(text) => {
                let checked = duration(&text.value, MAX_TIMEOUT);
                self.report(&text, checked)
            }
            None => section.find("timeout").is_none().then_some(DEFAULT_TIMEOUT),
        };
        let concurrency = self.number(section, "concurrency", DEFAULT_CONCURRENCY, MAX_CONCURRENCY);
        Some(Backend { url: url?, secrets: secrets?, timeout: timeout?, concurrency: concurrency? })
    }

    fn admin(&mut self, section: &Section<'c>) -> Option<Admin> {
        self.check_keys(section, &["listen", "token"]);
        let listen = self.address(section, "listen", true);
        let has_token = section.find("token").is_some();
        let token = self.secret(section, "token", false);
        if let Some(text) = &token
            && text.value.len() < 16
        {
            self.error(text.span.clone(), text.key.clone(), "token shorter than 16 characters: use a long random text");
        }
        let listen = listen?;
        if !has_token && !listen.ip().is_loopback() {
            let (span, _) = section.find("listen")?;
            self.error(
                span,
                section.key("listen"),
                "admin port without a token on an address others can reach: add token = \"env:NAME\", or listen on \
                 127.0.0.1",
            );
            return None;
        }
        if has_token && token.is_none() {
            return None;
        }
        Some(Admin { listen, token: token.map(|text| text.value) })
    }

    fn endpoints(&mut self, root: &Section<'c>) -> Option<Vec<ConfiguredEndpoint>> {
        let networks = self.networks(root);
        let Some((span, value)) = root.find("endpoint") else {
            self.error(
                0..0,
                "endpoint",
                "no endpoint: add at least one [[endpoint]] table with network, app, secret and url",
            );
            return None;
        };
        let Some(array) = value.as_array() else {
            self.error(span, "endpoint", "not a list of tables: write [[endpoint]]");
            return None;
        };
        let mut endpoints: Vec<(usize, ConfiguredEndpoint)> = Vec::new();
        for (number, item) in (1..).zip(array.iter()) {
            let Some(table) = item.get_ref().as_table() else {
                self.error(item.span(), "endpoint", "not a table: write [[endpoint]]");
                continue;
            };
            let section = Section { name: format!("endpoint {number}"), table, span: item.span() };
            let Some(endpoint) = self.endpoint(&section, &networks) else {
                continue;
            };
            let overlaps = |(_, other): &&(usize, ConfiguredEndpoint)| {
                other.answers_at(endpoint.path()) || endpoint.answers_at(other.path())
            };
            let span = section.find("url").map_or(item.span(), |(span, _)| span);
            if endpoint.answers_at("/health") {
                self.error(span, section.key("url"), "the path /health is the server's own: use another path");
            } else if let Some((other, _)) = endpoints.iter().find(overlaps) {
                self.error(
                    span,
                    section.key("url"),
                    format!("same path as endpoint {other}: give each endpoint its own path"),
                );
            }
            self.check_shared(&section, &endpoint, &endpoints);
            endpoints.push((number, endpoint));
        }
        Some(endpoints.into_iter().map(|(_, endpoint)| endpoint).collect())
    }

    /// Rejects what would let one callback be paid at two endpoints.
    fn check_shared(
        &mut self,
        section: &Section<'c>,
        endpoint: &ConfiguredEndpoint,
        others: &[(usize, ConfiguredEndpoint)],
    ) {
        // All that a callback of AdMob says about where it belongs is its ad unit.
        let ad_unit = others.iter().find_map(|(number, other)| Some((number, endpoint.common_ad_unit(other)?)));
        if let Some((other, ad_unit)) = ad_unit {
            let problem = format!(
                "ad unit {ad_unit} is one of endpoint {other}, too, so one view could be paid at both: list it once"
            );
            self.error_at(section, "ad_units", problem);
        }
        // Most networks sign neither the URL nor the app, so only the secret says which app a callback is of.
        let fix = others.iter().find_map(|(number, other)| Some((number, endpoint.fix_for_callbacks_of(other)?)));
        if let Some((other, fix)) = fix {
            let problem = format!(
                "same secret as endpoint {other}, which is for another app, so one callback could be paid at both: use a \
                 secret of its own for each app{fix}"
            );
            self.error_at(section, "secret", problem);
        }
    }

    /// Reports a problem of a key, at its place or that of its table.
    fn error_at(&mut self, section: &Section<'c>, key: &str, problem: String) {
        let span = section.find(key).map_or(section.span.clone(), |(span, _)| span);
        self.error(span, section.key(key), problem);
    }

    /// The descriptions in the file, as texts of their own. `None`: it was reported what is wrong with it.
    fn networks(&mut self, root: &Section<'c>) -> HashMap<String, Option<Description>> {
        let mut found = HashMap::new();
        let Some(section) = self.section(root, "networks", false) else {
            return found;
        };
        let whole: toml::Table = self.text.parse().unwrap_or_default();
        let tables = whole.get("networks").and_then(toml::Value::as_table);
        for (name, value) in section.table {
            let key = section.key(name.get_ref());
            let table = tables.and_then(|all| all.get(name.get_ref().as_ref()));
            let described = match table.and_then(toml::Value::as_table) {
                Some(table) => endpoint::describe(name.get_ref(), table).map_err(|problem| (name.span(), problem)),
                None => Err((value.span(), "not a table: write [networks.NAME]".to_owned())),
            };
            let described = described.map_err(|(span, problem)| self.error(span, key, problem));
            found.insert(name.get_ref().to_string(), described.ok());
        }
        found
    }

    fn endpoint(
        &mut self,
        section: &Section<'c>,
        networks: &HashMap<String, Option<Description>>,
    ) -> Option<ConfiguredEndpoint> {
        self.check_keys(section, &endpoint::KEYS);
        let network = self.text_of(section, "network", true);
        let app = self.text_of(section, "app", true);
        let secret = self.secret(section, "secret", false);
        let has_secret = section.find("secret").is_some();
        let url = self.secret(section, "url", false);
        let mut options = HashMap::new();
        for key in endpoint::KEYS.into_iter().skip(4) {
            if let Some((span, value)) = section.find(key) {
                match option_value(value) {
                    Some(value) => drop(options.insert(key, value)),
                    None => self.error(span, section.key(key), "not a text, a list of texts, or a table of texts"),
                }
            }
        }
        let (network, app) = (network?, app?);
        let is_unreadable = has_secret && secret.is_none() || section.find("url").is_some() && url.is_none();
        if is_unreadable {
            return None;
        }
        let settings = EndpointSettings {
            network: &network.value,
            app: &app.value,
            secret: secret.as_ref().map(|text| text.value.as_str()),
            url: url.as_ref().map(|text| text.value.as_str()),
            options,
        };
        let own = match networks.get(settings.network) {
            Some(described) => Some(described.as_ref()?),
            None => None,
        };
        match ConfiguredEndpoint::build(&settings, own) {
            Ok(endpoint) => Some(endpoint),
            Err(problem) => {
                self.error_at(section, problem.key, problem.text);
                None
            }
        }
    }

    fn check_keys(&mut self, section: &Section<'c>, known: &[&str]) {
        for (name, _) in section.table {
            let text: &str = name.get_ref();
            if known.contains(&text) {
                continue;
            }
            let closest = known
                .iter()
                .max_by(|a, b| strsim::jaro(a, text).total_cmp(&strsim::jaro(b, text)))
                .filter(|key| strsim::jaro(key, text) > 0.75);
            let fix = match closest {
                Some(key) => format!("unknown key: did you mean {key:?}?"),
                None => format!("unknown key: known are {}", known.join(", ")),
            };
            self.error(name.span(), section.key(text), fix);
        }
    }

    fn missing(&mut self, section: &Section<'c>, key: &str) {
        self.error(section.span.clone(), section.key(key), format!("missing key: add {key} = …"));
    }

    fn section(&mut self, root: &Section<'c>, key: &str, required: bool) -> Option<Section<'c>> {
        let Some((_, value)) = root.find(key) else {
            if required {
                self.error(root.span.clone(), key, format!("missing table: add [{key}]"));
            }
            return None;
        };
        let name = root.table.keys().find(|name| name.get_ref().as_ref() == key);
        let span = name.map_or(0..0, Spanned::span);
        let Some(table) = value.as_table() else {
            self.error(span, root.key(key), format!("not a table: write [{key}]"));
            return None;
        };
        Some(Section { name: root.key(key), table, span })
    }

    fn text_of(&mut self, section: &Section<'c>, key: &str, required: bool) -> Option<Text> {
        let Some((span, value)) = section.find(key) else {
            if required {
                self.missing(section, key);
            }
            return None;
        };
        let Some(text) = value.as_str() else {
            self.error(span, section.key(key), "not a text: put it in quotation marks");
            return None;
        };
        if text.is_empty() {
            self.error(span, section.key(key), "empty text");
            return None;
        }
        Some(Text { key: section.key(key), span, value: Zeroizing::new(text.to_owned()) })
    }

    /// A text that may stand in the environment or in a file.
    fn secret(&mut self, section: &Section<'c>, key: &str, required: bool) -> Option<Text> {
        let text = self.text_of(section, key, required)?;
        match environment::resolve(&text.value) {
            Ok(value) => Some(Text { value, ..text }),
            Err(problem) => {
                self.error(text.span, text.key, problem);
                None
            }
        }
    }

    fn address(&mut self, section: &Section<'c>, key: &str, required: bool) -> Option<SocketAddr> {
        let text = self.text_of(section, key, required)?;
        let parsed =
            text.value.parse().map_err(|_| "invalid address: write IP:PORT, such as \"127.0.0.1:8080\"".to_owned());
        self.report(&text, parsed)
    }

    fn number(&mut self, section: &Section<'c>, key: &str, default: i64, max: i64) -> Option<usize> {
        let Some((span, value)) = section.find(key) else {
            return usize::try_from(default).ok();
        };
        let number = value
            .as_integer()
            .and_then(|number| i64::from_str_radix(number.as_str(), number.radix()).ok())
            .filter(|number| (1..=max).contains(number));
        match number {
            Some(number) => usize::try_from(number).ok(),
            None => {
                self.error(span, section.key(key), format!("not a whole number from 1 to {max}"));
                None
            }
        }
    }

    fn report<T>(&mut self, text: &Text, checked: Result<T, String>) -> Option<T> {
        checked.map_err(|problem| self.error(text.span.clone(), text.key.clone(), problem)).ok()
    }
}

fn option_value(value: &DeValue<'_>) -> Option<OptionValue> {
    let text = |value: &DeValue<'_>| value.as_str().map(str::to_owned);
    match value {
        DeValue::String(text) => Some(OptionValue::Text(text.to_string())),
        DeValue::Boolean(flag) => Some(OptionValue::Flag(*flag)),
        DeValue::Array(items) => {
            let items: Option<_> = items.iter().map(|item| text(item.get_ref())).collect();
            items.map(OptionValue::List)
        }
        DeValue::Table(table) => {
            let pairs = table.iter();
            let pairs: Option<_> =
                pairs.map(|(name, value)| Some((name.get_ref().to_string(), text(value.get_ref())?))).collect();
            pairs.map(OptionValue::Table)
        }
        _ => None,
    }
}

/// Checks where decisions are sent.
pub(crate) fn backend_url(text: &str) -> Result<Uri, String> {
    let invalid = "invalid URL: write http://HOST[:PORT]/PATH or https://…";
    let url: Uri = text.parse().map_err(|_| invalid.to_owned())?;
    let is_http = matches!(url.scheme_str(), Some("http" | "https"));
    let Some(authority) = url.authority().filter(|_| is_http) else {
        return Err(invalid.to_owned());
    };
    if authority.as_str().contains('@') {
        return Err("credentials in the URL: the signature authenticates the request, remove them".to_owned());
    }
    Ok(url)
}

fn duration(text: &str, max: Duration) -> Result<Duration, String> {
    let advice = || format!("invalid duration: write \"500ms\", \"10s\" or \"2m\"; at most {}s", max.as_secs());
    let parsed: jiff::SignedDuration = text.parse().map_err(|_| advice())?;
    let parsed = Duration::try_from(parsed).map_err(|_| advice())?;
    if parsed < Duration::from_millis(100) || parsed > max {
        return Err(advice());
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A valid configuration with every key.
    const VALID: &str = include_str!("../tests/data/every-key.toml");

    /// What is put into it.
    const PIECES: [&str; 16] = [
        "\"",
        "=",
        "[",
        "]]\n",
        "\n",
        ".",
        "{}",
        "0",
        "-1",
        "true",
        "\u{1f600}",
        "[[endpoint]]\n",
        "env:UNSET_NAME",
        "network",
        "secret = \"",
        "[networks.acme.",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn edited_configuration_is_valid_or_has_errors_with_lines(
            edits in prop::collection::vec((0..VALID.len(), 0..40_usize, prop::option::of(0..PIECES.len())), 1..4),
        ) {
            let mut text = VALID.to_owned();
            for (at, length, piece) in edits {
                let end = (at + length).min(text.len());
                if text.is_char_boundary(at) && text.is_char_boundary(end) && at <= end {
                    text.replace_range(at..end, piece.map_or("", |piece| PIECES[piece]));
                }
            }
            match Config::parse("edited.toml", &text) {
                Ok(config) => {
                    prop_assert!(!config.endpoints.is_empty());
                    let is_closed = |admin: &Admin| admin.token.is_some() || admin.listen.ip().is_loopback();
                    prop_assert!(config.admin.as_ref().is_none_or(is_closed));
                    let shown = format!("{config:?}");
                    prop_assert!(!shown.contains("secret-of-") && !shown.contains("a-long-random-token"), "{shown}");
                }
                Err(found) => {
                    prop_assert!(!found.errors.is_empty());
                    let lines = text.matches('\n').count() + 1;
                    prop_assert!(found.errors.iter().all(|error| (1..=lines).contains(&error.line)), "{found}");
                }
            }
        }
    }
}
