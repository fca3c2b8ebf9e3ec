//! The Redis store for `postback`.
