//! Any interleaving of several receivers, crashes, failures and lease expiries over one store.
#![no_main]

use libfuzzer_sys::fuzz_target;
use postback_fuzz::Bytes;
use postback_fuzz::interleaved::World;

fuzz_target!(|data: &[u8]| {
    let mut bytes = Bytes(data);
    let mut world = World::default();
    for _ in 0..200 {
        if bytes.is_empty() {
            break;
        }
        world.happen(bytes.next(), bytes.next());
    }
    world.come_to_rest();
});
