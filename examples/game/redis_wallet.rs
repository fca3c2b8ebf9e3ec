//! A small game's wallet in Redis, idempotent on the decision's id.
//!
//! Redis has no decimals, and the numbers of its scripts are floats. So a balance is a decimal text: it is read, the
//! new one is computed here, and one script writes that if the decision's id is not known and the balance still is
//! the one that was read. The id is noted in the same script, for ever. Whoever finds another balance begins again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use postback::decision::{Decision, NothingWhy};
use postback::handler::{Handler, HandlerError};
use postback::store::redis::redis::aio::{ConnectionManager, ConnectionManagerConfig};
use postback::store::redis::redis::{self, Client, RedisError};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::game::history::Line;

/// `KEYS`: account, pending, decisions, history. `ARGV`: the decision's id, the balance that was read, the new one,
/// the line for the history, the conversion, what is pending of it (empty: as it was; `-`: nothing any more),
/// whether the player is banned (empty: as he was).
const CARRY_OUT: &str = r"#!lua
if redis.call('SISMEMBER', KEYS[3], ARGV[1]) == 1 then return 'known' end
if (redis.call('HGET', KEYS[1], 'balance') or '') ~= ARGV[2] then return 'changed' end
redis.call('HSET', KEYS[1], 'balance', ARGV[3])
if ARGV[6] == '-' then
    redis.call('HDEL', KEYS[2], ARGV[5])
elseif ARGV[6] ~= '' then
    redis.call('HSET', KEYS[2], ARGV[5], ARGV[6])
end
if ARGV[7] ~= '' then redis.call('HSET', KEYS[1], 'banned', ARGV[7]) end
redis.call('SADD', KEYS[3], ARGV[1])
redis.call('RPUSH', KEYS[4], ARGV[4])
return 'done'
";

/// How often to begin again when others change the same balance. Each time, one of them got through.
const TRIES: u32 = 100;

/// Balance and whether banned; the pending amounts; the lines of the history.
type Account = ((Option<String>, Option<String>), Vec<String>, Vec<String>);

/// The wallet. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Wallet {
    connection: ConnectionManager,
}

impl Wallet {
    pub(crate) async fn connect(server: Client) -> Result<Self, RedisError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(2)))
            .set_response_timeout(Some(Duration::from_secs(3)))
            .set_number_of_retries(1);
        let connection = ConnectionManager::new_with_config(server, config).await?;
        Ok(Self { connection })
    }

    /// What `GET /players/{id}` answers.
    pub(crate) async fn statement(
        &self,
        player: &str,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let [account, pending, _, history] = keys(player);
        let (found, amounts, lines): Account = redis::pipe()
            .atomic()
            .cmd("HMGET")
            .arg(account)
            .arg(&["balance", "banned"])
            .cmd("HVALS")
            .arg(pending)
            .cmd("LRANGE")
            .arg(history)
            .arg(&[0, -1])
            .query_async(&mut self.connection.clone())
            .await?;
        let mut pending = Decimal::ZERO;
        for amount in amounts {
            pending = pending.saturating_add(amount.parse()?);
        }
        let history: Result<Vec<Value>, _> = lines
            .iter()
            .map(|line| serde_json::from_str(line))
            .collect();
        Ok(json!({
            "player": player,
            "balance": found.0.unwrap_or_else(|| "0".to_owned()),
            "pending": pending.normalize().to_string(),
            "banned": found.1.is_some_and(|banned| banned == "1"),
            "history": history?,
        }))
    }

    async fn carry_out(&self, decision: &Decision) -> Result<(), HandlerError> {
        let mut connection = self.connection.clone();
        let keys = keys(decision.player().as_str());
        let line = line(decision)?.to_string();
        for _ in 0..TRIES {
            let old: Option<String> = redis::cmd("HGET")
                .arg(&keys[0])
                .arg("balance")
                .query_async(&mut connection)
                .await?;
            let balance: Decimal = old.as_deref().unwrap_or("0").parse()?;
            let new = balance
                .checked_add(decision.balance_change())
                .ok_or_else(|| HandlerError::failed("balance out of range"))?;
            let outcome: String = redis::cmd("EVAL")
                .arg(CARRY_OUT)
                .arg(keys.len())
                .arg(&keys)
                .arg(decision.id().as_str())
                .arg(old.unwrap_or_default())
                .arg(new.normalize().to_string())
                .arg(&line)
                .arg(decision.conversion().to_string())
                .arg(pending(decision))
                .arg(banned(decision))
                .query_async(&mut connection)
                .await?;
            if outcome != "changed" {
                return Ok(());
            }
        }
        Err(HandlerError::failed(
            "too many changes of one balance at once",
        ))
    }
}

impl Handler for Wallet {
    fn handle(&self, decision: &Decision) -> impl Future<Output = Result<(), HandlerError>> + Send {
        let wallet = self.clone();
        let decision = decision.clone();
        async move { wallet.carry_out(&decision).await }
    }
}

/// A player's keys: account, pending, decisions, history. In a cluster they are on one node.
fn keys(player: &str) -> [String; 4] {
    ["account", "pending", "decisions", "history"].map(|name| format!("game:{{{player}}}:{name}"))
}

fn pending(decision: &Decision) -> String {
    match decision {
        Decision::Pending(pending) => pending.amount().unwrap_or_default().to_string(),
        Decision::NothingToPay(nothing) if nothing.why() == NothingWhy::UnknownState => {
            String::new()
        }
        Decision::Reward(_)
        | Decision::Reversal(_)
        | Decision::Rejected(_)
        | Decision::NothingToPay(_) => "-".to_owned(),
        // Purchase data, conflicts and whatever later versions add: kept in the history, for people.
        _ => String::new(),
    }
}

fn banned(decision: &Decision) -> &'static str {
    match decision {
        Decision::Ban(_) => "1",
        Decision::Unban(_) => "0",
        _ => "",
    }
}

fn line(decision: &Decision) -> Result<Value, HandlerError> {
    let Line { amount, note } = Line::of(decision)?;
    let at = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    Ok(json!({
        "id": decision.id().as_str(),
        "kind": decision.kind().as_str(),
        "amount": amount.map(|amount| amount.normalize().to_string()),
        "change": decision.balance_change().normalize().to_string(),
        "conversion": decision.conversion().to_string(),
        "usd": decision.cause().usd.map(|usd| usd.to_string()),
        "note": note,
        "at": at,
    }))
}
