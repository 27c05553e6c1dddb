//! Where connections are made to: one Redis, or the nodes of a cluster.

use crate::error::configuration;
use crate::link::Link;
#[cfg(feature = "cluster")]
use crate::link::Request;
use crate::options::RedisOptions;
use crate::tls;
use redis::aio::{ConnectionLike, MultiplexedConnection};
#[cfg(feature = "cluster")]
use redis::cluster::ClusterClient;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, IntoConnectionInfo as _, Pipeline,
    ProtocolVersion, PushInfo, PushKind, RedisFuture, RedisResult, Value,
};
use std::sync::Arc;
use std::time::Duration;
use telephony_core::Result;
use tokio::sync::Notify;

/// How many commands may be under way at once; more wait.
const IN_FLIGHT: usize = 1_024;
/// One node of a cluster has this share of the time to connect: one that does not answer must not keep us from the others. It
/// is asked twice, first as one that was configured, then as one that the others report.
#[cfg(feature = "cluster")]
const SHARE: u32 = 4;

/// A connection to one Redis or to a cluster.
#[derive(Clone)]
pub(crate) enum Connection {
    Single(MultiplexedConnection),
    #[cfg(feature = "cluster")]
    Cluster(redis::cluster_async::ClusterConnection),
}

impl Connection {
    /// What any node of a cluster answers, if this leads to one.
    pub(crate) fn to_any_node(&self) -> Option<Cmd> {
        match self {
            Self::Single(_) => None,
            #[cfg(feature = "cluster")]
            Self::Cluster(_) => Some(anybody()),
        }
    }
}

/// Asks whether anybody is there: of a cluster any node, unlike `PING`, which all primaries must answer.
pub(crate) fn anybody() -> Cmd {
    let mut command = redis::cmd("ECHO");
    command.arg("here");
    command
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
    Single(Box<Client>),
    /// With the nodes that were configured.
    #[cfg(feature = "cluster")]
    Cluster(Box<ClusterClient>, Vec<Client>),
}

impl Endpoint {
    pub(crate) fn new(options: &RedisOptions) -> Result<Self> {
        tls::prepare(options)?;
        if options.is_cluster() {
            return Self::cluster(options);
        }
        // The newer protocol tells at once when the connection is lost.
        let info = info(options.url.expose(), ProtocolVersion::RESP3)?;
        tls::open(info, options).map(Box::new).map(Self::Single)
    }

    #[cfg(feature = "cluster")]
    fn cluster(options: &RedisOptions) -> Result<Self> {
        let urls = std::iter::once(&options.url).chain(&options.more_urls);
        let nodes = urls
            .map(|url| info(url.expose(), ProtocolVersion::RESP2))
            .collect::<Result<Vec<_>>>()?;
        let builder = ClusterClient::builder(nodes.clone())
            .connection_timeout(options.connect_timeout / SHARE)
            .response_timeout(options.operation_timeout);
        let client = tls::secure(builder, options)
            .build()
            .map_err(|_| bad_url())?;
        let nodes = nodes.into_iter().map(|node| tls::open(node, options));
        let nodes = nodes.collect::<Result<_>>()?;
        Ok(Self::Cluster(Box::new(client), nodes))
    }

    #[cfg(not(feature = "cluster"))]
    fn cluster(_: &RedisOptions) -> Result<Self> {
        Err(configuration(
            "a Redis Cluster needs the feature `cluster` of telephony-redis",
        ))
    }

    /// How long to wait for one node.
    pub(crate) fn patience(&self, options: &RedisOptions) -> Duration {
        match self {
            Self::Single(_) => options.connect_timeout,
            #[cfg(feature = "cluster")]
            Self::Cluster(..) => options.connect_timeout / SHARE,
        }
    }

    /// Where messages can be received: at any of these, because a cluster passes them on to all its nodes.
    pub(crate) fn subscribers(&self) -> &[Client] {
        match self {
            Self::Single(client) => std::slice::from_ref(client),
            #[cfg(feature = "cluster")]
            Self::Cluster(_, nodes) => nodes,
        }
    }

    /// The nodes that a cluster tells of, but for those that were configured.
    pub(crate) async fn reported(&self, link: &Link) -> Vec<Client> {
        match (self, link) {
            (Self::Single(_), _) => Vec::new(),
            #[cfg(feature = "cluster")]
            (Self::Cluster(_, configured), link) => {
                let mut command = redis::cmd("CLUSTER");
                command.arg("SLOTS");
                let slots = link.ask("find nodes", Request::Command(command)).await;
                // If nobody can be asked, there are still those that were configured.
                slots.map_or_else(
                    |_| Vec::new(),
                    |slots| crate::nodes::others(configured, &slots),
                )
            }
        }
    }

    pub(crate) async fn connect(
        &self,
        options: &RedisOptions,
        lost: Arc<Notify>,
    ) -> RedisResult<Connection> {
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

fn info(url: &str, protocol: ProtocolVersion) -> Result<ConnectionInfo> {
    let info = url.into_connection_info().map_err(|_| bad_url())?;
    let settings = info.redis_settings().clone().set_protocol(protocol);
    Ok(info.set_redis_settings(settings))
}

pub(crate) fn bad_url() -> telephony_core::Error {
    configuration(
        "the URL of Redis cannot be used: redis://[user:password@]host[:port][/db], or rediss:// with the feature `tls`",
    )
}
