//! The Postgres store for `postback`.
