//! Any body at endpoints that read bodies: nothing panics, nothing without credentials is accepted, and a form says the
//! same as the query with the same text.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use postback::network::{Credential, DescribedEndpoint, Role, preset};
use postback::{Endpoint, Request, Secret};

const TOKEN: &str = "long-random-token";

/// Credentials in a header, forms and JSON.
static PHONEXA: LazyLock<DescribedEndpoint> = LazyLock::new(|| {
    let token = Credential::token(&Secret::new(TOKEN).unwrap());
    let builder = preset("phonexa").unwrap().app("game").credential(token);
    builder.parameter(Role::Goal, "goal").build().unwrap()
});

/// A signature over the body.
static ADGEM: LazyLock<DescribedEndpoint> =
    LazyLock::new(|| preset("adgem-v3").unwrap().app("game").secret("secret").unwrap().build().unwrap());

fuzz_target!(|body: &[u8]| {
    let path = PHONEXA.path();
    let bearer = format!("Bearer {TOKEN}");
    for content_type in ["application/json", "application/x-www-form-urlencoded"] {
        let wrong = vec![("authorization", "Bearer long-random-tokem"), ("content-type", content_type)];
        let request = Request::new("POST", path).with_headers(&wrong).with_body(body);
        assert!(PHONEXA.verify(&request).is_err());
        let right = vec![("authorization", &*bearer), ("content-type", content_type)];
        let request = Request::new("POST", path).with_headers(&right).with_body(body);
        let result = PHONEXA.verify(&request);
        if content_type.ends_with("json") {
            continue;
        }
        let Ok(text) = std::str::from_utf8(body) else {
            continue;
        };
        let target = format!("{path}?{text}");
        if let (Ok(form), Ok(query)) = (result, PHONEXA.verify(&Request::get(&target).with_headers(&right))) {
            assert_eq!(form.into_inner(), query.into_inner());
        }
    }
    // Nobody guesses a signature.
    let signature = "00".repeat(32);
    let headers = vec![("content-type", "application/json"), ("signature", &*signature), ("x-signature", &*signature)];
    assert!(ADGEM.verify(&Request::new("POST", ADGEM.path()).with_headers(&headers).with_body(body)).is_err());
});
