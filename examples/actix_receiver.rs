//! A small game backend that takes BitLabs callbacks with actix-web and keeps records and wallet in one SQLite
//! file, committed together.
//!
//! ```sh
//! cargo run --release --example actix_receiver --features actix-web,sqlite
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

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer};
use bank::SqliteBank;
use game::{Bank, Ending, Game, Routes};
use postback::receiver::Receive;
use postback::source::Source;
use postback::web::actix::callbacks;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> ExitCode {
    game::run(serve).await
}

async fn serve(
    game: Arc<Game<SqliteBank>>,
    listener: TcpListener,
    ending: Ending,
) -> io::Result<()> {
    let app = move || {
        App::new()
            .configure(|config| {
                game.mount(config);
            })
            .service(
                web::resource("/players/{id}")
                    .route(web::get().to(player))
                    .route(web::head().to(player)),
            )
            .service(
                web::resource("/health")
                    .route(web::get().to(health))
                    .route(web::head().to(health)),
            )
            .app_data(Data::new(game.bank.clone()))
    };
    HttpServer::new(app)
        // In place of actix-web's own handling of signals. How long the end may take is the game's business.
        .shutdown_signal(ending)
        .shutdown_timeout(u64::MAX)
        .listen(listener.into_std()?)?
        .run()
        .await
}

impl Routes for &mut ServiceConfig {
    fn endpoint<E: Source, R: Receive>(self, path: &str, endpoint: E, receiver: R) -> Self {
        self.route(path, callbacks(endpoint, receiver))
    }
}

async fn player(bank: Data<SqliteBank>, id: Path<String>) -> HttpResponse {
    match bank.statement(id.into_inner()).await {
        Ok(statement) => HttpResponse::Ok().json(statement),
        Err(error) => {
            tracing::error!(%error, "a player's statement could not be read");
            HttpResponse::ServiceUnavailable().finish()
        }
    }
}

async fn health() -> &'static str {
    "ok"
}
