//! Compiles this package, and no other, with `cfg(shuttle)`.

fn main() {
    println!("cargo::rustc-cfg=shuttle");
}
