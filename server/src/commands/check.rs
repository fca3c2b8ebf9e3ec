//! `postback check` and `url`: configurations and dashboard URLs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::Args;
use postback::bitlabs::{Family, field_of_macro};
use postback::network::{self, Role};
use postback::verify::UrlTemplate;

use super::explain::PARAMETER;
use super::{note, print};
use crate::config::{self, Config};
use crate::endpoint::{BASE, ConfiguredEndpoint, EndpointSettings, OptionValue};

/// Validates a configuration file, or a dashboard URL.
///
/// Exit status: 0 it can be used, 1 the URL cannot be used, 2 the configuration has errors or cannot be read.
#[derive(Args)]
pub(crate) struct Check {
    /// The configuration file to validate.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["url", "network"])]
    config: Option<PathBuf>,
    /// The network that the URL is for.
    #[arg(long, value_name = "NAME", default_value = "bitlabs", requires = "url")]
    network: String,
    /// The URL as typed into the network's dashboard, macros included.
    url: Option<String>,
}

impl Check {
    pub(crate) fn run(self) -> anyhow::Result<bool> {
        match (&self.url, self.network.as_str()) {
            (None, _) => {
                let path = self.config.unwrap_or_else(|| config::DEFAULT_FILE.into());
                let config = Config::read(&path)?;
                print_config(&config, &path)?;
                Ok(true)
            }
            (Some(url), "bitlabs") => check_bitlabs(url),
            (Some(url), "admob") => check_admob(url),
            (Some(url), name) => check_described(url, name),
        }
    }
}

fn print_config(config: &Config, path: &Path) -> anyhow::Result<()> {
    let plural = if config.endpoints.len() == 1 { "" } else { "s" };
    print(format_args!(
        "the configuration is valid: {} endpoint{plural}, {} store",
        config.endpoints.len(),
        config.store.kind()
    ))?;
    for endpoint in &config.endpoints {
        let labels = endpoint.labels();
        print(format_args!("  {}/{} {} at {}", labels.network, labels.app, labels.endpoint, endpoint.path()))?;
        if !endpoint.uncovered.is_empty() {
            note(format_args!(
                "warning: {}: the network's signature does not cover: {}",
                endpoint.path(),
                endpoint.uncovered.join(", ")
            ));
        }
    }
    if config.endpoints.iter().any(|endpoint| endpoint.has_default_url) {
        print(format_args!(
            "for the dashboards, paste the URLs that `postback url --config {}` prints",
            path.display()
        ))?;
    }
    Ok(())
}

fn check_bitlabs(url: &str) -> anyhow::Result<bool> {
    let template = match UrlTemplate::parse(url, &[PARAMETER]) {
        Ok(template) => template,
        Err(error) => {
            print(format_args!("cannot be used: {error}"))?;
            return Ok(false);
        }
    };
    print(format_args!("signed prefix  {}", template.prefix()))?;
    for parameter in template.parameters() {
        let meaning = match parameter.macro_name() {
            None => format!("static value {:?}", parameter.static_value().unwrap_or_default()),
            Some(text) => field_of_macro(text).map_or_else(|| format!("unknown macro [%{text}%]"), str::to_owned),
        };
        print(format_args!("  {:16} {meaning}", parameter.name()))?;
    }
    let mut can_be_used = false;
    for family in Family::ALL {
        let settings = EndpointSettings {
            network: "bitlabs",
            app: "check",
            secret: Some("check"),
            url: Some(url),
            options: HashMap::from([("family", OptionValue::Text(family.as_str().to_owned()))]),
        };
        match ConfiguredEndpoint::build(&settings, None) {
            Ok(_) => {
                can_be_used = true;
                print(format_args!("{:10} can use it", family.as_str()))?;
            }
            Err(problem) => print(format_args!("{:10} cannot: {}", family.as_str(), problem.text))?,
        }
    }
    Ok(can_be_used)
}

fn check_admob(url: &str) -> anyhow::Result<bool> {
    let settings = EndpointSettings {
        network: "admob",
        app: "check",
        secret: None,
        url: Some(url),
        options: HashMap::from([("ad_units", OptionValue::List(vec!["1".to_owned()]))]),
    };
    match ConfiguredEndpoint::build(&settings, None) {
        Ok(_) => print("can be used")?,
        Err(problem) => {
            print(format_args!("cannot be used: {}", problem.text))?;
            return Ok(false);
        }
    }
    Ok(true)
}

fn check_described(url: &str, name: &str) -> anyhow::Result<bool> {
    let description = network::preset(name)?;
    let findings = description.check_url(url);
    for finding in &findings {
        let kind = if finding.is_error { "error" } else { "note" };
        print(format_args!("{kind}: {}", finding.text))?;
    }
    let can_be_used = !findings.iter().any(|finding| finding.is_error);
    print(if can_be_used { "can be used" } else { "cannot be used" })?;
    Ok(can_be_used)
}

