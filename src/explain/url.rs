//! A URL taken apart, without changing a byte of it.

/// Scheme, host, port and path: what stands before the `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prefix {
    /// Without `://`; empty for a bare request target.
    pub(super) scheme: String,
    pub(super) host: String,
    /// With its colon; empty where none is written.
    pub(super) port: String,
    /// Empty, or with its leading slash.
    pub(super) path: String,
}

impl Prefix {
    pub(super) fn parse(text: &str) -> Self {
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        if scheme.is_empty() {
            return Self {
                scheme: String::new(),
                host: String::new(),
                port: String::new(),
                path: rest.to_owned(),
            };
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let colon = authority
            .rfind(':')
            .filter(|colon| !authority.get(*colon..).unwrap_or_default().contains(']'));
        let (host, port) = authority.split_at(colon.unwrap_or(authority.len()));
        Self {
            scheme: scheme.to_owned(),
            host: host.to_owned(),
            port: port.to_owned(),
            path: path.to_owned(),
        }
    }

    /// Whether scheme and host are known, and not only a path.
    pub(super) fn is_whole(&self) -> bool {
        !self.scheme.is_empty() && !self.host.is_empty()
    }

    pub(super) fn text(&self) -> String {
        let Self {
            scheme,
            host,
            port,
            path,
        } = self;
        format!("{scheme}://{host}{port}{path}")
    }
}

/// One way to read a query: what was signed, and the signature's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) signed: String,
    pub(super) hash: String,
    /// All that arrived but this signature: what a receiver has to hash.
    pub(super) here: String,
}

/// The parameters of a query with the place of each, as they stand.
pub(super) fn pieces(query: &str) -> impl Iterator<Item = &str> {
    query.split('&').filter(|piece| !piece.is_empty())
}

/// A parameter's name as it stands.
pub(super) fn name_of(piece: &str) -> &str {
    piece.split_once('=').map_or(piece, |(name, _)| name)
}

/// Decoded as far as it can be, for comparison only. A `+` is a space.
pub(super) fn decoded(piece: &str) -> String {
    percent_encoding::percent_decode_str(&piece.replace('+', " "))
        .decode_utf8_lossy()
        .into_owned()
}

/// Decoded as often as it was encoded, for comparison only.
pub(super) fn bare(piece: &str) -> String {
    let once = decoded(piece);
    if once == piece { once } else { decoded(&once) }
}

/// Every way to tell the signature from what it signs; the one that receivers use comes first, where the
/// query allows it.
pub(super) fn readings(query: &str, marker: &str) -> Vec<Reading> {
    let mut found: Vec<Reading> = Vec::new();
    let mut add = |signed: String, hash: &str, here: &str| {
        let is_known = |known: &Reading| known.signed == signed && known.hash == hash;
        if !signed.is_empty() && !found.iter().any(is_known) {
            found.push(Reading {
                signed,
                hash: hash.to_owned(),
                here: here.to_owned(),
            });
        }
    };
    if let Some((signed, hash)) = query.rsplit_once(marker)
        && !hash.contains('&')
    {
        add(signed.to_owned(), hash, signed);
    }
    // Followed by something, or moved by whoever sorts parameters.
    let name = marker.trim_matches(['&', '=']);
    let all: Vec<&str> = pieces(query).collect();
    for (place, piece) in all.iter().enumerate() {
        let Some((_, hash)) = piece.split_once('=').filter(|(known, _)| *known == name) else {
            continue;
        };
        let (before, rest) = all.split_at(place);
        let others: Vec<&str> = before.iter().chain(rest.iter().skip(1)).copied().collect();
        let others = others.join("&");
        add(before.join("&"), hash, &others);
        add(others.clone(), hash, &others);
    }
    let trimmed: Vec<Reading> = found
        .iter()
        .filter_map(|reading| {
            let hash = legible(&reading.hash)?;
            Some(Reading {
                hash,
                ..reading.clone()
            })
        })
        .collect();
    for reading in trimmed {
        if !found.contains(&reading) {
            found.push(reading);
        }
    }
    found
}

/// A signature in lower case, without what is stuck to it; `None` where there is none in it.
fn legible(hash: &str) -> Option<String> {
    let start = hash.trim_start_matches(|c: char| !c.is_ascii_hexdigit());
    let end = start
        .find(|c: char| !c.is_ascii_hexdigit())
        .unwrap_or(start.len());
    let digits = start.get(..end)?;
    (digits.len() >= 40).then(|| digits.get(..40).unwrap_or(digits).to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_keeps_every_byte() {
        for text in [
            "https://a.example/cb",
            "http://[::1]:80/c/",
            "https://A.example",
            "http://h:1",
        ] {
            let prefix = Prefix::parse(text);
            assert_eq!(prefix.text(), text);
            assert!(prefix.is_whole());
        }
        assert!(!Prefix::parse("/callbacks").is_whole());
        assert_eq!(Prefix::parse("http://[::1]:80/c").port, ":80");
        assert_eq!(Prefix::parse("http://[::1]/c").port, "");
    }

    #[test]
    fn the_usual_reading_comes_first() {
        let all = readings("a=1&hash=x&b=2&hash=y", "&hash=");
        assert_eq!((&*all[0].signed, &*all[0].hash), ("a=1&hash=x&b=2", "y"));
        assert!(
            all.iter()
                .any(|reading| reading.signed == "a=1" && reading.hash == "x")
        );
        let all = readings("a=1&hash=x&b=2", "&hash=");
        assert_eq!((&*all[0].signed, &*all[0].hash), ("a=1", "x"));
        assert_eq!((&*all[1].signed, &*all[1].hash), ("a=1&b=2", "x"));
    }
}
