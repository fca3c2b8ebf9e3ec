//! `postback serve`: receives callbacks and delivers their decisions.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::MethodRouter;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use postback::{Clock as _, DedupStore as _, Receiver, SystemClock, Timing};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tower::ServiceExt as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::{Config, LogFormat};
use crate::delivery::{Delivery, ServerReceiver};
use crate::feed::Feed;
use crate::intake::Intake;
use crate::server::Server;
use crate::shutdown::Shutdown;
use crate::store::AnyStore;
use crate::webhook::WebhookSender;
use crate::{admin, environment, http};

/// How long the store may take to answer a health check.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(3);

/// How long the store may take to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Upper bounds of the histograms' buckets, in seconds.
const BUCKETS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The ports of a server, bound before anything is created.
pub(crate) struct Ports {
    pub(crate) public: TcpListener,
    pub(crate) admin: Option<TcpListener>,
}

impl Ports {
    pub(crate) async fn bind(config: &Config) -> anyhow::Result<Self> {
        let public = http::bind(config.listen, "listen").await?;
        let admin = match &config.admin {
            Some(admin) => Some(http::bind(admin.listen, "admin.listen").await?),
            None => None,
        };
        Ok(Self { public, admin })
    }
}

/// Runs the server until it is asked to stop.
pub(crate) async fn run(config: Config) -> anyhow::Result<()> {
    start_logging(config.log);
    let ports = Ports::bind(&config).await?;
    let store = config.store.open().await?;
    serve(config, ports, store).await
}

pub(crate) async fn serve(config: Config, ports: Ports, store: AnyStore) -> anyhow::Result<()> {
    let metrics = install_metrics()?;
    let limit = http::connection_limit();
    let (stop, shutdown) = Shutdown::new();
    let receiver = receiver(&config, store)?;
    let patience = config.backend.timeout.saturating_add(Duration::from_secs(2));
    let (delivery, delivering) =
        Delivery::start(receiver.clone(), config.backend.concurrency, patience, shutdown.clone());
    let feed = Arc::new(Feed::new());
    let server = Arc::new(Server {
        intake: Intake { receiver, delivery, feed, counts: None },
        endpoints: config.endpoints,
        store_kind: config.store.kind(),
        started: SystemClock.now(),
        metrics,
        shutdown: shutdown.clone(),
    });
    announce(&server, &ports)?;
    let public = tokio::spawn(http::serve(ports.public, public_router(&server), limit, "public", shutdown.clone()));
    let admin = ports.admin.map(|listener| {
        let token = config.admin.as_ref().and_then(|admin| admin.token.clone());
        let router = admin::router(Arc::clone(&server), token);
        tokio::spawn(http::serve(listener, router, limit, "admin", shutdown.clone()))
    });
    let upkeep = tokio::spawn(upkeep(server.metrics.clone()));
    stop_requested().await?;
    tracing::info!(target: "postback::server", "stopping: requests in flight are answered, deliveries finish");
    stop.request();
    // Requests first: what they accept is in the store when delivery ends.
    public.await?;
    if let Some(admin) = admin {
        admin.await?;
    }
    delivering.await?;
    upkeep.abort();
    // Everything that was answered is durable, so nothing is lost if the store hangs.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, server.intake.receiver.store().close()).await;
    tracing::info!(target: "postback::server", "stopped");
    Ok(())
}

/// The receiver of a configuration. Its handler sends webhooks.
pub(crate) fn receiver(config: &Config, store: AnyStore) -> anyhow::Result<ServerReceiver> {
    let sender = WebhookSender::new(config.backend.clone())?;
    // Long enough for one request and the store, short enough that another server takes over soon.
    let lease = config.backend.timeout.saturating_mul(3) / 2 + Duration::from_secs(2);
    Ok(Receiver::new(store, sender).timing(Timing::default().lease(lease)).without_recovery().deferred())
}

fn install_metrics() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &BUCKETS)?
        .install_recorder()
        .context("cannot set up metrics")?;
    postback::describe_metrics();
    metrics::describe_counter!("postback_deliveries_total", "Webhook deliveries by result");
    metrics::describe_histogram!(
        "postback_delivery_duration_seconds",
        metrics::Unit::Seconds,
        "One delivery to the backend"
    );
    metrics::describe_gauge!("postback_backend_up", "Whether the backend responds: 1 or 0");
    metrics::describe_gauge!("postback_connections", "Open connections by port");
    metrics::describe_gauge!(
        "postback_decisions_pending",
        "Records with decisions that the backend has not taken; counted up to 10000"
    );
    metrics::describe_gauge!(
        "postback_last_callback_timestamp_seconds",
        metrics::Unit::Seconds,
        "When an endpoint's last genuine callback arrived, in seconds since 1970"
    );
    metrics::gauge!("postback_backend_up").set(1.0);
    Ok(handle)
}

