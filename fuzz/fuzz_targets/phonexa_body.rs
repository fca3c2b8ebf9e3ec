//! Any body, as a form or as JSON: no panic, and what is accepted is what stands in it, once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postback_fuzz::phonexa::{FORM, JSON, check};

fuzz_target!(|data: &[u8]| {
    let Some((&mode, body)) = data.split_first() else {
        return;
    };
    let target = if mode & 2 == 0 {
        "/p"
    } else {
        "/p?player=p1&x=%20"
    };
    match mode % 2 {
        0 => check(false, FORM, target, body),
        _ => check(true, JSON, target, body),
    }
});
