//! What nginx and the caller say about host, scheme and sender. Nothing of it is believed.

use crate::http;
use crate::nginx::Nginx;
use crate::receivers::{OFFERS, each, target};
use crate::upstream::Recorder;

const LIES: [&[(&str, &str)]; 4] = [
    &[("Host", "evil.example")],
    &[
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "http"),
    ],
    &[
        ("X-Forwarded-For", "127.0.0.1, 10.0.0.1"),
        ("X-Forwarded-Port", "1"),
        ("X-Forwarded-Prefix", "/eu"),
    ],
    &[
        ("Forwarded", "for=_x;host=evil.example;proto=http"),
        ("X-Original-URL", "/callbacks/bans"),
        ("X-HTTP-Method-Override", "POST"),
    ],
];

/// What the guide recommends, and what comes with nginx: the upstream is told its own address as `Host`.
const SETTINGS: [&str; 2] = [
    "proxy_set_header Host $host;
     proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
     proxy_set_header X-Forwarded-Proto $scheme;",
    "",
];

#[test]
fn whatever_is_said_about_host_and_scheme_changes_nothing() {
    each(OFFERS, |receiver| {
        let mut number = 0;
        for settings in SETTINGS {
            let lines = format!(
                "{settings} location / {{ proxy_pass http://{}; }}",
                receiver.address()
            );
            let Some(nginx) = Nginx::start(&lines) else {
                return;
            };
            for lies in LIES {
                number += 1;
                let target = target(OFFERS, &format!("o{number}"));
                let answer = http::request(nginx.address(), "GET", &target, lies);
                assert_eq!(answer.status_and_body(), (200, "settled"), "{lies:?}");
                // Nor does a header make a forgery genuine.
                let forged = target.replace("gems=500", "gems=501");
                let answer = http::request(nginx.address(), "GET", &forged, lies);
                assert_eq!(answer.status_and_body(), (403, "forbidden"), "{lies:?}");
            }
        }
        assert_eq!(receiver.balance("p1"), (500 * number).to_string());
    });
}

#[test]
fn the_upstream_is_spoken_to_in_http_1_0_unless_told_otherwise() {
    let recorder = Recorder::start();
    for (settings, version) in [
        ("", "HTTP/1.0"),
        (
            "proxy_http_version 1.1; proxy_set_header Connection '';",
            "HTTP/1.1",
        ),
    ] {
        let recording = format!(
            "{settings} location / {{ proxy_pass http://{}; }}",
            recorder.address()
        );
        let Some(nginx) = Nginx::start(&recording) else {
            return;
        };
        assert_eq!(nginx.get("/").status, 200);
        let head = recorder.head();
        assert_eq!(head.lines().next().unwrap(), format!("GET / {version}"));
        each(OFFERS, |receiver| {
            let lines = format!(
                "{settings} location / {{ proxy_pass http://{}; }}",
                receiver.address()
            );
            let nginx = Nginx::start(&lines).unwrap();
            let answer = nginx.get(&target(OFFERS, "o1"));
            assert_eq!(
                answer.status_and_body(),
                (200, "settled"),
                "{}",
                receiver.name
            );
        });
    }
}

#[test]
fn the_settings_of_the_guide_are_what_nginx_takes_and_a_callback_passes() {
    let guide = include_str!("../../src/guide/proxies.rs");
    let (_, from) = guide.split_once("location /callbacks/ {").unwrap();
    let (lines, _) = from.split_once("//!     }").unwrap();
    let lines = lines.replace("//!", "");
    each(OFFERS, |receiver| {
        let here = receiver.address().to_string();
        let lines = lines.replace("127.0.0.1:8080", &here);
        let Some(nginx) = Nginx::start(&format!("location /callbacks/ {{ {lines} }}")) else {
            return;
        };
        let answer = nginx.get(&target(OFFERS, "o1"));
        assert_eq!(
            answer.status_and_body(),
            (200, "settled"),
            "{}",
            receiver.name
        );
    });
}
