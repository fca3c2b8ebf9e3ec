//! Settings that come from outside: environment variables and files.

use zeroize::Zeroizing;

/// The largest file that is read as a secret, in bytes.
const MAX_SECRET_FILE: u64 = 64 * 1024;

/// An environment variable, if it is set and is text.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
pub(crate) fn variable(name: &str) -> Option<Zeroizing<String>> {
    std::env::var(name).ok().map(Zeroizing::new)
}

/// The value of a setting: `env:NAME` is an environment variable, `file:PATH` a file's content without its last line
/// feed, anything else the value itself.
pub(crate) fn resolve(text: &str) -> Result<Zeroizing<String>, String> {
    if let Some(name) = text.strip_prefix("env:") {
        return match variable(name) {
            Some(value) if value.is_empty() => Err(format!("environment variable {name} is empty: give it a value")),
            Some(value) => Ok(value),
            None => Err(format!("environment variable {name} is not set: set it before the program starts")),
        };
    }
    let Some(path) = text.strip_prefix("file:") else {
        return Ok(Zeroizing::new(text.to_owned()));
    };
    let unreadable = |error: std::io::Error| format!("cannot read file {path}: {error}");
    let size = std::fs::metadata(path).map_err(unreadable)?.len();
    if size > MAX_SECRET_FILE {
        return Err(format!("file {path} is larger than 64 KiB: it cannot be a secret"));
    }
    let mut value = Zeroizing::new(std::fs::read_to_string(path).map_err(unreadable)?);
    for end in ["\n", "\r"] {
        if value.ends_with(end) {
            value.pop();
        }
    }
    if value.is_empty() {
        return Err(format!("file {path} is empty"));
    }
    Ok(value)
}
