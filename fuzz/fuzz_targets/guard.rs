//! Any sequence of messages ends where the plain rules say; a network's own in any order and repetition.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postback_fuzz::Bytes;
use postback_fuzz::money::{check_any_order, check_sequence, message};

fuzz_target!(|data: &[u8]| {
    let Some((&first, rest)) = data.split_first() else {
        return;
    };
    if data.len() > 96 {
        return;
    }
    let mut bytes = Bytes(rest);
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        messages.push(message(bytes.next(), bytes.next()));
    }
    check_sequence(&messages);
    check_any_order(&messages, first);
});
