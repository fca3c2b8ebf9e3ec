//! A source unlike `BitLabs`: it is called by POST and reads headers and a body.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(unreachable_pub, reason = "each test file uses its own part")]

use postback::event::{Effect, Event, EventKind};
use postback::source::{Callback, OpenError, Source};
use postback::wire::Request;

/// The most bytes of a body that it reads.
pub const LIMIT: usize = 64;

/// Takes a transaction as the body, from whoever knows the word.
#[derive(Debug, Clone)]
pub struct Posted;

#[derive(Debug)]
pub struct Post(String);

impl Source for Posted {
    type Callback = Post;

    fn open(&self, request: &Request<'_>) -> Result<Post, OpenError> {
        if request.method() != "POST" {
            return Err(OpenError::Method { allowed: "POST" });
        }
        match request.header("x-word") {
            Some(b"open sesame") => {}
            Some(_) => return Err(OpenError::SignatureWrong),
            None => return Err(OpenError::SignatureMissing),
        }
        let body = std::str::from_utf8(request.body()).map_err(|_| OpenError::Encoding)?;
        Ok(Post(body.to_owned()))
    }

    fn body_limit(&self) -> usize {
        LIMIT
    }
}

impl Callback for Post {
    type Source = Posted;

    fn event(&self) -> Event {
        let kind = EventKind::Conversion {
            transaction: self.0.parse().unwrap(),
            original: None,
            effect: Effect::Completed {
                amount: 5.into(),
                milestone: None,
                reinstates: false,
            },
        };
        let mut event = Event::new(
            "posted".parse().unwrap(),
            "game".parse().unwrap(),
            "p1".parse().unwrap(),
            kind,
        );
        event.endpoint = "posts".into();
        event.signed.clone_from(&self.0);
        event
    }
}
