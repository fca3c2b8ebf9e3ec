use super::*;
use crate::wire::Limits;

fn decode(query: &str) -> Result<Params, OpenError> {
    Params::decode(query, Limits::default())
}

#[test]
fn names_and_values_are_decoded_and_a_plus_is_a_space() {
    let params = decode("a=1&offer%3Atask=L%C3%A9o+x%20y%2B&flag&&=z&b=%26=1").unwrap();
    let all: Vec<_> = params.iter().collect();
    assert_eq!(
        all,
        [
            ("a", "1"),
            ("offer:task", "Léo x y+"),
            ("flag", ""),
            ("", "z"),
            ("b", "&=1")
        ]
    );
    assert_eq!(params.once("offer:task"), Some("Léo x y+"));
    assert_eq!(params.once("c"), None);
}

#[test]
fn every_escape_is_read_in_either_case() {
    for code in 1..128_u8 {
        let character = char::from(code).to_string();
        for query in [format!("a=%{code:02x}"), format!("a=%{code:02X}")] {
            assert_eq!(
                decode(&query).unwrap().once("a"),
                Some(&*character),
                "{query}"
            );
        }
    }
}

#[test]
fn a_plus_is_a_space_wherever_it_stands() {
    for (query, name, value) in [("+", " ", ""), ("a=+", "a", " "), ("+=", " ", "")] {
        let params = decode(query).unwrap();
        assert_eq!(
            params.iter().collect::<Vec<_>>(),
            [(name, value)],
            "{query}"
        );
    }
}

#[test]
fn parameters_are_counted_as_they_stand_in_the_query() {
    for (query, count) in [("", 0), ("&&", 0), ("a", 1), ("a=1&a=1&&b", 3)] {
        let params = decode(query).unwrap();
        assert_eq!((params.len(), params.is_empty()), (count, count == 0));
    }
}

#[test]
fn broken_escapes_nul_and_what_is_not_utf8_are_refused() {
    for query in [
        "a=%zz",
        "a=%",
        "a=%4",
        "a=%FF",
        "%FF=a",
        "a=%00",
        "a=\0",
        "%C3=%A9",
        "a=%C3&%A9=b",
        "a=%+1",
    ] {
        assert_eq!(decode(query).unwrap_err(), OpenError::Encoding, "{query:?}");
    }
}

#[test]
fn limits_have_errors_of_their_own() {
    let limits = Limits::default().url_bytes(10).parameters(2);
    assert!(Params::decode("a=1&b=2", limits).is_ok());
    assert!(Params::decode("a=12345678", limits).is_ok());
    assert_eq!(
        Params::decode("a=1&b=2&c", limits).unwrap_err(),
        OpenError::TooManyParameters { limit: 2 }
    );
    assert_eq!(
        Params::decode("a=123456789", limits).unwrap_err(),
        OpenError::TooLong { limit: 10 }
    );
}

#[test]
fn configured_names_are_found_in_any_order_and_refused_when_they_come_twice() {
    let names = ["a", "b", "c"];
    for query in [
        "a=1&b=2&c=3",
        "c=3&b=2&a=1",
        "x=0&b=2&y=0&c=3&a=1&x=0",
        "b=2&c=3&%61=1",
    ] {
        let params = decode(query).unwrap();
        let places = params.locate(&names, |name| name).unwrap();
        let found: Vec<_> = (0..3).map(|slot| params.value_at(&places, slot)).collect();
        assert_eq!(found, [Some("1"), Some("2"), Some("3")], "{query}");
    }
    for query in ["a=1&a=1", "a=1&b=2&c=3&%61=1", "b=1&x=1&b="] {
        let refused = decode(query).unwrap().locate(&names, |name| name);
        assert!(
            matches!(refused, Err(OpenError::Repeated { .. })),
            "{query}"
        );
    }
    let params = decode("b=2").unwrap();
    let places = params.locate(&names, |name| name).unwrap();
    assert_eq!(params.value_at(&places, 0), None);
}

#[test]
fn find_once_takes_only_what_occurs_once() {
    assert_eq!(find_once("a=1&b=x%20y", "b").as_deref(), Some("x y"));
    assert_eq!(find_once("a=1&b=2&%62=3", "b"), None);
    assert_eq!(find_once("a=1", "b"), None);
    assert_eq!(find_once("a=%FF", "a"), None);
}
