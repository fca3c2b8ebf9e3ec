//! The addresses that a network calls from: reported by default, enforced only if configured.

use std::net::IpAddr;

use crate::network::{ConfigError, EndpointLabels};
use crate::verify::{NotGenuine, Request};

/// An address, or a network of addresses such as `192.0.2.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AddressRange {
    network: IpAddr,
    prefix: u32,
}

impl AddressRange {
    /// Parses an address or a network. An IPv4-mapped IPv6 address is its IPv4 address.
    ///
    /// # Errors
    /// [`ConfigError::Address`], which names the entry.
    pub(crate) fn parse(entry: &str) -> Result<Self, ConfigError> {
        let invalid = || ConfigError::Address { entry: entry.to_owned() };
        let (address, prefix) = match entry.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (entry, None),
        };
        let network: IpAddr = address.parse().map_err(|_| invalid())?;
        let network = network.to_canonical();
        let bits = if network.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits,
            Some(prefix) => prefix.parse().ok().filter(|prefix| *prefix <= bits).ok_or_else(invalid)?,
        };
        Ok(Self { network, prefix })
    }

    /// Whether the address is in it. `::ffff:192.0.2.1` is the same as `192.0.2.1`.
    fn contains(&self, address: IpAddr) -> bool {
        let same = |a: u128, b: u128, bits: u32| {
            let shift = bits.saturating_sub(self.prefix);
            a.checked_shr(shift) == b.checked_shr(shift)
        };
        match (self.network, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(u32::from(a).into(), u32::from(b).into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), 128),
            _ => false,
        }
    }
}

/// The addresses that a network is expected to call from.
///
/// A genuine callback from another address is reported: a line in the log, and the counter
/// `postback_unlisted_senders_total`. Networks change their addresses without notice, so nothing is rejected unless
/// [`enforce`](Self::enforce) is set.
///
/// ```
/// use postback::network::Senders;
///
/// let senders = Senders::new(["188.40.3.73", "157.90.97.92"])?.behind_proxies(["10.0.0.0/8"])?;
/// assert!(Senders::new(["2a01:4f8:d0a:30ff:2"]).unwrap_err().to_string().contains("2a01:4f8:d0a:30ff:2"));
/// # let _ = senders;
/// # Ok::<(), postback::network::ConfigError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Senders {
    listed: Vec<AddressRange>,
    proxies: Vec<AddressRange>,
    is_enforced: bool,
}

impl Senders {
    /// The expected addresses and networks.
    ///
    /// # Errors
    /// [`ConfigError::Address`], which names the malformed entry.
    pub fn new<T: AsRef<str>>(entries: impl IntoIterator<Item = T>) -> Result<Self, ConfigError> {
        Ok(Self { listed: parse_all(entries)?, ..Self::default() })
    }

    /// The addresses of your own proxies. `X-Forwarded-For` is read only if the request came from one of them, from the
    /// right, and up to the first address that is not one of them.
    ///
    /// # Errors
    /// [`ConfigError::Address`], which names the malformed entry.
    pub fn behind_proxies<T: AsRef<str>>(mut self, entries: impl IntoIterator<Item = T>) -> Result<Self, ConfigError> {
        self.proxies = parse_all(entries)?;
        Ok(self)
    }

    /// Rejects callbacks from any other address with 403. A network that adds an address then loses its callbacks.
    #[must_use]
    pub fn enforce(mut self) -> Self {
        self.is_enforced = true;
        self
    }

    /// Rejects a request from another address, if they are enforced.
    pub(crate) fn check(senders: Option<&Self>, request: &Request<'_>) -> Result<(), NotGenuine> {
        let is_rejected = senders.is_some_and(|senders| senders.is_enforced && !senders.lists(request));
        if is_rejected { Err(NotGenuine::Address) } else { Ok(()) }
    }

    /// Whether the request came from a listed address. A request without a known address did not.
    fn lists(&self, request: &Request<'_>) -> bool {
        let Some(sender) = self.sender(request) else {
            return false;
        };
        contains(&self.listed, sender)
    }

    fn sender(&self, request: &Request<'_>) -> Option<IpAddr> {
        let peer = request.peer()?.to_canonical();
        if !contains(&self.proxies, peer) {
            return Some(peer);
        }
        let mut hops = Vec::new();
        request.headers().each("x-forwarded-for", &mut |value| {
            let text = std::str::from_utf8(value).unwrap_or_default();
            hops.extend(text.split(',').map(|hop| parse_hop(hop.trim())));
        });
        for hop in hops.into_iter().rev() {
            // What a malformed entry hides is unknown.
            let hop = hop?;
            if !contains(&self.proxies, hop) {
                return Some(hop);
            }
        }
        Some(peer)
    }

