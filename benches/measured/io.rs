//! What this process has written so far.

/// In bytes, whatever the files; 0 where the system does not say.
pub(crate) fn written() -> u64 {
    let counters = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let written = counters
        .lines()
        .find_map(|line| line.strip_prefix("wchar: "));
    written.map_or(0, |bytes| bytes.parse().unwrap())
}
