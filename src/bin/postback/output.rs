//! What a command prints, into a pipe whose reader may have gone (`postback verify | head`). `println!` panics there.

use std::fmt::Display;
use std::io::{ErrorKind, Write};

use crate::ending::{Failure, about};

/// Whether anybody still reads what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    There,
    /// Nothing more need be printed. That is no fault: the reader has seen enough.
    Gone,
}

/// Prints a line. A full disk is an error; a reader that has gone is not.
pub(crate) fn print(text: impl Display) -> Result<Reader, Failure> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Ok(()) => Ok(Reader::There),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(about("the output cannot be written", error)),
    }
}

/// Prints a line beside the output. There is nowhere left to complain to if that fails.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
