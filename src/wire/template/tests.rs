use super::*;

fn parse(typed: &str) -> Result<Template, TemplateError> {
    Template::parse(typed, &["hash", "debug"])
}

#[test]
fn the_prefix_is_signed_as_typed() {
    for (typed, prefix, path) in [
        (
            "https://a.example/cb?x=[%TX%]",
            "https://a.example/cb",
            "/cb",
        ),
        (
            "  http://A.example:8080/c/d/?x=[%TX%]\n",
            "http://A.example:8080/c/d/",
            "/c/d/",
        ),
        ("https://a.example?x=[%TX%]", "https://a.example", ""),
        ("http://127.0.0.1:80?x=1", "http://127.0.0.1:80", ""),
        ("http://[::1]:80/c?x=1", "http://[::1]:80/c", "/c"),
        (
            "https://a.example/%7Ebob?x=1",
            "https://a.example/%7Ebob",
            "/%7Ebob",
        ),
    ] {
        let template = parse(typed).unwrap();
        assert_eq!(
            (template.prefix(), template.path()),
            (prefix, path),
            "{typed}"
        );
        assert_eq!(
            template.signed_prefixes().collect::<Vec<_>>(),
            [prefix],
            "{typed}"
        );
    }
}

#[test]
fn a_lone_slash_is_tried_with_and_without() {
    let template = parse("https://a.example/?x=[%TX%]").unwrap();
    let forms: Vec<_> = template.signed_prefixes().collect();
    assert_eq!(forms, ["https://a.example/", "https://a.example"]);
}

#[test]
fn macros_and_static_values_are_told_apart_and_names_decoded() {
    let template =
        parse("https://a.example?o%3At=[%OFFER:TASK:ID%]&s=Lords%20Mobile+x&flag&e=").unwrap();
    let all: Vec<_> = template
        .parameters()
        .iter()
        .map(|p| (p.name(), p.value().clone()))
        .collect();
    assert_eq!(
        all,
        [
            ("o:t", Value::Macro("OFFER:TASK:ID".into())),
            ("s", Value::Static("Lords Mobile x".into())),
            ("flag", Value::Static("".into())),
            ("e", Value::Static("".into())),
        ]
    );
}

#[test]
fn every_refusal_says_what_to_type() {
    let cases = [
        ("", "paste the URL"),
        (" \n", "paste the URL"),
        ("<https://a.example?x=[%TX%]>", "without them"),
        ("\"https://a.example?x=[%TX%]\"", "without them"),
        ("a.example/cb?x=[%TX%]", "type https://"),
        ("//a.example/cb?x=[%TX%]", "type https://"),
        ("ftp://a.example?x=1", "https:// or http://"),
        ("HTTPS://a.example?x=1", "lower case"),
        ("https://?x=1", "type one behind the scheme"),
        ("https:///cb?x=1", "type one behind the scheme"),
        ("https://:80?x=1", "type one behind the scheme"),
        ("https://a!b?x=1", "https://game.example"),
        ("https://a.example:?x=1", "or no port"),
        ("https://a.example:0?x=1", "or no port"),
        ("https://a.example:99999/c?x=1", "or no port"),
        ("https://a.example:+80/c?x=1", "or no port"),
        ("https://u:p@a.example?x=1", "without the part up to the @"),
        ("https://a.example/c?x=1#top", "type it without"),
        ("https://a.example/c d?x=1", "%20"),
        ("https://a.example/c?x=1 2", "%20"),
        ("https://a.example/c\0?x=1", "%20"),
        ("https://ä.example/c?x=1", "punycode"),
        ("https://a.example/c|d?x=1", "percent-encoded"),
        ("https://a.example/[%TX%]?x=1", "?tx=[%TX%]"),
        ("https://[%TX%]/?x=1", "?tx=[%TX%]"),
        ("https://a.example/c", "behind a '?'"),
        ("https://a.example/c?", "behind a '?'"),
        ("https://a.example/c?a=1&&b=2", "no '&' at the end"),
        ("https://a.example/c?a=1&", "no '&' at the end"),
        ("https://a.example/c?=[%TX%]", "name=[%MACRO%]"),
        ("https://a.example/c?[%TX%]", "name=[%TX%]"),
        ("https://a.example/c?%FF=1", "letters and digits"),
        ("https://a.example/c?x=1&hash=abc", "without it"),
        ("https://a.example/c?%68ash=abc", "without it"),
        ("https://a.example/c?debug=true", "without it"),
        ("https://a.example/c?x=1&x=[%TX%]", "another name"),
        ("https://a.example/c?x=1&%78=2", "another name"),
        ("https://a.example/c?x=[%TX%]&y=[%TX%]", "type it once"),
        ("https://a.example/c?x=%TX%", "type [%TX%]"),
        ("https://a.example/c?x=%VAL%", "type [%VAL%]"),
        ("https://a.example/c?x=[TX]", "type [%TX%]"),
        ("https://a.example/c?x={TX}", "type [%TX%]"),
        ("https://a.example/c?x={{USER:UID}}", "type [%USER:UID%]"),
        ("https://a.example/c?x=[%TX]", "type [%TX%]"),
        ("https://a.example/c?x=[TX%]", "type [%TX%]"),
        ("https://a.example/c?x=%TX%]", "type [%TX%]"),
        ("https://a.example/c?x=[%TX%", "type [%TX%]"),
        ("https://a.example/c?x=[%%]", "type [%TX%]"),
        ("https://a.example/c?x=id-[%TX%]", "type [%TX%]"),
        ("https://a.example/c?x=[%TX%]-[%REF%]", "type [%"),
        ("https://a.example/c?x=%5B%25TX%25%5D", "type [%TX%]"),
        (
            "https://a.example/c?x=%5b%25USER:UID%25%5d",
            "type [%USER:UID%]",
        ),
        ("https://a.example/c?x=[%25TX%25]", "type [%TX%]"),
        ("https://a.example/c?x=<TX>", "type [%TX%]"),
        ("https://a.example/c?x={tx}", "type [%tx%]"),
        ("https://[host]/c?x=[%TX%]", "macro before the '?'"),
        ("https://[::1]8443/c?x=[%TX%]", "port is not a number"),
        ("https://a.example/c?x=%FF", "percent-encoded text"),
    ];
    for (typed, advice) in cases {
        let message = parse(typed).expect_err(typed).to_string();
        assert!(message.contains(advice), "{typed:?}: {message}");
    }
}

#[test]
fn debug_shows_no_static_value_and_no_url() {
    let shown = format!(
        "{:?}",
        parse("https://a.example/sesame?k=hunter2&x=[%TX%]").unwrap()
    );
    assert!(
        !shown.contains("hunter2") && !shown.contains("sesame"),
        "{shown}"
    );
    assert!(shown.contains("x=[%TX%]"), "{shown}");
    // Where macros may have any form, one may be a token that was mistaken for a macro.
    let typed = "https://a.example/c?k=$hunter2&x={TX}";
    let shown = format!("{:?}", Template::parse_any_macros(typed, &[]).unwrap());
    assert!(shown.contains("k=(macro)"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}
