//! The way to the server: bounded in time, and made anew when it breaks.
//!
//! An operation is sent once. Whether one whose answer was lost took effect is unknown; so it is an error, and what
//! comes next loads the record again.

use std::io;
use std::time::{Duration, Instant};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, Cmd, RedisError, RedisFuture, RedisResult, Value};
use tokio::sync::Mutex;

/// After a failed attempt to connect, operations fail at once for so long, lest each waits its turn to try.
const PAUSE: Duration = Duration::from_millis(100);

/// How many commands may wait to be sent; more wait in front of the queue.
const QUEUE: usize = 1024;

pub(super) struct Link {
    way: Way,
    response_timeout: Duration,
}

enum Way {
    Own(Box<Own>),
    Given(Box<dyn Commands>),
}

/// A connection that the caller made, of whatever kind.
trait Commands: Send + Sync {
    fn ask<'a>(&self, command: &'a Cmd) -> RedisFuture<'a, Value>;
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Commands for C {
    fn ask<'a>(&self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let mut connection = self.clone();
        Box::pin(async move { command.query_async(&mut connection).await })
    }
}

struct Own {
    client: Client,
    connect_timeout: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connection: Option<MultiplexedConnection>,
    /// Counts the connections, so that who finds one broken does not drop its successor.
    generation: u64,
    failure: Option<(Instant, RedisError)>,
}

impl Link {
    /// A link that connects when it is first used.
    pub(super) fn own(
        client: Client,
        connect_timeout: Duration,
        response_timeout: Duration,
    ) -> Self {
        let own = Own {
            client,
            connect_timeout,
            state: Mutex::default(),
        };
        Self {
            way: Way::Own(Box::new(own)),
            response_timeout,
        }
    }

    pub(super) fn given<C>(connection: C, response_timeout: Duration) -> Self
    where
        C: ConnectionLike + Clone + Send + Sync + 'static,
    {
        Self {
            way: Way::Given(Box::new(connection)),
            response_timeout,
        }
    }

    /// Sends a command, once, and waits for its answer.
    pub(super) async fn ask(&self, command: &Cmd) -> RedisResult<Value> {
        match &self.way {
            Way::Given(given) => within(self.response_timeout, given.ask(command)).await,
            Way::Own(own) => {
                let (generation, mut connection) = own.connection().await?;
                let asked = command.query_async(&mut connection);
                let answer = within(self.response_timeout, asked).await;
                if answer.as_ref().is_err_and(is_of_the_connection) {
                    own.drop_connection(generation).await;
                }
                answer
            }
        }
    }
}

impl Own {
    async fn connection(&self) -> RedisResult<(u64, MultiplexedConnection)> {
        let arrived = Instant::now();
        let mut state = self.state.lock().await;
        if let Some(connection) = &state.connection {
            return Ok((state.generation, connection.clone()));
        }
        if let Some((at, error)) = &state.failure
            && (*at > arrived || at.elapsed() < PAUSE)
        {
            return Err(error.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(QUEUE);
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        match within(self.connect_timeout, connecting).await {
            Ok(connection) => {
                state.generation = state.generation.wrapping_add(1);
                state.connection = Some(connection.clone());
                state.failure = None;
                Ok((state.generation, connection))
            }
            Err(error) => {
                state.failure = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    async fn drop_connection(&self, generation: u64) {
        let mut state = self.state.lock().await;
        if state.generation == generation {
            state.connection = None;
        }
    }
}

async fn within<T>(
    span: Duration,
    work: impl Future<Output = RedisResult<T>> + Send,
) -> RedisResult<T> {
    tokio::time::timeout(span, work).await.unwrap_or_else(|_| {
        let text = format!("no answer within {span:?}");
        Err(io::Error::new(io::ErrorKind::TimedOut, text).into())
    })
}

/// Whether another connection may do better: this one is broken, leads to what is no longer the primary, or
/// was made with a password that is no longer valid.
fn is_of_the_connection(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_unrecoverable_error()
        || matches!(error.code(), Some("READONLY" | "NOAUTH"))
}
