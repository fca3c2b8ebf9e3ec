//! `postback watch`: a development receiver with a live page.

mod desk;
mod feed;
mod page;
mod seen;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use clap::Args;
use desk::Desk;
use serde_json::Value;

use crate::dashboard::Dashboard;
use crate::ending::{Ending, Failure, Outcome, about};
use crate::output::print;
use crate::play::or_demo;
use crate::secret::SecretArguments;

#[derive(Args)]
#[command(after_help = "Example:\n  \
    BITLABS_APP_SECRET=demo-secret-do-not-use postback watch --listen 127.0.0.1:8090\n\n\
    Open the page that it names, and let the network (or `postback play all --to http://127.0.0.1:8090`) call it. \
    Records are kept in memory: it is for development and pays nobody. Without dashboard URLs, those of the example \
    receivers are used.\n\n\
    Exit status: 0 ended by Ctrl-C; 2 it could not start.")]
pub(crate) struct Watch {
    /// Where to listen. Only this machine can reach 127.0.0.1.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    #[command(flatten)]
    secret: SecretArguments,
    #[command(flatten)]
    dashboard: Dashboard,
}

impl Watch {
    pub(crate) fn run(self) -> Outcome {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        runtime.block_on(self.serve())
    }

    async fn serve(self) -> Outcome {
        let dashboard = or_demo(self.dashboard);
        let desk = Arc::new(Desk::new(&self.secret, &dashboard)?);
        let listener = tokio::net::TcpListener::bind(self.listen)
            .await
            .map_err(|error| about(format!("--listen {} cannot be used", self.listen), error))?;
        greet(listener.local_addr()?, &desk)?;
        axum::serve(listener, router(desk))
            .with_graceful_shutdown(interrupted())
            .await?;
        Ok(Ending::Fine)
    }
}

fn router(desk: Arc<Desk>) -> Router {
    Router::new()
        .route("/watch", get(page::page))
        .route("/watch/events", get(page::events))
        .route("/players/{id}", get(player))
        .fallback(callback)
        .with_state(desk)
}

/// Every other request is taken for a callback, so that a wrong path is seen, too.
async fn callback(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let uri = request.uri();
    if uri.query().is_none() && uri.path() == "/" {
        return Redirect::temporary("/watch").into_response();
    }
    if uri.path() == "/favicon.ico" {
        return StatusCode::NOT_FOUND.into_response();
    }
    let (parts, _) = request.into_parts();
    // Not left half done when the caller hangs up.
    let work = tokio::spawn(async move { desk.take(&parts).await });
    match work.await {
        Ok((status, body)) => (status, body).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn player(State(desk): State<Arc<Desk>>, Path(player): Path<String>) -> axum::Json<Value> {
    axum::Json(desk.statement(&player))
}

fn greet(address: SocketAddr, desk: &Desk) -> Result<(), Failure> {
    print(format_args!("The page is at http://{address}/watch"))?;
    if address.ip().is_loopback() {
        print("Only this machine can reach it.")?;
    } else {
        print(format_args!(
            "CAUTION: everybody who can reach {address} can send to it and sees what the network sends, players' names \
             included."
        ))?;
    }
    print("Callbacks are expected at")?;
    for (family, path) in desk.endpoints() {
        print(format_args!("  {path}  ({family})"))?;
    }
    print("Records are kept in memory; nobody is paid. Ctrl-C ends it.")?;
    Ok(())
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
    // Pages hold their connection open for ever: do not wait for them.
    std::process::exit(0);
}

/// A text that is safe to show to whoever opens the page.
fn without_secrets(text: &str, secrets: &str) -> String {
    secrets
        .split(',')
        .map(str::trim)
        .filter(|secret| secret.len() >= 6)
        .fold(text.to_owned(), |text, secret| {
            text.replace(secret, "[secret]")
        })
}

type Started<T> = Result<T, Failure>;
