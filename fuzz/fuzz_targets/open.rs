//! Any request to any endpoint: no panic, and what is accepted is genuine by a reference of its own.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postback_fuzz::wire::{URLS, check_open, prefix, sign};

fuzz_target!(|data: &[u8]| {
    let Some((&[family, mode], text)) = data.split_first_chunk::<2>() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let family = usize::from(family) % URLS.len();
    let prefix = prefix(URLS[family]);
    match mode % 4 {
        // As it comes: hardly ever signed.
        0 => check_open(family, "GET", text),
        1 => {
            let (method, target) = text.split_once(' ').unwrap_or((text, ""));
            check_open(family, method, target);
        }
        // Signed by somebody who knows the secret and sends whatever he likes.
        2 => check_open(family, "GET", sign(&format!("{prefix}?{text}")).target()),
        _ => {
            let signed = sign(&format!("{prefix}?{text}"));
            check_open(family, "GET", &format!("/?{}", signed.query()));
        }
    }
});
