//! Guides, as in the repository's `docs/guide`.

#[doc = include_str!("../docs/guide/bitlabs.md")]
pub mod bitlabs {}

#[doc = include_str!("../docs/guide/proxies.md")]
pub mod proxies {}

#[doc = include_str!("../docs/guide/handlers.md")]
pub mod handlers {}

#[doc = include_str!("../docs/guide/stores.md")]
pub mod stores {}

#[doc = include_str!("../docs/guide/secrets.md")]
pub mod secrets {}

#[doc = include_str!("../docs/guide/attacks.md")]
pub mod attacks {}

#[doc = include_str!("../docs/guide/networks.md")]
pub mod networks {}

#[doc = include_str!("../docs/guide/testing.md")]
pub mod testing {}

#[doc = include_str!("../docs/guide/migration.md")]
pub mod migration {}
