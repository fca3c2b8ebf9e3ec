//! How a player stands, as the receiver's own statement says.

use rust_decimal::Decimal;
use serde_json::Value;

use super::client::{Client, Outgoing};
use crate::ending::Failure;

/// Where statements are: a client, and a target with `{player}` in it.
#[derive(Clone)]
pub(crate) struct Statements {
    client: Client,
    target: String,
}

/// How a player stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) balance: Decimal,
    /// `None`: the statement does not say.
    pub(crate) banned: Option<bool>,
}

impl Statements {
    /// From `http://host:port/players/{player}`.
    pub(crate) fn new(url: &str, allow_remote: bool) -> Result<Self, Failure> {
        if !url.contains("{player}") {
            return Err("--statement-url must hold {player}, such as http://127.0.0.1:8080/players/{player}".into());
        }
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        let target = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/");
        let origin = url.strip_suffix(target).unwrap_or(url);
        Ok(Self {
            client: Client::new("--statement-url", origin, allow_remote)?,
            target: target.to_owned(),
        })
    }

    /// Whether there is a statement of anybody at all.
    pub(crate) async fn are_offered(&self) -> bool {
        let target = self.target.replace("{player}", "postback-play-probe");
        match self.client.send(&Outgoing::get(&target)).await {
            Ok(answer) => answer.status == 200 && read(&answer.body).is_some(),
            Err(_) => false,
        }
    }

    /// Somebody who is not known yet has nothing.
    pub(crate) async fn of(&self, player: &str) -> Result<Standing, Failure> {
        let request = Outgoing::get(&self.target.replace("{player}", player));
        let answer = self.client.send(&request).await?;
        match answer.status {
            200 => read(&answer.body).ok_or_else(|| {
                "the statement is no JSON object with a \"balance\" (a number, or a text that is one)".into()
            }),
            404 => Ok(Standing {
                balance: Decimal::ZERO,
                banned: None,
            }),
            status => Err(format!("the statement was answered {status}").into()),
        }
    }
}

fn read(body: &[u8]) -> Option<Standing> {
    let statement: Value = serde_json::from_slice(body).ok()?;
    let balance = match statement.get("balance")? {
        Value::String(text) => text.parse().ok()?,
        Value::Number(number) => number.to_string().parse().ok()?,
        _ => return None,
    };
    Some(Standing {
        balance,
        banned: statement.get("banned").and_then(Value::as_bool),
    })
}
