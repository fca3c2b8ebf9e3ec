//! What goes wrong on the way: for each cause one fixed word, what it is, and what to change.

use serde::Serialize;

const RAW: &str = "hash the query's bytes as they stand in the request line, before any framework or proxy parses them";
const CONFIGURED: &str =
    "configure the URL exactly as the dashboard has it, and hash that instead of what the request says";
const UNTOUCHED: &str = "let nothing on the way change the network's requests";
const NOBODY: &str = "nothing, if a scanner or a browser sent it: the network's own calls end in a signature";

#[rustfmt::skip]
const CAUSES: [(&str, &str, &str); 27] = [
    ("scheme", "TLS ends at a proxy, or the dashboard has the other protocol", CONFIGURED),
    ("host", "a proxy rewrites the host, or the dashboard has another one", CONFIGURED),
    ("port", "the receiver sees its own port, not the one in the dashboard's URL", CONFIGURED),
    ("path", "the path is not the one in the dashboard's URL", CONFIGURED),
    ("empty_path", "HTTP has no empty path, but the network signs the URL as it was typed", CONFIGURED),
    ("trailing_slash", "the path differs by a slash at the end", CONFIGURED),
    ("path_stripped", "a proxy or a nested router strips the beginning of the path", CONFIGURED),
    ("path_added", "a proxy adds to the path, or the dashboard's URL lacks that part", CONFIGURED),
    ("space_encoding", "a space was signed as one of '+' and '%20' and is here the other, as URL classes write it", RAW),
    ("escape_case", "the escapes' digits are in the other case (%2F, %2f)", RAW),
    ("decoded_once", "the query was decoded once in transit, by a gateway or a proxy", "pass the raw query on, or hash it before it is decoded"),
    ("decoded", "the query is decoded here, and was signed encoded", RAW),
    ("encoded", "the query is encoded here, and was signed as it was before", RAW),
    ("reencoded", "the query was decoded and encoded again by other rules", RAW),
    ("latin_1", "text was converted between UTF-8 and Latin-1 in transit", RAW),
    ("reordered", "the same parameters were signed in another order: something sorts them or keeps them in a map", RAW),
    ("parameter_added", "a parameter here was not signed", UNTOUCHED),
    ("parameter_removed", "a signed parameter is missing here; empty ones count", UNTOUCHED),
    ("after_signature", "something stands after the signature, which is not signed", UNTOUCHED),
    ("ampersand_escaped", "the URL was copied from a web page or from JSON, where '&' is '&amp;' or '\\u0026'", "copy the URL from the request line or the access log"),
    ("signature_upper_case", "the signature is in upper case; the network sends lower case", UNTOUCHED),
    ("signature_malformed", "the signature is not 40 hexadecimal digits", "let nothing cut or extend the URL; if this is a copy, copy it again"),
    ("signature_missing", "the URL has no parameter \"hash\"", NOBODY),
    ("signature_empty", "the signature is empty", NOBODY),
    ("secret_white_space", "the secret has white space around it", "remove the white space; a line feed counts"),
    ("secret_quoted", "the secret has quotation marks around it", "remove the quotation marks"),
    ("other_secret", "it was signed with another secret", "configure that secret for this endpoint, or that app's endpoint"),
];

/// One thing that went wrong on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Fault {
    /// One fixed word.
    pub(super) cause: &'static str,
    pub(super) what: String,
    pub(super) change: &'static str,
}

impl Fault {
    pub(super) fn new(cause: &'static str) -> Self {
        let known = CAUSES.iter().find(|(word, ..)| *word == cause);
        let (what, change) = known.map_or(("", RAW), |(_, what, change)| (*what, *change));
        let what = what.to_owned();
        Self { cause, what, change }
    }

    /// With the names or values that it is about.
    pub(super) fn about(cause: &'static str, detail: impl std::fmt::Display) -> Self {
        let mut fault = Self::new(cause);
        fault.what = format!("{} ({detail})", fault.what);
        fault
    }
}
