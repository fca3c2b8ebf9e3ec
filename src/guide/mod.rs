//! Guides: from the first callback to running it for years.
//!
//! | guide | answers |
//! |---|---|
//! | [`bitlabs`] | what to type into the dashboard, field by field, and what to write here |
//! | [`proxies`] | nginx, Caddy, Cloudflare, a Kubernetes ingress: what may stand in front, and set how |
//! | [`stores`] | where to keep the records |
//! | [`handlers`] | writing the code that pays, so that it cannot pay twice |
//! | [`migration`] | moving here from a receiver of your own, without paying twice |
//! | [`monitoring`] | what to watch, and what each number and line means |
//! | [`testing_your_backend`] | playing the network against your own code |
//! | [`secrets`] | where the secret is kept, and changing it without losing a callback |
//! | [`attacks`] | what attackers try, what happens then, and what is *not* defended |
//! | [`sources`] | another network |
//! | [`custom_stores`] | another database |
//!
//! All code in them is compiled and, where it needs no server, run by the crate's tests. They are for reading only:
//! nothing of this module is in a program.

pub mod attacks;
pub mod bitlabs;
pub mod custom_stores;
pub mod handlers;
pub mod migration;
pub mod monitoring;
pub mod proxies;
pub mod secrets;
pub mod sources;
pub mod stores;
pub mod testing_your_backend;