/// Histograms collect samples until they are drained.
async fn upkeep(metrics: PrometheusHandle) {
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        metrics.run_upkeep();
    }
}

/// Starts logging to standard error. `POSTBACK_LOG` filters: `info` by default, `debug`, `postback::store=debug,warn` …
pub(crate) fn start_logging(format: LogFormat) {
    let wanted = environment::variable("POSTBACK_LOG");
    let filter = wanted
        .as_deref()
        .and_then(|text| text.parse::<Targets>().ok())
        .unwrap_or_else(|| Targets::new().with_default(tracing::Level::INFO));
    let registry = tracing_subscriber::registry().with(filter);
    let started = match format {
        LogFormat::Text => {
            registry.with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false)).try_init()
        }
        LogFormat::Json => registry
            .with(tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stderr))
            .try_init(),
    };
    // A second call in one process keeps the first one's.
    drop(started);
}

fn announce(server: &Server, ports: &Ports) -> anyhow::Result<()> {
    let address = ports.public.local_addr()?;
    tracing::info!(target: "postback::server", %address, store = server.store_kind, "listening for callbacks");
    if let Some(admin) = &ports.admin {
        let address = admin.local_addr()?;
        tracing::info!(target: "postback::server", %address, "admin page");
    }
    if server.store_kind == "memory" {
        tracing::warn!(target: "postback::server", "the memory store forgets what was paid when the program ends: for tests only");
    }
    if server.endpoints.iter().any(|endpoint| endpoint.has_default_url) {
        tracing::info!(target: "postback::server", "`postback url --config FILE` prints the URLs for the dashboards");
    }
    for endpoint in &server.endpoints {
        let labels = endpoint.labels();
        tracing::info!(
            target: "postback::server",
            network = labels.network,
            app = labels.app,
            endpoint = labels.endpoint,
            path = endpoint.path(),
            "endpoint"
        );
        if !endpoint.uncovered.is_empty() {
            tracing::warn!(
                target: "postback::server",
                network = labels.network,
                app = labels.app,
                endpoint = labels.endpoint,
                uncovered = endpoint.uncovered.join(", "),
                "the network's signature does not cover these fields"
            );
        }
    }
    Ok(())
}

/// The public port: the server, and a route for each of its endpoints.
struct Site {
    server: Arc<Server>,
    routes: Vec<MethodRouter>,
}

fn public_router(server: &Arc<Server>) -> Router {
    let routes = server.endpoints.iter().map(|endpoint| endpoint.route(server.intake.clone())).collect();
    let site = Site { server: Arc::clone(server), routes };
    Router::new().fallback(public).with_state(Arc::new(site))
}

async fn public(State(site): State<Arc<Site>>, request: Request) -> Response {
    let path = request.uri().path();
    if path == "/health" {
        return health(&site.server, request.method()).await;
    }
    let mut routes = site.server.endpoints.iter().zip(&site.routes);
    let Some((endpoint, route)) = routes.find(|(endpoint, _)| endpoint.answers_at(path)) else {
        return (StatusCode::NOT_FOUND, "not found").into_response();
    };
    let response = match route.clone().oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    // 400 is a genuine callback that cannot be used: it was counted when it was kept.
    if response.status().is_client_error() && response.status() != StatusCode::BAD_REQUEST {
        endpoint.counts.rejected.fetch_add(1, Ordering::Relaxed);
    }
    response
}

/// 200 when the store answers.
async fn health(server: &Server, method: &Method) -> Response {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, [("allow", "GET, HEAD")], "method not allowed").into_response();
    }
    let asked = server.intake.receiver.store().list_pending(None, 1);
    match tokio::time::timeout(HEALTH_TIMEOUT, asked).await {
        Ok(Ok(_)) => (StatusCode::OK, "ok").into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "store unavailable").into_response(),
    }
}

/// Waits for SIGTERM or SIGINT. SIGHUP changes nothing: the configuration is read at startup.
async fn stop_requested() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hang_up.recv() => {
                tracing::warn!(target: "postback::server", "restart the server to reload its configuration");
            }
        }
    }
}
