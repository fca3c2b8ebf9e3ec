//! Scheme, host, port and path: what stands before the `?`.

use super::causes::Fault;

/// Ports that development servers and proxies listen on.
const PORTS: [&str; 6] = ["", ":80", ":443", ":8080", ":8443", ":3000"];

/// Beginnings of paths that proxies strip.
const STRIPPED: [&str; 8] =
    ["/api", "/v1", "/api/v1", "/callback", "/callbacks", "/webhooks", "/postback", "/postbacks"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prefix {
    /// Without `://`; empty for a bare request target.
    pub(super) scheme: String,
    pub(super) host: String,
    /// With its colon; empty if none is written.
    pub(super) port: String,
    /// Empty, or with its leading slash.
    pub(super) path: String,
}

impl Prefix {
    pub(super) fn parse(text: &str) -> Self {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Self { scheme: String::new(), host: String::new(), port: String::new(), path: text.to_owned() };
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let colon = authority.rfind(':').filter(|colon| !authority.get(*colon..).unwrap_or_default().contains(']'));
        let (host, port) = authority.split_at(colon.unwrap_or(authority.len()));
        Self { scheme: scheme.to_owned(), host: host.to_owned(), port: port.to_owned(), path: path.to_owned() }
    }

    /// Whether scheme and host are known, and not only a path.
    pub(super) fn is_whole(&self) -> bool {
        !self.scheme.is_empty() && !self.host.is_empty()
    }

    pub(super) fn with_path(&self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self.clone() }
    }

    pub(super) fn text(&self) -> String {
        format!("{}://{}{}{}", self.scheme, self.host, self.port, self.path)
    }
}

/// Prefixes that may have been signed where `known` stands.
pub(super) fn candidates(known: &Prefix, hosts: &[String]) -> Vec<Prefix> {
    let mut authorities = vec![(known.host.clone(), known.port.clone())];
    for host in hosts {
        let hint = Prefix::parse(&format!("http://{host}"));
        authorities.push((hint.host, hint.port));
    }
    let without_www = known.host.strip_prefix("www.");
    for host in
        [without_www.map_or_else(|| format!("www.{}", known.host), str::to_owned), known.host.to_ascii_lowercase()]
    {
        authorities.push((host, known.port.clone()));
    }
    authorities.extend(PORTS.map(|port| (known.host.clone(), port.to_owned())));
    let mut paths = vec![known.path.clone()];
    paths.push(match known.path.strip_suffix('/') {
        Some(shorter) => shorter.to_owned(),
        None => format!("{}/", known.path),
    });
    let mut rest = known.path.trim_start_matches('/');
    for _ in 0..4 {
        let Some((_, behind)) = rest.split_once('/') else {
            break;
        };
        paths.push(format!("/{behind}"));
        rest = behind;
    }
    paths.extend(STRIPPED.map(|stripped| format!("{stripped}{}", known.path)));
    let mut found = Vec::new();
    for (host, port) in &authorities {
        for path in &paths {
            for scheme in ["https", "http"] {
                found.push(Prefix {
                    scheme: scheme.to_owned(),
                    host: host.clone(),
                    port: port.clone(),
                    path: path.clone(),
                });
            }
        }
    }
    found
}

/// How what was signed differs from what stands here.
pub(super) fn differences(signed: &Prefix, here: &Prefix) -> Vec<Fault> {
    let mut found = Vec::new();
    let mut add = |word, signed: &str, here: &str| {
        found.push(Fault::about(word, format!("signed was {signed:?}, here is {here:?}")));
    };
    if signed.scheme != here.scheme {
        add("scheme", &signed.scheme, &here.scheme);
    }
    if signed.host != here.host {
        let with_port = |prefix: &Prefix| format!("{}{}", prefix.host, prefix.port);
        add("host", &with_port(signed), &with_port(here));
    } else if signed.port != here.port {
        add("port", &signed.port, &here.port);
    }
    let (signed, here) = (signed.path.as_str(), here.path.as_str());
    if signed != here {
        let word = if matches!((signed, here), ("", "/") | ("/", "")) {
            "empty_path"
        } else if signed.trim_end_matches('/') == here.trim_end_matches('/') {
            "trailing_slash"
        } else if is_tail(here, signed) {
            "path_stripped"
        } else if is_tail(signed, here) {
            "path_added"
        } else {
            "path"
        };
        add(word, signed, here);
    }
    found
}

/// Whether one path is the end of the other, cut at a slash.
fn is_tail(tail: &str, whole: &str) -> bool {
    let tail = tail.trim_end_matches('/');
    whole.strip_suffix(tail).is_some_and(|before| !before.is_empty() && (tail.is_empty() || tail.starts_with('/')))
}
