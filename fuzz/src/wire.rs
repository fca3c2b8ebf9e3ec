//! Signatures, queries and endpoints, the plain way.

use std::sync::LazyLock;

use postback::bitlabs::{App, BitlabsCallback, Endpoint, EndpointBuilder};
use postback::event::Event;
use postback::source::{OpenError, Source};
use postback::testing::bitlabs::{Network, SignedCallback};
use postback::wire::{KeyRing, Request};

pub const SECRET: &str = "JLOIAUNMHFli7ZJOQVEzm98rzqnm9";

/// One URL a family, as typed into the dashboard.
pub const URLS: [&str; 7] = [
    "https://game.example/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VALUE:CURRENCY%]&usd=[%VALUE:USD%]&state=[%OFFER:TASK:STATE%]&ref=[%REF%]&name=[%OFFER:NAME%]&offer:task:iap:usd=[%OFFER:TASK:IAP:USD%]&source=bitlabs",
    "https://game.example/purchases?player=[%USER:UID%]&tx=[%TX%]&gems=[%VAL%]&state=[%OFFER_STATE%]&iap=[%OFFER:TASK:IAP:USD%]",
    "https://publisher.com/complete?uid=[%UID%]&tx=[%TX%]&val=[%VAL%]&type=[%TYPE%]&ref=[%REF%]",
    "http://game.example?player=[%USER:UID%]&tx=[%TX%]&gems=[%VAL%]&magic_receipt_state=[%RECEIPT%]",
    "https://game.example/?player=[%USER:UID%]&tx=[%TX%]&gems=[%VAL%]&cashback_state=[%CASHBACK%]",
    "https://pub.example/api/bit?uid=[%UID%]&amount=[%VAL%]&payout=[%RAW%]&trans_id=[%TX%]&type=[%TYPE%]&pre_ref=[%REF%]&s_minuts=[%LOI%]",
    "https://game.example/bans?player=[%USER:UID%]&ban_reason=[%BAN:REASON%]&ban_status=[%BAN:STATUS%]",
];

type Open = Box<dyn Fn(&Request<'_>) -> Result<Event, OpenError> + Send + Sync>;

static ENDPOINTS: LazyLock<Vec<Open>> = LazyLock::new(|| {
    let app = App::new(
        "game",
        KeyRing::from_list(format!("other,{SECRET}")).unwrap(),
    )
    .unwrap();
    vec![
        endpoint(app.offers(URLS[0])),
        endpoint(app.purchases(URLS[1])),
        endpoint(app.surveys(URLS[2])),
        endpoint(app.receipts(URLS[3])),
        endpoint(app.cashback(URLS[4])),
        endpoint(app.rewards(URLS[5])),
        endpoint(app.bans(URLS[6])),
    ]
});

/// Opens, and also says the callback in every way that it can be said.
fn endpoint<C: BitlabsCallback>(builder: EndpointBuilder<C>) -> Open
where
    Endpoint<C>: Source<Callback = C>,
{
    let endpoint = builder.build().unwrap();
    Box::new(move |request| {
        let callback = endpoint.open(request)?;
        let hash = &request.target()[request.target().len() - 40..];
        let shown = format!("{callback:?}{:?}", callback.event());
        let json = serde_json::to_string(&callback).unwrap();
        assert!(
            !shown.contains(hash) && !json.contains(hash),
            "a hash leaks"
        );
        Ok(callback.event())
    })
}

pub fn open(family: usize, request: &Request<'_>) -> Result<Event, OpenError> {
    ENDPOINTS[family](request)
}

pub fn prefix(url: &str) -> &str {
    url.split_once('?').unwrap().0
}

pub fn sign(url: &str) -> SignedCallback {
    Network::new(SECRET).sign_url(url)
}

/// Holds what an endpoint makes of a request against what the rules say.
pub fn check_open(family: usize, method: &str, target: &str) {
    let url = URLS[family];
    let genuine = genuine_part(prefix(url), target);
    match open(family, &Request::new(method, target)) {
        Ok(event) => {
            let signed = genuine.expect("accepted, and not genuine");
            assert_eq!(method, "GET");
            assert_eq!(event.signed, signed);
            let sent = decode(signed).expect("accepted, and not percent-encoded text");
            let count = |name: &str| sent.iter().filter(|(known, _)| known == name).count();
            assert!(count("hash") == 0 && count("debug") <= 1);
            for (name, typed) in
                decode(url.split_once('?').unwrap().1.replace('%', "").as_str()).unwrap()
            {
                assert!(count(&name) <= 1, "a configured name is doubled");
                let value = sent
                    .iter()
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| value.as_str());
                if !typed.starts_with('[') {
                    assert_eq!(value, Some(&*typed), "a static parameter was changed");
                }
                if typed.ends_with("UID]") {
                    assert_eq!(value, Some(event.player.as_str()));
                }
                if count(&name) == 1 {
                    assert_eq!(event.parameter(&name).as_deref(), value);
                }
            }
        }
        Err(error) => {
            assert!(
                !error.is_unauthenticated() || genuine.is_none(),
                "genuine, and refused: {error}"
            );
        }
    }
}