/// Prints the URL to paste into a network's dashboard.
///
/// The URL is the first line of standard output; what its macros mean follows on standard error. With a configuration,
/// the URLs of its endpoints are printed, secrets included. Exit status: 0, or 2 if the network is unknown or the
/// configuration has errors.
#[derive(Args)]
pub(crate) struct Url {
    /// The network. `list` prints all names.
    #[arg(required_unless_present = "config")]
    network: Option<String>,
    /// A configuration: print the URL of each of its endpoints, ready to paste. They contain secrets.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["network", "family"])]
    config: Option<PathBuf>,
    /// Scheme and host that reach the receiver from outside.
    #[arg(long, value_name = "URL", default_value = BASE)]
    base: String,
    /// The BitLabs family.
    #[arg(long, value_name = "NAME", default_value = "offers")]
    family: String,
}

/// The parameters of each BitLabs family.
const BITLABS: [(&str, &str); 7] = [
    (
        "offers",
        "player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&type=[%TYPE%]&usd=[%VALUE:USD%]",
    ),
    (
        "purchases",
        "player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&iap=[%OFFER:TASK:IAP:USD%]&type=[%TYPE%]&usd=[%VALUE:USD%]",
    ),
    ("surveys", "player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&type=[%TYPE%]&ref=[%REF%]&usd=[%VALUE:USD%]"),
    (
        "receipts",
        "player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&magic_receipt_state=[%MAGIC_RECEIPT_STATE%]&ref=[%REF%]",
    ),
    ("cashback", "player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&cashback_state=[%CASHBACK_STATE%]&ref=[%REF%]"),
    ("rewards", "player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&type=[%TYPE%]&ref=[%REF%]&usd=[%VALUE:USD%]"),
    ("bans", "player=[%USER:UID%]&status=[%BAN:STATUS%]&reason=[%BAN:REASON%]"),
];

impl Url {
    pub(crate) fn run(self) -> anyhow::Result<bool> {
        let base = self.base.trim_end_matches('/');
        if let Some(path) = &self.config {
            for endpoint in Config::read_endpoints(path)? {
                let labels = endpoint.labels();
                note(format_args!("{}/{} {}", labels.network, labels.app, labels.endpoint));
                let rest = endpoint.url.strip_prefix(BASE).filter(|_| endpoint.has_default_url);
                print(rest.map_or_else(|| endpoint.url.clone(), |rest| format!("{base}{rest}")))?;
            }
            return Ok(true);
        }
        match self.network.as_deref().unwrap_or_default() {
            "list" => {
                print("admob")?;
                print("bitlabs")?;
                for name in network::presets() {
                    print(name)?;
                }
            }
            "admob" => {
                print(format_args!("{base}/callbacks/admob"))?;
                note("Google appends its own parameters, signs them, and publishes the keys: there is no secret.");
                note("The app must pass the player in the SDK's server-side verification options.");
                note(
                    "[[endpoint]]: network = \"admob\", and ad_units = [\"ca-app-pub-…/…\"] with all that have this URL.",
                );
            }
            "bitlabs" => {
                let Some((family, query)) = BITLABS.iter().find(|(name, _)| *name == self.family) else {
                    anyhow::bail!("unknown family: use one of {}", BITLABS.map(|(name, _)| name).join(", "));
                };
                print(format_args!("{base}/callbacks/{family}?{query}"))?;
                note("Parameters may have other names; they are known by their macros:");
                for piece in query.split('&') {
                    let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
                    let text = value.trim_start_matches("[%").trim_end_matches("%]");
                    let field = field_of_macro(text).unwrap_or("state");
                    note(format_args!("  {name:20} {value:26} {field}"));
                }
                note(format_args!(
                    "[[endpoint]]: network = \"bitlabs\", family = \"{family}\", and this URL exactly as typed."
                ));
            }
            name => {
                let description = network::preset(name)?;
                print(description.dashboard_url(base))?;
                note(format_args!(
                    "{} ({} evidence) {}",
                    description.title(),
                    description.evidence().as_str(),
                    description.docs()
                ));
                for (text, meaning) in description.macros() {
                    note(format_args!("  {text:28} {meaning}"));
                }
                for (name, meaning) in description.parameters() {
                    note(format_args!("  {name:28} {meaning}"));
                }
                if let Some(url) = description.reversal_url(base) {
                    note(format_args!("Reversals have a URL of their own:\n{url}"));
                }
                let (covered, uncovered) = description.coverage();
                let names = |roles: Vec<Role>| roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ");
                note(format_args!("Authentication: {}. Covered: {}", description.authentication(), names(covered)));
                if !uncovered.is_empty() {
                    note(format_args!("Not covered by the signature: {}", names(uncovered)));
                }
                if let Some(retries) = description.retries() {
                    note(format_args!("Retries: {retries}"));
                }
                if !description.addresses().is_empty() {
                    note(format_args!("Addresses seen by others: {}", description.addresses().join(", ")));
                }
                if !description.note().is_empty() {
                    note(description.note());
                }
            }
        }
        Ok(true)
    }
}