    /// Reports a genuine callback from another address.
    pub(crate) fn report(senders: Option<&Self>, labels: EndpointLabels<'_>, request: &Request<'_>) {
        if senders.is_none_or(|senders| senders.lists(request)) {
            return;
        }
        tracing::warn!(
            target: "postback::endpoint",
            network = labels.network,
            app = labels.app,
            endpoint = labels.endpoint,
            has_address = request.peer().is_some(),
            "genuine callback from an address that is not on the list: update the list"
        );
        #[cfg(feature = "metrics")]
        metrics::counter!(
            "postback_unlisted_senders_total",
            "network" => labels.network.to_owned(),
            "app" => labels.app.to_owned(),
            "endpoint" => labels.endpoint.to_owned(),
        )
        .increment(1);
    }
}

fn parse_all<T: AsRef<str>>(entries: impl IntoIterator<Item = T>) -> Result<Vec<AddressRange>, ConfigError> {
    entries.into_iter().map(|entry| AddressRange::parse(entry.as_ref())).collect()
}

fn contains(ranges: &[AddressRange], address: IpAddr) -> bool {
    ranges.iter().any(|range| range.contains(address))
}

/// An entry of `X-Forwarded-For`: an address, possibly with a port.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let address = hop.parse::<IpAddr>().ok().or_else(|| {
        let socket = hop.parse::<std::net::SocketAddr>().ok()?;
        Some(socket.ip())
    });
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(senders: &Senders, peer: &str, forwarded: &[&str]) -> bool {
        let headers: Vec<_> = forwarded.iter().map(|value| ("X-Forwarded-For", *value)).collect();
        senders.lists(&Request::get("/").with_headers(&headers).with_peer(peer.parse().unwrap()))
    }

    #[test]
    fn mapped_addresses_are_their_ipv4_address() {
        let senders = Senders::new(["188.40.3.73", "2a01:4f8:d0a:30ff::2", "192.0.2.0/24"]).unwrap();
        for peer in ["188.40.3.73", "::ffff:188.40.3.73", "2a01:4f8:d0a:30ff::2", "192.0.2.255"] {
            assert!(lists(&senders, peer, &[]), "{peer}");
        }
        for peer in ["44.204.183.114", "188.40.3.74", "2a01:4f8:d0a:30ff::3", "192.0.3.0"] {
            assert!(!lists(&senders, peer, &[]), "{peer}");
        }
        assert!(!senders.lists(&Request::get("/")));
        assert!(Senders::new(["0.0.0.0/0"]).unwrap().lists(&Request::get("/").with_peer([1, 2, 3, 4].into())));
    }

    #[test]
    fn forwarded_header_is_read_only_behind_a_proxy() {
        let senders = Senders::new(["188.40.3.73"]).unwrap();
        let header: &[&str] = &["188.40.3.73, 10.0.0.1"];
        assert!(!lists(&senders, "10.0.0.2", header));
        let proxied = senders.behind_proxies(["10.0.0.0/8"]).unwrap();
        assert!(lists(&proxied, "10.0.0.2", header));
        assert!(lists(&proxied, "10.0.0.2", &["188.40.3.73:4711"]));
        assert!(lists(&proxied, "10.0.0.2", &["6.6.6.6", "188.40.3.73", "10.0.0.1"]));
        // What stands left of the first foreign address was written by the caller.
        assert!(!lists(&proxied, "10.0.0.2", &["188.40.3.73, 6.6.6.6"]));
        assert!(!lists(&proxied, "10.0.0.2", &["188.40.3.73, nonsense"]));
        assert!(!lists(&proxied, "6.6.6.6", header));
        assert!(!lists(&proxied, "10.0.0.2", &[]));
    }

    #[test]
    fn malformed_entries_are_named() {
        for entry in ["2a01:4f8:d0a:30ff:2", "", "1.2.3", "1.2.3.4/33", "1.2.3.4/", "game.example", "1.2.3.4 "] {
            assert_eq!(Senders::new(["10.0.0.1", entry]).unwrap_err(), ConfigError::Address { entry: entry.into() });
        }
    }
}
