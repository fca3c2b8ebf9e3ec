//! The same small game as `axum_receiver`, with records and wallet in Redis. Any number of copies may share one
//! server.
//!
//! ```sh
//! redis-server --appendonly yes --appendfsync always --save "" &
//! cargo run --release --example redis_receiver --features axum,redis
//! ```
//!
//! Each decision is written down before the wallet carries it out, and the wallet is idempotent on its id
//! (`game/redis_wallet.rs`): a crash in between repeats it, and it is paid once.
//!
//! | variable | what | default |
//! |---|---|---|
//! | `REDIS_URL` | the server | `redis://127.0.0.1:6379/0` |
//! | `POSTBACK_LISTEN` | where to listen | `127.0.0.1:8080` |
//! | `POSTBACK_LEASE_MS` | how long a decision is reserved for the copy that is at work on it | 30000 |
//! | `BITLABS_APP_SECRET` | the App Secret; several, separated by commas, while rotating | a demo secret |
//! | `BITLABS_OFFERS_URL`, `…_SURVEYS_URL`, `…_RECEIPTS_URL`, `…_CASHBACK_URL`, `…_REWARDS_URL`, `…_BANS_URL` | the URLs exactly as typed into the dashboard | see `game/settings.rs` |
//! | `PHONEXA_LOGIN` and `PHONEXA_PASSWORD`, `PHONEXA_TOKEN` | what Phonexa's network authenticates with; `/callbacks/phonexa` is off without | – |
//! | `RUST_LOG` | what to log | `info` |

#[path = "game/redis_bank.rs"]
mod bank;
mod game;
#[path = "game/axum_routes.rs"]
mod routes;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    game::run(routes::serve::<bank::RedisBank>).await
}
