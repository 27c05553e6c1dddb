//! The one connection for commands, and how it comes back.

use crate::endpoint::{Connection, Endpoint};
use crate::error::{down, is_lost, refused, timed_out, unreachable};
use crate::options::RedisOptions;
use redis::{Cmd, FromRedisValue, RedisResult, ScriptInvocation, Value};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use telephony_core::{Result, Retry};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// The first and the longest pause between attempts to connect.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How often a connection is asked whether it is still there.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(2);

/// Doubles a pause between attempts.
pub(crate) struct Backoff(Duration);

impl Backoff {
    pub(crate) fn new() -> Self {
        Self(PAUSES.0)
    }

    pub(crate) async fn pause(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(PAUSES.1);
    }
}

/// What is asked of Redis.
pub(crate) enum Request<'a> {
    Script(ScriptInvocation<'a>),
    Command(Cmd),
}

impl Request<'_> {
    async fn send<T: FromRedisValue>(&self, mut to: Connection) -> RedisResult<T> {
        match self {
            Self::Script(script) => script.invoke_async(&mut to).await,
            Self::Command(command) => command.query_async(&mut to).await,
        }
    }
}

#[derive(Clone)]
enum State {
    /// One attempt is under way: it is worth waiting for.
    Connecting,
    Up(Arc<Up>),
    /// With the reason.
    Down(Arc<str>),
}

struct Up {
    connection: Connection,
    /// How many there were before.
    number: u64,
    /// Whoever finds out that it is lost says so, each connection on its own: a late word about the one before must not
    /// cost this one.
    lost: Arc<Notify>,
}

/// The connection for commands. A task of its own brings it back when it is lost.
pub(crate) struct Link {
    state: watch::Receiver<State>,
    deadline: Duration,
    task: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("is_up", &matches!(*self.state.borrow(), State::Up(..)))
            .finish_non_exhaustive()
    }
}

impl Link {
    pub(crate) fn new(endpoint: Endpoint, options: &RedisOptions) -> Self {
        let (tell, state) = watch::channel(State::Connecting);
        let keeping = keep(endpoint, options.clone(), tell);
        Self {
            state,
            deadline: options.operation_timeout,
            task: tokio::spawn(keeping),
        }
    }

    /// Asks Redis. Every request may be repeated: scripts know their own number. Once it was sent, nobody knows whether it was
    /// done unless Redis says so, whatever becomes of the repeat.
    pub(crate) async fn ask<T: FromRedisValue>(
        &self,
        operation: &'static str,
        request: Request<'_>,
    ) -> Result<T> {
        let asking = async {
            let up = self.up(0, operation).await?;
            match request.send(up.connection.clone()).await {
                Err(error) if is_lost(&error) => {
                    up.lost.notify_one();
                    let next = self.up(up.number + 1, operation).await;
                    let next = next.map_err(|error| error.with_retry(Retry::OutcomeUnknown))?;
                    request.send(next.connection.clone()).await
                }
                answered => answered,
            }
            .map_err(|error| refused(operation, &error))
        };
        match tokio::time::timeout(self.deadline, asking).await {
            Ok(answered) => answered,
            Err(_) => Err(timed_out(operation)),
        }
    }

    /// A connection that is at least the `newer`-th one; an error if there is none for now.
    async fn up(&self, newer: u64, operation: &'static str) -> Result<Arc<Up>> {
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| match state {
            State::Connecting => false,
            State::Up(up) => up.number >= newer,
            State::Down(_) => true,
        });
        match settled.await.as_deref() {
            Ok(State::Up(up)) => Ok(Arc::clone(up)),
            Ok(State::Down(why)) => Err(down(operation, why)),
            _ => Err(down(operation, "the store is being let go of")),
        }
    }
}

/// Keeps a connection up for as long as somebody may ask for it.
async fn keep(endpoint: Endpoint, options: RedisOptions, tell: watch::Sender<State>) {
    let mut number = 0;
    let mut backoff = Backoff::new();
    loop {
        match connect(&endpoint, &options, number).await {
            Ok(up) => {
                if number > 0 {
                    tracing::info!("the call store is connected to Redis again");
                }
                backoff = Backoff::new();
                number = until_lost(up, &endpoint, &options, &tell).await + 1;
                tracing::warn!("the call store has lost its connection to Redis");
                tell.send_replace(State::Connecting);
            }
            Err(error) => {
                if !matches!(*tell.borrow(), State::Down(_)) {
                    tracing::error!(%error, "the call store cannot connect to Redis; it goes on trying");
                }
                tell.send_replace(State::Down(error.detail().into()));
                backoff.pause().await;
            }
        }
    }
}

async fn connect(endpoint: &Endpoint, options: &RedisOptions, number: u64) -> Result<Arc<Up>> {
    const OPERATION: &str = "connect to Redis";
    let lost = Arc::new(Notify::new());
    let connecting = endpoint.connect(options, Arc::clone(&lost));
    match tokio::time::timeout(options.connect_timeout, connecting).await {
        Ok(Ok(connection)) => Ok(Arc::new(Up {
            connection,
            number,
            lost,
        })),
        failed => {
            let error = failed.ok().and_then(Result::err);
            let has_tls = options.url.expose().starts_with("rediss:");
            Err(unreachable(OPERATION, error.as_ref(), has_tls))
        }
    }
}

/// Offers a connection until it is of no use any more; then gives its number. One to a cluster is of use as long as any node
/// answers. While one does not, it is made anew every now and then: the others may know by now who has taken that one's place.
/// The former one is offered meanwhile.
async fn until_lost(
    mut up: Arc<Up>,
    endpoint: &Endpoint,
    options: &RedisOptions,
    tell: &watch::Sender<State>,
) -> u64 {
    tell.send_replace(State::Up(Arc::clone(&up)));
    let mut is_whole = true;
    let mut backoff = Backoff::new();
    loop {
        if is_well(&up).await {
            if !is_whole {
                tracing::info!("all nodes of the Redis Cluster answer again");
            }
            is_whole = true;
            backoff = Backoff::new();
            continue;
        }
        if !answers(&up.connection, up.connection.to_any_node()).await {
            return up.number;
        }
        if is_whole {
            tracing::warn!("a node of the Redis Cluster does not answer the call store");
        }
        is_whole = false;
        backoff.pause().await;
        if let Ok(next) = connect(endpoint, options, up.number + 1).await {
            up = next;
            tell.send_replace(State::Up(Arc::clone(&up)));
        }
    }
}

/// Waits until it is time to ask whether all is well, or somebody knows that it is not.
async fn is_well(up: &Up) -> bool {
    tokio::select! {
        () = up.lost.notified() => false,
        // A cluster passes this on to all its primaries.
        () = tokio::time::sleep(HEARTBEAT) => answers(&up.connection, Some(redis::cmd("PING"))).await,
    }
}

async fn answers(connection: &Connection, command: Option<Cmd>) -> bool {
    let Some(command) = command else {
        return false;
    };
    let mut connection = connection.clone();
    let answer = command.query_async::<Value>(&mut connection);
    match tokio::time::timeout(HEARTBEAT, answer).await {
        Ok(Err(error)) => !is_lost(&error) && !error.is_timeout(),
        Ok(Ok(_)) => true,
        Err(_) => false,
    }
}
