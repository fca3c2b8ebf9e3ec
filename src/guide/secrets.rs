//! Where the secret is kept, and changing it without losing a callback.
//!
//! # Keeping it
//!
//! - In the environment, or in a file that only the backend reads. Not in the repository, not as a command's
//!   argument.
//! - A file's trailing line feed is refused ([`SecretError::WhiteSpace`](crate::wire::SecretError::WhiteSpace)):
//!   every hash under it would be wrong. So is an empty secret, under which anybody can sign. Both stop the program
//!   at the start, not at the first callback.
//! - [`Secret`](crate::wire::Secret) is wiped from memory when it is dropped, is never shown, and cannot be compared
//!   with `==`. No log line or error of this crate holds one, nor a hash.
//! - Each app of a network has its own secret. So has staging: a staging secret that is production's signs
//!   production's rewards.
//!
//! # Changing it
//!
//! When you change the App Secret in the dashboard, callbacks signed with the old one are still on their way, and
//! repeated for hours. A [`KeyRing`](crate::wire::KeyRing) accepts both:
//!
//! 1. Add the new secret *behind* the old one, and deploy: `BITLABS_APP_SECRET=old,new`.
//! 2. Change it in the dashboard. If the dashboard invents the new one itself, do it the other way round, quickly:
//!    callbacks in between are answered 403 and repeated.
//! 3. Wait for a day. Every typed callback says which key signed it; log that, and see the old one fall silent.
//! 4. Take the old secret out, and deploy.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use postback::source::Source;
//! # use postback::testing::bitlabs::Network;
//! use postback::bitlabs::App;
//! use postback::wire::{KeyId, KeyRing, Request, Secret};
//!
//! let keys = KeyRing::new(KeyId::new("2025")?, Secret::new("old secret")?)
//!     .with(KeyId::new("2026")?, Secret::new("new secret")?)?;
//! let url = "https://game.example/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]\
//!     &state=[%OFFER:TASK:STATE%]&ref=[%REF%]";
//! let offers = App::new("my-game", keys)?.offers(url).build()?;
//!
//! # let signed = |secret: &str| {
//! #     let callback = Network::new(secret).callback(url).player("p1").transaction("o1").amount("500").state("NONE");
//! #     callback.sign().target().to_owned()
//! # };
//! for (secret, key) in [("old secret", "2025"), ("new secret", "2026")] {
//!     let callback = offers.open(&Request::get(&signed(secret)))?;
//!     assert_eq!(callback.key_id().as_str(), key);
//! }
//! // Whichever key it is, the transaction is the same: the second of the two is a duplicate.
//! # Ok(())
//! # }
//! ```
//!
//! [`KeyRing::from_list`](crate::wire::KeyRing::from_list) reads the same from `old,new`, and calls them `key-1` and
//! `key-2`. All keys are tried, without an early exit, so that the time taken does not tell which one it was.
//!
//! # It has leaked
//!
//! Change it at once, without the ring: whoever has the old one can sign rewards. Callbacks on their way are answered
//! 403 and lost after their last repetition; ask the network for the conversions of that time. Then look for what was
//! paid meanwhile: each record has the signed query (column `signed` of the view `postback_callbacks`), and the
//! network's statistics say which transactions are real.
