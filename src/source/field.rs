//! A parameter that may be missing or empty.

use serde::{Serialize, Serializer};

/// An optional parameter of a callback. What is malformed never gets this far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field<T> {
    /// It is not in the callback, or the configured URL has no such parameter.
    Absent,
    /// It is there and empty: the network sends a macro that does not apply in this way.
    Empty,
    /// It has a value.
    Given(T),
}

impl<T> Field<T> {
    /// The value, where there is one.
    pub fn given(&self) -> Option<&T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Absent | Self::Empty => None,
        }
    }

    /// The value itself, where there is one.
    pub fn into_given(self) -> Option<T> {
        match self {
            Self::Given(value) => Some(value),
            Self::Absent | Self::Empty => None,
        }
    }

    /// The same with another value.
    pub fn map<U>(self, other: impl FnOnce(T) -> U) -> Field<U> {
        match self {
            Self::Absent => Field::Absent,
            Self::Empty => Field::Empty,
            Self::Given(value) => Field::Given(other(value)),
        }
    }

    pub(super) fn try_map<U, E>(
        self,
        other: impl FnOnce(T) -> Result<U, E>,
    ) -> Result<Field<U>, E> {
        Ok(match self {
            Self::Absent => Field::Absent,
            Self::Empty => Field::Empty,
            Self::Given(value) => Field::Given(other(value)?),
        })
    }
}

/// The value, or nothing.
impl<T: Serialize> Serialize for Field<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.given().serialize(serializer)
    }
}
