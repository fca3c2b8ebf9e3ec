//! What stands in a postback, the plain way.

use std::fmt;
use std::sync::LazyLock;

use postback::event::{Effect, EventKind};
use postback::source::phonexa::{Credential, Endpoint, Names};
use postback::source::{Callback, Source};
use postback::wire::{Request, Secret};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::wire::decode;

const TOKEN: &str = "a-long-random-token";
const CONFIGURED: [&str; 5] = ["player", "conversion_id", "goal", "payout", "status"];
pub const FORM: &str = "application/x-www-form-urlencoded";
pub const JSON: &str = "application/json";

static ENDPOINT: LazyLock<Endpoint> = LazyLock::new(|| {
    let names = Names::new("player", "conversion_id")
        .goal("goal")
        .payout("payout")
        .status("status");
    let token = Secret::new(TOKEN).unwrap();
    let builder = Endpoint::builder("game", names).accept(Credential::token(&token));
    builder.build().unwrap()
});

/// A JSON object's fields as they stand, repeated ones and all.
struct Fields(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct AsTheyStand;
        impl<'de> Visitor<'de> for AsTheyStand {
            type Value = Fields;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        json.deserialize_map(AsTheyStand)
    }
}

/// Names and texts in the body; of a number its digits as they stand.
fn sent(is_json: bool, body: &str) -> Option<Vec<(String, String)>> {
    if !is_json {
        return decode(body);
    }
    let Fields(fields) = serde_json::from_str(body).ok()?;
    let text = |(name, value): (String, Box<RawValue>)| {
        let text = match value.get() {
            "null" => String::new(),
            raw if raw.starts_with(['{', '[']) => return None,
            raw if raw.starts_with('"') => serde_json::from_str(raw).ok()?,
            raw => raw.to_owned(),
        };
        Some((name, text))
    };
    fields.into_iter().map(text).collect()
}

/// Holds what the endpoint makes of a body against what stands in it.
pub fn check(is_json: bool, content_type: &str, target: &str, body: &[u8]) {
    let open = |authorization: String| {
        let headers = vec![
            ("content-type", content_type.to_owned()),
            ("authorization", authorization),
        ];
        let request = Request::new("POST", target).with_body(body);
        ENDPOINT.open(&request.with_headers(&headers))
    };
    assert!(open("Bearer another-token".to_owned()).is_err());
    let Ok(postback) = open(format!("Bearer {TOKEN}")) else {
        return;
    };
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let body = std::str::from_utf8(body).expect("accepted, and not text");
    let mut all = sent(false, query).expect("accepted, and the query is not text");
    all.extend(sent(is_json, body).expect("accepted, and not a flat body"));
    for name in CONFIGURED {
        let values: Vec<_> = all.iter().filter(|(known, _)| known == name).collect();
        assert!(values.len() <= 1, "a configured name is doubled");
        let Some((_, text)) = values.first() else {
            continue;
        };
        match name {
            "player" => assert_eq!(postback.player().as_str(), text),
            "conversion_id" => assert_eq!(postback.conversion(), text),
            "goal" => assert_eq!(postback.goal().unwrap_or_default(), text),
            "status" => assert!(postback.status().as_str().eq_ignore_ascii_case(text)),
            _ => assert_eq!(
                postback.payout().given().copied(),
                text.parse::<rust_decimal::Decimal>().ok()
            ),
        }
    }
    let event = postback.event();
    let EventKind::Conversion { effect, .. } = &event.kind else {
        unreachable!("a postback is about a conversion")
    };
    if let Effect::Completed { amount, .. } = effect {
        assert!(postback.status().as_str().eq_ignore_ascii_case("done"));
        assert_eq!(Some(amount), postback.payout().given());
    }
    let shown = format!(
        "{postback:?}{event:?}{}",
        serde_json::to_string(&postback).unwrap()
    );
    assert!(!shown.contains(TOKEN));
}
