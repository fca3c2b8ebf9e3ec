//! A small game backend that takes BitLabs callbacks with axum and keeps records and wallet in one SQLite
//! file, committed together.
//!
//! ```sh
//! cargo run --release --example axum_receiver --features axum,sqlite
//! ```
//!
//! | variable | what | default |
//! |---|---|---|
//! | `POSTBACK_LISTEN` | where to listen | `127.0.0.1:8080` |
//! | `POSTBACK_DB` | the SQLite file | `postback.db` |
//! | `BITLABS_APP_SECRET` | the App Secret; several, separated by commas, while rotating | a demo secret |
//! | `BITLABS_OFFERS_URL`, `…_SURVEYS_URL`, `…_RECEIPTS_URL`, `…_CASHBACK_URL`, `…_REWARDS_URL`, `…_BANS_URL` | the URLs exactly as typed into the dashboard | see `game/settings.rs` |
//! | `PHONEXA_LOGIN` and `PHONEXA_PASSWORD`, `PHONEXA_TOKEN` | what Phonexa's network authenticates with; `/callbacks/phonexa` is off without | – |
//! | `RUST_LOG` | what to log | `info` |

#[path = "game/sqlite_bank.rs"]
mod bank;
mod game;
#[path = "game/axum_routes.rs"]
mod routes;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    game::run(routes::serve::<bank::SqliteBank>).await
}
