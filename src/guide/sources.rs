//! Writing a source: another network.
//!
//! # First: does it sign its URL at the end?
//!
//! Many networks attach a keyed hash as the last parameter. They need no code, only a description:
//! [`trailing_hash`](crate::source::trailing_hash). This is all of it:
//!
//! ```
//! use postback::source::Source;
//! use postback::source::trailing_hash::{Endpoint, Meaning};
//! use postback::wire::{Algorithm, Encoding, KeyRing, Request};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let url = "https://game.example/callbacks/acme?user={user}&tx={tx}&coins={coins}&state={state}";
//! let acme = Endpoint::builder("acme", "my-game", KeyRing::from_list("the secret")?, url)
//!     .signed_by("verifier", Algorithm::HmacSha256, Encoding::Hex)
//!     .player("user").transaction("tx").amount("coins").status("state")
//!     .word("approved", Meaning::Completed)
//!     .word("chargeback", Meaning::Reversed)
//!     .build()?;
//! # use postback::testing::trailing_hash::Signer;
//! # let signer = Signer::new("the secret", "verifier", Algorithm::HmacSha256, Encoding::Hex);
//! # let signed = signer.sign_url("https://game.example/callbacks/acme?user=p1&tx=t1&coins=5&state=approved");
//! # let target = signed.target();
//! assert!(acme.open(&Request::get(target)).is_ok());
//! # Ok(())
//! # }
//! ```
//!
//! # If it does not
//!
//! Write a type that implements [`Source`](crate::source::Source), and one for its callbacks that implements
//! [`Callback`](crate::source::Callback). A complete one stands in [`source`](crate::source#a-source-of-your-own): a
//! network that proves itself by a key in the URL. Guard, stores, web adapters, and the whole of what is guaranteed
//! work with it unchanged.
//!
//! `open` has two duties, in this order:
//!
//! 1. **Genuine?** Over the bytes as they came; in constant time
//!    ([`Secret::is_presented_by`](crate::wire::Secret::is_presented_by) for a key that is sent along). Absent,
//!    malformed and wrong are errors, and nothing else of the request is looked at before.
//! 2. **What does it say?** Parse only what was authenticated, once, with [`Params`](crate::wire::Params). A name
//!    that you read must not occur twice: [`once`](crate::wire::Params::once) sees to that.
//!
//! `event` says what it means, as an [`Event`](crate::event::Event):
//!
//! | the network says | effect | pays |
//! |---|---|---|
//! | on its way, held back, under review | [`Pending`](crate::event::Effect::Pending) | never |
//! | final | [`Completed`](crate::event::Effect::Completed) | its amount, once for each transaction (and milestone, if a transaction can complete in several ways) |
//! | corrected by an amount | [`Adjusted`](crate::event::Effect::Adjusted) | the difference; never below zero, nor above what was completed |
//! | charged back, rejected, whatever the amount | [`Revoked`](crate::event::Effect::Revoked) | takes back all that was paid |
//! | anything unknown | [`Noted`](crate::event::Effect::Noted) | nothing; kept and acknowledged |
//!
//! Choose with care:
//!
//! - **The transaction** must be the network's own name for *one* reward. If a user can be rewarded several times
//!   under one id (a goal, a level), make the id of both. Never make it of player and offer.
//! - **The original** is for messages that take back or restore and have a transaction of their own: name the
//!   rewarded transaction there.
//! - **An unknown word** is [`Noted`](crate::event::Effect::Noted), not an error: the network would repeat it ten
//!   times, then forget it.
//! - **The source's name** and **the app's name** are part of every record's key. Never change them.
//! - **`signed`** is kept in the record, for people. Leave every key, password and hash out of it.
//! - **Amounts** are decimals, in the player's currency. A purchase is not a reward.
//!
//! # Prove it
//!
//! Sign what you send in tests yourself ([`testing`](crate::testing) has a signer for URLs), and try at least: each
//! word; the same twice; COMPLETED after its reversal; a changed amount; a doubled parameter; an absent, empty, short
//! and wrong signature; a name of the player with a space, `+`, `&`, `%` and letters beyond ASCII. The vendor's
//! example is worth more than its description.
