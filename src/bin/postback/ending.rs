//! How a command ends.

use std::error::Error;

use crate::output::note;

/// The answer of a command that could be carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Fine,
    Negative,
}

impl Ending {
    /// Fine, if so.
    pub(crate) fn fine_if(is_fine: bool) -> Self {
        if is_fine { Self::Fine } else { Self::Negative }
    }
}

/// Why a command could not be carried out.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

pub(crate) type Outcome = Result<Ending, Failure>;

/// An error with what it is about.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct About {
    what: String,
    source: Failure,
}

/// Puts before an error what it is about: an argument, a file.
pub(crate) fn about(what: impl Into<String>, source: impl Into<Failure>) -> Failure {
    Box::new(About {
        what: what.into(),
        source: source.into(),
    })
}

/// Prints an error and everything that led to it.
pub(crate) fn print(error: &(dyn Error + 'static)) {
    note(format_args!("error: {error}"));
    let mut source = error.source();
    while let Some(cause) = source {
        note(format_args!("  because: {cause}"));
        source = cause.source();
    }
}
