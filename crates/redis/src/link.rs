//! The one connection for commands, and how it comes back.

use crate::error::{configuration, down, is_lost, refused, timed_out};
use crate::options::RedisOptions;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, IntoConnectionInfo as _, Pipeline,
    ProtocolVersion, PushInfo, PushKind, RedisFuture, RedisResult, ScriptInvocation, Value,
};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use telephony_core::Result;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

/// The first and the longest pause between attempts to connect.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How often a connection is asked whether it is still there.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(2);
/// How many commands may be under way at once; more wait.
const IN_FLIGHT: usize = 1_024;

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

/// A connection to one Redis or to a cluster.
#[derive(Clone)]
pub(crate) enum Connection {
    Single(MultiplexedConnection),
    #[cfg(feature = "cluster")]
    Cluster(redis::cluster_async::ClusterConnection),
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(cmd),
            #[cfg(feature = "cluster")]
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(connection) => connection.req_packed_commands(pipeline, offset, count),
            #[cfg(feature = "cluster")]
            Self::Cluster(connection) => connection.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(connection) => connection.get_db(),
            #[cfg(feature = "cluster")]
            Self::Cluster(connection) => connection.get_db(),
        }
    }
}

/// Where a connection is made to.
#[derive(Clone)]
pub(crate) enum Endpoint {
    Single(Client),
    #[cfg(feature = "cluster")]
    Cluster(Box<redis::cluster::ClusterClient>, Client),
}

impl Endpoint {
    pub(crate) fn new(options: &RedisOptions) -> Result<Self> {
        let open = |url: &str, protocol| {
            let info = url.into_connection_info().map_err(|_| bad_url())?;
            let settings = info.redis_settings().clone().set_protocol(protocol);
            Client::open(info.set_redis_settings(settings)).map_err(|_| bad_url())
        };
        #[cfg(feature = "tls")]
        // Fails if the app has chosen already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        if options.is_cluster() {
            #[cfg(feature = "cluster")]
            {
                let urls = std::iter::once(&options.url).chain(&options.more_urls);
                let urls: Vec<_> = urls.map(|url| url.expose().to_owned()).collect();
                let cluster = redis::cluster::ClusterClient::builder(urls)
                    .connection_timeout(options.connect_timeout)
                    .response_timeout(options.operation_timeout)
                    .build()
                    .map_err(|_| bad_url())?;
                let subscriber = open(options.url.expose(), ProtocolVersion::RESP2)?;
                return Ok(Self::Cluster(Box::new(cluster), subscriber));
            }
            #[cfg(not(feature = "cluster"))]
            return Err(configuration(
                "a Redis Cluster needs the feature `cluster` of telephony-redis",
            ));
        }
        // The newer protocol tells at once when the connection is lost.
        open(options.url.expose(), ProtocolVersion::RESP3).map(Self::Single)
    }

    /// Where messages are received; a cluster passes them on to all its nodes.
    pub(crate) fn subscriber(&self) -> &Client {
        match self {
            Self::Single(client) => client,
            #[cfg(feature = "cluster")]
            Self::Cluster(_, client) => client,
        }
    }

    async fn connect(&self, options: &RedisOptions, lost: Arc<Notify>) -> RedisResult<Connection> {
        let notice = move |info: PushInfo| {
            if info.kind == PushKind::Disconnection {
                lost.notify_one();
            }
            Ok::<_, redis::aio::SendError>(())
        };
        match self {
            Self::Single(client) => {
                let config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(options.connect_timeout))
                    .set_response_timeout(Some(options.operation_timeout))
                    .set_pipeline_buffer_size(IN_FLIGHT)
                    .set_push_sender(notice);
                let connected = client.get_multiplexed_async_connection_with_config(&config);
                connected.await.map(Connection::Single)
            }
            #[cfg(feature = "cluster")]
            Self::Cluster(client, _) => {
                drop(notice); // It comes back by itself.
                client.get_async_connection().await.map(Connection::Cluster)
            }
        }
    }
}

fn bad_url() -> telephony_core::Error {
    configuration(
        "the URL of Redis cannot be used: redis://[user:password@]host[:port][/db], or rediss:// with the feature `tls`",
    )
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

    /// Asks Redis. Every request may be repeated: scripts know their own number.
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
                    let next = self.up(up.number + 1, operation).await?;
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
        let lost = Arc::new(Notify::new());
        let connecting = endpoint.connect(&options, Arc::clone(&lost));
        match tokio::time::timeout(options.connect_timeout, connecting).await {
            Ok(Ok(connection)) => {
                if number > 0 {
                    tracing::info!("the call store is connected to Redis again");
                }
                backoff = Backoff::new();
                let up = Arc::new(Up {
                    connection,
                    number,
                    lost,
                });
                number += 1;
                tell.send_replace(State::Up(Arc::clone(&up)));
                until_lost(&up).await;
                tracing::warn!("the call store has lost its connection to Redis");
                tell.send_replace(State::Connecting);
            }
            failed => {
                let error = failed.ok().and_then(Result::err);
                let error = error.map(|error| refused("connect to Redis", &error));
                let error = error.unwrap_or_else(|| timed_out("connect to Redis"));
                if !matches!(*tell.borrow(), State::Down(_)) {
                    tracing::error!(%error, "the call store cannot connect to Redis; it goes on trying");
                }
                tell.send_replace(State::Down(error.detail().into()));
                backoff.pause().await;
            }
        }
    }
}

async fn until_lost(up: &Up) {
    let mut connection = up.connection.clone();
    loop {
        tokio::select! {
            () = up.lost.notified() => return,
            () = tokio::time::sleep(HEARTBEAT) => {}
        }
        let ping = redis::cmd("PING");
        let ping = ping.query_async::<Value>(&mut connection);
        match tokio::time::timeout(HEARTBEAT, ping).await {
            Ok(Err(error)) if is_lost(&error) || error.is_timeout() => return,
            Err(_) => return,
            Ok(_) => {}
        }
    }
}
