//! URLs from the argument or, one a line, from standard input.

use std::io::BufRead;

use crate::ending::{Failure, about};
use crate::output::Reader;

/// Calls `each` with every URL, until nobody reads any more what it prints; empty lines are skipped.
pub(crate) fn each_url(
    argument: Option<&str>,
    mut each: impl FnMut(&str) -> Result<Reader, Failure>,
) -> Result<(), Failure> {
    match argument {
        Some(url) if url != "-" => each(url).map(drop),
        _ => each_line(&mut std::io::stdin().lock(), each),
    }
}

pub(crate) fn each_line(
    lines: &mut dyn BufRead,
    mut each: impl FnMut(&str) -> Result<Reader, Failure>,
) -> Result<(), Failure> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = lines
            .read_until(b'\n', &mut line)
            .map_err(|error| about("the input cannot be read", error))?;
        if read == 0 {
            return Ok(());
        }
        // What is not UTF-8 is no URL that a network signs; it is reported like any other line.
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if !text.is_empty() && each(text)? == Reader::Gone {
            return Ok(());
        }
    }
}
