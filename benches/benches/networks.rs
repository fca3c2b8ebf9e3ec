//! Verification through a description, against code written by hand for the same network.
//!
//! ```console
//! $ cargo bench -p postback-benches --bench networks
//! ```
//!
//! Each side gets the same genuine request and makes owned identifiers, exact amounts and the kept query of it. The figure
//! is the smallest time of many rounds, so that a busy machine disturbs it little.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    reason = "a measurement"
)]
#![allow(missing_docs, reason = "a program")]

use std::borrow::Cow;
use std::hint::black_box;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest as _, Md5};
use postback::network::preset;
use postback::testing::described::DescribedSigner;
use postback::{Decimal, Endpoint as _, PlayerId, Request, TransactionId};
use sha1::Sha1;

const SECRET: &str = "the-secret";

/// What a backend makes of a callback.
struct Callback {
    player: PlayerId,
    transaction: TransactionId,
    amount: Decimal,
    usd: Option<Decimal>,
    original: Option<TransactionId>,
    status: Option<String>,
    query: String,
}

fn decode(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.contains(['%', '+']) {
        return Some(raw.into());
    }
    let spaced = raw.replace('+', " ");
    Some(percent_encoding::percent_decode_str(&spaced).decode_utf8().ok()?.into_owned().into())
}

/// The configured parameters, each of which may occur once.
fn parameters<'q, const N: usize>(query: &'q str, names: [&str; N]) -> Option<[Option<Cow<'q, str>>; N]> {
    let mut found = [const { None }; N];
    for piece in query.split('&') {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        let name = decode(name)?;
        if let Some(at) = names.iter().position(|known| *known == name) {
            let value = decode(value)?;
            if found[at].replace(value).is_some() {
                return None;
            }
        }
    }
    Some(found)
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

fn notik_by_hand(mac: &Hmac<Sha1>, target: &str) -> Option<Callback> {
    let (_, query) = target.split_once('?')?;
    let (signed, hash) = query.rsplit_once("&hash=")?;
    let mac = mac.clone().chain_update(signed);
    mac.verify_slice(&unhex::<20>(hash)?).ok()?;
    let names = ["user_id", "txn_id", "amount", "payout", "rewarded_txn_id"];
    let [player, transaction, amount, usd, original] = parameters(signed, names)?;
    Some(Callback {
        player: PlayerId::new(player?).ok()?,
        transaction: TransactionId::new(transaction?).ok()?,
        amount: Decimal::from_str_exact(&amount?).ok()?,
        usd: usd.and_then(|usd| Decimal::from_str_exact(&usd).ok()),
        original: original.filter(|id| !id.is_empty()).and_then(|id| TransactionId::new(id).ok()),
        status: None,
        query: signed.to_owned(),
    })
}

fn cpx_by_hand(url_secret: &str, target: &str) -> Option<Callback> {
    let (_, query) = target.split_once('?')?;
    let names = ["user_id", "trans_id", "amount_local", "amount_usd", "status", "hash", "secret"];
    let [player, transaction, amount, usd, status, hash, secret] = parameters(query, names)?;
    let transaction = transaction?;
    // Compared by digests, so that the time shows nothing.
    if sha2::Sha256::digest(secret?.as_bytes()) != sha2::Sha256::digest(url_secret) {
        return None;
    }
    let expected = Md5::digest(format!("{transaction}-{SECRET}"));
    let given = unhex::<16>(&hash?.to_ascii_lowercase())?;
    if expected.iter().zip(given).fold(0, |all, (a, b)| all | (a ^ b)) != 0 {
        return None;
    }
    let kept = query.split('&').filter(|piece| !piece.starts_with("hash=") && !piece.starts_with("secret="));
    Some(Callback {
        player: PlayerId::new(player?).ok()?,
        transaction: TransactionId::new(&transaction).ok()?,
        amount: Decimal::from_str_exact(&amount?).ok()?,
        usd: usd.and_then(|usd| Decimal::from_str_exact(&usd).ok()),
        original: None,
        status: status.map(Cow::into_owned),
        query: kept.collect::<Vec<_>>().join("&"),
    })
}

/// The smallest time of one call.
fn time(mut call: impl FnMut()) -> Duration {
    const CALLS: u32 = 2000;
    let mut best = Duration::MAX;
    for _ in 0..200 {
        let start = Instant::now();
        for _ in 0..CALLS {
            call();
        }
        best = best.min(start.elapsed() / CALLS);
    }
    best
}

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    println!("| network | by hand | through its description | ratio |\n|---|---|---|---|");
    for name in ["notik", "cpx"] {
        let builder = preset(name).unwrap().app("game").secret(SECRET).unwrap();
        let url = builder.dashboard_url("https://game.example").unwrap();
        let endpoint = builder.url(&url).build().unwrap();
        let signer = DescribedSigner::new(&preset(name).unwrap(), &url, SECRET);
        let draft = signer.callback().player("player-8cc877ee").transaction("1001228131380").amount("662.6500");
        let draft = draft.role(postback::network::Role::Usd, "0.50").set("offer_name", "Lords Mobile & more");
        let sent = draft.sign();
        let target = sent.target();
        let mut mac = Hmac::<Sha1>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(url.split('?').next().unwrap().as_bytes());
        mac.update(b"?");
        let (_, url_secret) = url.rsplit_once('=').unwrap();
        let by_hand = || match name {
            "notik" => notik_by_hand(&mac, target),
            _ => cpx_by_hand(url_secret, target),
        };
        let (ours, theirs) = (endpoint.verify(&Request::get(target)).unwrap(), by_hand().unwrap());
        assert_eq!(
            (&ours.player, ours.transaction.as_ref(), ours.amount),
            (&theirs.player, Some(&theirs.transaction), Some(theirs.amount))
        );
        assert_eq!((ours.event.usd, &ours.original, &ours.event.query), (theirs.usd, &theirs.original, &theirs.query));
        assert!(name == "notik" || ours.status == theirs.status);
        let hand = time(|| drop(black_box(by_hand())));
        let described = time(|| drop(black_box(endpoint.verify(&Request::get(target)))));
        let ratio = described.as_nanos() as f64 / hand.as_nanos() as f64;
        println!("| {name} | {hand:?} | {described:?} | {ratio:.2} |");
    }
}
