//! The connection to the server: bounded in time, and replaced when it breaks.
//!
//! A command is sent once. Whether one without a reply took effect is unknown, so that is an error, and the next
//! delivery of the callback loads the record. The driver's own `ConnectionManager` would keep a connection whose server
//! became a replica, or whose peer vanished.

use std::io;
use std::time::{Duration, Instant};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, Cmd, RedisError, RedisFuture, RedisResult, Value};
use tokio::sync::Mutex;

/// How many commands may wait to be sent. More wait for a place.
const QUEUE: usize = 1024;

pub(crate) struct Connection {
    kind: Kind,
    response_timeout: Duration,
}

enum Kind {
    Managed(Box<Managed>),
    External(Box<dyn ErasedConnection>),
}

/// A connection of any type that the user made.
trait ErasedConnection: Send + Sync {
    fn send<'a>(&self, command: &'a Cmd) -> RedisFuture<'a, Value>;
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> ErasedConnection for C {
    fn send<'a>(&self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let mut connection = self.clone();
        Box::pin(async move { command.query_async(&mut connection).await })
    }
}

struct Managed {
    client: Client,
    connect_timeout: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connection: Option<MultiplexedConnection>,
    /// Counts the connections, so that a caller with a broken one does not drop its successor.
    generation: u64,
    failure: Option<(Instant, RedisError)>,
}

impl Connection {
    /// Connects when it is first used.
    pub(crate) fn managed(client: Client, connect_timeout: Duration, response_timeout: Duration) -> Self {
        let managed = Managed { client, connect_timeout, state: Mutex::default() };
        Self { kind: Kind::Managed(Box::new(managed)), response_timeout }
    }

    pub(crate) fn external<C>(connection: C, response_timeout: Duration) -> Self
    where
        C: ConnectionLike + Clone + Send + Sync + 'static,
    {
        Self { kind: Kind::External(Box::new(connection)), response_timeout }
    }

    /// Sends a command, once, and waits for the reply.
    pub(crate) async fn query(&self, command: &Cmd) -> RedisResult<Value> {
        let managed = match &self.kind {
            Kind::Managed(managed) => managed,
            Kind::External(connection) => {
                return within(self.response_timeout, connection.send(command)).await;
            }
        };
        let (generation, mut connection) = managed.get().await?;
        let reply = within(self.response_timeout, command.query_async(&mut connection)).await;
        if reply.as_ref().is_err_and(is_connection_useless) {
            managed.discard(generation).await;
        }
        reply
    }
}

impl Managed {
    async fn get(&self) -> RedisResult<(u64, MultiplexedConnection)> {
        let arrived = Instant::now();
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.connection {
            return Ok((state.generation, connection.clone()));
        }
        // Callers that waited for an attempt share its failure; otherwise they would wait for one attempt after the other.
        if let Some((at, error)) = &state.failure
            && *at > arrived
        {
            return Err(error.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(QUEUE);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        match within(self.connect_timeout, connecting).await {
            Ok(connection) => {
                state.generation = state.generation.wrapping_add(1);
                state.connection = Some(connection.clone());
                Ok((state.generation, connection))
            }
            Err(error) => {
                state.failure = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn discard(&self, generation: u64) {
        let mut state = self.state.lock().await;
        if state.generation == generation {
            state.connection = None;
        }
    }
}

async fn within<T>(timeout: Duration, work: impl Future<Output = RedisResult<T>> + Send) -> RedisResult<T> {
    tokio::time::timeout(timeout, work).await.unwrap_or_else(|_| {
        let text = format!("no reply within {timeout:?}");
        Err(io::Error::new(io::ErrorKind::TimedOut, text).into())
    })
}

/// Whether another connection may do better: this one is broken, its server is a replica now, or its password is no
/// longer valid.
fn is_connection_useless(error: &RedisError) -> bool {
    error.is_io_error() || error.is_unrecoverable_error() || matches!(error.code(), Some("READONLY" | "NOAUTH"))
}
