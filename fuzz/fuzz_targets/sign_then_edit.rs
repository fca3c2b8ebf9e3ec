//! A genuine callback, then any edit of its bytes: whatever changes the query is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postback::testing::bitlabs::Network;
use postback::wire::Request;
use postback_fuzz::Bytes;
use postback_fuzz::wire::{SECRET, URLS, open};

fuzz_target!(|data: &[u8]| {
    let mut bytes = Bytes(data);
    let family = usize::from(bytes.next()) % URLS.len();
    let callback = Network::new(SECRET)
        .callback(URLS[family])
        .player("p1")
        .transaction("o1")
        .amount("500");
    let callback = callback
        .state("COMPLETED")
        .call_type("COMPLETE")
        .purchase("1")
        .ban_status("BANNED");
    let extra = char::from(bytes.next()).to_string().replace('\0', "");
    let signed = callback
        .set("OFFER:NAME", "Lords Mobile")
        .pass_through("x", extra)
        .sign();
    assert!(open(family, &Request::get(signed.target())).is_ok());

    let mut edited = signed.target().as_bytes().to_vec();
    while !bytes.is_empty() {
        let (how, at, other) = (
            bytes.next(),
            bytes.below(edited.len()),
            bytes.below(edited.len()),
        );
        let (from, to) = (at.min(other), at.max(other));
        match how % 7 {
            0 => edited.insert(at, bytes.next()),
            1 if !edited.is_empty() => drop(edited.remove(at)),
            2 if !edited.is_empty() => edited[at] = bytes.next(),
            3 if !edited.is_empty() => edited.swap(at, other),
            4 => drop(edited.drain(from..to)),
            5 => edited.extend_from_within(from..to),
            _ => edited
                .splice(at..at, b"&hash=&gems=9?#%00"[other % 13..].iter().copied())
                .for_each(drop),
        }
        if edited.len() > 10_000 {
            return;
        }
    }
    let Ok(edited) = std::str::from_utf8(&edited) else {
        return;
    };
    // The path is not looked at: a proxy may have changed it.
    let query = edited.split_once('?').map(|(_, query)| query);
    if query != Some(signed.query()) {
        assert!(
            open(family, &Request::get(edited)).is_err(),
            "an edited callback is accepted: {edited}"
        );
    }
});
