//! The same small game backend as `axum_receiver`, with records and wallet in one Postgres database, committed
//! together. Several copies on one database behave as one.
//!
//! ```sh
//! DATABASE_URL=postgres://game:password@localhost/game \
//!     cargo run --release --example postgres_receiver --features axum,postgres
//! ```
//!
//! | variable | what | default |
//! |---|---|---|
//! | `DATABASE_URL` | the database; its tables are made at start | none |
//! | `POSTBACK_LISTEN` | where to listen | `127.0.0.1:8080` |
//! | `BITLABS_APP_SECRET` | the App Secret; several, separated by commas, while rotating | a demo secret |
//! | `BITLABS_OFFERS_URL`, `…_SURVEYS_URL`, `…_RECEIPTS_URL`, `…_CASHBACK_URL`, `…_REWARDS_URL`, `…_BANS_URL` | the URLs exactly as typed into the dashboard | see `game/settings.rs` |
//! | `PHONEXA_LOGIN` and `PHONEXA_PASSWORD`, `PHONEXA_TOKEN` | what Phonexa's network authenticates with; `/callbacks/phonexa` is off without | – |
//! | `RUST_LOG` | what to log | `info` |

#[path = "game/postgres_bank.rs"]
mod bank;
mod game;
#[path = "game/axum_routes.rs"]
mod routes;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    game::run(routes::serve::<bank::PostgresBank>).await
}
