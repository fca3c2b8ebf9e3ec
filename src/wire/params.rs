//! The signed query, decoded once.

/// The decoded value of a parameter that occurs exactly once in a query; `None` otherwise.
pub(crate) fn find_once(query: &str, name: &str) -> Option<String> {
    let _ = (query, name);
    None
}
