//! The answers, counted by status and body.

use serde::{Deserialize, Serialize};

/// One kind of answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answer {
    pub status: u16,
    pub body: String,
    pub count: u64,
}

/// How often each was given. A server has few answers, so they are looked for one by one.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Answers(pub Vec<Answer>);

impl Answers {
    pub fn count(&mut self, status: u16, body: &[u8]) {
        let mut known = self.0.iter_mut();
        match known.find(|answer| answer.status == status && answer.body.as_bytes() == body) {
            Some(answer) => answer.count += 1,
            None => self.0.push(Answer {
                status,
                body: String::from_utf8_lossy(body).into_owned(),
                count: 1,
            }),
        }
    }

    pub fn all(&self) -> u64 {
        self.0.iter().map(|answer| answer.count).sum()
    }

    pub fn with_status(&self, status: u16) -> u64 {
        self.of(|answer| answer.status == status)
    }

    pub fn with_body(&self, body: &str) -> u64 {
        self.of(|answer| answer.body == body)
    }

    fn of(&self, is_wanted: impl Fn(&Answer) -> bool) -> u64 {
        let wanted = self.0.iter().filter(|answer| is_wanted(answer));
        wanted.map(|answer| answer.count).sum()
    }
}
