//! What nginx does to the query: nothing, unless it is told to.

use crate::backend::network;
use crate::nginx::Nginx;
use crate::receivers::{OFFERS, completed, each, target};
use crate::upstream::Recorder;

/// Ways to pass a request on that leave the query alone.
fn ways(at: std::net::SocketAddr) -> [String; 4] {
    [
        format!("location / {{ proxy_pass http://{at}; }}"),
        format!("location /callbacks/ {{ proxy_pass http://{at}/callbacks/; }}"),
        format!("location / {{ rewrite ^/(.*)$ /$1 break; proxy_pass http://{at}; }}"),
        format!("location / {{ proxy_pass http://{at}$request_uri; }}"),
    ]
}

#[test]
fn the_query_arrives_byte_for_byte_however_it_is_passed_on() {
    let recorder = Recorder::start();
    for query in [
        "a=%2f%2F&b=%c3%bC&c=%7E~",
        "a=one+two%20three%2Bfour",
        "a=x|y&b={z}&c=[%25UID%25]&d='\"<>^`\\",
        "a=1&a=2&&=&b",
        "a=//x//../y/./z",
        "a=?&b=??",
        "a=%zz&b=%&c=%0",
        "a=\u{fc}\u{65e5}",
        "",
    ] {
        for way in ways(recorder.address()) {
            let Some(nginx) = Nginx::start(&way) else {
                return;
            };
            let sent = format!("/callbacks/offers?{query}");
            assert_eq!(nginx.get(&sent).status, 200, "{sent} by {way}");
            // An empty query may lose its question mark; nothing is signed in it.
            let target = recorder.target();
            let arrived = target.split_once('?').map_or("", |(_, query)| query);
            assert_eq!(arrived, query, "by {way}");
        }
    }
}

#[test]
fn a_genuine_callback_stays_genuine_through_the_proxy() {
    each(OFFERS, |receiver| {
        for (way, lines) in ways(receiver.address()).iter().enumerate() {
            let Some(nginx) = Nginx::start(lines) else {
                return;
            };
            for (number, name) in [
                "Lords Mobile",
                "a+b|c/%2f",
                "50% & more",
                "\u{65e5}\u{672c}",
            ]
            .into_iter()
            .enumerate()
            {
                let tx = format!("o{way}-{number}");
                let callback = completed(OFFERS, &tx).set("OFFER:NAME", name);
                let spaced = callback.clone().spaces_as_plus().sign();
                let answer = nginx.get(callback.sign().target());
                assert_eq!(answer.status_and_body(), (200, "settled"), "{lines}");
                // The same with other escapes is another string, and its own signature fits it.
                let answer = nginx.get(spaced.target());
                assert_eq!(answer.status_and_body(), (200, "duplicate"), "{lines}");
            }
        }
        assert_eq!(receiver.balance("p1"), "8000");
    });
}

#[test]
fn whatever_way_the_network_writes_a_query_it_is_verified_as_it_was_written() {
    each(OFFERS, |receiver| {
        let Some(nginx) = Nginx::start(&ways(receiver.address())[1]) else {
            return;
        };
        let written = ["%c3%bc%2f", "%C3%BC%2F", "a|b'(c)*", "%61%7E~", "a+%20%2B"];
        for (number, name) in written.into_iter().enumerate() {
            let url = format!(
                "https://game.example/callbacks/offers?player=p%31&tx=o{number}&gems=500&state=COMPLETED&ref=&name={name}"
            );
            let answer = nginx.get(network().sign_url(&url).target());
            assert_eq!(answer.status_and_body(), (200, "settled"), "{name}");
        }
        assert_eq!(receiver.balance("p1"), "2500", "{}", receiver.name);
    });
}

#[test]
fn a_parameter_that_the_proxy_adds_or_drops_breaks_the_signature() {
    each(OFFERS, |receiver| {
        let at = receiver.address();
        for lines in [
            format!(
                "location / {{ rewrite ^/(.*)$ /$1?via=nginx break; proxy_pass http://{at}; }}"
            ),
            format!("location / {{ set $args $args&via=nginx; proxy_pass http://{at}; }}"),
            format!("location / {{ rewrite ^/(.*)$ /$1? break; proxy_pass http://{at}; }}"),
        ] {
            let Some(nginx) = Nginx::start(&lines) else {
                return;
            };
            let answer = nginx.get(&target(OFFERS, "o1"));
            assert_eq!(answer.status_and_body(), (403, "forbidden"), "{lines}");
        }
        assert_eq!(receiver.balance("p1"), "0");
    });
}
