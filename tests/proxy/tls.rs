//! TLS ends at nginx: the receiver is asked over plain HTTP for what was signed as `https`.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::nginx::{Nginx, is_installed};
use crate::receivers::{OFFERS, each, target};

/// Sends a request over TLS and returns the status line and everything behind it.
fn ask(nginx: &Nginx, target: &str) -> String {
    let mut client = Command::new("openssl")
        .args(["s_client", "-quiet", "-verify_return_error"])
        .args(["-servername", "game.example"])
        .args(["-verify_hostname", "game.example"])
        .arg("-connect")
        .arg(nginx.address().to_string())
        .arg("-CAfile")
        .arg(nginx.directory().join("cert.pem"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let request =
        format!("GET {target} HTTP/1.1\r\nHost: game.example\r\nConnection: close\r\n\r\n");
    let stdin = client.stdin.as_mut().unwrap();
    stdin.write_all(request.as_bytes()).unwrap();
    // nginx closes the connection, whereupon the client ends.
    let output = client.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn tls_that_ends_at_the_proxy_changes_nothing() {
    if !is_installed("openssl", "version") {
        return;
    }
    each(OFFERS, |receiver| {
        let directory = tempfile::tempdir().unwrap();
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec"])
            .args(["-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
            .args(["-days", "2", "-subj", "/CN=game.example"])
            .args(["-addext", "subjectAltName=DNS:game.example"])
            .args(["-keyout", "key.pem", "-out", "cert.pem"])
            .current_dir(directory.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let lines = format!(
            "ssl_certificate cert.pem; ssl_certificate_key key.pem;
             location / {{ proxy_pass http://{}; }}",
            receiver.address()
        );
        let Some(nginx) = Nginx::start_in(directory, "", "ssl", &lines) else {
            return;
        };
        let genuine = target(OFFERS, "o1");
        for word in ["settled", "duplicate"] {
            let answer = ask(&nginx, &genuine);
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            assert!(answer.ends_with(&format!("\r\n\r\n{word}")), "{answer}");
        }
        // Signed as plain HTTP, it is another URL, and not the one that was configured.
        let plain = target(&OFFERS.replace("https://", "http://"), "o2");
        let answer = ask(&nginx, &plain);
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        assert_eq!(receiver.balance("p1"), "500", "{}", receiver.name);
    });
}
