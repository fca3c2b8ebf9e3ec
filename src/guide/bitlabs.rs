//! Setting `BitLabs` up, step by step.
//!
//! Facts about the network are marked as in the repository's `docs/protocol/bitlabs.md`: **\[D\]** documented by the
//! vendor, **\[P\]** seen in public receivers only, **\[U\]** not documented.
//!
//! # 1. Find the App Secret
//!
//! Callbacks are signed with the **App Secret** of the app \[D\]: not the API token, and not the S2S key. Put it into
//! the environment of your backend ([`secrets`](super::secrets)). If every callback is answered 403, the wrong one of
//! the three is the first thing to look for; `postback explain` knows a token by its shape.
//!
//! # 2. Compose the URL
//!
//! The dashboard asks for a callback's parts in separate fields \[D\]. Here they are one URL, and that URL is the
//! whole configuration of an endpoint:
//!
//! ```text
//! https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&from=bitlabs
//! ```
//!
//! | field in the dashboard | type | why |
//! |---|---|---|
//! | protocol | what the *outside* world uses, as a rule `https` | it is signed; that TLS ends at a proxy does not matter |
//! | host and path | the public ones, with whatever prefix your proxy strips | signed as typed; no slash is added to a URL without a path \[D\] |
//! | a parameter's name | any name of your own, each once; not `hash` or `debug`, which the network adds | you receive names, not macros \[D\] |
//! | a parameter's macro | from the dashboard's list, as `[%TX%]` | both the old and the new vocabulary are understood here |
//! | custom parameters | fixed text, if you want some: `from=bitlabs` | checked to be unchanged |
//!
//! Copy the URL from the dashboard into your program as it stands. `postback template 'URL'` says what it can be used
//! for. What is wrong with it is said when the endpoint is built, with what to type instead.
//!
//! # 3. One endpoint for each kind of callback
//!
//! | in the dashboard | here | the URL must have | it should have, too |
//! |---|---|---|---|
//! | offers | [`App::offers`] | player, transaction, amount, state | reference, USD, names, rejection reason |
//! | in-app purchases | [`App::purchases`] | the same, and `[%OFFER:TASK:IAP:USD%]` | the task's type |
//! | surveys | [`App::surveys`] | player, transaction, amount, `[%TYPE%]`, `[%REF%]` | USD |
//! | magic receipts | [`App::receipts`] | player, transaction, amount, and the state under the name `magic_receipt_state` | reference |
//! | cashback | [`App::cashback`] | player, transaction, amount, and the state under the name `cashback_state` | reference |
//! | general reward callback | [`App::rewards`] | player, transaction, amount, `[%REF%]` | type, state, USD |
//! | bans | [`App::bans`] | player, `[%BAN:STATUS%]` | `[%BAN:REASON%]` |
//!
//! Player is `[%USER:UID%]`, transaction `[%TX%]`, amount `[%VALUE:CURRENCY%]`, reference `[%REF%]`, state of an
//! offer `[%OFFER:TASK:STATE%]`. How the states of receipts and cashback are spelt as macros is not documented \[U\]:
//! choose the one that the dashboard offers. It is known here by the *parameter's* name
//! ([`state_parameter`](crate::bitlabs::EndpointBuilder::state_parameter) for another).
//!
//! ```
//! use postback::bitlabs::App;
//! use postback::wire::KeyRing;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let secret = "JLOIAUNMHFli7ZJOQVEzm98rzqnm9";
//! // The name is yours. It becomes part of every record's key: never change it.
//! let app = App::new("my-game", KeyRing::from_list(secret)?)?;
//!
//! let offers = app.offers("https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]\
//!     &gems=[%VALUE:CURRENCY%]&usd=[%VALUE:USD%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]\
//!     &name=[%OFFER:NAME%]&reason=[%OFFER:REJECTION_REASON%]").build()?;
//! let surveys = app.surveys("https://game.example/callbacks/surveys?player=[%UID%]&tx=[%TX%]&gems=[%VAL%]\
//!     &type=[%TYPE%]&ref=[%REF%]").build()?;
//! let receipts = app.receipts("https://game.example/callbacks/receipts?player=[%USER:UID%]&tx=[%TX%]\
//!     &gems=[%VALUE:CURRENCY%]&magic_receipt_state=[%MAGIC_RECEIPT:STATE%]&ref=[%REF%]").build()?;
//! let cashback = app.cashback("https://game.example/callbacks/cashback?player=[%USER:UID%]&tx=[%TX%]\
//!     &gems=[%VALUE:CURRENCY%]&cashback_state=[%CASHBACK:STATE%]&ref=[%REF%]").build()?;
//! let rewards = app.rewards("https://game.example/callbacks/rewards?player=[%USER:UID%]&tx=[%TX%]\
//!     &gems=[%VALUE:CURRENCY%]&ref=[%REF%]&type=[%TYPE%]").build()?;
//! let bans = app.bans("https://game.example/callbacks/bans?player=[%USER:UID%]&status=[%BAN:STATUS%]\
//!     &reason=[%BAN:REASON%]").build()?;
//! # let _ = (surveys, receipts, cashback, rewards, bans);
//! assert_eq!((offers.name(), offers.path()), ("offers", "/callbacks/offers"));
//!
//! // What cannot be used safely is refused, with what to type.
//! let refused = app.offers("https://game.example/offers?player=[%USER:UDI%]&tx=[%TX%]").build();
//! assert!(refused.unwrap_err().to_string().contains("did you mean [%USER:UID%]?"));
//! # Ok(())
//! # }
//! ```
//!
//! Give all endpoints of one app the same [`App`]: the same conversion may reach two of them \[D\], and it is
//! recognised only under the same name. Another app has another secret: make it an [`App`] with another name.
//!
//! # 4. Stateful or not
//!
//! The dashboard has a switch for stateful offer callbacks \[D\]:
//!
//! | | a reward is final | a reward is taken back |
//! |---|---|---|
//! | stateful | `COMPLETED`; before it perhaps `PENDING` (the dashboard's activity "State Change"), which never pays | `RECONCILED`, with the *same* transaction and the deducted amount, which is never negative |
//! | not stateful, the default | the completed event; the state is `NONE` | a callback of its own with a negative amount and the original transaction in `[%REF%]` |
//!
//! **Put both `state` and `ref` into the URL**, whichever setting you have. Then either is understood, and changing it
//! later changes nothing here.
//!
//! - Without `state` the endpoint is not built: should the switch be on after all, a `PENDING` would look like a reward.
//!   With the switch off, the default, the state is `NONE`; so the macro can always be added. (`[%TYPE%]` does not
//!   help: it may be `COMPLETE` for a `PENDING`, too \[D\].)
//! - Without `ref` it is built, and then the switch must stay **on**. A reconciliation under a transaction of its own
//!   cannot be linked to what was paid: it is reported as [`Unlinked`](crate::decision::NothingWhy::Unlinked), and
//!   nothing is taken back.
//!
//! To show what is on its way, switch stateful callbacks on and handle
//! [`Decision::Pending`](crate::decision::Decision::Pending).
//!
//! # 5. One URL for each state, if you like
//!
//! The dashboard can send each activity to a URL of its own \[D\]. Then no state macro is needed, and a callback that
//! says otherwise is refused:
//!
//! ```
//! use postback::bitlabs::{App, OfferState};
//! # use postback::source::{Callback, Source};
//! # use postback::testing::bitlabs::Network;
//! # use postback::wire::{KeyRing, Request};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let app = App::new("my-game", KeyRing::from_list("the App Secret")?)?;
//! let base = "https://game.example/callbacks";
//! let fields = "player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]";
//! let pending = app.offers(format!("{base}/pending?{fields}")).only(OfferState::Pending).build()?;
//! let completed = app.offers(format!("{base}/completed?{fields}")).only(OfferState::Completed).build()?;
//! let reconciled = app.offers(format!("{base}/reconciled?{fields}")).only(OfferState::Reconciled).build()?;
//! # let _ = (pending, reconciled);
//! # let sent = Network::new("the App Secret")
//! #     .callback(format!("{base}/completed?{fields}")).player("p1").transaction("o1").amount("500").sign();
//! # assert_eq!(completed.open(&Request::get(sent.target()))?.event().player.as_str(), "p1");
//! # Ok(())
//! # }
//! ```
//!
//! Make sure that each URL really gets the activity that its endpoint is for: where the URL carries no state, nothing
//! in the callback says so.
//!
//! # 6. Screen-outs and start bonuses
//!
//! `SCREENOUT` and `START_BONUS` are rewards like a completed survey \[D\]; the network does not pay *you* for start
//! bonuses \[D\]. To acknowledge without paying:
//! [`acknowledge_screenouts`](crate::bitlabs::EndpointBuilder::acknowledge_screenouts),
//! [`acknowledge_start_bonuses`](crate::bitlabs::EndpointBuilder::acknowledge_start_bonuses).
//!
//! # 7. Mount, and try
//!
//! Mount each endpoint under the path that *arrives* ([`proxies`](super::proxies)), with
//! [`callbacks`](crate::web::axum::callbacks) for axum, or its twin for actix-web. Then:
//!
//! 1. `postback play all --to http://127.0.0.1:8080` rehearses all of it on your machine
//!    ([`testing_your_backend`](super::testing_your_backend)).
//! 2. The dashboard's callback tester sends a signed call with `debug=true` \[D\]\[P\] and shows the status and the
//!    body: **200 `test`** means that URL and secret are right. Nothing is remembered or paid. On a staging system,
//!    [`deliver_tests`](crate::bitlabs::EndpointBuilder::deliver_tests) treats it like a real one; never do that
//!    where players are paid.
//! 3. **403 `forbidden`**: the secret or the URL differ. Take the line from your access log and ask `postback
//!    explain`. **400 `bad callback`**: a parameter is missing, doubled or malformed; the log says which.
//!
//! # What to know in operation
//!
//! - Everything but 200 is repeated, about ten times with growing pauses \[P\]. After that the callback is gone:
//!   there is neither a log of callbacks nor a way to have them sent again. Be down for minutes, not for hours.
//! - Ban callbacks may have to be enabled by your account manager \[D\]. A ban carries no transaction.
//! - Callbacks of $0 are normal \[D\]; they are acknowledged as
//!   [`ZeroReward`](crate::decision::NothingWhy::ZeroReward).
//! - About 95 % of reconciliations come within 30 days, but any time is possible \[D\]: keep records for long
//!   ([`stores`](super::stores)).
//! - How a *stateful* conversion shows a second reconciliation is not documented \[U\]. One with another amount is
//!   reported as a conflict and moves nothing: have somebody look.
//! - Source addresses are known from public code only \[P\]. An allowlist is no substitute for the signature.
//!
//! [`App`]: crate::bitlabs::App
//! [`App::offers`]: crate::bitlabs::App::offers
//! [`App::purchases`]: crate::bitlabs::App::purchases
//! [`App::surveys`]: crate::bitlabs::App::surveys
//! [`App::receipts`]: crate::bitlabs::App::receipts
//! [`App::cashback`]: crate::bitlabs::App::cashback
//! [`App::rewards`]: crate::bitlabs::App::rewards
//! [`App::bans`]: crate::bitlabs::App::bans
