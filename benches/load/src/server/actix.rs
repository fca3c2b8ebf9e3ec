//! actix-web, set up as its own documentation does: a worker for each core, of which there is one here.

use std::error::Error;

use actix_web::{App, HttpServer, web};
use postback::receiver::Receiver;
use postback::store::MemoryStore;
use postback::web::actix::callbacks;

use super::game::{self, PAID, PATH, Paid};

/// Answers without looking.
#[actix_web::main]
pub async fn hello(port: u16) -> Result<(), Box<dyn Error>> {
    let server = HttpServer::new(|| App::new().route(PATH, web::get().to(async || "OK")));
    Ok(server.bind(("127.0.0.1", port))?.run().await?)
}

/// The receiver, with records in memory.
#[actix_web::main]
pub async fn memory(port: u16) -> Result<(), Box<dyn Error>> {
    let paid = Paid::default();
    let endpoint = game::endpoint()?;
    let receiver =
        std::sync::Arc::new(Receiver::new(MemoryStore::new()).with_handler(paid.handler()));
    let server = HttpServer::new(move || {
        let paid = paid.clone();
        let count = move || std::future::ready(paid.count().to_string());
        App::new()
            .route(PATH, callbacks(endpoint.clone(), receiver.clone()))
            .route(PAID, web::get().to(count))
    });
    Ok(server.bind(("127.0.0.1", port))?.run().await?)
}
