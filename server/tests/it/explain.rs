//! `postback explain`: every fault on the way is named, with bounded work.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Instant;

use postback::testing::bitlabs::Signer;
use serde_json::Value;
use tempfile::TempDir;

use crate::program::{command, run};

const SECRET: &str = "JLOIAUNMHFli7ZJOQVEzm98rzqnm9";
const TEMPLATE: &str =
    "https://game.example/callbacks/offers?player=[%USER:UID%]&tx=[%TX%]&gems=[%VAL%]&name=[%OFFER:NAME%]";

/// Explains URLs with one call of the program.
fn explain(urls: &[String], secret: &str, arguments: &[&str]) -> Vec<Value> {
    let directory = TempDir::new().expect("a directory");
    let mut all = vec!["explain", "--json"];
    all.extend(arguments);
    let mut child = command(directory.path(), &all)
        .env("BITLABS_APP_SECRET", secret)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("standard input");
    input.write_all(urls.join("\n").as_bytes()).expect("the URLs");
    drop(input);
    let output = child.wait_with_output().expect("the program ends");
    let text = String::from_utf8(output.stdout).expect("text");
    let explanations: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(explanations.len(), urls.len(), "{text}");
    explanations
}

fn causes(explanation: &Value) -> Vec<&str> {
    let faults = explanation["faults"].as_array().expect("faults");
    faults.iter().map(|fault| fault["cause"].as_str().expect("a cause")).collect()
}

fn signed(query: &str) -> String {
    let url = format!("https://game.example/callbacks/offers?{query}");
    Signer::new(SECRET, TEMPLATE).sign_url(&url).url().to_owned()
}

#[test]
fn each_fault_on_the_way_is_found() {
    let good = signed("player=p1&tx=o1&gems=500&name=Lords%20Mobile%2B");
    let encoded_once = signed("player=p1&tx=o1&gems=500&name=Lords%2520Mobile");
    let ampersand = signed("player=p1&tx=o1&gems=500&name=a%26b");
    let latin = signed("player=p1&tx=o1&gems=500&name=Caf%C3%A9");
    let cases = [
        (good.clone(), vec![]),
        (good.replace("https://", "http://"), vec!["scheme"]),
        (good.replace("game.example", "game.example:8080"), vec!["port"]),
        (good.replace("game.example", "www.game.example"), vec!["host"]),
        (good.replace("/callbacks/offers", "/callbacks/offers/"), vec!["trailing_slash"]),
        (good.replace("/callbacks/offers", "/offers"), vec!["path_stripped"]),
        (good.replace("/callbacks/offers", "/api/callbacks/offers"), vec!["path_added"]),
        (good.replace("%20", "+"), vec!["space_encoding"]),
        (good.replace("%2B", "%2b"), vec!["escape_case"]),
        (good.replace("Lords%20Mobile%2B", "Lords Mobile+"), vec!["decoded"]),
        (good.replace("tx=o1&gems=500", "gems=500&tx=o1"), vec!["reordered"]),
        (good.replace("&name", "&utm=1&name"), vec!["parameter_added"]),
        (format!("{good}&utm=1"), vec!["after_signature"]),
        (good.replace('&', "&amp;"), vec!["ampersand_escaped"]),
        // A gateway that decodes the query once.
        (encoded_once.replace("%2520", "%20"), vec!["decoded_once"]),
        (ampersand.replace("%26", "&"), vec!["decoded_once"]),
        // Text that was taken for Latin-1.
        (latin.replace("%C3%A9", "%E9"), vec!["latin_1"]),
        (latin.replace("%C3%A9", "%C3%83%C2%A9"), vec!["latin_1"]),
        // Two at once.
        (good.replace("https", "http").replace("tx=o1&gems=500", "gems=500&tx=o1"), vec!["scheme", "reordered"]),
    ];
    let urls: Vec<String> = cases.iter().map(|(url, _)| url.clone()).collect();
    for (explanation, (url, expected)) in explain(&urls, SECRET, &[]).iter().zip(&cases) {
        assert_eq!(&causes(explanation), expected, "{url}: {explanation}");
        let outcome = if expected.is_empty() { "genuine" } else { "explained" };
        assert_eq!(explanation["outcome"], outcome, "{url}");
    }
}

#[test]
fn configured_url_finds_more() {
    let good = signed("player=p1&tx=o1&gems=500&name=");
    let cases = [
        (good.replace("&name=&", "&"), "parameter_removed"),
        (good.replace("https://game.example", "http://10.0.0.7:8080"), "genuine"),
        ("/callbacks/offers".to_owned() + good.split_once("/callbacks/offers").expect("a path").1, "genuine"),
    ];
    let urls: Vec<String> = cases.iter().map(|(url, _)| url.clone()).collect();
    for (explanation, (url, expected)) in explain(&urls, SECRET, &["--template", TEMPLATE]).iter().zip(&cases) {
        if *expected == "genuine" {
            assert_eq!(explanation["outcome"], "genuine", "{url}: {explanation}");
        } else {
            assert_eq!(causes(explanation), [*expected], "{url}: {explanation}");
        }
    }
}

#[test]
fn faults_of_the_secret_are_named_and_no_secret_is_printed() {
    let good = signed(&format!("player=p1&tx=o1&gems=500&name={SECRET}"));
    let urls = [good.clone(), good.replace("https", "http"), good.replace("gems=500", "gems=501")];
    for (secret, expected) in [
        (format!(" {SECRET}\n"), "secret_white_space"),
        (format!("'{SECRET}'"), "secret_quoted"),
        (format!("other-secret,{SECRET}"), ""),
    ] {
        let explanations = explain(&urls, &secret, &[]);
        if !expected.is_empty() {
            assert_eq!(causes(&explanations[0])[0], expected);
        }
        assert_eq!(explanations[2]["outcome"], "unknown");
        for explanation in explanations {
            assert!(!explanation.to_string().contains(SECRET), "{explanation}");
        }
    }
}

#[test]
fn work_is_bounded_for_any_url() {
    let many: String = (0..60).map(|n| format!("&parameter{n}=value%20{n}")).collect();
    let too_many: String = (0..800).map(|n| format!("&a{n}=1")).collect();
    let long = format!("&x={}", "%20a+".repeat(1500));
    let urls: Vec<String> = [many, too_many, long, "&".repeat(8000), "&hash=".repeat(60), "%".repeat(8000)]
        .iter()
        .map(|query| format!("https://game.example/a/b/c/d?x=1{query}&hash={}", "0".repeat(40)))
        .collect();
    let began = Instant::now();
    for explanation in explain(&urls, SECRET, &["--template", TEMPLATE]) {
        assert_ne!(explanation["outcome"], "genuine");
    }
    eprintln!("six URLs that nothing explains took {:?}", began.elapsed());
}

#[test]
fn secrets_are_not_taken_from_the_command_line() {
    let directory = TempDir::new().expect("a directory");
    let (status, _, err) =
        run(&mut command(directory.path(), &["explain", "--secret", SECRET, "https://a.example/?b=1"]));
    assert_eq!(status, 2);
    assert!(err.contains("write --secret env:NAME or file:PATH"), "{err}");
    assert!(!err.contains(SECRET));
}
