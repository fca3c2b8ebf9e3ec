//! Long URLs: who refuses them first.

use crate::nginx::Nginx;
use crate::receivers::{OFFERS, completed, each};

/// A genuine callback of about so many bytes.
fn long(tx: &str, bytes: usize) -> String {
    let callback = completed(OFFERS, tx).set("OFFER:NAME", "x".repeat(bytes));
    callback.sign().target().to_owned()
}

#[test]
fn a_url_as_long_as_the_receiver_reads_passes_nginx_as_it_comes() {
    each(OFFERS, |receiver| {
        let lines = format!("location / {{ proxy_pass http://{}; }}", receiver.address());
        let Some(nginx) = Nginx::start(&lines) else {
            return;
        };
        let answer = nginx.get(&long("o1", 7_900));
        assert_eq!(answer.status_and_body(), (200, "settled"));
        assert_eq!(nginx.get(&long("o2", 9_000)).status, 414);
        assert_eq!(receiver.balance("p1"), "500");
    });
}

#[test]
fn with_larger_buffers_the_receiver_is_the_one_to_refuse() {
    each(OFFERS, |receiver| {
        let lines = format!(
            "large_client_header_buffers 4 16k; location / {{ proxy_pass http://{}; }}",
            receiver.address()
        );
        let Some(nginx) = Nginx::start(&lines) else {
            return;
        };
        let answer = nginx.get(&long("o1", 9_000));
        assert_eq!(answer.status_and_body(), (414, "url too long"));
    });
}

#[test]
fn smaller_buffers_refuse_what_is_genuine() {
    each(OFFERS, |receiver| {
        let lines = format!(
            "large_client_header_buffers 4 1k; location / {{ proxy_pass http://{}; }}",
            receiver.address()
        );
        let Some(nginx) = Nginx::start(&lines) else {
            return;
        };
        assert_eq!(nginx.get(&long("o1", 500)).status, 200);
        assert_eq!(nginx.get(&long("o2", 2_000)).status, 414);
        assert_eq!(receiver.balance("p1"), "500");
    });
}
