//! Switches the synchronisation of the crate's sources, here and nowhere else.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cfg=shuttle");
}