/// The signed part of a target's query, if its hash is right under the prefix.
fn genuine_part<'t>(prefix: &str, target: &'t str) -> Option<&'t str> {
    let query = &target[target.find('?')? + 1..];
    let (signed, hash) = query.split_at(query.rfind("&hash=")?);
    let hash = &hash["&hash=".len()..];
    let bare = prefix
        .strip_suffix('/')
        .filter(|bare| !bare.ends_with('/') && bare.matches('/').count() == 2);
    let mut forms = [Some(prefix), bare].into_iter().flatten();
    forms
        .any(|prefix| hmac_sha1(SECRET, &format!("{prefix}?{signed}")) == hash)
        .then_some(signed)
}

/// Names and values of a query, decoded; `None` where anything is not percent-encoded text.
pub fn decode(query: &str) -> Option<Vec<(String, String)>> {
    let pieces = query.split('&').filter(|piece| !piece.is_empty());
    pieces
        .map(|piece| {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            Some((decode_piece(name)?, decode_piece(value)?))
        })
        .collect()
}

fn decode_piece(piece: &str) -> Option<String> {
    let spaced = piece.replace('+', " ");
    let mut parts = spaced.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let digits = part
            .get(..2)
            .filter(|digits| digits.chars().all(|c| c.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains('\0'))
}

/// HMAC-SHA1 in lower-case hex, written from RFC 2104 and FIPS 180-4.
pub fn hmac_sha1(key: &str, message: &str) -> String {
    let mut block = if key.len() > 64 {
        sha1(key.as_bytes()).to_vec()
    } else {
        key.as_bytes().to_vec()
    };
    block.resize(64, 0);
    let pad = |with: u8| block.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
    let inner = sha1(&[&pad(0x36), message.as_bytes()].concat());
    let outer = sha1(&[&pad(0x5c)[..], &inner].concat());
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha1(message: &[u8]) -> [u8; 20] {
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend((message.len() as u64 * 8).to_be_bytes());
    let mut hash: [u32; 5] = [
        0x6745_2301,
        0xefcd_ab89,
        0x98ba_dcfe,
        0x1032_5476,
        0xc3d2_e1f0,
    ];
    for block in padded.chunks(64) {
        let mut words: Vec<u32> = block
            .chunks(4)
            .map(|word| u32::from_be_bytes(word.try_into().unwrap()))
            .collect();
        for at in 16..80 {
            words.push(
                (words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16]).rotate_left(1),
            );
        }
        let [mut a, mut b, mut c, mut d, mut e] = hash;
        for (round, word) in words.iter().enumerate() {
            let (mixed, constant) = match round / 20 {
                0 => ((b & c) | (!b & d), 0x5a82_7999),
                1 => (b ^ c ^ d, 0x6ed9_eba1),
                2 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6_u32),
            };
            let next = a
                .rotate_left(5)
                .wrapping_add(mixed)
                .wrapping_add(e)
                .wrapping_add(constant)
                .wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (sum, part) in hash.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(part);
        }
    }
    let mut bytes = [0; 20];
    for (place, word) in bytes.chunks_mut(4).zip(hash) {
        place.copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_agrees_with_the_published_vectors() {
        let first =
            "https://publisher.com/complete?uid=8cc877ee-af19-488d-b28d-216fb866b996&val=500";
        assert_eq!(
            hmac_sha1(SECRET, first),
            "dbcd6bb8ca677344592842a52b4fca9bec36cd4b"
        );
        let second = "http://url.com?param1=foo&param2=bar";
        assert_eq!(
            hmac_sha1("", second),
            "3171f6b78e06cadcec4c9c3b15f858b8400e8738"
        );
    }

    #[test]
    fn every_family_opens_a_callback_that_is_filled_in_and_the_check_sees_it() {
        for (family, url) in URLS.iter().enumerate() {
            let signed = Network::new(SECRET)
                .callback(*url)
                .player("p1")
                .transaction("o1")
                .amount("500")
                .state("COMPLETED")
                .call_type("COMPLETE")
                .purchase("4.99")
                .ban_status("BANNED")
                .sign();
            assert!(
                open(family, &Request::get(signed.target())).is_ok(),
                "{url}"
            );
            check_open(family, "GET", signed.target());
        }
    }
}
