//! What nginx does to the path. The signed path is the configured one, so only the routing has to fit.

use crate::nginx::Nginx;
use crate::receivers::{OFFERS, each, target};
use crate::upstream::Recorder;

/// Signed for a URL with a prefix of the proxy's and a port of its own.
const PREFIXED: &str = "https://edge.example:8443/eu/game/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]";
const ESCAPED: &str = "https://game.example/call%62acks/offers?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]";
const DOUBLED: &str = "https://game.example//callbacks//offers?player=[%USER:UID%]&tx=[%TX%]\
    &gems=[%VALUE:CURRENCY%]&state=[%OFFER:TASK:STATE%]";

#[test]
fn a_prefix_that_the_proxy_strips_is_signed_all_the_same() {
    each(PREFIXED, |receiver| {
        let lines = format!(
            "location /eu/game/ {{ proxy_pass http://{}/; }}",
            receiver.address()
        );
        let Some(nginx) = Nginx::start(&lines) else {
            return;
        };
        let answer = nginx.get(&target(PREFIXED, "o1"));
        assert_eq!(
            answer.status_and_body(),
            (200, "settled"),
            "{}",
            receiver.name
        );
        assert_eq!(receiver.balance("p1"), "500");
    });
}

#[test]
fn a_path_that_the_proxy_decodes_is_signed_all_the_same() {
    each(ESCAPED, |receiver| {
        let lines = format!(
            "location /callbacks/ {{ proxy_pass http://{}/callbacks/; }}",
            receiver.address()
        );
        let Some(nginx) = Nginx::start(&lines) else {
            return;
        };
        let answer = nginx.get(&target(ESCAPED, "o1"));
        assert_eq!(
            answer.status_and_body(),
            (200, "settled"),
            "{}",
            receiver.name
        );
    });
}

#[test]
fn merged_slashes_reach_the_route_only_where_proxy_pass_has_a_path() {
    each(DOUBLED, |receiver| {
        let at = receiver.address();
        for (settings, status, why) in [
            (
                format!("location /callbacks/ {{ proxy_pass http://{at}/callbacks/; }}"),
                200,
                "merged for the location and for the upstream",
            ),
            (
                format!("location /callbacks/ {{ proxy_pass http://{at}; }}"),
                404,
                "merged for the location, sent on as it came: no such route",
            ),
            (
                format!(
                    "merge_slashes off; location /callbacks/ {{ proxy_pass http://{at}/callbacks/; }}"
                ),
                404,
                "not merged: no such location",
            ),
        ] {
            let Some(nginx) = Nginx::start(&settings) else {
                return;
            };
            let answer = nginx.get(&target(DOUBLED, "o1"));
            assert_eq!(answer.status, status, "{}: {why}", receiver.name);
        }
        // Whichever way it came, it was the same callback.
        assert_eq!(receiver.balance("p1"), "500");
    });
}

#[test]
fn proxy_pass_with_a_path_rewrites_the_path_and_without_one_leaves_it() {
    let recorder = Recorder::start();
    let at = recorder.address();
    let sent = "/in//%7Eone/./two/../a%20b%2Fc?x=1";
    for (settings, arrived) in [
        (format!("location /in/ {{ proxy_pass http://{at}; }}"), sent),
        (
            format!("location /in/ {{ proxy_pass http://{at}/in/; }}"),
            "/in/~one/a%20b/c?x=1",
        ),
        (
            format!("merge_slashes off; location /in/ {{ proxy_pass http://{at}/in/; }}"),
            "/in//~one/a%20b/c?x=1",
        ),
        (
            format!("location /in/ {{ proxy_pass http://{at}/; }}"),
            "/~one/a%20b/c?x=1",
        ),
        (
            format!("location / {{ proxy_pass http://{at}$request_uri; }}"),
            sent,
        ),
    ] {
        let Some(nginx) = Nginx::start(&settings) else {
            return;
        };
        assert_eq!(nginx.get(sent).status, 200, "{settings}");
        assert_eq!(recorder.target(), arrived, "{settings}");
    }
}

#[test]
fn a_location_that_ends_in_a_slash_redirects_a_path_that_does_not() {
    let at = Recorder::start().address();
    let lines = format!("location /callbacks/offers/ {{ proxy_pass http://{at}; }}");
    let Some(nginx) = Nginx::start(&lines) else {
        return;
    };
    // No network follows a redirect with a callback: this loses it.
    assert_eq!(nginx.get(&target(OFFERS, "o1")).status, 301);
}
