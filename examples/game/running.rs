//! A backend's life, whatever its web framework: start, serve, end in good order.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use postback::receiver::{Resume, spawn_resume};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::{Bank, BoxError, Game, greeting};

/// How long requests under way may take to end after Ctrl-C. Longer than the store waits for a locked
/// file; a client that never finishes its request would otherwise keep the program from ending.
pub(crate) const GRACE: Duration = Duration::from_secs(6);

/// Resolves when no new requests are to be taken.
pub(crate) type Ending = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What `main` does. `serve` answers requests until it is told to end and those under way are done.
pub(crate) async fn run<B: Bank, Served>(
    serve: impl FnOnce(Arc<Game<B>>, TcpListener, Ending) -> Served,
) -> ExitCode
where
    Served: Future<Output = io::Result<()>>,
{
    start_logging();
    match start_and_serve(serve).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&*error);
            ExitCode::FAILURE
        }
    }
}

async fn start_and_serve<B: Bank, Served>(
    serve: impl FnOnce(Arc<Game<B>>, TcpListener, Ending) -> Served,
) -> Result<(), BoxError>
where
    Served: Future<Output = io::Result<()>>,
{
    let game = Arc::new(Game::<B>::open().await?);
    let resumed = game.receiver.resume().await?;
    if resumed.settled + resumed.failed > 0 {
        println!(
            "Left open by the last run: {} settled, {} failed again.",
            resumed.settled, resumed.failed
        );
    }
    let listen = &game.settings.listen;
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| format!("cannot listen on {listen} (POSTBACK_LISTEN): {error}"))?;
    greeting::print(&game, listener.local_addr()?);
    let resuming = spawn_resume(game.receiver.clone(), B::RESUME_EVERY);

    let (end, asked_to_end) = oneshot::channel();
    let serving = serve(
        Arc::clone(&game),
        listener,
        Box::pin(async {
            interrupted().await;
            println!("Ending: no new requests are taken.");
            // Nobody listens any more when the server has failed by itself.
            let _ = end.send(());
        }),
    );
    let patience = async {
        match asked_to_end.await {
            Ok(()) => tokio::time::sleep(GRACE).await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        result = serving => result?,
        () = patience => println!("Some client keeps its connection open: it is closed now."),
    }
    resuming.abort();
    game.bank.close().await;
    println!("Ended cleanly.");
    Ok(())
}

fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

/// Prints an error and everything that led to it.
fn print_error(error: &(dyn std::error::Error + 'static)) {
    eprintln!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        eprintln!("  because: {cause}");
        source = cause.source();
    }
}

/// Resolves at Ctrl-C, or when the process is asked to end.
async fn interrupted() {
    let ctrl_c = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else {
            return ctrl_c.await;
        };
        tokio::select! {
            () = ctrl_c => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    ctrl_c.await;
}
