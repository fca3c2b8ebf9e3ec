//! The actix-web adapter as its user tests it: `actix_web::test`, and callbacks from the public signer.
#![cfg(feature = "actix-web")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../bitlabs_game/mod.rs"]
mod bitlabs_game;
mod bodies;
mod extractors;
mod hang_up;
#[path = "../http/mod.rs"]
mod http;
#[path = "../ledger/mod.rs"]
mod ledger;
#[path = "../posted/mod.rs"]
mod posted;
mod route;
#[path = "../server/mod.rs"]
mod server;

use std::sync::Arc;

use actix_web::body::{MessageBody, to_bytes};
use actix_web::http::header::HeaderMap;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpServer, Route};
use bitlabs_game::Game;
use postback::decision::Decision;
use postback::handler::{Handler, HandlerError};
use server::Server;

/// A response, read to its end.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn status_and_body(&self) -> (u16, &str) {
        (self.status, &self.body)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        Some(self.headers.get(name)?.to_str().unwrap())
    }
}

/// Sends requests to an app of its own, one after the other.
pub(crate) fn play<const N: usize>(
    mount: impl FnOnce(&mut ServiceConfig),
    requests: [TestRequest; N],
) -> impl Future<Output = [Answer; N]> {
    let requests = Vec::from(requests);
    async move {
        let app = init_service(App::new().configure(mount)).await;
        let mut answers = Vec::new();
        for request in requests {
            let response = call_service(&app, request.to_request()).await;
            answers.push(Answer {
                status: response.status().as_u16(),
                headers: response.headers().clone(),
                body: text(response.into_body()).await,
            });
        }
        answers.try_into().ok().unwrap()
    }
}

/// A route behind a real socket, whatever the path.
pub(crate) fn serve(route: impl Fn() -> Route + Clone + Send + 'static) -> Server {
    Server::run(move |listener, stopped| {
        let server = async {
            let app = move || App::new().route("/{endpoint:.*}", route());
            HttpServer::new(app)
                .workers(1)
                .shutdown_timeout(0)
                .shutdown_signal(async {
                    let _ = stopped.await;
                })
                .listen(listener)?
                .run()
                .await
        };
        actix_web::rt::System::new().block_on(server).unwrap();
    })
}

async fn text(body: impl MessageBody) -> String {
    let bytes = to_bytes(body).await.ok().unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

pub(crate) fn get(target: &str) -> TestRequest {
    TestRequest::get().uri(target)
}

/// Carries everything out in the game's wallet, except what a transaction's name asks it to do otherwise.
pub(crate) fn paying(game: &Game) -> impl Handler + Clone + 'static {
    let wallet = Arc::clone(&game.wallet);
    move |decision: &Decision| {
        let id = decision.id().as_str();
        let result = if id.contains("/fail") {
            Err(HandlerError::failed("the wallet is out of order"))
        } else if id.contains("/refuse") {
            Err(HandlerError::refused("no such player"))
        } else {
            wallet.lock().unwrap().carry_out(decision);
            Ok(())
        };
        std::future::ready(result)
    }
}

/// The target of a completed offer of 500.
pub(crate) fn completed(game: &Game, tx: &str) -> String {
    let signed = game.offer(tx, "COMPLETED", "500").sign();
    signed.target().to_owned()
}
