//! Which scheme, host, port and path may have been signed, and how that differs from what stands here.

use super::cause::{Cause, Certainty, Finding};
use super::url::Prefix;

/// Ports that development servers and proxies listen on.
const PORTS: [&str; 7] = ["", ":80", ":443", ":8080", ":8443", ":3000", ":8000"];

/// Path beginnings that proxies strip.
const STRIPPED: [&str; 10] = [
    "/api",
    "/v1",
    "/api/v1",
    "/callback",
    "/callbacks",
    "/webhook",
    "/webhooks",
    "/postback",
    "/postbacks",
    "/bitlabs",
];

/// Every prefix that is worth a try, the likeliest first. `known` are those that somebody named: the
/// configured one, the URL's own.
pub(super) fn candidates(known: &[Prefix], hosts: &[String]) -> Vec<Prefix> {
    let mut schemes: Vec<&str> = Vec::new();
    let mut all_hosts: Vec<(String, String)> = Vec::new();
    let mut ports: Vec<&str> = Vec::new();
    let mut paths: Vec<String> = Vec::new();
    for prefix in known {
        push(&mut schemes, prefix.scheme.as_str());
        push(&mut ports, prefix.port.as_str());
        push(&mut all_hosts, (prefix.host.clone(), prefix.port.clone()));
        push(&mut paths, prefix.path.clone());
    }
    for host in hosts {
        let hint = Prefix::parse(&format!("http://{host}"));
        push(&mut all_hosts, (hint.host, hint.port));
    }
    for prefix in known {
        for host in other_hosts(&prefix.host) {
            push(&mut all_hosts, (host, prefix.port.clone()));
        }
        for path in other_paths(&prefix.path) {
            push(&mut paths, path);
        }
    }
    for scheme in ["https", "http"] {
        push(&mut schemes, scheme);
    }
    for port in PORTS {
        push(&mut ports, port);
    }
    let mut found = Vec::new();
    for (host, own_port) in &all_hosts {
        for path in &paths {
            for scheme in &schemes {
                let mut with = |port: &str| {
                    push(
                        &mut found,
                        Prefix {
                            scheme: (*scheme).to_owned(),
                            host: host.clone(),
                            port: port.to_owned(),
                            path: path.clone(),
                        },
                    );
                };
                with(own_port);
                for port in &ports {
                    with(port);
                }
            }
        }
    }
    found
}

fn push<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

fn other_hosts(host: &str) -> Vec<String> {
    let bare = host.strip_prefix("www.");
    vec![
        host.to_ascii_lowercase(),
        bare.map_or_else(|| format!("www.{host}"), str::to_owned),
        host.trim_end_matches('.').to_owned(),
    ]
}

fn other_paths(path: &str) -> Vec<String> {
    let mut found = vec![
        path.strip_suffix('/')
            .map_or_else(|| format!("{path}/"), str::to_owned),
    ];
    // What a proxy may have added: one leading segment after the other.
    let mut rest = path.trim_start_matches('/');
    while let Some((_, behind)) = rest.split_once('/') {
        found.push(format!("/{behind}"));
        rest = behind;
    }
    for stripped in STRIPPED {
        found.push(format!("{stripped}{path}"));
    }
    found.push(format!("/{path}"));
    found
}

/// How what was signed differs from what stands here.
pub(super) fn differences(signed: &Prefix, here: &Prefix) -> Vec<Cause> {
    let mut causes = Vec::new();
    if signed.scheme != here.scheme {
        causes.push(Cause::Scheme);
    }
    if signed.host != here.host {
        causes.push(Cause::Host);
    }
    if signed.port != here.port {
        causes.push(Cause::Port);
    }
    causes.extend(path_difference(&signed.path, &here.path));
    causes
}

fn path_difference(signed: &str, here: &str) -> Option<Cause> {
    if signed == here {
        None
    } else if matches!((signed, here), ("", "/") | ("/", "")) {
        Some(Cause::EmptyPath)
    } else if signed.trim_end_matches('/') == here.trim_end_matches('/') {
        Some(Cause::TrailingSlash)
    } else if is_tail(here, signed) {
        Some(Cause::PathPrefixStripped)
    } else if is_tail(signed, here) {
        Some(Cause::PathPrefixAdded)
    } else {
        Some(Cause::Path)
    }
}

/// Whether one path is the other's end, cut at a slash.
fn is_tail(tail: &str, whole: &str) -> bool {
    let tail = tail.trim_end_matches('/');
    whole
        .strip_suffix(tail)
        .is_some_and(|before| !before.is_empty() && (tail.is_empty() || tail.starts_with('/')))
}

/// Says a difference in words.
pub(super) fn describe(cause: Cause, signed: &Prefix, here: &Prefix) -> Finding {
    let or_none = |text: &str| {
        if text.is_empty() {
            "nothing".to_owned()
        } else {
            format!("{text:?}")
        }
    };
    let pair = |signed: &str, here: &str| {
        format!(
            "signed was {}, here stands {}",
            or_none(signed),
            or_none(here)
        )
    };
    let (what, why) = match cause {
        Cause::Scheme => (
            pair(&signed.scheme, &here.scheme),
            "TLS ends at a proxy, or the dashboard's protocol is the other one.",
        ),
        Cause::Host => (
            pair(&signed.host, &here.host),
            "A proxy rewrites the host, or another host is configured than the dashboard has.",
        ),
        Cause::Port => (
            pair(&signed.port, &here.port),
            "The receiver sees its own port, not the one in the dashboard's URL.",
        ),
        Cause::PathPrefixStripped => (
            pair(&signed.path, &here.path),
            "A proxy or a nested router strips the path's beginning.",
        ),
        Cause::PathPrefixAdded => (
            pair(&signed.path, &here.path),
            "A proxy adds to the path, or the dashboard's URL is without that part.",
        ),
        Cause::EmptyPath => (
            pair(&signed.path, &here.path),
            "HTTP has no empty path, so a slash arrives; the network signs the URL as it was typed.",
        ),
        _ => (
            pair(&signed.path, &here.path),
            "The path is not the one in the dashboard's URL.",
        ),
    };
    Finding {
        cause,
        certainty: Certainty::Proven,
        what: format!("{what}. {why}"),
        change: format!(
            "configure the URL exactly as the dashboard has it, beginning with {}, and hash that instead of what the request says",
            signed.text()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_of_paths_have_names() {
        for (signed, here, cause) in [
            ("/a/b", "/b", Cause::PathPrefixStripped),
            ("/b", "/a/b", Cause::PathPrefixAdded),
            ("", "/", Cause::EmptyPath),
            ("/a", "/a/", Cause::TrailingSlash),
            ("/a", "/b", Cause::Path),
            ("/ab", "/b", Cause::Path),
            ("/a", "/", Cause::PathPrefixStripped),
        ] {
            assert_eq!(
                path_difference(signed, here),
                Some(cause),
                "{signed} {here}"
            );
        }
    }
}
