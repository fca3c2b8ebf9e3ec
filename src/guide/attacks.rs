//! Attacks considered, and what is not defended.
//!
//! The endpoint is open to the Internet, its URL is no secret for long, and what it does is worth money. Who attacks:
//! players who want gems, scanners, whoever captured a callback, and by accident the network, the proxies and the
//! weather.
//!
//! | attack | what happens | because |
//! |---|---|---|
//! | **forgery**: a callback without a hash, with an empty, a guessed, or another app's one | 403 | a callback's type can be had through verification only; no switch skips it. An empty secret, under which anyone can sign, stops the program at the start |
//! | **timing**: learning the hash digit by digit from the time that a refusal takes | nothing to learn | compared in constant time, under all keys, without an early exit; measured (the repository's `docs/testing-independent.md`) |
//! | **truncation**: a hash of which only a part is right | 403 | exactly 40 or 64 digits (or the one base64 form), all of them compared |
//! | **another spelling** of a right hash: upper case, escapes, other padding | 403 | each encoding has one form |
//! | **length extension**: adding to a signed message without the key | 403 | HMAC, of which that is not possible; and the hash is the end of the URL, nothing can stand behind it |
//! | **downgrade**: asking for a weaker algorithm, another key, no signature | – | nothing in the request chooses how it is verified |
//! | **replay**: a captured genuine callback, again | 200 `duplicate` | callbacks carry no time, so it is the record that knows; for as long as it is kept |
//! | **replay elsewhere**: at another endpoint, app or host | 403 | path, host and scheme are signed; each app has its own secret |
//! | **doubled parameters**: the player adds `gems=9999` or `hash=…` to the offer wall's URL, and it is *signed* | 400 | a configured name that occurs twice is refused; a second signature, too. Only the string that was verified is read |
//! | **other parameters** that the player adds | kept, not read | only configured names mean anything |
//! | **encodings**: `%00`, overlong or broken escapes, `+` for a space, upper or lower case | 400, or it is what it says | decoded once, strictly, after the hash is verified |
//! | **`Host`, `X-Forwarded-*`, an absolute URL in the request line** | no effect | none of it is looked at ([`proxies`](super::proxies)) |
//! | **test callbacks**: `debug=true` on a real one, to be paid or to have it forgotten | verified like any other; acknowledged, neither paid nor remembered | the parameter is signed; only a player's own pass-through parameter can add it, and that costs him his reward. Twice: 400 |
//! | **PENDING for COMPLETED**, an unknown state | nothing is paid | where the URL has a state, it decides, and it cannot be left out: 400. Have one in the URL ([`bitlabs`](super::bitlabs)) |
//! | **another amount or player** under a known transaction | a conflict: logged, no money moves | a message with the same transaction and state must say the same |
//! | **negative amounts** as rewards, reversals larger than the reward | a conflict; no more is taken back than was paid | the target is clamped |
//! | **races**: the same callback twenty times at once, to two machines | paid once | one compare-and-swap on the record's version |
//! | **crashes** at a chosen moment | paid once, or repeated with the same id | [`handlers`](super::handlers) |
//! | **floods** of junk | 403, cheaply | this crate allocates nothing and looks nothing up before the hash is verified; the URL's length, its parameters and the body are limited |
//! | **floods of genuine callbacks**, by batches | queued up to a limit, then 503 with `Retry-After` | and they come again; never 429 |
//! | **slow senders, endless bodies** | the web server's limits; bodies are read up to the endpoint's limit, by BitLabs' endpoints not at all | set your server's timeouts |
//! | **callers who hang up** | the work goes on | it is a task of its own |
//! | **log injection**: line feeds, terminal codes, a secret in the URL | nothing of it is logged | names in errors come from the configuration; identifiers hold no control characters; no URL, hash or secret is logged |
//! | **SQL injection** by names and ids | they are bound, never pasted | |
//! | **finding out** whether a player or transaction exists | forgers are told `forbidden` | fixed words; nothing is looked up before verification |
//!
//! # What is not defended
//!
//! - **A leaked secret.** Whoever has it signs rewards. See [`secrets`](super::secrets).
//! - **A dishonest network, or players who cheat it.** A genuine callback for an offer that was never played is
//!   genuine. The network's reversals come later, and are carried out.
//! - **Callbacks that never come.** What the network does not deliver, nobody can know of. Compare with its
//!   statistics from time to time.
//! - **Replayed bans.** A ban carries no transaction: a captured BANNED or ACTIVE that is sent again after its
//!   opposite is taken for a new one.
//! - **Replays after the record is gone**: pruned, or lost with a store that was restored to yesterday
//!   ([`stores`](super::stores)).
//! - **Networks that sign nothing** (Phonexa). Whoever learns the credentials sends what he likes; and callbacks can
//!   be changed on the way where there is no TLS.
//! - **Plain HTTP.** What the network calls as `http` can be read and held back on the way. It cannot be changed.
//! - **Your own wallet.** Another path to the player's balance than the handler is not watched.
//! - **Whoever can write to the store** can write what was paid. Keep it as safe as the wallet.
