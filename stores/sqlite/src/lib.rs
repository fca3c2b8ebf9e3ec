//! The SQLite store for `postback`.
